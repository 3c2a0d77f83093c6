"""What a run would do to each record, put together from what the run tells, in stdin's order."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_kustomer.models import Verdict
from target_kustomer.rejects import shown_detail

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from target_kustomer.models import (
        JSON,
        LeftBehind,
        MatchKey,
        Outcome,
        PreparedRecord,
        SourceRecord,
    )
    from target_kustomer.planning.writes import Changes

ACTIONS = ("create", "update", "delete", "unchanged", "skip", "reject")
"""What a run does to a record."""

_ACTIONS: dict[Verdict, str] = {
    Verdict.CREATED: "create",
    Verdict.UPDATED: "update",
    Verdict.UNCHANGED: "unchanged",
    Verdict.SKIPPED: "skip",
    Verdict.REJECTED: "reject",
}

_WRITES = {"create", "update"}


@dataclass(slots=True)
class _Entry:
    """What is known of one record.

    Attributes:
        idle: Whether the write changes nothing.
        with_line: The line of the record that it goes together with, which bears the changes.
    """

    keys: Sequence[MatchKey] = ()
    kustomer_id: str | None = None
    changes: Changes = field(default_factory=dict)
    idle: bool = False
    with_line: int | None = None


@dataclass
class Tally:
    """The counts of a plan; names of streams and attributes, and no values.

    Attributes:
        actions: By stream.
        reasons: Of rejections.
        skips: Why records are skipped.
        created: How many creates set an attribute, by stream and attribute.
        updated: How many updates change it.
        idle: Updates that change nothing.
        left_behind: Objects that no record deletes, but a new version of their table, by stream.
        kept: Those of them that may not be deleted, by stream and reason.
    """

    actions: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    created: Counter[tuple[str, str]] = field(default_factory=Counter)
    updated: Counter[tuple[str, str]] = field(default_factory=Counter)
    idle: int = 0
    left_behind: Counter[str] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)

    def total(self, *actions: str) -> int:
        """How many records these actions befall."""
        return sum(counts[each] for counts in self.actions.values() for each in actions)


class Journal:
    """Gathers the fate of each record, and passes it on when all before it are known.

    Told by the reading thread, the workers and the settling thread.

    Args:
        write: Takes what a run would do to a record.
        secret: What no line may hold: the key.
    """

    def __init__(self, write: Callable[[dict[str, JSON]], None], secret: str | None) -> None:
        self.tally = Tally()
        self._write = write
        self._secret = secret
        self._lock = threading.Lock()
        self._entries: dict[int, _Entry] = defaultdict(_Entry)
        self._ready: dict[int, dict[str, JSON] | None] = {}
        self._next = 1
        self._left_behind: dict[str, str] = {}

    def handed_over(self, records: Iterable[PreparedRecord]) -> None:
        """Records are on their way, by these keys."""
        with self._lock:
            for each in records:
                self._entries[each.source.ordinal].keys = each.keys

    def written(self, sources: Sequence[SourceRecord], kustomer_id: str, changes: Changes) -> None:
        """One write was planned for these records."""
        with self._lock:
            for each in sources:
                entry = self._entries[each.ordinal]
                entry.kustomer_id = kustomer_id
                entry.changes, entry.idle = {}, not changes
                entry.with_line = sources[0].line_number
            first = self._entries[sources[0].ordinal]
            first.changes, first.with_line = changes, None

    def met(self, sources: Iterable[SourceRecord], kustomer_id: str) -> None:
        """These records are in Kustomer under this id."""
        with self._lock:
            for each in sources:
                self._entries[each.ordinal].kustomer_id = kustomer_id

    def left_behind(self, stream: str, ids: Iterable[str]) -> None:
        """A new version of a stream's table leaves these objects behind."""
        with self._lock:
            self._left_behind.update(dict.fromkeys(ids, stream))

    def kept(self, stream: str, left_behind: LeftBehind) -> None:
        """What a new version of a stream's table leaves behind may not be deleted."""
        with self._lock:
            for reason, count in left_behind.rejected.items():
                self.tally.kept[stream, reason.value] += count

    def ignored(self, ordinal: int) -> None:
        """No verdict will come for this record."""
        with self._lock:
            self._ready[ordinal] = None

    def settled(self, stream: str, outcomes: Iterable[Outcome]) -> None:
        """Records have their verdict; those that nothing before is missing of are passed on."""
        with self._lock:
            for outcome in outcomes:
                entry = self._entries.pop(outcome.source.ordinal, _Entry())
                self._count(stream, outcome, entry)
                self._ready[outcome.source.ordinal] = self._line(stream, outcome, entry)
            while self._next in self._ready:
                self._pass_on(self._next)
                self._next += 1

    def close(self, gone: Collection[str]) -> None:
        """No more will come: pass on what there is; last what goes without a record of its own.

        Args:
            gone: The ids of all that is deleted.
        """
        with self._lock:
            for ordinal in sorted(self._ready):
                self._pass_on(ordinal)
            for kustomer_id, stream in self._left_behind.items():
                if kustomer_id in gone:
                    self.tally.left_behind[stream] += 1
                    self._write(_left_behind(stream, "delete", id=kustomer_id))
            for (stream, reason), count in self.tally.kept.items():
                told = {"reason": reason, "objects": count}
                self._write(_left_behind(stream, "reject", id=None) | told)

    def _pass_on(self, ordinal: int) -> None:
        line = self._ready.pop(ordinal)
        if line is not None:
            self._write(line)

    def _count(self, stream: str, outcome: Outcome, entry: _Entry) -> None:
        action = _action(outcome)
        self.tally.actions[stream][action] += 1
        if outcome.rejection:
            self.tally.reasons[outcome.rejection.reason.value] += 1
        if outcome.why:
            self.tally.skips[outcome.why.value] += 1
        if action in _WRITES:
            counts = self.tally.created if action == "create" else self.tally.updated
            counts.update((stream, name) for name in entry.changes)
            self.tally.idle += entry.idle

    def _line(self, stream: str, outcome: Outcome, entry: _Entry) -> dict[str, JSON]:
        line: dict[str, Any] = {
            "stream": stream,
            "line": outcome.source.line_number,
            "action": _action(outcome),
            "id": outcome.kustomer_id or entry.kustomer_id,
            "keys": _by_kind(entry.keys),
        }
        if line["action"] in _WRITES:
            if entry.with_line is not None:
                line["with_line"] = entry.with_line
            line["changes"] = {
                name: {"before": each.before, "after": each.after}
                for name, each in sorted(entry.changes.items())
            }
        if outcome.why:
            line["why"] = outcome.why.value
        if rejection := outcome.rejection:
            line |= {
                "reason": rejection.reason.value,
                "attribute": rejection.attribute,
                "column": rejection.column,
                "detail": shown_detail(rejection, self._secret),
            }
        return line


def _action(outcome: Outcome) -> str:
    return "delete" if outcome.deleted else _ACTIONS[outcome.verdict]


def _left_behind(stream: str, action: str, **told: JSON) -> dict[str, JSON]:
    return {"stream": stream, "line": None, "action": action, **told, "keys": {}, "why": "version"}


def _by_kind(keys: Iterable[MatchKey]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.kind, []).append(key.spelling or key.value)
    return found
