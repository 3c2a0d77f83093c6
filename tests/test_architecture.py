from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "target_kustomer"

BASE = {"models", "exceptions", "settings", "clock", "recent"}
"""What every room may know; among themselves see ALLOWED."""

ALLOWED: dict[str, set[str]] = {
    "__main__": {"memory", "target"},
    "target": {"check", "sinks", "run", "planning", "reader", "routing", *BASE},
    "planning": {
        "run",
        "ledger",
        "delivery",
        "rejects",
        "summary",
        "identity",
        "demand",
        "roster",
        "copies",
        "mapping",
        "kustomer",
        *BASE,
    },
    "sinks": {"run", "intake", "rejects", "delivery", "mapping", *BASE},
    "run": {
        "ending",
        "reader",
        "intake",
        "versions",
        "ledger",
        "admission",
        "delivery",
        "settlement",
        "checkpoints",
        "rejects",
        "summary",
        "report",
        "progress",
        "terminal",
        "identity",
        "mapping",
        "kustomer",
        *BASE,
    },
    "check": {"ledger", "rejects", "routing", "mapping", "kustomer", *BASE},
    "admission": {"definitions", "routing", "delivery", "mapping", "kustomer", *BASE},
    "definitions": {"delivery", "mapping", "kustomer", *BASE},
    "ending": {"clock", "exceptions"},
    "report": {"settlement", *BASE},
    "reader": {"exceptions"},
    "routing": {"settings", "exceptions"},
    "settlement": {"checkpoints", "rejects", "summary", *BASE},
    "checkpoints": {"models"},
    "rejects": {"models", "clock", "exceptions"},
    "summary": {"models"},
    "progress": {"models", "clock", "exceptions"},
    "terminal": {"models"},
    "delivery": {"ledger", "identity", "mapping", "kustomer", *BASE},
    "versions": {"intake", "delivery", *BASE},
    "intake": {"ledger", *BASE},
    "ledger": {"mapping", *BASE},
    "identity": {"roster", "updates", "demand", "mapping", "kustomer", *BASE},
    "demand": set(),
    "updates": {"roster", "copies", "mapping", "kustomer", *BASE},
    "roster": {"copies", "mapping", "kustomer", *BASE},
    "copies": {"mapping", "kustomer", *BASE},
    "mapping": {"models", "exceptions", "settings"},
    "kustomer": BASE,
    "clock": {"exceptions"},
    "memory": set(),
    "settings": {"models", "exceptions"},
    "models": set(),
    "recent": set(),
    "exceptions": set(),
    "simulator": set(),
    "": set(),
}
"""Which room may import which at run time: downwards only (the rooms are top-level names)."""

TYPES_ONLY = {
    ("sinks", "target"),  # the SDK hands a sink its target
    ("settlement", "delivery"),  # it takes batches, and makes none
    ("versions", "mapping"),  # it reads plans, and makes none
    ("intake", "delivery"),  # it looks at batches, and makes none
    ("report", "kustomer"),  # it is told of exchanges
    ("report", "delivery"),  # and of jobs
    ("planning", "reader"),  # it hands it on
}
"""Edges that exist for the type checker alone, and point sideways or upwards."""

KEEPERS: dict[str, set[str]] = {
    "singer_sdk": {"target", "reader", "settings", "sinks"},
    "httpx": {"kustomer"},
    "harfile": {"kustomer"},
    "tenacity": {"kustomer", "ledger"},
    "sqlalchemy": {"ledger"},
    "phonenumbers": {"mapping"},
    "email_validator": {"mapping"},
    "iso3166": {"mapping"},
    "threading": {
        "delivery",
        "settlement",
        "clock",
        "identity",
        "roster",
        "ledger",
        "kustomer.budget",
        "report",
        "kustomer.requestlog",
        "terminal",
        "planning",
    },
    "tqdm": {"terminal"},
    "queue": {"settlement", "delivery"},
    "time": {"clock"},
    "select": {"reader"},
    "signal": {"__main__", "target"},
    "starlette": {"simulator"},
    "uvicorn": {"simulator"},
}
"""Who alone may import a library: rooms, or single modules."""

