"""A disk that takes no more, or fails: no rejection is acknowledged that is not on it."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.guarantees.audit import COLUMNS, Scenario
from tests.guarantees.resumption import resume
from tests.support import customers, record, schema, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.guarantees.tally import Tally
    from tests.support import Result, Runner

IN_PAIRS: dict[str, Any] = {"batch_size_rows": 2, "max_parallel_requests": 1}

ROOM = 64 * 1024
"""Bytes: enough for a log, and for one rejection of the bulky scenario, not for two."""


def _pair(number: int) -> list[dict[str, Any]]:
    bad = record("customers", id=f"bad{number}", name="x" * 40_000)
    return [*customers(1, first=number), bad, state(2 * number)]


BULKY = Scenario([schema("customers", COLUMNS["customers"]), *_pair(1), *_pair(2), *_pair(3)])
"""Each second customer is rejected, and takes much room in the rejects file."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the first run puts its rejects."""
    path = tmp_path / "rejects-1"
    path.mkdir()
    return path


def _mount(folder: Path, options: str) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    yield
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(folder: Path) -> Iterator[None]:
    yield from _mount(folder, f"size={ROOM}")


@pytest.fixture
def read_only_disk(folder: Path) -> Iterator[None]:
    yield from _mount(folder, "ro")


# A disk without room


def test_a_full_disk_holds_the_state_back(
    small_disk: None,  # noqa: ARG001
    run: Runner,
    tally: Tally,
) -> None:
    result = run.process(BULKY.messages, **IN_PAIRS)
    _holds_the_second_pair_back(result, run, tally)
    assert "No space left" in result.error


@pytest.mark.without_ledger
def test_a_file_that_may_not_grow_holds_the_state_back(run: Runner, tally: Tally) -> None:
    with run.start(**IN_PAIRS) as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))
        running.write(BULKY.messages)
        result = running.result()
    _holds_the_second_pair_back(result, run, tally)
    assert "File too large" in result.error


def _holds_the_second_pair_back(result: Result, run: Runner, tally: Tally) -> None:
    """The file is still a stream that can be replayed, of all that the STATE covers."""
    resume(run, BULKY, result, tally)
    _ended_clearly(result)
    assert result.states == [2]
    assert set(result.reasons) == {"bad1"}
    assert run(result.rejects_bytes).reasons == result.reasons


def _ended_clearly(result: Result) -> None:
    assert result.exit_code == 2
    assert "the disk, then run again" in result.error
    assert "Traceback" not in result.log


def test_a_folder_that_is_read_only_holds_the_state_back(
    read_only_disk: None,  # noqa: ARG001
    run: Runner,
    tally: Tally,
) -> None:
    result = run.process(BULKY.messages, **IN_PAIRS)
    resume(run, BULKY, result, tally)
    _ended_clearly(result)
    assert result.states == []
    assert str(result.rejects_dir) in result.error


def test_a_full_disk_under_stdout_acknowledges_nothing(run: Runner, tally: Tally) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with run.start(stdout=full, **IN_PAIRS) as running:
        os.close(full)
        running.write(BULKY.messages)
        result = running.result()
    resume(run, BULKY, result, tally)
    _ended_clearly(result)
    assert "cannot write stdout" in result.error
    assert "rejects_dir" not in result.error


# A disk that fails, or hangs

FAILS_AT = """
import errno
import os
import stat

fsync = os.fsync
calls = 0

def failing_fsync(descriptor):
    global calls
    calls += stat.S_ISREG(os.fstat(descriptor).st_mode)
    if calls == {call}:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    fsync(descriptor)

os.fsync = failing_fsync
"""

FAILS_FOR = """
import os

fsync = os.fsync

def failing_fsync(descriptor):
    if os.path.samestat(os.fstat(descriptor), os.stat({path!r})):
        raise OSError({number:d}, os.strerror({number:d}))
    fsync(descriptor)

os.fsync = failing_fsync
"""

HANGS = """
import os

reading, writing = os.pipe()
os.fsync = lambda descriptor: os.read(reading, 1)
"""

SIGNALS = """
import os
import signal

fsync = os.fsync

def signalling_fsync(descriptor):
    os.fsync = fsync
    os.kill(os.getpid(), {number:d})
    fsync(descriptor)

os.fsync = signalling_fsync
"""


def _with(code: str, folder: Path) -> dict[str, str]:
    """The environment in which a process runs some code before its own."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(("call", "states"), [(1, []), (2, [2])])
def test_what_the_disk_does_not_confirm_is_not_written(
    call: int, states: list[int], run: Runner, tmp_path: Path, tally: Tally
) -> None:
    env = _with(FAILS_AT.format(call=call), tmp_path)
    result = run.process(BULKY.messages, env, **IN_PAIRS)
    resume(run, BULKY, result, tally)
    _ended_clearly(result)
    assert result.states == states
    assert set(result.reasons) == {f"bad{number}" for number in range(1, call)}


@pytest.mark.parametrize("name", ["made/inside", "made", "."])
def test_a_folder_that_the_disk_does_not_confirm_holds_the_state_back(
    name: str, run: Runner, tmp_path: Path, tally: Tally
) -> None:
    """Without the entries that lead to it, the file would be gone after a power cut."""
    env = _with(FAILS_FOR.format(path=str(tmp_path / name), number=errno.EIO), tmp_path)
    rejects = tmp_path / "made" / "inside"
    result = run.process(BULKY.messages, env, **IN_PAIRS, rejects_dir=str(rejects))
    result = dataclasses.replace(result, rejects_dir=rejects)
    resume(run, BULKY, result, tally)
    _ended_clearly(result)
    assert result.states == []
    assert result.reasons == {}


@pytest.mark.without_ledger
def test_a_disk_that_confirms_no_folder_takes_rejections(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "rejects-1"
    env = _with(FAILS_FOR.format(path=str(folder), number=errno.EINVAL), tmp_path)
    result = run.process(BULKY.messages, env, **IN_PAIRS)
    assert result.exit_code == 3
    assert result.states[-1] == 6
    assert set(result.reasons) == {"bad1", "bad2", "bad3"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_rejections_go_to_the_disk(
    number: int, code: int, run: Runner, tmp_path: Path, tally: Tally
) -> None:
    with run.start(_with(SIGNALS.format(number=number), tmp_path), **IN_PAIRS) as running:
        running.write(BULKY.messages)
        result = running.result()
    resume(run, BULKY, result, tally)
    assert result.exit_code == code
    assert result.states[0] == 2


def test_a_disk_that_hangs_does_not_keep_a_process_from_its_end(
    run: Runner, tmp_path: Path, tally: Tally
) -> None:
    with run.start(_with(HANGS, tmp_path), **IN_PAIRS) as running:
        running.write(BULKY.messages)
        wait_until(lambda: any(tmp_path.glob("rejects-1/rejects-*")))
        for _ in range(2):
            running.process.terminate()
            wait_until(lambda: "ending: " in running.log)
        result = running.result()
    resume(run, BULKY, result, tally)
    assert result.exit_code == 143
    assert result.stdout == ""
    assert "ended by signal 15: run again" in result.error
