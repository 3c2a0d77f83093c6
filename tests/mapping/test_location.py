from __future__ import annotations

from typing import Any

import pytest

from target_kustomer.mapping.location import country_code
from target_kustomer.models import Reason
from tests.mapping.planning import INTEGER, TEXT, companies, customers, labels, mapped, rejected

ADDRESS = {"city": TEXT, "state": TEXT, "country": TEXT}
BOTH = {"city": TEXT, "country": TEXT, "country_code": TEXT}


def location(columns: dict[str, Any], record: dict[str, Any], **options: Any) -> Any:
    return mapped(customers(columns, **options), record).attributes.get("locations")


@pytest.mark.parametrize(
    ("place", "code"),
    [("us", "US"), ("USA", "US"), (" deu ", "DE"), ("XYZ", None), ("U", None), ("Germany", None)],
)
def test_codes_of_two_or_three_letters_are_known(place: str, code: str | None) -> None:
    assert country_code(place) == code


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        ({"state": "ny"}, {"regionCode": "NY", "regionName": None}),
        ({"state": "New York"}, {"regionCode": None, "regionName": "New York"}),
        ({"state": "N"}, {"regionCode": "N", "regionName": None}),
        ({"state": "NSW"}, {"regionCode": None, "regionName": "NSW"}),
        ({"country": "us"}, {"countryCode": "US", "countryName": None}),
        ({"country": "usa"}, {"countryCode": "US", "countryName": None}),
        ({"country": "XYZ"}, {"countryCode": None, "countryName": "XYZ"}),
        ({"country": "Brazil"}, {"countryCode": None, "countryName": "Brazil"}),
        ({"country": None}, {"countryCode": None, "countryName": None}),
    ],
)
def test_short_places_are_codes_and_what_is_set_clears_the_other(
    record: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert location(ADDRESS, {"city": "X", **record}) == [{"type": "home", "cityName": "X", **sent}]


@pytest.mark.parametrize(
    ("record", "sent"),
    [
        (
            {"country": "Brazil", "country_code": "br"},
            {"countryCode": "BR", "countryName": "Brazil"},
        ),
        (
            {"country": "Brazil", "country_code": None},
            {"countryCode": None, "countryName": "Brazil"},
        ),
        ({"country": None, "country_code": "BRA"}, {"countryCode": "BR", "countryName": None}),
        ({"country": "AT", "country_code": "DE"}, {"countryCode": "DE", "countryName": None}),
        ({"country": "AUT", "country_code": None}, {"countryCode": "AT", "countryName": None}),
        ({"country": "Brazil"}, {"countryName": "Brazil"}),
        ({"country_code": "BR"}, {"countryCode": "BR"}),
    ],
)
def test_code_and_name_with_a_column_each_do_not_clear_each_other(
    record: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert location(BOTH, {"city": "X", **record}) == [{"type": "home", "cityName": "X", **sent}]


def test_null_parts_are_sent_and_absent_ones_are_not() -> None:
    columns = {"address": TEXT, "city": TEXT, "zip": TEXT}
    sent = [{"type": "home", "address": "1 Main St", "cityName": None}]
    record = {"address": "1 Main St", "city": " "}
    assert location(columns, record) == sent
    assert location(columns, record, nulls="ignore") == sent


def test_where_all_parts_are_null_the_list_is() -> None:
    record = {"city": None, "state": "", "country": None}
    assert location(ADDRESS, record) is None
    assert location(ADDRESS, record, lists="replace") == []
    assert location(ADDRESS, record, lists="replace", nulls="ignore") is None


def test_a_company_has_its_location_at_work() -> None:
    sent = mapped(companies({"company_city": TEXT}), {"company_city": "Rome"}).attributes
    assert sent == {"locations": [{"type": "work", "cityName": "Rome"}]}


@pytest.mark.parametrize("column", ["state", "province", "region", "country", "latitude"])
def test_places_without_an_address_are_custom(column: str) -> None:
    assert labels(customers({column: TEXT})) == {column: f"{column}Str"}


def test_an_address_in_fields_needs_no_street_or_city() -> None:
    made = customers({"shop_state": TEXT}, fields={"shop_state": "state"})
    assert mapped(made, {"shop_state": "NY"}).attributes == {
        "locations": [{"type": "home", "regionCode": "NY", "regionName": None}]
    }


def test_a_city_placed_by_fields_does_not_count_as_an_address() -> None:
    made = customers({"city": TEXT, "country": TEXT}, fields={"city": "hometown"})
    assert labels(made) == {"city": "hometownStr", "country": "countryStr"}


def test_coordinates_are_numbers() -> None:
    columns = {"city": TEXT, "latitude": TEXT, "longitude": {"type": "number"}}
    assert location(columns, {"latitude": "41.9", "longitude": 12.5}) == [
        {"type": "home", "latitude": 41.9, "longitude": 12.5}
    ]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("address", "a" * 257, Reason.TOO_LONG),
        ("address2", "a" * 257, Reason.TOO_LONG),
        ("address3", "a" * 257, Reason.TOO_LONG),
        ("city", "c" * 129, Reason.TOO_LONG),
        ("state", "s" * 129, Reason.TOO_LONG),
        ("country", "c" * 65, Reason.TOO_LONG),
        ("country", "c", Reason.OUT_OF_RANGE),
        ("zip", "z" * 31, Reason.TOO_LONG),
        ("latitude", "north", Reason.INVALID_FORMAT),
        ("city", [], Reason.INVALID_TYPE),
        ("country", {}, Reason.INVALID_TYPE),
    ],
)
def test_parts_beyond_their_limits_reject_the_record(
    column: str, value: Any, reason: Reason
) -> None:
    names = ("address", "address2", "address3", "city", "state", "country", "zip", "latitude")
    rejection = rejected(customers(dict.fromkeys(names, TEXT)), {column: value})
    assert (rejection.reason, rejection.attribute, rejection.column) == (
        reason,
        "locations",
        column,
    )


def test_omitting_a_part_omits_the_location() -> None:
    made = customers({"city": TEXT, "zip": TEXT}, invalid_values="omit")
    sent = mapped(made, {"city": "Rome", "zip": "z" * 31})
    assert (sent.attributes, sent.omitted) == ({}, ("zip",))


def test_numbers_serve_as_zip_codes_only() -> None:
    made = customers({"zip": INTEGER, "city": INTEGER, "street": TEXT})
    assert labels(made) == {
        "zip": "locations.zipCode",
        "city": "cityNum",
        "street": "locations.address",
    }


def test_own_locations_and_address_columns_come_together() -> None:
    made = customers({"locations": {"type": "array"}, "city": TEXT})
    sent = mapped(made, {"locations": [{"type": "work", "cityName": "Bern"}], "city": "Rome"})
    assert sent.attributes["locations"] == [
        {"type": "home", "cityName": "Rome"},
        {"type": "work", "cityName": "Bern"},
    ]
