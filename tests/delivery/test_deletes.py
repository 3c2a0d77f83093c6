"""What becomes of records that their source has deleted (``on_delete``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

AT = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}
DELETES: dict[str, Any] = {"on_delete": "delete"}
QUICK: dict[str, Any] = {
    "request_timeout_seconds": 0.3,
    "lost_answer_wait_seconds": 0.3,
    "retry_deadline_seconds": 20,
}
COLUMNS = {
    "customers": schema("customers", {**CUSTOMERS, "phone": TEXT, "kustomer_id": TEXT}),
    "companies": schema("companies", {**COMPANIES, "kustomer_id": TEXT}),
}


@pytest.fixture(params=["customers", "companies"])
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["no ledger", "ledger"])
def more(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings with and without a ledger."""
    if request.param == "no ledger":
        return DELETES
    return {**DELETES, "ledger_url": f"sqlite:///{tmp_path / 'deletes.db'}"}


def gone(stream: str, **columns: Any) -> dict[str, Any]:
    return record(stream, **columns, **AT)


def add(simulator: Simulator, stream: str, **attributes: Any) -> str:
    org = simulator.org
    if stream == "customers":
        return org.add_customer(attributes).id
    return org.add_company({"name": "Acme", **attributes}).id


def ids(simulator: Simulator, stream: str) -> list[str]:
    """The external ids of what is there."""
    found = simulator.org.customers if stream == "customers" else simulator.org.companies
    return sorted(each.attributes.get("externalId", "-") for each in found)


def many(simulator: Simulator, number: int) -> list[dict[str, Any]]:
    """So many customers in Kustomer; the records that delete them."""
    for each in range(number):
        add(simulator, "customers", externalId=f"c{each}", name="Old")
    return [gone("customers", id=f"c{each}") for each in range(number)]


def test_what_the_source_has_deleted_is_deleted(
    simulator: Simulator, run: Runner, stream: str, more: dict[str, Any]
) -> None:
    for each in ("1", "2", "3"):
        add(simulator, stream, externalId=each, name=f"Name {each}")
    result = run(
        [
            COLUMNS[stream],
            gone(stream, id="1"),
            gone(stream, id="3", name=None),
            gone(stream, id="unknown"),
            state(1),
        ],
        **more,
    )
    assert result.exit_code == 0
    assert ids(simulator, stream) == ["2"]
    assert result.counts(stream) == {"updated": 2, "skipped": 1}
    assert f"deleted stream={stream} records=2" in result.log
    assert result.states == [1]


def test_a_delete_of_one_stream_may_differ_from_the_general_one(
    simulator: Simulator, run: Runner
) -> None:
    for stream in ("customers", "companies"):
        add(simulator, stream, externalId="1")
    messages = [*COLUMNS.values(), gone("customers", id="1"), gone("companies", id="1")]
    result = run(messages, streams={"customers": {"on_delete": "delete"}})
    assert (ids(simulator, "customers"), ids(simulator, "companies")) == ([], ["1"])
    assert result.counts("companies") == {"skipped": 1}
    assert "deleted stream=companies" not in result.log


@pytest.mark.parametrize(
    ("key", "column"),
    [("email", "email"), ("phone", "phone"), ("id", "kustomer_id"), ("externalId", "id")],
)
def test_a_customer_to_be_deleted_is_found_by_each_of_its_keys(
    simulator: Simulator, run: Runner, key: str, column: str
) -> None:
    add(simulator, "customers", externalId="other")
    kustomer_id = add(
        simulator,
        "customers",
        externalId="a",
        emails=[{"email": "a@example.com"}],
        phones=[{"phone": "+14155550101"}],
    )
    values = {"email": "A@Example.com", "phone": "+1 415 555 0101", "id": "a"}
    values["kustomer_id"] = kustomer_id
    result = run(
        [COLUMNS["customers"], gone("customers", **{column: values[column]})],
        streams={"customers": {"match_on": [key], "fields": {"kustomer_id": "id"}}},
        **DELETES,
    )
    assert result.counts() == {"updated": 1}
    assert ids(simulator, "customers") == ["other"]


