"""Who listens to the client is told of each request as it went out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_kustomer.exceptions import RefusedError, UnreachableError
from target_kustomer.kustomer.client import Client, Exchange
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support import Clock


@pytest.fixture
def limited(clock: Clock) -> Iterator[Simulator]:
    with Simulator(clock=clock.time, rate_limit=100) as running:
        yield running


@pytest.fixture
def told() -> list[Exchange]:
    return []


@pytest.fixture
def api(limited: Simulator, clock: Clock, told: list[Exchange]) -> Iterator[Kustomer]:
    config = {"api_key": limited.api_key, "api_url": limited.url}
    client = Client(Settings.from_config(config), clock)
    client.on_exchange.append(told.append)
    yield Kustomer(client)
    client.close()


def test_each_request_is_told_with_its_answer(
    api: Kustomer, limited: Simulator, told: list[Exchange]
) -> None:
    customer = limited.org.add_customer({"name": "one"}).id
    api.key()
    api.read("customer", customer)
    api.read("company", "5f" * 12)
    api.update("customer", customer, {"name": "two"})
    with pytest.raises(RefusedError):
        api.submit("create", "company", [{"name": 7}], repeatable=False)
    log = limited.requests.entries
    assert [(each.method, each.status) for each in told] == [
        (each.method, each.status) for each in log
    ]
    assert [(each.kind, each.object_type) for each in told] == [
        ("check of the key", None),
        ("reading of a customer", "customer"),
        ("reading of a company", "company"),
        ("update of a customer", "customer"),
        ("bulk create of company records", "company"),
    ]
    assert [each.attempt for each in told] == [1] * 5
    assert [each.limit for each in told] == [100] * 5


def test_what_is_sent_again_is_told_with_its_attempts_and_its_wait(
    api: Kustomer, limited: Simulator, told: list[Exchange]
) -> None:
    limited.faults.add("reset_before")
    limited.faults.add("502_html")
    limited.faults.add("429", seconds=40)
    api.key()
    assert [(each.attempt, each.status) for each in told] == [
        (1, None),
        (2, 502),
        (3, 429),
        (4, 200),
    ]
    assert [bool(each.error) for each in told] == [True, False, False, False]
    assert told[-1].waited == pytest.approx(40, abs=1)
    assert told[-1].started - told[-2].started == pytest.approx(40, abs=1)


def test_the_last_try_is_told_too(limited: Simulator, clock: Clock, told: list[Exchange]) -> None:
    config = {"api_key": limited.api_key, "api_url": limited.url, "retry_deadline_seconds": 0}
    client = Client(Settings.from_config(config), clock)
    client.on_exchange.append(told.append)
    limited.faults.add("500", times=None)
    with pytest.raises(UnreachableError):
        Kustomer(client).key()
    client.close()
    assert [each.status for each in told] == [500]
