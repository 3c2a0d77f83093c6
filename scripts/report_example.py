"""Makes a report worth looking at: a load of minutes against a simulated Kustomer, in fast time.

python -m scripts.report_example [FOLDER]

Writes report.html to FOLDER (output/report) and, where Chromium is on the machine, report.png, a
picture of its first page: docs/images/report.png was made so. It takes a minute or two.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from target_kustomer.simulator import Simulator
from tests.browser import FLAGS
from tests.guarantees.fasttime import FastTime

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEED = 8
"""Seconds that pass in one."""

COMPANIES = 800
CUSTOMERS = 8000
LIMIT = 30
"""Requests of the org in a minute."""

AGENTS = (240.0, 390.0, 0.2)
"""Others use the org too: from when to when, in seconds, and how many requests in each."""

TEXT = {"type": ["null", "string"]}
_fast_time = FastTime(SPEED, time.time())


def messages() -> Iterator[dict[str, Any]]:
    """Companies and customers as a shop might have them, some of them wrong."""
    chance = random.Random(4)  # noqa: S311  the same load every time
    yield _schema("companies", "id", "name", "domain", "phone")
    for number in range(COMPANIES):
        yield _record("companies", id=f"f{number}", name=f"Firm {number}", domain=_domain(number))
    yield _schema("customers", "id", "name", "email", "phone", "locale", "birthday", "company_id")
    for number in range(CUSTOMERS):
        columns = {
            "id": f"c{number}",
            "name": f"Customer {number}",
            "email": f"c{number}@{_domain(number)}",
            "phone": f"+1415{2_000_000 + number}",
            "locale": "en_US",
            "company_id": f"f{number % COMPANIES}",
        }
        if chance.random() < 0.02:  # noqa: PLR2004
            name, value = chance.choices(list(_WRONG), [9, 5, 4, 2])[0]
            columns[name] = value
        yield _record("customers", **columns)
        if number % 500 == 0:
            yield {"type": "STATE", "value": {"customers": number}}


_WRONG = [
    ("phone", "call the office"),
    ("email", "none"),
    ("locale", "English (United States)"),
    ("company_id", "f-unknown"),
]


def main(folder: Path) -> None:
    """Load, report, and take a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with Simulator(
        clock=_fast_time, rate_limit=LIMIT, job_seconds=2.5, job_jitter_seconds=2.0
    ) as simulator:
        for number in range(0, CUSTOMERS, 8):
            simulator.org.add_customer({"externalId": f"c{number}", "name": "before"})
        _load(simulator, folder)
    _picture(folder / "report.html", folder / "report.png")


def _load(simulator: Simulator, folder: Path) -> None:
    for nth in (40, 41, 90):
        simulator.faults.add("502_html", method="POST", path_pattern="/bulk", nth=nth)
    target = _fast_time.target()(
        config={
            "api_key": simulator.api_key,
            "api_url": simulator.url,
            "max_rejected_records": -1,
            "rejects_dir": str(folder / "rejects"),
            "report_path": str(folder / "report.html"),
        }
    )
    lines: Any = (json.dumps(each).encode() + b"\n" for each in messages())
    threading.Thread(target=_be_agents, args=(simulator,), daemon=True).start()
    with redirect_stdout(StringIO()):
        target.listen(lines)


def _be_agents(simulator: Simulator) -> None:
    since, until, rate = AGENTS
    started = _fast_time()
    time.sleep(since / SPEED)
    with httpx.Client(headers=simulator.headers) as others, suppress(httpx.HTTPError):
        while _fast_time() < started + until:
            others.get(f"{simulator.url}/v1/customers", params={"pageSize": 1})
            time.sleep(1 / rate / SPEED)


def _picture(page: Path, picture: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("no picture: there is no chromium")
        return
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                *FLAGS,
                f"--user-data-dir={profile}",
                "--hide-scrollbars",
                "--window-size=1160,1258",
                "--force-device-scale-factor=1.5",
                f"--screenshot={picture}",
                page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
    print(picture)


def _schema(stream: str, *columns: str) -> dict[str, Any]:
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": dict.fromkeys(columns, TEXT)},
        "key_properties": ["id"],
    }


def _record(stream: str, **columns: str) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": columns}


def _domain(number: int) -> str:
    return f"firm{number % COMPANIES}.example"


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else "output/report"))
