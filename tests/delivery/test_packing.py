from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from target_kustomer.checkpoints import Tickets
from target_kustomer.delivery.batches import Batch, Claim, Stream, StreamTrial
from target_kustomer.delivery.packing import Packer
from target_kustomer.models import (
    MappedRecord,
    MatchKey,
    Outcome,
    PreparedRecord,
    SourceRecord,
    Verdict,
)
from tests.support import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable


class Packing:
    """A packer, and the order in which its batches went out."""

    def __init__(self, batch_size: int = 100) -> None:
        self.clock = Clock()
        self.out: list[Batch] = []
        self.packer = Packer(Tickets().open, self.out.append, batch_size, self.clock)
        self._streams: dict[str, Stream] = {}
        self._read = 0

    def stream(self, name: str) -> Stream:
        if name not in self._streams:
            self._streams[name] = Stream(name, "customer", None, (), StreamTrial(name))  # type: ignore[arg-type]
        return self._streams[name]

    def source(self, name: str) -> SourceRecord:
        self._read += 1
        return SourceRecord(name, self._read, self._read, b"", b"")

    def add(self, name: str, writes: Iterable[str], reads: Iterable[str] = ()) -> None:
        record = PreparedRecord(self.source(name), MappedRecord({}), ())
        self.packer.add(self.stream(name), record, claims(writes), claims(reads))

    def add_decided(self, name: str, rejected: Iterable[str] = ()) -> None:
        outcome = Outcome(self.source(name), Verdict.REJECTED)
        keys = [key for _, key in claims(rejected)]
        self.packer.add_decided(self.stream(name), outcome, keys)

    def order(self) -> list[int]:
        return [record.source.ordinal for batch in self.out for record in batch.records]


def claims(values: Iterable[str]) -> list[Claim]:
    return [("customer", MatchKey("externalId", value)) for value in values]


def test_a_full_batch_goes_out() -> None:
    packing = Packing(batch_size=2)
    for value in "abc":
        packing.add("s", value)
    assert packing.order() == [1, 2]
    assert [len(batch) for batch in packing.packer.open_batches] == [1]


def test_a_verdict_without_delivery_counts_as_a_record() -> None:
    packing = Packing(batch_size=2)
    packing.add("s", "a")
    packing.add_decided("s")
    [batch] = packing.out
    assert (len(batch.records), len(batch.decided)) == (1, 1)


def test_what_came_first_goes_out_first_where_a_value_is_shared() -> None:
    packing = Packing(batch_size=3)
    packing.add("companies", "x")
    packing.add("customers", "1", reads="x")
    packing.add("customers", "2")
    packing.add("customers", "3")
    assert [batch.stream.name for batch in packing.out] == ["companies", "customers"]


def test_batches_that_share_nothing_do_not_wait() -> None:
    packing = Packing(batch_size=2)
    packing.add("companies", "x")
    packing.add("customers", "1", reads="y")
    packing.add("customers", "2")
    assert [batch.stream.name for batch in packing.out] == ["customers"]


def test_a_record_goes_out_behind_what_may_be_the_same_through_an_earlier_one() -> None:
    packing = Packing(batch_size=3)
    packing.add("one", "ab")
    packing.add("two", "b")
    packing.add("one", "a")
    packing.packer.flush()
    assert packing.order() == [1, 2, 3]


def test_records_that_only_read_one_value_do_not_wait_for_each_other() -> None:
    packing = Packing(batch_size=2)
    packing.add("one", "1", reads="x")
    packing.add("two", "2", reads="x")
    packing.add("two", "3", reads="x")
    assert [batch.stream.name for batch in packing.out] == ["two"]


def test_a_later_company_goes_out_after_the_customer_that_asked_for_it_before() -> None:
    packing = Packing(batch_size=2)
    packing.add("customers", "1x")
    packing.add("companies", "x")
    packing.add("companies", "y")
    assert packing.order() == [1, 2, 3]


def test_batches_that_would_each_have_to_go_first_are_split() -> None:
    packing = Packing()
    packing.add("one", "a")
    packing.add("two", "a")
    packing.add("two", "b")
    packing.add("one", "b")
    packing.add("two", "b")
    packing.packer.flush()
    assert packing.order() == [1, 2, 3, 4, 5]


def test_a_longer_cycle_is_split_too() -> None:
    packing = Packing()
    for name, values in [("one", "a"), ("two", "ab"), ("three", "bc"), ("one", "c"), ("two", "c")]:
        packing.add(name, values)
    packing.packer.flush()
    assert packing.order() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", range(10))
def test_what_reads_a_value_goes_out_before_what_writes_it_later(seed: int) -> None:
    """A customer that comes before its company does not wait for it, nor may it be overtaken."""
    draw = random.Random(seed)
    packing = Packing(batch_size=4)
    kinds = [draw.choice(["customers", "companies"]) for _ in range(40)]
    values = [draw.choice("abc") for _ in kinds]
    for ordinal, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        if kind == "companies":
            packing.add(kind, [value])
        else:
            packing.add(kind, [f"c{ordinal}"], [value])
    packing.packer.flush()
    place = {ordinal: at for at, ordinal in enumerate(packing.order())}
    for later, kind in enumerate(kinds):
        for earlier in range(later):
            if kind == "customers" and kinds[earlier] == "companies":
                shared = values[earlier] == values[later]
                assert not shared or place[earlier + 1] < place[later + 1]


def test_a_rejected_company_goes_out_before_the_customers_that_name_it() -> None:
    packing = Packing(batch_size=2)
    packing.add_decided("companies", "x")
    packing.add("customers", "1", reads="x")
    packing.add("customers", "2")
    assert [batch.stream.name for batch in packing.out] == ["companies", "customers"]


def test_a_batch_that_fills_slowly_goes_out_at_its_age() -> None:
    packing = Packing()
    packing.add("s", "a")
    packing.packer.flush_aged()
    assert packing.out == []
    packing.clock.sleep(31)
    packing.packer.flush_aged()
    assert packing.order() == [1]


def test_tickets_are_taken_in_the_order_in_which_batches_open() -> None:
    packing = Packing(batch_size=2)
    packing.add("one", "a")
    packing.add("two", "b")
    packing.add("two", "c")
    packing.add("one", "d")
    assert [(batch.stream.name, batch.ticket) for batch in packing.out] == [("two", 2), ("one", 1)]


VALUES = st.sets(st.sampled_from("abcdef"), max_size=2)
NAMES = st.sampled_from(["one", "two", "three"])


class PackerMachine(RuleBasedStateMachine):
    """Whatever comes in whatever order: what shares a value that is written goes out in order."""

    @initialize(batch_size=st.sampled_from([1, 2, 4, 100]))
    def start(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.packing = Packing(batch_size)
        self.writes: list[set[str]] = []
        self.reads: list[set[str]] = []

    @rule(name=NAMES, writes=VALUES, reads=VALUES)
    def add(self, name: str, writes: set[str], reads: set[str]) -> None:
        self.writes.append(writes)
        self.reads.append(reads)
        self.packing.add(name, writes, reads)

    @rule(name=NAMES)
    def change_a_schema(self, name: str) -> None:
        self.packing.packer.flush_stream(name)

    @rule(seconds=st.sampled_from([3, 10, 31]), idle=st.booleans())
    def wait(self, seconds: int, *, idle: bool) -> None:
        self.packing.clock.sleep(seconds)
        self.packing.packer.flush_aged(idle=idle)

    @invariant()
    def is_in_order(self) -> None:
        order = self.packing.order()
        assert len(order) == len(set(order))
        sent = set(order)
        place = {ordinal: at for at, ordinal in enumerate(order)}
        for later in order:
            needed = self.writes[later - 1] | self.reads[later - 1]
            for earlier in range(1, later):
                if self.writes[earlier - 1] & needed:
                    assert earlier in sent
                    assert place[earlier] < place[later]

    @invariant()
    def holds_back_no_full_batch(self) -> None:
        assert all(len(batch) <= self.batch_size for batch in self.packing.out)
        held_back = sum(map(len, self.packing.packer.open_batches))
        assert len(self.packing.order()) + held_back == len(self.writes)

    @override
    def teardown(self) -> None:
        if hasattr(self, "packing"):
            self.packing.packer.flush()
            self.is_in_order()
            assert len(self.packing.order()) == len(self.writes)


TestPacker = PackerMachine.TestCase
