"""A plan followed at once by a run of the same stream says what becomes of each record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.guarantees.test_properties import FOUND
from tests.guarantees.worlds import COMPANIES, CUSTOMERS, OPTIONS, STREAMS, World, worlds
from tests.planning.planned import Plan, files_in, plan, run_watched, world_of
from tests.support import COMPANIES as COMPANY_COLUMNS
from tests.support import CUSTOMERS as CUSTOMER_COLUMNS
from tests.support import INTEGER, TEXT, Runner, customers, record, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from target_kustomer.simulator.objects import StoredObject
    from tests.planning.planned import Fate, Fates


GONE = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Simulator(clock=fast_time) as simulator:
        yield Runner(simulator, tmp_path_factory.mktemp("plans"), FastTarget)


def _predicts(run: Runner, world: World, known: int, *, ledger: bool, **more: Any) -> None:
    """Plan a world and run it; the first ``known`` rows have been loaded before."""
    run.simulator.reset(
        job_seconds=0.0, rate_limit=1_000_000, object_limit=1_000_000, **world.switches
    )
    for name in world.customers:
        run.simulator.org.add_customer(CUSTOMERS[name])
    for name in world.companies:
        run.simulator.org.add_company(COMPANIES[name])
    options: dict[str, Any] = {
        "streams": {
            each: {**entry, "mode": world.modes.get(each, "upsert")}
            for each, entry in STREAMS.items()
        },
        "max_rejected_records": -1,
        **OPTIONS,
        **world.options,
        **world.delivery,
        **more,
    }
    if ledger and run.ledger is None:
        options["ledger_url"] = f"sqlite:///{run.folder / 'plans.db'}"
    run(replace(world, rows=world.rows[:known]).messages, **options)
    _compare(run, world.messages, options)


def _compare(run: Runner, messages: list[dict[str, Any]], options: Mapping[str, Any]) -> Fates:
    """Plan a stream and run it: what both say becomes of each record."""
    return _compared(run, messages, options)[1]


def _compared(
    run: Runner, messages: list[dict[str, Any]], options: Mapping[str, Any]
) -> tuple[Plan, Fates]:
    before, stored = world_of(run), _stored(run)
    sent = len(run.simulator.requests.entries)
    planned = plan(run, messages, FastTarget, **options)
    assert {each.method for each in run.simulator.requests.entries[sent:]} <= {"GET"}
    assert world_of(run) == before
    result, fates = run_watched(run, messages, FastTarget, **options)
    assert (planned.result.exit_code, planned.result.error) == (0, "")
    assert result.exit_code == 0, result.error
    assert planned.fates.keys() == fates.keys()
    for place, fate in fates.items():
        assert _agree(planned.fates[place], fate), place
    assert [each["line"] for each in planned.lines] == sorted(line for _, line in fates)
    _holds_what_was_planned(planned, stored, _stored(run))
    return planned, fates


def _agree(planned: Fate, actual: Fate) -> bool:
    """Whether both say the same.

    Of a record that is rejected for itself and for its company too, what costs less is looked at
    first, and so decides the reason.
    """
    if planned == actual or {planned[0], actual[0]} != {"reject"}:
        return planned == actual
    of_company = ["company" in (reason or "") for _, reason in (planned, actual)]
    return any(of_company) and not all(of_company)


def _stored(run: Runner) -> dict[str, dict[str, Any]]:
    org = run.simulator.org
    customers, companies = org.customers, org.companies
    return {
        **{each.id: _told(each, "customer") for each in customers},
        **{each.id: _told(each, "company") for each in companies},
    }


def _told(stored: StoredObject, kind: str) -> dict[str, Any]:
    custom = stored.attributes.get("custom", {})
    flat = {f"custom.{name}": value for name, value in custom.items()}
    return {"company": stored.company, **stored.attributes, **flat, "type": kind}


def _holds_what_was_planned(
    planned: Plan, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> None:
    """The first change of an attribute starts from what was there, the last is what is there."""
    first: dict[tuple[str, str], Any] = {}
    last: dict[tuple[str, str], Any] = {}
    created = {each["id"] for each in planned.lines if each["action"] == "create"}
    for line in planned.lines:
        for name, change in line.get("changes", {}).items():
            first.setdefault((line["id"], name), change["before"])
            last[line["id"], name] = change["after"]
    for (found, name), value in first.items():
        if found in before or found in created:  # not what a company was made with before
            assert _plain(value) == _plain(before.get(found, {}).get(name)), name
    gone = {each["id"] for each in (*planned.lines, *planned.more) if each["action"] == "delete"}
    assert before.keys() - after.keys() == {each for each in gone if not each.startswith("new-")}
    wanted: dict[str, dict[str, Any]] = {}
    for (found, name), value in last.items():
        wanted.setdefault(found, {})[name] = value
    new = after.keys() - before.keys()
    held = _made({each: wanted[each] for each in wanted.keys() - gone - after.keys()}, after, new)
    for found in wanted.keys() & after.keys():
        assert _fits(wanted[found], after[found], held), wanted[found]
    assert len(created - gone) + planned.summary["companies_for_customers"] == len(new)


def _made(
    planned: Mapping[str, dict[str, Any]],
    after: Mapping[str, dict[str, Any]],
    new: Iterable[str],
) -> dict[str, str]:
    """Which new object each planned one has become: companies first, the most told first."""
    left, found = set(new), dict[str, str]()
    for each in sorted(planned, key=lambda each: ("customer" in each, -len(planned[each]))):
        kind = each.split("-")[1]
        fitting = [
            one
            for one in sorted(left)
            if after[one]["type"] == kind and _fits(planned[each], after[one], found)
        ]
        assert fitting, planned[each]
        found[each] = fitting[0]
        left.remove(fitting[0])
    return found


def _fits(planned: Mapping[str, Any], stored: Mapping[str, Any], made: Mapping[str, str]) -> bool:
    """Whether an object holds what was planned; of an unnamed company, that there is one."""
    company = str(planned.get("company"))
    if company.startswith("new-"):
        if stored["company"] is None or made.get(company, stored["company"]) != stored["company"]:
            return False
        planned = {name: each for name, each in planned.items() if name != "company"}
    return all(_plain(each) == _plain(stored.get(name)) for name, each in planned.items())


def _plain(value: Any) -> Any:
    """Without what Kustomer adds to the items of a list."""
    if isinstance(value, list):
        return [_plain(each) for each in value] or None
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if each not in (None, False)}
    return value


def _without_notes(world: World) -> World:
    """Without what only the server knows to be refused."""
    rows = [
        (stream, {name: value for name, value in row.items() if name != "note"})
        for stream, row in world.rows
    ]
    return replace(world, rows=rows)


@settings(max_examples=settings().max_examples // 5)
@given(world=worlds(), known=st.integers(0, 20), ledger=st.booleans())
def test_a_plan_predicts_every_verdict(
    fast: Runner, world: World, known: int, *, ledger: bool
) -> None:
    _predicts(fast, _without_notes(world), known, ledger=ledger)


@settings(max_examples=settings().max_examples // 5)
@given(
    world=worlds(),
    known=st.integers(0, 20),
    gone=st.frozensets(st.integers(0, 19)),
    ledger=st.booleans(),
)
def test_a_plan_predicts_every_delete(
    fast: Runner, world: World, known: int, gone: frozenset[int], *, ledger: bool
) -> None:
    rows = [
        (stream, {**row, **(GONE if number in gone else {})})
        for number, (stream, row) in enumerate(_without_notes(world).rows)
    ]
    switches = {**world.switches, "deleted_keep_identifiers": False}
    world = replace(world, rows=rows, switches=switches)
    _predicts(fast, world, known, ledger=ledger, on_delete="delete")


@pytest.mark.parametrize("ledger", [False, True], ids=["without ledger", "with ledger"])
@pytest.mark.parametrize("world", FOUND.values(), ids=FOUND)
def test_a_plan_predicts_what_is_hard_to_deliver(
    fast: Runner, world: World, *, ledger: bool
) -> None:
    _predicts(fast, world, 0, ledger=ledger)


@pytest.mark.parametrize("missing", ["reject", "create", "ignore"])
def test_a_plan_predicts_what_many_workers_do(fast: Runner, missing: str) -> None:
    fast.simulator.reset(job_seconds=0.0, rate_limit=1_000_000, object_limit=1_000_000)
    for number in range(0, 200, 2):
        fast.simulator.org.add_customer(
            {"externalId": f"c{number}", "emails": [{"email": f"c{number}@example.com"}]}
        )
    columns = {**CUSTOMER_COLUMNS, "company_id": TEXT, "company_name": TEXT}
    messages = [schema("companies", COMPANY_COLUMNS), schema("customers", columns)]
    messages += [
        record("companies", id=f"f{n}", name="x" if n == 3 else f"Firm {n}") for n in range(9)
    ]
    for number in range(400):
        [person] = customers(1, first=number % 250, company_id=f"f{number % 12}")
        person["record"]["company_name"] = f"Firm {number % 12}" if number % 24 < 20 else None
        person["record"]["age"] = "old" if number % 40 == 7 else number
        messages.append(person)
    options = {"batch_size_rows": 20, "missing_company": missing, "max_rejected_records": -1}
    fates = _compare(fast, messages, options)
    actions = {action for action, _ in fates.values()}
    assert actions == {"create", "update", "reject"}


# What else a run does


PEOPLE = schema("customers", {**CUSTOMER_COLUMNS, "company_id": TEXT})
FIRMS = schema("companies", COMPANY_COLUMNS)
LIMITLESS: dict[str, Any] = {"max_rejected_records": -1}


@pytest.fixture(params=["without ledger", "with ledger"])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings without and with a ledger."""
    if request.param == "without ledger":
        return LIMITLESS
    return {**LIMITLESS, "ledger_url": f"sqlite:///{tmp_path / 'known.db'}"}