KEPT_OUT_OF_MAPPING = {
    "asyncio",
    "concurrent",
    "httpx",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "queue",
    "random",
    "requests",
    "shutil",
    "singer_sdk",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
}
"""Input and output, threads, logs and clocks."""


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    for_types: bool

    @property
    def ours(self) -> bool:
        return self.imported.split(".")[0] == "target_kustomer"

    @property
    def room(self) -> str:
        return self.importer.split(".")[0]

    @property
    def imported_room(self) -> str:
        return self.imported.removeprefix("target_kustomer").lstrip(".").split(".")[0]


def _imports(path: Path) -> Iterator[Import]:
    importer = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}: imports are absolute"
            module = node.module or ""
            names = [module] if module != "target_kustomer" else []
            names += [f"{module}.{each.name}" for each in node.names if not names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        for name in names:
            yield Import(importer.rstrip("."), name, id(node) in guarded)


IMPORTS = [each for path in sorted(PACKAGE.rglob("*.py")) for each in _imports(path)]
ROOMS = {each.relative_to(PACKAGE).parts[0].removesuffix(".py") for each in PACKAGE.rglob("*.py")}


def test_every_room_is_known() -> None:
    assert {"" if each == "__init__" else each for each in ROOMS} == set(ALLOWED)


def test_the_rules_go_downwards_only() -> None:
    rules = {room: allowed - {room} for room, allowed in ALLOWED.items()}
    assert list(graphlib.TopologicalSorter(rules).static_order())


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_lies_below(room: str) -> None:
    wrong = {
        (each.importer, each.imported)
        for each in IMPORTS
        if each.room == room
        and each.ours
        and each.imported_room not in ALLOWED[room] | {room}
        and not (each.for_types and (room, each.imported_room) in TYPES_ONLY)
    }
    assert not wrong


def test_the_simulator_and_the_target_share_nothing() -> None:
    crossing = {
        (each.importer, each.imported)
        for each in IMPORTS
        if each.ours and (each.room == "simulator") != (each.imported_room == "simulator")
    }
    assert not crossing


@pytest.mark.parametrize("library", sorted(KEEPERS))
def test_a_library_stays_in_its_rooms(library: str) -> None:
    keepers = KEEPERS[library]
    wrong = {
        each.importer
        for each in IMPORTS
        if each.imported.split(".")[0] == library
        and each.room != "simulator"
        and not {each.importer, each.room} & keepers
    }
    assert not wrong


@pytest.mark.parametrize("library", ["sqlalchemy", "tqdm"])
def test_what_few_runs_need_is_loaded_late(library: str) -> None:
    program = f"import sys, target_kustomer.target; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_mapping_does_no_input_or_output() -> None:
    wrong = {
        (each.importer, each.imported)
        for each in IMPORTS
        if each.room == "mapping"
        and not each.for_types
        and {each.imported, each.imported.split(".")[0]} & KEPT_OUT_OF_MAPPING
    }
    assert not wrong


@pytest.mark.parametrize(
    "module",
    [
        "kustomer/errors.py",
        "kustomer/masks.py",
        "kustomer/roles.py",
        "kustomer/pace.py",
        "kustomer/companions.py",
        "routing.py",
    ],
)
def test_a_pure_module_stays_pure(module: str) -> None:
    names = {each.imported.split(".")[0] for each in _imports(PACKAGE / module)}
    assert not names & KEPT_OUT_OF_MAPPING


def test_the_mapping_opens_prints_and_asks_the_time_of_nothing() -> None:
    called = {
        (path.name, ast.unparse(node.func))
        for path in (PACKAGE / "mapping").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).split(".")[-1]
        in {"open", "print", "input", "now", "today", "utcnow"}
    }
    assert not called


def test_only_the_settings_know_the_raw_config() -> None:
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "simulator" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Attribute | ast.Name)
        and ast.unparse(node.value).split(".")[-1] in {"config", "_config"}
    }
    assert readers <= {"settings.py"}
