from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from target_kustomer.mapping.plan import compile_plan
from target_kustomer.models import CompanyLink, MappedRecord, Reason, Rejection
from target_kustomer.settings import StreamSettings
from tests.mapping.planning import (
    INTEGER,
    OBJECT,
    TEXT,
    companies,
    customers,
    mapped,
    plan,
    rejected,
)

HEX = "0123456789abcdef01234567"
LINK = {"company_id": INTEGER, "company_name": TEXT}


def test_a_record_becomes_attributes() -> None:
    made = plan({"id": INTEGER, "name": TEXT, "email": TEXT, "age": INTEGER}, keys=["id"])
    record = {"id": Decimal("1042.0"), "name": " Ada ", "email": "Ada@Example.COM", "age": 36}
    assert made.map_record(record) == MappedRecord(
        attributes={
            "externalId": "1042",
            "name": "Ada",
            "emails": [{"email": "Ada@example.com"}],
            "custom": {"ageNum": 36},
        }
    )


def test_dates_come_as_objects_too() -> None:
    made = customers({"birthday": TEXT, "note": TEXT})
    record = {"birthday": date(1990, 1, 31), "note": date(1990, 1, 31)}
    assert mapped(made, record).attributes == {
        "birthdayAt": "1990-01-31T00:00:00Z",
        "custom": {"noteStr": "1990-01-31"},
    }


def test_an_absent_column_is_not_sent() -> None:
    made = customers({"name": TEXT, "email": TEXT, "age": INTEGER, "city": TEXT, **LINK})
    assert made.map_record({}) == MappedRecord(attributes={})


NULLS = {
    "id": None,
    "name": None,
    "email": None,
    "phone": None,
    "age": None,
    "nick": None,
    "birthday": None,
    "company_name": None,
}
NULL_COLUMNS = {**dict.fromkeys(NULLS, TEXT), "age": INTEGER}


@pytest.mark.parametrize(
    ("settings", "attributes", "link"),
    [
        (
            {},
            {
                "name": None,
                "birthdayAt": None,
                "custom": {"ageNum": None, "nickStr": None},
            },
            CompanyLink(),
        ),
        (
            {"lists": "replace"},
            {
                "name": None,
                "birthdayAt": None,
                "phones": [],
                "custom": {"ageNum": None, "nickStr": None},
            },
            CompanyLink(),
        ),
        ({"nulls": "ignore"}, {}, None),
        ({"nulls": "ignore", "lists": "replace"}, {}, None),
        (
            {"match_on": ("phone",), "lists": "replace"},
            {
                "externalId": None,
                "name": None,
                "birthdayAt": None,
                "emails": [],
                "custom": {"ageNum": None, "nickStr": None},
            },
            CompanyLink(),
        ),
    ],
)
def test_a_null_clears_what_is_no_match_key(
    settings: dict[str, Any], attributes: dict[str, Any], link: CompanyLink | None
) -> None:
    made = plan(NULL_COLUMNS, keys=["id"], **settings)
    assert made.map_record(NULLS) == MappedRecord(attributes=attributes, link=link)


def test_empty_text_is_a_null_but_for_custom_text() -> None:
    made = plan(NULL_COLUMNS, keys=["id"])
    record = dict.fromkeys(NULLS, "  ")
    assert mapped(made, record).attributes == {
        "name": None,
        "birthdayAt": None,
        "custom": {"ageNum": None, "nickStr": ""},
    }


def test_a_companys_null_name_is_left_to_delivery() -> None:
    made = plan({"id": TEXT, "name": TEXT}, stream="companies", object_type="company")
    assert mapped(made, {"id": "1", "name": None}).attributes == {"externalId": "1"}


