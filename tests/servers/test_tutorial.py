"""docs/tutorial.md, followed to the letter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL
    from tests.servers.conftest import Pipe

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("servers")]

ROOT = Path(__file__).parents[2]


def test_the_tutorial_prints_what_it_shows(pipe: Pipe, postgresql: PostgreSQL) -> None:
    programs = (Path(sys.executable).parent, pipe.tap.parent, postgresql.psql.parent)
    server = {
        "PATH": os.pathsep.join([str(programs[0]), os.environ["PATH"], *map(str, programs[1:])]),
        "PGHOST": postgresql.host,
        "PGPORT": str(postgresql.port),
        "PGUSER": postgresql.user,
        "PGPASSWORD": postgresql.password,
    }
    try:
        done = subprocess.run(
            [sys.executable, "scripts/follow.py", "docs/tutorial.md"],
            cwd=ROOT,
            env={**os.environ, **server},
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        postgresql.run("-c", "DROP DATABASE IF EXISTS bikeshop WITH (FORCE)")
    assert done.returncode == 0, done.stderr
