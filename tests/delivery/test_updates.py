from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, record, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

FULL = [{"email": f"old{number}@example.com"} for number in range(10)]


def values(items: list[dict[str, Any]], member: str) -> list[str]:
    return [item[member] for item in items]


@pytest.mark.parametrize(
    ("lists", "emails"),
    [
        ("merge", ["new@example.com", "Old@Example.com", "other@example.com"]),
        ("replace", ["new@example.com", "old@example.com"]),
    ],
)
def test_lists_are_merged_or_replaced(
    simulator: Simulator, run: Runner, lists: str, emails: list[str]
) -> None:
    ann = simulator.org.add_customer(
        {
            "externalId": "1",
            "emails": [
                {"email": "other@example.com", "type": "other"},
                {"email": "Old@Example.com", "type": "home"},
            ],
        }
    )
    result = run(
        [
            schema("customers", {"id": TEXT, "email": TEXT, "work_email": TEXT}),
            record("customers", id="1", email="new@example.com", work_email="old@example.com"),
        ],
        lists=lists,
    )
    assert result.counts() == {"updated": 1}
    assert values(ann.attributes["emails"], "email") == emails
    assert ann.attributes["emails"][1]["type"] == "work"


@pytest.mark.parametrize("lists", ["merge", "replace"])
def test_lists_that_the_stream_says_nothing_of_stay(
    simulator: Simulator, run: Runner, lists: str
) -> None:
    held = {
        "emails": [{"email": "ann@example.com", "type": "home", "verified": True}],
        "phones": [{"phone": "+12025550101", "type": "home", "verified": True}],
        "urls": [{"url": "https://example.com", "type": "website"}],
        "tags": ["vip"],
        "sharedEmails": [{"email": "team@example.com", "type": "work", "verified": True}],
        "locations": [{"type": "home", "cityName": "Oslo"}],
        "custom": {"otherStr": "kept"},
    }
    ann = simulator.org.add_customer({"externalId": "1", **held})
    before = {name: ann.attributes[name] for name in held}
    run([schema("customers", CUSTOMERS), record("customers", id="1", age=3)], lists=lists)
    after = {name: ann.attributes[name] for name in held}
    assert after == {**before, "custom": {"otherStr": "kept", "ageNum": 3}}


@pytest.mark.parametrize(
    ("column", "name", "held"),
    [("email", "emails", FULL), ("tags", "tags", [f"t{number}" for number in range(20)])],
)
def test_a_merged_list_over_its_limit_rejects_the_record(
    simulator: Simulator, run: Runner, column: str, name: str, held: list[Any]
) -> None:
    value = "new" if column == "tags" else "new@example.com"
    ann = simulator.org.add_customer({"externalId": "1", "name": "Old", name: held})
    before = list(ann.attributes[name])
    result = run(
        [
            schema("customers", {"id": TEXT, "name": TEXT, column: TEXT}),
            record("customers", **{"id": "1", "name": "New", column: value}),
            record("customers", **{"id": "2", "name": "Other", column: None}),
        ]
    )
    assert result.counts() == {"created": 1, "rejected": 1}
    assert result.reasons == {"1": "list_full"}
    assert result.rejected[0]["rejection"]["attribute"] == name
    assert ann.attributes[name] == before
    assert ann.attributes["name"] == "Old"


