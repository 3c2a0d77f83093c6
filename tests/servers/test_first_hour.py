"""What docs/first-hour.md shows is what the first hour prints."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL
    from tests.servers.conftest import Pipe

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
VARYING = re.compile(r"poll of a bulk job|in all")
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "blocks.py"))


def printed(*arguments: str) -> list[str]:
    lines: list[str] = SCRIPT["shape"](SCRIPT["first_hour"](*arguments))
    return lasting(lines)


def shown(block: str) -> list[str]:
    page = PAGE.read_text(encoding="utf-8")
    return lasting(page.split(f"<!-- {block} -->\n```\n")[1].split("\n```\n")[0].splitlines())


def lasting(lines: list[str]) -> list[str]:
    """The lines that do not depend on how long a job took."""
    return [each for each in lines if not VARYING.match(each)]


def test_the_first_hour_with_the_example_prints_what_the_page_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It stays with the simulator where the environment names another Kustomer.
    monkeypatch.setenv("TARGET_KUSTOMER_API_URL", "http://127.0.0.1:9")
    assert printed() == shown("example")


@pytest.mark.servers
def test_the_first_hour_with_chinook_prints_what_the_page_shows(
    pipe: Pipe, postgresql: PostgreSQL, chinook: str, tmp_path: Path
) -> None:
    tap_config = tmp_path / "tap.json"
    tap_config.write_text(json.dumps(postgresql.tap_config(chinook)), encoding="utf-8")
    stream = tmp_path / "chinook.singer"
    catalog = pipe.catalog(tap_config, {"public-customer": {}})
    with stream.open("wb") as stdout:
        command: list[str | Path] = [pipe.tap, f"--config={tap_config}", f"--catalog={catalog}"]
        subprocess.run(command, stdout=stdout, check=True)

    assert printed(str(stream), SCRIPT["CHINOOK_CONFIG"]) == shown("chinook")
