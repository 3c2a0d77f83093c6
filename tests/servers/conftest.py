"""Real servers and real neighbours: PostgreSQL, its tap and Meltano, each in a place of its own.

`scripts/test` installs the tap and Meltano under `.envs`; PostgreSQL has to be on the machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.support import Result, Runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".envs"
CHINOOK = ROOT.parent / "shared" / "data" / "chinook" / "Chinook_PostgreSql.sql"

START_DEADLINE_SECONDS = 60
RUN_DEADLINE_SECONDS = 120


def missing(what: str, mend: str) -> NoReturn:
    """Skip loudly where something is not at hand; on CI, which has to have it, fail."""
    reason = f"{what} is missing: {mend}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclasses.dataclass(frozen=True)
class PostgreSQL:
    """A running cluster that wants a password."""

    psql: Path
    port: int
    user: str
    password: str
    host: str = "127.0.0.1"

    def run(self, *arguments: str, database: str = "postgres") -> str:
        """What psql prints for these arguments."""
        connection = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": database,
        }
        return subprocess.run(
            [self.psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-At", *arguments],
            env=os.environ | connection,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            encoding="utf-8",
            timeout=RUN_DEADLINE_SECONDS,
        ).stdout

    def rows(self, database: str, table: str) -> list[dict[str, Any]]:
        """All rows of a table, as JSON values."""
        query = f"SELECT json_agg(each) FROM {table} AS each"
        rows: list[dict[str, Any]] = json.loads(self.run("-c", query, database=database))
        return rows

    def tap_config(self, database: str) -> dict[str, Any]:
        """What tap-postgres needs to read the database."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": database,
            "filter_schemas": ["public"],
        }


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


def find_postgresql() -> Path:
    """The folder of the newest PostgreSQL server on this machine."""
    on_path = shutil.which("postgres")
    if on_path is not None:
        return Path(on_path).resolve().parent
    # Debian keeps servers off the PATH.
    found = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        missing("PostgreSQL", "install a server (on Debian: apt-get install postgresql)")
    return max(found, key=lambda path: int(path.parts[-3])).parent


def find_installed(environment: str, program: str) -> Path:
    """A program in an environment that `scripts/test` makes."""
    path = ENVIRONMENTS / environment / "bin" / program
    if not path.exists():
        missing(f"{program} ({path.relative_to(ROOT)})", "run the tests by scripts/test")
    return path


def server_user() -> str | None:
    """As whom to run PostgreSQL, which refuses root; None for the user who runs the tests."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    missing("a user to run PostgreSQL as", "it refuses root: run the tests as another user")


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(server: subprocess.Popen[bytes], binaries: Path, port: int, log: Path) -> None:
    """Return once the server takes connections."""
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    ready: list[str | Path] = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8')}")
        time.sleep(0.05)


@contextlib.contextmanager
def serve(cluster: PostgreSQL, binaries: Path, folder: Path) -> Iterator[None]:
    """Make the cluster in the folder and run it, as a user who is not root."""
    user = server_user()
    as_user: dict[str, Any] = {}
    if user is not None:
        as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    password_file, log = folder / "password", folder / "log"
    password_file.write_text(cluster.password, encoding="utf-8")
    for path in (folder, password_file):
        shutil.chown(path, user or os.getuid())
    initdb: list[str | Path] = [
        binaries / "initdb",
        f"--pgdata={folder / 'data'}",
        f"--username={cluster.user}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]
    subprocess.run(initdb, cwd=folder, stdout=subprocess.DEVNULL, check=True, **as_user)
    options = {
        "port": str(cluster.port),
        "listen_addresses": cluster.host,
        "unix_socket_directories": "",
        "fsync": "off",
    }
    command: list[str | Path] = [binaries / "postgres", "-D", folder / "data"]
    command += [part for pair in options.items() for part in ("-c", "=".join(pair))]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **as_user,
        ) as server,
    ):
        try:
            wait_until_ready(server, binaries, cluster.port, log)
            yield
        finally:
            # A fast shutdown: it does not wait for clients.
            server.send_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A new cluster on a spare TCP port, gone at the end."""
    binaries = find_postgresql()
    cluster = PostgreSQL(binaries / "psql", free_port(), "loader", secrets.token_hex(16))
    with (
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        serve(cluster, binaries, Path(folder)),
    ):
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
