"""The blocks of docs/taps.md, run as they stand: files, commands, SQL, and what they print."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgresql import RUN_DEADLINE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.postgresql import PostgreSQL
    from tests.support import Runner

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("taps")]

PAGE = (Path(__file__).parents[2] / "docs" / "taps.md").read_text(encoding="utf-8")
SELECT = re.findall(r"`select.py`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
BLOCK = re.compile(r"(?:`(?P<file>[\w.-]+)`:\n\n)?```(?P<kind>\w*)\n(?P<text>.*?)```\n", re.DOTALL)

TO_EXCEL = """
import csv, openpyxl
book = openpyxl.Workbook()
for row in csv.reader(open("customers.csv")):
    book.active.append([int(each) if each.isdigit() else each or None for each in row])
book.save("customers.xlsx")
"""


@dataclasses.dataclass
class Reader:
    """Follows a section of the page in a folder.

    Attributes:
        folder: Where the reader is.
        tap: The command of the section's tap.
        own: What the reader puts into the files: addresses and passwords, by the file's name.
        sql: Where SQL goes.
    """

    folder: Path
    tap: Path
    own: dict[str, dict[str, Any]]
    sql: Callable[[str], object] | None = None

    def follow(self, title: str) -> None:
        """Do all that the section says, in its order."""
        [section] = [
            each
            for each in re.split(r"^## ", PAGE, flags=re.MULTILINE)
            if each.startswith(f"{title}\n")
        ]
        log, checked = "", 0
        for block in BLOCK.finditer(section):
            kind, text = block["kind"], block["text"]
            if block["file"]:
                self.write(block["file"], text)
            elif kind == "bash":
                log = self.bash(text)
            elif kind == "sql":
                assert self.sql is not None
                self.sql(text)
            elif text.startswith("summary "):
                ends = {line.split("| ")[-1] for line in log.splitlines()}
                assert set(text.splitlines()) <= ends, log
                checked += 1
        assert checked

    def write(self, name: str, text: str) -> None:
        if name in self.own:
            text = json.dumps(json.loads(text) | self.own[name])
        (self.folder / name).write_text(text, encoding="utf-8")
        if name == "customers.csv":
            python = self.tap.with_name("python")
            subprocess.run([python, "-c", TO_EXCEL], cwd=self.folder, check=True)

    def bash(self, commands: str) -> str:
        """What the commands print on stderr."""
        path = os.pathsep.join(
            [str(self.tap.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
            encoding="utf-8",
            timeout=RUN_DEADLINE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr


BRIEF = {"replication_idle_exit_seconds": 3, "logical_poll_total_seconds": 3}
"""The shop is quiet: nothing more is to be waited for."""


@pytest.fixture
def reader_of(
    run: Runner, tmp_path: Path, installed_tap: Callable[[str, str], Path]
) -> Callable[[str, str], Reader]:
    """Makes the reader of a section, who has a tap and a Kustomer."""
    config = run.config()
    own = {"config.json": {each: config[each] for each in ("api_key", "api_url")}}
    return lambda *tap: Reader(tmp_path, installed_tap(*tap), own)


@pytest.fixture
def shop_reader_of(
    reader_of: Callable[[str, str], Reader],
    postgresql: PostgreSQL,
    shop: str,
) -> Callable[[str], Reader]:
    """Makes one who has the shop's database too."""
    access = {"host": postgresql.host, "port": postgresql.port, "user": postgresql.user}
    own = {"tap.json": access | {"password": postgresql.password} | BRIEF}

    def make(environment: str) -> Reader:
        reader = reader_of(environment, "tap-postgres")
        return dataclasses.replace(
            reader,
            own=reader.own | own,
            sql=lambda text: postgresql.run("-c", text, database=shop),
        )

    return make


def test_tap_jsonl(reader_of: Callable[[str, str], Reader], simulator: Simulator) -> None:
    reader_of("tap-jsonl", "tap-jsonl").follow("tap-jsonl")

    assert len(simulator.org.customers) == 2
    customer = simulator.org.customer(external_id="1")
    assert customer is not None
    assert customer.attributes["name"] == "Ada Example"
    assert customer.attributes["tags"] == ["spring"]
    [location] = customer.attributes["locations"]
    assert (location["cityName"], location["countryCode"]) == ("Vienna", "AT")
    assert customer.attributes["custom"] == {"vipBool": True}


def test_tap_spreadsheets(reader_of: Callable[[str, str], Reader], simulator: Simulator) -> None:
    reader_of("tap-spreadsheets", "tap-spreadsheets").follow("tap-spreadsheets")

    ada, bo, cy = (
        simulator.org.customer(email=f"{name}@example.com") for name in ("ada", "bo", "cy")
    )
    assert ada is not None
    assert bo is not None
    assert cy is not None
    assert [each["phone"] for each in ada.attributes["phones"]] == ["+12025550101"]
    assert ada.attributes["custom"] == {"pointsNum": 120}
    assert ada.attributes["signedUpAt"].startswith("2021-03-02T00:00:00")
    assert bo.attributes["custom"].get("pointsNum") is None
    assert cy.attributes["externalId"] == "3"


def test_meltanolabs_tap_postgres(
    shop_reader_of: Callable[[str], Reader], simulator: Simulator
) -> None:
    shop_reader_of("tap-postgres").follow("meltanolabs-tap-postgres")

    ada = simulator.org.customer(email="ada@example.com")
    assert ada is not None
    assert ada.attributes["custom"]["vipBool"] is False
    assert ada.attributes["custom"]["planStr"] == "gold"


@pytest.mark.parametrize(
    ("environment", "title"),
    [
        ("tap-postgres", "LOG_BASED from meltanolabs-tap-postgres"),
        ("pipelinewise-tap-postgres", "pipelinewise-tap-postgres"),
    ],
)
@pytest.mark.usefixtures("wal2json")
def test_log_based(
    environment: str,
    title: str,
    shop_reader_of: Callable[[str], Reader],
    simulator: Simulator,
) -> None:
    reader = shop_reader_of(environment)
    [script] = SELECT
    reader.write("select.py", script)
    reader.follow(title)

    emails = {each.attributes["emails"][0]["email"] for each in simulator.org.customers}
    assert emails == {"ada@example.com", "cy@example.com", "dee@example.com"}
    dee = simulator.org.customer(email="dee@example.com")
    assert dee is not None
    assert dee.attributes["custom"]["planStr"] == "trial"


def test_what_the_page_says_of_slots_is_what_the_tests_do() -> None:
    source = Path(__file__).with_name("test_replication.py").read_text(encoding="utf-8")
    for name in re.findall(r"`tests/servers/test_replication\.py::(\w+)`", PAGE):
        assert f"def {name}(" in source
    for function in ("pg_copy_logical_replication_slot", "pg_drop_replication_slot"):
        assert function in PAGE
        assert function in source
