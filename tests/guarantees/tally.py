"""The table of what the guarantees' tests counted, written to a file at a session's end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.guarantees.audit import Audit


@dataclass
class Row:
    """What a group of cells came to."""

    cells: int = 0
    fired: int = 0
    lost: int = 0
    created_twice: int = 0
    acknowledged_unwritten: int = 0

    def add(self, counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            setattr(self, name, getattr(self, name) + count)


class Tally:
    """Counts the cells of this process and, at the end, of all workers.

    Args:
        path: Where the table goes; None for nowhere.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, Row] = {}

    def cell(self, group: str, *, fired: int, audit: Audit) -> None:
        """Count one cell; call it before anything is asserted.

        Args:
            group: The row of the table.
            fired: Faults, kills and the like that struck.
            audit: What the cell found wrong.
        """
        wrong = {name: len(found) for name, found in vars(audit).items()}
        self._add(group, {"cells": 1, "fired": fired, **wrong})

    def _add(self, group: str, counts: Mapping[str, int]) -> None:
        self._rows.setdefault(group, Row()).add(counts)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of pytest-xdist has ended; one that crashed has nothing to tell."""
        for group, counts in getattr(node, "workeroutput", {}).get("tally", {}).items():
            self._add(group, counts)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        table = {group: asdict(row) for group, row in sorted(self._rows.items())}
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["tally"] = table
        elif self._path:
            self._path.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
