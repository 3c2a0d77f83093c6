"""How far a run is: what to say of it, and when."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from target_kustomer.exceptions import one_line
from target_kustomer.models import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_kustomer.clock import Clock

logger = logging.getLogger(__name__)

LOG_SECONDS = 30.0
"""Between two lines of a stream in the log."""

LIVE_SECONDS = 0.5
"""Between two looks of a terminal's lines; their rates are those of the last ten."""

_SHORTEST_NAME = 8
"""Characters of a stream's name that a narrow terminal shows too."""

_WRITTEN = (Verdict.CREATED, Verdict.UPDATED)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is at a moment.

    Attributes:
        at: The moment, by the clock's ``monotonic``.
        read: Records read, by stream.
        verdicts: Records that have their verdict, by stream and verdict.
        requests: Requests sent.
        waiting: Requests that wait for the budget.
        limit: Requests of the whole org in a window, where an answer has told.
        remaining: What was left of them by the last answer, where it told.
    """

    at: float
    read: Mapping[str, int]
    verdicts: Mapping[str, Mapping[Verdict, int]]
    requests: int = 0
    waiting: int = 0
    limit: int | None = None
    remaining: int | None = None

    def settled(self, stream: str) -> int:
        """Records of a stream that have their verdict."""
        return sum(self.verdicts.get(stream, {}).values())


class Display(Protocol):
    """Where the live lines go."""

    @property
    def room(self) -> tuple[int, int]:
        """Columns, and how many lines there may be."""

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those before."""


class Progress:
    """Says how far a run is: on a display all the time, else in the log from time to time.

    Args:
        look: Tells how far it is.
        clock: Time.
    """

    def __init__(self, look: Callable[[], Standing], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._due = clock.monotonic() + LOG_SECONDS
        self._past: deque[Standing] = deque([look()], maxlen=1)
        self._display: Display | None = None

    def show_on(self, display: Display) -> None:
        """Show it there from now on."""
        self._display = display
        self._due = self._clock.monotonic()
        self._past = deque(self._past, maxlen=10)

    def tick(self) -> None:
        """Say it where it is time; costs next to nothing where it is not."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        standing = self._look()
        before = self._past[0]
        self._past.append(standing)
        if self._display:
            self._due = now + LIVE_SECONDS
            self._display.show(live_lines(before, standing, *self._display.room))
        else:
            self._due = now + LOG_SECONDS
            for line in log_lines(before, standing):
                logger.info(line)


def log_lines(before: Standing, now: Standing) -> list[str]:
    """A line for each stream that is on its way or has moved, and one for the requests."""
    streams = [
        f"progress stream={one_line(stream)} read={read} "
        + " ".join(f"{each.value}={_count(now, stream, each)}" for each in Verdict)
        + f" per_second={_rate(before, now, stream):.0f}"
        for stream, read in now.read.items()
        if _moves(before, now, stream)
    ]
    return [*streams, f"progress requests={now.requests} waiting={now.waiting}"]


def live_lines(before: Standing, now: Standing, columns: int, most: int) -> list[str]:
    """A line for the requests, and one for each stream as far as they fit: first what moves."""
    left = "" if now.limit is None else f", {now.remaining or 0:,} of {now.limit:,} left"
    requests = f"requests: {now.requests:,} sent, {now.waiting} waiting{left}"
    streams = sorted(now.read, key=lambda stream: not _moves(before, now, stream))
    shown = len(streams) if len(streams) < most else max(most - 2, 0)
    lines = [requests, *(_live_line(before, now, each, columns) for each in streams[:shown])]
    if hidden := len(streams) - shown:
        lines.append(f"and {hidden} streams more")
    return [each[:columns] for each in lines[: max(most, 1)]]


def _live_line(before: Standing, now: Standing, stream: str, columns: int) -> str:
    """Its counts, and as much of its name as fits."""
    counts = (
        f": {now.read[stream]:,} read, "
        f"{sum(_count(now, stream, each) for each in _WRITTEN):,} written, "
        + ", ".join(
            f"{_count(now, stream, each):,} {each.value}"
            for each in Verdict
            if each not in _WRITTEN
        )
        + f", {_rate(before, now, stream):,.0f}/s"
    )
    name, room = one_line(stream), max(columns - len(counts), _SHORTEST_NAME)
    return (name if len(name) <= room else f"{name[: room - 3]}...") + counts


def _moves(before: Standing, now: Standing, stream: str) -> bool:
    """Whether the stream is on its way, or has moved."""
    settled = now.settled(stream)
    return settled != now.read[stream] or settled != before.settled(stream)


def _count(standing: Standing, stream: str, verdict: Verdict) -> int:
    return standing.verdicts.get(stream, {}).get(verdict, 0)


def _rate(before: Standing, now: Standing, stream: str) -> float:
    """Records that got their verdict in a second."""
    seconds = now.at - before.at
    return (now.settled(stream) - before.settled(stream)) / seconds if seconds > 0 else 0.0
