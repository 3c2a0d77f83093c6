"""Where a plan goes: a file of lines, and a summary for the terminal."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.planning.journal import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from target_kustomer.models import JSON
    from target_kustomer.planning.journal import Tally

_MODE = 0o600
"""The lines hold personal data."""

_SPOILS_A_CELL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff|]+")


class PlanFile:
    """JSON Lines; one line for each record.

    Args:
        path: The file; what was in it is replaced. None: nothing is written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Make the file.

        Raises:
            ConfigurationError: It cannot be made.
        """
        if self._path is None:
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._descriptor = os.open(self._path, flags, _MODE)
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                os.fchmod(self._descriptor, _MODE)  # it may be an older file
        except OSError as error:
            raise self._unwritable(error) from None

    def write(self, line: Mapping[str, JSON]) -> None:
        """Append a line.

        Raises:
            ConfigurationError: The disk does not take it.
        """
        if self._descriptor is None:
            return
        rest = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _unwritable(self, error: OSError) -> ConfigurationError:
        what = f"--plan-out {self._path} cannot be written ({error.strerror})"
        return ConfigurationError(what, mend="name a file in a folder that is there")


def as_json(tally: Tally, streams: Sequence[str], notes: Mapping[str, Any]) -> str:
    """The summary as a JSON object on one line.

    Args:
        tally: The counts.
        streams: The streams' names in stdin's order.
        notes: What else is to be said.
    """
    return json.dumps(
        {
            **notes,
            "streams": {
                stream: {"read": _read(tally, stream)} | _actions(tally, stream)
                for stream in streams
            },
            "reasons": dict(_ranked(tally.reasons)),
            "skips": dict(_ranked(tally.skips)),
            "attributes": {
                stream: {
                    name: {"create": create, "update": update}
                    for of, name, create, update in _attributes(tally)
                    if of == stream
                }
                for stream in streams
            },
            "updates_without_change": tally.idle,
        }
    )


def as_tables(tally: Tally, streams: Sequence[str], notes: Iterable[str]) -> str:
    """The summary for people: aligned tables, in Markdown's form too.

    Args:
        tally: The counts.
        streams: The streams' names in stdin's order.
        notes: Lines to be said below.
    """
    actions: list[tuple[str | int, ...]] = [
        (stream, _read(tally, stream), *_actions(tally, stream).values()) for stream in streams
    ]
    tables = [
        _table(("stream", "read", *ACTIONS), actions),
        _table(("rejected for", "records"), _ranked(tally.reasons)),
        _table(("skipped for", "records"), _ranked(tally.skips)),
        _table(("stream", "attribute", "creates set it", "updates change it"), _attributes(tally)),
        "\n".join(notes),
    ]
    return "\n\n".join(filter(None, tables))


def _read(tally: Tally, stream: str) -> int:
    return tally.actions[stream].total()


def _actions(tally: Tally, stream: str) -> dict[str, int]:
    return {action: tally.actions[stream][action] for action in ACTIONS}


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _attributes(tally: Tally) -> list[tuple[str, str, int, int]]:
    """Stream, attribute, creates and updates; those that change most often first."""
    named = [
        (*each, tally.created[each], tally.updated[each])
        for each in tally.created.keys() | tally.updated.keys()
    ]
    return sorted(named, key=lambda each: (each[0], -each[3], -each[2], each[1]))


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    """A table; nothing where it has no rows."""
    if not rows:
        return ""
    cells = [[_SPOILS_A_CELL.sub(" ", str(each)) for each in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = [isinstance(each, int) for each in rows[0]]
    lines = [
        "| "
        + " | ".join(
            each.rjust(width) if number else each.ljust(width)
            for each, width, number in zip(line, widths, numbers, strict=True)
        )
        + " |"
        for line in cells
    ]
    rule = "|".join(
        "-" * (width + 1) + (":" if number else "-")
        for width, number in zip(widths, numbers, strict=True)
    )
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])
