"""The queue: bulk jobs are done when the clock says so, and somebody asks."""

from __future__ import annotations

import math
import random
from itertools import accumulate
from typing import TYPE_CHECKING

from target_kustomer.simulator.errors import ItemError
from target_kustomer.simulator.ratelimits import Windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator.jobs import Batch, Job, JobFlaws, Result
    from target_kustomer.simulator.objects import StoredObject
    from target_kustomer.simulator.store import Change
    from target_kustomer.simulator.switches import Switches


class JobQueue:
    """All bulk jobs of an org.

    Attributes:
        jobs: The jobs by id, in the order of their submits.
        object_windows: Updates for each user and object.
    """

    def __init__(
        self,
        switches: Switches,
        clock: Callable[[], float],
        write: Callable[[Job, Change, float], StoredObject],
    ) -> None:
        """Makes an empty queue.

        Args:
            switches: Which reading of the facts holds.
            clock: Returns epoch seconds.
            write: Writes one item of a job at some time; raises ItemError if it is refused.
        """
        self.jobs: dict[str, Job] = {}
        self.object_windows = Windows(switches.object_limit, switches.rate_window_seconds, clock)
        self._switches = switches
        self._clock = clock
        self._write = write
        self._waiting: list[tuple[Batch, Job]] = []
        self._random = random.Random(switches.seed)  # noqa: S311 - jitter, no secrets

    def submit(self, job: Job) -> None:
        """Takes a job."""
        self.jobs[job.id] = job
        self._waiting += [(batch, job) for batch in job.batches]

    def schedule(self, number_of_batches: int, flaws: JobFlaws) -> tuple[float, list[float]]:
        """Returns when a job submitted now starts to run, and when each of its batches is done."""
        if flaws.stuck or self._switches.jobs_stuck:
            return math.inf, [math.inf] * number_of_batches
        seconds = self._switches.job_seconds if flaws.seconds is None else flaws.seconds
        seconds += self._random.uniform(0, self._switches.job_jitter_seconds)
        running_at = self._clock() + seconds / 2
        step = (seconds / 2) / number_of_batches
        return running_at, [running_at + step * done for done in range(1, number_of_batches + 1)]

    def settle(self) -> None:
        """Does the batches that are due by the clock, in the order of their times."""
        now = self._clock()
        due = [pair for pair in self._waiting if pair[0].due_at <= now]
        if not due:
            return
        self._waiting = [pair for pair in self._waiting if pair[0].due_at > now]
        for batch, job in sorted(due, key=lambda pair: pair[0].due_at):
            batch.results = [self._run(job, item, batch.due_at) for item in batch.items]

    def peak(self) -> int:
        """Returns the greatest number of jobs that were in flight at one time."""
        changes = [(job.submitted_at, 1) for job in self.jobs.values()]
        changes += [(job.done_at, -1) for job in self.jobs.values()]
        return max(accumulate((change for _, change in sorted(changes)), initial=0))

    def overlaps(self) -> list[tuple[Job, Job]]:
        """Returns the pairs of jobs that were in flight at one time with the same record."""
        found: list[tuple[Job, Job]] = []
        in_flight: list[Job] = []
        for job in self.jobs.values():
            in_flight = [earlier for earlier in in_flight if earlier.done_at > job.submitted_at]
            found += [(earlier, job) for earlier in in_flight if earlier.overlaps(job)]
            in_flight.append(job)
        return found

    def _run(self, job: Job, item: Change, at: float) -> Result:
        reference = {"_clientRef": item["_clientRef"]} if job.client_refs else {}
        try:
            self._count_update(job, item)
            stored = self._write(job, item, at)
        except ItemError as error:
            return reference | {"status": "error", "error": error.text}
        done = {"create": "created", "update": "updated", "delete": "deleted"}[job.verb]
        return reference | {"objectId": stored.id, "status": done}

    def _count_update(self, job: Job, item: Change) -> None:
        if job.verb != "update" or not self._switches.object_limit_counts_bulk:
            return
        if not self.object_windows.of(job.user, item["id"]).spend():
            raise ItemError(text="rate limit exceeded", status=429)
