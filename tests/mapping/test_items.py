from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.mapping.items import coerce_items, distinct, identity
from target_kustomer.mapping.targets import list_of
from target_kustomer.models import Reason

if TYPE_CHECKING:
    from target_kustomer.mapping.attributes import Items


def items_of(name: str) -> Items:
    items = list_of("company" if name == "domains" else "customer", name)
    assert items is not None
    return items


def coerced(name: str, value: Any, item_type: str = "") -> Any:
    return coerce_items(items_of(name), value, Notes(), item_type=item_type)


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("emails", "a@example.com", [{"email": "a@example.com"}]),
        ("emails", ["a@example.com", " ", None], [{"email": "a@example.com"}]),
        ("emails", {"email": "a@example.com"}, [{"email": "a@example.com"}]),
        ("emails", ({"email": "a@example.com"},), [{"email": "a@example.com"}]),
        ("emails", '["a@example.com"]', [{"email": "a@example.com"}]),
        ("emails", ' [{"email": "A@Example.com"}] ', [{"email": "A@example.com"}]),
        ("emails", '{"email": "a@example.com"}', [{"email": "a@example.com"}]),
        (
            "emails",
            [{"email": "a@example.com", "type": "Home", "verified": "t", "id": None}],
            [{"email": "a@example.com", "type": "home", "verified": True}],
        ),
        ("phones", "+14155552671", [{"phone": "+14155552671"}]),
        ("externalIds", [1042.0, "x"], [{"externalId": "1042"}, {"externalId": "x"}]),
        ("urls", "example.com", [{"url": "https://example.com"}]),
        ("domains", "https://Example.com/", [{"domain": "example.com"}]),
        ("tags", "vip", ["vip"]),
        ("tags", "vip, new", ["vip", "new"]),
        ("tags", '["vip","new"]', ["vip", "new"]),
        ("tags", ["vip", "VIP", "vip", ""], ["vip", "VIP"]),
        (
            "locations",
            [{"cityName": "Rome", "zipCode": 185}],
            [{"cityName": "Rome", "zipCode": "185"}],
        ),
        ("locations", [{"cityName": "Rome", "name": None}], [{"cityName": "Rome", "name": None}]),
        ("locations", [{}], None),
        (
            "socials",
            [{"type": "twitter", "username": " https://x.com/ada "}],
            [{"type": "twitter", "username": "ada", "url": "https://x.com/ada"}],
        ),
        (
            "socials",
            [{"type": "twitter", "url": "x.com/a", "username": "x.com/ada"}],
            [{"type": "twitter", "username": "ada", "url": "https://x.com/a"}],
        ),
        ("emails", [{"email": "a@example.com", "type": None}], [{"email": "a@example.com"}]),
        ("emails", [], None),
        ("emails", "[]", None),
        ("emails", "  ", None),
        ("emails", None, None),
        ("emails", [None], None),
    ],
)
def test_values_become_items(name: str, value: Any, sent: Any) -> None:
    assert coerced(name, value) == sent


def test_a_type_is_given_to_items_that_have_none() -> None:
    assert coerced("emails", "a@example.com", "work") == [
        {"type": "work", "email": "a@example.com"}
    ]
    assert coerced("emails", [{"email": "a@example.com", "type": "home"}], "work") == [
        {"type": "home", "email": "a@example.com"}
    ]
    assert coerced("socials", "@ada", "twitter") == [{"type": "twitter", "username": "ada"}]
    assert coerced("emails", " ", "work") is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("emails", 7, Reason.INVALID_FORMAT),
        ("phones", 14155552671, Reason.INVALID_FORMAT),
        ("tags", "[vip", Reason.INVALID_FORMAT),
        ("emails", [["a@example.com"]], Reason.INVALID_TYPE),
        ("locations", "Rome", Reason.INVALID_TYPE),
        ("facebookIds", ["p"], Reason.INVALID_TYPE),
        ("socials", "ada", Reason.REQUIRED_MISSING),
        ("tags", [{"name": "vip"}], Reason.INVALID_TYPE),
        ("emails", [{"mail": "a@example.com"}], Reason.NOT_ALLOWED),
        ("emails", "[" * 100_000, Reason.INVALID_FORMAT),
    ],
)
def test_what_makes_no_item_is_refused(name: str, value: Any, reason: Reason) -> None:
    with pytest.raises(CoercionError) as caught:
        coerced(name, value)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("emails", {"email": "A@Example.com"}, {"email": "a@example.com", "type": "work"}),
        ("phones", {"phone": "+1 (415) 555-2671"}, {"phone": "+14155552671"}),
        ("whatsapps", {"phone": "+14155552671"}, {"phone": "14155552671"}),
        (
            "socials",
            {"type": "twitter", "username": "Ada"},
            {"type": "twitter", "username": "ada"},
        ),
        ("urls", {"url": "https://a.com", "type": "blog"}, {"url": "https://a.com"}),
        ("domains", {"domain": "A.com"}, {"domain": "a.com"}),
        ("externalIds", {"externalId": "1", "verified": True}, {"externalId": "1"}),
        (
            "facebookIds",
            {"pageId": "p", "userId": "u", "name": "n"},
            {"pageId": "p", "userId": "u"},
        ),
        ("locations", {"type": "home", "cityName": "Rome"}, {"type": "home", "cityName": "Bern"}),
        ("locations", {"type": "home", "name": None}, {"type": "home"}),
    ],
)
def test_the_same_item_is_recognised(name: str, one: Any, other: Any) -> None:
    assert identity(items_of(name), one) == identity(items_of(name), other)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("emails", {"email": "a@example.com"}, {"email": "b@example.com"}),
        ("socials", {"type": "twitter", "username": "a"}, {"type": "facebook", "username": "a"}),
        ("urls", {"url": "https://a.com/A"}, {"url": "https://a.com/a"}),
        ("locations", {"type": "home"}, {"type": "work"}),
        ("locations", {"type": "home", "name": "a"}, {"type": "home"}),
        ("tags", "vip", "VIP"),
    ],
)
def test_other_items_are_told_apart(name: str, one: Any, other: Any) -> None:
    assert identity(items_of(name), one) != identity(items_of(name), other)


def test_an_identity_occurs_once_with_the_first_ones_type() -> None:
    first, second = {"phone": "+14155552671", "type": "work"}, {"phone": "+14155552671"}
    assert distinct(items_of("phones"), [first, second]) == [first]


def test_a_customer_may_have_two_homes() -> None:
    rome, bern = {"type": "home", "cityName": "Rome"}, {"type": "home", "cityName": "Bern"}
    assert distinct(items_of("locations"), [rome, bern, dict(rome)]) == [rome, bern]
