"""Gathers what a run does while it goes: in bounded memory, from any thread, without values."""

from __future__ import annotations

import copy
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from target_kustomer.report.durations import Durations
from target_kustomer.report.timeline import Timeline
from target_kustomer.settlement import BatchSettled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_kustomer.clock import Clock
    from target_kustomer.delivery.polling import JobEnded
    from target_kustomer.kustomer.client import Exchange
    from target_kustomer.models import Outcome, Verdict
    from target_kustomer.settlement import RecordsPassed

Phase = Literal["start", "waiting_for_stdin", "reading", "waiting_for_delivery", "settling"]
"""What the reading thread does: check the key, wait for the tap, read and map, wait since the
pipeline is full, and let everything settle when the reading has ended."""

_MAX_REASONS = 1000
"""Of reasons by stream, attribute and column; what comes beyond is counted without the names."""


class Phases:
    """Where the time of the reading thread goes; the phases add up to the whole run."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._now: Phase = "start"
        self._since = self.started = clock.monotonic()
        self.seconds: dict[Phase, float] = {}

    def enter(self, phase: Phase) -> None:
        """From now on it does this."""
        now = self._clock.monotonic()
        self.seconds[self._now] = self.seconds.get(self._now, 0.0) + now - self._since
        self._now, self._since = phase, now

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """While this lasts it does this, then again what it did before."""
        before = self._now
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)


@dataclass
class Calls:
    """The requests of one kind.

    Attributes:
        retries: How many of them were sent again.
        answered: How many had which status.
        failed: How many had no answer, by the name of the failure.
        seconds: From the request to its answer, or to the failure.
        waits: How many waited for the budget, and for how many seconds in all.
    """

    retries: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    seconds: Durations = field(default_factory=Durations)
    waits: int = 0
    waited: float = 0.0


@dataclass
class Jobs:
    """The bulk jobs of one kind; ``done`` by the server's stamps, where it has them."""

    items: int = 0
    known: Durations = field(default_factory=Durations)
    done: Durations = field(default_factory=Durations)


@dataclass
class Gathered:
    """What has been gathered.

    Attributes:
        timeline: Requests, verdicts and the seconds of ``stalled``.
        calls: By kind, method and object.
        jobs: By verb and object.
        verdicts: By stream.
        reasons: Rejections by stream, reason, attribute and column.
        deleted: Records that deleted something, by stream; they are among the updated.
        deleted_by_version: Objects that a version has left behind and that were deleted, by stream.
        kept: What versions leave behind and could not be deleted, by stream and reason.
        delivered: Records whose verdict came from delivery, not from the ledger or the mapping.
        limit: Requests of the whole org in a minute, as Kustomer told it last.
        stalled: The seconds in which at least one request waited for the budget.
    """

    timeline: Timeline = field(default_factory=Timeline)
    calls: dict[tuple[str, str, str], Calls] = field(default_factory=lambda: defaultdict(Calls))
    jobs: dict[tuple[str, str], Jobs] = field(default_factory=lambda: defaultdict(Jobs))
    verdicts: dict[str, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    deleted_by_version: Counter[str] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    delivered: int = 0
    limit: int | None = None
    stalled: float = 0.0


class Gathering:
    """Listens to the client, to the bulk jobs and to the settling thread.

    Args:
        clock: Time.
        started: When the run began, by the clock's ``monotonic``.
    """

    def __init__(self, clock: Clock, started: float) -> None:
        self._clock = clock
        self._started = started
        self._lock = threading.Lock()
        self._gathered = Gathered()
        self._stalled_until = started

    def exchanged(self, exchange: Exchange) -> None:
        """A request had its answer, or will get none."""
        key = (exchange.kind, exchange.method, exchange.object_type or "")
        with self._lock:
            calls = self._gathered.calls[key]
            calls.retries += exchange.attempt > 1
            if exchange.status is not None:
                calls.answered[exchange.status] += 1
            else:
                calls.failed[exchange.error or ""] += 1
            calls.seconds.add(exchange.seconds)
            self._gathered.limit = exchange.limit or self._gathered.limit
            self._gathered.timeline.add("requests", exchange.started - self._started)
            if exchange.waited:
                calls.waits += 1
                calls.waited += exchange.waited
                self._note_wait(exchange.started, exchange.waited)

    def job_ended(self, job: JobEnded) -> None:
        """A bulk job is done."""
        with self._lock:
            jobs = self._gathered.jobs[job.verb, job.object_type]
            jobs.items += job.items
            jobs.known.add(job.known_after)
            if job.done_after is not None:
                jobs.done.add(job.done_after)

    def settled(self, event: BatchSettled | RecordsPassed) -> None:
        """Records have their verdict."""
        counts = Counter(each.verdict for each in event.outcomes)
        seconds = self._clock.monotonic() - self._started
        with self._lock:
            self._gathered.verdicts[event.stream].update(counts)
            for verdict, count in counts.items():
                self._gathered.timeline.add(verdict.value, seconds, count)
            if isinstance(event, BatchSettled):
                self._gathered.delivered += len(event.outcomes) - event.decided
                self._gathered.deleted[event.stream] += sum(each.deleted for each in event.outcomes)
                if event.left_behind:
                    self._gathered.deleted_by_version[event.stream] += event.left_behind.deleted
                    for reason, count in event.left_behind.rejected.items():
                        self._gathered.kept[event.stream, reason.value] += count
                for outcome in event.outcomes:
                    self._note_rejection(event.stream, outcome)

    def snapshot(self) -> Gathered:
        """What has been gathered so far; others may go on."""
        with self._lock:
            return copy.deepcopy(self._gathered)

    def _note_wait(self, until: float, seconds: float) -> None:
        """A request waited until then; where several wait at a time, that time counts once."""
        since = max(until - seconds, self._stalled_until)
        if until > since:
            self._gathered.stalled += until - since
            self._gathered.timeline.spread("stalled", since - self._started, until - self._started)
        self._stalled_until = max(self._stalled_until, until)

    def _note_rejection(self, stream: str, outcome: Outcome) -> None:
        rejection = outcome.rejection
        if rejection is None:
            return
        reasons = self._gathered.reasons
        key = (stream, rejection.reason.value, rejection.attribute or "", rejection.column or "")
        if key not in reasons and len(reasons) >= _MAX_REASONS:
            key = ("", rejection.reason.value, "", "")
        reasons[key] += 1
