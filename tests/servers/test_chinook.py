from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.postgresql import PostgreSQL
    from tests.servers.conftest import Pipe

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]

STREAM = "public-customer"
IMPOSSIBLE_PHONE = 9
E164 = re.compile(r"\+[1-9]\d{6,14}")


def source_rows(postgresql: PostgreSQL, database: str) -> dict[int, dict[str, Any]]:
    return {row["customer_id"]: row for row in postgresql.rows(database, "customer")}


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def test_customers_arrive_as_the_source_has_them(
    pipe: Pipe, simulator: Simulator, postgresql: PostgreSQL, chinook: str
) -> None:
    run = pipe.run(chinook, {STREAM: {}}, missing_company="create")

    assert run.exit_code == 3, run.log
    assert json.loads(run.stdout.splitlines()[-1]) == {"bookmarks": {STREAM: {}}}
    assert run.counts(STREAM) == {"created": 58, "rejected": 1}
    [rejected] = run.rejected
    assert rejected["record"]["customer_id"] == IMPOSSIBLE_PHONE
    rejection = rejected["rejection"]
    assert (rejection["reason"], rejection["column"]) == ("invalid_format", "phone")

    rows = source_rows(postgresql, chinook)
    loaded = {int(each.attributes["externalId"]): each for each in simulator.org.customers}
    assert set(loaded) == set(rows) - {IMPOSSIBLE_PHONE}
    for key, customer in loaded.items():
        row, attributes = rows[key], customer.attributes
        assert attributes["name"] == f"{row['first_name']} {row['last_name']}"
        assert [each["email"] for each in attributes["emails"]] == [row["email"]]
        assert attributes["custom"] == {"supportRepIdNum": row["support_rep_id"]}
        assert type(attributes["custom"]["supportRepIdNum"]) in {int, float}


def test_address_columns_become_one_location(
    pipe: Pipe, simulator: Simulator, postgresql: PostgreSQL, chinook: str
) -> None:
    pipe.run(chinook, {STREAM: {}}, missing_company="create")

    rows = source_rows(postgresql, chinook)
    assert len(simulator.org.customers) == 58
    for customer in simulator.org.customers:
        row = rows[int(customer.attributes["externalId"])]
        [location] = customer.attributes["locations"]
        assert location["type"] == "home"
        assert location["address"] == row["address"].strip()
        assert location["cityName"] == row["city"].strip()
        assert location.get("zipCode") == row["postal_code"]
        region = location.get("regionCode") or location.get("regionName")
        assert region == row["state"]
        country = "US" if row["country"] == "USA" else row["country"]
        assert (location.get("countryCode") or location.get("countryName")) == country


def test_phones_are_e164(
    pipe: Pipe, simulator: Simulator, postgresql: PostgreSQL, chinook: str
) -> None:
    pipe.run(chinook, {STREAM: {}}, missing_company="create")

    rows = source_rows(postgresql, chinook)
    phones = {
        int(each.attributes["externalId"]): [
            phone["phone"] for phone in each.attributes.get("phones", [])
        ]
        for each in simulator.org.customers
    }
    for key, sent in phones.items():
        named = {digits(rows[key][column]) for column in ("phone", "fax") if rows[key][column]}
        assert len(sent) == len(named)
        assert all(E164.fullmatch(number) for number in sent)
    assert phones[1] == ["+551239235555", "+551239235566"]
    assert phones[2] == ["+497112842222"]
    assert phones[45] == []


def test_the_ten_companies_named_are_linked(
    pipe: Pipe, simulator: Simulator, postgresql: PostgreSQL, chinook: str
) -> None:
    pipe.run(chinook, {STREAM: {}}, missing_company="create")

    rows = source_rows(postgresql, chinook)
    names = sorted(row["company"] for row in rows.values() if row["company"])
    assert len(names) == 10
    assert sorted(each.attributes["name"] for each in simulator.org.companies) == names
    company_names = {each.id: each.attributes["name"] for each in simulator.org.companies}
    for customer in simulator.org.customers:
        row = rows[int(customer.attributes["externalId"])]
        linked = company_names[customer.company] if customer.company else None
        assert linked == row["company"]


def test_with_invalid_values_omitted_no_customer_is_rejected(
    pipe: Pipe, simulator: Simulator, chinook: str
) -> None:
    run = pipe.run(chinook, {STREAM: {}}, missing_company="create", invalid_values="omit")

    assert run.exit_code == 0, run.log
    assert run.rejected == []
    assert run.counts(STREAM) == {"created": 59}
    customer = simulator.org.customer(external_id=str(IMPOSSIBLE_PHONE))
    assert customer is not None
    assert "phones" not in customer.attributes


def test_a_second_run_updates_in_place_and_creates_nothing(
    pipe: Pipe, simulator: Simulator, chinook: str
) -> None:
    pipe.run(chinook, {STREAM: {}}, missing_company="create")
    before = {each.id: each.attributes["externalId"] for each in simulator.org.customers}
    companies = {each.id for each in simulator.org.companies}

    run = pipe.run(chinook, {STREAM: {}}, missing_company="create")

    assert run.exit_code == 3, run.log
    assert run.counts(STREAM) == {"updated": 58, "rejected": 1}
    assert {each.id: each.attributes["externalId"] for each in simulator.org.customers} == before
    assert {each.id for each in simulator.org.companies} == companies
    assert all(each.creates == 1 for each in simulator.org.customers)
