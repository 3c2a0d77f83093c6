"""Workers that deliver batches while the reading goes on, and keep them out of each other's way."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from target_kustomer.exceptions import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_kustomer.delivery.batches import Batch, Claim
    from target_kustomer.delivery.traffic import Traffic
    from target_kustomer.models import Outcome

_POLL_SECONDS = 0.1
"""How often a wait looks whether the run is ending."""


_NEWS_SECONDS = 10.0
"""How long the first batch of a stream may take to tell what the others will meet."""


class Flight:
    """A batch on its way through the pipeline.

    Args:
        batch: What it carries.
        after: Earlier flights that hold one of its key values.
        ahead: All earlier flights of the pipeline.
        traffic: Is told of the flight's waits.
    """

    def __init__(
        self, batch: Batch, after: Iterable[Flight], ahead: Sequence[Flight], traffic: Traffic
    ) -> None:
        self.batch = batch
        self._after = tuple(after)
        self._ahead = tuple(ahead)
        self._clock = traffic.clock
        self._traffic = traffic
        self._ids: set[str] = set()
        self._located = threading.Event()
        self._landed = threading.Event()
        self._has_tried = False
        self._crashed = False

    def await_turn(self) -> None:
        """Wait for the earlier flights that hold one of this one's key values."""
        for flight in self._after:
            flight.await_landing()
        self._after = ()

    def await_trial(self) -> None:
        """Let earlier batches of the stream try alone until Kustomer takes anything of it.

        A fault of the whole stream then costs the org no flood of requests. Once its turn has come,
        a flight goes on to its end, so that all that it was refused is told.

        Raises:
            ConfigurationError: They were all refused.
        """
        if self._has_tried:
            return
        trial = self.batch.stream.trial
        for flight in self._ahead:
            if flight.batch.stream.trial is trial:
                flight.await_landing(unless=trial.accepted)
        trial.check()
        self._has_tried = True

    def await_news(self) -> None:
        """Wait until a batch of the stream tells whether its records are in Kustomer already.

        But not for long: then the others create as if they were not.
        """
        trial = self.batch.stream.trial
        before = [each for each in self._ahead if each.batch.stream.trial is trial]
        until = self._clock.monotonic() + _NEWS_SECONDS
        with self._traffic.resting(trial.told.is_set):
            while not all(each.has_landed for each in before) and self._clock.monotonic() < until:
                if trial.told.wait(_POLL_SECONDS):
                    return
                self._clock.sleep(0)

    def claim(self, ids: Iterable[str], *, last: bool) -> set[str]:
        """Claim Kustomer ids for a write; which of them an earlier flight held until now.

        Records may be one customer without sharing a key value in the stream (one matched by
        external id, one by e-mail). So an update waits until each earlier flight knows what it
        updates, and for those that update the same; what was read before may be old then. A flight
        that has landed is told of once: what is read afterwards is what it left.

        Args:
            ids: Those to be written.
            last: Whether nothing else that was read before is claimed after this.
        """
        wanted = set(ids)
        self._ids |= wanted
        held: set[str] = set()
        for flight in self._ahead if wanted else ():
            shared = flight.await_location() & wanted
            if shared:
                flight.await_landing()
                held |= shared
        if last:
            self._ahead = tuple(each for each in self._ahead if not each.has_landed)
        return held

    @property
    def is_located(self) -> bool:
        """Whether it is known what this flight updates."""
        return self._located.is_set()

    @property
    def has_landed(self) -> bool:
        """Whether every record of this flight has its verdict."""
        return self._landed.is_set()

    def await_location(self) -> set[str]:
        """Wait until this flight knows what it updates: the ids."""
        self._await(self._located)
        return self._ids

    def await_landing(self, unless: threading.Event | None = None) -> None:
        """Wait until every record of this flight has its verdict, or the event makes it moot."""
        self._await(self._landed, unless)

    def located(self) -> None:
        """All ids that this flight will ever claim are claimed."""
        self._located.set()

    def land(self, *, crashed: bool = False) -> None:
        """The flight is over: every record has its verdict, or none will get one."""
        self._crashed = crashed
        self._ahead = ()
        self._located.set()
        self._landed.set()

    def _await(self, event: threading.Event, unless: threading.Event | None = None) -> None:
        with self._traffic.resting(lambda: event.is_set() or bool(unless and unless.is_set())):
            while not event.is_set():
                if (unless or event).wait(_POLL_SECONDS) and unless:
                    return
                self._clock.sleep(0)
        if self._crashed:
            raise StoppedError


