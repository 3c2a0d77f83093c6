from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

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
    """Properties are held by the same examples in every run, by new ones in a full grid."""
    settings.register_profile(
        "sample",
        max_examples=150,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile(
        "full", settings.get_profile("sample"), max_examples=10_000, derandomize=False
    )
    settings.load_profile("full" if config.getoption("--full-grid") else "sample")
    config.pluginmanager.register(Tally(config.getoption("--guarantees-report")), "tally")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Runner:
    return Runner(simulator, tmp_path)
