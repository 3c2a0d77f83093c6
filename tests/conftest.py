from __future__ import annotations

import logging
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, is_hypothesis_test, settings

from target_kustomer.simulator import Simulator
from target_kustomer.target import TargetKustomer
from tests.guarantees.tally import Tally
from tests.postgresql import PostgreSQL, running_cluster
from tests.support import Clock, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from click.testing import Result

_PURE = Path(__file__).with_name("mapping")


class _Stderr:
    """The stderr of the moment, for handlers that would keep the one of their making."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Files:
    """A database for each folder."""

    def url(self, folder: Path) -> str:
        folder.mkdir(exist_ok=True)
        return f"sqlite:///{folder / 'ledger.db'}"


@dataclass
class _Server:
    """One database for all: each test has an org of its own."""

    cluster: PostgreSQL

    def url(self, _: Path) -> str:
        return self.cluster.url("postgres")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-grid",
        action="store_true",
        help="run every cell of the guarantees' grids, not a sample of them (hours)",
    )
    parser.addoption(
        "--ledger",
        choices=["sqlite", "postgresql"],
        help="give every run of the target a ledger in such a database",
    )
    parser.addoption(
        "--one-of-each",
        action="store_true",
        help="of a test with parameters run one set, another on each Python, and try fewer examples"
        " of a property; but tests/mapping with all parameters",
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
    settings.register_profile("few", settings.get_profile("sample"), max_examples=30)
    profile = "few" if config.getoption("--one-of-each") else "sample"
    settings.load_profile("full" if config.getoption("--full-grid") else profile)
    if config.getoption("--ledger") == "sqlite":
        Runner.ledger = _Files()
    config.pluginmanager.register(Tally(config.getoption("--guarantees-report")), "tally")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the options say, and put first what takes long: a worker is not the last."""
    kept = list(items)
    if config.getoption("--ledger"):
        kept = [each for each in kept if _shows_a_ledger(each)]
    if config.getoption("--one-of-each"):
        chosen = set(_one_of_each(kept))
        kept = [each for each in kept if _PURE in each.path.parents or each in chosen]
    config.hook.pytest_deselected(items=[*set(items) - set(kept)])
    items[:] = sorted(kept, key=lambda each: not _takes_long(each))


def _shows_a_ledger(item: pytest.Item) -> bool:
    """Whether a test holds under a ledger, and runs a target that could have one.

    What a ledger changes on purpose has a mark: repeats are unchanged, dropped items go.
    """
    fixtures = getattr(item, "fixturenames", ())
    runs = "run" in fixtures or "start" in fixtures
    runs |= hasattr(getattr(item, "module", None), "Runner")
    return runs and not item.get_closest_marker("without_ledger")


def _one_of_each(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """One set of parameters of each test."""
    sets = defaultdict(list)
    for each in items:
        sets[each.nodeid.partition("[")[0]].append(each)
    for alike in sets.values():
        alike.sort(key=lambda each: each.nodeid)
        yield alike[sys.version_info.minor % len(alike)]


def _takes_long(item: pytest.Item) -> bool:
    """Groups of xdist come before all by themselves."""
    return bool(item.get_closest_marker("long")) or is_hypothesis_test(getattr(item, "obj", None))


@pytest.fixture(scope="session", autouse=True)
def ledger_server(request: pytest.FixtureRequest) -> Iterator[None]:
    """The database server of ``--ledger=postgresql``; its tests share a database, not an org."""
    if request.config.getoption("--ledger") != "postgresql":
        yield
        return
    with running_cluster() as cluster:
        Runner.ledger = _Server(cluster)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody's certificates, but those of tests that bring their own: to load them takes longer
    than most runs. The simulator speaks no TLS.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("no_certificates")))
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(rate_limit=100_000) as running:  # what waits for a budget has its own
        yield running


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Runner:
    return Runner(simulator, tmp_path)


@pytest.fixture
def cli(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Result]]:
    """Runs the command line in this process, in an empty folder; by default nobody answers it.

    Logging and SIGINT are put back as they were, since a command has its process for itself.
    """
    monkeypatch.chdir(tmp_path_factory.mktemp("cli"))
    interrupt = signal.getsignal(signal.SIGINT)
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    loggers = [
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    ]
    states = [(each, each.level, each.disabled, each.propagate) for each in loggers]

    def invoke(*args: Any, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Result:
        command = TargetKustomer.cli
        for handler in root.handlers:
            if isinstance(handler, logging.StreamHandler) and handler not in before[1]:
                handler.setStream(_Stderr())
        return CliRunner().invoke(command, list(map(str, args)), stdin, env or {})

    yield invoke
    signal.signal(signal.SIGINT, interrupt)
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for each, level, disabled, propagate in states:
        each.setLevel(level)
        each.disabled, each.propagate = disabled, propagate
    logging.captureWarnings(capture=False)
