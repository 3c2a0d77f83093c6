from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_kustomer.simulator import Simulator
from tests.guarantees.tally import Tally
from tests.support import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-grid",
        action="store_true",
        help="run every cell of the guarantees' grids, not a sample of them (hours)",
    )
    parser.addoption(
        "--guarantees-report",
        metavar="PATH",
        type=Path,
        help="write what the guarantees' tests counted to this file, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Tally(config.getoption("--guarantees-report")), "tally")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Runner:
    return Runner(simulator, tmp_path)
