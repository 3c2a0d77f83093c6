"""A real PostgreSQL: a cluster of the tests' own, on a spare TCP port."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def can_load(self, library: str) -> bool:
        """Whether the server has a library, such as a plugin."""
        try:
            self.run("-c", f"LOAD '{library}'")
        except subprocess.CalledProcessError:
            return False
        return True

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of the database."""
        where = f"{self.host}:{self.port}/{database}"
        return f"postgresql+psycopg://{self.user}:{self.password}@{where}"

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
        "wal_level": "logical",
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


@contextlib.contextmanager
def running_cluster() -> Iterator[PostgreSQL]:
    """A new cluster on a spare TCP port, gone at the end."""
    binaries = find_postgresql()
    cluster = PostgreSQL(binaries / "psql", free_port(), "loader", secrets.token_hex(16))
    with (
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        serve(cluster, binaries, Path(folder)),
    ):
        yield cluster
