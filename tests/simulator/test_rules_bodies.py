from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_LONG = "x" * 1025
_ID = "0" * 24


def _items(name: str, member: str, number: int) -> dict[str, Any]:
    values = {"phone": "+1555000{:04}", "email": "a{}@x.io", "url": "https://x.io/{}"}
    pattern = values.get(member, "v{}")
    return {name: [{member: pattern.format(index)} for index in range(number)]}


GOOD: list[dict[str, Any]] = [
    {},
    {"name": "x" * 256},
    {"name": None, "externalId": None, "username": None, "company": None, "gender": None},
    {"externalId": "x" * 256},
    {"signedUpAt": "2020-02-29T23:59:59.123Z", "birthdayAt": "2020-01-01T00:00:00+02:00"},
    {"importedAt": "2020-01-01T00:00:00Z", "rev": 3},
    {"avatarUrl": "https://x.io/a.png", "defaultLang": "de", "locale": "de_DE", "timeZone": "UTC"},
    _items("emails", "email", 10),
    {"emails": [{"email": "Ä.b+c@exämple.io", "type": "home", "verified": True}], "phones": []},
    {"phones": [{"phone": "+49 (171) 123-456", "type": "fax"}]},
    {"whatsapps": [{"phone": "+491711234567", "type": "mobile"}]},
    {"facebookIds": [{"pageId": "p", "userId": "u", "name": "n"}]},
    {"instagramIds": [{"pageId": "p", "threadId": "t", "username": "u", "instagramId": "i"}]},
    {"socials": [{"type": "twitter", "username": "ada", "userid": "1", "url": "https://x.io"}]},
    {"urls": [{"url": "https://x.io", "type": "blog"}]},
    {"locations": [{}, {"type": "home", "countryCode": "DE", "latitude": 1.5, "name": None}]},
    {"tags": ["vip", "a b", "Ä/1<2>-._"]},
    {"sentiment": {"polarity": -1, "confidence": 0.5}},
    {"gender": "f"},
    {"custom": {"aStr": "x" * 1024, "bTxt": "", "cNum": 1.5, "dBool": True, "eStr": None}},
    {"custom": {"fAt": "2020-01-01T00:00:00Z", "gUrl": "https://x.io"}},
    {"custom": {f"k{number}Str": "v" for number in range(100)}},
]