@pytest.fixture
def free(fast: Runner) -> Runner:
    """Where what is deleted no longer holds its identifiers."""
    fast.simulator.reset(
        job_seconds=0.0,
        rate_limit=1_000_000,
        object_limit=1_000_000,
        deleted_keep_identifiers=False,
    )
    return fast


def _rows(stream: str, ids: Iterable[int], **columns: Any) -> list[dict[str, Any]]:
    return [record(stream, id=f"x{each}", name=f"Name {each}", **columns) for each in ids]


@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_a_plan_predicts_deletes_up_to_their_limit(
    free: Runner, stream: str, known: dict[str, Any]
) -> None:
    head = PEOPLE if stream == "customers" else FIRMS
    free([head, *_rows(stream, range(6))], **known)
    messages = [
        head,
        *_rows(stream, [0, 1], **GONE),
        *_rows(stream, [0, 8]),
        *_rows(stream, [8, 77, 2, 3, 4], **GONE),
        *_rows(stream, [2, 5]),
    ]
    options = {**known, "on_delete": "delete", "max_deleted_records": 4}
    planned, fates = _compared(free, messages, options)
    assert planned.summary["streams"][stream]["delete"] == 4
    assert planned.summary["reasons"] == {"delete_limit": 2}
    assert ("skip", "not_found") in fates.values()


