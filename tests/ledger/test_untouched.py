"""Whom nobody has updated since Kustomer listed them need not be asked for."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from target_kustomer.clock import RunClock
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer, Page, Resource
from target_kustomer.models import MatchKey
from target_kustomer.roster import FRESH_SECONDS
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator
from target_kustomer.updates import Updates
from tests.support import CUSTOMERS, Runner, record, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from target_kustomer.models import ObjectType
    from target_kustomer.simulator.objects import StoredObject
    from tests.support import Result

PEOPLE = schema("customers", CUSTOMERS)


class World:
    """An org that a source is loaded into each day, and that an agent works in.

    Args:
        run: Runs the target.
        size: Customers of the source.
    """

    def __init__(self, run: Runner, size: int) -> None:
        self.run = run
        self.org = run.simulator.org
        self.size = size
        self.settings: dict[str, Any] = {"ledger_url": f"sqlite:///{run.folder / 'own.db'}"}
        self.day = 0
        self.spent: dict[str, int] = {}
        self._addresses: dict[int, str] = {}

    def load(self, changed: Iterable[int] = (), more: Iterable[dict[str, Any]] = ()) -> Result:
        """A day's run; these customers have another address in the source since the day before."""
        self.day += 1
        self._addresses |= {each: f"c{each}-day{self.day}@example.com" for each in changed}
        before = self.run.simulator.requests.counts()
        result = self.run([PEOPLE, *map(self.row, range(self.size)), *more], **self.settings)
        after = self.run.simulator.requests.counts()
        self.spent = {each: after[each] - before.get(each, 0) for each in after}
        return result

    def row(self, number: int) -> dict[str, Any]:
        email = self.address(number)
        return record("customers", id=f"c{number}", name=f"Customer {number}", email=email)

    def address(self, number: int) -> str:
        return self._addresses.get(number, f"c{number}@example.com")

    def customer(self, number: int) -> StoredObject:
        found = self.org.customer(external_id=f"c{number}")
        assert found
        return found

    def edit(self, customer: StoredObject, **attributes: Any) -> None:
        """An agent's update; the company stays unless it is among the attributes."""
        change = {"id": customer.id, "company": customer.company, **attributes}
        self.org.write("customer", "update", change, self.org.clock())

    def add_address(self, number: int) -> None:
        """An agent enters a further address."""
        customer = self.customer(number)
        further = {"email": f"agent-{number}@example.com", "type": "other"}
        emails = [
            {name: each[name] for name in ("email", "type") if name in each}
            for each in customer.attributes["emails"]
        ]
        self.edit(customer, emails=[*emails, further])

    def pass_a_day(self) -> None:
        """What was updated until now is listed, and no longer the latest that was."""
        self.edit(self.customer(29), tags=[f"day-{self.day}"])
        self.load(range(20, 25))
        assert (self.listed, self.asked) == (1, 0)

    def emails(self, number: int) -> list[str]:
        return [each["email"] for each in self.customer(number).attributes["emails"]]

    @property
    def asked(self) -> int:
        """Customers that the last run has asked for one by one."""
        return self.spent.get("customer.read", 0)

    @property
    def listed(self) -> int:
        """Pages of customers that the last run has read."""
        return self.spent.get("customer.list", 0)


@pytest.fixture
def world_of(run: Runner) -> Callable[[int], World]:
    return lambda size: World(run, size)


@pytest.fixture
def known(world_of: Callable[[int], World]) -> World:
    """Thirty customers that Kustomer has listed since they were loaded."""
    world = world_of(30)
    world.load()
    world.load(range(25, 30))
    assert (world.listed, world.asked) == (1, 0)
    return world


# What it costs


def test_changed_lists_cost_little_from_the_second_run_on(
    world_of: Callable[[int], World],
) -> None:
    world = world_of(700)
    world.load()
    acme = world.org.add_company({"name": "Acme"})
    for number in range(0, 700, 20):
        world.edit(world.customer(number), company=acme.id)
    world.load(range(500))
    assert (world.listed, world.asked) == (7, 0)
    for number in range(1, 700, 14):
        world.add_address(number)

    result = world.load(range(200, 700))

    assert result.counts() == {"updated": 500, "unchanged": 200}
    assert sum(world.spent.values()) <= 20
    for number in range(700):
        others = [f"agent-{number}@example.com"] if number % 14 == 1 else []
        assert world.emails(number) == [world.address(number), *others]
        assert world.customer(number).company == (None if number % 20 else acme.id)


