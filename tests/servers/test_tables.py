from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.postgresql import PostgreSQL
    from tests.servers.conftest import Pipe
    from tests.support import Result

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]

STREAMS = {
    name: {"replication-method": "INCREMENTAL", "replication-key": "changed_at"}
    for name in ("public-companies", "public-customers")
}
ADA = "00000000-0000-0000-0000-000000000001"
SETTINGS = {"streams": {"public-customers": {"fields": {"profile.plan": "planStr"}}}}


def last_state(run: Result) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return state


def test_a_foreign_key_links_customers_to_their_companies(
    pipe: Pipe, simulator: Simulator, shop: str
) -> None:
    run = pipe.run(shop, STREAMS, **SETTINGS)

    assert run.exit_code == 0, run.log
    assert run.counts("public-companies") == {"created": 2}
    assert run.counts("public-customers") == {"created": 3}
    company_names = {each.id: each.attributes["name"] for each in simulator.org.companies}
    assert {
        each.attributes["emails"][0]["email"]: company_names.get(each.company or "")
        for each in simulator.org.customers
    } == {
        "ada@example.com": "Example Gardens",
        "bo@example.com": "Placeholder Bakery",
        "cy@example.com": None,
    }


def test_column_types_decide_the_attributes(pipe: Pipe, simulator: Simulator, shop: str) -> None:
    pipe.run(shop, STREAMS, **SETTINGS)

    company = simulator.org.company(external_id="1")
    assert company is not None
    assert company.attributes["domains"] == [{"domain": "gardens.example.com"}]
    assert company.attributes["employeeCount"] == 42
    assert company.attributes["tags"] == ["wholesale", "spring"]
    assert company.attributes["custom"]["foundedOnAt"].startswith("1999-12-31T00:00:00")
    customer = simulator.org.customer(external_id=ADA)
    assert customer is not None
    assert customer.attributes["name"] == "Ada Example"
    assert customer.attributes["signedUpAt"].startswith("2021-03-02T09:30:00")
    custom = customer.attributes["custom"]
    assert (custom["vipBool"], custom["balanceNum"], custom["planStr"]) == (True, 1042.5, "gold")
    assert set(custom) == {"vipBool", "balanceNum", "planStr", "changedAt"}


def test_the_state_that_comes_out_lets_the_tap_go_on_from_there(
    pipe: Pipe, simulator: Simulator, postgresql: PostgreSQL, shop: str
) -> None:
    first = pipe.run(shop, STREAMS, **SETTINGS)
    change = "UPDATE customers SET vip = false, changed_at = '2026-02-01Z' WHERE vip"
    postgresql.run("-c", change, database=shop)

    second = pipe.run(shop, STREAMS, state=last_state(first), **SETTINGS)

    assert second.exit_code == 0, second.log
    # The tap sends again what bears the very time at which it stopped.
    assert second.counts("public-customers") == {"updated": 2}
    customer = simulator.org.customer(external_id=ADA)
    assert customer is not None
    assert customer.attributes["custom"]["vipBool"] is False
    bookmark = last_state(second)["bookmarks"]["public-customers"]
    assert bookmark["replication_key_value"].startswith("2026-02-01T00:00:00")
