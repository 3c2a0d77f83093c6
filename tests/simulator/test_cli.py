from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from target_kustomer.simulator import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
_PROGRAM = [sys.executable, "-m", "target_kustomer.simulator"]

_LOADER = """
import json, os, sys, urllib.request
url, key = os.environ["TARGET_KUSTOMER_API_URL"], os.environ["TARGET_KUSTOMER_API_KEY"]
headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
for line in sys.stdin:
    request = urllib.request.Request(url + "/v1/customers", line.encode(), headers)
    urllib.request.urlopen(request).close()
print("STATE")
sys.exit(3)
"""

_WAITER = """
import signal, sys
def leave(number, frame):
    print(signal.Signals(number).name, flush=True)
    sys.exit(7)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}


def _run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )


def test_run_loads_and_reports(tmp_path: Path) -> None:
    seed_file = tmp_path / "world.json"
    seed_file.write_text(json.dumps({"companies": [{"name": "Acme", "externalId": "9"}]}))
    stdin = '{"name": "Ada", "externalId": "1", "custom": {"ageNum": 36}}\n'

    done = _run(
        "run",
        "--key=abc",
        "--switch=rate_limit=50",
        f"--seed-file={seed_file}",
        "--",
        sys.executable,
        "-c",
        _LOADER,
        stdin=stdin,
    )

    assert (done.returncode, done.stdout) == (3, "STATE\n")
    assert done.stderr.splitlines() == [
        "companies: 1",
        "  externalId  name  created  updated",
        "  9           Acme  0        0",
        "customers: 1",
        "  externalId  name  ageNum  created  updated",
        "  1           Ada   36      1        0",
        "requests: 1 units of the budget",
        "  1 customer.create",
    ]


def test_run_tells_of_an_empty_org() -> None:
    done = _run("run", "--", "true")

    assert done.stderr.splitlines() == [
        "companies: 0",
        "customers: 0",
        "requests: 0 units of the budget",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_hands_signals_on(number: signal.Signals) -> None:
    command = [*_PROGRAM, "run", "--", sys.executable, "-c", _WAITER]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        stdout, stderr = process.communicate()

    assert (stdout, process.returncode) == (f"{number.name}\n", 7)
    assert stderr.startswith("companies: 0\n")


def test_run_tells_which_signal_ended_the_command() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"

    assert _run("run", "--", sys.executable, "-c", script).returncode == 128 + 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--switch=no_such=1", "--", "true"], "no such switch: no_such"),
        (["--switch=rate_limit", "--", "true"], "NAME=VALUE"),
        (["--", "no-such-command"], "no-such-command"),
    ],
)
def test_run_tells_what_is_wrong_with_its_arguments(arguments: list[str], message: str) -> None:
    done = _run("run", *arguments)

    assert done.returncode == 2
    assert message in done.stderr


def test_switches_are_listed_in_the_form_in_which_they_are_given() -> None:
    listed = _run("switches").stdout.splitlines()
    given = [line for line in listed if re.fullmatch(r"\w+=.+", line)]

    assert Switches.parse(dict(line.split("=", 1) for line in given)) == Switches()
    assert len(given) == len(vars(Switches()))


@pytest.fixture
def served() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A simulator in another process, and its URL."""
    command = [*_PROGRAM, "serve", "--port=0", "--key=abc", "--switch=rate_limit=50"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        yield process, line.split()[3]
        process.kill()


def test_serve_serves_until_it_is_ended(served: tuple[subprocess.Popen[str], str]) -> None:
    process, url = served

    response = httpx.get(f"{url}/v1/customers", headers={"Authorization": "Bearer abc"})
    process.send_signal(signal.SIGTERM)

    assert response.headers["x-ratelimit-limit"] == "50"
    assert process.wait() == 0


def test_serve_tells_of_a_taken_port(served: tuple[subprocess.Popen[str], str]) -> None:
    _, url = served
    port = url.rpartition(":")[2]

    done = _run("serve", f"--port={port}")

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: port {port}: ")


def test_show_tells_what_a_served_org_holds(served: tuple[subprocess.Popen[str], str]) -> None:
    _, url = served
    headers = {"Authorization": "Bearer abc"}
    httpx.post(f"{url}/v1/customers", headers=headers, json={"name": "Ada", "externalId": "1"})

    done = _run("show", f"--port={url.rpartition(':')[2]}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "companies: 0",
        "customers: 1",
        "  externalId  name  created  updated",
        "  1           Ada   1        0",
        "requests: 1 units of the budget",
        "  1 customer.create",
    ]


def test_show_tells_where_there_is_no_simulator(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = served
    process.kill()
    process.wait()

    done = _run("show", f"--port={url.rpartition(':')[2]}")

    assert done.returncode == 1
    assert "no simulator answers" in done.stderr