@pytest.mark.parametrize(("key", "column"), [("name", "name"), ("id", "kustomer_id")])
def test_a_company_to_be_deleted_is_found_by_each_of_its_keys(
    simulator: Simulator, run: Runner, key: str, column: str
) -> None:
    add(simulator, "companies", name="Other", externalId="other")
    values = {"name": " ACME ", "kustomer_id": add(simulator, "companies", externalId="a")}
    result = run(
        [COLUMNS["companies"], gone("companies", **{column: values[column]})],
        streams={"companies": {"match_on": [key], "fields": {"kustomer_id": "id"}}},
        **DELETES,
    )
    assert result.counts("companies") == {"updated": 1}
    assert ids(simulator, "companies") == ["other"]


def test_nobody_is_deleted_of_whom_it_is_not_certain_that_he_is_meant(
    simulator: Simulator, run: Runner, more: dict[str, Any]
) -> None:
    add(simulator, "customers", externalId="x", emails=[{"email": "x@example.com"}])
    for name in ("Twin", "Twin"):
        add(simulator, "companies", name=name)
    add(simulator, "companies", name="Solo", externalId="s")
    result = run(
        [
            *COLUMNS.values(),
            gone("customers", id="another", email="x@example.com"),
            gone("customers", name="No key"),
            gone("customers", id="y" * 300, email="x@example.com"),
            gone("companies", name="Twin"),
            gone("companies", id="another", name="Solo"),
        ],
        max_rejected_records=-1,
        **more,
    )
    assert len(simulator.org.customers) == 1
    assert len(simulator.org.companies) == 3
    assert sorted(each["rejection"]["reason"] for each in result.rejected) == [
        "match_ambiguous",
        "match_conflict",
        "match_key_missing",
        "too_long",
    ]
    assert result.counts() == {"rejected": 3}
    assert result.counts("companies") == {"rejected": 1, "skipped": 1}


def test_whoever_was_merged_into_the_customer_is_not_deleted_with_him(
    simulator: Simulator, run: Runner, more: dict[str, Any]
) -> None:
    merged = {
        "externalId": "x",
        "externalIds": [{"externalId": "x"}, {"externalId": "y"}],
        "emails": [{"email": "x@x.io"}, {"email": "y@x.io"}],
    }
    add(simulator, "customers", **merged)
    row = record("customers", id="y", name="Name", email="y@x.io")
    for deleted in (gone("customers", id="x"), gone("customers", email="x@x.io")):
        result = run([COLUMNS["customers"], row, deleted], max_rejected_records=1, **more)
        assert [each["rejection"]["reason"] for each in result.rejected] == ["match_conflict"]
        assert len(simulator.org.customers) == 1
    both = {"fields": {"ids": "externalIds"}}
    columns = schema("customers", {**CUSTOMERS, "ids": {"type": ["array"]}})
    whole = gone("customers", id="x", ids=["x", "y"])
    assert run([columns, whole], streams={"customers": both}, **more).counts() == {"updated": 1}
    assert simulator.org.customers == []


def test_only_the_keys_of_a_deleted_record_have_to_fit(simulator: Simulator, run: Runner) -> None:
    add(simulator, "customers", externalId="1")
    row = {"id": "1", "age": "no number", "name": "n" * 1000, "phone": "none"}
    result = run([COLUMNS["customers"], gone("customers", **row)], **DELETES)
    assert result.counts() == {"updated": 1}
    assert simulator.org.customers == []


def test_the_mode_decides_too(simulator: Simulator, run: Runner, stream: str) -> None:
    add(simulator, stream, externalId="1")
    messages = [COLUMNS[stream], gone(stream, id="1"), gone(stream, id="2")]
    created = run(messages, **DELETES, streams={stream: {"mode": "create"}})
    assert created.counts(stream) == {"skipped": 2}
    assert ids(simulator, stream) == ["1"]
    assert f"mode create deletes nothing (on_delete) stream={stream}" in created.log
    updated = run(messages, **DELETES, streams={stream: {"mode": "update"}})
    assert updated.counts(stream) == {"updated": 1, "skipped": 1}
    assert ids(simulator, stream) == []


# The limit


@pytest.mark.parametrize("told", [True, False], ids=["ids told", "no ids told"])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_no_more_are_deleted_than_the_limit_allows(
    start: Callable[..., Runner], batch_size: int, *, told: bool
) -> None:
    run = start(deletes_tell_ids=told)
    simulator = run.simulator
    messages = [COLUMNS["customers"], *many(simulator, 20), state(1)]
    result = run(messages, max_deleted_records=7, batch_size_rows=batch_size, **DELETES)
    assert result.exit_code == 3
    assert result.counts() == {"updated": 7, "rejected": 13}
    assert len(simulator.org.customers) == 13
    assert set(result.reasons.values()) == {"delete_limit"}
    assert set(result.reasons) == set(ids(simulator, "customers"))
    assert result.states == [1]


