"""Bulk requests that several batches fill together: who opens one leads it, the others wait."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_kustomer.delivery.split import Fill
from target_kustomer.delivery.traffic import LINGER_SECONDS, Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.delivery.batches import StreamTrial
    from target_kustomer.delivery.results import ItemResult
    from target_kustomer.delivery.traffic import Doing, Traffic
    from target_kustomer.models import Attributes, ObjectType

_LOOK_SECONDS = 0.02
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Kind:
    """What the items of one request have in common.

    Attributes:
        trial: Their stream's; none for companies that customers name.
    """

    verb: Verb
    object_type: ObjectType
    trial: StreamTrial | None = None


@dataclass(slots=True, eq=False)
class Item:
    """What a batch wants to be written, and what became of it."""

    payload: Attributes
    call: Call
    result: ItemResult | None = None


@dataclass(slots=True, eq=False)
class Shared:
    """A request that fills up, goes out and ends.

    Attributes:
        items: In the order in which they came.
        gone: Whether nothing may be added any more.
        over: Set when its items have their results, or never will.
        error: Why they never will.
    """

    kind: Kind
    items: list[Item] = field(default_factory=list)
    fill: Fill = field(default_factory=Fill)
    gone: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class Call:
    """A batch's items of one kind: in requests that it leads, and in one that another leads."""

    kind: Kind
    items: list[Item] = field(default_factory=list)
    led: list[Shared] = field(default_factory=list)
    followed: list[Shared] = field(default_factory=list)

    def doing(self) -> Doing:
        """What the batch's worker is doing while the requests last."""
        waiting = [each for each in (*self.led, *self.followed) if not each.over.is_set()]
        if not waiting:
            return "resolving"
        return self.kind.verb if all(each.gone for each in waiting) else "resting"

    def results(self) -> list[ItemResult]:
        """The results of the items, in their order, when all requests are over.

        Raises:
            BaseException: What a request failed with before all of these items had a result.
        """
        results = [item.result for item in self.items if item.result]
        if len(results) < len(self.items):
            raise next(each.error for each in (*self.led, *self.followed) if each.error)
        return results


class Sharing:
    """The requests that are not full yet, one of each kind."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._clock = traffic.clock
        self._lock = threading.Lock()
        self._open: dict[Kind, Shared] = {}

    def join(self, kind: Kind, payloads: Sequence[Attributes]) -> Call:
        """Put the payloads where there is room, and the rest into new requests."""
        call = Call(kind)
        call.items += [Item(payload, call) for payload in payloads]
        with self._lock:
            for item in call.items:
                self._put(call, item)
        return call

    def depart(self, shared: Shared) -> None:
        """Wait until the request is full, or no batch could add to it soon; it goes out then.

        What a stream tries before Kustomer has taken anything of it goes at once.
        """
        until = self._clock.monotonic() + LINGER_SECONDS
        trial = shared.kind.trial
        tried = trial is None or trial.accepted.is_set()
        while (
            tried
            and not shared.gone
            and self._clock.monotonic() < until
            and self._traffic.could_add(shared.kind.verb)
        ):
            self._clock.sleep(_LOOK_SECONDS)
        with self._lock:
            self._close(shared)

    def end(self, led: Sequence[Shared], error: BaseException | None) -> None:
        """The requests are over: each item has its result, or an error tells why not."""
        with self._lock:
            for shared in led:
                self._close(shared)
                shared.error = error
                shared.over.set()

    def await_others(self, call: Call) -> None:
        """Wait for the requests that others lead."""
        for shared in call.followed:
            while not shared.over.wait(_POLL_SECONDS):
                self._clock.sleep(0)

    def _put(self, call: Call, item: Item) -> None:
        shared = self._open.get(call.kind)
        if shared and not shared.fill.take(item.payload):
            self._close(shared)
            shared = None
        if shared is None:
            shared = self._open[call.kind] = Shared(call.kind)
            shared.fill.take(item.payload)
            call.led.append(shared)
        elif shared not in call.led and shared not in call.followed:
            call.followed.append(shared)
        shared.items.append(item)
        if shared.fill.is_full:
            self._close(shared)

    def _close(self, shared: Shared) -> None:
        shared.gone = True
        if self._open.get(shared.kind) is shared:
            del self._open[shared.kind]
