from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.mapping.attributes import (
    ATTRIBUTES,
    CUSTOM,
    SINGLE_UPDATE_ONLY,
    for_write,
)
from target_kustomer.models import Reason
from tests.mapping.planning import TEXT, companies, customers, mapped, rejected

if TYPE_CHECKING:
    from target_kustomer.models import ObjectType

INSTANT = "2024-01-31T00:00:00Z"

SCALARS: list[tuple[ObjectType, str, Any, Any]] = [
    ("customer", "name", "n" * 256, Reason.TOO_LONG),
    ("customer", "externalId", "e" * 256, Reason.TOO_LONG),
    ("customer", "username", "u" * 256, Reason.TOO_LONG),
    ("customer", "locale", "l" * 16, Reason.TOO_LONG),
    ("customer", "timeZone", "t" * 64, Reason.TOO_LONG),
    ("customer", "defaultLang", "d" * 100, Reason.TOO_LONG),
    ("company", "name", "n" * 256, Reason.TOO_LONG),
    ("company", "externalId", "e" * 256, Reason.TOO_LONG),
    ("company", "defaultLang", "d" * 100, Reason.TOO_LONG),
]
"""Each text attribute with the longest value that it takes [API §4]."""

LISTS: list[tuple[ObjectType, str, int]] = [
    ("customer", "externalIds", 10),
    ("customer", "sharedExternalIds", 10),
    ("customer", "emails", 10),
    ("customer", "sharedEmails", 10),
    ("customer", "phones", 10),
    ("customer", "sharedPhones", 10),
    ("customer", "whatsapps", 10),
    ("customer", "facebookIds", 10),
    ("customer", "instagramIds", 10),
    ("customer", "socials", 10),
    ("customer", "sharedSocials", 10),
    ("customer", "urls", 10),
    ("customer", "locations", 10),
    ("customer", "tags", 20),
    ("company", "emails", 10),
    ("company", "phones", 10),
    ("company", "whatsapps", 10),
    ("company", "socials", 10),
    ("company", "urls", 10),
    ("company", "domains", 10),
    ("company", "locations", 10),
    ("company", "tags", 20),
]
"""Each list with as many items as it may have [API §4]."""

PHONE = "+4930123456"
MEMBERS: list[tuple[str, dict[str, Any], str, Any, Reason]] = [
    ("externalIds", {}, "externalId", "e" * 255, Reason.TOO_LONG),
    ("facebookIds", {"userId": "u"}, "pageId", "p" * 255, Reason.TOO_LONG),
    ("facebookIds", {"pageId": "p"}, "userId", "u" * 255, Reason.TOO_LONG),
    ("facebookIds", {"pageId": "p", "userId": "u"}, "name", "n" * 255, Reason.TOO_LONG),
    ("instagramIds", {"threadId": "t", "username": "u"}, "pageId", "p" * 255, Reason.TOO_LONG),
    ("instagramIds", {"pageId": "p", "username": "u"}, "threadId", "t" * 255, Reason.TOO_LONG),
    ("instagramIds", {"pageId": "p", "threadId": "t"}, "username", "u" * 255, Reason.TOO_LONG),
    (
        "instagramIds",
        {"pageId": "p", "threadId": "t", "username": "u"},
        "instagramId",
        "i" * 255,
        Reason.TOO_LONG,
    ),
    ("socials", {"type": "twitter"}, "username", "u" * 256, Reason.TOO_LONG),
    ("socials", {"type": "twitter", "username": "u"}, "userid", "i" * 256, Reason.TOO_LONG),
    ("locations", {}, "name", "n" * 256, Reason.TOO_LONG),
    ("locations", {}, "address", "a" * 256, Reason.TOO_LONG),
    ("locations", {}, "address2", "a" * 256, Reason.TOO_LONG),
    ("locations", {}, "address3", "a" * 256, Reason.TOO_LONG),
    ("locations", {}, "countryName", "c" * 64, Reason.TOO_LONG),
    ("locations", {}, "countryCode", "DE", Reason.TOO_LONG),
    ("locations", {}, "regionCode", "BE", Reason.TOO_LONG),
    ("locations", {}, "regionName", "r" * 128, Reason.TOO_LONG),
    ("locations", {}, "cityName", "c" * 128, Reason.TOO_LONG),
    ("locations", {}, "zipCode", "z" * 30, Reason.TOO_LONG),
    ("locations", {}, "areaCode", "a" * 30, Reason.TOO_LONG),
]
"""Each member of an item with the longest value that it takes [API §4]."""

