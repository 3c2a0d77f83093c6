"""One identity on its way, and what the steps of its delivery share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_kustomer.delivery.verdicts import refusal
from target_kustomer.exceptions import RefusedError
from target_kustomer.ledger.facts import Held
from target_kustomer.mapping.keys import known_keys
from target_kustomer.models import Skip, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.delivery.bulk import BulkJobs
    from target_kustomer.delivery.deleting import DeleteLimit
    from target_kustomer.delivery.knowledge import Knowledge
    from target_kustomer.delivery.links import CompanyLinks
    from target_kustomer.delivery.lost import LostAnswers
    from target_kustomer.delivery.pipeline import Flight
    from target_kustomer.delivery.results import ItemResult
    from target_kustomer.delivery.traffic import Verb
    from target_kustomer.delivery.verdicts import Verdicts
    from target_kustomer.delivery.waves import Identity
    from target_kustomer.identity import Identities
    from target_kustomer.kustomer.endpoints import Kustomer, Resource
    from target_kustomer.ledger.digests import Digest
    from target_kustomer.models import ObjectType
    from target_kustomer.settings import StreamSettings


@dataclass(frozen=True, slots=True)
class Services:
    """What all workers share."""

    kustomer: Kustomer
    identities: Identities
    links: CompanyLinks
    bulk: BulkJobs
    lost_answers: LostAnswers
    knowledge: Knowledge
    delete_limit: DeleteLimit


@dataclass(slots=True, eq=False)
class Work:
    """One identity on its way.

    Attributes:
        identity: Its records; those that are rejected alone leave it.
        id: Kustomer's id, where it is known.
        sought: Whether it has been looked for.
        current: What Kustomer holds, where it has been read.
        wanted: Its records' attributes, merged.
        attributes: What is to be sent: those that Kustomer is not known to hold.
        held: What the ledger knows of it.
        source: The record through all its versions, as the ledger names it.
        digests: The digests of all that is wanted, where there is a ledger.
        whole: Whether nothing of it is left out for being known to the ledger alone.
    """

    identity: Identity
    id: str | None = None
    sought: bool = False
    current: Resource | None = None
    wanted: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    source: str = ""
    digests: dict[str, Digest] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch in delivery: what its steps work with.

    Attributes:
        unsettled: What was written and is to be told the ledger: each work's id.
    """

    services: Services
    flight: Flight
    verdicts: Verdicts
    unsettled: dict[Work, str] = field(default_factory=dict)

    @property
    def object_type(self) -> ObjectType:
        """What the batch holds."""
        return self.flight.batch.stream.object_type

    @property
    def settings(self) -> StreamSettings:
        """The stream's settings."""
        return self.flight.batch.stream.settings

    def send(self, verb: Verb, payloads: Sequence[dict[str, Any]]) -> list[ItemResult]:
        """Run bulk jobs for the payloads, in the stream's turn."""
        if not payloads:
            return []
        trial = self.flight.batch.stream.trial
        self.flight.await_trial()
        results = self.services.bulk.run(verb, self.object_type, payloads, trial)
        trial.refuse(sum(result.status is not None for result in results))
        for payload, result in zip(payloads, results, strict=True):
            if verb != "create" or result.may_be_written:
                self.note_written(payload, payload.get("id") or result.id)
        return results

    def update_singly(self, work: Work) -> None:
        """Update what bulk jobs do not take, in the stream's turn.

        Raises:
            NotFoundError: There is no such object.
            RefusedError: Kustomer refuses the attributes.
        """
        trial = self.flight.batch.stream.trial
        self.flight.await_trial()
        kustomer_id = work.id or ""
        self.services.lost_answers.outlast([kustomer_id])
        try:
            self.services.kustomer.update(self.object_type, kustomer_id, work.attributes)
        except RefusedError as error:
            trial.refuse(not error.duplicate)
            raise
        finally:
            self.note_written(work.attributes, kustomer_id)
        trial.accepted.set()

    def note_written(self, attributes: Mapping[str, Any], kustomer_id: str | None) -> None:
        """What was read of an object before this write is old."""
        keys = known_keys(self.object_type, kustomer_id or "", attributes)
        self.services.identities.note_written(self.object_type, kustomer_id, keys)

    def written(self, work: Work, kustomer_id: str | None) -> None:
        """Remember what is in Kustomer now, for the records to come."""
        if not kustomer_id:
            return
        self.unsettled[work] = kustomer_id
        self.services.identities.remember(self.object_type, work.identity.keys, kustomer_id)
        if self.object_type == "company" and (name := work.attributes.get("name")):
            self.services.links.note_named(kustomer_id, name)

    def settle(self, tried: Sequence[Work] = ()) -> None:
        """Tell the ledger what was written, and that the others that were tried were not."""
        stream, knowledge = self.flight.batch.stream, self.services.knowledge
        knowledge.settle(stream, self.unsettled)
        knowledge.release(stream, [work for work in tried if work not in self.unsettled])
        self.unsettled.clear()

    def refuse(self, work: Work, result: ItemResult, company_id: str | None) -> None:
        """Kustomer refuses the item; it goes again where only its company is no longer there."""
        if self.services.links.is_gone(company_id, kept="company" not in work.wanted):
            self.verdicts.again.append([work.identity])
        else:
            self.verdicts.refuse(work.identity, refusal(result))

    def met(self, work: Work) -> Work | None:
        """The record is in Kustomer: there is something to update, but for mode ``create``."""
        if self.settings.mode != "create":
            return work
        self.verdicts.decide(work.identity.records, Verdict.SKIPPED, Skip.EXISTS)
        return None