def test_a_replay_deletes_as_many_again(simulator: Simulator, run: Runner, stream: str) -> None:
    for each in range(5):
        add(simulator, stream, externalId=f"c{each}", name=f"Name {each}")
    messages = [COLUMNS[stream], *(gone(stream, id=f"c{each}") for each in range(5))]
    result = run(messages, max_deleted_records=2, **DELETES)
    assert all(each["record"]["_sdc_deleted_at"] for each in result.rejected)
    for left in (1, 0):
        result = run(result.rejects_bytes, max_deleted_records=2, **DELETES)
        assert len(ids(simulator, stream)) == left
    assert result.exit_code == 0


def test_nothing_is_deleted_where_nothing_may_be(
    simulator: Simulator, run: Runner, stream: str
) -> None:
    add(simulator, stream, externalId="1")
    messages = [COLUMNS[stream], gone(stream, id="1"), gone(stream, id="2")]
    result = run(messages, max_deleted_records=0, **DELETES)
    assert result.counts(stream) == {"rejected": 1, "skipped": 1}
    assert ids(simulator, stream) == ["1"]


@pytest.mark.parametrize("told", [True, False], ids=["ids told", "no ids told"])
def test_the_limit_counts_what_is_deleted_not_what_is_refused_or_gone(
    start: Callable[..., Runner], *, told: bool
) -> None:
    run = start(deletes_tell_ids=told)
    simulator = run.simulator
    rows = many(simulator, 6)
    kept = simulator.org.customer(external_id="c0")
    assert kept
    simulator.org.refuse_item_if(lambda item: item.get("id") == kept.id)
    messages = [COLUMNS["customers"], gone("customers", id="never there"), *rows]
    result = run(
        messages, max_deleted_records=5, batch_size_rows=1, max_parallel_requests=1, **DELETES
    )
    assert result.counts() == {"updated": 5, "skipped": 1, "rejected": 1}
    assert result.reasons == {"c0": "refused"}
    assert ids(simulator, "customers") == ["c0"]


def test_the_limit_holds_where_kustomer_does_not_tell_what_it_deleted(
    start: Callable[..., Runner],
) -> None:
    run = start(deletes_tell_ids=False)
    rows = many(run.simulator, 20)
    refused = {f"c{each}" for each in (0, 5, 10, 15)}
    found = [run.simulator.org.customer(external_id=each) for each in refused]
    kept = {each.id for each in found if each}
    run.simulator.org.refuse_item_if(lambda item: item.get("id") in kept)
    result = run(
        [COLUMNS["customers"], *rows],
        max_deleted_records=5,
        batch_size_rows=5,
        max_parallel_requests=1,
        **DELETES,
    )
    assert len(run.simulator.org.customers) == 16
    assert result.counts() == {"updated": 4, "rejected": 16}
    assert "deleted stream=customers records=4" in result.log


def test_a_stream_of_both_objects_shares_the_limit(simulator: Simulator, run: Runner) -> None:
    for stream in ("customers", "companies"):
        for each in ("1", "2"):
            add(simulator, stream, externalId=each)
    messages = [
        *COLUMNS.values(),
        *(gone(stream, id=each) for stream in ("customers", "companies") for each in ("1", "2")),
    ]
    run(messages, max_deleted_records=3, **DELETES)
    assert len(simulator.org.customers) + len(simulator.org.companies) == 1


# Order


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_records_and_deletes_of_one_identity_go_in_stdins_order(
    start: Callable[..., Runner], stream: str, more: dict[str, Any], batch_size: int
) -> None:
    run = start(deleted_keep_identifiers=False, job_seconds=0.01, job_jitter_seconds=0.1)
    before = add(run.simulator, stream, externalId="b", name="Before")
    row = {"id": "a", "name": "First"}
    result = run(
        [
            COLUMNS[stream],
            record(stream, **row),
            gone(stream, id="a"),
            record(stream, id="b", name="Changed"),
            gone(stream, id="b"),
            record(stream, **row),
            gone(stream, id="b"),
            gone(stream, id="a"),
            gone(stream, id="a"),
            record(stream, **{**row, "name": "Last"}),
            state(1),
        ],
        **more,
        batch_size_rows=batch_size,
    )
    org = run.simulator.org
    assert result.exit_code == 0
    assert result.counts(stream) == {"created": 3, "updated": 4, "skipped": 2}
    [last] = org.customers if stream == "customers" else org.companies
    assert (last.attributes["name"], last.attributes["externalId"]) == ("Last", "a")
    assert last.id != before
    assert org.overlapping_jobs() == []
    again = run([COLUMNS[stream], record(stream, **row)], **more)
    assert ids(run.simulator, stream) == ["a"]
    assert again.counts(stream) == {"updated": 1}


