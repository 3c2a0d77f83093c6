"""The one thread that turns verdicts into rejects on disk, counts and STATE."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_kustomer.models import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_kustomer.checkpoints import Checkpoints
    from target_kustomer.delivery.batches import Batch
    from target_kustomer.models import JSON, LeftBehind, Outcome
    from target_kustomer.rejects import RejectsFile
    from target_kustomer.summary import Summary


@dataclass(frozen=True, slots=True)
class BatchSettled:
    """Every record of a batch has its verdict, and what a version left behind.

    Attributes:
        decided: How many had it before they came to delivery.
    """

    ticket: int
    stream: str
    outcomes: tuple[Outcome, ...]
    decided: int
    left_behind: LeftBehind | None = None


@dataclass(frozen=True, slots=True)
class RecordsPassed:
    """Records of a stream got their verdict without being sent."""

    stream: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class StateRead:
    """A STATE came in when ``next_ticket`` was the next ticket to be opened."""

    state: JSON
    next_ticket: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing came for a while."""


_Event = BatchSettled | RecordsPassed | StateRead | Silence

_TICK_SECONDS = 0.5
"""Between two ticks while nothing is to be settled."""

_MOST_WAITING = 64
"""Events; who brings more waits, so that a slow disk or reader of STATE holds back stdin."""


class Settlement:
    """Settles events in the order in which they come; rejects go to disk before anything counts.

    Args:
        rejects: Where rejected records go.
        summary: Counts.
        checkpoints: Writes STATE.
        failed: Called once when settling fails; nothing is settled from then on.
        tick: Called on the thread after each event, and while there are none.

    Attributes:
        interrupted: Whether the run ends, so that nobody is to wait.
        on_settled: Who is told, in the settling thread, of verdicts that have been counted.
    """

    def __init__(
        self,
        rejects: RejectsFile,
        summary: Summary,
        checkpoints: Checkpoints,
        failed: Callable[[BaseException], None],
        tick: Callable[[], None],
    ) -> None:
        self._rejects = rejects
        self._summary = summary
        self._checkpoints = checkpoints
        self._failed = failed
        self.interrupted: Callable[[], bool] = lambda: False
        self.on_settled: list[Callable[[BatchSettled | RecordsPassed], None]] = []
        self._tick = tick
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="settlement", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """A batch has its verdicts; from any thread."""
        decided, left = len(batch.decided), batch.left_behind
        told = (batch.ticket, batch.stream.name, tuple(outcomes), decided, left)
        self._put(BatchSettled(*told))

    def passed(self, stream: str, outcomes: Sequence[Outcome]) -> None:
        """Records have their verdict already; from the reading thread."""
        self._put(RecordsPassed(stream, tuple(outcomes)))

    def checkpoint(self, state: JSON, next_ticket: int) -> None:
        """A STATE was read; from the reading thread."""
        self._put(StateRead(state, next_ticket))

    def close(self) -> None:
        """Nothing more will come: the thread ends when all that has come is settled."""
        self._events.put(None)

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread for so long; whether it has ended."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _put(self, event: _Event) -> None:
        while not self.interrupted():
            if self._room.acquire(timeout=_TICK_SECONDS):
                break
        self._events.put(event)

    def _run(self) -> None:
        try:
            while (event := self._next()) is not None:
                self._settle(event)
                self._room.release()
                self._tick()
        except BaseException as error:  # noqa: BLE001  nothing may be acknowledged after this
            self._failed(error)

    def _next(self) -> _Event | None:
        try:
            return self._events.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            return Silence()

    def _settle(self, event: _Event) -> None:
        if isinstance(event, Silence):
            return
        if isinstance(event, RecordsPassed):
            self._summary.count(event.stream, event.outcomes)
            self._tell(event)
            return
        if isinstance(event, StateRead):
            self._checkpoints.checkpoint(event.state, event.next_ticket)
            return
        rejected = [each for each in event.outcomes if each.verdict is Verdict.REJECTED]
        if rejected:
            self._rejects.write(rejected)
        self._summary.count(event.stream, event.outcomes)
        if event.left_behind:
            self._summary.count_left_behind(event.stream, event.left_behind)
        self._tell(event)
        first_line = min((each.source.line_number for each in event.outcomes), default=0)
        self._checkpoints.confirm(event.ticket, first_line)
        self._rejects.forget_before(self._checkpoints.settled_lines)

    def _tell(self, event: BatchSettled | RecordsPassed) -> None:
        for listener in self.on_settled:
            listener(event)
