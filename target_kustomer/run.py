"""One run: its parts wired together, from the first record to the last STATE."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from target_kustomer.admission import Admission
from target_kustomer.checkpoints import Checkpoints, Tickets
from target_kustomer.delivery.bulk import BulkJobs
from target_kustomer.delivery.deleting import DeleteLimit
from target_kustomer.delivery.deliver import BatchDelivery
from target_kustomer.delivery.knowledge import Knowledge
from target_kustomer.delivery.links import CompanyLinks
from target_kustomer.delivery.lost import LostAnswers
from target_kustomer.delivery.packing import Packer
from target_kustomer.delivery.pipeline import Pipeline
from target_kustomer.delivery.polling import JobTimes
from target_kustomer.delivery.traffic import Traffic
from target_kustomer.delivery.work import Services
from target_kustomer.ending import Ending
from target_kustomer.exceptions import FatalError, RejectsError, SignalError, StoppedError
from target_kustomer.identity import Identities
from target_kustomer.intake import Intake
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.kustomer.requestlog import RequestLog
from target_kustomer.models import SourceRecord
from target_kustomer.progress import Progress, Standing
from target_kustomer.rejects import RejectsFile
from target_kustomer.report import document
from target_kustomer.report.gather import Gathering, Phases
from target_kustomer.report.report import ReportFile
from target_kustomer.settings import MAX_BULK_ITEMS, unheard_entries
from target_kustomer.settlement import Settlement
from target_kustomer.summary import Omissions, Summary
from target_kustomer.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_kustomer.clock import RunClock
    from target_kustomer.delivery.batches import Batch, Stream
    from target_kustomer.ledger.ledger import Ledger
    from target_kustomer.ledger.runs import Runs
    from target_kustomer.mapping.plan import Plan
    from target_kustomer.models import JSON, ObjectType
    from target_kustomer.reader import InterruptibleReader, Line
    from target_kustomer.settings import Settings
    from target_kustomer.terminal import Terminal

logger = logging.getLogger(__name__)

_LAST_WAIT_SECONDS = 1.0
"""When the grace is over: for the settling thread to write down what has its verdict, and for
workers to leave their waits."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run reads and writes by; a plan has its own."""

    kustomer: Kustomer
    knowledge: Knowledge
    identities: Identities
    rejects: RejectsFile
    summary: Summary


