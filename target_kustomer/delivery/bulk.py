"""Bulk jobs: submitted, halved when refused as a whole, polled until each item's fate is known."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from target_kustomer.delivery.masking import mask_others
from target_kustomer.delivery.polling import JobEnded, seconds_between
from target_kustomer.delivery.results import (
    Batches,
    ItemResult,
    ItemState,
    accounted,
    all_completed,
    completed_at,
    read_deleted,
    read_results,
)
from target_kustomer.delivery.sharing import Kind, Sharing
from target_kustomer.delivery.split import split_in_halves
from target_kustomer.exceptions import (
    LostAnswerError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_kustomer.delivery.batches import StreamTrial
    from target_kustomer.delivery.lost import LostAnswers
    from target_kustomer.delivery.polling import JobTimes
    from target_kustomer.delivery.sharing import Item, Shared
    from target_kustomer.delivery.traffic import Traffic, Verb
    from target_kustomer.kustomer.endpoints import Kustomer, SubmittedJob
    from target_kustomer.models import Attributes, ObjectType
    from target_kustomer.settings import Settings

logger = logging.getLogger(__name__)

_SPLITTABLE = {400, 413}
"""Refusals of a request as a whole that halving can pin on single records (design 1.7)."""

_SLOT_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Piece:
    """Items that go in one request.

    Attributes:
        lost_since: Since when an answer to it has been missing.
        after_lost: Whether an earlier, unanswered try may have done the same.
    """

    items: Sequence[Item]
    lost_since: float | None = None
    after_lost: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    """A job in flight and the items that it holds."""

    items: Sequence[Item]
    submitted: SubmittedJob
    submitted_at: float
    after_lost: bool


class BulkJobs:
    """Runs bulk jobs for all workers and keeps the unsettled ones below the settings' limit.

    Batches that want the same at the same time share requests.

    Attributes:
        on_job: Who is told of each job that is done, in the thread that waited for it.
    """

    def __init__(
        self,
        kustomer: Kustomer,
        lost_answers: LostAnswers,
        times: JobTimes,
        settings: Settings,
        traffic: Traffic,
    ) -> None:
        self.on_job: list[Callable[[JobEnded], None]] = []
        self._kustomer = kustomer
        self._lost_answers = lost_answers
        self._times = times
        self._settings = settings
        self._clock = traffic.clock
        self._traffic = traffic
        self._sharing = Sharing(traffic)
        self._slots = threading.BoundedSemaphore(settings.max_parallel_requests)

    def run(
        self,
        verb: Verb,
        object_type: ObjectType,
        payloads: Sequence[Attributes],
        trial: StreamTrial | None = None,
    ) -> list[ItemResult]:
        """Create, update or delete all payloads; the result of each, in their order.

        Args:
            verb: What to do; only customers have a delete of their own.
            object_type: What the payloads are.
            payloads: Attributes as they are sent, but for a create with ``id``.
            trial: The stream's, which is told when Kustomer takes a request.

        Raises:
            UnreachableError: A job did not end, or no answer came, within the deadlines.
            AccessError: The key or its roles are refused.
        """
        if verb != "create":
            self._lost_answers.outlast(payload["id"] for payload in payloads)
        call = self._sharing.join(Kind(verb, object_type, trial), payloads)
        with self._traffic.doing(call.doing):
            if call.led:
                self._lead(call.led)
            self._sharing.await_others(call)
        return call.results()

    def _lead(self, led: Sequence[Shared]) -> None:
        """See the requests through to their end, for all whose items they hold."""
        failure = None
        try:
            self._sharing.depart(led[-1])
            self._send(_Run(led))
        except BaseException as error:  # noqa: BLE001  raised again for whom it concerns
            failure = error
        self._sharing.end(led, failure)

    def _send(self, run: _Run) -> None:
        try:
            while run.pending or run.jobs:
                if run.pending and self._take_slot(wait=not run.jobs):
                    self._submit(run, run.pending.popleft())
                else:
                    self._settle(run, run.jobs.popleft())
        finally:
            for _ in run.jobs:  # where this run failed, others may still settle
                self._slots.release()

    def _take_slot(self, *, wait: bool) -> bool:
        """A slot for one more job. Who has jobs in flight never waits: no deadlock."""
        while not self._slots.acquire(blocking=False):
            if not wait:
                return False
            self._clock.sleep(_SLOT_POLL_SECONDS)
        return True

    def _submit(self, run: _Run, piece: _Piece) -> None:
        try:
            submitted = self._kustomer.submit(
                run.kind.verb,
                run.kind.object_type,
                [{**item.payload, "_clientRef": str(n)} for n, item in enumerate(piece.items)],
                repeatable=run.kind.verb != "create" or self._resendable(run, piece),
            )
        except RefusedError as error:
            self._slots.release()
            run.refuse(piece, error)
        except NotFoundError as error:
            self._slots.release()
            if run.kind.verb != "delete":
                raise
            run.refuse(piece, error)
        except LostAnswerError as error:
            self._slots.release()
            self._recover(run, piece, error)
        except BaseException:
            self._slots.release()
            raise
        else:
            run.accepted()
            lost = piece.after_lost or piece.lost_since is not None
            after_lost = submitted.after_lost or lost
            now = self._clock.monotonic()
            run.jobs.append(_Job(piece.items, submitted, now, after_lost))

    def _resendable(self, run: _Run, piece: _Piece) -> bool:
        """Whether Kustomer itself refuses what a lost request has created already."""
        object_type = run.kind.object_type
        return object_type == "customer" and all(
            self._lost_answers.findable(object_type, item.payload) for item in piece.items
        )

    def _recover(self, run: _Run, piece: _Piece, error: LostAnswerError) -> None:
        """Look for what a create without an answer may have written; send the rest again.

        At least once, and until ``retry_deadline_seconds`` after the first answer was lost.
        """
        now = self._clock.monotonic()
        since = piece.lost_since if piece.lost_since is not None else now
        logger.warning("no answer to a create (%s): looking for its records", error)
        payloads = [item.payload for item in piece.items]
        known = self._lost_answers.look_for(run.kind.object_type, payloads)
        for item, result in zip(piece.items, known, strict=True):
            item.result = result
        missing = [item for item in piece.items if not item.result]
        if missing and now - since > self._settings.retry_deadline_seconds:
            msg = (
                f"Kustomer did not answer ({error}) within "
                f"{self._settings.retry_deadline_seconds:g} s: check Kustomer's status, then run "
                "again: the last STATE is safe"
            )
            raise UnreachableError(msg) from error
        if missing:
            run.pending.appendleft(_Piece(missing, lost_since=since))

    def _settle(self, run: _Run, job: _Job) -> None:
        try:
            batches = self._await(run.kind, job)
        finally:
            self._slots.release()
        if run.kind.verb == "delete":
            ids = [item.payload["id"] for item in job.items]
            results = read_deleted(batches, ids, after_lost=job.after_lost)
        else:
            refs = [str(number) for number in range(len(job.items))]
            results = read_results(batches, refs, after_lost=job.after_lost)
        for item, result in zip(job.items, results, strict=True):
            item.result = _masked(result, item, job.items)
        if run.kind.verb == "update" and job.after_lost:
            ids = [item.payload["id"] for item in job.items]
            self._lost_answers.note_update(ids, self._elapsed(job))

    def _await(self, kind: Kind, job: _Job) -> Batches:
        with self._times.watch() as watch:
            while True:
                elapsed = self._elapsed(job)
                if wait := watch.wait_seconds(elapsed):
                    self._clock.sleep(wait)
                elif batches := self._finished(job):
                    took = seconds_between(job.submitted.created_at, completed_at(batches))
                    known_after = self._elapsed(job)
                    watch.told_done(known_after, took)
                    size = len(job.items)
                    ended = JobEnded(kind.verb, kind.object_type, size, known_after, took)
                    for listener in self.on_job:
                        listener(ended)
                    return batches
                elif elapsed > self._settings.job_timeout_seconds:
                    msg = (
                        "a bulk job was not done within "
                        f"{self._settings.job_timeout_seconds:g} s (job_timeout_seconds): check "
                        "Kustomer's status, then run again: the last STATE is safe"
                    )
                    raise UnreachableError(msg)
                else:
                    watch.told_too_early()

    def _finished(self, job: _Job) -> Batches | None:
        """The batches of the job when it is done, by one question [API §2.5]."""
        try:
            batches = self._kustomer.batches(job.submitted.id)
        except NotFoundError:
            return None
        whole = all_completed(batches) and (
            accounted(batches) >= len(job.items) or self._kustomer.job_completed(job.submitted.id)
        )
        return batches if whole else None

    def _elapsed(self, job: _Job) -> float:
        return self._clock.monotonic() - job.submitted_at


class _Run:
    """Requests of one kind: what of them waits to be sent, and what is in flight."""

    def __init__(self, led: Sequence[Shared]) -> None:
        self.kind = led[0].kind
        self.pending = deque(_Piece(shared.items) for shared in led)
        self.jobs: deque[_Job] = deque()

    def accepted(self) -> None:
        """Kustomer has taken a request."""
        if self.kind.trial:
            self.kind.trial.accepted.set()

    def refuse(self, piece: _Piece, error: RefusedError | NotFoundError) -> None:
        """Halve what was refused as a whole, until the culprits stand alone."""
        missing = isinstance(error, NotFoundError)
        after_lost = piece.after_lost or error.after_lost
        if len(piece.items) == 1:
            duplicate = isinstance(error, RefusedError) and error.duplicate
            piece.items[0].result = ItemResult(
                ItemState.DUPLICATE if duplicate else ItemState.REFUSED,
                detail=error.detail,
                status=None if missing else error.status,
                after_lost=after_lost,
            )
        elif missing or error.status in _SPLITTABLE:
            halves = split_in_halves(piece.items)
            self.pending.extendleft(
                _Piece(half, piece.lost_since, after_lost) for half in reversed(halves)
            )
        else:
            msg = f"Kustomer answered HTTP {error.status} to a {error}, which no setting mends"
            raise UnreachableError(msg) from error


def _masked(result: ItemResult, item: Item, items: Sequence[Item]) -> ItemResult:
    """The result without what it may tell of the records of other batches (design 1.8)."""
    others = [each.payload for each in items if each.call is not item.call]
    if not (result.detail and others):
        return result
    return replace(result, detail=mask_others(result.detail, item.payload, others))
