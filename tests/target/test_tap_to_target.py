from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from typing_extensions import override

from target_kustomer.target import TargetKustomer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import requests_mock

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

SHOP = "https://shop.example"

COMPANIES = [
    {"id": 1, "name": "Example Gardens", "website": "https://gardens.example"},
    {"id": 2, "name": "Sample Mills", "website": None},
]
CUSTOMERS = [
    {
        "id": number,
        "first_name": "Ada",
        "last_name": f"Example{number}",
        "email": f"ada{number}@shop.example",
        "company_id": 1 + number % 2,
        "signed_up_at": f"2024-01-{number % 28 + 1:02}T00:00:00+00:00",
        "updated_at": f"2024-02-{number % 28 + 1:02}T00:00:00+00:00",
        "balance": 12.5,
        "vip": number % 2 == 0,
    }
    for number in range(1, 26)
]


class _ShopStream(RESTStream[Any]):
    url_base = SHOP
    records_jsonpath = "$.data[*]"
    primary_keys = ("id",)


class _Companies(_ShopStream):
    name = "companies"
    path = "/companies"
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("name", th.StringType),
        th.Property("website", th.URIType),
    ).to_dict()


class _Customers(_ShopStream):
    name = "customers"
    path = "/customers"
    replication_key = "updated_at"
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType, required=True),
        th.Property("first_name", th.StringType),
        th.Property("last_name", th.StringType),
        th.Property("email", th.EmailType),
        th.Property("company_id", th.IntegerType),
        th.Property("signed_up_at", th.DateTimeType),
        th.Property("updated_at", th.DateTimeType),
        th.Property("balance", th.NumberType),
        th.Property("vip", th.BooleanType),
    ).to_dict()


class TapShop(Tap):
    """A shop with a REST API."""

    name = "tap-shop"
    config_jsonschema = th.PropertiesList().to_dict()

    @override
    def discover_streams(self) -> Sequence[RESTStream[Any]]:
        return [_Companies(self), _Customers(self)]


@pytest.fixture
def shop(requests_mock: requests_mock.Mocker) -> None:
    requests_mock.get(f"{SHOP}/companies", json={"data": COMPANIES})
    requests_mock.get(f"{SHOP}/customers", json={"data": CUSTOMERS})


def _sync(run: Runner, state: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Runs tap and target, and returns the STATE messages that came out."""
    tapped, out = io.StringIO(), io.StringIO()
    tap = TapShop(config={}, state=state)
    with redirect_stdout(tapped):
        tap.sync_all()
    tapped.seek(0)
    with redirect_stdout(out):
        TargetKustomer(config=run.config()).listen(tapped)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.usefixtures("shop")
def test_what_the_tap_reads_is_in_kustomer(run: Runner, simulator: Simulator) -> None:
    states = _sync(run)
    assert len(simulator.org.companies) == 2
    assert len(simulator.org.customers) == 25
    customer = simulator.org.customer(external_id="7")
    company = simulator.org.company(external_id="2")
    assert customer is not None
    assert company is not None
    assert customer.company == company.id
    assert customer.attributes["name"] == "Ada Example7"
    assert customer.attributes["emails"][0]["email"] == "ada7@shop.example"
    assert customer.attributes["signedUpAt"].startswith("2024-01-08T00:00:00")
    assert customer.attributes["custom"]["balanceNum"] == 12.5
    assert customer.attributes["custom"]["vipBool"] is False
    assert customer.attributes["custom"]["updatedAt"].startswith("2024-02-08")
    bookmark = states[-1]["bookmarks"]["customers"]
    assert bookmark["replication_key_value"].startswith("2024-02-26")


@pytest.mark.usefixtures("shop")
def test_a_second_run_goes_on_from_the_state_and_creates_nothing(
    run: Runner, simulator: Simulator
) -> None:
    first = _sync(run)[-1]
    second = _sync(run, first)[-1]
    assert second["bookmarks"]["customers"] == first["bookmarks"]["customers"]
    assert len(simulator.org.customers) == 25
    assert len(simulator.org.companies) == 2
    assert max(each.creates for each in simulator.org.customers) == 1