BAD: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "x" * 257}),
    ("name", {"name": 3}),
    ("externalId", {"externalId": ""}),
    ("externalId", {"externalId": "x" * 257}),
    ("externalId", {"externalIds": [{"externalId": "x" * 256}]}),
    ("username", {"username": "x" * 257}),
    ("signedUpAt", {"signedUpAt": "2020-01-01"}),
    ("birthdayAt", {"birthdayAt": "2020-02-30T00:00:00Z"}),
    ("lastSeenAt", {"lastSeenAt": "2020-01-01T00:00:00"}),
    ("importedAt", {"importedAt": None}),
    ("rev", {"rev": None}),
    ("rev", {"rev": True}),
    ("avatarUrl", {"avatarUrl": "x.io/a"}),
    ("emails", {"emails": None}),
    ("emails", _items("emails", "email", 11)),
    ("emails", {"emails": [{"email": "a@x.io"}, {"email": "a@x.io"}]}),
    ("email", {"emails": [{"email": "a@x"}]}),
    ("email", {"emails": [{"type": "home"}]}),
    ("type", {"emails": [{"email": "a@x.io", "type": "private"}]}),
    ("id", {"emails": [{"email": "a@x.io", "id": None}]}),
    ("phones", _items("phones", "phone", 11)),
    ("phone", {"phones": [{"phone": "call me"}]}),
    ("phone", {"phones": [{"phone": "12"}]}),
    ("type", {"whatsapps": [{"phone": "+491711234567", "type": "home"}]}),
    ("userId", {"facebookIds": [{"pageId": "p"}]}),
    ("username", {"instagramIds": [{"pageId": "p", "threadId": "t", "username": "x" * 256}]}),
    ("type", {"socials": [{"type": "myspace", "username": "ada"}]}),
    ("username", {"socials": [{"type": "twitter", "username": ""}]}),
    ("url", {"urls": [{"url": "ftp://x.io"}]}),
    ("url", {"urls": [{"url": "http://[x"}]}),
    ("url", {"urls": [{"url": "x.io"}]}),
    ("locations", {"locations": [{"cityName": str(number)} for number in range(11)]}),
    ("countryCode", {"locations": [{"countryCode": "DEU"}]}),
    ("regionCode", {"locations": [{"regionCode": "BAY"}]}),
    ("zipCode", {"locations": [{"zipCode": "x" * 31}]}),
    ("cityName", {"locations": [{"cityName": "x" * 129}]}),
    ("latitude", {"locations": [{"latitude": "1"}]}),
    ("locale", {"locale": "x" * 17}),
    ("timeZone", {"timeZone": "x" * 65}),
    ("tags", {"tags": [f"t{number}" for number in range(21)]}),
    ("tags", {"tags": ["a", "a"]}),
    ("tags", {"tags": ["a,b"]}),
    ("tags", {"tags": [" a"]}),
    ("sentiment", {"sentiment": None}),
    ("polarity", {"sentiment": {"polarity": 2, "confidence": 0}}),
    ("confidence", {"sentiment": {"polarity": 1, "confidence": 1.5}}),
    ("gender", {"gender": "x"}),
    ("defaultLang", {"defaultLang": "x" * 101}),
    ("custom", {"custom": None}),
    ("aStr", {"custom": {"aStr": _LONG}}),
    ("aTxt", {"custom": {"aTxt": _LONG}}),
    ("aStr", {"custom": {"aStr": 1}}),
    ("aNum", {"custom": {"aNum": "1"}}),
    ("aNum", {"custom": {"aNum": True}}),
    ("aBool", {"custom": {"aBool": 1}}),
    ("aAt", {"custom": {"aAt": "yesterday"}}),
    ("aUrl", {"custom": {"aUrl": "x"}}),
    ("custom", {"custom": {f"k{number}Str": "v" for number in range(101)}}),
]


def test_rule_04_an_unknown_key_is_named(kustomer: Any) -> None:
    response = kustomer.post("/v1/customers", json={"firstName": "Ada"})

    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["title"] == "Additional properties not allowed"
    assert (error["status"], error["code"]) == (400, "badparam")
    assert error["source"]["parameter"] == "firstName"