class Pipeline:
    """A bounded queue of batches and the worker threads that deliver them, first in first out.

    Args:
        deliver: Delivers one flight's batch; returns a verdict for each record.
        settle: Takes a batch with its verdicts; called on the worker's thread.
        failed: Called once, on the worker's thread, when a worker fails.
        workers: Threads; a flight holds one from its start to its verdicts.
        traffic: Is told what the workers are doing.
    """

    def __init__(
        self,
        deliver: Callable[[Flight], Sequence[Outcome]],
        settle: Callable[[Batch, Sequence[Outcome]], None],
        failed: Callable[[BaseException], None],
        workers: int,
        traffic: Traffic,
    ) -> None:
        self._deliver = deliver
        self._settle = settle
        self._failed = failed
        self._clock = traffic.clock
        self._capacity = 2 * workers
        self._changed = threading.Condition()
        self._waiting: deque[Flight] = deque()
        self._traffic = traffic
        traffic.queue = self._waiting
        self._flying: list[Flight] = []
        self._writers: dict[Claim, Flight] = {}
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"delivery-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def submit(self, batch: Batch, interrupted: Callable[[], bool]) -> None:
        """Queue a batch; blocks while the pipeline is full.

        Raises:
            StoppedError: ``interrupted`` said so while there was no room.
        """
        with self._changed:
            while len(self._flying) >= self._capacity:
                if interrupted():
                    raise StoppedError
                self._changed.wait(_POLL_SECONDS)
            after = {
                id(flight): flight
                for claim in (*batch.writes, *batch.reads)
                if (flight := self._writers.get(claim))
            }
            after |= {id(each): each for each in self._flying if batch.goes_after(each.batch)}
            flight = Flight(batch, after.values(), self._flying, self._traffic)
            self._flying.append(flight)
            self._waiting.append(flight)
            self._traffic.arrived()
            self._writers.update(dict.fromkeys(batch.writes, flight))
            self._changed.notify_all()

    @property
    def batches(self) -> list[Batch]:
        """The batches that have not landed."""
        with self._changed:
            return [flight.batch for flight in self._flying]

    @property
    def unlocated(self) -> list[Batch]:
        """The batches of which it is not known yet what they update."""
        with self._changed:
            return [flight.batch for flight in self._flying if not flight.is_located]

    def close(self) -> None:
        """No more batches will come: workers leave when the queue is empty."""
        self._traffic.ended()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> int:
        """Take back what no worker has begun; the records in it."""
        self._traffic.ended()
        with self._changed:
            count = sum(len(flight.batch) for flight in self._waiting)
            self._waiting.clear()
            self._closed = True
            self._changed.notify_all()
        return count

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the workers for so long; whether all have left."""
        deadline = self._clock.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(deadline - self._clock.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        with self._traffic.doing(lambda: "resolving"):
            self._deliver_all()

    def _deliver_all(self) -> None:
        while (flight := self._next()) is not None:
            try:
                flight.await_turn()
                outcomes = self._deliver(flight)
                self._settle(flight.batch, outcomes)
                flight.batch.stream.trial.check()
            except StoppedError:
                flight.land(crashed=True)
                return
            except BaseException as error:  # noqa: BLE001  the worker's boundary: it fails the run
                flight.land(crashed=True)
                self._failed(error)
                return
            self._land(flight)

    def _next(self) -> Flight | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                with self._traffic.doing(lambda: "idle"):
                    self._changed.wait()
            return self._waiting.popleft()

    def _land(self, flight: Flight) -> None:
        flight.land()
        with self._changed:
            self._flying.remove(flight)
            for claim in flight.batch.writes:
                if self._writers.get(claim) is flight:
                    del self._writers[claim]
            self._changed.notify_all()
