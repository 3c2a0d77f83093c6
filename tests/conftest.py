from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_kustomer.simulator import Simulator
from tests.support import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Runner:
    return Runner(simulator, tmp_path)
