"""What tests share: Singer lines, a run in this process, a run in a process of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from target_kustomer.exceptions import FatalError
from target_kustomer.target import TargetKustomer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from typing_extensions import Self

    from target_kustomer.simulator import Simulator

TEXT = {"type": ["null", "string"]}
INTEGER = {"type": ["null", "integer"]}

CUSTOMERS = {"id": TEXT, "name": TEXT, "email": TEXT, "age": INTEGER}
COMPANIES = {"id": TEXT, "name": TEXT}

_SUMMARY = re.compile(
    r"summary stream=(\S+) read=(\d+) created=(\d+) updated=(\d+) unchanged=(\d+) "
    r"skipped=(\d+) rejected=(\d+)$"
)


def schema(
    stream: str, properties: Mapping[str, Any], keys: Iterable[str] | None = ("id",)
) -> dict[str, Any]:
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": dict(properties)},
        "key_properties": list(keys) if keys is not None else None,
    }


def record(stream: str, **columns: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": columns}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": {"at": value}}


def customers(count: int, first: int = 0, **columns: Any) -> list[dict[str, Any]]:
    """So many different customers."""
    return [
        record(
            "customers",
            id=f"c{number}",
            name=f"Customer {number}",
            email=f"c{number}@example.com",
            age=number % 90,
            **columns,
        )
        for number in range(first, first + count)
    ]


def to_lines(messages: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@dataclass
class Result:
    """What a run left behind, beside what it left in Kustomer."""

    exit_code: int
    error: str
    stdout: str
    log: str
    rejects_dir: Path
    summaries: dict[str, dict[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.summaries = {}
        for line in self.log.splitlines():
            if found := _SUMMARY.search(line):
                words = ("read", "created", "updated", "unchanged", "skipped", "rejected")
                counts = map(int, found.groups()[1:])
                self.summaries[found[1]] = dict(zip(words, counts, strict=True))

    @property
    def states(self) -> list[Any]:
        return [json.loads(line)["at"] for line in self.stdout.splitlines()]

    @property
    def rejects_bytes(self) -> bytes:
        """All rejects files, one after the other."""
        return b"".join(path.read_bytes() for path in sorted(self.rejects_dir.glob("*.singer")))

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The rejected RECORD messages, with their rejection."""
        messages = [json.loads(line) for line in self.rejects_bytes.splitlines()]
        return [message for message in messages if message["type"] == "RECORD"]

    @property
    def reasons(self) -> dict[str, str]:
        """The reason of each rejected record, by its id."""
        return {each["record"].get("id"): each["rejection"]["reason"] for each in self.rejected}

    def counts(self, stream: str = "customers") -> dict[str, int]:
        """The summary of a stream without zeros; it adds up, or the test ends here."""
        counts = dict(self.summaries[stream])
        assert counts["read"] == sum(counts.values()) - counts["read"], counts
        return {word: count for word, count in counts.items() if count and word != "read"}


class Ledgers(Protocol):
    """Where the runs of a folder have their ledger."""

    def url(self, folder: Path) -> str:
        """SQLAlchemy's URL of the database."""


