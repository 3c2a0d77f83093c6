from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from target_kustomer.mapping.merging import holds, merge_attributes, merge_list, over_limit

HOME = {"email": "ada@example.com", "type": "home"}
WORK = {"email": "ada@work.example", "type": "work"}


def test_the_sources_items_come_first_and_others_are_kept() -> None:
    assert merge_list("emails", [HOME], [WORK]) == [WORK, HOME]


def test_an_item_that_is_there_is_updated_and_keeps_its_spelling() -> None:
    existing = [{"id": None, "email": "Ada@Example.com", "type": "home", "verified": True}]
    assert merge_list("emails", existing, [{"email": "ada@example.com", "type": "work"}]) == [
        {"email": "Ada@Example.com", "type": "work", "verified": True}
    ]
    assert merge_list("phones", [{"phone": "+1 415 555 2671"}], [{"phone": "+14155552671"}]) == [
        {"phone": "+1 415 555 2671"}
    ]


def test_what_no_request_may_hold_is_left_out() -> None:
    existing = [
        {"id": "7", "email": "a@example.com", "type": None, "verified": False},
        {"id": None, "email": None},
        None,
    ]
    assert merge_list("emails", existing, []) == [{"email": "a@example.com", "verified": False}]
    assert merge_list("tags", ["vip", None], ["new"]) == ["new", "vip"]
    assert merge_list("locations", [{"id": None, "name": None}], []) == []


@pytest.mark.parametrize("existing", [None, []])
def test_a_list_that_is_not_there_becomes_the_sources(existing: Any) -> None:
    assert merge_list("tags", existing, ["vip"]) == ["vip"]
    assert merge_list("emails", existing, None) == []


def test_tags_are_united() -> None:
    assert merge_list("tags", ["vip", "old"], ["new", "vip"]) == ["new", "vip", "old"]


def test_a_location_is_updated_part_by_part() -> None:
    existing = [
        {"type": "home", "address": "1 Old St", "regionCode": "NY", "name": None},
        {"type": "home", "name": "Cottage", "cityName": "Bath"},
    ]
    incoming = [{"type": "home", "address": "2 New St", "regionCode": None, "regionName": "Kent"}]
    assert merge_list("locations", existing, incoming) == [
        {"type": "home", "address": "2 New St", "regionCode": None, "regionName": "Kent"},
        {"type": "home", "name": "Cottage", "cityName": "Bath"},
    ]


def test_homes_without_a_name_are_matched_one_by_one() -> None:
    rome, bern = {"type": "home", "cityName": "Rome"}, {"type": "home", "cityName": "Bern"}
    assert merge_list("locations", [rome, bern], [rome, bern]) == [rome, bern]
    assert merge_list("locations", [rome, bern], [{"type": "home", "zipCode": "1"}]) == [
        {"type": "home", "cityName": "Rome", "zipCode": "1"},
        bern,
    ]


def test_items_never_repeat() -> None:
    assert merge_list("tags", ["a", "a"], []) == ["a"]
    assert merge_list("emails", [HOME, {"verified": None, **HOME}], []) == [HOME]


def test_merging_changes_neither_list() -> None:
    existing, incoming = [{"id": None, **HOME}], [dict(HOME)]
    before = deepcopy((existing, incoming))
    merge_list("emails", existing, incoming)
    assert (existing, incoming) == before


@pytest.mark.parametrize(("name", "most"), [("emails", 10), ("tags", 20), ("domains", 10)])
def test_a_list_over_its_limit_is_seen(name: str, most: int) -> None:
    assert not over_limit(name, [str(each) for each in range(most)])
    assert over_limit(name, [str(each) for each in range(most + 1)])


def test_the_later_record_wins_attribute_by_attribute() -> None:
    earlier = {"name": "Ada", "locale": "en", "custom": {"aStr": "1", "bStr": "1"}}
    later = {"name": None, "timeZone": "UTC", "custom": {"bStr": None, "cStr": "2"}}
    assert merge_attributes("customer", earlier, later, "merge") == {
        "name": None,
        "locale": "en",
        "timeZone": "UTC",
        "custom": {"aStr": "1", "bStr": None, "cStr": "2"},
    }


