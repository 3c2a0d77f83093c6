"""The report of a run: what it counts, how it ends with each ending, and what it never tells."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from target_kustomer.summary import Summary
from tests.guarantees.canaries import (
    COLUMNS,
    FIELDS,
    KEY,
    MAGRATHEA,
    PASSWORD,
    SIRIUS,
    TRILLIAN,
    ZAPHOD,
    sent,
    told,
)
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    Runner,
    customers,
    record,
    schema,
    state,
    to_lines,
    wait_until,
)

if TYPE_CHECKING:
    from tests.support import Result

ROOT = Path(__file__).parents[2]

VERDICTS = ("created", "updated", "unchanged", "skipped", "rejected")

BAD = [record("customers", id=f"bad{number}", name="Ann", age="old") for number in range(3)]


@pytest.fixture(params=["json", "html"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a report goes, in each of its forms."""
    return tmp_path / f"report.{request.param}"


def read(path: Path) -> dict[str, Any]:
    """The document of a report in either form."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        [text] = re.findall(r'<script id="data" type="application/json">(.*)</script>', text)
    content: dict[str, Any] = json.loads(text)
    return content


# What it counts


@pytest.mark.without_ledger
def test_the_totals_are_those_of_the_summary_and_of_kustomer(
    run: Runner, simulator: Simulator, path: Path
) -> None:
    for number in range(5):
        simulator.org.add_customer({"externalId": f"c{number}", "name": "before"})
    simulator.faults.add("502_html", path_pattern="/customers/bulk")
    simulator.faults.add("reset_before", path_pattern="/batches")
    messages = [
        schema("companies", COMPANIES),
        *(record("companies", id=f"f{number}", name=f"Firm {number}") for number in range(4)),
        record("companies", id="long", name="x" * 300),
        schema("customers", CUSTOMERS),
        *customers(130),
        *BAD,
        schema("orders", {}),
        record("orders", id=1),
        state(1),
    ]
    result = run(messages, report_path=str(path), streams={"orders": {"object": "ignore"}})
    report = read(path)

    summaries = {
        each["stream"]: {word: each[word] for word in ("read", *VERDICTS)}
        for each in report["streams"]
        if each["object"]
    }
    assert summaries == result.summaries
    assert {each: report["records"][each] for each in VERDICTS} == {
        "created": 129,
        "updated": 5,
        "unchanged": 0,
        "skipped": 0,
        "rejected": 4,
    }
    assert report["records"]["read"] == 138
    assert report["records"]["ignored"] == 1
    assert report["records"]["unsettled"] == 0
    assert {each: sum(report["timeline"]["records"][each]) for each in VERDICTS} == {
        each: report["records"][each] for each in VERDICTS
    }
    assert report["rejects"]["file"] in result.log
    assert {
        (each["stream"], each["reason"], each["attribute"], each["column"]): each["records"]
        for each in report["rejects"]["reasons"]
    } == {
        ("customers", "invalid_format", "ageNum", "age"): 3,
        ("companies", "too_long", "name", "name"): 1,
    }

    log = simulator.requests.entries
    requests = report["requests"]
    assert requests["total"] == len(log) == sum(report["timeline"]["requests"])
    statuses = Counter(str(each.status) for each in log if each.status)
    assert requests["statuses"] == dict(sorted(statuses.items()))
    assert requests["failed"] == 1
    assert requests["retries"] == 2
    by_kind = {each["kind"]: each["requests"] for each in requests["kinds"]}
    counts = simulator.requests.counts()
    bulk = sum(number for kind, number in by_kind.items() if kind.startswith("bulk "))
    submits = [each for each in log if each.path.endswith("/bulk")]
    assert bulk == len(submits)
    assert by_kind["poll of a bulk job"] == len([each for each in log if "/batches" in each.path])
    assert report["jobs"]["total"] == counts["bulk-submit"]
    assert sum(each["items"] for each in report["jobs"]["kinds"]) == sum(
        each.records for each in submits if each.status == 201
    )


def test_waits_for_the_budget_are_told_with_their_cost(tmp_path: Path, path: Path) -> None:
    with Simulator(clock=fast_time, rate_limit=20) as simulator:
        run = Runner(simulator, tmp_path, FastTarget)
        messages = [schema("customers", CUSTOMERS), *customers(600), state(600)]
        result = run(messages, report_path=str(path), rate_limit_share=0.5, batch_size_rows=20)
    assert result.exit_code == 0
    report = read(path)
    assert report["limit"] == {
        "requests_per_minute": 20,
        "share": 0.5,
        "share_per_minute": 10,
    }
    waits = report["waits"]
    assert waits["requests"] == sum(each["waits"] for each in report["requests"]["kinds"]) > 0
    assert 0 < waits["stalled_seconds"] <= waits["seconds"]
    assert waits["stalled_seconds"] <= report["run"]["seconds"]
    assert sum(report["timeline"]["stalled_seconds"]) == pytest.approx(
        waits["stalled_seconds"], rel=0.01
    )
    assert waits["cost_records"] > 0


@pytest.mark.without_ledger
def test_a_run_without_waits_says_so(run: Runner, path: Path) -> None:
    run([schema("customers", CUSTOMERS), *customers(2), state(2)], report_path=str(path))
    waits = read(path)["waits"]
    assert {waits[each] for each in ("requests", "seconds", "stalled_seconds", "cost_records")} == {
        0
    }


def test_the_phases_add_up_to_the_run(run: Runner, path: Path) -> None:
    messages = [schema("customers", CUSTOMERS), *customers(300), state(300)]
    run(messages, report_path=str(path), max_parallel_requests=1, batch_size_rows=10)
    report = read(path)
    phases = {each["phase"]: each["seconds"] for each in report["phases"]}
    assert sum(phases.values()) == pytest.approx(report["run"]["seconds"], abs=0.01)
    assert phases["waiting_for_delivery"] > 0
    assert phases["settling"] > 0


def test_what_stream_maps_and_settings_leave_out_is_counted(run: Runner, path: Path) -> None:
    messages = [schema("customers", CUSTOMERS), *BAD, *customers(10), state(13)]
    run(
        messages,
        report_path=str(path),
        invalid_values="omit",
        stream_maps={"customers": {"__filter__": "record['id'] != 'c3'"}},
    )
    report = read(path)
    assert report["records"]["filtered"] == 1
    assert report["rejects"]["omitted"] == [{"stream": "customers", "column": "age", "values": 3}]


# Each way of ending


def _prepare_nothing(simulator: Simulator) -> None:
    pass


def _is_away(simulator: Simulator) -> None:
    simulator.faults.add("500", path_pattern="/bulk", times=None)


ENDINGS: dict[str, tuple[int, Any, list[bytes], dict[str, Any]]] = {
    "done": (0, _prepare_nothing, [], {"max_rejected_records": -1}),
    "rejects": (3, _prepare_nothing, [], {}),
    "input": (2, _prepare_nothing, [b"broken\n"], {}),
    "schema": (2, _prepare_nothing, [to_lines([schema("orders", CUSTOMERS)])], {}),
    "key": (4, _prepare_nothing, [], {"api_key": "wrong"}),
    "away": (5, _is_away, [], {"retry_deadline_seconds": 0.1}),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_way_of_ending_is_told(
    ending: str, run: Runner, simulator: Simulator, path: Path
) -> None:
    code, prepare, more, settings = ENDINGS[ending]
    prepare(simulator)
    path.write_text("the one before", encoding="utf-8")
    lines = to_lines([schema("customers", CUSTOMERS), *BAD, *customers(2)]) + b"".join(more)
    result = run(lines, report_path=str(path), **settings)
    assert result.exit_code == code
    report = read(path)
    assert report["run"]["exit_code"] == code
    assert report["run"]["exit_line"] == (result.error or None)
    assert report["records"]["read"] == report["records"]["unsettled"] + sum(
        report["records"][each] for each in VERDICTS
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {each.name for each in path.parent.glob(".report*")} == set()


def test_a_signal_is_told_and_what_it_left(run: Runner, simulator: Simulator, path: Path) -> None:
    simulator.faults.add("stuck_job", times=None)
    with run.start(report_path=str(path), shutdown_grace_seconds=0.2) as running:
        running.write([schema("customers", CUSTOMERS), *customers(200)])
        wait_until(lambda: simulator.requests.of_kind("bulk-submit"))
        running.process.send_signal(signal.SIGTERM)
        result = running.result()
    assert result.exit_code == 143
    report = read(path)
    assert report["run"]["exit_code"] == 143
    assert report["run"]["exit_line"] in result.error
    assert report["records"]["unsettled"] == report["records"]["read"] > 0


def test_a_stdout_that_was_closed_is_told(run: Runner, path: Path) -> None:
    reader, writer = os.pipe()
    with run.start(stdout=writer, report_path=str(path)) as running:
        for descriptor in (reader, writer):
            os.close(descriptor)
        running.write([schema("customers", CUSTOMERS), *customers(2), state(2)])
        running.close_stdin()
        result = running.result()
    assert read(path)["run"]["exit_code"] == result.exit_code == 141


def test_a_bug_is_told_without_its_words(
    run: Runner, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError(ZAPHOD["email"])

    monkeypatch.setattr(Summary, "count", broken)
    with pytest.raises(KeyError):
        run([schema("customers", CUSTOMERS), *customers(2)], report_path=str(path))
    report = read(path)
    assert report["run"]["exit_code"] == 1
    assert report["run"]["exit_line"].startswith("bug in target-kustomer: KeyError at ")
    assert report["records"]["unsettled"] == 2
    assert not told(path.read_text(encoding="utf-8"))


# Where it goes


@pytest.mark.parametrize("where", ["nowhere/report.json", "folder.json"])
def test_a_path_that_cannot_be_written_is_exit_2_at_the_start(
    where: str, run: Runner, simulator: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "folder.json").mkdir()
    result = run([schema("customers", CUSTOMERS), *customers(2)], report_path=str(tmp_path / where))
    assert result.exit_code == 2
    assert where in result.error
    assert not simulator.requests.entries


def test_a_link_stays_one_and_its_own_name_decides_the_form(run: Runner, tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.json"
    real.write_text("older", encoding="utf-8")
    link.symlink_to(real)
    run([schema("customers", CUSTOMERS), *customers(1)], report_path=str(link))
    assert link.is_symlink()
    assert json.loads(real.read_text(encoding="utf-8"))["records"]["created"] == 1
    assert run([], report_path=str(tmp_path / "nul\0.json")).exit_code == 2


def test_a_path_of_another_form_is_exit_2(run: Runner, tmp_path: Path) -> None:
    result = run([], report_path=str(tmp_path / "report.txt"))
    assert result.exit_code == 2
    assert "report_path" in result.error


def test_a_disk_that_fills_costs_the_report_and_not_the_run(run: Runner, path: Path) -> None:
    path.write_text("the one before", encoding="utf-8")
    with run.start(report_path=str(path)) as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (3000, 3000))
        running.write([schema("customers", CUSTOMERS), *customers(2), state(2)])
        running.close_stdin()
        result = running.result()
    assert result.exit_code == 0
    assert result.states == [2]
    assert "the report is not written" in result.log
    assert path.read_text(encoding="utf-8") == "the one before"
    assert {each.name for each in path.parent.glob(".report*")} == set()


# What it never tells


def test_no_value_and_no_secret_is_in_it(tmp_path: Path, path: Path) -> None:
    said = " ".join([*sent(ZAPHOD), *sent(TRILLIAN), *sent(MAGRATHEA)])
    with Simulator(clock=fast_time) as simulator:
        simulator.org.add_key(KEY)
        simulator.org.refuse_item_if(lambda each: "zaphod" in json.dumps(each), said)
        simulator.org.add_customer({"externalId": "o", "emails": [{"email": TRILLIAN["email"]}]})
        run = Runner(simulator, tmp_path, FastTarget)
        result = run(
            [
                schema("companies", COLUMNS["companies"]),
                record("companies", **MAGRATHEA),
                record("companies", **{**SIRIUS, "name": SIRIUS["name"] * 100}),
                schema("customers", COLUMNS["customers"]),
                record("customers", **ZAPHOD),
                record("customers", **TRILLIAN),
                record("customers", **{**TRILLIAN, "id": "x", "born": TRILLIAN["note"]}),
                state(1),
            ],
            api_key=KEY,
            ledger_url=f"sqlite:///{tmp_path / 'zaphod.db'}",
            report_path=str(path),
            streams=FIELDS,
            stream_maps={"customers": {"note": f"'{ZAPHOD['note']}'"}},
            stream_map_config={"hidden": TRILLIAN["email"]},
            api_kee=KEY,
        )
    assert result.exit_code == 3, result.error
    assert not told(path.read_text(encoding="utf-8"))
    settings = read(path)["settings"]
    assert settings["api_url"] == simulator.url
    assert settings["stream_maps"] == {"customers": ["note"]}
    assert settings["skip_unchanged"] is True
    assert not {"api_key", "ledger_url", "stream_map_config", "api_kee"} & set(settings)


def test_no_password_in_an_address_is_in_it(run: Runner, simulator: Simulator, path: Path) -> None:
    url = simulator.url.replace("://", f"://zaphod:{PASSWORD}@")
    messages = [schema("customers", CUSTOMERS), *customers(1)]
    result = run(messages, report_path=str(path), api_url=url)
    assert read(path)["run"]["exit_code"] == result.exit_code != 0
    assert not told(path.read_text(encoding="utf-8"))
    assert read(path)["settings"]["api_url"] == simulator.url


# Its form


def test_every_key_is_explained(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    messages = [schema("customers", CUSTOMERS), *BAD, *customers(2), state(5)]
    run(messages, report_path=str(path))
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    assert {each for each in _keys(read(path)) if f"`{each}`" not in page} == set()


def _keys(value: Any, place: str = "") -> set[str]:
    """The paths of all keys that are not names of something else."""
    if isinstance(value, list):
        return set().union(*(_keys(each, place) for each in value))
    if not isinstance(value, dict) or place in {"settings", "requests.kinds.failures"}:
        return set()
    if place.endswith("statuses") or place == "timeline.records":
        return set()
    if "p50" in value:
        return set(value)
    paths = {f"{place}.{key}".lstrip("."): each for key, each in value.items()}
    return set(paths).union(*(_keys(each, path) for path, each in paths.items()))


def test_without_a_path_there_is_none(run: Runner) -> None:
    result: Result = run([schema("customers", CUSTOMERS), *customers(1)])
    assert "report" not in result.log