TYPES: list[tuple[ObjectType, str, dict[str, Any], tuple[str, ...]]] = [
    ("customer", "emails", {"email": "a@example.com"}, ("home", "work", "other")),
    ("customer", "sharedEmails", {"email": "a@example.com"}, ("home", "work", "other")),
    ("customer", "phones", {"phone": PHONE}, ("mobile", "home", "work", "fax", "other")),
    ("customer", "sharedPhones", {"phone": PHONE}, ("mobile", "home", "work", "fax", "other")),
    ("customer", "whatsapps", {"phone": PHONE}, ("mobile",)),
    (
        "customer",
        "socials",
        {"username": "ada"},
        ("twitter", "facebook", "instagram", "linkedin", "pinterest"),
    ),
    ("customer", "urls", {"url": "https://example.com"}, ("website", "blog", "other")),
    ("customer", "locations", {"cityName": "Rome"}, ("home", "work", "other")),
    ("company", "emails", {"email": "a@example.com"}, ("home", "work", "other")),
    ("company", "locations", {"cityName": "Rome"}, ("home", "work", "other")),
]

REQUIRED: list[tuple[str, dict[str, Any]]] = [
    ("externalIds", {"verified": True}),
    ("emails", {"type": "home"}),
    ("phones", {"type": "home"}),
    ("whatsapps", {"type": "mobile"}),
    ("facebookIds", {"pageId": "p"}),
    ("facebookIds", {"userId": "u"}),
    ("instagramIds", {"pageId": "p", "threadId": "t"}),
    ("socials", {"username": "ada"}),
    ("socials", {"type": "twitter"}),
    ("socials", {"type": "twitter", "username": None}),
    ("urls", {"type": "blog"}),
]


def attribute_of(object_type: ObjectType, name: str, value: Any) -> Any:
    make = customers if object_type == "customer" else companies
    options = {"kustomer": "id"} if object_type == "company" else {}
    made = make({"column": {}}, fields={**options, "column": name})
    return mapped(made, {"column": value}).attributes.get(name)


def reason_for(object_type: ObjectType, name: str, value: Any) -> Reason:
    make = customers if object_type == "customer" else companies
    options = {"kustomer": "id"} if object_type == "company" else {}
    made = make({"column": {}}, fields={**options, "column": name})
    rejection = rejected(made, {"column": value})
    assert (rejection.attribute, rejection.column) == (name, "column")
    return rejection.reason


def item(name: str, number: int) -> Any:
    items: dict[str, Any] = {
        "externalIds": {"externalId": f"e{number}"},
        "emails": {"email": f"e{number}@example.com"},
        "phones": {"phone": f"+49301234{number:02}"},
        "whatsapps": {"phone": f"+49301234{number:02}"},
        "facebookIds": {"pageId": "p", "userId": f"u{number}"},
        "instagramIds": {"pageId": "p", "threadId": f"t{number}", "username": "u"},
        "socials": {"type": "twitter", "username": f"u{number}"},
        "urls": {"url": f"https://example.com/{number}"},
        "domains": {"domain": f"d{number}.example.com"},
        "locations": {"type": "home", "cityName": f"c{number}"},
        "tags": f"t{number}",
    }
    return items[name.removeprefix("shared")[:1].lower() + name.removeprefix("shared")[1:]]


@pytest.mark.parametrize(("object_type", "name", "longest", "reason"), SCALARS)
def test_text_is_taken_up_to_its_limit(
    object_type: ObjectType, name: str, longest: str, reason: Reason
) -> None:
    assert attribute_of(object_type, name, longest) == longest
    assert reason_for(object_type, name, longest + "x") == reason


