from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_kustomer.simulator import Simulator
from tests.support import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Result]]:
    folder = tmp_path_factory.mktemp("rejects")
    with (
        Simulator() as simulator,
        (EXAMPLES / "companies-and-customers.singer").open("rb") as stream,
    ):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "target_kustomer"),
                *("--config=ENV", "--config", EXAMPLES / "config.json"),
            ],
            env={
                **os.environ,
                "TARGET_KUSTOMER_API_URL": simulator.url,
                "TARGET_KUSTOMER_API_KEY": simulator.api_key,
                "TARGET_KUSTOMER_REJECTS_DIR": str(folder),
            },
            cwd=folder,
            stdin=stream,
            capture_output=True,
            check=False,
            text=True,
            encoding="utf-8",
        )
        yield simulator, Result(done.returncode, "", done.stdout, done.stderr, folder)


def test_every_record_of_the_example_gets_its_verdict(loaded: tuple[Simulator, Result]) -> None:
    _, result = loaded

    assert result.exit_code == 3, result.log
    assert result.counts("companies") == {"created": 5, "rejected": 1}
    assert result.counts("customers") == {"created": 7, "updated": 1, "rejected": 5}
    bookmarks = json.loads(result.stdout.splitlines()[-1])["bookmarks"]
    assert {name: each["replication_key_value"] for name, each in bookmarks.items()} == {
        "companies": 6,
        "customers": 112,
    }


def test_the_example_is_loaded(loaded: tuple[Simulator, Result]) -> None:
    org = loaded[0].org
    assert [each.attributes["externalId"] for each in org.companies] == ["1", "2", "3", "4", "5"]
    customer = org.customer(external_id="101")
    company = org.company(external_id="1")
    assert customer is not None
    assert company is not None
    assert customer.company == company.id
    assert customer.attributes["name"] == "Ada Example"
    assert customer.attributes["signedUpAt"].startswith("2021-03-02T09:30:00")
    assert customer.attributes["locations"][0]["cityName"] == "Mockford"
    assert customer.attributes["custom"] == {
        "ageNum": 37,
        "vipBool": True,
        "lifetimeValueNum": 1200,
        "subscriptionPlanStr": "platinum",
    }


def test_the_rejects_are_listed_as_expected(loaded: tuple[Simulator, Result]) -> None:
    [rejects] = loaded[1].rejects_dir.glob("rejects-*.singer")
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts" / "show_rejects.py", rejects],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        encoding="utf-8",
    ).stdout

    header, *rows = (line.split() for line in printed.splitlines())
    assert header == ["stream", "key", "reason", "attribute", "column", "detail"]
    expected = (EXAMPLES / "expected-rejects.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(" ".join(row[:3]) for row in rows) == expected