def test_a_load_is_listed_once_however_large_the_org(run: Runner) -> None:
    for number in range(700):
        run.simulator.org.add_customer({"externalId": f"other{number}"})
    world = World(run, 60)
    world.load()
    world.load(range(30))
    assert (world.listed, world.asked) == (1, 0)
    world.load(range(30, 60))
    assert (world.listed, world.asked) == (1, 0)


def test_a_few_changed_lists_cost_no_more_than_they_are(
    world_of: Callable[[int], World],
) -> None:
    world = world_of(30)
    world.load()
    world.load(range(2))
    assert (world.listed, world.asked) == (0, 2)


def test_a_company_to_be_kept_is_not_asked_for(known: World) -> None:
    acme = known.org.add_company({"name": "Acme"})
    for number in range(10):
        known.edit(known.customer(number), company=acme.id)
    known.pass_a_day()
    ages = [record("customers", id=f"c{number}", age=50) for number in range(20)]

    known.load(more=ages)

    assert (known.listed, known.asked) == (1, 0)
    for number in range(20):
        assert known.customer(number).attributes["custom"]["ageNum"] == 50
        assert known.customer(number).company == (acme.id if number < 10 else None)


def test_who_has_items_of_others_keeps_them(known: World) -> None:
    for number in range(5):
        known.add_address(number)
    known.pass_a_day()

    known.load(range(5))

    for number in range(5):
        assert known.emails(number) == [known.address(number), f"agent-{number}@example.com"]


# What may have changed all the same


@pytest.mark.parametrize("later", [False, True], ids=["at-once", "a-run-later"])
@pytest.mark.parametrize("gained", [True, False], ids=["gained", "lost"])
def test_a_key_that_has_moved_is_followed(known: World, *, later: bool, gained: bool) -> None:
    before = known.customer(1)
    known.edit(before, externalId="moved")
    if gained:
        known.org.add_customer({"externalId": "c1", "emails": [{"email": "kept@example.com"}]})
    if later:
        known.pass_a_day()

    result = known.load([1, *range(10, 15)])

    assert result.exit_code == 0
    assert known.customer(1) is not before
    assert known.emails(1) == [known.address(1), *(["kept@example.com"] if gained else [])]
    assert [each["email"] for each in before.attributes["emails"]] == ["c1@example.com"]


def test_an_address_by_which_a_record_is_known_and_that_has_moved_is_followed(
    run: Runner, tmp_path: Path
) -> None:
    settings = {
        "ledger_url": f"sqlite:///{tmp_path / 'own.db'}",
        "streams": {"people": {"object": "customer", "match_on": ["email"]}},
    }
    columns = schema("people", {"email": CUSTOMERS["email"], "age": CUSTOMERS["age"]}, ["email"])

    def load(age: int) -> int:
        before = run.simulator.requests.counts()
        rows = [record("people", email=f"p{each}@example.com", age=age) for each in range(10)]
        run([columns, *rows], **settings)
        after = run.simulator.requests.counts()
        return after.get("customer.read", 0) - before.get("customer.read", 0)

    org = run.simulator.org
    for age in range(2):
        load(age)
    assert load(2) == 0
    first = org.customer(email="p1@example.com")
    assert first
    change = {"id": first.id, "emails": [{"email": "other@example.com"}]}
    org.write("customer", "update", change, org.clock())
    second = org.add_customer({"emails": [{"email": "p1@example.com"}]})
    load(3)
    load(4)
    assert first.attributes["custom"]["ageNum"] == 2
    assert second.attributes["custom"]["ageNum"] == 4


def test_a_lost_create_of_one_who_was_there_keeps_what_it_has(known: World) -> None:
    theirs = known.org.add_customer(
        {
            "externalId": "c30",
            "name": "Customer 30",
            "emails": [{"email": "c30@example.com"}, {"email": "agent@example.com"}],
        }
    )
    known.load(range(10, 15))
    known.run.simulator.faults.add("reset_after", path_pattern="/customers/bulk$", method="POST")
    known.size = 31
    assert known.load().counts() == {"created": 1, "unchanged": 30}
    known.pass_a_day()

    known.load([30, *range(20, 25)])

    assert known.customer(30) is theirs
    assert known.emails(30) == [known.address(30), "agent@example.com"]


def test_a_list_that_was_there_already_keeps_what_it_has(known: World) -> None:
    address = f"c3-day{known.day + 1}@example.com"
    known.edit(known.customer(3), emails=[{"email": address}, {"email": "agent@example.com"}])
    assert known.load([3]).counts() == {"unchanged": 30}
    known.pass_a_day()

    known.load([3, *range(20, 25)])

    assert known.emails(3) == [known.address(3), "agent@example.com"]