@pytest.mark.parametrize(
    ("record", "attributes"),
    [
        ({"first_name": "Ada", "last_name": "Lovelace"}, {"name": "Ada Lovelace"}),
        ({"last_name": "Lovelace", "first_name": " Ada"}, {"name": "Ada Lovelace"}),
        ({"first_name": "Ada", "last_name": None}, {"name": "Ada"}),
        ({"first_name": "", "last_name": "Lovelace"}, {"name": "Lovelace"}),
        ({"last_name": "Lovelace"}, {"name": "Lovelace"}),
        ({"first_name": None, "last_name": " "}, {"name": None}),
        ({}, {}),
    ],
)
def test_first_and_last_name_make_the_name(
    record: dict[str, Any], attributes: dict[str, Any]
) -> None:
    made = customers({"last_name": TEXT, "first_name": TEXT})
    assert mapped(made, record).attributes == attributes


def test_both_halves_together_have_the_names_limit() -> None:
    made = customers({"first_name": TEXT, "last_name": TEXT})
    rejection = rejected(made, {"first_name": "a" * 200, "last_name": "b" * 56})
    assert (rejection.reason, rejection.attribute) == (Reason.TOO_LONG, "name")


@pytest.mark.parametrize(
    ("record", "link"),
    [
        ({}, None),
        ({"company_id": 7}, CompanyLink(external_id="7")),
        ({"company_name": "Acme"}, CompanyLink(name="Acme")),
        (
            {"company_id": 7, "company_name": "Acme"},
            CompanyLink(external_id="7", name="Acme"),
        ),
        ({"company_id": None, "company_name": "Acme"}, CompanyLink(name="Acme")),
        ({"company_id": None}, CompanyLink()),
        ({"company_id": None, "company_name": " "}, CompanyLink()),
    ],
)
def test_a_customers_company_goes_to_the_link(
    record: dict[str, Any], link: CompanyLink | None
) -> None:
    assert made_link(record) == link


def made_link(record: dict[str, Any], **options: Any) -> CompanyLink | None:
    result = mapped(customers(LINK, **options), record)
    assert result.attributes == {}
    return result.link


@pytest.mark.parametrize(
    ("own_prefix", "external_id"), [(None, "erp-7"), ("crm-", "crm-7"), ("", "7")]
)
def test_a_link_takes_the_prefix_of_the_company_stream_or_its_own(
    own_prefix: str | None, external_id: str
) -> None:
    made = compile_plan(
        "customers",
        {"properties": LINK},
        [],
        "customer",
        StreamSettings(mode="create", company_external_id_prefix=own_prefix),
        company_external_id_prefix="erp-",
    )
    assert mapped(made, {"company_id": 7}).link == CompanyLink(external_id=external_id)


def test_a_link_by_kustomers_id_must_be_one() -> None:
    made = customers({"k": TEXT}, fields={"k": "company.id"})
    assert mapped(made, {"k": HEX}).link == CompanyLink(id=HEX)
    rejection = rejected(made, {"k": "../1"})
    assert (rejection.reason, rejection.attribute) == (Reason.INVALID_FORMAT, "company.id")


@pytest.mark.parametrize("missing_company", ["reject", "create"])
def test_a_company_name_that_no_company_can_have_is_refused(missing_company: str) -> None:
    rejection = rejected(customers(LINK, missing_company=missing_company), {"company_name": "BP"})
    assert (rejection.reason, rejection.attribute) == (Reason.OUT_OF_RANGE, "company.name")


def test_it_is_no_reason_to_reject_where_a_missing_company_is_ignored() -> None:
    assert made_link({"company_name": "BP"}, missing_company="ignore") == CompanyLink(name="BP")


def test_kustomers_id_goes_to_the_record_and_not_to_the_attributes() -> None:
    made = plan({"k": TEXT}, fields={"k": "id"})
    assert made.map_record({"k": HEX}) == MappedRecord(attributes={}, id=HEX)
    assert made.map_record({"k": None}) == MappedRecord(attributes={})
    assert rejected(made, {"k": "x"}).attribute == "id"


def test_the_external_id_takes_its_prefix_and_its_limit() -> None:
    made = plan({"id": INTEGER}, keys=["id"], external_id_prefix="shop-")
    assert mapped(made, {"id": 7}).attributes == {"externalId": "shop-7"}
    assert mapped(made, {"id": None}).attributes == {}
    assert rejected(made, {"id": "x" * 252}).reason == Reason.TOO_LONG


