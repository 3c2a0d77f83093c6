"""A run that tells what it would do: its parts read as ever, and write nowhere."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from target_kustomer.delivery.knowledge import Knowledge
from target_kustomer.exceptions import RejectsError, SignalError
from target_kustomer.identity import Identities
from target_kustomer.planning.journal import Journal
from target_kustomer.planning.kustomer import PlannedKustomer
from target_kustomer.planning.output import PlanFile, as_json, as_tables
from target_kustomer.rejects import RejectsFile
from target_kustomer.run import Parts, Run
from target_kustomer.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_kustomer.clock import RunClock
    from target_kustomer.delivery.batches import Activation, Batch, Stream
    from target_kustomer.delivery.work import Work
    from target_kustomer.ledger.ledger import Ledger
    from target_kustomer.models import LeftBehind, Outcome, SourceRecord
    from target_kustomer.reader import InterruptibleReader
    from target_kustomer.settings import Settings

logger = logging.getLogger(__name__)

CHANGES_EXIT_CODE = 10
"""There is something that a run would write."""


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line says of a plan.

    Attributes:
        out: The file for what would be done to each record.
        as_json: Whether the summary is JSON, not tables.
    """

    out: Path | None = None
    as_json: bool = False


class PlanRun(Run):
    """A run whose writes are planned only: no STATE, no rejects file, no report.

    Args:
        settings: The settings.
        reader: Where the records come from.
        say: Takes the summary at the end.
        clock: Time.
        options: What the command line says.
    """

    def __init__(
        self,
        settings: Settings,
        reader: InterruptibleReader,
        say: Callable[[str], None],
        clock: RunClock,
        options: PlanOptions,
    ) -> None:
        self._say_summary = say
        self._options = options
        self._file = PlanFile(options.out)
        self._journal = Journal(self._file.write, settings.api_key)
        super().__init__(replace(settings, report_path=None), reader, lambda _: None, clock)

    @property
    def exit_code(self) -> int:
        """Of a plan that came to its end: whether a run would write anything."""
        return CHANGES_EXIT_CODE if self._writes else 0

    @property
    def _writes(self) -> bool:
        """Whether a run would write anything."""
        tally, kustomer = self._journal.tally, self._kustomer
        return bool(
            tally.total("create", "update", "delete")
            or tally.left_behind
            or kustomer.untold
            or kustomer.defined
        )

    @override
    def _parts(self) -> Parts:
        self._kustomer = kustomer = PlannedKustomer(self._client, self._clock, self._waiting)
        skips = self.settings.skip_unchanged
        knowledge = _Knowledge(self._journal, kustomer, skip_unchanged=skips)
        return Parts(
            kustomer,
            knowledge,
            Identities(kustomer, self._clock, self._waiting, knowledge, kustomer.rosters),
            _NoRejects(Path(self.settings.rejects_dir), self._clock),
            _Summary(self._journal),
        )

    @override
    def start(self) -> None:
        self._file.open()
        logger.info("a plan: what is said to be done here is planned only")
        super().start()

    @override
    def _ledger_class(self) -> type[Ledger]:
        from target_kustomer.ledger.copied import CopiedLedger  # noqa: PLC0415  as in a run

        return CopiedLedger

    @override
    def _share_budget(self, url: str, org: str) -> None:
        """Other runs are not told of a plan."""

    @override
    def finish(self, fault: BaseException | None) -> None:
        try:
            super().finish(fault)
        finally:
            self._file.close()

    @override
    def _signalled(self, signum: int) -> SignalError:
        return SignalError(signum, mend="nothing was written to Kustomer; plan again")

    @override
    def ignore(self, stream: str) -> None:
        super().ignore(stream)
        self._journal.ignored(self.arrived)

    @override
    def _submit(self, batch: Batch) -> None:
        self._journal.handed_over(batch.records)
        super()._submit(batch)

    @override
    def _say(self, *, whole: bool) -> None:
        self._journal.close(self._kustomer.gone)
        self.omissions.say()
        tally = self._journal.tally
        if self._options.as_json:
            notes = {
                "complete": whole,
                "filtered": self.filtered,
                "ignored": self.ignored,
                "companies_for_customers": self._kustomer.untold,
                "deletes_by_version": dict(tally.left_behind),
                "deletes_by_version_rejected": [
                    {"stream": stream, "reason": reason, "objects": count}
                    for (stream, reason), count in tally.kept.items()
                ],
                "definitions": self._kustomer.defined,
            }
            self._say_summary(as_json(tally, list(self._streams), notes))
        else:
            self._say_summary(as_tables(tally, list(self._streams), self._notes(whole=whole)))

    def _notes(self, *, whole: bool) -> Iterable[str]:
        tally = self._journal.tally
        if not whole:
            yield "The plan ended early: what follows on stdin is not in it."
        creates, updates, deletes = map(tally.total, ("create", "update", "delete"))
        also = f", and delete what {deletes} name" if deletes else ""
        does = f"create {creates} records and update {updates}{also}"
        so_far = "A run would" if whole else "So far: a run would"
        yield f"{so_far} {does if self._writes else 'write nothing'}."
        for stream, count in tally.left_behind.items():
            yield f"It would delete {count} that the new version of {stream} leaves behind."
        for (stream, reason), count in tally.kept.items():
            yield f"It would not delete {count} that the new version of {stream} leaves: {reason}."
        for object_type, names in self._kustomer.defined.items():
            yield f"It would define attributes of a {object_type}: {', '.join(names)}."
        if self._kustomer.untold:
            yield f"It would create {self._kustomer.untold} companies that customers name."
        if tally.idle:
            yield f"Of the updates {tally.idle} change nothing: skip_unchanged leaves such out."
        for word, counts in (("Filtered", self.filtered), ("Ignored", self.ignored)):
            yield from (f"{word}: {count} of {stream}." for stream, count in counts.items())
        if self.links.replayable:
            yield f"Companies of {self.links.replayable} rejected customers come later on stdin."

    @override
    def _too_many_rejects(self) -> RejectsError | None:
        if super()._too_many_rejects() is None:
            return None
        objects = self._summary.left_behind.total()
        also = f" and {objects} deletes of new versions" if objects else ""
        msg = (
            f"a run would reject {self._summary.rejected} records{also} (max_rejected_records="
            f"{self.settings.max_rejected_records}) and end with exit code 3"
        )
        return RejectsError(msg, mend="--plan-out FILE tells which and why")


