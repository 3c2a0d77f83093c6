from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.guarantees.audit import Audit
from tests.guarantees.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path


def session(**config: Any) -> Any:
    return SimpleNamespace(config=SimpleNamespace(**config))


def test_the_table_adds_up_what_all_workers_counted(tmp_path: Path) -> None:
    controller = Tally(tmp_path / "table.json")
    for group in ("kills", "single faults"):
        worker, output = Tally(None), dict[str, Any]()
        worker.cell(group, fired=2, audit=Audit(lost=["customers/a"]))
        worker.cell(
            "kills", fired=1, audit=Audit(created_twice=["b"], acknowledged_unwritten=["c"])
        )
        worker.pytest_sessionfinish(session(workeroutput=output))
        controller.pytest_testnodedown(SimpleNamespace(workeroutput=output))
    controller.pytest_testnodedown(SimpleNamespace())

    controller.pytest_sessionfinish(session())

    table = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    wrong = {"lost": 1, "created_twice": 2, "acknowledged_unwritten": 2}
    assert table == {
        "kills": {"cells": 3, "fired": 4, **wrong},
        "single faults": {
            "cells": 1,
            "fired": 2,
            "lost": 1,
            "created_twice": 0,
            "acknowledged_unwritten": 0,
        },
    }