def test_an_address_from_two_columns_is_sent_once_with_the_first_ones_type() -> None:
    made = customers({"work_email": TEXT, "email": TEXT, "phone": TEXT, "fax": TEXT})
    record = {
        "email": "Ada@example.com",
        "work_email": "ada@example.com",
        "phone": "+14155552671",
        "fax": "+1 415 555 2671",
    }
    assert mapped(made, record).attributes == {
        "emails": [{"type": "work", "email": "ada@example.com"}],
        "phones": [{"phone": "+14155552671"}],
    }


def test_a_list_and_single_columns_come_together_within_the_limit() -> None:
    made = customers({"email": TEXT, "emails": {"type": "array"}})
    emails = [f"e{number}@example.com" for number in range(10)]
    record = {"email": "e0@example.com", "emails": emails}
    assert len(mapped(made, record).attributes["emails"]) == 10
    rejection = rejected(made, {**record, "email": "more@example.com"})
    assert (rejection.reason, rejection.attribute) == (Reason.LIST_FULL, "emails")


PHONES = {"phone": TEXT, "country": TEXT, "city": TEXT}


@pytest.mark.parametrize(
    ("columns", "country", "region", "sent"),
    [
        (PHONES, "DE", "us", "+49415555267"),
        (PHONES, "deu", None, "+49415555267"),
        (PHONES, "Germany", "at", "+43415555267"),
        (PHONES, None, "at", "+43415555267"),
        ({"phone": TEXT, "country_code": TEXT}, "DE", "us", "+49415555267"),
    ],
)
def test_a_phone_numbers_country_is_the_records_or_else_the_default(
    columns: dict[str, Any], country: str | None, region: str | None, sent: str
) -> None:
    made = customers(columns, default_phone_region=region)
    record = {"phone": "0415 555267", "country": country, "country_code": country}
    assert mapped(made, record).attributes["phones"] == [{"phone": sent}]


def test_a_country_at_a_path_serves_too() -> None:
    fields = {"at.country": "country"}
    made = customers({"phone": TEXT, "at": OBJECT}, fields=fields, default_phone_region="AT")
    record = {"phone": "0415 555267", "at": {"country": "DE"}}
    assert mapped(made, record).attributes["phones"] == [{"phone": "+49415555267"}]
    record = {"phone": "0415 555267", "at": "DE"}
    assert rejected(made, record).reason == Reason.INVALID_TYPE


def test_without_a_country_a_national_number_is_refused() -> None:
    rejection = rejected(customers(PHONES), {"phone": "0415 555267"})
    assert (rejection.reason, rejection.column) == (Reason.INVALID_FORMAT, "phone")


def test_columns_whose_extension_was_left_off_are_told() -> None:
    made = customers({"phone": TEXT, "fax": TEXT, "phones": TEXT})
    record = {"phone": "+14155552671 x12", "fax": "+14155552672"}
    assert mapped(made, record).extensions_dropped == ("phone",)


@pytest.mark.parametrize("value", ["text", 7, ["a"], "[1]", '{"email": ', '"email"'])
def test_a_path_through_something_else_is_refused(value: Any) -> None:
    made = customers({"props": OBJECT}, fields={"props.email": "email"})
    rejection = rejected(made, {"props": value})
    assert rejection == Rejection(
        Reason.INVALID_TYPE,
        attribute="emails",
        column="props.email",
        detail="no object that the path could lead into",
    )


def test_a_path_leads_into_json_text() -> None:
    made = customers({"props": OBJECT}, fields={"props.a.nick": "nick"})
    for a in ({"nick": "Bo"}, '{"nick": "Bo"}'):
        for props in ({"a": a}, json.dumps({"a": a})):
            assert mapped(made, {"props": props}).attributes == {"custom": {"nickStr": "Bo"}}
    assert mapped(made, {"props": "{}"}).attributes == {}


def test_a_path_through_a_null_is_null_and_through_a_missing_key_absent() -> None:
    made = customers({"props": OBJECT}, fields={"props.a.nick": "nick"})
    null = {"custom": {"nickStr": None}}
    assert mapped(made, {"props": None}).attributes == null
    assert mapped(made, {"props": {"a": None}}).attributes == null
    assert mapped(made, {"props": {"a": {"nick": None}}}).attributes == null
    assert mapped(made, {"props": {"a": {}}}).attributes == {}
    assert mapped(made, {"props": {}}).attributes == {}


