from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from target_kustomer.target import TargetKustomer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from click.testing import Result


class _Stderr:
    """The stderr of the moment, for handlers that would keep the one of their making."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


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
