"""Settling keeps up with the run, or the run waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.checkpoints import Checkpoints
from target_kustomer.clock import RunClock
from target_kustomer.rejects import RejectsFile
from target_kustomer.settlement import Settlement
from target_kustomer.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATES = 500


class Slow:
    """A settlement whose STATE nobody reads yet, and a thread that brings it more and more."""

    def __init__(self, folder: Path) -> None:
        self.read = threading.Event()
        self.emitted: list[Any] = []
        self.brought = 0
        self.settlement = Settlement(
            RejectsFile(folder, RunClock()),
            Summary(),
            Checkpoints(self._emit),
            pytest.fail,
            lambda: None,
        )
        self.settlement.start()
        self.reader = threading.Thread(target=self._bring)
        self.reader.start()

    def _emit(self, state: Any) -> None:
        self.read.wait()
        self.emitted.append(state)

    def _bring(self) -> None:
        for each in range(STATES):
            self.settlement.checkpoint(each, 0)
            self.brought += 1


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    made = Slow(tmp_path)
    yield made
    made.read.set()
    made.reader.join()
    made.settlement.close()
    assert made.settlement.join(10)
    assert made.emitted == list(range(STATES))


def test_a_reader_of_state_that_is_slow_holds_back_stdin(slow: Slow) -> None:
    slow.reader.join(1)  # it would have brought all in a hundredth of that
    assert 0 < slow.brought < STATES


def test_nobody_waits_in_a_run_that_ends(slow: Slow) -> None:
    slow.settlement.interrupted = lambda: True
    slow.reader.join(600)
    assert slow.brought == STATES