OMIT: dict[str, Any] = {"invalid_values": "omit"}


def test_what_cannot_be_coerced_is_omitted_and_told() -> None:
    made = plan({"id": TEXT, "email": TEXT, "age": INTEGER, "nick": TEXT}, keys=["id"], **OMIT)
    result = mapped(made, {"id": "1", "email": "nobody", "age": "old", "nick": "ada"})
    assert result == MappedRecord(
        attributes={"externalId": "1", "custom": {"nickStr": "ada"}}, omitted=("email", "age")
    )


def test_the_last_match_key_is_never_omitted() -> None:
    made = plan({"id": TEXT, "email": TEXT, "work_email": TEXT}, keys=["id"], **OMIT)
    rejection = rejected(made, {"id": None, "email": "nobody"})
    assert (rejection.reason, rejection.column) == (Reason.INVALID_FORMAT, "email")
    kept = mapped(made, {"id": None, "email": "nobody", "work_email": "ada@example.com"})
    assert kept.attributes == {"emails": [{"type": "work", "email": "ada@example.com"}]}
    assert kept.omitted == ("email",)


def test_a_companys_name_is_never_omitted() -> None:
    columns = {"id": TEXT, "name": TEXT}
    made = plan(columns, stream="companies", object_type="company", **OMIT)
    assert rejected(made, {"id": "1", "name": "ab"}).reason == Reason.OUT_OF_RANGE


def test_an_omitted_value_clears_nothing() -> None:
    made = customers({"phone": TEXT, "fax": TEXT, **LINK}, lists="replace", **OMIT)
    record = {"phone": "none", "fax": None, "company_id": "x" * 257, "company_name": None}
    assert mapped(made, record) == MappedRecord(attributes={}, omitted=("phone", "company_id"))


def test_half_a_name_is_not_sent_for_the_whole() -> None:
    made = customers({"first_name": TEXT, "last_name": TEXT}, **OMIT)
    result = mapped(made, {"first_name": "Ada", "last_name": []})
    assert (result.attributes, result.omitted) == ({}, ("last_name",))


def test_a_list_that_is_too_long_is_omitted_whole() -> None:
    made = customers({"tags": TEXT}, **OMIT)
    result = mapped(made, {"tags": ",".join(f"t{number}" for number in range(21))})
    assert (result.attributes, result.omitted) == ({}, ("tags",))


def test_a_rejection_names_attribute_and_column_and_no_value() -> None:
    made = companies({"annual_revenue": INTEGER})
    assert rejected(made, {"annual_revenue": "lots"}) == Rejection(
        Reason.INVALID_FORMAT,
        attribute="annualRevenueNum",
        column="annual_revenue",
        detail="not a number",
    )


def test_columns_that_the_schema_lacks_are_told_and_not_sent() -> None:
    made = customers({"name": TEXT})
    record = {"name": "Ada", "new": 1, "also": None, "_sdc_table_version": 1}
    assert made.unknown_columns(record) == ("also", "new")
    assert made.unknown_columns({"name": "Ada"}) == ()
    assert made.unknown_columns({}) == ()
    assert mapped(made, record).attributes == {"name": "Ada"}


def test_the_plan_tells_every_column_in_order() -> None:
    made = plan(
        {"id": TEXT, "props": OBJECT, "_sdc_x": TEXT},
        keys=["id"],
        fields={"props.email": "email"},
    )
    assert made.columns == (
        ("id", "externalId"),
        ("props", None),
        ("_sdc_x", None),
        ("props.email", "emails"),
    )


def test_records_do_not_share_what_they_are_given() -> None:
    made = customers({"phone": TEXT, "age": INTEGER}, lists="replace")
    first, second = (mapped(made, {"phone": None, "age": 1}) for _ in range(2))
    assert first.attributes["phones"] is not second.attributes["phones"]
    assert first.attributes["custom"] is not second.attributes["custom"]
