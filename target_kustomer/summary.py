"""Counts per stream that must add up: each record read gets exactly one verdict."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from target_kustomer.models import Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.models import LeftBehind, MappedRecord, Outcome

logger = logging.getLogger(__name__)


class Summary:
    """What became of the records of each stream; fed by the settling thread."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Counter[Verdict]] = defaultdict(Counter)
        self._reasons: Counter[Reason] = Counter()
        self._deleted: Counter[str] = Counter()
        self.left_behind: Counter[tuple[str, Reason]] = Counter()
        """What versions leave behind and could not be deleted, by stream and reason."""

    def count(self, stream: str, outcomes: Iterable[Outcome]) -> None:
        """Count verdicts."""
        for outcome in outcomes:
            self._verdicts[stream][outcome.verdict] += 1
            self._deleted[stream] += outcome.deleted
            if outcome.rejection:
                self._reasons[outcome.rejection.reason] += 1

    def count_left_behind(self, stream: str, left_behind: LeftBehind) -> None:
        """Count what no record stands for."""
        for reason, count in left_behind.rejected.items():
            self.left_behind[stream, reason] += count

    def settled(self, stream: str) -> int:
        """Records of the stream that have a verdict."""
        return self._verdicts[stream].total()

    def verdicts(self, stream: str) -> dict[Verdict, int]:
        """Records of the stream by their verdict."""
        return dict(self._verdicts[stream])

    @property
    def rejected(self) -> int:
        """Records rejected, over all streams."""
        return sum(self._reasons.values())

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons of rejection with their counts, the most frequent first."""
        return [(reason.value, count) for reason, count in self._reasons.most_common()]

    def say_deleted(self) -> None:
        """Log how many records deleted something, which count as updated, and what had to stay."""
        for stream, count in self._deleted.items():
            if count:
                logger.info("deleted stream=%s records=%d", stream, count)
        for (stream, reason), count in self.left_behind.items():
            logger.warning("rejected reason=%s stream=%s objects=%d", reason.value, stream, count)

    def lines(self, streams: Sequence[str], read: Counter[str]) -> list[str]:
        """One line for each stream, in the form that design 1.8 fixes."""
        return [
            f"summary stream={stream} read={read[stream]} "
            + " ".join(f"{verdict.value}={self._verdicts[stream][verdict]}" for verdict in Verdict)
            for stream in streams
        ]


class Omissions:
    """What was left out of records that were sent all the same; names only.

    Attributes:
        counts: Values left out, by stream and column.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._extensions: set[tuple[str, str]] = set()

    def note(self, stream: str, mapped: MappedRecord) -> None:
        """Count what a record lacks; say it once per column."""
        for column in mapped.omitted:
            if (stream, column) not in self.counts:
                logger.warning(
                    "values that do not fit are omitted stream=%s column=%s", stream, column
                )
            self.counts[stream, column] += 1
        for column in mapped.extensions_dropped:
            if (stream, column) not in self._extensions:
                self._extensions.add((stream, column))
                logger.warning("phone extensions are left off stream=%s column=%s", stream, column)

    def say(self) -> None:
        """Log the counts."""
        for (stream, column), count in self.counts.items():
            logger.info("omitted stream=%s column=%s values=%d", stream, column, count)