class Run:
    """Everything that lives from the first line of stdin to the last STATE.

    Args:
        settings: The settings.
        reader: Where the records come from; the run can wake and end its reading.
        emit_state: Writes a STATE to stdout.
        clock: Time; the run stops it at its end.
    """

    def __init__(
        self,
        settings: Settings,
        reader: InterruptibleReader,
        emit_state: Callable[[JSON], None],
        clock: RunClock,
    ) -> None:
        self.settings = settings
        self.arrived = 0
        """Records that stream maps have let through."""
        self.read_counts: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.filtered: Counter[str] = Counter()
        self.omissions = Omissions()
        self._streams: dict[str, ObjectType] = {}
        self._reader = reader
        self._started = False
        self._runs: Runs | None = None

        self._clock = clock
        grace = settings.shutdown_grace_seconds
        self.ending = Ending(clock, grace, self._signalled, self._wake)
        self._started_at = clock.time()
        self.phases = Phases(clock)
        self._client = Client(settings, self._clock)
        self._request_log = _request_log(settings, clock)
        if self._request_log:
            self._client.on_wire = self._request_log.record
        parts = self._parts()
        kustomer, identities = parts.kustomer, parts.identities
        self.admission = Admission(settings, kustomer, self.ending.has_begun)
        self._rejects, self._summary = parts.rejects, parts.summary
        self._terminal: Terminal | None = None
        self._progress = Progress(self._standing, clock)
        self._emit_state = emit_state
        self._settlement = Settlement(
            self._rejects,
            self._summary,
            Checkpoints(self._emit),
            self.ending.fail,
            self._progress.tick,
        )
        self._settlement.interrupted = self.ending.has_begun
        times = JobTimes()
        self._knowledge = parts.knowledge
        lost = LostAnswers(identities, times, settings.lost_answer_wait_seconds, self._clock)
        traffic = Traffic(self._clock)
        bulk = BulkJobs(kustomer, lost, times, settings, traffic)
        self.links = CompanyLinks(identities, bulk, self._knowledge)
        services = Services(
            kustomer,
            identities,
            self.links,
            bulk,
            lost,
            self._knowledge,
            DeleteLimit(settings.max_deleted_records),
        )
        self._pipeline = Pipeline(
            lambda flight: BatchDelivery(services, flight).deliver(),
            self._settlement.settle,
            self.ending.fail,
            settings.max_parallel_requests,
            traffic,
        )
        self.ending.abandon = self._pipeline.abandon
        self._report: ReportFile | None = None
        self._gathering = Gathering(clock, self.phases.started)
        if settings.report_path:
            self._client.on_exchange.append(self._gathering.exchanged)
            bulk.on_job.append(self._gathering.job_ended)
            self._settlement.on_settled.append(self._gathering.settled)
        self._tickets = Tickets()
        batch_size = min(settings.batch_size_rows, MAX_BULK_ITEMS)
        self.packer = Packer(self._tickets.open, self._submit, batch_size, self._clock)
        self.intake = Intake(
            lambda: [*self.packer.open_batches, *self._pipeline.batches],
            self._settlement.passed,
            lambda state: self._settlement.checkpoint(state, self._tickets.next),
            batch_size,
            self._clock,
        )
        self.versions = Versions(
            self.intake,
            self._hand_over_all,
            self._submit,
            self._tickets.open,
            deletes=settings.deletes,
        )

    def _parts(self) -> Parts:
        kustomer = Kustomer(self._client)
        knowledge = Knowledge(skip_unchanged=self.settings.skip_unchanged)
        return Parts(
            kustomer,
            knowledge,
            Identities(kustomer, self._clock, self._waiting, knowledge),
            RejectsFile(Path(self.settings.rejects_dir), self._clock, self.settings.api_key),
            Summary(),
        )

    # The start

    def start(self) -> None:
        """Check the key, then start the threads.

        Raises:
            AccessError: Kustomer refuses the key.
            UnreachableError: It does not answer.
            ConfigurationError: The ledger cannot be used, or a report or request log not be
                written.
        """
        if self.settings.report_path:
            report = ReportFile(Path(self.settings.report_path))
            report.check()
            self._report = report
        self._rejects.warn_of_older()
        if self._request_log:
            self._request_log.open()
        self.admission.open()
        if self.settings.ledger_url:
            self._open_ledger(self.settings.ledger_url)
        self._show_progress()
        self._settlement.start()
        self._pipeline.start()
        self._started = True
        self.phases.enter("reading")

    def _show_progress(self) -> None:
        """Show live lines where stderr is a terminal."""
        if not _is_live(sys.stderr):
            return
        from target_kustomer.terminal import Terminal  # noqa: PLC0415  most runs have none

        self._terminal = Terminal(sys.stderr)
        self._progress.show_on(self._terminal)

    def _open_ledger(self, url: str) -> None:
        org = self.admission.org or self.settings.address
        self._knowledge.ledger = self.intake.ledger = self._ledger_class()(
            url,
            org,
            resync_after_days=self.settings.resync_after_days,
            write_seconds=self.settings.job_timeout_seconds,
            clock=self._clock,
        )
        self._share_budget(url, org)

    def _ledger_class(self) -> type[Ledger]:
        from target_kustomer.ledger.ledger import Ledger  # noqa: PLC0415  most runs have none

        return Ledger

    def _share_budget(self, url: str, org: str) -> None:
        """Meet the other runs on the ledger."""
        from target_kustomer.ledger.runs import Runs  # noqa: PLC0415  most runs have no ledger

        self._runs = Runs(url, org, self._clock)
        self._client.budget.meet(self._runs)

    def _close_client(self) -> None:
        self._client.close()
        if self._request_log:
            self._request_log.close()

    def _close_ledger(self) -> None:
        if self.intake.ledger:
            self.intake.ledger.close()
        if self._runs:
            self._runs.close()

    # While reading

    @property
    def line(self) -> Line:
        """The message that is being processed, as it came in."""
        return self._reader.line

    def begin_stream(self, stream: Stream, plan: Plan) -> None:
        """A SCHEMA came: check what it needs, hand over what came before.

        Raises:
            AccessError: The key lacks a role that the stream needs.
            ConfigurationError: Two streams would take the same external ids.
        """
        self.intake.flush()
        self.admission.admit(stream, plan)
        self.versions.begin(stream, plan)
        if stream.name in self._streams:
            self.packer.flush_stream(stream.name)
        else:
            self._streams[stream.name] = stream.object_type

    def read(self, stream: str) -> SourceRecord:
        """Count a record of a stream, and keep where it came from."""
        self.arrived += 1
        self.read_counts[stream] += 1
        source = self.line.message["stream"]
        return SourceRecord(
            stream=source,
            ordinal=self.arrived,
            line_number=self.line.number,
            line=self.line.raw,
            schema_line=self._reader.schema_lines[source],
        )

    def ignore(self, stream: str) -> None:
        """Count a record of a stream that is not loaded."""
        self.arrived += 1
        self.ignored[stream] += 1

    def record_digest(self, plan: Plan, record: Mapping[str, Any]) -> str | None:
        """What the ledger knows a record by, where it may pass unchanged."""
        ledger = self.intake.ledger
        if ledger is None or not self.settings.skip_unchanged:
            return None
        return ledger.digests.record(plan.name, plan.read_values(record))

    def checkpoint(self, state: JSON) -> None:
        """A STATE was read."""
        self.intake.checkpoint(state)

    def hand_over(self, *, idle: bool) -> None:
        """Hand over the batches that have waited long enough, sooner while stdin is silent."""
        self.intake.flush_aged(idle=idle)
        self.packer.flush_aged(idle=idle)

    # The end

    def finish(self, fault: BaseException | None) -> None:
        """Settle what can be settled, say what became of the records, and raise what went wrong.

        Args:
            fault: What ended the reading, if it was not the end of the stream.

        Raises:
            FatalError: The run did not do all that it was asked; its exit code says why.
        """
        self.phases.enter("settling")
        if self._started:
            if (fault is None or isinstance(fault, FatalError)) and not self.ending.has_begun():
                self._flush()
            settled = self._settle()
            if self._terminal:
                self._terminal.close()
            if settled:
                self._warn_of_entries()
                self._say(whole=fault is None and not self.ending.has_begun())
            else:
                logger.warning("stdout or the disk takes nothing: no more is acknowledged")
        else:
            self._clock.stop()
            self._close_client()
            self._close_ledger()
        if ended := fault or self.ending.cause or self._too_many_rejects():
            raise ended
        self._check_counts()

    def report(self, exit_code: int, exit_line: str | None) -> None:
        """Write the report, where one is wanted; nothing happens after it.

        Args:
            exit_code: With which the process will end.
            exit_line: What stderr will say last, where it says anything.
        """
        if self._report is None:
            return
        self.phases.enter("settling")
        run = document.Run(
            started_at=self._started_at,
            ended_at=self._clock.time(),
            seconds=sum(self.phases.seconds.values()),
            exit_code=exit_code,
            exit_line=exit_line,
            share=self.settings.rate_limit_share,
            objects=self._streams,
            read=self.read_counts,
            filtered=self.filtered,
            ignored=self.ignored,
            stale=self.intake.stale,
            omitted=self.omissions.counts,
            replayable=self.links.replayable,
            rejects_file=str(self._rejects.path) if self._rejects.path else None,
            phases=self.phases.seconds,
            settings=self.settings.shown,
        )
        self._report.write(self._gathering.snapshot(), run)

    def _flush(self) -> None:
        try:
            self._hand_over_all()
        except StoppedError:
            return

    def _settle(self) -> bool:
        """Let all work end; after a signal or a failure what is in flight, within the grace.

        Returns:
            Whether the settling thread has ended; it blocks while nobody reads stdout.
        """
        self._pipeline.close()
        self.ending.await_end(self._pipeline.join)
        self._clock.stop()
        self._settlement.close()
        join = self._settlement.join
        settled = self.ending.await_end(join) or join(_LAST_WAIT_SECONDS)
        if settled:
            self._rejects.close()
        if self._pipeline.join(_LAST_WAIT_SECONDS):
            self._close_client()
            self._close_ledger()
        return settled

    def _warn_of_entries(self) -> None:
        for name, near in unheard_entries(self.settings, self._streams).items():
            logger.warning("streams.%s: no stream has this name; did you mean %s?", name, near)

    def _say(self, *, whole: bool) -> None:
        read = Counter(self.read_counts)
        for stream in self._streams:
            unsettled = read[stream] - self._summary.settled(stream)
            if unsettled and not whole:
                read[stream] -= unsettled
                logger.warning(
                    "not settled, to be read again from the last STATE stream=%s records=%d",
                    stream,
                    unsettled,
                )
        for word, counts in (("filtered", self.filtered), ("ignored", self.ignored)):
            for stream, count in counts.items():
                logger.info("%s stream=%s records=%d", word, stream, count)
        for stream, count in self.intake.stale.items():
            logger.info("skipped reason=stale stream=%s records=%d", stream, count)
        self._summary.say_deleted()
        self.omissions.say()
        for reason, count in self._summary.reasons():
            logger.warning("rejected reason=%s records=%d", reason, count)
        if self.links.replayable:
            logger.warning(
                "customers rejected for a company that came later: replay now records=%d",
                self.links.replayable,
            )
        if self._rejects.path:
            logger.warning("rejects file=%s", self._rejects.path)
        for line in self._summary.lines(list(self._streams), read):
            logger.info(line)

    def _too_many_rejects(self) -> RejectsError | None:
        limit, records = self.settings.max_rejected_records, self._summary.rejected
        objects = self._summary.left_behind.total()
        if limit < 0 or records + objects <= limit:
            return None
        if not records:
            msg = (
                f"{objects} deletes of new versions rejected (max_rejected_records={limit}): all "
                "records are loaded; the log says why"
            )
            return RejectsError(msg)
        also = f", and {objects} deletes of new versions" if objects else ""
        msg = (
            f"{records} records rejected{also} (max_rejected_records={limit}): all "
            f"others are loaded; mend what {self._rejects.path} says and replay it: "
            f"cat {self._rejects.path} | target-kustomer --config ..."
        )
        return RejectsError(msg)

    def _check_counts(self) -> None:
        for stream in self._streams:
            if self._summary.settled(stream) != self.read_counts[stream]:
                msg = f"stream {stream}: the verdicts do not add up to the records read"
                raise RuntimeError(msg)

    # Inside

    def _signalled(self, signum: int) -> SignalError:
        return SignalError(signum, mend="run again: it goes on from the last STATE")

    def _wake(self) -> None:
        """Let the reading see that the run ends."""
        if self._reader.wakeup:
            self._reader.wakeup.set()

    def _emit(self, state: JSON) -> None:
        if self._terminal and sys.stdout is not None and sys.stdout.isatty():
            with self._terminal.beside():
                self._emit_state(state)
        else:
            self._emit_state(state)

    def _standing(self) -> Standing:
        streams, budget = tuple(self._streams), self._client.budget
        return Standing(
            at=self._clock.monotonic(),
            read={each: self.read_counts[each] for each in streams},
            verdicts={each: self._summary.verdicts(each) for each in streams},
            requests=budget.sent,
            waiting=budget.waiting,
            limit=budget.limit,
            remaining=budget.remaining,
        )

    def _waiting(self, object_type: ObjectType) -> int:
        """How many records of an object may have to be looked up yet."""
        batches = self._pipeline.unlocated
        return sum(len(each.records) for each in batches if each.stream.object_type == object_type)

    def _hand_over_all(self) -> None:
        self.intake.flush()
        self.intake.mark_sent()
        self.packer.flush()

    def _submit(self, batch: Batch) -> None:
        with self.phases.during("waiting_for_delivery"):
            self._pipeline.submit(batch, self.ending.has_begun)


def _is_live(stream: TextIO | None) -> bool:
    """Whether it is a terminal that can change lines, and of a size."""
    if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    return 0 not in os.get_terminal_size(stream.fileno())


def _request_log(settings: Settings, clock: RunClock) -> RequestLog | None:
    if settings.request_log_path is None:
        return None
    return RequestLog(
        Path(settings.request_log_path),
        bodies=settings.request_log_bodies,
        secret=settings.api_key,
        clock=clock,
    )
