"""Reads Singer messages from a byte stream, with line numbers, and can be interrupted."""

from __future__ import annotations

import json
import logging
import math
import os
import select
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from io import UnsupportedOperation
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding.base import GenericSingerReader, SingerMessageType
from typing_extensions import override

from target_kustomer.exceptions import ConfigurationError, InputError, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16

_IDLE_SECONDS = 1.0
"""How often a silent stdin gives the run a chance to hand over what has waited."""

_MAX_DEPTH = 200
"""Levels of objects and arrays in a message; Python's own limit depends on its version."""

_FAST = msgspec.json.Decoder(float_hook=Decimal)
"""What it takes, it reads as :mod:`json` does; what it refuses, :mod:`json` may still take."""

_TOO_DEEP = f"it is nested more than {_MAX_DEPTH} levels deep"

_REQUIRED: dict[str, dict[str, type]] = {
    SingerMessageType.SCHEMA: {"stream": str, "schema": dict},
    SingerMessageType.RECORD: {"stream": str, "record": dict},
    SingerMessageType.STATE: {"value": object},
    SingerMessageType.ACTIVATE_VERSION: {"stream": str},
    SingerMessageType.BATCH: {"stream": str},
}
"""What a message must hold, by its type."""


class RecordBeforeSchemaError(InputError, RecordsWithoutSchemaException):
    """A RECORD came before the SCHEMA of its stream."""


@dataclass(slots=True)
class Line:
    """The message that is being processed, as it came in."""

    number: int = 0
    raw: bytes = b""
    message: dict[str, Any] = field(default_factory=dict)


