"""The file of rejected records: a Singer stream that can be replayed (design 1.8)."""

from __future__ import annotations

import errno
import json
import logging
import os
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from target_kustomer.clock import Clock
    from target_kustomer.models import Outcome, Rejection, SourceRecord

logger = logging.getLogger(__name__)

_MAX_DETAIL_CHARACTERS = 500
"""Of the server's text (design 1.8)."""

_CANNOT_CONFIRM_ENTRIES = {errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP}
"""The folder may not be read, or its file system confirms files alone."""


class RejectsFile:
    """Appends rejected records, each behind its SCHEMA; made at the first one.

    Args:
        folder: Where the file goes; made with mode 0700 and a ``.gitignore`` where absent.
        clock: Time, for the name and each rejection's ``at``.
        secret: What the server's text may say again, and the file never does: the key.
    """

    def __init__(self, folder: Path, clock: Clock, secret: str | None = None) -> None:
        self._folder = folder
        self._clock = clock
        self._secret = secret
        self._descriptor: int | None = None
        self._size = 0
        self._schemas: dict[str, bytes] = {}
        self._lines: set[int] = set()
        self.path: Path | None = None

    def warn_of_older(self) -> None:
        """Older files are rejects that nobody has replayed, or forgotten."""
        older = len(rejects_files(self._folder))
        if older:
            logger.warning(
                "older rejects files: replay and remove them folder=%s files=%d",
                self._folder,
                older,
            )

    def write(self, rejected: Sequence[Outcome]) -> None:
        """Write the rejections; when this returns they are on disk.

        Raises:
            OSError: They are not: the disk is full, or the folder cannot be written.
        """
        descriptor = self._open() if self._descriptor is None else self._descriptor
        lines = []
        for outcome in rejected:
            source = outcome.source
            if source.line_number in self._lines:  # an aliased record is one line on stdin
                continue
            self._lines.add(source.line_number)
            if self._schemas.get(source.stream) != source.schema_line:
                lines.append(_one_line(source.schema_line) + b"\n")
                self._schemas[source.stream] = source.schema_line
            lines.append(self._line(source, outcome))
        self._append(descriptor, b"".join(lines))

    def forget_before(self, line_number: int) -> None:
        """All records of the lines before this one are settled."""
        if self._lines:
            self._lines = {line for line in self._lines if line >= line_number}

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _append(self, descriptor: int, lines: bytes) -> None:
        """Put lines on the disk, or leave the file as it was: half a line would spoil it."""
        rest = lines
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, self._size)
            raise
        self._size += len(lines)

    def _line(self, source: SourceRecord, outcome: Outcome) -> bytes:
        """The RECORD as it came in, byte for byte, with one more key; a replay's old one goes."""
        rejection = outcome.rejection
        message = _open_ended(_one_line(source.line).decode())
        at = datetime.fromtimestamp(self._clock.time(), tz=timezone.utc)
        fields = {
            "reason": rejection.reason.value if rejection else None,
            "attribute": rejection.attribute if rejection else None,
            "column": rejection.column if rejection else None,
            "detail": shown_detail(rejection, self._secret) if rejection else None,
            "status": rejection.status if rejection else None,
            "at": at.isoformat(timespec="seconds"),
        }
        return f'{message}, "rejection": {json.dumps(fields)}}}\n'.encode()

    def _open(self) -> int:
        changed = [self._folder]
        for folder in (*reversed(self._folder.parents), self._folder):
            if not folder.is_dir():  # each with this mode, which mkdir's parents would not have
                folder.mkdir(mode=0o700, exist_ok=True)
                changed.append(folder.parent)
        ignore = self._folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        at = datetime.fromtimestamp(self._clock.time(), tz=timezone.utc)
        self.path = self._folder / f"rejects-{at:%Y%m%dT%H%M%SZ}-{os.getpid()}.singer"
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        for folder in changed:
            _confirm_entries(folder)
        return self._descriptor


def _confirm_entries(folder: Path) -> None:
    """Put on the disk which files a folder has, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_CONFIRM_ENTRIES:
            error.filename = str(folder)
            raise


def rejects_files(folder: Path) -> list[Path]:
    """The rejects files in a folder, if it is there."""
    return list(folder.glob("rejects-*.singer")) if folder.is_dir() else []


def shown_detail(rejection: Rejection, secret: str | None) -> str | None:
    """A rejection's detail as a file may hold it: not too long, and without the secret."""
    detail = rejection.detail or ""
    if secret:
        detail = detail.replace(secret, "***")
    return detail[:_MAX_DETAIL_CHARACTERS] or None


def rejected_at(rejection: object) -> float | None:
    """When a replayed record was rejected, by its ``rejection``, in UTC seconds since 1970."""
    at = rejection.get("at") if isinstance(rejection, dict) else None
    try:
        return datetime.fromisoformat(at).timestamp() if isinstance(at, str) else None
    except (ValueError, OverflowError):
        return None


def _one_line(raw: bytes) -> bytes:
    """Without carriage returns, which end a line for some; in JSON they are between values only."""
    return raw.replace(b"\r", b" ").strip()


def _open_ended(message: str) -> str:
    """A JSON object's text without its last brace, and without the ``rejection`` of a replay."""
    whole = message.removesuffix("}")
    if '"rejection"' not in message:
        return whole
    decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode  # of any length
    members, replayed = [], False
    at = _next(message, 1)
    while message[at] != "}":
        name, end = decode(message, at)
        end = decode(message, _next(message, end))[1]
        if name == "rejection":
            replayed = True
        else:
            members.append(message[at:end])
        at = _next(message, end)
    return "{" + ", ".join(members) if replayed else whole


def _next(text: str, at: int) -> int:
    """Where the next value begins, behind separators."""
    while text[at] in " \t\r\n,:":
        at += 1
    return at