def test_a_plan_predicts_what_becomes_of_the_customers_of_a_deleted_company(
    free: Runner, known: dict[str, Any]
) -> None:
    firms = [FIRMS, *_rows("companies", range(3))]
    free([*firms, PEOPLE, *customers(6, company_id="x0"), *customers(1, 6, company_id="x1")])
    messages = [
        FIRMS,
        *_rows("companies", [0], **GONE),
        PEOPLE,
        *customers(2, company_id="x0"),
        *customers(2, first=2, company_id="x1"),
        record("customers", id="c4", name="New"),
    ]
    for missing in ("reject", "ignore"):
        options = {**known, "on_delete": "delete", "missing_company": missing}
        planned, _ = _compared(free, messages, options)
        assert planned.summary["reasons"] == ({"company_missing": 2} if missing == "reject" else {})


def test_a_company_made_for_a_customer_is_counted_when_its_own_record_comes(
    free: Runner, known: dict[str, Any]
) -> None:
    messages = [
        schema("customers", {**CUSTOMER_COLUMNS, "company_id": TEXT, "company_name": TEXT}),
        record("customers", id="1", company_id="f", company_name="Firm"),
        schema("companies", {**COMPANY_COLUMNS, "size": INTEGER}),
        record("companies", id="f", name="Firm", size=3),
    ]
    options = {**known, "missing_company": "create", "batch_size_rows": 1}
    planned, fates = _compared(free, messages, options)
    assert list(fates.values()) == [("create", None), ("update", None)]
    assert planned.summary["companies_for_customers"] == 1