class Runner:
    """Runs the target against a simulator.

    Args:
        simulator: Its Kustomer.
        folder: Where configs and rejects go.
        target: What runs in this process.

    Attributes:
        ledger: Where all runs have a ledger (``--ledger``); None where they have none.
    """

    ledger: ClassVar[Ledgers | None] = None

    def __init__(
        self,
        simulator: Simulator,
        folder: Path,
        target: type[TargetKustomer] = TargetKustomer,
    ) -> None:
        self.simulator = simulator
        self.folder = folder
        self._target = target
        self._runs = 0

    def config(self, **settings: Any) -> dict[str, Any]:
        return {
            **({"ledger_url": self.ledger.url(self.folder)} if self.ledger else {}),
            "api_key": self.simulator.api_key,
            "api_url": self.simulator.url,
            "rejects_dir": str(self.folder / f"rejects-{self._runs}"),
            **settings,
        }

    def __call__(
        self, messages: Iterable[Mapping[str, Any]] | bytes | socket.socket, **settings: Any
    ) -> Result:
        """Run the target in this process; it reads the messages one by one, or the socket."""
        self._runs += 1
        source: Any = messages
        if isinstance(messages, bytes):
            source = io.BytesIO(messages)
        elif not isinstance(messages, socket.socket):
            source = (to_lines([message]) for message in messages)
        config = self.config(**settings)
        out, log = io.StringIO(), io.StringIO()
        handler = logging.StreamHandler(log)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        code, error = 0, ""
        try:
            with redirect_stdout(out):
                self._target(config=config).listen(source)
        except FatalError as fatal:
            code, error = fatal.exit_code, str(fatal)
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        rejects = self.folder / f"rejects-{self._runs}"
        return Result(code, error, out.getvalue(), log.getvalue(), rejects)

    def process(
        self,
        messages: Iterable[Mapping[str, Any]] | bytes,
        env: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Result:
        """Run the target in a process of its own."""
        self._runs += 1
        lines = messages if isinstance(messages, bytes) else to_lines(messages)
        done = subprocess.run(
            self.command(**settings),
            input=lines,
            capture_output=True,
            check=False,
            env=_environment(env),
            timeout=120,
        )
        log = done.stderr.decode()
        last = log.splitlines()[-1] if log else ""
        rejects = self.folder / f"rejects-{self._runs}"
        return Result(done.returncode, last, done.stdout.decode(), log, rejects)

    def command(self, **settings: Any) -> list[str]:
        """The command line of a run, its config in a file."""
        config = self.folder / f"config-{self._runs}.json"
        config.write_text(json.dumps(self.config(**settings)))
        return [sys.executable, "-m", "target_kustomer", "--config", str(config)]

    def start(
        self, env: Mapping[str, str] | None = None, stdout: int | None = None, **settings: Any
    ) -> Running:
        """Start the target in a process of its own, with an open stdin.

        Args:
            env: More of its environment.
            stdout: A file descriptor for it; without one, what it writes goes to a file.
            settings: Its config.
        """
        self._runs += 1
        command = self.command(**settings)
        rejects = self.folder / f"rejects-{self._runs}"
        return Running(command, _environment(env), self.folder, rejects, stdout)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """This process's, but with the buffers of stdout that a user's processes have."""
    return {**os.environ, "PYTHONUNBUFFERED": "", **(more or {})}


class Clock:
    """Moves when somebody sleeps, or a test says so.

    Attributes:
        now: Seconds since its start, which was early in 2027.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_800_000_000.0 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that must come; generous, since the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


class Processes:
    """What runs; whatever still does at the end of the block is killed."""

    def __init__(self, *processes: subprocess.Popen[bytes]) -> None:
        self._processes = processes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._processes:
            if each.poll() is None:
                each.kill()
                each.wait()
            if each.stdin is not None:
                with suppress(BrokenPipeError):
                    each.stdin.close()


class Running(Processes):
    """The target in a process, its stdin open; what it writes goes to files."""

    def __init__(
        self,
        command: list[str],
        env: Mapping[str, str],
        folder: Path,
        rejects_dir: Path,
        stdout: int | None = None,
    ) -> None:
        self._stdout = folder / f"{rejects_dir.name}.stdout"
        self._stderr = folder / f"{rejects_dir.name}.stderr"
        self._rejects_dir = rejects_dir
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out if stdout is None else stdout,
                stderr=err,
                env=env,
            )
        super().__init__(self.process)

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        return self._stderr.read_text(encoding="utf-8")

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def write(self, messages: Iterable[Mapping[str, Any]] | bytes) -> None:
        """Write to its stdin, which stays open; blocks while the pipe is full."""
        assert self.process.stdin is not None
        self.process.stdin.write(messages if isinstance(messages, bytes) else to_lines(messages))
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def result(self, seconds: float = 60.0) -> Result:
        """Wait for its end; its stdin stays as it is."""
        code = self.process.wait(seconds)
        lines = self.log.splitlines()
        last = lines[-1] if lines else ""
        return Result(code, last, self.stdout, self.log, self._rejects_dir)