def test_rule_04_a_wrong_custom_suffix_is_refused_as_recorded(kustomer: Any) -> None:
    response = kustomer.post("/v1/customers", json={"custom": {"okStr": "a", "notAnAttribute": 1}})

    [error] = response.json()["errors"]
    assert error["source"]["parameter"] == "notAnAttribute"
    assert error["title"] == "Additional properties not allowed"
    assert error["detail"] == "/properties/custom/additionalProperties"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"null", b'{"rev": NaN}', b'{"name": "\xff"}']
)
def test_rule_04_what_is_no_json_object_is_a_400(kustomer: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    response = kustomer.post("/v1/customers", content=body, headers=headers)

    assert response.status_code == 400
    assert kustomer.org.customers == []


def test_rule_04_a_body_has_to_say_that_it_is_json(kustomer: Any) -> None:
    response = kustomer.post("/v1/customers", content=json.dumps({}).encode())

    assert response.status_code == 400


@pytest.mark.parametrize("body", GOOD)
def test_rule_05_what_keeps_the_limits_is_taken(kustomer: Any, body: dict[str, Any]) -> None:
    single = kustomer.post("/v1/customers", json=body)
    assert single.status_code == 201, single.text
    stored = kustomer.org.customers[0]

    assert kustomer.patch(f"/v1/customers/{stored.id}", json=body).status_code == 200
    assert kustomer.post("/v1/customers/bulk", json=[body]).status_code == 201


@pytest.mark.parametrize(("parameter", "body"), BAD)
def test_rule_05_what_breaks_a_limit_is_refused(
    kustomer: Any, parameter: str, body: dict[str, Any]
) -> None:
    stored = kustomer.org.add_customer({})
    answers = [
        kustomer.post("/v1/customers", json=body),
        kustomer.patch(f"/v1/customers/{stored.id}", json=body),
        kustomer.put(f"/v1/customers/{stored.id}", json=body),
        kustomer.post("/v1/customers/bulk", json=[body]),
    ]

    assert [answer.status_code for answer in answers] == [400] * 4
    for answer in answers:
        assert answer.json()["errors"][0]["source"]["parameter"] == parameter


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "abc", "domains": [{"domain": "x.io"}], "employeeCount": 3}, 201),
        ({"name": "x" * 256, "externalId": "x" * 256}, 201),
        ({}, 400),
        ({"externalId": "1"}, 400),
        ({"name": "ab"}, 400),
        ({"name": "x" * 257}, 400),
        ({"name": None}, 400),
        ({"name": "abc", "externalId": None}, 400),
        ({"name": "abc", "domains": [{"domain": "https://x.io"}]}, 400),
        ({"name": "abc", "employeeCount": None}, 400),
        ({"name": "abc", "sharedEmails": []}, 400),
        ({"name": "abc", "username": "a"}, 400),
        ({"name": "abc", "deleted": True}, 400),
    ],
)
def test_rule_06_a_company_needs_a_name_of_3_to_256(
    kustomer: Any, body: dict[str, Any], status: int
) -> None:
    assert kustomer.post("/v1/companies", json=body).status_code == status
    assert kustomer.post("/v1/companies/bulk", json=[body]).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 200),
        ({"externalId": None, "deleted": None}, 200),
        ({"name": "ab"}, 400),
        ({"createdAt": "2020-01-01T00:00:00Z"}, 400),
        ({"importedAt": "2020-01-01T00:00:00Z"}, 400),
        ({"rev": 1}, 200),
    ],
)
def test_rule_06_a_company_update_needs_nothing(
    kustomer: Any, body: dict[str, Any], status: int
) -> None:
    stored = kustomer.org.add_company({"name": "Acme", "externalId": "1"})

    assert kustomer.put(f"/v1/companies/{stored.id}", json=body).status_code == status


@pytest.mark.parametrize("path", ["/v1/customers/bulk", "/v1/companies/bulk"])
@pytest.mark.parametrize(("number", "status"), [(0, 400), (1, 201), (100, 201), (101, 400)])
def test_rule_07_a_bulk_body_is_an_array_of_1_to_100(
    kustomer: Any, path: str, number: int, status: int
) -> None:
    assert kustomer.post(path, json=[{"name": "Acme"}] * number).status_code == status
    assert kustomer.put(path, json=[{"id": _ID}] * number).status_code == status


@pytest.mark.parametrize("path", ["/v1/customers/bulk", "/v1/companies/bulk"])
def test_rule_07_an_update_item_needs_its_id(kustomer: Any, path: str) -> None:
    assert kustomer.post(path, json={"name": "Acme"}).status_code == 400
    assert kustomer.put(path, json=[{"id": _ID}, {"name": "Acme"}]).status_code == 400
    assert kustomer.post(path, json=[{"name": "Acme", "id": _ID}]).status_code == 400


