"""Live lines at the foot of a terminal, and all else above them, whoever writes it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEEP, _BACK = "\x1b7", "\x1b8"
"""Keep where the cursor is, and go back there."""

_CLEAR_LINE, _CLEAR_BELOW = "\x1b[2K", "\x1b[J"
_WRAP, _NO_WRAP = "\x1b[?7h", "\x1b[?7l"
_ALL_SCROLLS = "\x1b[r"


class Terminal:
    """A terminal whose last lines live.

    All above them scrolls by itself, so that what others write there stays whole: the log, STATE,
    and the tap before the pipe. From any thread.

    Args:
        stream: stderr, which is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._lock = threading.Lock()
        self._stream = stream
        self._size = os.get_terminal_size(stream.fileno())
        self._count = 0
        self._closed = False

    @property
    def room(self) -> tuple[int, int]:
        """Columns, and the lines that may live: half of all."""
        return self._size.columns, self._size.lines // 2

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those before; nothing where the terminal is gone."""
        with self._lock:
            if self._closed:
                return
            try:
                self._show(lines)
            except (OSError, ValueError):
                self._closed = True

    def close(self) -> None:
        """Clear the lines, and let all of the terminal scroll again."""
        with self._lock:
            if not self._closed and self._count:
                with suppress(OSError, ValueError):
                    self._write(self._cleared())
            self._closed = True

    def _show(self, lines: Sequence[str]) -> None:
        text = ""
        size = os.get_terminal_size(self._stream.fileno())
        if size != self._size or len(lines) > self._count:
            text = self._cleared() if self._count else ""
            self._size, self._count = size, min(max(len(lines), self._count), size.lines - 1)
            text += self._reserved()
        first = self._size.lines - self._count + 1
        shown = [*lines, *[""] * self._count][: self._count]
        rows = (
            f"\x1b[{row};1H{_CLEAR_LINE}{line[: self._size.columns]}"
            for row, line in enumerate(shown, first)
        )
        self._write(f"{text}{_KEEP}{_NO_WRAP}{''.join(rows)}{_WRAP}{_BACK}")

    def _reserved(self) -> str:
        """Make room at the foot, the cursor above it, and let only what is above scroll."""
        down, up = "\x1bD" * self._count, f"\x1b[{self._count}A"
        return f"{down}{up}{_KEEP}\x1b[1;{self._size.lines - self._count}r{_BACK}"

    def _cleared(self) -> str:
        first = self._size.lines - self._count + 1
        return f"{_KEEP}{_ALL_SCROLLS}\x1b[{first};1H{_CLEAR_BELOW}{_BACK}"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
