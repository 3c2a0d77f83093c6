"""Bulk jobs: queued, running, complete, by what the clock says [API §2.4, §2.5]."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from target_kustomer.simulator.identifiers import Identifier
    from target_kustomer.simulator.objects import Resource

Verb = Literal["create", "update", "delete"]
Result = dict[str, Any]
"""What became of an item: `status`, `objectId` or `error`, `_clientRef` where one was sent."""


@dataclass
class JobFlaws:
    """What is wrong with one job, as faults have it [API §12.30].

    Attributes:
        stuck: It stays queued for ever.
        without_results: Its batches bear no `results`.
        unknown_polls: So many polls get a 404 before the id is known.
        missing_results: So many items are missing from `results`.
        seconds: Its duration, instead of the switch's.
    """

    stuck: bool = False
    without_results: bool = False
    unknown_polls: int = 0
    missing_results: int = 0
    seconds: float | None = None


@dataclass(eq=False)
class Batch:
    """A part of a job, done as a whole.

    Attributes:
        id: Its own id.
        items: The items as sent.
        due_at: Epoch seconds at which it is done.
        results: What became of the items, in their order; None until it is done.
    """

    id: str
    items: list[dict[str, Any]]
    due_at: float
    results: list[Result] | None = None


@dataclass(eq=False)
class Job:
    """A bulk job.

    Attributes:
        id: Its id.
        resource: What it writes.
        verb: How it writes.
        user: Id of the machine user that submitted it.
        replace: Whether updates replace the document.
        client_refs: Whether the items bear `_clientRef`, which alone brings `results`.
        submitted_at: Epoch seconds of the submit.
        running_at: Epoch seconds from which it runs.
        batches: Its parts.
        identities: Ids and identifiers of its items, to tell which jobs touch the same record.
        flaws: What is wrong with it.
    """

    id: str
    resource: Resource
    verb: Verb
    user: str
    replace: bool
    client_refs: bool
    submitted_at: float
    running_at: float
    batches: list[Batch]
    identities: frozenset[Identifier]
    flaws: JobFlaws = field(default_factory=JobFlaws)

    @property
    def done_at(self) -> float:
        """Epoch seconds at which its last batch is done; infinite if it is stuck."""
        return max(batch.due_at for batch in self.batches)

    @property
    def completed(self) -> bool:
        """Whether all batches are done."""
        return all(batch.results is not None for batch in self.batches)

    @property
    def results(self) -> list[Result]:
        """What became of all items so far."""
        return [result for batch in self.batches for result in batch.results or ()]

    def status(self, now: float) -> str:
        """Returns `queued`, `running` or `complete`."""
        if self.completed:
            return "complete"
        return "running" if now >= self.running_at else "queued"

    def overlaps(self, other: Job) -> bool:
        """Tells whether the two were in flight at one time and touch the same record."""
        at_once = self.submitted_at < other.done_at and other.submitted_at < self.done_at
        return at_once and not self.identities.isdisjoint(other.identities)

    def as_dict(self) -> dict[str, Any]:
        """Returns what matters of it as JSON values, for readers in other processes."""
        return {
            "id": self.id,
            "resource": self.resource,
            "verb": self.verb,
            "submitted_at": self.submitted_at,
            "done_at": self.done_at if self.completed else None,
            "items": sum(len(batch.items) for batch in self.batches),
            "results": self.results,
            "identities": sorted(self.identities),
        }
