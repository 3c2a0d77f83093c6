"""The log of all API calls: an HTTP Archive that is whole after each of them."""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import threading
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.kustomer.har import Entries

if TYPE_CHECKING:
    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.client import Exchange, Wire

logger = logging.getLogger(__name__)

MAX_BYTES = 100_000_000
"""Of one file; a full one takes the place of the one before it."""

_CREATOR = {"name": "target-kustomer", "version": metadata.version("target-kustomer")}

_HEAD = b'{"log":{"version":"1.2","creator":' + msgspec.json.encode(_CREATOR) + b',"entries":[\n'
_OURS = b'{"log":{"version":"1.2","creator":{"name":"target-kustomer"'
_TAIL = b"\n]}}\n"


class RequestLog:
    """An HTTP Archive that grows by an entry with each exchange; from any thread.

    Each entry goes over the closing brackets in one write that closes them again, so that the
    file is whole when the process is killed. Only a kill that comes within that write, which takes
    some microseconds, or a machine that fails may leave half an entry, which the next run cuts off.

    Args:
        path: Of the file; the one before it has ``.1`` before its suffix.
        bodies: Whether it tells the values of records; they are masked otherwise.
        secret: The API key, which it never tells.
        clock: Time.
        max_bytes: Of one file.
    """

    def __init__(
        self, path: Path, *, bodies: bool, secret: str, clock: Clock, max_bytes: int = MAX_BYTES
    ) -> None:
        self._path = path
        self._entries = Entries(secret, bodies=bodies)
        self._clock = clock
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._end = 0

    def open(self) -> None:
        """Begin the file; that of an earlier run takes the place of the one before it.

        Raises:
            ConfigurationError: It cannot be written.
        """
        try:
            self._path = Path(os.path.realpath(self._path))  # a link stays one
            if self._path.exists() and not self._path.is_file():
                msg = "it is no regular file"
                raise ValueError(msg)  # noqa: TRY301  a device must not be moved away
            with suppress(OSError):  # there is none, or it is not this user's to mend
                _mend(self._path)
            self._begin()
        except (OSError, ValueError) as error:  # a path with a null character is a ValueError
            why = error.strerror if isinstance(error, OSError) else error
            msg = (
                f"cannot write the request log {self._path} ({why}): mend request_log_path or the "
                "disk"
            )
            raise ConfigurationError(msg) from None

    def record(self, exchange: Exchange, wire: Wire) -> None:
        """Write an exchange; a disk that takes no more ends the log, not the run."""
        entry = msgspec.json.encode(self._entries.entry(exchange, wire, self._clock.time()))
        with self._lock:
            if self._descriptor is None:
                return
            try:
                self._append(entry)
            except OSError as error:
                self._close()
                logger.warning("the request log ends here: cannot write it (%s)", error.strerror)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _append(self, entry: bytes) -> None:
        if self._end + len(entry) > self._max_bytes and self._end > len(_HEAD):
            self._close()
            self._begin()
        self._put(entry if self._end == len(_HEAD) else b",\n" + entry)

    def _begin(self) -> None:
        """Begin a file, whole before it takes its name."""
        new = self._path.with_name(f"{self._path.name}.new")
        new.unlink(missing_ok=True)
        self._descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._end = 0
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # it is at work, and nobody's to mend
            self._put(_HEAD)
        except OSError:
            new.unlink()
            raise
        with suppress(FileNotFoundError):
            self._path.replace(self._path.with_name(f"{self._path.stem}.1{self._path.suffix}"))
        new.replace(self._path)

    def _put(self, more: bytes) -> None:
        """Write over the closing brackets and close them again, or leave the file as it was."""
        if self._descriptor is None:
            return
        rest, at = more + _TAIL, self._end
        try:
            while rest:
                written = os.pwrite(self._descriptor, rest, at)
                rest, at = rest[written:], at + written
        except OSError:
            with suppress(OSError):
                os.pwrite(self._descriptor, _TAIL, self._end)
                os.ftruncate(self._descriptor, self._end + len(_TAIL))
            raise
        self._end += len(more)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _mend(path: Path) -> None:
    """Cut half an entry off a log whose run was killed, and close its brackets."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.read(len(_OURS)) != _OURS:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            if text[-len(_TAIL) :] == _TAIL:
                return
            entries = text.find(b"[\n") + len(b"[\n")
            end = max(text.rfind(b",\n", entries), entries)  # no entry holds a line break
        file.seek(end)
        file.truncate()
        file.write(_TAIL)