@pytest.mark.without_ledger
def test_a_full_list_takes_what_it_holds_already(simulator: Simulator, run: Runner) -> None:
    simulator.org.add_customer({"externalId": "1", "emails": FULL})
    message = record("customers", id="1", email="OLD3@example.com")
    result = run([schema("customers", CUSTOMERS), message])
    assert result.counts() == {"updated": 1}
    result = run([schema("customers", CUSTOMERS), message], lists="replace")
    assert result.counts() == {"updated": 1}
    [ann] = simulator.org.customers
    assert [each["email"].lower() for each in ann.attributes["emails"]] == ["old3@example.com"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("stream", ["customers", "companies"])
def test_attributes_that_bulk_update_does_not_take_arrive_all_the_same(
    simulator: Simulator, run: Runner, stream: str, *, there: bool
) -> None:
    add = simulator.org.add_customer if stream == "customers" else simulator.org.add_company
    held = {"whatsapps": [{"phone": "+12025550199"}], "tags": ["kept"]}
    if there:
        add({"externalId": "1", "name": "Old name", **held})
    result = run(
        [
            schema(stream, {"id": TEXT, "name": TEXT, "whatsapp": TEXT}),
            record(stream, id="1", name="New name", whatsapp="+12025550101"),
            record(stream, id="2", name="Other name", whatsapp="+12025550102"),
        ]
    )
    assert result.counts(stream) == ({"created": 1, "updated": 1} if there else {"created": 2})
    found = simulator.org.customers if stream == "customers" else simulator.org.companies
    first = next(each for each in found if each.attributes["externalId"] == "1")
    assert first.attributes["name"] == "New name"
    phones = ["+12025550101", "+12025550199"] if there else ["+12025550101"]
    assert values(first.attributes["whatsapps"], "phone") == phones


def test_instagram_ids_of_a_customer_arrive_on_update(simulator: Simulator, run: Runner) -> None:
    ann = simulator.org.add_customer({"externalId": "1", "name": "Old"})
    ids = [{"pageId": "p", "threadId": "t", "username": "u", "instagramId": "i"}]
    columns = {
        "id": TEXT,
        "instagramIds": {"type": "array", "items": {"type": "object"}},
    }
    result = run([schema("customers", columns), record("customers", id="1", instagramIds=ids)])
    assert result.counts() == {"updated": 1}
    assert ann.attributes["instagramIds"] == ids


@pytest.mark.parametrize("there", [True, False])
def test_times_of_a_company_that_only_a_create_takes_do_not_stop_an_update(
    simulator: Simulator, run: Runner, *, there: bool
) -> None:
    if there:
        simulator.org.add_company({"externalId": "1", "name": "Old name"})
    time = "2020-01-02T03:04:05Z"
    result = run(
        [
            schema("companies", {**COMPANIES, "imported": TEXT, "created": TEXT}),
            record("companies", id="1", name="New name", imported=time, created=time),
        ],
        streams={"companies": {"fields": {"imported": "importedAt", "created": "createdAt"}}},
    )
    assert result.counts("companies") == ({"updated": 1} if there else {"created": 1})
    [acme] = simulator.org.companies
    assert acme.attributes["name"] == "New name"


@pytest.mark.parametrize(
    ("stream", "how"), [("customers", "vanish"), ("customers", "merge"), ("companies", "vanish")]
)
def test_an_id_that_goes_away_during_the_run_is_resolved_anew(
    simulator: Simulator, run: Runner, stream: str, how: str
) -> None:
    """The object goes away after it was found and before its update is done."""
    org = simulator.org
    add = org.add_customer if stream == "customers" else org.add_company
    old = add({"externalId": "1", "name": "Old name"})
    winner = add({"name": "Winner"}) if how == "merge" else None

    def go_away(item: dict[str, Any]) -> bool:
        if item.get("id") == old.id and org.get(old.resource, old.id) is not None:
            if winner:
                org.merge(old.id, winner.id)
            else:
                org.vanish(old.id)
        return False

    org.refuse_request_if(go_away)
    columns = CUSTOMERS if stream == "customers" else COMPANIES
    result = run([schema(stream, columns), record(stream, id="1", name="New name")])
    assert result.exit_code == 0
    found = org.customers if stream == "customers" else org.companies
    assert [each.attributes["name"] for each in found] == ["New name"]
    assert result.counts(stream) == ({"updated": 1} if winner else {"created": 1})


def test_a_customer_met_before_in_the_run_that_went_away_is_resolved_anew(
    start: Callable[..., Runner],
) -> None:
    run = start()
    org = run.simulator.org

    def go_away(item: dict[str, Any]) -> bool:
        if "id" in item and org.get("customer", item["id"]) is not None:
            org.vanish(item["id"])
        return False

    org.refuse_request_if(go_away)
    messages = [record("customers", id="1", name=f"Name {number}", age=1) for number in range(2)]
    result = run([schema("customers", CUSTOMERS), *messages], batch_size_rows=1)
    assert result.exit_code == 0
    assert [each.attributes["name"] for each in org.customers] == ["Name 1"]
