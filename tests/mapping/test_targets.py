from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.mapping.schema import Column
from target_kustomer.mapping.targets import Target, fits
from tests.mapping.planning import (
    ARRAY,
    BOOL,
    DATE,
    INTEGER,
    NUMBER,
    OBJECT,
    TEXT,
    URI,
    WHEN,
    companies,
    customers,
    labels,
    mapped,
)

if TYPE_CHECKING:
    from target_kustomer.models import ObjectType

NUMBER_TEXT = "+4930123456"
MAIL = "ada@example.com"

FLAT: list[tuple[str, Any, str, Any]] = [
    *((name, MAIL, "emails", [{"email": MAIL}]) for name in ("email", "email_address")),
    ("work_email", MAIL, "emails", [{"type": "work", "email": MAIL}]),
    ("home_email", MAIL, "emails", [{"type": "home", "email": MAIL}]),
    *(
        (name, NUMBER_TEXT, "phones", [{"phone": NUMBER_TEXT}])
        for name in ("phone", "phone_number")
    ),
    *(
        (name, NUMBER_TEXT, "phones", [{"type": "mobile", "phone": NUMBER_TEXT}])
        for name in ("mobile", "mobile_phone", "mobile_number")
    ),
    ("home_phone", NUMBER_TEXT, "phones", [{"type": "home", "phone": NUMBER_TEXT}]),
    ("work_phone", NUMBER_TEXT, "phones", [{"type": "work", "phone": NUMBER_TEXT}]),
    ("fax", NUMBER_TEXT, "phones", [{"type": "fax", "phone": NUMBER_TEXT}]),
    ("whatsapp", NUMBER_TEXT, "whatsapps", [{"phone": NUMBER_TEXT}]),
    ("website", "a.com", "urls", [{"type": "website", "url": "https://a.com"}]),
    ("blog", "a.com", "urls", [{"type": "blog", "url": "https://a.com"}]),
    *(
        (name, "@ada", "socials", [{"type": name, "username": "ada"}])
        for name in ("twitter", "facebook", "instagram", "linkedin", "pinterest")
    ),
    *(
        (name, "1 Main St", "locations", [{"type": "home", "address": "1 Main St"}])
        for name in ("address", "address1", "address_line_1", "street", "street_address")
    ),
    ("city", "Rome", "locations", [{"type": "home", "cityName": "Rome"}]),
    *(
        (name, "00185", "locations", [{"type": "home", "zipCode": "00185"}])
        for name in ("zip", "zip_code", "postal_code", "postcode")
    ),
]
BESIDE_A_CITY: list[tuple[str, Any, dict[str, Any]]] = [
    ("address2", "Flat 2", {"address2": "Flat 2"}),
    ("address_line_2", "Flat 2", {"address2": "Flat 2"}),
    ("address3", "Court", {"address3": "Court"}),
    ("state", "NY", {"regionCode": "NY", "regionName": None}),
    ("province", "NY", {"regionCode": "NY", "regionName": None}),
    ("region", "NY", {"regionCode": "NY", "regionName": None}),
    ("country", "DE", {"countryCode": "DE", "countryName": None}),
    ("country_code", "DE", {"countryCode": "DE", "countryName": None}),
    ("latitude", "1.5", {"latitude": 1.5}),
    ("longitude", "1.5", {"longitude": 1.5}),
]
OF_CUSTOMERS: list[tuple[str, Any, str, Any]] = [
    ("full_name", "Ada", "name", "Ada"),
    ("birth_date", "1990-01-31", "birthdayAt", "1990-01-31T00:00:00Z"),
    ("birthday", "1990-01-31", "birthdayAt", "1990-01-31T00:00:00Z"),
]
OF_COMPANIES: list[tuple[str, Any, str, Any]] = [
    ("domain", "A.com", "domains", [{"domain": "a.com"}]),
    ("employees", "12", "employeeCount", 12),
    ("full_name", "Acme", "name", "Acme"),
]


@pytest.mark.parametrize(("column", "value", "attribute", "sent"), [*FLAT, *OF_CUSTOMERS])
def test_flat_names_of_customers(column: str, value: Any, attribute: str, sent: Any) -> None:
    assert mapped(customers({column: TEXT}), {column: value}).attributes == {attribute: sent}


@pytest.mark.parametrize(("column", "value", "attribute", "sent"), [*FLAT, *OF_COMPANIES])
def test_flat_names_of_companies(column: str, value: Any, attribute: str, sent: Any) -> None:
    if attribute == "locations":
        sent = [{**sent[0], "type": "work"}]
    assert mapped(companies({column: TEXT}), {column: value}).attributes == {attribute: sent}


