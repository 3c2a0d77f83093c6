"""Prints pip constraints that take the oldest release of everything that the package depends on.

python scripts/lowest.py
"""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

_REQUIREMENT = re.compile(r'"([\w-]+)(?:\[\w+\])?(?:~=|>=)([\d.]+)(?:,<\d+)?"')


def constraints(project: str) -> list[str]:
    """The lower bound of each dependency, and of those of the extras, as what is wanted."""
    tables = project.split("\n[")
    [package] = [each for each in tables if each.startswith("project]\n")]
    [extras] = [each for each in tables if each.startswith("project.optional-dependencies]\n")]
    declared = package.partition("\ndependencies = [")[2] + extras
    return [f"{name}=={bound}" for name, bound in _REQUIREMENT.findall(declared)]


if __name__ == "__main__":
    print(*constraints(PROJECT.read_text(encoding="utf-8")), sep="\n")
