"""Bulk jobs: submitted, halved when refused as a whole, polled until each item's fate is known."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from target_kustomer.delivery.polling import seconds_between
from target_kustomer.delivery.results import (
    Batches,
    ItemResult,
    ItemState,
    accounted,
    all_completed,
    completed_at,
    read_results,
)
from target_kustomer.delivery.split import split_by_size, split_in_halves
from target_kustomer.exceptions import (
    LostAnswerError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from target_kustomer.settings import MAX_BULK_ITEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.delivery.lost import LostAnswers
    from target_kustomer.delivery.polling import JobTimes
    from target_kustomer.kustomer.endpoints import Kustomer, SubmittedJob
    from target_kustomer.models import Attributes, ObjectType
    from target_kustomer.settings import Settings

logger = logging.getLogger(__name__)

Verb = Literal["create", "update"]

_SPLITTABLE = {400, 413}
"""Refusals of a request as a whole that halving can pin on single records (design 1.7)."""

_SLOT_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Piece:
    """Items that go in one request, by their index, and since when an answer has been missing."""

    indexes: Sequence[int]
    lost_since: float | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A job in flight and the items that it holds."""

    indexes: Sequence[int]
    submitted: SubmittedJob
    submitted_at: float
    after_lost: bool


class BulkJobs:
    """Runs bulk jobs for all workers and keeps the unsettled ones below the settings' limit."""

    def __init__(
        self,
        kustomer: Kustomer,
        lost_answers: LostAnswers,
        times: JobTimes,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._kustomer = kustomer
        self._lost_answers = lost_answers
        self._times = times
        self._settings = settings
        self._clock = clock
        self._slots = threading.BoundedSemaphore(settings.max_parallel_requests)

    def run(
        self,
        verb: Verb,
        object_type: ObjectType,
        payloads: Sequence[Attributes],
        accepted: Callable[[], None] = lambda: None,
    ) -> list[ItemResult]:
        """Create or update all payloads; the result of each, in their order.

        Args:
            verb: What to do.
            object_type: What the payloads are.
            payloads: Attributes as they are sent; for an update with ``id``.
            accepted: Called when Kustomer takes a request.

        Raises:
            UnreachableError: A job did not end, or no answer came, within the deadlines.
            AccessError: The key or its roles are refused.
        """
        run = _Run(verb, object_type, payloads, accepted)
        if verb == "update":
            self._lost_answers.outlast(payload["id"] for payload in payloads)
        try:
            while run.pending or run.jobs:
                if run.pending and self._take_slot(wait=not run.jobs):
                    self._submit(run, run.pending.popleft())
                else:
                    self._settle(run, run.jobs.popleft())
        finally:
            for _ in run.jobs:  # where this call failed, others may still settle
                self._slots.release()
        return [run.results[index] for index in range(len(payloads))]

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
                run.verb,
                run.object_type,
                [{**run.payloads[index], "_clientRef": str(index)} for index in piece.indexes],
                repeatable=run.verb == "update" or self._resendable(run, piece),
            )
        except RefusedError as error:
            self._slots.release()
            run.refuse(piece, error)
        except LostAnswerError as error:
            self._slots.release()
            self._recover(run, piece, error)
        except BaseException:
            self._slots.release()
            raise
        else:
            run.accepted()
            after_lost = submitted.after_lost or piece.lost_since is not None
            now = self._clock.monotonic()
            run.jobs.append(_Job(piece.indexes, submitted, now, after_lost))

    def _resendable(self, run: _Run, piece: _Piece) -> bool:
        """Whether Kustomer itself refuses what a lost request has created already."""
        return run.object_type == "customer" and all(
            self._lost_answers.findable(run.object_type, run.payloads[index])
            for index in piece.indexes
        )

    def _recover(self, run: _Run, piece: _Piece, error: LostAnswerError) -> None:
        """Look for what a create without an answer may have written; send the rest again.

        At least once, and until ``retry_deadline_seconds`` after the first answer was lost.
        """
        now = self._clock.monotonic()
        since = piece.lost_since if piece.lost_since is not None else now
        logger.warning("no answer to a create (%s): looking for its records", error)
        missing = []
        for index, result in zip(
            piece.indexes,
            self._lost_answers.look_for(
                run.object_type, [run.payloads[index] for index in piece.indexes]
            ),
            strict=True,
        ):
            if result is None:
                missing.append(index)
            else:
                run.results[index] = result
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
            batches = self._await(job)
        finally:
            self._slots.release()
        elapsed = self._elapsed(job)
        took = seconds_between(job.submitted.created_at, completed_at(batches))
        self._times.record(min(took, elapsed) if took is not None else elapsed)
        refs = [str(index) for index in job.indexes]
        results = read_results(batches, refs, after_lost=job.after_lost)
        run.results.update(zip(job.indexes, results, strict=True))
        if run.verb == "update" and job.after_lost:
            ids = [run.payloads[index]["id"] for index in job.indexes]
            self._lost_answers.note_update(ids, elapsed)

    def _await(self, job: _Job) -> Batches:
        self._clock.sleep(self._times.first_wait_seconds(self._elapsed(job)))
        while (batches := self._finished(job)) is None:
            elapsed = self._elapsed(job)
            if elapsed > self._settings.job_timeout_seconds:
                msg = (
                    f"a bulk job was not done within {self._settings.job_timeout_seconds:g} s "
                    "(job_timeout_seconds): check Kustomer's status, then run again: the last "
                    "STATE is safe"
                )
                raise UnreachableError(msg)
            self._clock.sleep(self._times.next_wait_seconds(elapsed))
        return batches

    def _finished(self, job: _Job) -> Batches | None:
        """The batches of the job when it is done, by one question [API §2.5]."""
        try:
            batches = self._kustomer.batches(job.submitted.id)
        except NotFoundError:
            return None
        whole = all_completed(batches) and (
            accounted(batches) >= len(job.indexes) or self._kustomer.job_completed(job.submitted.id)
        )
        return batches if whole else None

    def _elapsed(self, job: _Job) -> float:
        return self._clock.monotonic() - job.submitted_at


class _Run:
    """The items of one call: waiting to be sent, in flight, and with a result."""

    def __init__(
        self,
        verb: Verb,
        object_type: ObjectType,
        payloads: Sequence[Attributes],
        accepted: Callable[[], None],
    ) -> None:
        self.verb = verb
        self.object_type = object_type
        self.payloads = payloads
        self.accepted = accepted
        self.pending = deque(_Piece(part) for part in split_by_size(payloads, MAX_BULK_ITEMS))
        self.jobs: deque[_Job] = deque()
        self.results: dict[int, ItemResult] = {}

    def refuse(self, piece: _Piece, error: RefusedError) -> None:
        """Halve what was refused as a whole, until the culprits stand alone."""
        if len(piece.indexes) == 1:
            self.results[piece.indexes[0]] = ItemResult(
                ItemState.DUPLICATE if error.duplicate else ItemState.REFUSED,
                detail=error.detail,
                status=error.status,
            )
        elif error.status in _SPLITTABLE:
            halves = split_in_halves(piece.indexes)
            self.pending.extendleft(_Piece(half, piece.lost_since) for half in reversed(halves))
        else:
            msg = f"Kustomer answered HTTP {error.status} to a {error}, which no setting mends"
            raise UnreachableError(msg) from error
