from __future__ import annotations

import inspect
import json
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.kustomer.client import Request
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.planning.kustomer import OnlyReads, PlannedKustomer
from tests.planning.planned import files_in, plan, world_of
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    TEXT,
    Running,
    _environment,
    customers,
    record,
    schema,
    state,
    to_lines,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result as CliResult

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

ROOT = Path(__file__).parents[2]

FIRMS = [schema("companies", COMPANIES), record("companies", id="f", name="Firm")]
PEOPLE = [schema("customers", {**CUSTOMERS, "company_id": TEXT})]
BAD = [record("customers", id="bad", name="Ann", age="old")]
BEHIND = {"type": "ACTIVATE_VERSION", "stream": "customers"}
HELD = {"externalId": "c1", "name": "Old", "emails": [{"email": "c1@example.com", "type": "home"}]}


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def command(cli: Callable[..., CliResult], run: Runner, tmp_path: Path) -> Callable[..., CliResult]:
    """The command line with ``--plan``, as a user gives it."""

    def invoke(messages: Any, *options: Any, **settings: Any) -> CliResult:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(run.config(**settings)))
        lines = messages if isinstance(messages, bytes) else to_lines(messages)
        return cli("--plan", *options, "--config", config, stdin=lines)

    return invoke


# The exit code


@pytest.mark.without_ledger
def test_changes_are_exit_10_and_nothing_to_do_is_0(
    command: Callable[..., CliResult], run: Runner
) -> None:
    messages = [*FIRMS, *PEOPLE, *customers(3, company_id="f"), state(4)]
    assert command(messages, skip_unchanged=True).exit_code == 10
    run(messages)
    assert command(messages, skip_unchanged=True).exit_code == 0
    assert command(messages).exit_code == 10  # a run would send them all again
    assert command([*PEOPLE, state(1)]).exit_code == 0


@pytest.mark.parametrize(
    ("messages", "settings", "code"),
    [
        ([*PEOPLE, *BAD], {}, 3),
        ([*PEOPLE, *BAD, *customers(2)], {}, 3),
        ([*PEOPLE, *BAD, *customers(2)], {"max_rejected_records": 1}, 10),
        ([*PEOPLE, *BAD], {"max_rejected_records": 1}, 0),
        ([schema("orders", CUSTOMERS)], {}, 2),
        (to_lines([*PEOPLE, *BAD, *customers(2)]) + b"broken\n", {}, 2),
        ([], {"api_key": "wrong"}, 4),
        ([], {"api_url": "http://127.0.0.1:9", "retry_deadline_seconds": 0}, 5),
    ],
)
def test_what_would_end_a_run_ends_a_plan_alike(
    messages: Any, settings: dict[str, Any], code: int, command: Callable[..., CliResult]
) -> None:
    assert command(messages, **settings).exit_code == code


def test_a_company_made_for_a_customer_is_a_change(
    command: Callable[..., CliResult], simulator: Simulator
) -> None:
    messages = [
        schema("customers", {**CUSTOMERS, "company_name": TEXT}),
        *customers(2, company_name="Firm"),
    ]
    done = command(messages, "--format=json", missing_company="create")
    assert done.exit_code == 10
    assert json.loads(done.stdout)["companies_for_customers"] == 1
    assert not simulator.org.companies


def test_options_that_do_not_fit_are_said_so(
    cli: Callable[..., CliResult], command: Callable[..., CliResult], tmp_path: Path
) -> None:
    done = cli("--plan-out", tmp_path / "plan.jsonl")
    assert (done.exit_code, "--plan-out" in done.stderr) == (2, True)
    assert not (tmp_path / "plan.jsonl").exists()
    for options in (["--check"], ["--format=markdown"]):
        done = command([], *options)
        assert (done.exit_code, "--plan" in done.stderr) == (2, True)
    done = command([], "--plan-out", tmp_path / "nowhere" / "plan.jsonl")
    assert (done.exit_code, "--plan-out" in done.stderr) == (2, True)


# What is written: the plan, and nothing else


@pytest.mark.parametrize("knows", [False, True], ids=["no ledger yet", "a ledger"])
def test_nothing_is_written_but_the_plan(
    command: Callable[..., CliResult],
    run: Runner,
    simulator: Simulator,
    tmp_path: Path,
    temporary: Path,
    *,
    knows: bool,
) -> None:
    (tmp_path / "ledger").mkdir()
    ledger = {"ledger_url": f"sqlite:///{tmp_path / 'ledger' / 'ledger.db'}"}
    simulator.org.add_customer(HELD)
    if knows:
        run([*FIRMS, *PEOPLE, *customers(4, company_id="f")], **ledger)
    world, files = world_of(run), files_in(tmp_path)
    asked = len(simulator.requests.entries)
    messages = [*FIRMS, *PEOPLE, *customers(9, first=2, company_id="f"), *BAD, state(9)]
    done = command(
        messages,
        "--plan-out",
        tmp_path / "plan.jsonl",
        max_rejected_records=9,
        report_path=str(tmp_path / "report.html"),
        **ledger,
    )
    assert done.exit_code == 10
    assert world_of(run) == world
    assert {each.method for each in simulator.requests.entries[asked:]} == {"GET"}
    left = files_in(tmp_path)
    assert left.keys() - files.keys() == {"plan.jsonl", "config.json"}
    assert {name: left[name] for name in files} == files
    assert '"at"' not in done.stdout
    assert not list(temporary.iterdir())


