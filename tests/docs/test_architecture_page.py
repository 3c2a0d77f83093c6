"""What the page of the architecture names is there."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import ROOT, page

TEXT = page("architecture.md")
PACKAGE = ROOT / "target_kustomer"

IN_ROOT = (
    "tests/",
    "benchmarks/",
    "scripts/",
    "docs/",
    "pyproject.toml",
    "meltano.yml",
    "AGENTS.md",
)


def test_each_module_that_is_named_exists() -> None:
    named = re.findall(r"`([\w./-]+(?:\.py|\.md|\.toml|\.yml|/))`", TEXT)
    assert len(named) > 60
    folders = [ROOT if each.startswith(IN_ROOT) else PACKAGE for each in named]
    missing = [
        name for name, folder in zip(named, folders, strict=True) if not (folder / name).exists()
    ]
    assert not missing


def test_each_name_of_the_code_is_in_the_module_beside_it() -> None:
    """A name, and the module in which it is to be looked for: `Reason` in `models.py`."""
    beside = re.findall(r"`(\w+)` in `([\w/]+\.py)`", TEXT)
    beside += [(name, module) for module, name in re.findall(r"`(\w+\.py)` \(`(\w+)`\)", TEXT)]
    assert len(beside) > 2
    for name, module in beside:
        tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
        assert name in {target for node in tree.body for target in _defined(node)}, (name, module)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [each.id for each in node.targets if isinstance(each, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []
