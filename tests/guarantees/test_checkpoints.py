from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from target_kustomer.checkpoints import Checkpoints, Tickets


class AnyOrder(RuleBasedStateMachine):
    """Batches open, settle in any order, and STATE comes at any time between them."""

    opened = Bundle("opened")

    @initialize()
    def begin(self) -> None:
        self.tickets = Tickets()
        self.emitted: list[dict[str, Any]] = []
        self.checkpoints = Checkpoints(self.emitted.append)
        self.unsettled: dict[int, int] = {}
        self.line = 0
        self.read: list[dict[str, Any]] = []

    @rule(target=opened)
    def open(self) -> int:
        self.line += 1
        ticket = self.tickets.open()
        self.unsettled[ticket] = self.line
        return ticket

    @rule(ticket=consumes(opened))
    def settle(self, ticket: int) -> None:
        self.checkpoints.confirm(ticket, self.unsettled.pop(ticket))

    @rule(times=st.integers(1, 3))
    def read_state(self, times: int) -> None:
        for _ in range(times):
            state = {"number": len(self.read), "covers": frozenset(range(1, self.tickets.next))}
            self.read.append(state)
            self.checkpoints.checkpoint(state, self.tickets.next)

    @invariant()
    def nothing_is_acknowledged_before_it_is_settled(self) -> None:
        for state in self.emitted:
            assert state["covers"].isdisjoint(self.unsettled)

    @invariant()
    def what_may_go_out_has_gone_out(self) -> None:
        due = [state for state in self.read if state["covers"].isdisjoint(self.unsettled)]
        assert self.emitted[-1:] == due[-1:]

    @invariant()
    def no_line_counts_as_settled_that_an_open_batch_may_hold(self) -> None:
        assert self.checkpoints.settled_lines <= min(self.unsettled.values(), default=self.line)

    @invariant()
    def state_never_goes_back_and_never_comes_twice(self) -> None:
        numbers = [state["number"] for state in self.emitted]
        assert numbers == sorted(set(numbers))


test_any_order_of_batches_and_states = AnyOrder.TestCase