def test_its_reads_are_in_the_request_log(
    command: Callable[..., CliResult], simulator: Simulator, tmp_path: Path
) -> None:
    command([*PEOPLE, *customers(2)], request_log_path=str(tmp_path / "reads.har"))
    entries = json.loads((tmp_path / "reads.har").read_text())["log"]["entries"]
    assert len(entries) == len(simulator.requests.entries)
    assert {each["request"]["method"] for each in entries} == {"GET"}


@pytest.mark.without_ledger
def test_what_goes_without_a_record_and_what_is_defined_is_told(
    command: Callable[..., CliResult], run: Runner, simulator: Simulator, tmp_path: Path
) -> None:
    def table(version: int, number: int) -> list[dict[str, Any]]:
        rows = [{**each, "version": version} for each in customers(number)]
        return [*PEOPLE, *rows, {**BEHIND, "version": version}]

    options = {
        "ledger_url": f"sqlite:///{tmp_path / 'versions.db'}",
        "on_delete": "delete",
        "undefined_attributes": "create",
    }
    run(table(1, 5), **{**options, "undefined_attributes": "warn"})
    world = world_of(run)
    path = tmp_path / "plan.jsonl"
    done = command(table(2, 3), "--plan-out", path, **options)
    assert done.exit_code == 10
    assert done.stdout.splitlines()[-3:] == [
        "A run would create 0 records and update 0.",
        "It would delete 2 that the new version of customers leaves behind.",
        "It would define attributes of a customer: ageNum.",
    ]
    lines = [json.loads(each) for each in path.read_text().splitlines()]
    assert [(each["line"], each["action"]) for each in lines[-3:]] == [
        (4, "unchanged"),
        (None, "delete"),
        (None, "delete"),
    ]
    left = {simulator.org.customer(external_id=each).id for each in ("c3", "c4")}  # type: ignore[union-attr]
    assert {each["id"] for each in lines[-2:]} == left
    done = command(table(2, 3), max_deleted_records=1, **options)
    assert "none of it is deleted" in done.stderr
    assert "leaves behind" not in done.stdout
    assert world_of(run) == world


