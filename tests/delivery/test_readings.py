"""The main job must end in the same world, whichever reading of the unknowns holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import CUSTOMERS, TEXT, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

READINGS: list[dict[str, Any]] = [
    {},
    {"error_shape": "plain", "duplicate_status": 400, "bulk_error_names_item": True},
    {"error_shape": "short", "duplicate_text": "emails must be UNIQUE"},
    {"duplicate_text": "a customer with this externalId already exists"},
    {"email_case_sensitive": True, "phone_exact": True},
    {"normalize_identifiers": True, "phones_must_be_e164": True},
    {"lookup_matches_shared": True},
    {"company_external_id_unique": False, "company_filter": "prefix"},
    {"company_filter": "exact"},
    {"company_filter_case_sensitive": True},
    {"unknown_company_refused": False, "omit_company_unlinks": False},
    {"company_in_attributes": True},
    {"deleted_companies_listed": True, "deleted_customers_readable": True},
    {"deleted_companies_readable": False, "deleted_companies_restorable": False},
    {"deleted_keep_identifiers": False},
    {"cleared_as_null": True, "lists_merged": True},
    {"undefined_custom_refused": True, "imported_at_needs_admin": True},
    {"enumeration_enforced": False, "mask_sensitive": False, "rev_mismatch_refused": True},
    {"tree_enforced": False, "metadata_put_replaces": True, "metadata_stamps_refused": False},
    {"object_limit_counts_bulk": True},
    {"rate_limit_reset_milliseconds": True, "rate_limit_retry_after": True},
    {"job_unknown_seconds": 0.1, "batches_listed_while_queued": False},
    {"batch_size": 2, "batches_page_size": 1, "results_location": "item"},
    {"results_location": "absent"},
    {"results_location": "absent", "sparse_answers": True},
    {"sparse_answers": True, "results_shuffled": False, "seed": 2},
]


def furnish(simulator: Simulator) -> None:
    """What was there before."""
    org = simulator.org
    for name in ("ageNum", "levelStr"):
        org.define_custom("customer", name)
    acme = org.add_company({"name": "Acme", "externalId": "e1", "tags": ["kept"]})
    org.add_company({"name": "Bravo"})
    org.add_company({"name": "Bravo West", "externalId": "e9"})
    gone = org.add_company({"name": "Cargo"})
    org.delete(gone.id)
    org.add_customer(
        {
            "externalId": "1",
            "name": "Ann",
            "emails": [{"email": "ann@example.com", "type": "home"}],
            "phones": [{"phone": "+12025550101", "type": "home"}],
            "custom": {"levelStr": "gold", "ageNum": 1},
        },
        company=acme.id,
    )
    org.add_customer({"name": "Bob", "emails": [{"email": "bob@example.com"}]}, company=acme.id)
    org.add_customer({"name": "Cid", "sharedEmails": [{"email": "dora@example.com"}]})
    deleted = org.add_customer({"name": "Gone", "externalId": "gone"})
    org.delete(deleted.id)


def job() -> list[dict[str, Any]]:
    company = {"id": TEXT, "name": TEXT, "website": TEXT}
    customer = {**CUSTOMERS, "phone": TEXT, "company_id": TEXT, "company_name": TEXT}
    return [
        schema("companies", company),
        record("companies", id="e1", name="Acme Ltd"),
        record("companies", id="e2", name="Bravo", website="https://bravo.example.com"),
        record("companies", id="e3", name="Cargo"),
        schema("customers", customer),
        record("customers", id="1", email="new@example.com", phone="+1 202-555-0101", age=2),
        record("customers", id="2", email="bob@example.com", name="Bobby", age=None),
        record("customers", id="3", email="dora@example.com", name="Dora", company_id="e3"),
        record("customers", id="4", name="Eve", company_name="bravo", age=4),
        record("customers", id="4", name="Eva"),
        record("customers", id="5", name="Fay", company_id="none"),
        state("end"),
    ]


def world(simulator: Simulator) -> dict[str, Any]:
    org = simulator.org
    names = {each.id: each.attributes["name"] for each in org.companies}
    found: dict[str, Any] = {"companies": sorted(names.values())}
    for each in org.customers:
        held = each.attributes
        found[held["name"]] = {
            "id": held.get("externalId"),
            "emails": {item["email"] for item in held.get("emails", ())},
            "phones": {item["phone"] for item in held.get("phones", ())},
            "custom": {key: value for key, value in held.get("custom", {}).items() if value},
            "company": names.get(each.company or ""),
        }
    return found


def person(external_id: str | None, **more: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"emails": set(), "phones": set(), "custom": {}, "company": None}
    return {"id": external_id, **nothing, **more}


WORLD = {
    "companies": ["Acme Ltd", "Bravo", "Bravo West", "Cargo"],
    "Ann": person(
        "1",
        emails={"ann@example.com", "new@example.com"},
        phones={"+12025550101"},
        custom={"levelStr": "gold", "ageNum": 2},
        company="Acme Ltd",
    ),
    "Bobby": person("2", emails={"bob@example.com"}, company="Acme Ltd"),
    "Cid": person(None),
    "Dora": person("3", emails={"dora@example.com"}, company="Cargo"),
    "Eva": person("4", custom={"ageNum": 4}, company="Bravo"),
}


@pytest.mark.parametrize("switches", READINGS, ids=str)
def test_the_main_job_ends_in_the_same_world(
    start: Callable[..., Runner], switches: dict[str, Any]
) -> None:
    run = start(**switches)
    furnish(run.simulator)
    minds_case = "company_filter_case_sensitive" in switches
    messages = job()
    if minds_case:  # such a Kustomer does not find what is spelled otherwise
        messages[8]["record"]["company_name"] = "Bravo"
    result = run(messages, max_rejected_records=-1)
    assert result.exit_code == 0
    assert world(run.simulator) == WORLD
    assert result.counts("companies") == {"created": 1, "updated": 2}
    assert result.counts() == {"created": 2, "updated": 3, "rejected": 1}
    assert result.reasons == {"5": "company_missing"}
    assert result.states == ["end"]
    assert run.simulator.org.overlapping_jobs() == []


@pytest.mark.without_ledger
@pytest.mark.parametrize(
    "switches", [{}, {"lists_merged": True}, {"cleared_as_null": True}], ids=str
)
def test_a_second_run_changes_nothing_but_the_revision(
    start: Callable[..., Runner], switches: dict[str, Any]
) -> None:
    run = start(**switches)
    furnish(run.simulator)
    run(job(), max_rejected_records=-1)
    result = run(job(), max_rejected_records=-1)
    assert world(run.simulator) == WORLD
    assert result.counts() == {"updated": 5, "rejected": 1}
