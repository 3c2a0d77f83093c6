from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(ROOT / path)]
    assert not missing


def test_every_module_of_the_guarantees_is_named() -> None:
    modules = {path.name for path in (ROOT / "tests" / "guarantees").glob("test_*.py")}
    assert {name for name in modules if name not in PAGE} == {"test_tally.py"}


def test_the_table_shows_that_nothing_was_lost_doubled_or_acknowledged_early() -> None:
    block = re.search(r"<!-- table -->\n(.+?)<!-- /table -->", PAGE, re.DOTALL)
    assert block
    _, _, *rows = [line.strip("|").split("|") for line in block[1].splitlines()]
    assert len(rows) > 4
    for group, cells, fired, *wrong in rows:
        assert int(cells.replace(",", "")) > 0, group
        assert int(fired.replace(",", "")) > 0, group
        assert [each.strip() for each in wrong] == ["0", "0", "0"], group


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    machines = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return functions | machines
