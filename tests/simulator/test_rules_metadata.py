"""The definitions of custom attributes [API §5]: who may write them, and what a write leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CUSTOMER = "/v1/metadata/customer"
TREE = {
    "children": [
        {"id": "orders", "displayName": "Orders", "children": [{"id": "late"}, {"id": "lost"}]},
        {"id": "other", "displayName": "Other"},
    ]
}


def _properties(kustomer: Any) -> dict[str, Any]:
    found: dict[str, Any] = kustomer.get(CUSTOMER).json()["data"]["attributes"]["properties"]
    return found


@pytest.mark.parametrize("replaces", [False, True])
def test_a_put_keeps_or_removes_the_others_by_switch(
    make: Callable[..., Any], *, replaces: bool
) -> None:
    kustomer = make(metadata_put_replaces=replaces)
    kustomer.org.define_custom("customer", "tierStr", enumeration=["gold"])
    kustomer.org.define_custom("company", "sizeNum")

    assert kustomer.put(CUSTOMER, json={"validations": []}).status_code == 200
    assert list(_properties(kustomer)) == ["tierStr"]
    assert kustomer.put(CUSTOMER, json={"properties": {"ageNum": {}}}).status_code == 200

    assert list(_properties(kustomer)) == (["ageNum"] if replaces else ["tierStr", "ageNum"])
    company = kustomer.get("/v1/metadata/company").json()["data"]["attributes"]["properties"]
    assert list(company) == ["sizeNum"]


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.parametrize("stamp", ["modifiedBy", "modifiedAt", "updatedAt"])
def test_a_stamp_in_a_put_is_refused_by_switch(
    make: Callable[..., Any], stamp: str, *, refused: bool
) -> None:
    kustomer = make(metadata_stamps_refused=refused)

    answer = kustomer.put(CUSTOMER, json={"properties": {"aStr": {}, "bStr": {stamp: "x"}}})

    assert answer.status_code == (400 if refused else 200)
    assert len(_properties(kustomer)) == (0 if refused else 2)


def test_a_put_takes_a_hundred_definitions(kustomer: Any) -> None:
    definitions: dict[str, Any] = {f"a{number}Str": {} for number in range(101)}

    assert kustomer.put(CUSTOMER, json={"properties": definitions}).status_code == 400
    del definitions["a100Str"]
    assert kustomer.put(CUSTOMER, json={"properties": definitions}).status_code == 200


def test_an_enumeration_may_hold_numbers(kustomer: Any) -> None:
    body = {"properties": {"levelNum": {"enumeration": [1, 2]}}}
    assert kustomer.put(CUSTOMER, json=body).status_code == 200

    assert kustomer.post("/v1/customers", json={"custom": {"levelNum": 2}}).status_code == 201
    assert kustomer.post("/v1/customers", json={"custom": {"levelNum": 3}}).status_code == 400


@pytest.mark.parametrize(
    ("enforced", "leaves_only", "taken"),
    [
        (True, False, {"orders", "late", "lost", "other"}),
        (True, True, {"late", "lost", "other"}),
        (False, True, {"orders", "late", "lost", "other", "Orders", "none"}),
    ],
)
def test_a_tree_takes_the_ids_of_its_nodes(
    make: Callable[..., Any], taken: set[str], *, enforced: bool, leaves_only: bool
) -> None:
    kustomer = make(tree_enforced=enforced)
    kustomer.org.define_custom("customer", "reasonTree", tree=TREE, lastNodeRequired=leaves_only)

    def is_taken(value: str) -> bool:
        body = {"custom": {"reasonTree": value}}
        return bool(kustomer.post("/v1/customers", json=body).status_code == 201)

    values = ("orders", "late", "lost", "other", "Orders", "none")
    assert {each for each in values if is_taken(each)} == taken


def test_a_tree_exists_only_as_it_is_defined(kustomer: Any) -> None:
    body = {"custom": {"reasonTree": "late"}}
    assert kustomer.post("/v1/customers", json=body).status_code == 400
    kustomer.put(CUSTOMER, json={"properties": {"reasonTree": {"tree": TREE}}})
    assert kustomer.post("/v1/customers", json=body).status_code == 201
    assert kustomer.post("/v1/customers", json={"custom": {"reasonTree": None}}).status_code == 201
