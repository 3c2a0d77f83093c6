"""Chinook's customers, read from the SQL that ships with the sample database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from target_kustomer.models import CompanyLink, MappedRecord, Reason, Rejection
from tests.mapping.planning import INTEGER, TEXT, plan

SQL = Path(__file__).parents[2] / "../shared/data/chinook/Chinook_PostgreSql.sql"

_INSERT = re.compile(
    r"INSERT INTO customer \(([^)]*)\) VALUES\s*(.*?);\s*$", re.DOTALL | re.MULTILINE
)
_ROW = re.compile(r"^\s*\((.*)\)[,]?$", re.MULTILINE)
_VALUE = re.compile(r"N?'((?:[^']|'')*)'|NULL|(-?[0-9]+)")

COLUMNS = {
    "customer_id": {"type": "integer"},
    "first_name": {"type": "string"},
    "last_name": {"type": "string"},
    "company": TEXT,
    "address": TEXT,
    "city": TEXT,
    "state": TEXT,
    "country": TEXT,
    "postal_code": TEXT,
    "phone": TEXT,
    "fax": TEXT,
    "email": {"type": "string"},
    "support_rep_id": INTEGER,
}

PLAN = plan(COLUMNS, stream="public-customer", keys=["customer_id"], missing_company="create")


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    if not SQL.exists():
        pytest.skip(f"Chinook's data is not at {SQL}")
    insert = _INSERT.search(SQL.read_text(encoding="utf-8"))
    assert insert is not None
    names = [name.strip() for name in insert[1].split(",")]
    return [dict(zip(names, _values(row), strict=True)) for row in _ROW.findall(insert[2])]


def _values(row: str) -> list[Any]:
    values: list[Any] = []
    for each in _VALUE.finditer(row):
        text, number = each.groups()
        quoted = None if text is None else text.replace("''", "'")
        values.append(int(number) if number else quoted)
    return values


def test_all_customers_are_read(records: list[dict[str, Any]]) -> None:
    assert len(records) == 59
    assert {tuple(record) for record in records} == {tuple(COLUMNS)}


def test_only_the_customer_with_an_impossible_number_is_rejected(
    records: list[dict[str, Any]],
) -> None:
    results = {record["customer_id"]: PLAN.map_record(record) for record in records}
    rejections = {key: each for key, each in results.items() if isinstance(each, Rejection)}
    assert list(rejections) == [9]
    assert (rejections[9].reason, rejections[9].attribute, rejections[9].column) == (
        Reason.INVALID_FORMAT,
        "phones",
        "phone",
    )


def test_a_customer_becomes_what_the_table_says() -> None:
    record = {
        "customer_id": 1,
        "first_name": "Luís",
        "last_name": "Gonçalves",
        "company": "Embraer - Empresa Brasileira de Aeronáutica S.A.",
        "address": "Av. Brigadeiro Faria Lima, 2170",
        "city": "São José dos Campos",
        "state": "SP",
        "country": "Brazil",
        "postal_code": "12227-000",
        "phone": "+55 (12) 3923-5555",
        "fax": "+55 (12) 3923-5566",
        "email": "luisg@embraer.com.br",
        "support_rep_id": 3,
    }
    assert PLAN.map_record(record) == MappedRecord(
        attributes={
            "externalId": "1",
            "name": "Luís Gonçalves",
            "locations": [
                {
                    "type": "home",
                    "address": "Av. Brigadeiro Faria Lima, 2170",
                    "cityName": "São José dos Campos",
                    "regionCode": "SP",
                    "regionName": None,
                    "countryCode": None,
                    "countryName": "Brazil",
                    "zipCode": "12227-000",
                }
            ],
            "phones": [{"phone": "+551239235555"}, {"type": "fax", "phone": "+551239235566"}],
            "emails": [{"email": "luisg@embraer.com.br"}],
            "custom": {"supportRepIdNum": 3},
        },
        link=CompanyLink(name="Embraer - Empresa Brasileira de Aeronáutica S.A."),
    )
