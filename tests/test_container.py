"""What the Containerfile says, done without an engine: same files, user, entry point and volume."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import CUSTOMERS, Running, customers, record, schema, state, wait_until
from tests.test_package import build

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, each on one line."""
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    return [
        (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
        for line in text.replace("\\\n", " ").splitlines()
        if line
    ]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions():
        if instruction[0] == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


IMAGE = dict(stages()[-1])
"""The last instruction of each kind in the stage that becomes the image."""

UID, GID = map(int, IMAGE["USER"].split(":"))
ENV = dict(each.split("=", 1) for each in shlex.split(IMAGE["ENV"]))


def test_what_the_image_is_built_of_is_all_that_the_package_needs(tmp_path: Path) -> None:
    """The files that pass .dockerignore and are copied build the very wheel of the checkout."""
    copied = [words.split()[:-1] for name, words in stages()[0] if name == "COPY"]
    context = tmp_path / "context"
    context.mkdir()
    for name in [each for words in copied for each in words]:
        assert f"!{name}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(ROOT / name, context)
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    there = build("wheel", tmp_path / "there", context)
    assert there.read_bytes() == build("wheel", tmp_path / "here").read_bytes()


def test_nothing_else_passes_into_the_build() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [each for each in rules if each and not each.startswith("#")]
    assert rules[0] == "*"
    copied = {each for name, words in stages()[0] if name == "COPY" for each in words.split()[:-1]}
    assert {each.removeprefix("!") for each in rules if each.startswith("!")} == copied
    assert rules[-1] == "**/__pycache__"


def test_the_image_starts_the_target_without_a_shell_and_not_as_root() -> None:
    assert json.loads(IMAGE["ENTRYPOINT"]) == ["target-kustomer"]
    assert json.loads(IMAGE["CMD"]) == ["--config=ENV"]
    assert UID > 0
    assert GID > 0
    assert IMAGE["VOLUME"] == IMAGE["WORKDIR"] == "/data"
    assert Path(ENV["TARGET_KUSTOMER_REJECTS_DIR"]).is_relative_to(IMAGE["VOLUME"])


def test_the_stage_that_becomes_the_image_installs_nothing() -> None:
    _, image = stages()
    runs = [words for name, words in image if name == "RUN"]
    assert not [each for each in runs if " install " in each and "--directory" not in each]
    assert "pip uninstall --yes" in runs[0]


# The entry point, as the image has it

AS_PROCESS_1 = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]

INSIDE = """
mount --bind "$0" "$0"
mount -o remount,bind,ro /
cd "$0"
exec "$@"
"""
"""The volume can be written, all else is read-only."""


def possible() -> bool:
    """Whether this machine lets its user make namespaces, as a container in a container may not."""
    probe = [*AS_PROCESS_1, "sh", "-ec", "mount --bind /proc /proc; mount -o remount,bind,ro /"]
    try:
        return subprocess.run(probe, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


in_container = pytest.mark.skipif(not possible(), reason="needs root and namespaces of Linux")


class Container:
    """The target as process 1, under the image's user, with its environment and its volume."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.volume = folder / "data"
        self.volume.mkdir(mode=0o700)
        os.chown(self.volume, UID, GID)
        self._folder = folder
        self._env = {
            "HOME": str(self.volume),
            "PYTHONPATH": str(ROOT),
            "TARGET_KUSTOMER_API_KEY": simulator.api_key,
            "TARGET_KUSTOMER_API_URL": simulator.url,
            **{
                name: value.replace(IMAGE["VOLUME"], str(self.volume))
                for name, value in ENV.items()
                if name != "PATH"
            },
        }

    def start(self, *arguments: str, **env: str) -> Running:
        user = [f"--reuid={UID}", f"--regid={GID}", "--clear-groups", "--no-new-privs"]
        # Python may lie in a folder that only root can read: this user may read all, write nothing.
        user += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
        target = [sys.executable, "-m", "target_kustomer"]
        return Running(
            [
                *AS_PROCESS_1,
                "sh",
                "-ec",
                INSIDE,
                str(self.volume),
                "setpriv",
                *user,
                *target,
                *(arguments or json.loads(IMAGE["CMD"])),
            ],
            {"PATH": os.environ["PATH"], **self._env, **env},
            self._folder,
            self.volume / "rejects",
        )


def process_1(running: Running) -> int:
    """The process in the container, by its number outside."""
    outer = running.process.pid
    [child] = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="utf-8").split()
    return int(child)


def owners(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in folder.rglob("*"):
        status = path.stat()
        name = path.name.split("-")[0] if path.suffix == ".singer" else path.name
        found[name] = (status.st_uid, status.st_gid, status.st_mode & 0o777)
    return found


@pytest.fixture
def container(simulator: Simulator, tmp_path: Path) -> Container:
    return Container(simulator, tmp_path)


@in_container
def test_it_loads_and_writes_its_volume_alone(container: Container, simulator: Simulator) -> None:
    bad = record("customers", id="bad", age="old")
    with container.start(
        TARGET_KUSTOMER_LEDGER_URL=f"sqlite:///{container.volume}/ledger.db"
    ) as running:
        running.write([schema("customers", CUSTOMERS), *customers(5), bad, state(6)])
        running.close_stdin()
        result = running.result()
    assert result.exit_code == 3, result.log
    assert result.states == [6]
    assert len(simulator.org.customers) == 5
    assert result.reasons == {"bad": "invalid_format"}
    owned = owners(container.volume)
    assert owned["rejects"] == (UID, GID, 0o600)
    assert owned["ledger.db"] == (UID, GID, 0o600)


@in_container
def test_sigterm_reaches_it_and_what_is_in_flight_settles(
    container: Container, simulator: Simulator
) -> None:
    simulator.faults.add("slow_job", seconds=1)
    with container.start(TARGET_KUSTOMER_BATCH_SIZE_ROWS="10") as running:
        running.write([schema("customers", CUSTOMERS), *customers(10), state(10)])
        wait_until(lambda: simulator.org.jobs)
        os.kill(process_1(running), 15)
        result = running.result()
    assert result.exit_code == 143, result.log
    assert result.states == [10]
    assert len(simulator.org.customers) == 10


@in_container
def test_a_plan_needs_no_other_place_to_write(container: Container, simulator: Simulator) -> None:
    with container.start("--plan", "--config=ENV") as running:
        running.write([schema("customers", CUSTOMERS), *customers(5)])
        running.close_stdin()
        result = running.result()
    assert result.exit_code == 10, result.log
    assert not simulator.org.customers
    assert not list(container.volume.iterdir())
