"""Writes the generated blocks of README.md and docs/*.md: tables, and outputs of runs.

A block stands between `<!-- NAME -->` and `<!-- /NAME -->`, on any page.

python scripts/blocks.py                  writes the tables
python scripts/blocks.py --runs           also what the demonstration and the first hour print
python scripts/blocks.py --chinook FILE   also what the first hour prints of Chinook's customers,
                                          which the tap has written to this file
python scripts/blocks.py --check          writes nothing; fails where a table is not what the code
                                          says
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from target_kustomer.mapping.plan import compile_plan
from target_kustomer.settings import CONFIG_JSONSCHEMA, Settings
from target_kustomer.simulator import Fault, Switches, app, faults
from target_kustomer.simulator.keys import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLLOW = runpy.run_path(str(ROOT / "scripts" / "follow.py"))
_WIDTH = 160
_IN_ORDER = re.compile(r"\| INFO +\| (?!.*\| summary stream=)|^Setting up |installed")
CHINOOK_CONFIG = "examples/chinook.json"
EXAMPLE = ROOT / "examples" / "companies-and-customers.singer"


def main(arguments: list[str]) -> None:
    """Write or check the blocks."""
    blocks = tables()
    if "--runs" in arguments:
        blocks |= {
            "demo output": _fenced(_output("scripts/demo")),
            "example": _fenced(first_hour()),
        }
    if "--chinook" in arguments:
        blocks["chinook"] = _fenced(first_hour(arguments[-1], CHINOOK_CONFIG))
    pages = {page: page.read_text(encoding="utf-8") for page in all_pages()}
    filled = {page: filled_with(text, blocks) for page, text in pages.items()}
    for name in blocks:
        if not any(f"<!-- {name} -->" in text for text in pages.values()):
            sys.exit(f"no page has a block named {name}")
    if "--check" not in arguments:
        for page, text in filled.items():
            page.write_text(text, encoding="utf-8")
    elif stale := [page.name for page, text in pages.items() if filled[page] != text]:
        sys.exit(f"{', '.join(stale)}: not what the code says: run python scripts/blocks.py")


def all_pages() -> list[Path]:
    """Where blocks may be."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled_with(text: str, blocks: dict[str, str]) -> str:
    """A page's text with these blocks in their places."""

    def filled(place: re.Match[str]) -> str:
        begin, name, end = place.groups()
        return f"{begin}{blocks[name]}\n{end}" if name in blocks else place[0]

    return re.sub(r"(<!-- ([\w ]+) -->\n).*?(<!-- /\2 -->)", filled, text, flags=re.DOTALL)


def tables() -> dict[str, str]:
    """The blocks that follow from the code and the example alone."""
    properties = CONFIG_JSONSCHEMA["properties"]
    stream = properties["streams"]["additionalProperties"]["properties"]
    return {
        "settings": _settings_table(properties),
        "stream settings": _settings_table(stream),
        "plan": _plan_table(),
        "calls": _calls_table(),
        "switches": _switches_table(),
        "faults": _faults_list(),
        "fault conditions": _conditions_table(),
    }


def first_hour(*arguments: str) -> str:
    """What the first hour prints, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        printed = _output("env", f"TOUR={folder}/tour", "scripts/tour", *arguments)
    return printed.replace(folder, "output")


def _settings_table(properties: dict[str, dict[str, Any]]) -> str:
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, schema in properties.items():
        required = name in CONFIG_JSONSCHEMA["required"]
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
        rows.append(
            f"| `{name}` | {default or ('required' if required else '')} | {_says(schema)} |"
        )
    return "\n".join(rows)


def _says(schema: dict[str, Any]) -> str:
    allowed = ", ".join(f"`{value}`" for value in schema.get("enum", ()))
    return f"{schema['description']}{f' One of {allowed}.' if allowed else ''}"


def _plan_table() -> str:
    """How the columns of the example's streams become attributes."""
    config = json.loads((ROOT / "examples" / "config.json").read_text(encoding="utf-8"))
    settings = Settings.from_config({"api_key": "none", **config})
    rows = ["| stream | column | attribute |", "|---|---|---|"]
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            name = message["stream"]
            plan = compile_plan(
                name,
                message["schema"],
                message["key_properties"],
                "company" if name == "companies" else "customer",
                settings.stream(name),
            )
            for column, attribute in plan.columns:
                shown = f"`{attribute}`" if attribute else "not sent"
                rows.append(f"| {name} | `{column}` | {shown} |")
    return "\n".join(rows)


def _calls_table() -> str:
    """What the simulator answers, and the roles that it wants for it."""
    rows = ["| method | path | role, any one of these |", "|---|---|---|"]
    for method, path, _, need, _ in app.CALLS:
        roles = ", ".join(f"`{role}`" for role in ROLES[need]) if need else "any key"
        rows.append(f"| {method} | `{path.replace(':path', '')}` | {roles} |")
    return "\n".join(rows)


def _switches_table() -> str:
    rows = ["| switch | default | meaning |", "|---|---|---|"]
    hints, defaults = get_type_hints(Switches), vars(Switches())
    for name, says in _attributes(Switches):
        allowed = ", ".join(f"`{value}`" for value in get_args(hints[name]))
        default = defaults[name] if isinstance(defaults[name], str) else json.dumps(defaults[name])
        rows.append(
            f"| `{name}` | `{default}` | {says}{f' One of {allowed}.' if allowed else ''} |"
        )
    return "\n".join(rows)


def _conditions_table() -> str:
    rows = ["| condition | default | meaning |", "|---|---|---|"]
    defaults = vars(Fault("500"))
    for name, says in _attributes(Fault):
        default = "required" if name == "kind" else f"`{json.dumps(defaults[name])}`"
        rows.append(f"| `{name}` | {default} | {says} |")
    return "\n".join(rows)


def _attributes(described: type) -> Iterator[tuple[str, str]]:
    """What a docstring says of each attribute, without the citations."""
    _, _, text = (inspect.getdoc(described) or "").partition("Attributes:\n")
    for name, says in re.findall(
        r"^ {4}(\w+): (.+?)(?=^ {4}\w|\Z)", text, re.DOTALL | re.MULTILINE
    ):
        yield name, _plain(says)


def _faults_list() -> str:
    """What the kinds of faults are, as their own texts say."""
    tree = ast.parse(inspect.getsource(faults))
    texts = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    return "\n\n".join(str(text).strip() for text in texts[1:])


def _plain(text: str) -> str:
    """A docstring's text on one line, without its citations."""
    return re.sub(r" \[API [^]]+\]", "", " ".join(text.split()))


def _output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout


def shape(output: str) -> list[str]:
    """What a page shows of an output: summaries and troubles, and no long lines."""
    lines = [line for line in FOLLOW["fixed"](output).splitlines() if not _IN_ORDER.search(line)]
    return [line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…" for line in lines]


def _fenced(output: str) -> str:
    return "```\n" + "\n".join(shape(output)) + "\n```"


if __name__ == "__main__":
    main(sys.argv[1:])