class _Knowledge(Knowledge):
    """Tells the journal what was written, and what turned out to be there."""

    def __init__(
        self, journal: Journal, kustomer: PlannedKustomer, *, skip_unchanged: bool
    ) -> None:
        super().__init__(skip_unchanged=skip_unchanged)
        self._journal = journal
        self._kustomer = kustomer

    @override
    def settle(self, stream: Stream, written: Mapping[Work, str]) -> None:
        for work, kustomer_id in written.items():
            changes = self._kustomer.take_changes(kustomer_id)
            self._journal.written(_sources(work), kustomer_id, changes)
        super().settle(stream, written)

    @override
    def left_behind(self, activation: Activation, most: int) -> tuple[int, Sequence[str]]:
        count, ids = super().left_behind(activation, most)
        self._journal.left_behind(activation.stream, ids)
        return count, ids

    @override
    def recognise(self, stream: Stream, work: Work) -> None:
        if work.id:
            self._journal.met(_sources(work), work.id)
        super().recognise(stream, work)


def _sources(work: Work) -> list[SourceRecord]:
    return [each.source for each in work.identity.records]


class _Summary(Summary):
    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    @override
    def count(self, stream: str, outcomes: Iterable[Outcome]) -> None:
        told = list(outcomes)
        super().count(stream, told)
        self._journal.settled(stream, told)

    @override
    def count_left_behind(self, stream: str, left_behind: LeftBehind) -> None:
        super().count_left_behind(stream, left_behind)
        self._journal.kept(stream, left_behind)


class _NoRejects(RejectsFile):
    """Where rejected records are not put."""

    @override
    def warn_of_older(self) -> None:
        """A plan makes none."""

    @override
    def write(self, rejected: Sequence[Outcome]) -> None:
        """The journal has them."""