@pytest.mark.parametrize(("name", "rest", "member", "longest", "reason"), MEMBERS)
def test_members_are_taken_up_to_their_limit(
    name: str, rest: dict[str, Any], member: str, longest: str, reason: Reason
) -> None:
    whole = {**rest, member: longest}
    assert attribute_of("customer", name, [whole]) == [whole]
    assert reason_for("customer", name, [{**rest, member: longest + "x"}]) == reason


@pytest.mark.parametrize(("object_type", "name", "most"), LISTS)
def test_lists_are_taken_up_to_their_limit(object_type: ObjectType, name: str, most: int) -> None:
    full = [item(name, number) for number in range(most)]
    assert attribute_of(object_type, name, full) == full
    assert reason_for(object_type, name, [*full, item(name, most)]) == Reason.LIST_FULL


@pytest.mark.parametrize(("object_type", "name", "rest", "types"), TYPES)
def test_only_the_known_types_are_taken(
    object_type: ObjectType, name: str, rest: dict[str, Any], types: tuple[str, ...]
) -> None:
    for each in types:
        assert attribute_of(object_type, name, [{**rest, "type": each}])[0]["type"] == each
    assert reason_for(object_type, name, [{**rest, "type": "secret"}]) == Reason.NOT_ALLOWED


@pytest.mark.parametrize(("name", "incomplete"), REQUIRED)
def test_an_item_needs_its_required_members(name: str, incomplete: dict[str, Any]) -> None:
    assert reason_for("customer", name, [incomplete]) == Reason.REQUIRED_MISSING


@pytest.mark.parametrize("name", [name for _, name, _ in LISTS if name != "tags"])
def test_an_item_may_have_no_other_member(name: str) -> None:
    object_type: ObjectType = "company" if name == "domains" else "customer"
    known = item(name, 1)
    assert reason_for(object_type, name, [{**known, "id": "1"}]) == Reason.NOT_ALLOWED
    assert attribute_of(object_type, name, [{**known, "id": None}]) == [known]


@pytest.mark.parametrize(
    ("object_type", "name", "value", "reason"),
    [
        ("company", "name", "ab", Reason.OUT_OF_RANGE),
        ("customer", "locations", [{"countryCode": "D"}], Reason.OUT_OF_RANGE),
        ("customer", "gender", "x", Reason.NOT_ALLOWED),
        ("customer", "sentiment", {"polarity": 2}, Reason.NOT_ALLOWED),
        ("customer", "sentiment", {"polarity": 1, "confidence": 1.01}, Reason.OUT_OF_RANGE),
        ("customer", "sentiment", {"polarity": 1, "confidence": -1.01}, Reason.OUT_OF_RANGE),
        ("customer", "sentiment", {"confidence": 1}, Reason.REQUIRED_MISSING),
        ("customer", "sentiment", "good", Reason.INVALID_TYPE),
        ("customer", "tags", "t" * 65, Reason.TOO_LONG),
        ("customer", "tags", "a?", Reason.INVALID_FORMAT),
        ("customer", "tags", ["a,b"], Reason.INVALID_FORMAT),
        ("customer", "signedUpAt", 1_700_000_000, Reason.INVALID_TYPE),
        ("company", "employeeCount", "many", Reason.INVALID_FORMAT),
        ("company", "deleted", "perhaps", Reason.INVALID_FORMAT),
        ("customer", "rev", True, Reason.INVALID_TYPE),
    ],
)
def test_values_beyond_the_tables_are_refused(
    object_type: ObjectType, name: str, value: Any, reason: Reason
) -> None:
    assert reason_for(object_type, name, value) == reason