def test_an_item_that_kustomer_has_verified_stays_so(known: World) -> None:
    known.edit(known.customer(3), emails=[{"email": known.address(3), "verified": True}])
    known.pass_a_day()
    [kept] = known.customer(3).attributes["emails"]
    columns = schema("customers", {**CUSTOMERS, "work_email": CUSTOMERS["email"]})
    further = {**known.row(3)["record"], "work_email": "work@example.com"}
    others = [known.row(each)["record"] | {"work_email": f"w{each}@x.com"} for each in range(9)]
    rows = [record("customers", **each) for each in (*others, further)]
    known.run([columns, *rows], **known.settings)
    held = {each["email"]: each for each in known.customer(3).attributes["emails"]}
    assert held[known.address(3)] == kept


def test_what_two_runs_at_once_have_written_and_seen_stays(known: World) -> None:
    """The second one begins and ends while the first one reads."""

    def others() -> Iterator[dict[str, Any]]:
        known.run([PEOPLE, *map(known.row, range(10))], **known.settings)
        for number in range(10):
            known.add_address(number)
        known.run([PEOPLE, *map(known.row, range(10, 20))], **known.settings)
        yield from ()

    known.load(range(20), others())
    known.load(range(20, 25))
    known.load(range(25))
    for number in range(25):
        others_too = [f"agent-{number}@example.com"] if number < 10 else []
        assert known.emails(number) == [known.address(number), *others_too]


