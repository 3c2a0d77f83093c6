"""A simulator and the programs that are measured, each in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

HERE = Path(__file__).parent

WORKERS = 8
"""Requests at once, of the target and of its peers."""

SHARE = 0.8
"""Of the org's budget, for the target."""

_SAMPLE_SECONDS = 0.02

_VERDICTS = ("created", "updated", "unchanged", "skipped", "rejected")


@dataclass(frozen=True)
class Request:
    """A request as the simulator noted it.

    Attributes:
        time: When it came, in seconds after the run's first one.
        kind: What it asked for.
        status: Of its answer.
    """

    time: float
    kind: str
    status: int


@dataclass(frozen=True)
class Run:
    """What a run cost.

    Attributes:
        records: On its stdin.
        seconds: Of the whole process.
        peak_mb: The most memory that it held.
        requests: Those that it made.
        verdicts: What it says became of the records.
    """

    records: int
    seconds: float
    peak_mb: float
    requests: list[Request] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def per_thousand(self) -> float:
        """Requests per 1,000 records."""
        return 1000 * len(self.requests) / self.records

    @property
    def per_second(self) -> float:
        """Records per second."""
        return self.records / self.seconds

    @property
    def refused(self) -> int:
        """Requests that were refused since the budget was spent."""
        return sum(each.status == httpx.codes.TOO_MANY_REQUESTS for each in self.requests)


class World:
    """A simulator, and a ledger that knows what the target has written there.

    Args:
        customers: What the org holds at the start.
        switches: Of the simulator.
    """

    def __init__(self, customers: Iterable[dict[str, Any]] = (), **switches: Any) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name)
        seed = self.path / "seed.json"
        seed.write_text(json.dumps({"customers": list(customers)}), encoding="utf-8")
        command = [sys.executable, "-m", "target_kustomer.simulator", "serve", "--port=0"]
        command += [f"--switch={name}={value}" for name, value in switches.items()]
        self._process = subprocess.Popen(
            [*command, f"--seed-file={seed}"], stderr=subprocess.PIPE, text=True
        )
        said = self._process.stderr.readline() if self._process.stderr else ""
        found = re.search(r"at (\S+) with API key (\S+)", said)
        if not found:
            sys.exit(said)
        self.url, self.api_key = found.groups()
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()

    def target(self, lines: Path, *, ledger: bool = True, **others: Any) -> Run:
        """Load a stream with the target, under other settings too."""
        settings = {"api_url": self.url, "api_key": self.api_key, "rate_limit_share": SHARE}
        settings |= {"max_parallel_requests": WORKERS, **others}
        if ledger:
            settings["ledger_url"] = f"sqlite:///{self.path / 'ledger.db'}"
        config = self.path / "config.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "target_kustomer", f"--config={config}"]
        return self._run(command, lines)

    def peers(self, lines: Path) -> Run:
        """Load a stream by the recipe of the peers."""
        command = [sys.executable, str(HERE / "peers.py"), self.url, self.api_key, str(WORKERS)]
        return self._run(command, lines)

    def _run(self, command: list[str], lines: Path) -> Run:
        run, log = measure(command, lines, self.path)
        requests = self._requests()
        first = min((each["time"] for each in requests), default=0.0)
        return Run(
            run.records,
            run.seconds,
            run.peak_mb,
            [Request(each["time"] - first, each["kind"], each["status"]) for each in requests],
            verdicts(log),
        )

    def _requests(self) -> list[dict[str, Any]]:
        """Those since the last time."""
        entries: list[dict[str, Any]] = httpx.get(
            f"{self.url}/simulator/requests", timeout=120
        ).json()
        new, self._seen = entries[self._seen :], len(entries)
        return new


def measure(command: list[str], lines: Path, folder: Path) -> tuple[Run, str]:
    """Run a program with a file on its stdin; what it cost, and what it logged."""
    with lines.open("rb") as stream:
        records = sum(b'"RECORD"' in line for line in stream)
    log = folder / "log"
    peak = _Peak()
    with lines.open("rb") as stdin, log.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr, cwd=folder
        )
        peak.watch(process)
        code = process.wait()
        seconds = time.perf_counter() - started
    said = log.read_text(encoding="utf-8")
    print(f"{records} records in {seconds:.1f} s", file=sys.stderr)
    if code != 0:
        sys.exit(f"exit code {code}: {' '.join(command)}\n{said[-2000:]}")
    return Run(records, seconds, peak.megabytes), said


def verdicts(log: str) -> dict[str, int]:
    """The counts of a target's summary, without those that are zero."""
    line = next((line for line in log.splitlines() if "summary stream=" in line), "")
    counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)}
    return {name: counts[name] for name in _VERDICTS if counts.get(name)}


class _Peak:
    """The most memory that a process has held, read while it lives; on Linux."""

    def __init__(self) -> None:
        self.megabytes = 0.0

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        threading.Thread(target=self._watch, args=[process], daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError), Path(f"/proc/{process.pid}/status").open("rb") as status:
            while process.returncode is None and self._read(status):
                time.sleep(_SAMPLE_SECONDS)

    def _read(self, status: IO[bytes]) -> bool:
        status.seek(0)
        found = re.search(rb"VmHWM:\s+(\d+) kB", status.read())
        if found:
            self.megabytes = int(found[1]) / 1024
        return found is not None
