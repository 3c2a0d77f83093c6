from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, record, schema, state

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner

COLUMNS = {
    "customers": {**CUSTOMERS, "home_email": TEXT, "work_email": TEXT, "tags": TEXT},
    "companies": {**COMPANIES, "tags": TEXT},
}


@pytest.fixture(params=["customers", "companies"])
def stream(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def put(simulator: Simulator, stream: str, **attributes: Any) -> None:
    if stream == "customers":
        simulator.org.add_customer(attributes)
    else:
        simulator.org.add_company(attributes)


def names(simulator: Simulator, stream: str) -> list[str]:
    found = simulator.org.customers if stream == "customers" else simulator.org.companies
    return sorted(each.attributes["name"] for each in found)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("upsert", ({"created": 1, "updated": 1}, ["New name", "Unknown"])),
        ("update", ({"skipped": 1, "updated": 1}, ["New name"])),
        ("create", ({"created": 1, "skipped": 1}, ["Old name", "Unknown"])),
    ],
)
def test_a_mode_says_what_becomes_of_what_is_found_and_what_is_not(
    simulator: Simulator,
    run: Runner,
    stream: str,
    mode: str,
    expected: tuple[dict[str, int], list[str]],
) -> None:
    put(simulator, stream, name="Old name", externalId="1")
    result = run(
        [
            schema(stream, COLUMNS[stream]),
            record(stream, id="1", name="New name"),
            record(stream, id="2", name="Unknown"),
            state(2),
        ],
        streams={stream: {"mode": mode}},
    )
    assert result.exit_code == 0
    assert (result.counts(stream), names(simulator, stream)) == expected
    assert result.states == [2]


