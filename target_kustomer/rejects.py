"""The file of rejected records: a Singer stream that can be replayed (design 1.8)."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from target_kustomer.clock import Clock
    from target_kustomer.models import Outcome, SourceRecord

logger = logging.getLogger(__name__)


class RejectsFile:
    """Appends rejected records, each behind its SCHEMA; made at the first one.

    Args:
        folder: Where the file goes; made with mode 0700 and a ``.gitignore`` where absent.
        clock: Time, for the name and each rejection's ``at``.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._file: IO[bytes] | None = None
        self._schemas: dict[str, bytes] = {}
        self._lines: set[int] = set()
        self.path: Path | None = None

    def warn_of_older(self) -> None:
        """Older files are rejects that nobody has replayed, or forgotten."""
        older = len(list(self._folder.glob("rejects-*.singer"))) if self._folder.is_dir() else 0
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
        file = self._file or self._open()
        for outcome in rejected:
            source = outcome.source
            if source.line_number in self._lines:  # an aliased record is one line on stdin
                continue
            self._lines.add(source.line_number)
            if self._schemas.get(source.stream) != source.schema_line:
                file.write(source.schema_line.strip() + b"\n")
                self._schemas[source.stream] = source.schema_line
            file.write(self._line(source, outcome))
        file.flush()
        os.fsync(file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _line(self, source: SourceRecord, outcome: Outcome) -> bytes:
        """The RECORD as it came in, byte for byte, with one more key; a replay's old one goes."""
        rejection = outcome.rejection
        message = _open_ended(source.line.decode().strip())
        at = datetime.fromtimestamp(self._clock.time(), tz=timezone.utc)
        fields = {
            "reason": rejection.reason.value if rejection else None,
            "attribute": rejection.attribute if rejection else None,
            "column": rejection.column if rejection else None,
            "detail": rejection.detail[:500] if rejection and rejection.detail else None,
            "status": rejection.status if rejection else None,
            "at": at.isoformat(timespec="seconds"),
        }
        return f'{message}, "rejection": {json.dumps(fields)}}}\n'.encode()

    def _open(self) -> IO[bytes]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self._folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        at = datetime.fromtimestamp(self._clock.time(), tz=timezone.utc)
        self.path = self._folder / f"rejects-{at:%Y%m%dT%H%M%SZ}-{os.getpid()}.singer"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        return self._file


def _open_ended(message: str) -> str:
    """A JSON object's text without its last brace, and without the ``rejection`` of a replay."""
    whole = message.removesuffix("}")
    if '"rejection"' not in message:
        return whole
    decode = json.JSONDecoder().raw_decode
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