def test_a_delete_and_an_update_that_share_no_key_go_in_stdins_order(
    start: Callable[..., Runner], more: dict[str, Any]
) -> None:
    for batch_size in (1, 100):
        run = start(deleted_keep_identifiers=False, job_seconds=0.01, job_jitter_seconds=0.1)
        for each in ("a", "b"):
            add(run.simulator, "customers", externalId=each, emails=[{"email": f"{each}@x.io"}])
        result = run(
            [
                COLUMNS["customers"],
                record("customers", id="a", name="Changed"),
                gone("customers", email="a@x.io"),
                gone("customers", email="b@x.io"),
                record("customers", id="b", name="Anew"),
            ],
            batch_size_rows=batch_size,
            **more,
        )
        [left] = run.simulator.org.customers
        assert left.attributes["name"] == "Anew"
        assert "emails" not in left.attributes
        assert result.counts() == {"updated": 3, "created": 1}


@pytest.mark.parametrize("batch_size", [1, 100])
def test_streams_that_know_one_customer_by_different_keys_go_in_stdins_order(
    start: Callable[..., Runner], more: dict[str, Any], batch_size: int
) -> None:
    run = start(deleted_keep_identifiers=False, job_seconds=0.01, job_jitter_seconds=0.1)
    add(run.simulator, "customers", externalId="b", emails=[{"email": "b@x.io"}])
    result = run(
        [
            COLUMNS["customers"],
            schema("leads", {"email": TEXT, "name": TEXT}, None),
            record("customers", id="a", name="New", email="a@x.io"),
            gone("leads", email="a@x.io"),
            gone("customers", id="b"),
            record("leads", email="b@x.io", name="Anew"),
        ],
        streams={
            "customers": {"match_on": ["externalId"], **DELETES},
            "leads": {"object": "customer", "match_on": ["email"], **DELETES},
        },
        batch_size_rows=batch_size,
        **more,
    )
    assert result.counts() == {"created": 1, "updated": 1}
    [left] = run.simulator.org.customers
    assert left.attributes["name"] == "Anew"
    assert result.counts("leads") == {"created": 1, "updated": 1}


def test_what_deleted_records_still_hold_cannot_be_created_anew(
    simulator: Simulator, run: Runner, more: dict[str, Any]
) -> None:
    add(simulator, "customers", externalId="1")
    result = run(
        [COLUMNS["customers"], gone("customers", id="1"), record("customers", id="1", name="A")],
        **more,
    )
    assert result.counts() == {"updated": 1, "rejected": 1}
    assert result.reasons == {"1": "duplicate_identifier"}
    assert simulator.org.customers == []


@pytest.mark.parametrize("batch_size", [1, 100])
def test_what_is_as_it_was_before_its_delete_is_created_anew(
    start: Callable[..., Runner], stream: str, more: dict[str, Any], batch_size: int
) -> None:
    run = start(deleted_keep_identifiers=False)
    messages = [COLUMNS[stream], record(stream, id="1", name="Name")]
    run(messages, **more)
    again = run([*messages, gone(stream, id="1"), *messages], **more, batch_size_rows=batch_size)
    assert ids(run.simulator, stream) == ["1"]
    assert again.counts(stream)["created"] == 1
    run([*messages, gone(stream, id="1")], **more)
    assert run(messages, **more).counts(stream) == {"created": 1}


# Companies and their customers

WORKERS = schema("customers", {"id": TEXT, "name": TEXT, "company_id": TEXT, "company": TEXT})


