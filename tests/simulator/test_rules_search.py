from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_PATH = "/v1/customers/search"


@pytest.fixture
def org(make: Callable[..., Any]) -> Any:
    kustomer = make(search_lag_seconds=0)
    kustomer.org.add_company({"name": "Acme", "tags": ["big"]})
    kustomer.org.add_customer(
        {"name": "Ada", "externalId": "1", "emails": [{"email": "ada@x.io"}], "tags": ["vip"]}
    )
    kustomer.clock.advance(60)
    kustomer.org.add_customer({"name": "Bob", "externalId": "2", "custom": {"ageNum": 40}})
    return kustomer


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["Ada", "Bob"]),
        ({"and": {"customer_externalId": {"equals": "1"}}}, ["Ada"]),
        (
            {"or": [{"customer_externalId": {"equals": value}} for value in ("1", "2", "3")]},
            ["Ada", "Bob"],
        ),
        ({"not": [{"customer_tags": {"in": ["vip", "x"]}}]}, ["Bob"]),
        ({"and": [{"customer_email": {"contains": "ADA"}}]}, ["Ada"]),
        ({"and": [{"customer_email": {"not_set": True}}]}, ["Bob"]),
        ({"and": [{"customer_custom_ageNum": {"gte": 40}}]}, ["Bob"]),
        ({"and": [{"customer_updated_at": {"gt": "2027-01-15T08:00:30Z"}}]}, ["Bob"]),
        ({"and": [{"customer_created_at": {"lt": "2027-01-15T08:00:30Z"}}]}, ["Ada"]),
        ({"queryContext": "company", "and": {"company_name": {"equals": "Acme"}}}, ["Acme"]),
    ],
)
def test_rule_29_search_finds_by_conditions(
    org: Any, query: dict[str, Any], expected: list[str]
) -> None:
    answer = org.post(_PATH, json=query).json()

    assert [found["attributes"]["name"] for found in answer["data"]] == expected
    assert answer["meta"]["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (
            {"queryContext": "company", "and": {"company_externalId": {"equals": "1"}}},
            "company_externalId",
        ),
        ({"and": {"company_name": {"equals": "Acme"}}}, "company_name"),
        ({"and": {"customer_name": {"like": "A"}}}, "like"),
        ({"queryContext": "order"}, "queryContext"),
        ({"where": {}}, "where"),
    ],
)
def test_rule_29_search_refuses_what_it_does_not_know(
    org: Any, query: dict[str, Any], parameter: str
) -> None:
    response = org.post(_PATH, json=query)

    assert response.status_code == 400
    assert response.json()["errors"][0]["source"]["parameter"] == parameter


def test_rule_29_search_lags(kustomer: Any) -> None:
    kustomer.org.add_customer({"name": "Ada"})

    before = kustomer.post(_PATH, json={}).json()["data"]
    kustomer.clock.advance(5)
    after = kustomer.post(_PATH, json={}).json()["data"]

    assert (len(before), len(after)) == (0, 1)


def test_rule_29_search_has_a_limit_of_its_own(make: Callable[..., Any]) -> None:
    kustomer = make(search_limit=2)

    answers = [kustomer.post(_PATH, json={}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert kustomer.get("/v1/customers").status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [("page=100", 200), ("page=101", 400), ("pageSize=500", 200), ("pageSize=501", 400)],
)
def test_rule_29_search_has_at_most_100_pages_of_500(org: Any, query: str, status: int) -> None:
    assert org.post(f"{_PATH}?{query}", json={}).status_code == status


def test_rule_29_deleted_objects_are_found_when_asked_for(org: Any) -> None:
    org.org.delete(org.org.customer(external_id="1").id)

    assert len(org.post(_PATH, json={}).json()["data"]) == 1
    assert len(org.post(_PATH, json={"includeDeleted": True}).json()["data"]) == 2
