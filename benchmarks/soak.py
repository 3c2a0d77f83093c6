"""Whether a long run ends as it began: flat in memory, threads, sockets and files, exact in counts.

Run it: ``python benchmarks/soak.py [--records 300000] [--json FILE]``, on Linux, since it reads
/proc. It streams companies, customers that link to them, customers again with changes and a few
records that are rejected through a target process, against a simulator in this process, samples
what the target holds, says PASS or FAIL of each promise, and exits with 1 after a FAIL.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from typing_extensions import override

from target_kustomer.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_MB = 150
MAX_GROWTH = 0.05
MAX_PARALLEL_REQUESTS = 8
TEMPORARY_FILES = 2
"""One for the list of each object, where that outgrows its part of the memory."""

SAMPLES_PER_SECOND = 5
STATE_EVERY = 1000
COMPANIES_OF_THOUSAND = 40

TEXT = {"type": ["null", "string"]}
COLUMNS: dict[str, dict[str, Any]] = {
    "companies": {"id": TEXT, "name": TEXT},
    "customers": {
        "id": TEXT,
        "name": TEXT,
        "email": TEXT,
        "age": {"type": "integer"},
        "note": TEXT,
        "company_id": TEXT,
    },
}

NOTE = 1000 * "x"
"""So that a record which is not let go of weighs something."""

REFUSED_NAME = "Refused by Kustomer"
"""A name for which the simulator refuses the whole request that bears it."""


@dataclass
class Expected:
    """What must come of a stream.

    Attributes:
        companies: External ids of the companies that are there at the end.
        customers: External id and age of each customer at the end.
        summary: The counts of each stream.
    """

    companies: set[str] = field(default_factory=set)
    customers: dict[str, int] = field(default_factory=dict)
    summary: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in COLUMNS}
    )


def stream(records: int, expected: Expected) -> Iterator[bytes]:
    """A Singer stream of so many records; notes what must come of those that it has given."""
    for name, properties in COLUMNS.items():
        schema = {"type": "object", "properties": properties}
        yield _line({"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": ["id"]})
    chance = random.Random(1)  # noqa: S311  the same load each time, and no secret
    for number in range(records):
        name, record, verdict = _record(number, expected, chance)
        expected.summary[name].update(("read", verdict))
        yield _line({"type": "RECORD", "stream": name, "record": record})
        if number % STATE_EVERY == STATE_EVERY - 1 or number == records - 1:
            yield _line({"type": "STATE", "value": {"records": number + 1}})


def _record(
    number: int, expected: Expected, chance: random.Random
) -> tuple[str, dict[str, Any], str]:
    """The stream, the columns and the verdict of one record, by its place in its thousand."""
    place = number % STATE_EVERY
    companies, customers = expected.companies, expected.customers
    if place == 0:
        return "companies", {"id": f"bad{number}", "name": ""}, "rejected"
    if place < COMPANIES_OF_THOUSAND:
        company = f"k{len(companies)}"
        companies.add(company)
        return "companies", {"id": company, "name": f"Company {number}"}, "created"
    recent = len(companies) - 1 - chance.randrange(30)
    linked = chance.randrange(len(companies)) if place % 10 == 0 else recent
    customer: dict[str, Any] = {
        "id": f"c{len(customers)}",
        "name": f"Customer {number}",
        "email": f"customer{number}@example.com",
        "age": number % 90,
        "note": NOTE,
        "company_id": f"k{linked}",
    }
    bad: dict[int, dict[str, Any]] = {
        200: {"age": 1 << 60},
        400: {"age": "old"},
        600: {"company_id": f"nowhere{number}"},
        800: {"name": REFUSED_NAME},
    }
    if place in bad:
        return "customers", {**customer, "id": f"bad{number}", **bad[place]}, "rejected"
    verdict = "created"
    if place % 5 == 1:
        oldest = chance.choice((0, max(0, len(customers) - 1000)))
        customer["id"] = f"c{chance.randrange(oldest, len(customers))}"
        verdict = "updated"
    customers[customer["id"]] = customer["age"]
    return "customers", customer, verdict


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


@dataclass(frozen=True)
class Sample:
    """What the target held at a moment, and how many records it had acknowledged."""

    acknowledged: int
    rss_mb: float
    threads: int
    sockets: int
    temporary: int
    files: int


class Load:
    """The target in a process of its own, with a stream on its stdin.

    Args:
        simulator: Its Kustomer.
        lines: The stream.
        folder: Where its rejects and its log go.
    """

    def __init__(self, simulator: Simulator, lines: Iterable[bytes], folder: Path) -> None:
        self._lines = lines
        self._log = folder / "log"
        self._acknowledged = 0
        env = {
            **os.environ,
            "TARGET_KUSTOMER_API_URL": simulator.url,
            "TARGET_KUSTOMER_API_KEY": simulator.api_key,
            "TARGET_KUSTOMER_RATE_LIMIT_SHARE": "1",
            "TARGET_KUSTOMER_MAX_PARALLEL_REQUESTS": str(MAX_PARALLEL_REQUESTS),
            "TARGET_KUSTOMER_MAX_REJECTED_RECORDS": "-1",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "target_kustomer", "--config=ENV"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                cwd=folder,
            )

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return self._log.read_text(encoding="utf-8")

    def run(self) -> tuple[int, list[Sample]]:
        """Feed and watch the target until it ends; its exit code, and what it held."""
        threads = [
            threading.Thread(target=self._feed, args=[self._process.stdin]),
            threading.Thread(target=self._follow, args=[self._process.stdout]),
        ]
        for thread in threads:
            thread.start()
        samples = []
        while (now := self._sample()) is not None:
            samples.append(now)
            time.sleep(1 / SAMPLES_PER_SECOND)
        for thread in threads:
            thread.join()
        return self._process.wait(), samples

    def _feed(self, stdin: IO[bytes]) -> None:
        with suppress(BrokenPipeError), stdin:
            stdin.writelines(self._lines)

    def _follow(self, stdout: IO[bytes]) -> None:
        with stdout:
            for line in stdout:
                self._acknowledged = json.loads(line)["records"]

    def _sample(self) -> Sample | None:
        """What it holds now; None when it has ended."""
        acknowledged = self._acknowledged
        proc = Path("/proc", str(self._process.pid))
        names = []
        try:
            status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
            for each in (proc / "fd").iterdir():
                with suppress(FileNotFoundError):
                    names.append(str(each.readlink()))
            rss_mb = int(status["VmRSS"].split()[0]) / 1024
        except (KeyError, OSError):
            return None
        sockets = sum(name.startswith("socket:") for name in names)
        temporary = sum("etilqs_" in name for name in names)  # SQLite's word for its own
        threads = int(status["Threads"])
        files = len(names) - sockets - temporary
        return Sample(acknowledged, rss_mb, threads, sockets, temporary, files)


@dataclass(frozen=True)
class Report:
    """What a load came to; of the run's parts the most that was sampled, by records acknowledged.

    Attributes:
        last_line: Of its log.
        peak_mb: Resident memory in each third.
        held: Threads, sockets, temporary and other files in the tenth up to 10, 50 and 100 %.
        summary: The counts that the target says.
        expected_summary: The counts that it must say.
        world: The companies and customers that are in Kustomer.
        world_is_exact: Whether it holds those that it must hold, as they were last sent.
        requests: Those that the target made, by kind.
    """

    records: int
    seconds: float
    exit_code: int
    last_line: str
    peak_mb: list[float]
    held: dict[str, dict[str, int]]
    summary: dict[str, dict[str, int]]
    expected_summary: dict[str, dict[str, int]]
    world: dict[str, int]
    world_is_exact: bool
    requests: dict[str, int]

    def checks(self) -> dict[str, bool]:
        """Whether each promise was kept."""
        first, _, last = self.peak_mb
        before, after = self.held["10 %"], self.held["100 %"]
        allowed = before | {
            "sockets": max(before["sockets"], MAX_PARALLEL_REQUESTS),
            "temporary": TEMPORARY_FILES,
        }
        return {
            f"the last third peaks within {MAX_GROWTH:.0%} of the first": (
                0 < last <= first * (1 + MAX_GROWTH)
            ),
            f"the peak is below {MAX_MB} MB": max(self.peak_mb) < MAX_MB,
            "no more threads and files at the end than after 10 %, a socket for each request": (
                all(after[what] <= allowed[what] for what in allowed) and after["threads"] > 0
            ),
            "exit code 0": self.exit_code == 0,
            "the summary is exact": self.summary == self.expected_summary,
            "Kustomer holds what was sent": self.world_is_exact,
        }

    @override
    def __str__(self) -> str:
        peaks = ", ".join(f"{peak:.1f} MB" for peak in self.peak_mb)
        rate = self.records / self.seconds
        lines = [
            f"{self.records} records in {self.seconds:.0f} s, {rate:.0f} a second",
            f"exit code {self.exit_code}: {self.last_line}",
            f"peak of each third: {peaks}",
            *(f"held at {share}: {_listed(held)}" for share, held in self.held.items()),
            *(f"summary of {name}: {_listed(counts)}" for name, counts in self.summary.items()),
            f"in Kustomer: {_listed(self.world)}",
            f"requests: {sum(self.requests.values())}; {_listed(self.requests)}",
            *(f"{'PASS' if kept else 'FAIL'}: {what}" for what, kept in self.checks().items()),
        ]
        return "\n".join(lines)


def soak(records: int) -> Report:
    """Run a load of so many records, and report on it."""
    expected = Expected()
    with Simulator(rate_limit=1_000_000) as simulator, tempfile.TemporaryDirectory() as folder:
        simulator.org.refuse_request_if(lambda item: item.get("name") == REFUSED_NAME)
        started = time.perf_counter()
        load = Load(simulator, stream(records, expected), Path(folder))
        exit_code, samples = load.run()
        seconds = time.perf_counter() - started
        companies = [each.attributes["externalId"] for each in simulator.org.companies]
        customers = [
            (each.attributes["externalId"], each.attributes["custom"]["ageNum"])
            for each in simulator.org.customers
        ]
        requests, log = simulator.requests.counts(), load.log

    def most(what: str, begin: float, end: float) -> Any:
        held = (
            getattr(each, what)
            for each in samples
            if begin * records <= each.acknowledged <= end * records
        )
        return max(held, default=0)

    return Report(
        records,
        seconds,
        exit_code,
        last_line=log.splitlines()[-1],
        peak_mb=[most("rss_mb", third / 3, (third + 1) / 3) for third in range(3)],
        held={
            f"{percent} %": {
                what: most(what, (percent - 10) / 100, percent / 100)
                for what in ("threads", "sockets", "temporary", "files")
            }
            for percent in (10, 50, 100)
        },
        summary=_summary(log),
        expected_summary={name: dict(counts) for name, counts in expected.summary.items()},
        world={"companies": len(companies), "customers": len(customers)},
        world_is_exact=(
            sorted(companies) == sorted(expected.companies)
            and sorted(customers) == sorted(expected.customers.items())
        ),
        requests=requests,
    )


def _summary(log: str) -> dict[str, dict[str, int]]:
    """The counts that a log gives for each stream, without zeros."""
    return {
        name: {word: int(count) for word, count in re.findall(r"(\w+)=([1-9]\d*)", counts)}
        for name, counts in re.findall(r"summary stream=(\S+) (.*)", log)
    }


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def main() -> int:
    """Run the load, print the report; 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the report goes as JSON")
    options = parser.parse_args()
    report = soak(options.records)
    print(report)
    if options.json:
        options.json.write_text(json.dumps(asdict(report) | {"checks": report.checks()}, indent=2))
    return 0 if all(report.checks().values()) else 1


if __name__ == "__main__":
    sys.exit(main())
