"""Taps of all makes, each in an environment of its own, piped into the target."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.postgresql import RUN_DEADLINE_SECONDS
from tests.support import Processes, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support import Runner


@dataclasses.dataclass(frozen=True)
class Tap:
    """A tap with its config.

    Attributes:
        program: Its command.
        config: What it is told.
        streams: What its catalog says of each stream that it is to send; None without a catalog.
    """

    program: Path
    config: Mapping[str, Any]
    streams: Mapping[str, Mapping[str, Any]] | None = None

    def command(self, folder: Path, state: Any = None) -> list[str | Path]:
        """The command line of a run, its files in the folder; the catalog is made once."""
        config = folder / "tap.json"
        config.write_text(json.dumps(self.config), encoding="utf-8")
        command: list[str | Path] = [self.program, "--config", config]
        if self.streams is not None:
            catalog = folder / "catalog.json"
            if not catalog.exists():
                found = self.catalog(config, self.streams)
                catalog.write_text(json.dumps(found), encoding="utf-8")
            command += ["--catalog", catalog]
        if state is not None:
            path = folder / "state.json"
            path.write_text(json.dumps(state), encoding="utf-8")
            command += ["--state", path]
        return command

    def catalog(self, config: Path, streams: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What the tap finds, with only these streams selected."""
        found = subprocess.run(
            [self.program, "--config", config, "--discover"],
            stdout=subprocess.PIPE,
            check=True,
            timeout=RUN_DEADLINE_SECONDS,
        )
        catalog: dict[str, Any] = json.loads(found.stdout)
        assert set(streams) <= {each["tap_stream_id"] for each in catalog["streams"]}
        for stream in catalog["streams"]:
            name = stream["tap_stream_id"]
            change = {"selected": name in streams, **streams.get(name, {})}
            if "replication-method" in change:  # where the newer taps look for it
                stream["replication_method"] = change["replication-method"]
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"].update(change)
        return catalog


class Piped(Processes):
    """`tap | target-kustomer`, both running.

    Args:
        tap: The tap's command line.
        target: The target's.
        folder: Where to write what they say.
    """

    def __init__(self, tap: list[str | Path], target: list[str], folder: Path) -> None:
        self.folder = folder
        self.rejects = folder / "rejects"
        with (folder / "state.jsonl").open("wb") as out, (folder / "log").open("wb") as log:
            self.tap = subprocess.Popen(tap, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.target = subprocess.Popen(target, stdin=self.tap.stdout, stdout=out, stderr=log)
        assert self.tap.stdout is not None
        self.tap.stdout.close()  # So that the tap notices when the target is gone.
        super().__init__(self.target, self.tap)

    def result(self) -> Result:
        """Wait for the end of both."""
        code = self.target.wait(RUN_DEADLINE_SECONDS)
        self.tap.wait(RUN_DEADLINE_SECONDS)
        log = (self.folder / "log").read_text(encoding="utf-8")
        stdout = (self.folder / "state.jsonl").read_text(encoding="utf-8")
        lines = log.splitlines()
        return Result(code, lines[-1] if lines else "", stdout, log, self.rejects)


@dataclasses.dataclass
class Line:
    """Runs of one tap into the target, each from the last STATE that came out of the one before.

    Attributes:
        tap: The tap.
        target: The target, and its simulator.
        folder: Where runs leave their files.
        settings: The target's settings in every run.
        state: The last STATE.
    """

    tap: Tap
    target: Runner
    folder: Path
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    state: Any = None

    def command(self) -> list[str | Path]:
        """The tap's command line, from the last STATE."""
        return self.tap.command(self.folder, self.state)

    def start(self, file: Path | None = None, **settings: Any) -> Piped:
        """Start both, or `cat` of a file in the place of the tap."""
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        target = self.target.command(
            **{"rejects_dir": str(folder / "rejects"), **self.settings, **settings}
        )
        tap: list[str | Path] = ["cat", file] if file else self.command()
        return Piped(tap, target, folder)

    def file(self) -> Path:
        """Run the tap alone, into a file."""
        path = self.folder / "changes.singer"
        with path.open("wb") as output:
            subprocess.run(self.command(), stdout=output, check=True, timeout=RUN_DEADLINE_SECONDS)
        return path

    def keep(self, result: Result) -> None:
        """Go on from there next time."""
        if result.stdout:
            self.state = json.loads(result.stdout.splitlines()[-1])

    def run(self, file: Path | None = None, **settings: Any) -> Result:
        """Run both to their end."""
        with self.start(file, **settings) as piped:
            result = piped.result()
        self.keep(result)
        assert piped.tap.returncode == 0
        return result
