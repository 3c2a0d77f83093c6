"""What the page of operating shows runs, parses, and names what is there."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from typing_extensions import override

from target_kustomer.models import Verdict
from target_kustomer.progress import Standing, log_lines
from target_kustomer.report.report import _LONGEST_WRITE_SECONDS
from target_kustomer.run import _LAST_WAIT_SECONDS
from target_kustomer.settings import CONFIG_JSONSCHEMA, Settings
from tests.docs.pages import ROOT, Section, page, rows, sections
from tests.support import CUSTOMERS, customers, schema, state, to_lines, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

TEXT = page("operating.md")
SECTIONS = {each.title: each for each in sections(TEXT)}

SCRIPT = SECTIONS["A script for one run"]

BAD = {"type": "RECORD", "stream": "customers", "record": {"id": "x", "age": "old"}}
"""A record that is rejected."""


def block(section: Section, language: str) -> str:
    [found] = [each.text for each in section.blocks if each.language == language]
    return found


# The script


class Once:
    """The page's script with its settings, a tap that is told what to do, and the real target."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.data = folder / "data"
        self.config = folder / "config"
        self.programs = programs = folder / "bin"
        for each in (self.data, self.config, programs):
            each.mkdir()
        _program(programs / "run-once", block(SCRIPT, "bash"))
        _program(
            programs / "target-kustomer",
            f'#!/bin/sh\nexec {sys.executable} -m target_kustomer "$@"\n',
        )
        self.program = "run-once"
        self.arguments: list[str | Path] = [self.data, self.config]
        self._tap = programs / "tap-postgres"
        self.settings = json.loads(block(SCRIPT, "json"))
        self.write_settings()
        (self.config / "tap.json").write_text("{}")
        (self.config / "catalog.json").write_text("{}")
        self.env = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TARGET_KUSTOMER_API_KEY": simulator.api_key,
            "TARGET_KUSTOMER_API_URL": simulator.url,
        }

    def write_settings(self, **settings: Any) -> None:
        self.settings.update(settings)
        (self.config / "target.json").write_text(json.dumps(self.settings))

    def tap(self, messages: list[dict[str, Any]], then: str = "") -> None:
        """Let the tap write messages, and then do something."""
        stream = self.config / "stream.singer"
        stream.write_bytes(to_lines(messages))
        _program(
            self._tap, f'#!/bin/sh\necho "$@" >{self.config}/arguments\ncat {stream}\n{then}\n'
        )

    @property
    def tap_arguments(self) -> str:
        return (self.config / "arguments").read_text()

    @property
    def state(self) -> Any:
        return json.loads((self.data / "state.json").read_text())

    @contextmanager
    def start(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start it in a session of its own, of which nothing is left in the end."""
        command = [self.programs / self.program, *self.arguments]
        with (self.data / "log").open("ab") as log:
            process = subprocess.Popen(command, env=self.env, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)

    def run(self) -> int:
        with self.start() as process:
            return process.wait(60)


@pytest.fixture
def once(tmp_path: Path, simulator: Simulator) -> Once:
    return Once(tmp_path, simulator)


@pytest.mark.parametrize("title", ["A script for one run", "Where no disk lasts"])
def test_nothing_is_wrong_with_a_script(title: str, tmp_path: Path) -> None:
    if not (shellcheck := shutil.which("shellcheck")):
        pytest.skip("shellcheck is not installed")
    script = tmp_path / "script"
    script.write_text(block(SECTIONS[title], "bash"))
    done = subprocess.run([shellcheck, script], check=False, capture_output=True, text=True)
    assert done.stdout == ""


def test_a_run_keeps_the_state_from_which_the_next_goes_on(
    once: Once, simulator: Simulator
) -> None:
    once.tap([schema("customers", CUSTOMERS), *customers(3), state(3)])
    assert once.run() == 0
    assert once.state == {"at": 3}
    assert "--state" not in once.tap_arguments

    once.tap([schema("customers", CUSTOMERS), *customers(2, first=3), state(5)])
    assert once.run() == 0
    assert once.state == {"at": 5}
    assert once.tap_arguments.split()[-2:] == ["--state", "state.json"]
    assert len(simulator.org.customers) == 5
    assert json.loads((once.data / "report.json").read_text())["run"]["exit_code"] == 0


def test_a_tap_that_fails_fails_the_run(once: Once) -> None:
    once.tap([schema("customers", CUSTOMERS), *customers(3), state(3)], "exit 7")
    assert once.run() == 7
    assert once.state == {"at": 3}


def test_the_targets_failure_is_the_runs_and_ends_the_tap(once: Once) -> None:
    once.write_settings(streams={"customers": {"fields": {"no_such": "email"}}})
    once.tap([schema("customers", CUSTOMERS)], "exec sleep 300")
    assert once.run() == 2
    assert not (once.data / "state.json").exists()


def test_rejects_and_the_report_are_in_the_folder(once: Once) -> None:
    once.tap([schema("customers", CUSTOMERS), BAD, state(1)])
    assert once.run() == 0  # max_rejected_records is -1 there
    assert len(list((once.data / "rejects").glob("rejects-*.singer"))) == 1
    report = json.loads((once.data / "report.json").read_text())
    assert report["records"]["rejected"] == 1


def test_a_second_run_leaves_the_first_alone(once: Once, simulator: Simulator) -> None:
    once.tap([schema("customers", CUSTOMERS), *customers(1), state(1)], "exec sleep 300")
    with once.start() as first:
        wait_until(lambda: simulator.requests.entries)
        assert once.run() == 75
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 143


@pytest.mark.parametrize("to_group", [False, True])
def test_a_signal_lets_what_is_in_flight_settle(
    once: Once,
    simulator: Simulator,
    to_group: bool,  # noqa: FBT001
) -> None:
    """Kubernetes signals the first process; Airflow its group, the shell and all beside it."""
    simulator.faults.add("slow_job", seconds=1.5)
    once.write_settings(batch_size_rows=10)
    once.tap([schema("customers", CUSTOMERS), *customers(10), state(10)], "exec sleep 300")
    with once.start() as process:
        wait_until(lambda: simulator.org.jobs)
        if to_group:
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert once.state == {"at": 10}
    assert len(simulator.org.customers) == 10


def test_what_a_killed_run_has_confirmed_is_kept_by_the_next(once: Once) -> None:
    (once.data / "states.jsonl").write_text('{"at": 1}\n{"at": 2}\n')
    once.tap([schema("customers", CUSTOMERS)])
    assert once.run() == 0
    assert once.state == {"at": 2}
    assert once.tap_arguments.split()[-2:] == ["--state", "state.json"]


# Without a disk that lasts

_STORE = """#!/usr/bin/env bash
# An object store in a folder: ls, cp, and cp --recursive, as the script asks for them.
set -u
shift
command=$1
[ "$command" = ls ] && { [ -e "${2#s3://}" ]; exit; }
[ -e "$BROKEN" ] && [[ $* == *rejects* ]] && exit 255
from=${*: -2:1} to=${*: -1}
from=${from#s3://} to=${to#s3://}
mkdir -p "$(dirname "$to")"
if [ "$3" = --recursive ]; then cp -r "$from/." "$to"; else cp "$from" "$to"; fi
"""


class Afar(Once):
    """The same without a disk that lasts."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        super().__init__(folder, simulator)
        _program(self.programs / "run-afar", block(SECTIONS["Where no disk lasts"], "bash"))
        _program(self.programs / "aws", _STORE)
        self.store = folder / "store"
        self.broken = folder / "broken"
        self.env["BROKEN"] = str(self.broken)
        self.env["TMPDIR"] = str(self.data)
        self.program, self.arguments = "run-afar", [f"s3://{self.store}", self.config]
        self.write_settings(ledger_url=f"sqlite:///{folder / 'ledger.db'}")

    @property
    @override
    def state(self) -> Any:
        return json.loads((self.store / "state.json").read_text())


@pytest.fixture
def afar(tmp_path: Path, simulator: Simulator) -> Afar:
    return Afar(tmp_path, simulator)


def test_rejects_and_state_outlive_the_disk(afar: Afar) -> None:
    afar.tap([schema("customers", CUSTOMERS), *customers(2), BAD, state(2)])
    assert afar.run() == 0
    assert afar.state == {"at": 2}
    assert len(list((afar.store / "rejects").glob("rejects-*.singer"))) == 1
    afar.tap([schema("customers", CUSTOMERS), state(3)])
    assert afar.run() == 0
    assert afar.state == {"at": 3}
    assert afar.tap_arguments.split()[-2:] == ["--state", "state.json"]


def test_no_state_outlives_rejects_that_do_not(afar: Afar) -> None:
    afar.broken.touch()
    afar.tap([schema("customers", CUSTOMERS), BAD, state(1)])
    assert afar.run() == 5
    assert not (afar.store / "state.json").exists()


def test_a_signal_reaches_the_target_once_from_afar(afar: Afar, simulator: Simulator) -> None:
    simulator.faults.add("slow_job", seconds=1.5)
    afar.write_settings(batch_size_rows=10)
    afar.tap([schema("customers", CUSTOMERS), *customers(10), state(10)], "exec sleep 300")
    with afar.start() as process:
        wait_until(lambda: simulator.org.jobs)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 143
    assert afar.state == {"at": 10}


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


# What else it shows


def test_settings_that_the_page_shows_are_settings() -> None:
    for each in [block for section in SECTIONS.values() for block in section.blocks]:
        if each.language == "json":
            [settings] = each.values()
            assert settings.keys() <= CONFIG_JSONSCHEMA["properties"].keys()


def test_the_dag_is_python() -> None:
    tree = ast.parse(block(SECTIONS["Airflow"], "python"))
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    names = {each.func.id for each in calls if isinstance(each.func, ast.Name)}
    assert {"DAG", "BashOperator"} <= names


def manifest() -> dict[str, Any]:
    [read] = [
        yaml.safe_load(each.text)
        for each in SECTIONS["Kubernetes"].blocks
        if each.language == "yaml"
    ]
    assert isinstance(read, dict)
    return read


def test_the_manifest_fits_the_schema_of_kubernetes() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(manifest(), kubernetes_validate.latest_version(), strict=True)


def test_the_manifest_gives_the_target_its_time() -> None:
    pod = manifest()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    grace = float(values["TARGET_KUSTOMER_SHUTDOWN_GRACE_SECONDS"])
    assert grace == Settings.from_config({"api_key": "k"}).shutdown_grace_seconds
    # Two threads are waited for one after the other, then a report is written.
    longest = 2 * _LAST_WAIT_SECONDS + _LONGEST_WRITE_SECONDS
    assert pod["terminationGracePeriodSeconds"] > grace + longest
    told = "two seconds more, and up to ten if a disk hangs while a report is written"
    assert (told in SECTIONS["Kubernetes"].text, longest) == (True, 2 + 10)
    known = {f"TARGET_KUSTOMER_{name.upper()}" for name in CONFIG_JSONSCHEMA["properties"]}
    assert values.keys() <= known
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in pod["volumes"]}
    assert pod["restartPolicy"] == "Never"  # as a podFailurePolicy wants it


_LOADS = {
    "new": "new",
    "changed, with a ledger": "changed",
    "5 % changed, with a ledger": "mixed: 5% changed",
    "unchanged, with a ledger": "unchanged",
    "there already, no ledger": "there already, no ledger: 100% of the org",
}


def test_the_capacity_is_what_was_measured() -> None:
    text = page("performance.md")
    limited = text.split("<!-- limited -->")[1].split("<!-- /limited -->")[0]
    measured = {
        load: float(per_thousand.replace(",", ""))
        for program, load, _, _, per_thousand, *_ in rows(limited)
        if program == "target-kustomer"
    }
    if not measured:
        pytest.skip("nothing is measured yet")
    shown = {
        load: int(requests) for load, requests in rows(SECTIONS["Capacity"].text) if load in _LOADS
    }
    assert shown.keys() == _LOADS.keys()
    for load, requests in shown.items():
        assert abs(requests - measured[_LOADS[load]]) <= 1, load
    spent = re.findall(r"spent (\d+)", SECTIONS["Capacity"].text)
    assert [f"| {each} |" in limited for each in spent] == [True, True]
    [most] = re.findall(r"at most (\d+) MB", SECTIONS["Kubernetes"].text)
    unlimited = text.split("<!-- throughput -->")[1].split("<!-- /throughput -->")[0]
    peaks = [int(peak) for load, *_, peak in rows(unlimited) if "SDK" not in load]
    assert abs(max(peaks) - int(most)) <= 10


def test_the_keys_to_watch_are_keys_of_the_report() -> None:
    watched = [
        key.strip("` ")
        for cells in rows(SECTIONS["Monitoring"].text)
        for key in cells[0].split(",")
    ]
    report = page("report.md")
    assert len(watched) > 8
    assert [key for key in watched if f"`{key}`" not in report] == []


def test_the_log_lines_to_watch_are_lines_of_the_log(run: Runner) -> None:
    log = run([schema("customers", CUSTOMERS), BAD]).log.splitlines()
    before = Standing(0.0, {"customers": 0}, {}, 0, 0, None, None)
    now = Standing(30.0, {"customers": 1}, {"customers": {Verdict.CREATED: 1}}, 1, 0, None, None)
    log += log_lines(before, now)
    shapes = {_shape(line) for line in log}
    [shown] = [each.text for each in SECTIONS["Monitoring"].blocks]
    assert len(shown.splitlines()) > 3
    assert [line for line in shown.splitlines() if _shape(line) not in shapes] == []


def _shape(line: str) -> str:
    return re.sub(r"=\S+", "=", line)
