"""What a run with a ledger sends, and what it need not send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from target_kustomer.simulator import Simulator
    from target_kustomer.simulator.objects import StoredObject
    from tests.support import Runner

PEOPLE = schema("customers", CUSTOMERS)
CONTACTS = schema("customers", {"id": TEXT, "email": TEXT, "work_email": TEXT})


@pytest.fixture
def ledger(tmp_path: Path) -> dict[str, Any]:
    return {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"}


def refuse_age(simulator: Simulator, age: int) -> set[int]:
    """Refuse items of this age while it is in the set."""
    refused = {age}
    simulator.org.refuse_item_if(lambda item: (item.get("custom") or {}).get("ageNum") in refused)
    return refused


def customer(simulator: Simulator, external_id: str = "c") -> StoredObject:
    found = simulator.org.customer(external_id=external_id)
    assert found
    return found


def emails(simulator: Simulator, external_id: str) -> list[str]:
    return [each["email"] for each in customer(simulator, external_id).attributes["emails"]]


def test_records_that_are_as_confirmed_cost_nothing(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    messages = [PEOPLE, *customers(250), state(1)]
    assert run(messages, **ledger).counts() == {"created": 250}

    before = simulator.requests.counts()
    again = run(messages, **ledger)

    assert again.counts() == {"unchanged": 250}
    assert again.states == [1]
    asked = sum(simulator.requests.counts().values()) - sum(before.values())
    assert asked <= 3


def test_a_changed_record_sends_what_has_changed(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, *customers(3)], **ledger)
    changed_by_agent = customer(simulator, "c1")
    changed_by_agent.attributes["name"] = "By an agent"

    changed = customers(3)
    changed[1]["record"]["age"] = 99
    result = run([PEOPLE, *changed], **ledger)

    assert result.counts() == {"updated": 1, "unchanged": 2}
    assert changed_by_agent.attributes["name"] == "By an agent"
    assert changed_by_agent.attributes["custom"]["ageNum"] == 99


def test_what_comes_back_to_an_older_value_is_sent(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    for age in (1, 2, 1):
        result = run([PEOPLE, record("customers", id="c", age=age)], **ledger)
        assert "unchanged" not in result.counts()
    assert customer(simulator).attributes["custom"]["ageNum"] == 1


def test_the_last_of_several_values_in_one_run_wins(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, record("customers", id="c", age=1)], **ledger)

    ages = [record("customers", id="c", age=age) for age in (2, 1, 2, 1)]
    fillers = customers(150)
    result = run([PEOPLE, ages[0], *fillers, ages[1], *fillers, *ages[2:]], **ledger)

    assert result.exit_code == 0
    assert customer(simulator).attributes["custom"]["ageNum"] == 1


def test_two_keys_of_one_customer_do_not_hide_each_other(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    by_id = [PEOPLE, record("customers", id="c", email="c@example.com", age=1)]
    by_email = [
        schema("newsletter-customers", {"email": TEXT, "age": CUSTOMERS["age"]}, keys=["email"]),
        record("newsletter-customers", email="c@example.com", age=2),
    ]
    settings = {"streams": {"newsletter-customers": {"match_on": ["email"]}}}
    for messages in (by_id, by_email, by_id):
        run(messages, **ledger, **settings)
    assert customer(simulator).attributes["custom"]["ageNum"] == 1


def test_a_list_item_that_the_source_drops_is_removed_and_others_stay(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([CONTACTS, record("customers", id="c", email="a@x.com", work_email="b@x.com")], **ledger)
    held = customer(simulator).attributes["emails"]
    held.append({"email": "agent@x.com", "type": "other", "verified": False})

    result = run([CONTACTS, record("customers", id="c", email="c@x.com")], **ledger)

    assert result.counts() == {"updated": 1}
    assert emails(simulator, "c") == ["c@x.com", "agent@x.com"]


def test_an_item_of_others_stays_after_a_run_that_ended_while_it_was_sent(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([CONTACTS, record("customers", id="c", email="a@x.com")], **ledger)
    held = customer(simulator).attributes["emails"]
    held.append({"email": "agent@x.com", "type": "other", "verified": False})
    simulator.faults.add("500", method="PUT", times=1)
    messages = [CONTACTS, record("customers", id="c", email="b@x.com")]
    assert run(messages, **ledger, retry_deadline_seconds=0).exit_code == 5

    run(messages, **ledger)

    assert emails(simulator, "c") == ["b@x.com", "agent@x.com"]


def test_what_two_streams_put_into_one_list_stays_of_both(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    second = schema("crm-customers", {"id": TEXT, "email": TEXT})
    settings = {"streams": {"crm-customers": {"external_id_prefix": ""}}}
    stream = [
        CONTACTS,
        record("customers", id="c", email="a@x.com"),
        {**second, "key_properties": None},
        record("crm-customers", id="c", email="b@x.com"),
    ]
    for _ in range(2):
        assert run(stream[:2], **ledger, **settings).exit_code == 0
        assert run(stream[2:], **ledger, **settings).exit_code == 0
    assert sorted(emails(simulator, "c")) == ["a@x.com", "b@x.com"]


def test_a_customer_that_kustomer_has_lost_is_created_again_when_it_changes(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, record("customers", id="c", name="Ann", age=1)], **ledger)
    simulator.org.vanish(customer(simulator).id)

    result = run([PEOPLE, record("customers", id="c", name="Ann", age=2)], **ledger)

    assert result.counts() == {"created": 1}
    attributes = customer(simulator).attributes
    assert (attributes["name"], attributes["custom"]["ageNum"]) == ("Ann", 2)
    again = run([PEOPLE, record("customers", id="c", name="Ann", age=2)], **ledger)
    assert again.counts() == {"unchanged": 1}


def test_what_was_confirmed_long_ago_is_compared_with_kustomer(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, *customers(2)], **ledger)
    customer(simulator, "c1").attributes["name"] = "By an agent"

    result = run([PEOPLE, *customers(2)], **ledger, resync_after_days=0)

    assert result.counts() == {"updated": 1, "unchanged": 1}
    assert customer(simulator, "c1").attributes["name"] == "Customer 1"


def test_everything_is_sent_where_the_user_wants_it(run: Runner, ledger: dict[str, Any]) -> None:
    run([PEOPLE, *customers(2)], **ledger)
    result = run([PEOPLE, *customers(2)], **ledger, skip_unchanged=False)
    assert result.counts() == {"updated": 2}


def test_another_setting_is_another_plan_but_the_values_are_still_known(
    run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, *customers(2)], **ledger)
    for _ in range(2):
        result = run([PEOPLE, *customers(2)], **ledger, default_phone_region="US")
        assert result.counts() == {"unchanged": 2}


def test_in_mode_create_what_is_known_is_skipped(run: Runner, ledger: dict[str, Any]) -> None:
    settings = {"streams": {"customers": {"mode": "create"}}}
    assert run([PEOPLE, *customers(2)], **ledger, **settings).counts() == {"created": 2}
    assert run([PEOPLE, *customers(2)], **ledger, **settings).counts() == {"skipped": 2}


def test_a_deleted_record_is_skipped_though_its_values_are_known(
    run: Runner, ledger: dict[str, Any]
) -> None:
    columns = schema("customers", {**CUSTOMERS, "_sdc_deleted_at": TEXT})
    run([columns, record("customers", id="c", age=1, _sdc_deleted_at=None)], **ledger)
    gone = record("customers", id="c", age=1, _sdc_deleted_at="2026-01-01T00:00:00Z")
    assert run([columns, gone], **ledger).counts() == {"skipped": 1}


def test_a_customer_whose_company_was_left_out_is_linked_when_it_has_come(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    people = schema("customers", {"id": TEXT, "company_id": TEXT})
    messages = [people, record("customers", id="c", company_id="7")]
    run(messages, **ledger, missing_company="ignore")
    company = simulator.org.add_company({"name": "Acme", "externalId": "7"})

    run(messages, **ledger, missing_company="ignore")

    assert customer(simulator).company == company.id


def test_an_update_keeps_the_company_that_the_stream_does_not_name(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, record("customers", id="c", age=1)], **ledger)
    company = simulator.org.add_company({"name": "Acme"})
    customer(simulator).company = company.id

    run([PEOPLE, record("customers", id="c", age=2)], **ledger)

    assert customer(simulator).company == company.id


def test_a_changed_customer_keeps_the_company_that_it_names(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    companies = [schema("companies", COMPANIES), record("companies", id="7", name="Acme")]
    people = schema("customers", {"id": TEXT, "company_id": TEXT, "age": CUSTOMERS["age"]})
    for age in (1, 2):
        linked = record("customers", id="c", company_id="7", age=age)
        run([*companies, people, linked], **ledger)
    company = simulator.org.company(external_id="7")
    assert company
    assert customer(simulator).company == company.id


def test_a_company_that_the_ledger_knows_is_not_looked_up(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    companies = [schema("companies", COMPANIES), record("companies", id="7", name="Acme")]
    people = schema("customers", {"id": TEXT, "company_id": TEXT})
    run(companies, **ledger)
    before = simulator.requests.counts().get("company.list", 0)
    result = run([people, record("customers", id="c", company_id="7")], **ledger)
    assert result.counts() == {"created": 1}
    assert simulator.requests.counts().get("company.list", 0) == before


@pytest.mark.parametrize("anew", [False, True])
def test_a_company_that_kustomer_has_lost_is_looked_for_anew(
    simulator: Simulator, run: Runner, ledger: dict[str, Any], *, anew: bool
) -> None:
    companies = [schema("companies", COMPANIES), record("companies", id="7", name="Acme")]
    people = schema("customers", {"id": TEXT, "company_id": TEXT, "age": CUSTOMERS["age"]})
    run([*companies, people, record("customers", id="c", company_id="7", age=1)], **ledger)
    lost = simulator.org.company(external_id="7")
    assert lost
    if anew:
        simulator.org.vanish(customer(simulator).id)
    simulator.org.vanish(lost.id)
    simulator.org.add_company({"name": "Acme", "externalId": "7"})

    result = run([people, record("customers", id="c", company_id="7", age=2)], **ledger)

    assert "rejected" not in result.counts()
    company = simulator.org.company(external_id="7")
    assert company
    assert customer(simulator).company == company.id


def test_a_replayed_reject_does_not_undo_what_came_later(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    refused = refuse_age(simulator, 1)
    run([PEOPLE, record("customers", id="c", age=0)], **ledger)
    rejected = run([PEOPLE, record("customers", id="c", age=1)], **ledger)
    assert rejected.reasons == {"c": "refused"}
    replay = rejected.rejects_bytes.replace(b'"at": "20', b'"at": "19')
    assert run([PEOPLE, record("customers", id="c", age=2)], **ledger).counts() == {"updated": 1}
    refused.clear()

    result = run(replay, **ledger)

    assert result.counts() == {"skipped": 1}
    assert "skipped reason=stale" in result.log
    assert customer(simulator).attributes["custom"]["ageNum"] == 2


def test_a_replayed_reject_of_the_same_moment_is_sent(
    simulator: Simulator, run: Runner, ledger: dict[str, Any]
) -> None:
    run([PEOPLE, record("customers", id="c", age=0)], **ledger)
    refused = refuse_age(simulator, 1)
    rejected = run([PEOPLE, record("customers", id="c", age=1)], **ledger)
    refused.clear()

    assert run(rejected.rejects_bytes, **ledger).counts() == {"updated": 1}


def test_no_value_of_a_record_is_in_the_database(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "own" / "ledger.db"
    path.parent.mkdir()
    personal = record("customers", id="4711-ID", name="Ann Unique", email="ann.unique@x.com", age=1)
    run([PEOPLE, personal], ledger_url=f"sqlite:///{path}")
    kept = b"".join(each.read_bytes() for each in path.parent.iterdir())
    for value in ("4711-ID", "Ann Unique", "ann.unique", "unique@x"):
        assert value.encode() not in kept
    assert path.stat().st_mode & 0o077 == 0