@pytest.mark.parametrize("names_item", [True, False])
def test_rule_08_schema_fault_in_any_item_refuses_the_whole_request(
    make: Callable[..., Any], *, names_item: bool
) -> None:
    kustomer = make(bulk_error_names_item=names_item)
    items = [{"name": f"name {number}"} for number in range(100)]
    items[42] = {"name": "x" * 257}

    response = kustomer.post("/v1/customers/bulk", json=items)
    kustomer.clock.advance(10)

    assert response.status_code == 400
    assert ("42" in response.text) is names_item
    assert response.json()["errors"][0]["source"]["parameter"] == "name"
    assert kustomer.org.customers == []
    assert kustomer.org.jobs == []
    assert [entry.records for entry in kustomer.simulator.requests.entries] == [100]


@pytest.mark.parametrize(
    "references",
    [["a", None], ["a", "a"], ["", "b"], ["x" * 256, "b"], [1, 2]],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_rule_09_client_refs_are_unique_and_all_or_none(
    kustomer: Any, method: str, references: list[Any]
) -> None:
    identity = {"name": "Acme"} if method == "POST" else {"id": _ID}
    items = [
        identity | ({} if reference is None else {"_clientRef": reference})
        for reference in references
    ]

    for path in ("/v1/customers/bulk", "/v1/companies/bulk"):
        assert kustomer.client.request(method, path, json=items).status_code == 400
    assert kustomer.org.jobs == []


def test_rule_09_a_client_ref_may_have_255_characters(kustomer: Any) -> None:
    results = kustomer.done("POST", "/v1/customers/bulk", [{"_clientRef": "x" * 255}])

    assert set(results) == {"x" * 255}


def test_rule_09_client_refs_are_refused_outside_arrays(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({})
    body = {"_clientRef": "a"}

    assert kustomer.put(f"/v1/customers/bulk?ids={stored.id}", json=body).status_code == 400
    assert kustomer.post("/v1/customers", json=body).status_code == 400
    assert kustomer.put(f"/v1/customers/bulk?ids={stored.id}", json={}).status_code == 201


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("customers", "whatsapps", []),
        ("customers", "instagramIds", []),
        ("companies", "whatsapps", []),
        ("companies", "createdAt", "2020-01-01T00:00:00Z"),
        ("companies", "importedAt", "2020-01-01T00:00:00Z"),
        ("companies", "rev", 1),
    ],
)
def test_rule_10_bulk_updates_take_fewer_attributes(
    kustomer: Any, path: str, attribute: str, value: Any
) -> None:
    created = kustomer.post(f"/v1/{path}/bulk", json=[{"name": "Acme", attribute: value}])
    updated = kustomer.put(f"/v1/{path}/bulk", json=[{"id": _ID, attribute: value}])
    by_ids = kustomer.put(f"/v1/{path}/bulk?ids={_ID}", json={attribute: value})

    assert [created.status_code, updated.status_code, by_ids.status_code] == [201, 400, 400]
    assert updated.json()["errors"][0]["source"]["parameter"] == attribute


def test_numbers_are_doubles_as_in_kustomers_own_language(kustomer: Any) -> None:
    body = b'{"custom": {"aNum": 1042.0, "bNum": 9007199254740993, "cNum": 0.1}}'

    kustomer.post(
        "/v1/customers", content=body, headers={"Content-Type": "application/json; charset=utf-8"}
    )

    custom = kustomer.org.customers[0].attributes["custom"]
    assert custom == {"aNum": 1042, "bNum": 9007199254740992.0, "cNum": 0.1}
    assert isinstance(custom["aNum"], int)


@pytest.mark.parametrize(("phone", "status"), [("+491711", 201), ("+49 1711", 400), ("0171", 400)])
def test_phones_may_have_to_be_e164(make: Callable[..., Any], phone: str, status: int) -> None:
    kustomer = make(phones_must_be_e164=True)

    response = kustomer.post("/v1/customers", json={"phones": [{"phone": phone}]})

    assert response.status_code == status


def test_a_large_body_is_a_413(make: Callable[..., Any]) -> None:
    kustomer = make(max_body_bytes=100)

    assert kustomer.post("/v1/customers", json={"name": "x" * 200}).status_code == 413
    assert kustomer.org.customers == []
