from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN_ID = "0" * 24

SAME = [
    ({"externalId": "1"}, {"externalIds": [{"externalId": "1"}]}),
    ({"emails": [{"email": "Ada@x.io"}]}, {"emails": [{"email": "ada@X.io"}]}),
    ({"phones": [{"phone": "+49 171-1234567"}]}, {"phones": [{"phone": "+491711234567"}]}),
    ({"whatsapps": [{"phone": "491711234567"}]}, {"whatsapps": [{"phone": "+491711234567"}]}),
    (
        {"socials": [{"type": "twitter", "username": "Ada"}]},
        {"socials": [{"type": "twitter", "username": "ada"}]},
    ),
]

DIFFERENT = [
    ({"externalId": "a"}, {"externalId": "A"}),
    ({"phones": [{"phone": "+491711"}]}, {"whatsapps": [{"phone": "+491711"}]}),
    (
        {"socials": [{"type": "twitter", "username": "ada"}]},
        {"socials": [{"type": "facebook", "username": "ada"}]},
    ),
    ({"emails": [{"email": "a@x.io"}]}, {"sharedEmails": [{"email": "a@x.io"}]}),
    ({"sharedPhones": [{"phone": "+491711"}]}, {"sharedPhones": [{"phone": "+491711"}]}),
    (
        {"sharedExternalIds": [{"externalId": "1"}]},
        {"externalId": "1", "sharedExternalIds": [{"externalId": "1"}]},
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_rule_16_identifiers_are_unique_in_the_org(
    kustomer: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    kustomer.org.add_customer(one)
    second = kustomer.org.add_customer({"name": "Second"})

    created = kustomer.post("/v1/customers", json=other)
    updated = kustomer.patch(f"/v1/customers/{second.id}", json=other)
    [result] = kustomer.done("PUT", "/v1/customers/bulk", [{"id": second.id}]).values()

    assert [created.status_code, updated.status_code] == [409, 409]
    assert second.attributes == {"name": "Second"}
    assert result["status"] == "updated"


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_rule_16_other_kinds_and_shared_lists_are_exempt(
    kustomer: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    kustomer.org.add_customer(one)

    assert kustomer.post("/v1/customers", json=other).status_code == 201


def test_rule_16_a_customer_does_not_compete_with_itself(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({"externalId": "1", "emails": [{"email": "a@x.io"}]})
    body = {"externalId": "1", "emails": [{"email": "A@x.io"}]}

    assert kustomer.put(f"/v1/customers/{stored.id}", json=body).status_code == 200


def test_rule_16_a_given_up_identifier_is_free(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({"emails": [{"email": "a@x.io"}]})
    kustomer.patch(f"/v1/customers/{stored.id}", json={"emails": []})

    created = kustomer.post("/v1/customers", json={"emails": [{"email": "a@x.io"}]})

    assert created.status_code == 201


@pytest.mark.parametrize("unique", [True, False])
def test_rule_17_a_companys_external_id_is_unique_by_switch(
    make: Callable[..., Any], *, unique: bool
) -> None:
    kustomer = make(company_external_id_unique=unique)
    body = {"name": "Acme", "externalId": "1"}

    answers = [kustomer.post("/v1/companies", json=body).status_code for _ in range(2)]

    assert answers == [201, 409 if unique else 201]


def test_rule_17_company_names_are_not_unique(kustomer: Any) -> None:
    answers = [kustomer.post("/v1/companies", json={"name": "Acme"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(kustomer.org.companies) == 2


def test_rule_17_customers_and_companies_share_no_external_ids(kustomer: Any) -> None:
    kustomer.org.add_customer({"externalId": "1"})

    response = kustomer.post("/v1/companies", json={"name": "Acme", "externalId": "1"})

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("status", "shape", "expected"),
    [
        (
            409,
            "jsonapi",
            {
                "status": 409,
                "source": {"parameter": "emails"},
                "code": "conflict",
                "title": "Conflict",
                "detail": "taken",
            },
        ),
        (
            400,
            "plain",
            {"code": "badparam", "message": "Bad Request: taken", "meta": {}},
        ),
        (400, "short", {"status": 400, "title": "Bad Request", "detail": "taken"}),
    ],
)
def test_rule_18_a_single_duplicate_is_refused_as_the_switches_say(
    make: Callable[..., Any], status: int, shape: str, expected: dict[str, Any]
) -> None:
    kustomer = make(duplicate_status=status, duplicate_text="taken", error_shape=shape)
    body = {"emails": [{"email": "a@x.io"}]}
    kustomer.org.add_customer(body)

    response = kustomer.post("/v1/customers", json=body)

    assert response.status_code == status
    assert response.json()["errors"] == [expected]


def test_rule_19_an_answer_shows_what_kustomer_adds(kustomer: Any) -> None:
    body = {
        "name": "John Von Doe",
        "externalId": "500",
        "emails": [{"type": "home", "email": "test500@example.com"}],
    }

    data = kustomer.post("/v1/customers", json=body).json()["data"]

    attributes = data["attributes"]
    assert data["type"] == "customer"
    assert data["links"]["self"] == f"/v1/customers/{data['id']}"
    assert (attributes["firstName"], attributes["lastName"]) == ("John", "Von Doe")
    assert attributes["displayName"] == "John Von Doe"
    assert attributes["externalId"] == "500"
    assert attributes["externalIds"] == [{"id": None, "verified": True, "externalId": "500"}]
    assert attributes["emails"] == [
        {"id": None, "verified": False, "type": "home", "email": "test500@example.com"}
    ]
    assert (attributes["phones"], attributes["tags"], attributes["deleted"]) == ([], [], False)
    assert attributes["createdAt"] == attributes["updatedAt"] == "2027-01-15T08:00:00.000Z"
    assert attributes["rev"] == 1
    assert "custom" not in attributes
    assert "locale" not in attributes


def test_rule_19_each_write_moves_rev_and_times(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({"name": "Ada"})
    kustomer.clock.advance(60)

    kustomer.patch(f"/v1/customers/{stored.id}", json={"locale": "de"})
    kustomer.done("PUT", "/v1/customers/bulk", [{"id": stored.id, "locale": "en"}])

    attributes = kustomer.get(f"/v1/customers/{stored.id}").json()["data"]["attributes"]
    assert attributes["rev"] == 3
    assert attributes["createdAt"] == "2027-01-15T08:00:00.000Z"
    assert attributes["updatedAt"] == attributes["modifiedAt"] == "2027-01-15T08:01:00.050Z"
    assert attributes["firstName"] == "Ada"
    assert "lastName" not in attributes


@pytest.mark.parametrize(
    ("before", "change", "external_id", "external_ids"),
    [
        ({"externalId": "a"}, {"externalId": "b"}, "b", ["b"]),
        ({"externalId": "a"}, {"externalId": None}, None, []),
        ({"externalId": "a"}, {"externalIds": [{"externalId": "b"}]}, "b", ["b"]),
        (
            {"externalId": "a"},
            {"externalIds": [{"externalId": "b"}, {"externalId": "a"}]},
            "a",
            ["b", "a"],
        ),
        ({"externalId": "a"}, {"externalIds": []}, None, []),
        (
            {"externalId": "a"},
            {"externalId": "b", "externalIds": [{"externalId": "a"}]},
            "b",
            ["b", "a"],
        ),
        ({"externalIds": [{"externalId": "c"}]}, {"name": "Ada"}, "c", ["c"]),
    ],
)
def test_rule_19_external_id_and_external_ids_keep_in_step(
    kustomer: Any,
    before: dict[str, Any],
    change: dict[str, Any],
    external_id: str | None,
    external_ids: list[str],
) -> None:
    stored = kustomer.org.add_customer(before)

    kustomer.patch(f"/v1/customers/{stored.id}", json=change)

    assert stored.attributes.get("externalId") == external_id
    assert [item["externalId"] for item in stored.attributes["externalIds"]] == external_ids


_BEFORE = {
    "name": "Ada",
    "locale": "de",
    "emails": [{"email": "a@x.io"}, {"email": "b@x.io"}],
    "custom": {"oneStr": "1", "twoStr": "2"},
}
_CHANGE = {"locale": None, "emails": [{"email": "c@x.io"}], "custom": {"twoStr": None, "cNum": 3}}


@pytest.mark.parametrize("method", ["PATCH", "PUT", "bulk"])
def test_rule_20_an_update_merges(kustomer: Any, method: str) -> None:
    stored = kustomer.org.add_customer(_BEFORE)

    if method == "bulk":
        kustomer.done("PUT", "/v1/customers/bulk", [_CHANGE | {"id": stored.id}])
    else:
        kustomer.client.request(method, f"/v1/customers/{stored.id}", json=_CHANGE)

    assert stored.attributes == {
        "name": "Ada",
        "emails": [{"id": None, "verified": False, "email": "c@x.io"}],
        "custom": {"oneStr": "1", "cNum": 3},
    }


def test_rule_20_lists_may_be_merged(make: Callable[..., Any]) -> None:
    kustomer = make(lists_merged=True)
    stored = kustomer.org.add_customer({"tags": ["a", "b"], "emails": [{"email": "a@x.io"}]})

    change = {"tags": ["c", "a"], "emails": [{"email": "b@x.io"}]}
    kustomer.patch(f"/v1/customers/{stored.id}", json=change)

    assert stored.attributes["tags"] == ["c", "a", "b"]
    assert [item["email"] for item in stored.attributes["emails"]] == ["b@x.io", "a@x.io"]


def test_rule_20_a_cleared_attribute_may_stay_as_null(make: Callable[..., Any]) -> None:
    kustomer = make(cleared_as_null=True)
    stored = kustomer.org.add_customer(_BEFORE)

    kustomer.patch(f"/v1/customers/{stored.id}", json=_CHANGE)

    attributes = kustomer.get(f"/v1/customers/{stored.id}").json()["data"]["attributes"]
    assert attributes["locale"] is None
    assert attributes["custom"] == {"oneStr": "1", "twoStr": None, "cNum": 3}


def test_rule_20_put_replaces_only_when_asked(kustomer: Any) -> None:
    stored = kustomer.org.add_customer(_BEFORE)
    path = f"/v1/customers/{stored.id}"

    kustomer.put(f"{path}?replace=false", json={"locale": "en"})
    merged = dict(stored.attributes)
    kustomer.patch(f"{path}?replace=true", json={"locale": "fr"})
    still_merged = dict(stored.attributes)
    kustomer.put(f"{path}?replace=true", json={"locale": "it"})

    assert (merged["name"], merged["locale"]) == ("Ada", "en")
    assert (still_merged["name"], still_merged["locale"]) == ("Ada", "fr")
    assert stored.attributes == {"locale": "it"}


def test_rule_20_company_put_merges_and_replaces(kustomer: Any) -> None:
    stored = kustomer.org.add_company({"name": "Acme", "defaultLang": "de"})
    path = f"/v1/companies/{stored.id}"

    kustomer.put(path, json={"defaultLang": "en"})
    merged = dict(stored.attributes)
    kustomer.put(f"{path}?replace=true", json={"name": "Acme Inc"})

    assert kustomer.put(f"{path}?replace=true", json={}).status_code == 400
    assert merged == {"name": "Acme", "defaultLang": "en"}
    assert stored.attributes == {"name": "Acme Inc"}


@pytest.mark.parametrize("unlinks", [True, False])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "bulk"])
def test_rule_21_omitting_the_company_unlinks_it_by_switch(
    make: Callable[..., Any], method: str, *, unlinks: bool
) -> None:
    kustomer = make(omit_company_unlinks=unlinks)
    company = kustomer.org.add_company({"name": "Acme"})
    stored = kustomer.org.add_customer({}, company=company.id)

    def update(change: dict[str, Any]) -> None:
        if method == "bulk":
            kustomer.done("PUT", "/v1/customers/bulk", [change | {"id": stored.id}])
        else:
            kustomer.client.request(method, f"/v1/customers/{stored.id}", json=change)

    update({"name": "Ada", "company": company.id})
    assert stored.company == company.id
    update({"name": "Ada L"})
    assert stored.company == (None if unlinks else company.id)
    update({"company": None})
    assert stored.company is None


def test_rule_21_the_company_is_a_relationship_or_an_attribute(make: Callable[..., Any]) -> None:
    for in_attributes in (False, True):
        kustomer = make(company_in_attributes=in_attributes)
        company = kustomer.org.add_company({"name": "Acme"})
        response = kustomer.post("/v1/customers", json={"company": company.id})
        data = response.json()["data"]

        assert data["attributes"].get("company") == (company.id if in_attributes else None)
        assert ("company" in data["relationships"]) is not in_attributes
        if not in_attributes:
            assert data["relationships"]["company"] == {
                "links": {"self": f"/v1/companies/{company.id}"},
                "data": {"type": "company", "id": company.id},
            }


def test_rule_22_a_reference_needs_metadata_and_its_target(kustomer: Any) -> None:
    org = kustomer.org
    order, other = org.add_object("kobject.order"), org.add_object("kobject.other")
    org.define_custom("customer", "orderId", target="kobject.order")
    org.define_custom("customer", "ordersId", target="kobject.order", multi=True)
    company = org.add_company({"name": "Acme"})
    org.define_custom("customer", "parentId", target="company")

    def status(custom: dict[str, Any]) -> int:
        code: int = kustomer.post("/v1/customers", json={"custom": custom}).status_code
        return code

    assert status({"orderId": order}) == 201
    assert status({"orderId": None}) == 201
    assert status({"ordersId": [order]}) == 201
    assert status({"parentId": company.id}) == 201
    assert status({"orderId": other}) == 400
    assert status({"orderId": _UNKNOWN_ID}) == 400
    assert status({"orderId": "12"}) == 400
    assert status({"orderId": [order]}) == 400
    assert status({"ordersId": order}) == 400
    assert status({"unheardId": order}) == 400


def test_rule_22_an_undefined_custom_attribute_by_switch(make: Callable[..., Any]) -> None:
    body = {"custom": {"definedStr": "a", "otherStr": "b"}}
    for refused in (False, True):
        kustomer = make(undefined_custom_refused=refused)
        kustomer.org.define_custom("customer", "definedStr")

        assert kustomer.post("/v1/customers", json=body).status_code == (400 if refused else 201)


@pytest.mark.parametrize("enforced", [True, False])
def test_rule_22_an_enumeration_refuses_the_whole_batch_by_switch(
    make: Callable[..., Any], *, enforced: bool
) -> None:
    kustomer = make(enumeration_enforced=enforced)
    kustomer.org.define_custom("customer", "tierStr", enumeration=["gold", "silver"])
    items = [{"custom": {"tierStr": tier}} for tier in ("gold", None, "lead")]

    response = kustomer.post("/v1/customers/bulk", json=items)

    assert response.status_code == (400 if enforced else 201)


@pytest.mark.parametrize("masked", [True, False])
def test_rule_22_sensitive_values_come_back_masked(
    make: Callable[..., Any], *, masked: bool
) -> None:
    kustomer = make(mask_sensitive=masked)
    kustomer.org.define_custom("customer", "secretStr", sensitive={"enabled": True})
    body = {"custom": {"secretStr": "abc", "openStr": "def"}}

    custom = kustomer.post("/v1/customers", json=body).json()["data"]["attributes"]["custom"]

    assert custom == {"secretStr": "********" if masked else "abc", "openStr": "def"}
    assert kustomer.org.customers[0].attributes["custom"]["secretStr"] == "abc"


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("externalId", "a/b?c=d&e"),
        ("externalId", "ü %25"),
        ("email", "Ada+Tag@x.io"),
        ("phone", "+49 171 1234567"),
    ],
)
def test_rule_23_customers_are_looked_up_by_identifiers(
    kustomer: Any, parameter: str, value: str
) -> None:
    stored = kustomer.org.add_customer(
        {
            "externalIds": [{"externalId": "a/b?c=d&e"}, {"externalId": "ü %25"}],
            "emails": [{"email": "ada+tag@x.io"}],
            "phones": [{"phone": "+491711234567"}],
        }
    )

    found = kustomer.get(f"/v1/customers/{parameter}={quote(value, safe='')}")
    missing = kustomer.get(f"/v1/customers/{parameter}=nobody")

    assert found.json()["data"]["id"] == stored.id
    assert missing.status_code == 404
    assert missing.json() == {
        "errors": [
            {
                "status": 404,
                "source": {"parameter": parameter},
                "code": "notfound",
                "title": "Not Found",
            }
        ]
    }


@pytest.mark.parametrize("path", ["externalId=a/b", "name=a", _UNKNOWN_ID])
def test_rule_23_other_paths_are_a_404(kustomer: Any, path: str) -> None:
    kustomer.org.add_customer({"externalId": "a/b", "name": "a"})

    assert kustomer.get(f"/v1/customers/{path}").status_code == 404


@pytest.mark.parametrize("matches", [True, False])
def test_rule_23_shared_values_are_found_by_switch(
    make: Callable[..., Any], *, matches: bool
) -> None:
    kustomer = make(lookup_matches_shared=matches)
    kustomer.org.add_customer({"sharedEmails": [{"email": "a@x.io"}]})

    response = kustomer.get("/v1/customers/email=A@x.io")

    assert response.status_code == (200 if matches else 404)


def test_rule_24_companies_are_listed_by_external_id_or_name(kustomer: Any) -> None:
    for name, external_id in (("Acme", "1"), ("Acme Inc", "11"), ("Other", "x")):
        kustomer.org.add_company({"name": name, "externalId": external_id})

    def names(**query: str) -> list[str]:
        answer = kustomer.get("/v1/companies", params=query).json()
        assert answer["meta"] == {"pageSize": 100, "page": 1}
        return [company["attributes"]["name"] for company in answer["data"]]

    assert names(externalId="1") == ["Acme"]
    assert names(filter="aCmE") == ["Acme", "Acme Inc"]
    assert names(externalId="1", filter="Other") == ["Acme", "Acme Inc", "Other"]
    assert names(externalId="nothing") == []
    assert names(filter="nothing") == []


@pytest.mark.parametrize(
    ("kind", "case_sensitive", "filter_", "expected"),
    [
        ("substring", False, "ME", ["Acme", "Acme Inc", "Some"]),
        ("substring", True, "ME", []),
        ("prefix", False, "acme", ["Acme", "Acme Inc"]),
        ("exact", False, "acme", ["Acme"]),
        ("exact", True, "acme", []),
    ],
)
def test_rule_24_the_name_filter_matches_as_the_switches_say(
    make: Callable[..., Any],
    kind: str,
    *,
    case_sensitive: bool,
    filter_: str,
    expected: list[str],
) -> None:
    kustomer = make(company_filter=kind, company_filter_case_sensitive=case_sensitive)
    for name in ("Acme", "Acme Inc", "Some"):
        kustomer.org.add_company({"name": name})

    data = kustomer.get("/v1/companies", params={"filter": filter_}).json()["data"]

    assert [company["attributes"]["name"] for company in data] == expected


def test_rule_25_companies_have_no_patch_no_delete_no_look_up_in_the_path(kustomer: Any) -> None:
    stored = kustomer.org.add_company({"name": "Acme", "externalId": "1"})
    path = f"/v1/companies/{stored.id}"

    assert kustomer.patch(path, json={}).status_code == 404
    assert kustomer.delete(path).status_code == 404
    assert kustomer.delete(f"/v1/companies/bulk?ids={stored.id}").status_code == 404
    assert kustomer.get("/v1/companies/externalId=1").status_code == 404
    assert kustomer.put(f"/v1/companies/{_UNKNOWN_ID}", json={}).status_code == 404


@pytest.mark.parametrize("listed", [True, False])
def test_rule_25_a_deleted_company_is_listed_by_switch(
    make: Callable[..., Any], *, listed: bool
) -> None:
    kustomer = make(deleted_companies_listed=listed)
    stored = kustomer.org.add_company({"name": "Acme"})

    kustomer.put(f"/v1/companies/{stored.id}", json={"deleted": True})

    assert kustomer.org.companies == []
    assert len(kustomer.get("/v1/companies").json()["data"]) == listed
    attributes = kustomer.get(f"/v1/companies/{stored.id}").json()["data"]["attributes"]
    assert attributes["deleted"] is True
    assert kustomer.post("/v1/customers", json={"company": stored.id}).status_code == 400


@pytest.mark.parametrize("readable", [True, False])
def test_rule_25_a_deleted_company_is_readable_by_switch(
    make: Callable[..., Any], *, readable: bool
) -> None:
    kustomer = make(deleted_companies_readable=readable)
    stored = kustomer.org.add_company({"name": "Acme"})
    kustomer.org.delete(stored.id)

    response = kustomer.get(f"/v1/companies/{stored.id}")

    assert response.status_code == (200 if readable else 404)


def test_rule_25_a_deleted_company_gives_its_external_id_back_when_restored(
    make: Callable[..., Any],
) -> None:
    kustomer = make(deleted_keep_identifiers=False)
    body = {"name": "Acme", "externalId": "1"}
    stored = kustomer.org.add_company(body)
    path = f"/v1/companies/{stored.id}"
    kustomer.put(path, json={"deleted": True})
    kustomer.put(path, json={"defaultLang": "de"})
    assert kustomer.post("/v1/companies", json=body).status_code == 201

    assert kustomer.put(path, json={"deleted": False}).status_code == 409


@pytest.mark.parametrize("restorable", [True, False])
@pytest.mark.parametrize("value", [False, None])
def test_rule_25_a_deleted_company_may_be_restored(
    make: Callable[..., Any], value: Any, *, restorable: bool
) -> None:
    kustomer = make(deleted_companies_restorable=restorable)
    stored = kustomer.org.add_company({"name": "Acme"})
    kustomer.done("PUT", "/v1/companies/bulk", [{"id": stored.id, "deleted": True}])
    assert stored.deleted

    kustomer.done("PUT", "/v1/companies/bulk", [{"id": stored.id, "deleted": value}])

    assert stored.deleted is not restorable


@pytest.mark.parametrize("keep", [True, False])
def test_deleted_objects_keep_their_identifiers_by_switch(
    make: Callable[..., Any], *, keep: bool
) -> None:
    kustomer = make(deleted_keep_identifiers=keep)
    company = kustomer.org.add_company({"name": "Acme", "externalId": "1"})
    customer = kustomer.org.add_customer({"externalId": "1"})
    kustomer.put(f"/v1/companies/{company.id}", json={"deleted": True})
    assert kustomer.delete(f"/v1/customers/{customer.id}").status_code == 204

    again = [
        kustomer.post("/v1/companies", json={"name": "Acme", "externalId": "1"}),
        kustomer.post("/v1/customers", json={"externalId": "1"}),
    ]

    assert [answer.status_code for answer in again] == [409 if keep else 201] * 2


@pytest.mark.parametrize("readable", [True, False])
def test_deleted_customers_are_readable_by_switch(
    make: Callable[..., Any], *, readable: bool
) -> None:
    kustomer = make(deleted_customers_readable=readable)
    stored = kustomer.org.add_customer({"externalId": "1"})
    kustomer.org.delete(stored.id)

    answers = [kustomer.get(f"/v1/customers/{key}") for key in (stored.id, "externalId=1")]

    assert [answer.status_code for answer in answers] == [200 if readable else 404] * 2
    assert len(kustomer.get("/v1/customers").json()["data"]) == readable
    if readable:
        assert answers[0].json()["data"]["attributes"]["deleted"] is True
    assert kustomer.patch(f"/v1/customers/{stored.id}", json={}).status_code == 404
    assert kustomer.delete(f"/v1/customers/{stored.id}").status_code == 404
    assert kustomer.org.customer(external_id="1") is None


def test_a_merged_customer_vanishes_into_the_other(kustomer: Any) -> None:
    company = kustomer.org.add_company({"name": "Acme"})
    loser = kustomer.org.add_customer({"externalId": "1", "emails": [{"email": "a@x.io"}]})
    winner = kustomer.org.add_customer({"externalId": "2"}, company=company.id)

    kustomer.org.merge(loser.id, winner.id)

    assert kustomer.get(f"/v1/customers/{loser.id}").status_code == 404
    for key in ("externalId=1", "externalId=2", "email=a@x.io"):
        assert kustomer.get(f"/v1/customers/{key}").json()["data"]["id"] == winner.id
    assert winner.company == company.id


def test_an_object_may_vanish_with_its_identifiers(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({"externalId": "1"})

    kustomer.org.vanish(stored.id)

    assert kustomer.get(f"/v1/customers/{stored.id}").status_code == 404
    assert kustomer.post("/v1/customers", json={"externalId": "1"}).status_code == 201


def test_rule_26_lists_link_to_their_next_page(kustomer: Any) -> None:
    for number in range(5):
        kustomer.org.add_company({"name": f"Acme {number}"})
    path, names = "/v1/companies?pageSize=2&filter=Acme", []
    while path:
        answer = kustomer.get(path).json()
        names += [company["attributes"]["name"] for company in answer["data"]]
        path = answer["links"]["next"]

    assert names == [f"Acme {number}" for number in range(5)]
    assert answer["links"]["prev"] == "/v1/companies?page=2&pageSize=2&filter=Acme"
    assert answer["links"]["first"] == "/v1/companies?page=1&pageSize=2&filter=Acme"
    assert kustomer.get("/v1/companies?page=9").json()["data"] == []


@pytest.mark.parametrize("query", ["pageSize=101", "pageSize=0", "page=0", "page=x", "page=-1"])
def test_rule_26_pages_have_limits(kustomer: Any, query: str) -> None:
    assert kustomer.get(f"/v1/companies?{query}").status_code == 400
    assert kustomer.get(f"/v1/customers?{query}").status_code == 400


def test_rule_26_customers_can_be_read_on_from_a_time(kustomer: Any) -> None:
    for name in ("a", "b", "c"):
        kustomer.org.add_customer({"name": name})
        kustomer.clock.advance(60)
    first = kustomer.org.customers[0]
    kustomer.patch(f"/v1/customers/{first.id}", json={"locale": "de"})

    def names(**query: str) -> list[str]:
        data = kustomer.get("/v1/customers", params=query).json()["data"]
        return [customer["attributes"]["name"] for customer in data]

    since = "2027-01-15T08:01:00.000Z"
    assert names() == ["a", "b", "c"]
    assert names(sort="-createdAt") == ["c", "b", "a"]
    assert names(**{"filter[updatedAt][gte]": since, "sort": "updatedAt"}) == ["b", "c", "a"]
    assert names(**{"filter[createdAt][gt]": since}) == ["c"]
    assert names(**{"filter[createdAt][lt]": since}) == ["a"]
    assert names(**{"filter[createdAt][lte]": since}) == ["a", "b"]
    assert kustomer.get("/v1/customers?sort=name").status_code == 400
    assert kustomer.get("/v1/customers?filter[createdAt][lt]=x").status_code == 400
    meta = kustomer.get("/v1/customers?pageSize=2").json()["meta"]
    assert meta == {"pageSize": 2, "page": 1, "total": 3, "totalPages": 2}


@pytest.mark.parametrize("refused", [True, False])
def test_a_stale_rev_is_refused_by_switch(make: Callable[..., Any], *, refused: bool) -> None:
    kustomer = make(rev_mismatch_refused=refused)
    path = f"/v1/customers/{kustomer.org.add_customer({}).id}"

    answers = [
        kustomer.patch(f"{path}?rev=1", json={}),
        kustomer.patch(f"{path}?rev=1", json={}),
        kustomer.patch(path, json={"rev": 1}),
        kustomer.patch(path, json={}),
    ]

    stale = 409 if refused else 200
    assert [answer.status_code for answer in answers] == [200, stale, stale, 200]


@pytest.mark.parametrize(
    ("switch", "one", "other"),
    [
        ("email_case_sensitive", "emails", [{"email": "A@x.io"}, {"email": "a@x.io"}]),
        ("phone_exact", "phones", [{"phone": "+49 1711"}, {"phone": "+491711"}]),
    ],
)
def test_identifiers_may_be_compared_as_text(
    make: Callable[..., Any], switch: str, one: str, other: list[Any]
) -> None:
    kustomer = make(**{switch: True})

    answers = [kustomer.post("/v1/customers", json={one: [item]}) for item in other]

    assert [answer.status_code for answer in answers] == [201, 201]


def test_identifiers_may_be_stored_in_normal_form(make: Callable[..., Any]) -> None:
    kustomer = make(normalize_identifiers=True)
    body = {
        "externalId": "A",
        "emails": [{"email": "Ada@X.io"}],
        "phones": [{"phone": "49 171-1"}],
        "socials": [{"type": "twitter", "username": "Ada"}],
    }

    attributes = kustomer.post("/v1/customers", json=body).json()["data"]["attributes"]

    assert attributes["emails"][0]["email"] == "ada@x.io"
    assert attributes["phones"][0]["phone"] == "+491711"
    assert attributes["socials"][0]["username"] == "Ada"
    assert attributes["externalId"] == "A"


def test_metadata_can_be_read_and_added_to(kustomer: Any) -> None:
    kustomer.org.define_custom("customer", "myCustomStr", displayName="My Custom String!")
    body = {"properties": {"shopifyCustomerIdNum": {}, "isVipBool": {"displayName": "VIP"}}}

    answer = kustomer.put("/v1/metadata/customer", json=body)

    assert answer.status_code == 200
    data = kustomer.get("/v1/metadata/customer").json()["data"]
    assert answer.json()["data"] == data
    assert (data["type"], data["id"]) == ("metadata", "customer")
    assert data["attributes"]["properties"] == {
        "myCustomStr": {"type": "string", "displayName": "My Custom String!"},
        "shopifyCustomerIdNum": {"type": "number", "displayName": "Shopify Customer Id"},
        "isVipBool": {"type": "boolean", "displayName": "VIP"},
    }
    assert kustomer.get("/v1/metadata/kobject.order").status_code == 200
    assert kustomer.get("/v1/metadata/nothing").status_code == 404
    assert kustomer.put("/v1/metadata/company", json={"no": 1}).status_code == 400
    wrong_suffix: dict[str, Any] = {"properties": {"age": {}}}
    assert kustomer.put("/v1/metadata/company", json=wrong_suffix).status_code == 400
    assert kustomer.get("/v1/metadata/company").json()["data"]["attributes"]["properties"] == {}
