"""Meltano projects that tests make, with the real Meltano."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RUN_DEADLINE_SECONDS = 300

_VARYING = {
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "2026-01-01T00:00:00.000000Z",
    r"updated at [\d :.+-]+\.$": "updated at 2026-01-01 00:00:00.000000+00:00.",
    r"rejects-\d+T\d+Z-\d+": "rejects-20260101T000000Z-1",
    r"127\.0\.0\.1:\d+": "127.0.0.1:8080",
}


def lasting(text: str) -> list[str]:
    """The lines of what Meltano printed, without moments, process ids and ports.

    They are sorted, since some are in no order.
    """
    for pattern, instead in _VARYING.items():
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return sorted(text.splitlines())


def page_blocks() -> dict[str, str]:
    """The blocks of docs/meltano.md, by their names."""
    text = (ROOT / "docs" / "meltano.md").read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- (\w+) -->\n```\w*\n(.*?)```\n", text, re.DOTALL))


@dataclasses.dataclass(frozen=True)
class Project:
    """A Meltano project in a folder.

    Attributes:
        meltano: The real Meltano.
        folder: Where meltano.yml is.
        environment: What its commands have in their environment, beside what a test gives them.
    """

    meltano: Path
    folder: Path
    environment: dict[str, str] = dataclasses.field(default_factory=dict)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Meltano with these arguments."""
        return self.feed(Path(os.devnull), *arguments, **environment)

    def feed(
        self, source: Path, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Meltano with these arguments; its stdin is a file."""
        return self._run([self.meltano, *arguments], source, environment)

    def follow(self, commands: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the commands of a page, by bash, in this folder and with Meltano on the PATH."""
        path = f"{self.meltano.parent}{os.pathsep}{os.environ['PATH']}"
        return self._run(
            ["bash", "-uo", "pipefail", "-c", commands],
            Path(os.devnull),
            {"PATH": path, **environment},
        )

    def _run(
        self, command: list[str | Path], source: Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        with source.open("rb") as stdin:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=self._environment(environment),
                stdin=stdin,
                capture_output=True,
                check=False,
                text=True,
                encoding="utf-8",
                timeout=RUN_DEADLINE_SECONDS,
            )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start Meltano; what it writes goes to the file `log`."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [self.meltano, *arguments],
                cwd=self.folder,
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> Path:
        return self.folder / "meltano.log"

    @property
    def rejects(self) -> list[Path]:
        """The files of rejected records that runs left here."""
        return list((self.folder / "kustomer-rejects").glob("rejects-*.singer"))

    def state(self, state_id: str) -> dict[str, Any]:
        """The state that Meltano keeps for the next run."""
        state: dict[str, Any] = json.loads(self.run("state", "get", state_id).stdout)
        return state

    def configure(self, settings: str) -> None:
        """Put settings of the target into meltano.yml, as a user would."""
        path = self.folder / "meltano.yml"
        text = path.read_text(encoding="utf-8")
        assert text.count("\n  # /loader\n") == 1
        text = text.replace("\n  # /loader\n", f"\n    config:\n{settings}\n")
        path.write_text(text, encoding="utf-8")

    def _environment(self, environment: dict[str, str]) -> dict[str, str]:
        foreign = ("MELTANO_", "TAP_", "TARGET_")
        known = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        # What Meltano runs is not to find this process's packages before its own; and what uv has
        # installed is compiled by its first run.
        for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
            known.pop(name, None)
        return {**known, "NO_COLOR": "1", **self.environment, **environment}