@pytest.mark.parametrize(("column", "value", "sent"), BESIDE_A_CITY)
def test_flat_names_beside_a_city(column: str, value: Any, sent: dict[str, Any]) -> None:
    made = customers({"city": TEXT, column: TEXT})
    assert mapped(made, {column: value}).attributes == {"locations": [{"type": "home", **sent}]}


@pytest.mark.parametrize("column", ["domain", "employees"])
def test_a_flat_name_that_the_customer_lacks_is_custom(column: str) -> None:
    assert labels(customers({column: TEXT})) == {column: f"{column}Str"}


@pytest.mark.parametrize("column", ["birthday", "company", "company_id", "company_external_id"])
def test_a_flat_name_that_the_company_lacks_is_custom(column: str) -> None:
    made = companies({column: TEXT})
    label = labels(made)[column]
    assert label is not None
    assert label in {"birthdayStr", "companyStr", "companyIdStr", "externalId"}


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("company_id", "externalId"),
        ("company_external_id", "externalId"),
        ("company", "name"),
        ("company_name", "name"),
    ],
)
def test_flat_names_of_the_link(column: str, part: str) -> None:
    assert labels(customers({column: TEXT})) == {column: f"company.{part}"}


@pytest.mark.parametrize(
    ("object_type", "target", "schemas"),
    [
        ("customer", Target("name"), [TEXT, URI, {}]),
        ("customer", Target("externalId"), [TEXT, URI, {}, INTEGER, NUMBER]),
        ("customer", Target("emails", ""), [TEXT, URI, {}]),
        ("customer", Target("phones", "fax"), [TEXT, URI, {}, INTEGER, NUMBER]),
        ("customer", Target("whatsapps", ""), [TEXT, URI, {}, INTEGER, NUMBER]),
        ("customer", Target("locations", "zipCode"), [TEXT, URI, {}, INTEGER, NUMBER]),
        ("customer", Target("locations", "cityName"), [TEXT, URI, {}]),
        ("customer", Target("locations", "region"), [TEXT, URI, {}]),
        ("customer", Target("locations", "latitude"), [TEXT, {}, INTEGER, NUMBER]),
        ("customer", Target("company", "externalId"), [TEXT, URI, {}, INTEGER, NUMBER]),
        ("customer", Target("company", "name"), [TEXT, URI, {}]),
        ("customer", Target("birthdayAt"), [TEXT, {}, DATE, WHEN]),
        ("company", Target("employeeCount"), [TEXT, {}, INTEGER, NUMBER]),
        ("customer", Target("emails"), [TEXT, URI, {}, ARRAY]),
        ("customer", Target("tags"), [TEXT, URI, {}, ARRAY]),
        ("customer", Target("locations"), [ARRAY]),
        ("customer", Target("facebookIds"), [ARRAY]),
        ("customer", Target("sentiment"), []),
    ],
)
def test_only_columns_that_can_hold_the_attribute_fit(
    object_type: ObjectType, target: Target, schemas: list[Any]
) -> None:
    every = [TEXT, URI, {}, INTEGER, NUMBER, BOOL, DATE, WHEN, OBJECT, ARRAY]
    found = [each for each in every if fits(object_type, target, Column.of("c", ("c",), each))]
    assert found == [each for each in every if each in schemas]


@pytest.mark.parametrize(
    ("name", "items", "expected"),
    [
        ("tags", {"type": ["null", "string"]}, True),
        ("tags", {"type": "object"}, False),
        ("tags", {"type": "integer"}, False),
        ("emails", {"type": "object"}, True),
        ("emails", {"type": "string"}, True),
        ("emails", {"anyOf": [{"type": "object"}, {"type": "array"}]}, False),
        ("locations", {"type": "object"}, True),
        ("locations", {"type": "string"}, False),
    ],
)
def test_arrays_fit_by_their_items(name: str, items: Any, expected: bool) -> None:  # noqa: FBT001
    column = Column.of("c", ("c",), {"type": ["null", "array"], "items": items})
    assert fits("customer", Target(name), column) is expected


def test_labels_are_what_the_settings_and_rejections_say() -> None:
    assert Target("custom", "ageNum").label == Target("custom", "ageNum").reported == "ageNum"
    assert Target("emails", "work").label == "emails.work"
    assert Target("emails", "work").reported == "emails"
    assert Target("emails", "").label == "emails"
    assert Target("company", "name").reported == "company.name"