@pytest.mark.parametrize("batch_size", [1, 100])
@pytest.mark.parametrize("named", [{"company_id": "acme"}, {"company": "Acme"}], ids=str)
def test_a_company_goes_after_the_customers_before_it_and_before_those_behind_it(
    start: Callable[..., Runner], more: dict[str, Any], batch_size: int, named: dict[str, str]
) -> None:
    run = start(deleted_keep_identifiers=False, job_seconds=0.01, job_jitter_seconds=0.1)
    first = add(run.simulator, "companies", externalId="acme")
    result = run(
        [
            COLUMNS["companies"],
            WORKERS,
            record("customers", id="1", **named),
            gone("companies", id="acme"),
            record("customers", id="2", **named),
            record("companies", id="acme", name="Acme"),
            record("customers", id="3", **named),
        ],
        batch_size_rows=batch_size,
        max_rejected_records=-1,
        **more,
    )
    [second] = run.simulator.org.companies
    linked = {each.attributes["externalId"]: each.company for each in run.simulator.org.customers}
    linked.setdefault("2", second.id)  # where its company had not come back yet
    assert linked == {"1": first, "2": second.id, "3": second.id}
    assert set(result.reasons.values()) <= {"company_missing"}


def test_a_customer_whose_company_was_deleted_can_be_updated(
    simulator: Simulator, run: Runner, more: dict[str, Any]
) -> None:
    company = add(simulator, "companies", externalId="acme")
    for each in ("1", "2"):
        simulator.org.add_customer({"externalId": each, "name": "Old"}, company=company)
    messages = [
        *COLUMNS.values(),
        record("customers", id="1", name="Before"),
        gone("companies", id="acme"),
    ]
    assert run(messages, **more).exit_code == 0
    later = run(
        [COLUMNS["customers"], *(record("customers", id=each, name="New") for each in ("1", "2"))],
        **more,
    )
    assert later.counts() == {"updated": 2}
    assert {each.attributes["name"] for each in simulator.org.customers} == {"New"}
    assert {each.company for each in simulator.org.customers} == {None}


def test_customers_as_they_were_are_linked_to_the_company_that_has_come_back(
    start: Callable[..., Runner], more: dict[str, Any]
) -> None:
    run = start(deleted_keep_identifiers=False)
    company = record("companies", id="acme", name="Acme")
    worker = record("customers", id="1", name="Ann", company_id="acme")
    messages = [COLUMNS["companies"], WORKERS, company, worker]
    run(messages, **more)
    result = run([*messages[:2], gone("companies", id="acme"), company, worker], **more)
    assert result.exit_code == 0
    [there], [linked] = run.simulator.org.companies, run.simulator.org.customers
    assert linked.company == there.id


def test_a_company_whose_delete_was_rejected_is_still_there_for_its_customers(
    simulator: Simulator, run: Runner
) -> None:
    company = add(simulator, "companies", externalId="acme")
    result = run(
        [
            COLUMNS["companies"],
            WORKERS,
            gone("companies", id="acme"),
            record("customers", id="1", company_id="acme"),
        ],
        max_deleted_records=0,
        **DELETES,
    )
    assert [each.company for each in simulator.org.customers] == [company]
    assert result.reasons == {"acme": "delete_limit"}


# What fails


@pytest.mark.parametrize(
    "reading",
    [
        {"delete_again": "error"},
        {"delete_again": "refused"},
        {"delete_again": "done"},
        {"deletes_tell_ids": False},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset_after"},
        {"kind": "timeout_after"},
        {"kind": "cut_json"},
        {"kind": "500", "processed": True},
        {"kind": "reset_before"},
        {"kind": "503_html"},
    ],
    ids=str,
)
def test_a_delete_without_an_answer_is_sent_again_and_counts_once(
    start: Callable[..., Runner], fault: dict[str, Any], reading: dict[str, Any]
) -> None:
    run = start(**reading)
    rows = many(run.simulator, 6)
    run.simulator.faults.add(method="DELETE", path_pattern="/bulk", **fault)
    result = run([COLUMNS["customers"], *rows, state(1)], max_deleted_records=4, **DELETES, **QUICK)
    assert result.counts() == {"updated": 4, "rejected": 2}
    assert len(run.simulator.org.customers) == 2
    assert result.states == [1]


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "500"])
def test_a_companys_delete_without_an_answer_is_sent_again(
    simulator: Simulator, run: Runner, kind: Any
) -> None:
    for each in ("1", "2", "3"):
        add(simulator, "companies", externalId=each)
    simulator.faults.add(kind, method="PUT", path_pattern="/bulk")
    rows = [gone("companies", id=each) for each in ("1", "2", "3")]
    result = run([COLUMNS["companies"], *rows], max_deleted_records=2, **DELETES, **QUICK)
    assert result.counts("companies") == {"updated": 2, "rejected": 1}
    assert len(simulator.org.companies) == 1


