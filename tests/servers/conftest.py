"""Real servers and real neighbours: PostgreSQL, its tap and Meltano, each in a place of its own.

`scripts/test` installs the tap and Meltano under `.envs`; PostgreSQL has to be on the machine.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgresql import RUN_DEADLINE_SECONDS, PostgreSQL, missing, running_cluster
from tests.servers.projects import Project, page_blocks
from tests.support import Result, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_kustomer.simulator import Simulator

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".envs"
CHINOOK = ROOT.parent / "shared" / "data" / "chinook" / "Chinook_PostgreSql.sql"


@dataclasses.dataclass(frozen=True)
class Pipe:
    """`tap-postgres | target-kustomer`, from a database into the simulator."""

    tap: Path
    postgresql: PostgreSQL
    target: Runner
    folder: Path

    def catalog(self, tap_config: Path, selected: Mapping[str, Mapping[str, Any]]) -> Path:
        """The tap's catalog with only some streams selected, with further metadata for each."""
        found = subprocess.run(
            [self.tap, f"--config={tap_config}", "--discover"],
            stdout=subprocess.PIPE,
            check=True,
            timeout=RUN_DEADLINE_SECONDS,
        )
        catalog = json.loads(found.stdout)
        assert set(selected) <= {stream["tap_stream_id"] for stream in catalog["streams"]}
        for stream in catalog["streams"]:
            name = stream["tap_stream_id"]
            change = {"selected": name in selected, **selected.get(name, {})}
            for entry in stream["metadata"]:
                if not entry["breadcrumb"]:
                    entry["metadata"].update(change)
        path = self.folder / "catalog.json"
        path.write_text(json.dumps(catalog), encoding="utf-8")
        return path

    def run(
        self,
        database: str,
        selected: Mapping[str, Mapping[str, Any]],
        *,
        state: Any = None,
        **settings: Any,
    ) -> Result:
        """Load the selected streams of the database with these settings of the target."""
        tap_config = self.folder / "tap.json"
        tap_config.write_text(json.dumps(self.postgresql.tap_config(database)), encoding="utf-8")
        rejects = Path(tempfile.mkdtemp(prefix="rejects-", dir=self.folder))
        target_command = self.target.command(rejects_dir=str(rejects), **settings)
        tap_command: list[str | Path] = [
            self.tap,
            f"--config={tap_config}",
            f"--catalog={self.catalog(tap_config, selected)}",
        ]
        if state is not None:
            state_path = self.folder / "state.json"
            state_path.write_text(json.dumps(state), encoding="utf-8")
            tap_command.append(f"--state={state_path}")
        with subprocess.Popen(tap_command, stdout=subprocess.PIPE) as tap:
            target = subprocess.run(
                target_command,
                stdin=tap.stdout,
                capture_output=True,
                check=False,
                text=True,
                encoding="utf-8",
                timeout=RUN_DEADLINE_SECONDS,
            )
        assert tap.returncode == 0
        error = target.stderr.splitlines()[-1]
        return Result(target.returncode, error, target.stdout, target.stderr, rejects)


def find_installed(environment: str, program: str) -> Path:
    """A program in an environment that `scripts/test` makes."""
    path = ENVIRONMENTS / environment / "bin" / program
    if not path.exists():
        missing(f"{program} ({path.relative_to(ROOT)})", "run the tests by scripts/test")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A new cluster on a spare TCP port, gone at the end."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def chinook(postgresql: PostgreSQL) -> str:
    """The Chinook sample database; its script makes the database itself."""
    if not CHINOOK.exists():
        missing(f"the sample data {CHINOOK.name}", f"it is expected at {CHINOOK}")
    postgresql.run("-f", str(CHINOOK))
    return "chinook"