def test_the_plan_is_for_its_owner_alone(command: Callable[..., CliResult], tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text("an older plan\n")
    path.chmod(0o644)
    command([*PEOPLE, *customers(2)], "--plan-out", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == 2


def test_the_terminal_tells_nothing_of_a_person(
    command: Callable[..., CliResult], simulator: Simulator
) -> None:
    simulator.org.add_customer(HELD)
    done = command(
        [*PEOPLE, *customers(3, company_id="nowhere"), *BAD, record("customers", id="z")]
    )
    for personal in ("c1", "@example", "Old", "Customer 1", "bad", "Ann", "nowhere"):
        assert not re.search(rf"\b{re.escape(personal)}\b", done.stdout + done.stderr), personal


# What it says


@pytest.mark.without_ledger
def test_the_tables_say_what_would_happen_and_how_often(
    command: Callable[..., CliResult], simulator: Simulator
) -> None:
    simulator.org.add_customer(HELD)
    done = command([*PEOPLE, *customers(2), *BAD, *customers(1)], max_rejected_records=1)
    assert done.stdout.splitlines() == [
        "| stream    | read | create | update | delete | unchanged | skip | reject |",
        "|-----------|-----:|-------:|-------:|-------:|----------:|-----:|-------:|",
        "| customers |    4 |      1 |      2 |      0 |         0 |    0 |      1 |",
        "",
        "| rejected for   | records |",
        "|----------------|--------:|",
        "| invalid_format |       1 |",
        "",
        "| stream    | attribute     | creates set it | updates change it |",
        "|-----------|---------------|---------------:|------------------:|",
        "| customers | custom.ageNum |              1 |                 1 |",
        "| customers | name          |              1 |                 1 |",
        "| customers | emails        |              1 |                 0 |",
        "| customers | externalId    |              1 |                 0 |",
        "",
        "A run would create 1 records and update 2.",
    ]


@pytest.mark.without_ledger
def test_each_record_has_its_line_in_the_order_of_stdin(run: Runner, simulator: Simulator) -> None:
    held = simulator.org.add_customer(HELD)
    simulator.org.add_customer({"externalId": "same", "name": "Ann"})
    planned = plan(
        run,
        [
            *PEOPLE,
            record("customers", id="c1", name="New", email="c1@work.example", age=None),
            *BAD,
            record("customers", id="same", name="Ann"),
            record("customers", id="gone", name="Bob", _sdc_deleted_at="2026-01-01T00:00:00Z"),
            record("customers", id="new", name="Cy", age=3),
            record("customers", id="new", age=4),
            state(1),
        ],
        skip_unchanged=True,
        max_rejected_records=1,
    )
    update, reject, unchanged, skip, create, again = planned.lines
    assert update == {
        "stream": "customers",
        "line": 2,
        "action": "update",
        "id": held.id,
        "keys": {"externalId": ["c1"], "email": ["c1@work.example"]},
        "changes": {
            "emails": {
                "before": [{"email": "c1@example.com", "type": "home", "verified": False}],
                "after": [
                    {"email": "c1@work.example"},
                    {"email": "c1@example.com", "type": "home", "verified": False},
                ],
            },
            "name": {"before": "Old", "after": "New"},
        },
    }
    assert reject["action"] == "reject"
    assert (reject["line"], reject["reason"], reject["column"]) == (3, "invalid_format", "age")
    assert (unchanged["action"], unchanged["line"]) == ("unchanged", 4)
    assert unchanged["id"] == simulator.org.customer(external_id="same").id  # type: ignore[union-attr]
    assert (skip["action"], skip["line"], skip["why"]) == ("skip", 5, "deleted")
    assert (create["action"], create["line"]) == ("create", 6)
    assert create["changes"]["custom.ageNum"] == {"before": None, "after": 4}
    assert (again["action"], again["with_line"], again["changes"]) == ("update", 6, {})
    assert create["id"] == again["id"] == "new-customer-1"


@pytest.mark.parametrize(("mode", "why"), [("create", "exists"), ("update", "not_found")])
def test_a_skip_has_its_reason(mode: str, why: str, run: Runner, simulator: Simulator) -> None:
    simulator.org.add_customer(HELD)
    streams = {"customers": {"mode": mode}}
    planned = plan(run, [*PEOPLE, *customers(2)], streams=streams)
    [skipped] = [each for each in planned.lines if each["action"] == "skip"]
    assert skipped["why"] == why
    assert planned.summary["skips"] == {why: 1}
    assert planned.summary["streams"]["customers"]["skip"] == 1


def test_a_customer_names_the_company_that_the_same_stream_creates(run: Runner) -> None:
    planned = plan(run, [*FIRMS, *PEOPLE, *customers(1, company_id="f")])
    company, customer = planned.lines
    assert customer["changes"]["company"] == {"before": None, "after": company["id"]}


def test_what_the_settings_leave_out_holds_up_no_line(run: Runner) -> None:
    messages = [schema("orders", CUSTOMERS), record("orders", id="1"), *PEOPLE, *customers(2)]
    planned = plan(run, messages, streams={"orders": {"object": "ignore"}})
    assert [each["line"] for each in planned.lines] == [4, 5]
    assert planned.summary["ignored"] == {"orders": 1}


def test_what_the_ledger_knows_is_in_the_plan_too(run: Runner, tmp_path: Path) -> None:
    ledger = {"ledger_url": f"sqlite:///{tmp_path / 'own.db'}"}
    messages = [*PEOPLE, *customers(3)]
    run(messages, **ledger)
    planned = plan(run, [*messages, *customers(1, first=3)], ledger_url=ledger["ledger_url"])
    assert [each["action"] for each in planned.lines] == ["unchanged"] * 3 + ["create"]
    assert all(each["id"] for each in planned.lines)


# Requests


@pytest.mark.parametrize(("held", "read", "most"), [(0, 300, 10), (300, 300, 15), (900, 10, 40)])
def test_a_plan_reads_no_more_than_it_needs(
    held: int, read: int, most: int, run: Runner, simulator: Simulator
) -> None:
    for each in customers(held):
        fields = each["record"]
        simulator.org.add_customer(
            {"externalId": fields["id"], "emails": [{"email": fields["email"]}]}
        )
    planned = plan(run, [*PEOPLE, *customers(read)])
    assert [each["line"] for each in planned.lines] == list(range(2, read + 2))
    assert simulator.requests.cost <= most


def test_every_call_that_writes_is_planned() -> None:
    writes = {
        name
        for name, method in inspect.getmembers(Kustomer, inspect.isfunction)
        if re.search(r"_client\.send\(", inspect.getsource(method))
    } - {"_get"}
    assert writes == {"submit", "update", "define"}
    assert writes <= vars(PlannedKustomer).keys()


def test_what_is_not_planned_is_not_sent() -> None:
    class Sender:
        def send(self, request: Request) -> Any:
            raise AssertionError(request.kind)

    with pytest.raises(RuntimeError):
        OnlyReads(Sender()).send(Request("delete of a customer", "DELETE", "/customers/1"))


# Signals


def test_a_signal_ends_a_plan_with_what_is_planned_so_far(
    run: Runner, simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "plan.jsonl"
    args = [*run.command(batch_size_rows=1), "--plan", "--plan-out", str(path)]
    with Running(args, _environment(None), tmp_path, run.folder / "rejects-0") as running:
        running.write([*PEOPLE, *customers(3)])
        wait_until(lambda: path.exists() and path.read_text().count("\n") == 3)
        running.process.terminate()
        result = running.result()
    assert result.exit_code == 143
    assert "ended early" in result.stdout
    assert "So far: a run would create 3 records and update 0." in result.stdout
    assert "nothing was written" in result.error
    assert "| customers |    3 |      3 |" in result.stdout
    assert not simulator.org.customers
