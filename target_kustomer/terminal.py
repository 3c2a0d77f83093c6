"""Live lines at the foot of a terminal, and all else above them."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class _Line(tqdm):  # type: ignore[type-arg]  # it counts nothing
    monitor_interval = 0  # no thread


class Terminal:
    """A terminal whose last lines live.

    Log lines that go there stay whole: they are written above. From any thread.

    Args:
        stream: stderr, which is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._lock = threading.RLock()
        _Line.set_lock(self._lock)
        self._stream = stream
        self._lines: list[_Line] = []
        self._closed = False
        self._handlers = [each for each in _handlers() if each.stream is stream]
        for each in self._handlers:
            each.setStream(cast("TextIO", _Above(stream)))

    @property
    def room(self) -> tuple[int, int]:
        """Columns, and the lines that may live: half of all."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):  # it is gone
            return 0, 0
        return size.columns, size.lines // 2

    def show(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those before; nothing where the terminal is gone."""
        with self._lock:
            if self._closed:
                return
            try:
                for text in lines[len(self._lines) :]:
                    self._lines.append(self._line(text))
                for line, text in zip(self._lines, lines, strict=False):
                    line.set_description_str(text)
            except (OSError, ValueError):
                self._closed = True

    @contextmanager
    def beside(self) -> Iterator[None]:
        """While something else is written to the same terminal, which may block."""
        with _Line.external_write_mode(file=self._stream, nolock=True):
            yield

    def close(self) -> None:
        """Clear the lines."""
        with self._lock:
            self._closed = True
            for line in reversed(self._lines):
                line.close()
        for each in self._handlers:
            each.setStream(self._stream)

    def _line(self, text: str) -> _Line:
        return _Line(
            desc=text,
            bar_format="{desc}",
            position=len(self._lines),
            leave=False,
            dynamic_ncols=True,
            file=self._stream,
        )


class _Above:
    """The stream, with what is written to it above the live lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with _Line.external_write_mode(file=self._stream):
            self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def _handlers() -> Iterator[logging.StreamHandler[TextIO]]:
    known = logging.root.manager.loggerDict.values()
    for logger in (logging.root, *known):
        for each in logger.handlers if isinstance(logger, logging.Logger) else ():
            if isinstance(each, logging.StreamHandler):
                yield each
