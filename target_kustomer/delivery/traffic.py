"""What the workers are doing: whether a batch could soon add to a request that is not full."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sized

    from target_kustomer.clock import Clock

Verb = Literal["create", "update", "delete"]
"""What a job does; a batch does one after the other, in this order."""

Doing = Literal["resolving", "idle", "resting"] | Verb
"""A worker makes its batch ready, has part of it in a job, has no batch, or waits for another."""

_VERBS: tuple[Verb, ...] = get_args(Verb)

LINGER_SECONDS = 2.0
"""So long at most a request waits for more items, since STATE waits with it."""

_GRACE_SECONDS = 0.1
"""By so much a batch may come later than the last ones let expect."""


class Traffic:
    """The workers and the batches that come to them; shared by all.

    Attributes:
        clock: Time, as all of delivery has it.
        queue: The batches that no worker has begun.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._workers: dict[int, Callable[[], Doing]] = {}
        self._arrived_at = float("-inf")
        self._gap = float("inf")
        self.queue: Sized = ()

    def arrived(self) -> None:
        """A batch came from stdin."""
        now = self.clock.monotonic()
        self._gap, self._arrived_at = now - self._arrived_at, now

    def ended(self) -> None:
        """No more batches will come."""
        self._gap = float("inf")

    @contextmanager
    def doing(self, what: Callable[[], Doing]) -> Iterator[None]:
        """While this lasts, the thread is a worker that does what it is asked for here.

        It is asked by other threads. A worker whose wait is over is resolving again from that
        moment on, whether or not its thread has woken up yet.
        """
        me = threading.get_ident()
        with self._lock:
            before = self._workers.get(me)
            self._workers[me] = what
        try:
            yield
        finally:
            with self._lock:
                if before:
                    self._workers[me] = before
                else:
                    del self._workers[me]

    @contextmanager
    def resting(self, over: Callable[[], bool]) -> Iterator[None]:
        """The thread waits for another batch, until this is so."""
        with self.doing(lambda: "resolving" if over() else "resting"):
            yield

    def could_add(self, verb: Verb) -> bool:
        """Whether a batch could soon have something to do this to, as far as can be told.

        One that is being resolved could; so could one that waits for its creates have updates, and
        one that is to come have anything, where there is a worker for it.
        """
        with self._lock:
            doing = {what() for what in self._workers.values()}
        before = _VERBS[: _VERBS.index(verb)]
        if "resolving" in doing or not doing.isdisjoint(before):
            return True
        return self._more_to_come() and not doing.isdisjoint({*_VERBS, "idle"})

    def _more_to_come(self) -> bool:
        since = self.clock.monotonic() - self._arrived_at
        soon = self._gap <= LINGER_SECONDS and since <= 2 * self._gap + _GRACE_SECONDS
        return soon or len(self.queue) > 0