class Wakeup:
    """A pipe to the reader: a write ends its wait for stdin. Safe in a signal handler."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._write_fd, False)

    def set(self) -> None:
        """Wake the reader."""
        with suppress(BlockingIOError, OSError):
            os.write(self._write_fd, b"!")

    def close(self) -> None:
        """Close the pipe; waking is of no effect from then on."""
        write_fd, self._write_fd = self._write_fd, -1
        os.close(write_fd)
        os.close(self.read_fd)


class InterruptibleReader(GenericSingerReader[bytes]):
    """The SDK's message reader for bytes.

    Before it waits for a piece of stdin it calls :attr:`waiting`, when it has one :attr:`between`,
    and while stdin is silent :attr:`idle`.
    Broken lines, and fatal errors of the callbacks, end the reading; :attr:`fault` keeps them, so
    that everything before can be settled first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        self.schema_lines: dict[str, bytes] = {}
        self.fault: BaseException | None = None
        self.wakeup: Wakeup | None = None
        self.interrupted: Callable[[], bool] = lambda: False
        self.started: Callable[[], None] = lambda: None
        self.waiting: Callable[[], None] = lambda: None
        self.between: Callable[[], None] = lambda: None
        self.idle: Callable[[], None] = lambda: None

    @property
    @override
    def default_input(self) -> IO[bytes]:
        return sys.stdin.buffer

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        try:
            message = _FAST.decode(line)
        except (msgspec.MsgspecError, ArithmeticError, ValueError, RecursionError):
            message = self._judged(line)
        if line.count(b"[") + line.count(b"{") > _MAX_DEPTH and _depth(message) > _MAX_DEPTH:
            raise self._broken(_TOO_DEEP)
        if not isinstance(message, dict):
            msg = "it is not a JSON object"
            raise self._broken(msg)
        return message

    @override
    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        try:
            self.started()
            for raw in self._lines(file_input or self.default_input):
                self.line = Line(self.line.number + 1, raw)
                self.line.message = message = self.deserialize_json(raw)
                kind = self._check(message)
                callbacks[kind](message)
                counts[kind] += 1
                if self.interrupted():
                    break
        except StoppedError:
            pass
        except Exception as fault:  # noqa: BLE001  raised again when all before it is settled
            self.fault = fault
        return counts

    def _judged(self, line: bytes) -> Any:
        """The JSON value by the rules of Python's own parser."""
        try:
            return _parsed(line.decode())
        except UnicodeDecodeError:
            msg = "it is not UTF-8"
        except RecursionError:
            msg = _TOO_DEEP
        except json.JSONDecodeError:
            msg = "it is not JSON"
        raise self._broken(msg) from None

    def _lines(self, source: IO[Any]) -> Iterator[bytes]:
        try:
            descriptor = source.fileno()
        except (AttributeError, UnsupportedOperation):
            return self._encoded(source)
        if os.isatty(descriptor):
            logger.warning("stdin is a terminal: pipe a tap into this command, or end with Ctrl-D")
        return self._watched(descriptor)

    def _watched(self, descriptor: int) -> Iterator[bytes]:
        """Lines of a file descriptor; ends at once when the run is interrupted."""
        parts: list[bytes] = []
        while chunk := self._chunk(descriptor):
            first, *rest = chunk.split(b"\n")
            parts.append(first)
            for part in rest:
                yield b"".join(parts)
                parts = [part]
        if self.interrupted():
            return
        if last := b"".join(parts):
            yield last

    def _chunk(self, descriptor: int) -> bytes:
        wake = [self.wakeup.read_fd] if self.wakeup else []
        self.waiting()
        while not self.interrupted():
            ready, _, _ = select.select([descriptor, *wake], [], [], _IDLE_SECONDS)
            if self.interrupted():
                break
            if descriptor in ready:
                self.between()
                return os.read(descriptor, _CHUNK_BYTES)
            self.idle()
        return b""

    def _encoded(self, source: Iterable[Any]) -> Iterator[bytes]:
        """Lines of what is no file."""
        self.waiting()
        for line in source:
            self.between()
            raw = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
            yield raw.rstrip(b"\n")
            self.waiting()

    def _check(self, message: dict[str, Any]) -> str:
        kind = message.get("type")
        required = _REQUIRED.get(kind) if isinstance(kind, str) else None
        if kind is None or required is None:
            msg = "it has no known message type"
            raise self._broken(msg)
        for key, expected in required.items():
            if key not in message or not isinstance(message[key], expected):
                msg = f"a {kind} needs {key} ({expected.__name__})"
                raise self._broken(msg)
        if kind == SingerMessageType.SCHEMA:
            self._check_schema(message)
        elif kind == SingerMessageType.RECORD and message["stream"] not in self.schema_lines:
            # not named: in a garbled line anything may stand where the stream's name should
            text = "a RECORD comes before the SCHEMA of its stream: mend the tap"
            raise RecordBeforeSchemaError(text, self.line.number)
        elif kind == SingerMessageType.BATCH:
            known = message["stream"] in self.schema_lines
            text = (
                f"stream {message['stream'] if known else '(without SCHEMA)'} sends BATCH files, "
                "which this target does not read: take batch_config out of the tap's settings"
            )
            raise ConfigurationError(text)
        return str(kind)

    def _check_schema(self, message: dict[str, Any]) -> None:
        if not isinstance(message["schema"].get("properties"), dict):
            msg = "a SCHEMA needs schema.properties (dict)"
            raise self._broken(msg)
        keys = message.get("key_properties")
        if keys is not None and not (
            isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        ):
            msg = "key_properties is a list of column names"
            raise self._broken(msg)
        self.schema_lines[message["stream"]] = self.line.raw

    def _broken(self, what: str) -> InputError:
        return InputError(
            f"broken Singer message: {what}: mend the tap; the last STATE is safe",
            self.line.number,
        )


def _parsed(text: str) -> Any:
    """The JSON value. Numbers that Python does not read by itself are Decimal, or infinite."""
    try:
        return json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):  # 4300 digits, or an exponent of 19
        return json.loads(text, parse_float=_huge_number, parse_int=_huge_number)


def _huge_number(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:
        return math.inf


def _depth(value: Any) -> int:
    """The levels of objects and arrays, counted without recursion."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        members = (each.values() if isinstance(each, dict) else each for each in level)
        level = list(chain.from_iterable(members))
    return depth
