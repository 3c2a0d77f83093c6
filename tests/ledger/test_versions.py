"""What an ACTIVATE_VERSION leaves behind, where there is a ledger (``on_delete: delete``)."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.planning.planned import plan
from tests.support import COMPANIES, CUSTOMERS, TEXT, Runner, record, schema, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PEOPLE = schema("customers", CUSTOMERS)
FIRMS = schema("companies", COMPANIES)
V1, V2, V3 = 1_700_000_000_001, 1_700_000_000_002, 1_700_000_000_003


@pytest.fixture
def ledger(tmp_path: Path) -> dict[str, Any]:
    return {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_delete": "delete"}


@pytest.fixture
def free(tmp_path: Path) -> Iterator[Runner]:
    """Where what is deleted no longer holds its identifiers."""
    with Simulator(deleted_keep_identifiers=False) as simulator:
        yield Runner(simulator, tmp_path)


def row(version: int | None, stream: str = "customers", **columns: Any) -> dict[str, Any]:
    columns.setdefault("name", f"Name {columns.get('id')}")
    versioned = {} if version is None else {"version": version}
    return {**record(stream, **columns), **versioned}


def rows(version: int, ids: Iterable[int | str], stream: str = "customers") -> list[dict[str, Any]]:
    return [row(version, stream, id=str(each)) for each in ids]


def activate(version: Any, stream: str = "customers") -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def table(version: int, ids: Iterable[int | str], stream: str = "customers") -> list[Any]:
    """All messages of a table that is sent whole."""
    head = PEOPLE if stream == "customers" else FIRMS
    return [head, *rows(version, ids, stream), activate(version, stream), state(version)]


def there(simulator: Simulator, stream: str = "customers") -> list[str]:
    found = simulator.org.customers if stream == "customers" else simulator.org.companies
    return sorted(each.attributes.get("externalId", "-") for each in found)


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_what_a_new_version_does_not_send_again_is_deleted(
    simulator: Simulator, run: Runner, ledger: dict[str, Any], stream: str, batch_size: int
) -> None:
    run(table(V1, range(6), stream), **ledger)
    result = run(table(V2, [1, 3, 7], stream), batch_size_rows=batch_size, **ledger)
    assert there(simulator, stream) == ["1", "3", "7"]
    assert result.exit_code == 0
    assert result.counts(stream) == {"unchanged": 2, "created": 1}
    assert f"deleted reason=version stream={stream} objects=4" in result.log
    assert result.states == [V2]
    again = run(table(V3, [1, 3, 7], stream), **ledger)
    assert again.counts(stream) == {"unchanged": 3}
    assert "deleted" not in again.log


def test_what_was_there_before_and_came_from_nowhere_stays(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    simulator.org.add_customer({"externalId": "agent's own"})
    run(table(V1, [1, 2]), **ledger)
    run(table(V2, [1]), **ledger)
    assert there(simulator) == ["1", "agent's own"]


def test_without_on_delete_nothing_goes(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    kept = {**ledger, "on_delete": "ignore"}
    run(table(V1, [1, 2]), **kept)
    run(table(V2, [1]), **kept)
    run(table(V3, [1]), **ledger)
    assert there(simulator) == ["1", "2"]


@pytest.mark.without_ledger
def test_without_a_ledger_it_is_said_once_that_nothing_goes(
    simulator: Simulator, run: Runner
) -> None:
    messages = [activate(V2), PEOPLE, activate(V2), *rows(V2, [1]), activate(V2), state(1)]
    result = run(messages, on_delete="delete")
    assert (result.exit_code, result.states) == (0, [1])
    assert result.log.count("ACTIVATE_VERSION deletes nothing: that takes a ledger") == 1
    assert there(simulator) == ["1"]


def test_more_than_the_limit_allows_is_not_deleted_at_all(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(8)), **ledger)
    result = run(table(V2, [0]), max_deleted_records=6, **ledger)
    assert len(there(simulator)) == 8
    assert result.exit_code == 3
    assert "7 deletes of new versions rejected (max_rejected_records=0)" in result.error
    assert result.states == [V2]
    assert result.counts() == {"unchanged": 1}
    assert "rejected reason=delete_limit stream=customers objects=7" in result.log
    [line] = [each for each in result.log.splitlines() if "leaves more behind" in each]
    assert "max_deleted_records (6)" in line
    assert "stream=customers objects=7" in line
    assert run(table(V3, [0]), max_deleted_records=7, **ledger).exit_code == 0
    assert there(simulator) == ["0"]


@pytest.mark.parametrize(("most", "exit_code"), [(6, 3), (7, 0), (-1, 0)])
def test_deletes_beyond_the_limit_count_as_rejected(
    tmp_path: Path, run: Runner, ledger: dict[str, Any], most: int, exit_code: int
) -> None:
    path = tmp_path / "report.json"
    settings = {**ledger, "max_deleted_records": 2, "max_rejected_records": most}
    run(table(V1, range(8)), **ledger)
    messages = [*table(V2, [0])[:-2], row(V2, id="1", age="no number"), activate(V2)]
    planned = plan(run, messages, **settings)
    assert planned.result.exit_code == exit_code
    told = {"stream": "customers", "reason": "delete_limit", "objects": 6}
    assert planned.summary["deletes_by_version_rejected"] == [told]
    [line] = planned.more
    assert line == {**told, "line": None, "action": "reject", "id": None, "keys": {}, **WHY}
    result = run(messages, report_path=str(path), **settings)
    assert result.exit_code == exit_code
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["rejects"]["versions"] == [told]
    assert report["records"]["rejected"] == 1


WHY = {"why": "version"}


@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_a_report_tells_the_deletes_of_records_and_of_versions(
    tmp_path: Path, run: Runner, ledger: dict[str, Any], stream: str
) -> None:
    path = tmp_path / "report.json"
    run(table(V1, range(8), stream), **ledger)
    gone = [record(stream, id=each, _sdc_deleted_at="2026-01-01") for each in ("0", "1", "none")]
    [head, *rest] = table(V2, [5, 6], stream)
    sent = [head, *gone, row(V2, stream, id="4", name="Changed"), *rest]
    result = run(sent, report_path=str(path), **ledger)
    assert there(run.simulator, stream) == ["4", "5", "6"]
    assert result.counts(stream) == {"updated": 3, "unchanged": 2, "skipped": 1}
    report = json.loads(path.read_text(encoding="utf-8"))
    for told in (report["records"], *report["streams"]):
        assert (told["updated"], told["deleted"], told["deleted_by_version"]) == (3, 2, 3)


def test_the_limit_is_one_for_records_and_versions(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(4)), **ledger)
    gone = record("customers", id="0", _sdc_deleted_at="2026-01-01")
    messages = [PEOPLE, gone, *rows(V2, [1]), activate(V2)]
    run(messages, max_deleted_records=2, **ledger)
    assert there(simulator) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "messages",
    [
        [PEOPLE, activate(V2)],
        [PEOPLE, activate(V2), *rows(V2, [1, 2])],
        [PEOPLE, *rows(V1, [1]), activate(V2)],
        [PEOPLE, *rows(V2, [1]), activate(V1)],
        [PEOPLE, *rows(V2, [1]), activate(None)],
        [PEOPLE, *rows(V2, [1]), activate("x")],
        [PEOPLE, row(None, id="1"), activate(V2)],
    ],
    ids=["emptied", "first", "older rows", "older", "no version", "text", "rows without"],
)
def test_a_version_that_may_not_have_been_sent_whole_deletes_nothing(
    simulator: Simulator, run: Runner, ledger: dict[str, Any], messages: list[Any]
) -> None:
    run(table(V1, range(4)), **ledger)
    assert run(messages, **ledger).exit_code == 0
    assert there(simulator) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("skip_unchanged", [True, False])
def test_what_was_sent_before_an_interruption_counts_after_it(
    simulator: Simulator, run: Runner, ledger: dict[str, Any], *, skip_unchanged: bool
) -> None:
    ledger = {**ledger, "skip_unchanged": skip_unchanged}
    run(table(V1, range(6)), **ledger)
    run([PEOPLE, *rows(V2, [0, 1, "new"]), state("half")], **ledger)
    assert len(there(simulator)) == 7
    run([PEOPLE, *rows(V2, [4, 5]), activate(V2), state("whole")], **ledger)
    assert there(simulator) == ["0", "1", "4", "5", "new"]


def test_a_killed_run_has_kept_what_its_state_covers(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(6)), **ledger)
    with run.start(**ledger) as running:
        running.write([PEOPLE, *rows(V2, [0, 1, 2]), state("half")])
        wait_until(lambda: "half" in running.stdout)
        running.process.kill()
    run([PEOPLE, *rows(V2, [3]), activate(V2)], **ledger)
    assert there(simulator) == ["0", "1", "2", "3"]


def test_rejected_and_skipped_rows_are_still_there(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(6)), **ledger)
    simulator.org.refuse_item_if(lambda item: item.get("name") == "Refused")
    messages = [
        PEOPLE,
        *rows(V2, [0]),
        row(V2, id="1", age="no number"),
        row(V2, id="2", name="Refused"),
        row(V2, id="3", name="n" * 1000),
        activate(V2),
    ]
    result = run(messages, max_rejected_records=-1, **ledger)
    assert result.counts() == {"unchanged": 1, "rejected": 3}
    assert there(simulator) == ["0", "1", "2", "3"]


def test_a_row_whose_key_does_not_fit_any_more_is_still_there(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    by_mail = {**ledger, "streams": {"customers": {"match_on": ["email"]}}}
    first = [row(V1, id="1", email="a@x.io"), row(V1, id="2", email="b@x.io"), activate(V1)]
    run([PEOPLE, *first], **by_mail)
    second = [row(V2, id="1", email="no address"), row(V2, id="2", email="b@x.io"), activate(V2)]
    result = run([PEOPLE, *second], **by_mail)
    assert result.counts() == {"unchanged": 1, "rejected": 1}
    assert there(simulator) == ["1", "2"]


def test_a_replay_of_an_older_version_takes_nothing_back(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(3)), **ledger)
    run([PEOPLE, *rows(V3, [0]), state("half")], **ledger)
    run([PEOPLE, row(V2, id="0", name="Replayed"), row(V2, id="1", name="Replayed")], **ledger)
    run([PEOPLE, *rows(V3, [2]), activate(V3)], **ledger)
    assert there(simulator) == ["0", "2"]


def test_an_object_goes_when_no_stream_sends_it_any_more(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    streams = {
        "a": {"object": "customer", "match_on": ["email"], "fields": {"id": None}},
        "b": {"object": "customer", "match_on": ["email"], "fields": {"id": None}},
    }
    settings = {**ledger, "streams": {name: {**each, **DELETE} for name, each in streams.items()}}

    def load(version: int, stream: str, *people: str) -> None:
        head = schema(stream, CUSTOMERS)
        sent = [row(version, stream, id=each, email=f"{each}@x.io", name="N") for each in people]
        run([head, *sent, activate(version, stream)], **settings)

    def mails() -> list[str]:
        return sorted(each.attributes["emails"][0]["email"] for each in simulator.org.customers)

    load(V1, "a", "x", "y", "z")
    load(V1, "b", "x", "y")
    load(V2, "a", "z")
    assert mails() == ["x@x.io", "y@x.io", "z@x.io"]
    load(V2, "b", "y")
    assert mails() == ["y@x.io", "z@x.io"]


DELETE = {"on_delete": "delete"}


def test_two_rows_of_one_customer_hold_him_both(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    settings = {**ledger, "streams": {"customers": {"match_on": ["email"], "fields": {"id": None}}}}
    one, two = ({"id": each, "email": "a@x.io", "name": "A"} for each in ("1", "2"))
    run([PEOPLE, row(V1, **one), row(V1, **two), activate(V1)], **settings)
    run([PEOPLE, row(V2, **two), activate(V2)], **settings)
    assert len(simulator.org.customers) == 1
    other = {"id": "3", "email": "b@x.io", "name": "B"}
    run([PEOPLE, row(V3, **other), activate(V3)], **settings)
    assert [each.attributes["name"] for each in simulator.org.customers] == ["B"]


def person(version: int, each: str, **columns: Any) -> dict[str, Any]:
    return row(version, id=each, email=f"{each}@x.io", **columns)


def people(version: int, *ids: str) -> list[dict[str, Any]]:
    return [PEOPLE, *(person(version, each) for each in ids), activate(version)]


def merge(simulator: Simulator, gone: str, into: str) -> None:
    """What an agent does in Kustomer: the one is no more, the other bears all of both."""
    org = simulator.org
    mails = [f"{each}@x.io" for each in (into, gone)]
    one, other = ([each for each in org.customers if _mails(each)[0] == mail] for mail in mails)
    further = [
        {"externalId": each.attributes["externalId"]}
        for each in (*one, *other)
        if "externalId" in each.attributes
    ]
    org.delete(other[0].id)
    borne = {"emails": [{"email": mail} for mail in mails]}
    if further:
        borne["externalIds"] = further
    org.write("customer", "update", {"id": one[0].id, **borne}, org.clock())


def _mails(customer: Any) -> list[str]:
    return [each["email"] for each in customer.attributes["emails"]]


@pytest.mark.parametrize(
    "streams",
    [{}, {"customers": {"match_on": ["email"], "fields": {"id": None}}}],
    ids=["by external id", "by e-mail"],
)
def test_who_was_merged_with_one_that_is_still_sent_stays_until_both_are_gone(
    free: Runner, ledger: dict[str, Any], streams: dict[str, Any]
) -> None:
    run, settings = free, {**ledger, "streams": streams}
    run(people(V1, "x", "y", "z"), **settings)
    merge(run.simulator, "y", into="x")
    result = run(people(V2, "y", "z"), **settings)
    assert result.counts() == {"unchanged": 2}
    assert sorted(map(_mails, run.simulator.org.customers)) == [["x@x.io", "y@x.io"], ["z@x.io"]]
    assert "not deleted, since they may be another row's too" in result.log
    assert "deleted reason" not in result.log
    run(people(V3, "z"), **settings)
    assert list(map(_mails, run.simulator.org.customers)) == [["z@x.io"]]


def test_who_was_merged_with_one_that_no_row_has_sent_stays(
    free: Runner, ledger: dict[str, Any]
) -> None:
    run = free
    run(people(V1, "x", "z"), **ledger)
    run.simulator.org.add_customer({"externalId": "other", "emails": [{"email": "other@x.io"}]})
    merge(run.simulator, "other", into="x")
    run(people(V2, "z"), **ledger)
    assert there(run.simulator) == ["x", "z"]


def test_what_a_version_leaves_behind_is_looked_for_first(
    free: Runner, ledger: dict[str, Any]
) -> None:
    run = free
    run(people(V1, "x", "y", "z"), **ledger)
    gone = run.simulator.org.customer(external_id="x")
    assert gone
    run.simulator.org.delete(gone.id)
    result = run(people(V2, "z"), max_deleted_records=2, **ledger)
    assert there(run.simulator) == ["z"]
    assert "deleted reason=version stream=customers objects=1" in result.log
    submits = run.simulator.requests.of_kind("bulk-submit")
    [sent] = [each for each in submits if each.method == "DELETE"]
    assert sent.records == 1


def test_what_comes_back_is_created_anew(free: Runner, ledger: dict[str, Any]) -> None:
    run = free
    run(table(V1, [1, 2]), **ledger)
    run(table(V2, [1]), **ledger)
    assert there(run.simulator) == ["1"]
    assert run(table(V3, [2, 1]), **ledger).counts() == {"created": 1, "unchanged": 1}
    assert there(run.simulator) == ["1", "2"]
    assert run(table(V3 + 1, [1, 2]), **ledger).counts() == {"unchanged": 2}


def test_what_comes_back_in_the_same_run_is_there_at_its_end(
    free: Runner, ledger: dict[str, Any]
) -> None:
    run = free
    run(table(V1, [1, 2]), **ledger)
    both = [*table(V2, [1]), *rows(V3, [2, 1]), activate(V3), state(V3)]
    result = run(both, **ledger)
    assert there(run.simulator) == ["1", "2"]
    assert result.states[-1] == V3
    assert run(table(V3 + 1, [1, 2]), **ledger).counts() == {"unchanged": 2}


def test_a_state_behind_waits_for_the_deletes(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, [1, 2]), **ledger)
    simulator.faults.add("500", method="DELETE", path_pattern="/bulk", times=None)
    messages = [PEOPLE, *rows(V2, [1]), state("before"), activate(V2), state("behind")]
    failed = run(messages, retry_deadline_seconds=0.5, **ledger)
    assert (failed.exit_code, failed.states) == (5, ["before"])
    assert there(simulator) == ["1", "2"]


def test_deletes_that_a_dying_run_has_left_are_made_by_the_next_version(
    free: Runner, ledger: dict[str, Any]
) -> None:
    run = free
    run(table(V1, [1, 2, 3]), **ledger)
    fault = run.simulator.faults.add("500", method="DELETE", path_pattern="/bulk", times=None)
    run(table(V2, [1]), retry_deadline_seconds=0.3, **ledger)
    fault.times = 0
    run(table(V3, [1]), **ledger)
    assert there(run.simulator) == ["1"]


def test_what_was_deleted_when_a_run_died_can_come_back(
    free: Runner, ledger: dict[str, Any]
) -> None:
    free(table(V1, [1, 2]), **ledger)
    lost = {"method": "DELETE", "path_pattern": "/bulk", "times": None, "processed": True}
    fault = free.simulator.faults.add("500", **lost)
    assert free(table(V2, [1]), retry_deadline_seconds=0.3, **ledger).exit_code == 5
    fault.times = 0
    assert there(free.simulator) == ["1"]
    free(table(V3, [1, 2]), **ledger)
    assert there(free.simulator) == ["1", "2"]


def test_a_version_waits_for_what_came_before_it(tmp_path: Path, ledger: dict[str, Any]) -> None:
    settings = {**ledger, "streams": {"customers": {"match_on": ["email"], "fields": {"id": None}}}}
    with Simulator(job_seconds=1.0) as simulator:
        run = Runner(simulator, tmp_path)
        run([PEOPLE, row(V1, id="old", email="a@x.io", name="A")], **settings)
        messages = [PEOPLE, row(V2, id="new", email="a@x.io", name="B"), activate(V2)]
        assert run(messages, **settings).counts() == {"updated": 1}
        assert [each.attributes["name"] for each in simulator.org.customers] == ["B"]


def test_a_lost_answer_deletes_once(simulator: Simulator, run: Runner, ledger: Any) -> None:
    run(table(V1, range(5)), **ledger)
    simulator.faults.add("reset_after", method="DELETE", path_pattern="/bulk")
    result = run(table(V2, [0]), **ledger)
    assert there(simulator) == ["0"]
    assert "objects=4" in result.log


def test_what_kustomer_refuses_to_delete_is_said(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(3)), **ledger)
    kept = simulator.org.customer(external_id="2")
    assert kept
    simulator.org.refuse_item_if(lambda item: item.get("id") == kept.id)
    result = run(table(V2, [0]), **ledger)
    assert there(simulator) == ["0", "2"]
    assert "not deleted, refused reason=version stream=customers objects=1" in result.log
    assert "rejected reason=refused stream=customers objects=1" in result.log
    assert result.exit_code == 3


def test_customers_of_a_company_that_a_version_leaves_behind_lose_their_link(
    free: Runner, ledger: dict[str, Any]
) -> None:
    run = free
    workers = schema("customers", {"id": TEXT, "name": TEXT, "company_id": TEXT})
    run([*table(V1, ["a", "b"], "companies"), workers, row(None, id="1", company_id="a")], **ledger)
    left = [*table(V2, ["b"], "companies"), workers, row(None, id="1", company_id="b")]
    result = run(left, **ledger)
    [firm], [worker] = run.simulator.org.companies, run.simulator.org.customers
    assert firm.attributes["externalId"] == "b"
    assert worker.company == firm.id
    assert result.counts() == {"updated": 1}


def test_rows_are_followed_through_runs_that_delete_nothing(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(4)), **ledger)
    run([PEOPLE, *rows(V2, [0, 1]), state("half")], **{**ledger, "on_delete": "ignore"})
    run([PEOPLE, *rows(V2, [2]), activate(V2)], **ledger)
    assert there(simulator) == ["0", "1", "2"]


def test_what_a_stream_of_another_configuration_sends_stays(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    by_mail = {"object": "customer", "match_on": ["email"], "fields": {"id": None}}
    deletes = {**ledger, "streams": {"customers": by_mail}}
    keeps = {"ledger_url": ledger["ledger_url"], "streams": {"people": by_mail}}

    def others(version: int, *ids: str) -> list[Any]:
        sent = [{**person(version, each), "stream": "people"} for each in ids]
        return [{**PEOPLE, "stream": "people"}, *sent, activate(version, "people")]

    run(others(V1, "w"), **keeps)
    run(people(V1, "w", "x", "y", "z"), **deletes)
    run(others(V2, "x", "y"), **keeps)
    run(people(V2, "z"), **deletes)
    assert sorted(map(_mails, simulator.org.customers)) == [["x@x.io"], ["y@x.io"], ["z@x.io"]]
    run(others(V3, "y"), **keeps)
    assert len(simulator.org.customers) == 3
    run(people(V3, "y"), **deletes)
    assert sorted(map(_mails, simulator.org.customers)) == [["x@x.io"], ["y@x.io"]]


def test_rows_that_were_known_before_deletes_were_wanted_are_followed_from_then_on(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, range(3)), **{**ledger, "on_delete": "ignore"})
    run(table(V2, range(3)), **ledger)
    run(table(V3, [0]), **ledger)
    assert there(simulator) == ["0"]


def test_a_ledger_of_the_first_version_is_carried_on(
    tmp_path: Path, simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, [1, 2]), **{**ledger, "on_delete": "ignore"})
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TABLE target_kustomer_sources")
        for column in ("company", "lists_alone", "updated_at", "checked_at"):
            connection.execute(f"ALTER TABLE target_kustomer_objects DROP COLUMN {column}")
        connection.execute("UPDATE target_kustomer_ledger SET version = 1")
    connection.close()
    assert run(table(V2, [1, 2]), **ledger).exit_code == 0
    run(table(V3, [1]), **ledger)
    assert there(simulator) == ["1"]


def test_no_name_of_a_stream_or_value_of_a_row_is_in_the_ledger(
    tmp_path: Path, run: Runner, ledger: dict[str, Any]
) -> None:
    run(table(V1, ["a-key-of-a-row"]), **ledger)
    content = b"".join(each.read_bytes() for each in tmp_path.glob("ledger.db*"))
    assert b"target_kustomer_sources" in content
    assert b"a-key-of-a-row" not in content
    assert b"customers" not in content


FILTER = {"customers": {"__filter__": "name != 'Filtered'"}}


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "interrupted"])
def test_a_version_of_which_records_were_filtered_deletes_nothing(
    simulator: Simulator, run: Runner, ledger: dict[str, Any], *, cut: bool
) -> None:
    run(table(V1, range(4)), **ledger)
    first = [row(V2, id="3", name="Filtered"), row(V2, id="2", name="Filtered"), *rows(V2, [0])]
    second = [*rows(V2, [0]), activate(V2), activate(V2)]
    if cut:
        run([PEOPLE, *first, state("half")], stream_maps=FILTER, **ledger)
        run([PEOPLE, *second], stream_maps=FILTER, **ledger)
    else:
        result = run([PEOPLE, *first, *second], stream_maps=FILTER, **ledger)
        assert result.log.count("stream maps have filtered records of it stream=customers") == 1
        assert "filtered stream=customers records=2" in result.log
    assert there(simulator) == ["0", "1", "2", "3"]
    run([PEOPLE, *rows(V3, [1]), activate(V3)], stream_maps=FILTER, **ledger)
    assert there(simulator) == ["1", "2", "3"]


def test_what_is_filtered_from_one_of_two_streams_goes_from_the_other(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    kinds = {"customers": {}, "vips": {"__source__": "customers", "__filter__": "name == 'Vip'"}}
    vips = {"object": "customer", "external_id_prefix": "vip-", "fields": {"email": None}}
    settings = {**ledger, "stream_maps": kinds, "streams": {"vips": vips}}
    vip = {"id": "1", "name": "Vip"}
    run([PEOPLE, row(V1, **vip), *rows(V1, [2]), activate(V1)], **settings)
    assert there(simulator) == ["1", "2", "vip-1"]
    run([PEOPLE, *rows(V2, [3]), activate(V2)], **settings)
    assert there(simulator) == ["3", "vip-1"]


def test_rows_that_stream_maps_rename_are_followed(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    maps = {"people": {"__alias__": "customers"}}
    head = {**PEOPLE, "stream": "people"}
    for version, ids in ((V1, [1, 2]), (V2, [1])):
        sent = [{**each, "stream": "people"} for each in rows(version, ids)]
        run([head, *sent, activate(version, "people")], stream_maps=maps, **ledger)
    assert there(simulator) == ["1"]
