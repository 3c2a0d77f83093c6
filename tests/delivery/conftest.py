from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.support import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Starts simulators with the switches given; the runner knows its simulator."""
    with ExitStack() as stack:

        def started(**switches: Any) -> Runner:
            simulator = stack.enter_context(Simulator(**switches))
            folder = tmp_path / f"run-{simulator.port}"
            folder.mkdir()
            return Runner(simulator, folder)

        yield started