@pytest.mark.parametrize("most", [9, 2])
@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_a_plan_predicts_what_a_version_leaves_behind(
    free: Runner, tmp_path: Path, stream: str, most: int
) -> None:
    head = PEOPLE if stream == "customers" else FIRMS
    options = {
        **LIMITLESS,
        "ledger_url": f"sqlite:///{tmp_path / 'versions.db'}",
        "on_delete": "delete",
        "max_deleted_records": most,
    }

    def table(version: int, ids: Iterable[int]) -> list[dict[str, Any]]:
        rows = [{**each, "version": version} for each in _rows(stream, ids)]
        return [head, *rows, {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}]

    free(table(1, range(6)), **options)
    planned, _ = _compared(free, table(2, [1, 3, 7]), options)
    fates = [(each["action"], each["why"]) for each in planned.more]
    assert fates == ([("delete", "version")] * 4 if most == 9 else [("reject", "version")])
    assert planned.summary["deletes_by_version"] == ({stream: 4} if most == 9 else {})
    assert len(free.simulator.org.stored("customer" if stream == "customers" else "company")) == 7


def test_a_plan_predicts_what_definitions_allow_and_what_is_defined(free: Runner) -> None:
    org = free.simulator.org
    org.define_custom("customer", "tierStr", enumeration=["Gold", "Silver"])
    messages = [
        schema("customers", {**CUSTOMER_COLUMNS, "tier": TEXT}),
        record("customers", id="1", name="Ann", tier="gold", age=1),
        record("customers", id="2", name="Bob", tier="Lead", age=1),
    ]
    planned, fates = _compared(free, messages, {**LIMITLESS, "undefined_attributes": "create"})
    assert fates["customers", 3] == ("reject", "not_allowed")
    assert planned.lines[0]["changes"]["custom.tierStr"]["after"] == "Gold"
    assert planned.summary["definitions"] == {"customer": ["ageNum"]}
    assert org.custom.properties("customer").keys() == {"tierStr", "ageNum"}
    again, _ = _compared(free, messages, {**LIMITLESS, "undefined_attributes": "create"})
    assert again.summary["definitions"] == {}


def test_a_plan_reads_who_was_updated_as_a_run_does(free: Runner, tmp_path: Path) -> None:
    org, size = free.simulator.org, 300
    options = {**LIMITLESS, "ledger_url": f"sqlite:///{tmp_path / 'updates.db'}"}

    def load(day: int) -> list[dict[str, Any]]:
        return [
            PEOPLE,
            *(record("customers", id=f"c{n}", email=f"c{n}@{day}.example") for n in range(size)),
        ]

    free(load(1), **options)
    for day in (2, 3):
        for number in range(0, size, 7):
            found = org.customer(external_id=f"c{number}")
            assert found
            tags = {"id": found.id, "tags": [f"day {day}"], "name": "Agent"}
            org.write("customer", "update", tags, org.clock())
        ledger = files_in(tmp_path)
        asked = len(free.simulator.requests.entries)
        planned = plan(free, load(day), FastTarget, **options)
        assert files_in(tmp_path) == ledger
        listed = [each.path for each in free.simulator.requests.entries[asked:]]
        assert len(listed) < size / 7
        _, fates = _compared(free, load(day), options)
        assert planned.fates == fates
        assert {action for action, _ in fates.values()} == {"update"}