def test_create_skips_a_duplicate_that_only_another_identifier_shows(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_customer({"name": "Ann", "emails": [{"email": "ann@example.com"}]})
    result = run(
        [
            schema("customers", CUSTOMERS),
            record("customers", id="1", name="Other", email="ann@example.com"),
        ],
        streams={"customers": {"mode": "create", "match_on": ["externalId"]}},
    )
    assert result.exit_code == 0
    assert result.counts() == {"skipped": 1}
    assert names(simulator, "customers") == ["Ann"]


def test_update_is_looked_up_and_never_created(simulator: Simulator, run: Runner) -> None:
    messages = [record("customers", id=f"c{n}", name=f"N{n}") for n in range(30)]
    simulator.org.add_customer({"externalId": "c3", "name": "Old"})
    result = run(
        [schema("customers", CUSTOMERS), *messages], streams={"customers": {"mode": "update"}}
    )
    assert result.counts() == {"updated": 1, "skipped": 29}
    assert names(simulator, "customers") == ["N3"]


def test_a_deletion_is_skipped(simulator: Simulator, run: Runner, stream: str) -> None:
    put(simulator, stream, name="Old name", externalId="1")
    deleted = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    result = run(
        [
            schema(stream, {**COLUMNS[stream], "_sdc_deleted_at": TEXT}),
            record(stream, id="1", name="New name", **deleted),
            record(stream, id="2", name="Unknown", _sdc_deleted_at=None),
            {"type": "ACTIVATE_VERSION", "stream": stream, "version": 1},
            state(2),
        ]
    )
    assert result.exit_code == 0
    assert result.counts(stream) == {"created": 1, "skipped": 1}
    assert names(simulator, stream) == ["Old name", "Unknown"]
    assert result.states == [2]


# One identity several times in a batch.


def same(run: Runner, *rows: dict[str, Any], stream: str = "customers", **entry: Any) -> Any:
    return run(
        [
            schema(stream, COLUMNS[stream]),
            *(record(stream, **row) for row in rows),
            state("end"),
        ],
        streams={stream: entry},
    )


def test_records_of_one_identity_are_merged_attribute_by_attribute(
    simulator: Simulator, run: Runner
) -> None:
    result = same(
        run,
        {"id": "1", "name": "Ann", "email": "ann@example.com", "age": 1},
        {"id": "2", "name": "Bob"},
        {"id": "1", "age": 2},
        {"id": "1", "name": "Anna"},
    )
    assert result.counts() == {"created": 2, "updated": 2}
    ann = simulator.org.customer(external_id="1")
    assert ann is not None
    assert ann.attributes["name"] == "Anna"
    assert ann.attributes["custom"] == {"ageNum": 2}
    assert [each["email"] for each in ann.attributes["emails"]] == ["ann@example.com"]
    assert len(simulator.org.customers) == 2


def test_companies_of_one_identity_are_merged(simulator: Simulator, run: Runner) -> None:
    result = same(
        run,
        {"id": "1", "name": "Acme"},
        {"id": "1", "name": "Acme Ltd", "tags": "a"},
        {"id": "2", "name": "Other"},
        stream="companies",
    )
    assert result.counts("companies") == {"created": 2, "updated": 1}
    assert names(simulator, "companies") == ["Acme Ltd", "Other"]


@pytest.mark.parametrize(
    ("nulls", "name", "custom"), [("clear", None, {}), ("ignore", "Ann", {"ageNum": 1})]
)
@pytest.mark.parametrize("there", [True, False])
def test_a_later_null_clears_or_is_ignored(
    simulator: Simulator,
    run: Runner,
    nulls: str,
    name: str | None,
    custom: dict[str, Any],
    *,
    there: bool,
) -> None:
    if there:
        simulator.org.add_customer({"externalId": "1", "name": "Old", "custom": {"ageNum": 7}})
    result = same(
        run,
        {"id": "1", "name": "Ann", "age": 1},
        {"id": "1", "name": None, "age": None},
        nulls=nulls,
    )
    assert result.exit_code == 0
    [ann] = simulator.org.customers
    assert ann.attributes.get("name") == name
    left = {key: value for key, value in ann.attributes.get("custom", {}).items() if value}
    assert left == custom


def test_a_value_after_a_null_stands(simulator: Simulator, run: Runner) -> None:
    simulator.org.add_customer({"externalId": "1", "name": "Old", "custom": {"ageNum": 7}})
    result = same(run, {"id": "1", "name": None, "age": None}, {"id": "1", "name": "A", "age": 2})
    assert result.counts() == {"updated": 2}
    [ann] = simulator.org.customers
    assert (ann.attributes["name"], ann.attributes["custom"]) == ("A", {"ageNum": 2})


@pytest.mark.without_ledger
@pytest.mark.parametrize(
    ("lists", "emails", "tags"),
    [
        ("merge", {"b@example.com", "a@example.com", "old@example.com"}, {"b", "a", "old"}),
        ("replace", {"b@example.com"}, {"b"}),
    ],
)
def test_lists_of_one_identity_follow_the_setting(
    simulator: Simulator, run: Runner, lists: str, emails: set[str], tags: set[str]
) -> None:
    simulator.org.add_customer(
        {"externalId": "1", "emails": [{"email": "old@example.com"}], "tags": ["old"]}
    )
    result = same(
        run,
        {"id": "1", "email": "a@example.com", "tags": "a"},
        {"id": "1", "email": "b@example.com", "tags": "b"},
        lists=lists,
    )
    assert result.counts() == {"updated": 2}
    [ann] = simulator.org.customers
    assert {each["email"] for each in ann.attributes["emails"]} == emails
    assert set(ann.attributes["tags"]) == tags


def test_in_mode_create_the_first_of_an_identity_wins(simulator: Simulator, run: Runner) -> None:
    rows = [{"id": "1", "name": f"Name {number}"} for number in range(3)]
    result = same(run, *rows, mode="create")
    assert result.counts() == {"created": 1, "skipped": 2}
    assert names(simulator, "customers") == ["Name 0"]


def test_in_mode_update_an_unknown_identity_is_skipped_each_time(
    simulator: Simulator, run: Runner
) -> None:
    rows = [{"id": "1", "name": f"Name {number}"} for number in range(3)]
    result = same(run, *rows, mode="update")
    assert result.counts() == {"skipped": 3}
    assert simulator.org.customers == []


@pytest.mark.parametrize("level", ["request", "item"])
@pytest.mark.parametrize("there", [True, False])
def test_a_merged_item_that_is_refused_is_sent_again_record_by_record(
    simulator: Simulator, run: Runner, level: str, *, there: bool
) -> None:
    if there:
        simulator.org.add_customer({"externalId": "1", "name": "Old"})
    refuse = getattr(simulator.org, f"refuse_{level}_if")
    refuse(lambda item: (item.get("custom") or {}).get("ageNum") == 13)
    result = same(
        run,
        {"id": "1", "name": "Ann", "age": 1},
        {"id": "1", "name": "Bad", "age": 13},
        {"id": "1", "email": "ann@example.com"},
        {"id": "2", "name": "Bob", "age": 2},
    )
    assert result.counts()["rejected"] == 1
    [rejected] = result.rejected
    assert rejected["record"]["name"] == "Bad"
    assert rejected["rejection"]["reason"] == "refused"
    ann = simulator.org.customer(external_id="1")
    assert ann is not None
    assert ann.attributes["name"] == "Ann"
    assert ann.attributes["custom"] == {"ageNum": 1}
    assert ann.attributes["emails"][0]["email"] == "ann@example.com"
    assert len(simulator.org.customers) == 2


def test_a_first_record_that_is_refused_leaves_the_next_to_create(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.refuse_item_if(lambda item: item.get("name") == "Bad")
    result = same(run, {"id": "1", "name": "Bad"}, {"id": "1", "name": "Good"}, mode="create")
    assert result.counts() == {"created": 1, "rejected": 1}
    assert names(simulator, "customers") == ["Good"]


def test_records_that_share_a_key_but_are_not_one_identity_go_one_after_the_other(
    simulator: Simulator, run: Runner
) -> None:
    result = same(
        run,
        {"id": "1", "name": "Ann", "email": "shared@example.com"},
        {"id": "2", "name": "Bob", "email": "shared@example.com"},
        {"id": "3", "name": "Cid", "email": "cid@example.com"},
    )
    assert result.counts() == {"created": 2, "rejected": 1}
    assert result.reasons == {"2": "match_conflict"}
    assert names(simulator, "customers") == ["Ann", "Cid"]
    assert simulator.org.overlapping_jobs() == []


@pytest.mark.without_ledger
def test_an_identity_may_move_between_its_keys_within_a_batch(
    simulator: Simulator, run: Runner
) -> None:
    result = same(
        run,
        {"id": "1", "email": "a@example.com", "name": "first"},
        {"id": None, "email": "a@example.com", "name": "second"},
        {"id": "1", "email": "b@example.com", "name": "third"},
        {"id": None, "email": "b@example.com", "name": "fourth"},
        {"id": None, "email": "A@Example.com", "name": "fifth"},
    )
    assert result.counts() == {"created": 1, "updated": 4}
    [ann] = simulator.org.customers
    assert ann.attributes["name"] == "fifth"
    assert {each["email"] for each in ann.attributes["emails"]} == {
        "a@example.com",
        "b@example.com",
    }


def test_a_record_that_joins_two_customers_waits_for_both(
    simulator: Simulator, run: Runner
) -> None:
    result = same(
        run,
        {"id": None, "home_email": "a@example.com", "name": "A"},
        {"id": None, "home_email": "b@example.com", "name": "B"},
        {"id": None, "home_email": "a@example.com", "work_email": "b@example.com", "name": "C"},
    )
    assert result.counts() == {"created": 2, "rejected": 1}
    assert [each["rejection"]["reason"] for each in result.rejected] == ["match_ambiguous"]
    assert names(simulator, "customers") == ["A", "B"]
    assert simulator.org.overlapping_jobs() == []


def test_companies_of_one_name_and_two_external_ids_are_two(
    simulator: Simulator, run: Runner
) -> None:
    result = same(
        run,
        {"id": "1", "name": "Acme"},
        {"id": "2", "name": "acme"},
        {"id": None, "name": "Other"},
        stream="companies",
    )
    assert result.counts("companies") == {"created": 3}
    assert names(simulator, "companies") == ["Acme", "Other", "acme"]


def test_in_mode_create_who_is_there_is_skipped_whatever_company_is_named(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.add_customer({"externalId": "c1", "name": "Old"})
    company = {"company_id": TEXT}
    result = run(
        [
            schema("customers", {**COLUMNS["customers"], **company}),
            record("customers", id="c1", name="There already", company_id="nowhere"),
            record("customers", id="c2", name="New, without its company", company_id="nowhere"),
            record("customers", id="c3", name="New"),
            record("customers", id="c3", name="New again", company_id="nowhere"),
            state(4),
        ],
        streams={"customers": {"mode": "create"}},
    )
    assert result.counts() == {"created": 1, "skipped": 2, "rejected": 1}
    assert result.reasons == {"c2": "company_missing"}
    assert names(simulator, "customers") == ["New", "Old"]


def test_in_mode_create_a_later_record_makes_no_company(simulator: Simulator, run: Runner) -> None:
    company = {"company_name": TEXT}
    result = run(
        [
            schema("customers", {**COLUMNS["customers"], **company}),
            record("customers", id="c1", name="New", company_name="First"),
            record("customers", id="c1", name="New again", company_name="Second"),
        ],
        streams={"customers": {"mode": "create"}},
        missing_company="create",
    )
    assert result.counts() == {"created": 1, "skipped": 1}
    assert names(simulator, "companies") == ["First"]