@pytest.mark.parametrize(
    ("object_type", "name", "value", "sent"),
    [
        ("company", "name", "abc", "abc"),
        ("customer", "gender", "F", "f"),
        (
            "customer",
            "sentiment",
            '{"polarity": -1, "confidence": 1}',
            {"polarity": -1, "confidence": 1},
        ),
        ("customer", "tags", "t" * 64, ["t" * 64]),
        ("customer", "tags", "vip, new customer ,vip,", ["vip", "new customer"]),
        ("customer", "avatarUrl", "example.com/a.png", "https://example.com/a.png"),
        ("customer", "signedUpAt", "2024-01-31", INSTANT),
        ("customer", "lastActivityAt", "2024-01-31", INSTANT),
        ("customer", "lastCustomerActivityAt", "2024-01-31", INSTANT),
        ("customer", "lastSeenAt", "2024-01-31", INSTANT),
        ("customer", "birthdayAt", "2024-01-31", INSTANT),
        ("customer", "createdAt", "2024-01-31", INSTANT),
        ("customer", "importedAt", "2024-01-31", INSTANT),
        ("company", "createdAt", "2024-01-31", INSTANT),
        ("company", "importedAt", "2024-01-31", INSTANT),
        ("customer", "rev", "7", 7),
        ("company", "rev", 7, 7),
        ("company", "employeeCount", "1200", 1200),
        ("company", "deleted", "yes", True),
        ("company", "avatarUrl", "http://example.com", "http://example.com"),
    ],
)
def test_values_within_the_tables_are_taken(
    object_type: ObjectType, name: str, value: Any, sent: Any
) -> None:
    assert attribute_of(object_type, name, value) == sent


CLEARED_BY_NULL: dict[ObjectType, set[str]] = {
    "customer": {
        "name",
        "externalId",
        "username",
        "signedUpAt",
        "lastActivityAt",
        "lastCustomerActivityAt",
        "lastSeenAt",
        "birthdayAt",
        "avatarUrl",
        "locale",
        "timeZone",
        "gender",
        "defaultLang",
    },
    "company": {"externalId", "avatarUrl", "defaultLang", "deleted"},
}


@pytest.mark.parametrize(
    ("object_type", "name"), [(kind, name) for kind, table in ATTRIBUTES.items() for name in table]
)
def test_a_null_clears_only_what_can_be_cleared(object_type: ObjectType, name: str) -> None:
    make = customers if object_type == "customer" else companies
    options = {"kustomer": "id"} if object_type == "company" else {}
    made = make({"column": {}}, fields={**options, "column": name}, match_on=("id",))
    sent = mapped(made, {"column": None}).attributes
    assert sent == ({name: None} if name in CLEARED_BY_NULL[object_type] else {})


@pytest.mark.parametrize("suffix", CUSTOM)
def test_a_null_clears_every_custom_attribute(suffix: str) -> None:
    made = customers({"column": TEXT}, fields={"column": f"some{suffix}"})
    assert mapped(made, {"column": None}).attributes == {"custom": {f"some{suffix}": None}}


@pytest.mark.parametrize("suffix", ["Str", "Txt"])
def test_custom_text_has_a_limit_and_may_be_empty(suffix: str) -> None:
    made = customers({"column": TEXT}, fields={"column": f"some{suffix}"})
    name = f"some{suffix}"
    assert mapped(made, {"column": "x" * 1024}).attributes["custom"] == {name: "x" * 1024}
    assert mapped(made, {"column": "  "}).attributes["custom"] == {name: ""}
    assert rejected(made, {"column": "x" * 1025}).reason == Reason.TOO_LONG
    assert rejected(made, {"column": "x" * 1025}).attribute == name


def test_what_bulk_update_does_not_take_is_known() -> None:
    assert {
        "customer": {"whatsapps", "instagramIds"},
        "company": {"whatsapps", "rev"},
    } == SINGLE_UPDATE_ONLY


def test_what_no_update_takes_is_known() -> None:
    created_only = {
        object_type: {name for name, each in table.items() if each.writes == {"create"}}
        for object_type, table in ATTRIBUTES.items()
    }
    assert created_only == {"customer": set(), "company": {"createdAt", "importedAt"}}


def test_each_request_gets_only_what_it_takes() -> None:
    attributes: dict[str, Any] = {
        "name": "Acme",
        "externalId": None,
        "whatsapps": [],
        "rev": 1,
        "createdAt": INSTANT,
        "deleted": True,
        "company": "0" * 24,
        "custom": {"tierStr": "gold"},
    }
    assert for_write("company", attributes, "create").keys() == attributes.keys() - {
        "externalId",
        "deleted",
    }
    assert for_write("company", attributes, "update").keys() == attributes.keys() - {"createdAt"}
    assert for_write("company", attributes, "bulk_update").keys() == attributes.keys() - {
        "createdAt",
        "whatsapps",
        "rev",
    }
