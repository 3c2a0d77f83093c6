from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "audit.py"))

FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": "Bad."}
UNMENDED = {**FLAW, "id": "PYSEC-2026-2", "fix_versions": []}


def report(*flaws: dict[str, Any]) -> dict[str, Any]:
    return {
        "dependencies": [
            {"name": "good", "version": "2.0", "vulns": []},
            {"name": "odd", "version": "1.0", "vulns": list(flaws)},
            {"name": "here", "skip_reason": "distribution marked as editable"},
        ],
        "fixes": [],
    }


@pytest.mark.parametrize(
    ("control", "answers", "words"),
    [
        (report(FLAW), report(), "2 packages, no known vulnerability"),
        (report(FLAW), report(FLAW), "odd 1.0: PYSEC-2026-1, mended in 1.1"),
        (report(FLAW), report(UNMENDED), "odd 1.0: PYSEC-2026-2, mended in no release yet"),
        (None, None, "NOT ASKED: no answer from the index"),
        (report(FLAW), None, "NOT ASKED: no answer from the index"),
        (report(), None, "NOT ASKED: the index knows nothing, not even of jinja2==2.4.1"),
    ],
)
def test_it_says_what_came_back(
    control: dict[str, Any] | None, answers: dict[str, Any] | None, words: str
) -> None:
    assert SCRIPT["verdict"](control, answers) == words
    assert bool(SCRIPT["found"](answers)) == ("PYSEC" in words)
