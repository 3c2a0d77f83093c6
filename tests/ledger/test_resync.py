"""When a record is compared with Kustomer again: ``resync_after_days``, 30 in these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.clock import RunClock
from tests.support import CUSTOMERS, record, schema

if TYPE_CHECKING:
    from pathlib import Path

    from target_kustomer.simulator.objects import StoredObject
    from tests.support import Result, Runner

PEOPLE = schema("customers", CUSTOMERS)


class Days:
    """Runs of one customer's source, days apart."""

    def __init__(self, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run = run
        self.now = 0
        self._settings: dict[str, Any] = {"ledger_url": f"sqlite:///{tmp_path / 'own.db'}"}
        time = RunClock.time
        monkeypatch.setattr(RunClock, "time", lambda clock: time(clock) + self.now * 86_400)

    def load(self, age: int) -> Result:
        return self.send([PEOPLE, record("customers", id="c", name="Ann", age=age)])

    def send(self, messages: Any) -> Result:
        return self.run(messages, **self._settings)

    @property
    def customer(self) -> StoredObject:
        found = self.run.simulator.org.customer(external_id="c")
        assert found
        return found

    @property
    def age(self) -> int:
        return int(self.customer.attributes["custom"]["ageNum"])


@pytest.fixture
def days(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Days:
    return Days(run, tmp_path, monkeypatch)


@pytest.mark.parametrize("changes", [True, False])
def test_an_attribute_is_compared_again_however_often_another_one_changes(
    days: Days, *, changes: bool
) -> None:
    days.load(0)
    days.customer.attributes["name"] = "By an agent"
    for days.now in (10, 20, 29):
        days.load(days.now if changes else 0)
        assert days.customer.attributes["name"] == "By an agent"
    days.now = 31
    assert days.load(29 if changes else 0).counts() == {"updated": 1}
    assert days.customer.attributes["name"] == "Ann"


def test_what_was_compared_is_not_compared_again_at_once(days: Days) -> None:
    for days.now in (0, 20, 31):
        days.load(days.now)
    days.customer.attributes["name"] = "By an agent"
    before = days.run.simulator.requests.counts().get("customer.read", 0)
    days.now = 60
    assert days.load(31).counts() == {"unchanged": 1}
    assert days.load(60).counts() == {"updated": 1}
    assert days.run.simulator.requests.counts().get("customer.read", 0) == before
    assert days.customer.attributes["name"] == "By an agent"


def test_a_reject_that_is_older_than_a_change_of_a_part_is_stale(days: Days) -> None:
    days.load(0)
    refused = {1}
    days.run.simulator.org.refuse_item_if(
        lambda item: (item.get("custom") or {}).get("ageNum") in refused
    )
    days.now = 1
    rejected = days.load(1)
    assert rejected.reasons == {"c": "refused"}
    refused.clear()
    days.now = 2
    assert days.load(2).counts() == {"updated": 1}
    days.now = 3
    assert days.send(rejected.rejects_bytes).counts() == {"skipped": 1}
    assert days.age == 2