def test_deletes_that_are_refused_as_a_whole_are_halved(
    simulator: Simulator, run: Runner, stream: str
) -> None:
    there = [add(simulator, stream, externalId=f"c{n}", name=f"Name {n}") for n in range(20)]
    rows = [gone(stream, id=f"c{n}") for n in range(20)]
    simulator.org.refuse_request_if(lambda item: item.get("id") == there[7])
    result = run([COLUMNS[stream], *rows, state(1)], **DELETES)
    assert ids(simulator, stream) == ["c7"]
    assert result.counts(stream) == {"updated": 19, "rejected": 1}
    assert result.reasons == {"c7": "refused"}
    assert len(simulator.requests.of_kind("bulk-submit")) <= 2 * 5 + 1


@pytest.mark.parametrize(
    "switches",
    [
        {"sparse_answers": True},
        {"results_location": "absent"},
        {"deletes_tell_ids": False},
        {"batch_size": 2},
        {"deleted_customers_readable": True, "deleted_companies_listed": True},
        {"deleted_companies_readable": False},
    ],
    ids=str,
)
def test_deletes_hold_under_other_readings_of_the_api(
    start: Callable[..., Runner], stream: str, switches: dict[str, Any]
) -> None:
    run = start(**switches)
    for each in range(6):
        add(run.simulator, stream, externalId=f"c{each}", name=f"Name {each}")
    rows = [gone(stream, id=f"c{each}") for each in range(5)]
    result = run([COLUMNS[stream], *rows, rows[0]], **DELETES)
    assert result.counts(stream) == {"updated": 5, "skipped": 1}
    assert ids(run.simulator, stream) == ["c5"]


@pytest.mark.parametrize(
    "reading",
    [{"delete_again": "error"}, {"delete_again": "refused"}, {"deletes_tell_ids": False}],
    ids=str,
)
def test_what_somebody_else_has_deleted_meanwhile_is_skipped_and_does_not_count(
    start: Callable[..., Runner], reading: dict[str, Any]
) -> None:
    run = start(**reading)
    org = run.simulator.org
    rows = many(run.simulator, 3)
    first = org.customer(external_id="c0")
    assert first

    def delete_before(item: dict[str, Any]) -> bool:
        if item.get("id") == first.id and not first.deleted:
            org.delete(first.id)
        return False

    org.refuse_request_if(delete_before)
    org.refuse_item_if(delete_before)
    result = run(
        [COLUMNS["customers"], *rows],
        max_deleted_records=2,
        batch_size_rows=1,
        max_parallel_requests=1,
        **DELETES,
    )
    assert result.counts() == {"updated": 2, "skipped": 1}
    assert org.customers == []


# Roles


@pytest.mark.parametrize(
    ("stream", "lacking"), [("customers", "customer.delete"), ("companies", "company.update")]
)
def test_a_missing_role_ends_the_run_at_the_schema(
    simulator: Simulator, run: Runner, stream: str, lacking: str
) -> None:
    thing = "customer" if stream == "customers" else "company"
    names = [f"{thing}.{verb}" for verb in ("read", "create", "update", "delete")]
    granted = [f"org.permission.{each}" for each in (*names, "bulk.read") if each != lacking]
    simulator.org.add_key("weak", roles=granted)
    add(simulator, stream, externalId="1")
    messages = [COLUMNS[stream], record(stream, id="2", name="Name"), gone(stream, id="1")]
    result = run(messages, api_key="weak", **DELETES)
    assert result.exit_code == 4
    assert f"org.permission.{lacking}" in result.error
    assert ids(simulator, stream) == ["1"]
    if stream == "customers":
        assert run(messages, api_key="weak").exit_code == 0


def test_many_deletes_share_requests(simulator: Simulator, run: Runner) -> None:
    rows = many(simulator, 150)
    result = run([COLUMNS["customers"], *rows], max_deleted_records=1000, **DELETES)
    assert result.counts() == {"updated": 150}
    deletes = [
        each for each in simulator.requests.of_kind("bulk-submit") if each.method == "DELETE"
    ]
    assert sum(each.records for each in deletes) == 150
    assert len(deletes) <= 4


def test_deletes_among_other_records_cost_no_wave_each(simulator: Simulator, run: Runner) -> None:
    deletes = many(simulator, 20)
    rows = [each for pair in zip(deletes, customers(20, first=100), strict=True) for each in pair]
    result = run([COLUMNS["customers"], *rows], **DELETES)
    assert result.counts() == {"updated": 20, "created": 20}
    assert len(simulator.requests.of_kind("bulk-submit")) == 2