def test_a_machine_whose_clock_is_ahead_misses_nothing(
    known: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = RunClock.time
    monkeypatch.setattr(RunClock, "time", lambda clock: time(clock) + 10 * 86_400)
    known.load(range(20, 25))
    known.add_address(1)
    known.load(range(20, 25))
    monkeypatch.undo()
    known.load(range(10))
    assert known.emails(1) == [known.address(1), "agent-1@example.com"]


def test_an_update_of_the_very_moment_that_was_read_is_read_again(tmp_path: Path) -> None:
    with Simulator(rate_limit=100_000, clock=lambda: 1_700_000_000.0, job_seconds=0.0) as frozen:
        world = World(Runner(frozen, tmp_path), 30)
        world.load()
        world.load(range(20, 25))
        world.add_address(1)
        world.load(range(10))
        assert world.emails(1) == [world.address(1), "agent-1@example.com"]


@pytest.mark.parametrize("way", ["merge", "delete", "vanish"])
def test_one_who_is_gone_is_found_or_created_anew(known: World, way: str) -> None:
    gone = known.customer(1)
    if way == "merge":
        known.org.merge(gone.id, known.org.add_customer({"name": "Winner"}).id)
    elif way == "delete":
        known.org.delete(gone.id)
        gone.attributes["externalId"] = "gone"
    else:
        known.org.vanish(gone.id)
    result = known.load([1, *range(10, 15)], [])
    if way != "delete":  # Kustomer keeps the identifiers of those that are deleted
        assert result.exit_code == 0
        assert known.address(1) in known.emails(1)


def test_a_company_that_is_gone_without_a_word_is_not_sent_along(known: World) -> None:
    acme = known.org.add_company({"name": "Acme"})
    known.edit(known.customer(1), company=acme.id)
    known.pass_a_day()
    known.customer(1).company = None
    known.org.vanish(acme.id)

    result = known.load([1, *range(10, 15)])

    assert result.counts() == {"updated": 6, "unchanged": 24}
    assert known.emails(1) == [known.address(1)]


def test_what_was_confirmed_long_ago_is_read_though_nobody_has_updated_it(known: World) -> None:
    further = {"email": "quietly@example.com", "type": "other", "verified": False}
    known.customer(1).attributes["emails"].append(further)
    known.settings["resync_after_days"] = 0
    known.load([1, *range(10, 15)])
    assert known.emails(1) == [known.address(1), "quietly@example.com"]


def test_one_of_whom_the_ledger_knew_nothing_is_read_once(known: World) -> None:
    known.org.add_customer(
        {"externalId": "c30", "emails": [{"email": "agent@example.com"}], "name": "Customer 30"}
    )
    known.load(range(10, 15))
    known.size = 31
    known.load(range(15, 20))
    known.load([30, *range(20, 25)])
    assert known.emails(30) == [known.address(30), "c30@example.com", "agent@example.com"][::2]


# The reading


class _Memory:
    """Remembers whom it was told of, and as what."""

    remembers = True

    def __init__(self) -> None:
        self.until = ""
        self.names: dict[str, str] = {}

    def read_until(self, _object_type: ObjectType) -> str:
        return self.until

    def unseen(self) -> int | None:
        return None

    def see(self, _object_type: ObjectType, resources: Sequence[Resource]) -> tuple[int, str]:
        self.names |= {each.id: each.attributes["name"] for each in resources}
        return 0, ""

    def note_read(self, _object_type: ObjectType, until: str) -> None:
        self.until = until


class _Clock(RunClock):
    ahead = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class _Reading:
    """Updates of the simulator's org, read step by step."""

    def __init__(self, simulator: Simulator, client: Client, clock: _Clock) -> None:
        self.simulator = simulator
        self.clock = clock
        self.memory = _Memory()
        self.updates = Updates(Kustomer(client), clock, self.memory)

    def read(self, pages: int = 100) -> None:
        until = self.requests + pages
        self.updates.read_while(lambda _read, _left: self.requests < until)

    @property
    def requests(self) -> int:
        return self.simulator.requests.counts().get("customer.list", 0)

    def update(self, customer: StoredObject, name: str = "New") -> None:
        org = self.simulator.org
        org.write("customer", "update", {"id": customer.id, "name": name}, org.clock())


@contextmanager
def _reading_of(simulator: Simulator) -> Iterator[_Reading]:
    clock = _Clock()
    config = {"api_key": simulator.api_key, "api_url": simulator.url}
    client = Client(Settings.from_config(config), clock)
    try:
        yield _Reading(simulator, client, clock)
    finally:
        client.close()


@pytest.fixture
def reading() -> Iterator[_Reading]:
    """Of a server on which each thing happens a second after the one before."""
    seconds = count(1_700_000_000)
    with Simulator(clock=lambda: float(next(seconds))) as simulator, _reading_of(simulator) as read:
        yield read


def _fill(simulator: Simulator, number: int) -> list[StoredObject]:
    """So many customers; the later one was updated later."""
    return [simulator.org.add_customer({"name": "Old"}) for _ in range(number)]


def test_only_who_was_updated_since_is_listed(reading: _Reading) -> None:
    people = _fill(reading.simulator, 250)
    reading.read()
    before = reading.requests
    reading.update(people[7])
    reading.read()
    assert reading.requests == before
    reading.clock.ahead = FRESH_SECONDS
    reading.read()
    assert reading.requests == before + 1
    assert reading.memory.names[people[7].id] == "New"


def test_a_reading_that_broke_off_counts_for_nothing(reading: _Reading) -> None:
    _fill(reading.simulator, 250)
    reading.read(2)
    assert not reading.updates.is_read
    assert reading.memory.until == ""
    reading.read()
    assert len(reading.memory.names) == 250
    assert reading.memory.until


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_who_leaves_a_page_while_the_list_is_read_hides_nobody(
    reading: _Reading, pages: int
) -> None:
    """One of the first page is deleted, one further back and one from without are updated."""
    outside = _fill(reading.simulator, 50)
    reading.read()
    people = _fill(reading.simulator, 450)
    reading.memory.names.clear()
    reading.clock.ahead = FRESH_SECONDS
    reading.read(pages)
    reading.simulator.org.delete(people[-1].id)
    reading.update(people[10])
    reading.update(outside[0])
    reading.read()
    assert reading.updates.is_read
    assert {each.id for each in people[:-1]} <= set(reading.memory.names)
    assert reading.memory.names[people[10].id] == "New"


def test_an_org_where_agents_never_rest_is_read_to_its_end(
    reading: _Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = _fill(reading.simulator, 600)
    page_of, turns = Kustomer.page_of, count()

    def busy(kustomer: Kustomer, *args: Any) -> Page:
        page = page_of(kustomer, *args)
        turn = next(turns)
        for each in (people[(turn * 97) % 600], people[(turn * 211 + 5) % 600]):
            reading.update(each, f"Turn {turn}")
        return page

    monkeypatch.setattr(Kustomer, "page_of", busy)
    reading.updates.read_while(lambda _read, _left: True)
    assert reading.updates.is_read
    assert set(reading.memory.names) == {each.id for each in people}
    last = {f"Turn {next(turns) - 1}"}
    for each in people:
        now = each.attributes["name"]
        assert reading.memory.names[each.id] == now or now in last
    assert reading.requests <= 12


def test_what_this_run_writes_is_not_known_from_an_older_page(reading: _Reading) -> None:
    [person] = _fill(reading.simulator, 1)
    reading.read()
    key = MatchKey("id", person.id)
    assert reading.updates.find(key)
    reading.updates.note_written(person.id, [])
    assert reading.updates.find(key) is None