def test_lists_of_two_records_are_merged_or_replaced_as_the_setting_says() -> None:
    earlier, later = {"emails": [HOME]}, {"emails": [WORK]}
    assert merge_attributes("customer", earlier, later, "merge") == {"emails": [WORK, HOME]}
    assert merge_attributes("customer", earlier, later, "replace") == {"emails": [WORK]}
    assert merge_attributes("customer", earlier, {"emails": []}, "replace") == {"emails": []}
    assert merge_attributes("customer", earlier, {}, "merge") == earlier


HELD: list[tuple[Any, Any]] = [
    ({"name": "Ada", "rev": 3}, {"name": "Ada"}),
    ({}, {"name": None}),
    ({"name": None}, {"name": None}),
    ({"emails": []}, {"emails": []}),
    ({}, {"emails": []}),
    ({"emails": None}, {"emails": None}),
    (
        {"emails": [{"email": "A@Example.com", "id": None}, WORK]},
        {"emails": [{"email": "a@example.com"}]},
    ),
    ({"phones": [{"phone": "+1 (415) 555-2671"}]}, {"phones": [{"phone": "+14155552671"}]}),
    ({"tags": ["a", "b"]}, {"tags": ["b"]}),
    ({"birthdayAt": "1990-01-31T00:00:00.000Z"}, {"birthdayAt": "1990-01-31T00:00:00Z"}),
    ({"birthdayAt": "1990-01-31T00:00:00.123Z"}, {"birthdayAt": "1990-01-31T00:00:00.123999Z"}),
    ({"custom": {"ageNum": 42.0, "xStr": "x"}}, {"custom": {"ageNum": 42}}),
    (
        {"custom": {"seenAt": "2024-01-31T01:00:00+01:00"}},
        {"custom": {"seenAt": "2024-01-31T00:00:00Z"}},
    ),
    ({"custom": {}}, {"custom": {"ageNum": None}}),
    ({}, {"custom": {"ageNum": None}}),
    (
        {"locations": [{"type": "home", "cityName": "Rome", "latitude": 41}]},
        {"locations": [{"type": "home", "cityName": "Rome", "regionCode": None, "latitude": 41.0}]},
    ),
    ({"sentiment": {"polarity": 1, "confidence": 0.5}}, {"sentiment": {"polarity": 1}}),
    ({"rev": 9}, {"rev": 3}),
    ({}, {}),
]

NOT_HELD: list[tuple[Any, Any]] = [
    ({"name": "Ada"}, {"name": "ada"}),
    ({"name": "Ada"}, {"name": None}),
    ({}, {"name": "Ada"}),
    ({"emails": [WORK]}, {"emails": []}),
    ({"emails": [WORK]}, {"emails": [HOME]}),
    ({"emails": [{"email": "ada@example.com", "type": "work"}]}, {"emails": [HOME]}),
    ({}, {"emails": [HOME]}),
    ({"tags": ["a"]}, {"tags": ["a", "b"]}),
    ({"birthdayAt": "1990-01-31"}, {"birthdayAt": "1990-01-30T23:00:00Z"}),
    ({"custom": {"ageNum": 42}}, {"custom": {"ageNum": 43}}),
    ({"custom": {"ageNum": 42}}, {"custom": {"ageNum": None}}),
    ({}, {"custom": {"ageNum": 42}}),
    (
        {"locations": [{"type": "home", "regionCode": "NY"}]},
        {"locations": [{"type": "home", "regionCode": None}]},
    ),
    ({}, {"sentiment": {"polarity": 1}}),
    ({"birthdayAt": "soon"}, {"birthdayAt": "1990-01-30T23:00:00Z"}),
]


@pytest.mark.parametrize(("current", "sent"), HELD)
def test_what_is_held_is_recognised(current: Any, sent: Any) -> None:
    assert holds("customer", current, sent)


@pytest.mark.parametrize(("current", "sent"), NOT_HELD)
def test_what_is_not_held_is_recognised(current: Any, sent: Any) -> None:
    assert not holds("customer", current, sent)


def test_domains_are_compared_without_case() -> None:
    assert holds("company", {"domains": [{"domain": "A.com"}]}, {"domains": [{"domain": "a.com"}]})
