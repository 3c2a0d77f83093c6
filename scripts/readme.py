"""Writes the generated blocks of README.md and docs/first-hour.md: settings, outputs of runs.

python scripts/readme.py                  writes the tables
python scripts/readme.py --runs           also what the demonstration and the first hour print
python scripts/readme.py --chinook FILE   also what the first hour prints of Chinook's customers,
                                          which the tap has written to this file
python scripts/readme.py --check          writes nothing; fails where a table is not what the code
                                          says
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from target_kustomer.mapping.plan import compile_plan
from target_kustomer.settings import CONFIG_JSONSCHEMA, Settings

ROOT = Path(__file__).parents[1]
_WIDTH = 160
README = ROOT / "README.md"
FIRST_HOUR = ROOT / "docs" / "first-hour.md"
CHINOOK_CONFIG = "examples/chinook.json"
EXAMPLE = ROOT / "examples" / "companies-and-customers.singer"


def main(arguments: list[str]) -> None:
    """Write or check the blocks."""
    blocks, hours = tables(), {}
    if "--runs" in arguments:
        blocks |= runs()
        hours["example"] = _fenced(first_hour())
    if "--chinook" in arguments:
        hours["chinook"] = _fenced(first_hour(arguments[-1], CHINOOK_CONFIG))
    _write(FIRST_HOUR, hours)
    if "--check" not in arguments:
        _write(README, blocks)
    elif _filled(README, blocks) != README.read_text(encoding="utf-8"):
        sys.exit("README.md is not what the code says: run python scripts/readme.py")


def tables() -> dict[str, str]:
    """The blocks that follow from the code and the example alone."""
    properties = CONFIG_JSONSCHEMA["properties"]
    stream = properties["streams"]["additionalProperties"]["properties"]
    return {
        "settings": _settings_table(properties),
        "stream settings": _settings_table(stream),
        "plan": _plan_table(),
    }


def runs() -> dict[str, str]:
    """The blocks that show what a run printed."""
    demo = _output("scripts/demo")
    return {"demo output": _fenced(demo), "check output": _fenced(checked())}


def checked() -> str:
    """What the check of the example prints against a simulator, at the address of `serve`."""
    simulator = [sys.executable, "-m", "target_kustomer.simulator", "run", "--"]
    check = [sys.executable, "-m", "target_kustomer", "--check"]
    configs = ["--config=ENV", "--config", str((ROOT / "examples" / "config.json").resolve())]
    with tempfile.TemporaryDirectory() as folder:  # where no run has left anything
        done = subprocess.run(
            [*simulator, *check, *configs], cwd=folder, check=True, text=True, capture_output=True
        )
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", done.stdout)


def first_hour(*arguments: str) -> str:
    """What the first hour prints, at the address of `serve`, without moments and process ids."""
    with tempfile.TemporaryDirectory() as folder:
        printed = _output("env", f"TOUR={folder}/tour", "scripts/tour", *arguments)
    printed = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", printed.replace(folder, "output"))
    return re.sub(r"rejects-\d+T\d+Z-\d+", "rejects-20260101T000000Z-1", printed)


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


def _output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.stdout


def shape(output: str) -> list[str]:
    """What the page shows of an output: no plan (it is a table below), no long lines."""
    lines = [line.rstrip() for line in output.splitlines() if "| plan stream=" not in line]
    return [line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…" for line in lines]


def _fenced(output: str) -> str:
    return "```\n" + "\n".join(shape(output)) + "\n```"


def _write(page: Path, blocks: dict[str, str]) -> None:
    page.write_text(_filled(page, blocks), encoding="utf-8")


def _filled(page: Path, blocks: dict[str, str]) -> str:
    """The page's text with these blocks in their places."""
    text = page.read_text(encoding="utf-8")
    for name, block in blocks.items():
        found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
        if not found:
            sys.exit(f"{page.name} has no block named {name}")
        text = f"{text[: found.start(1)]}{block}\n{text[found.end(1) :]}"
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