@pytest.fixture
def shop(postgresql: PostgreSQL) -> Iterator[str]:
    """A database of the test's own, with companies and customers (shop.sql)."""
    postgresql.run("-c", "CREATE DATABASE shop")
    postgresql.run("-f", str(Path(__file__).with_name("shop.sql")), database="shop")
    yield "shop"
    postgresql.run("-c", "DROP DATABASE shop WITH (FORCE)")


@pytest.fixture
def pipe(postgresql: PostgreSQL, run: Runner, tmp_path: Path) -> Pipe:
    """The plain pipe from PostgreSQL into the test's simulator."""
    tap = find_installed("tap-postgres", "tap-postgres")
    return Pipe(tap, postgresql, run, tmp_path)


@pytest.fixture(scope="session")
def meltano() -> Path:
    """The real Meltano."""
    return find_installed("meltano", "meltano")


@pytest.fixture(scope="session")
def offline() -> dict[str, str]:
    """What lets uv, with which Meltano installs, do without network: wheels of `scripts/test`."""
    wheels = ENVIRONMENTS / "wheels"
    if not wheels.exists():
        missing(f"the folder {wheels.relative_to(ROOT)}", "run the tests by scripts/test")
    return {"UV_FIND_LINKS": str(wheels), "UV_NO_INDEX": "1", "UV_OFFLINE": "1"}


@pytest.fixture(scope="session")
def installed(
    meltano: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The project of this repository with all of its plugins, installed once for all workers."""
    base = tmp_path_factory.getbasetemp()
    project = Project(
        meltano, (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "installed"
    )
    project.folder.mkdir(exist_ok=True)
    with (project.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (project.folder / "meltano.yml").exists():
            install(project, offline)
    return project


def install(project: Project, offline: dict[str, str]) -> None:
    """Make it the project of this repository."""
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    assert text.count("pip_url: -e .") == 2
    path = project.folder / "meltano.yml"
    path.write_text(text.replace("pip_url: -e .", f"pip_url: -e {ROOT}"), encoding="utf-8")
    done = project.run("install", **offline)
    if done.returncode != 0:
        path.unlink()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def project(installed: Project, tmp_path: Path) -> Project:
    """A project of the test's own, without state, that shares what is installed."""
    folder = tmp_path / "project"
    (folder / ".meltano").mkdir(parents=True)
    (folder / "meltano.yml").write_bytes((installed.folder / "meltano.yml").read_bytes())
    (folder / "examples").symlink_to(ROOT / "examples")
    for kind in ("extractors", "loaders", "utilities"):
        (folder / ".meltano" / kind).symlink_to(installed.folder / ".meltano" / kind)
    return Project(installed.meltano, folder, {"MELTANO_AUTO_INSTALL": "false"})


@pytest.fixture
def page() -> dict[str, str]:
    """The blocks of docs/meltano.md, by their names."""
    return page_blocks()


@pytest.fixture
def sandbox(simulator: Simulator) -> dict[str, str]:
    """Where to load, as environment variables."""
    return {
        "TARGET_KUSTOMER_API_URL": simulator.url,
        "TARGET_KUSTOMER_API_KEY": simulator.api_key,
    }


@pytest.fixture
def access(postgresql: PostgreSQL, sandbox: dict[str, str]) -> dict[str, str]:
    """Where to read and where to load, as environment variables."""
    return {
        "TAP_POSTGRES_HOST": postgresql.host,
        "TAP_POSTGRES_PORT": str(postgresql.port),
        "TAP_POSTGRES_USER": postgresql.user,
        "TAP_POSTGRES_PASSWORD": postgresql.password,
        **sandbox,
    }


@pytest.fixture(scope="session")
def installed_tap() -> Callable[[str, str], Path]:
    """Finds a tap in an environment that `scripts/test` makes."""
    return find_installed


@pytest.fixture(scope="session")
def wal2json(postgresql: PostgreSQL) -> None:
    """PostgreSQL's plugin from which log-based taps read."""
    if not postgresql.can_load("wal2json"):
        missing("wal2json", "install it (on Debian: apt-get install postgresql-N-wal2json)")
