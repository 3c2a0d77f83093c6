"""Each example of docs/stream-maps.md comes to what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner

PAGE = (Path(__file__).parents[2] / "docs" / "stream-maps.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (/?\w+) -->\n```(?:json)?\n(.*?)```", PAGE, re.DOTALL))
EXAMPLES = sorted(name for name in BLOCKS if f"/{name}" in BLOCKS)


def held(simulator: Simulator) -> str:
    """What Kustomer holds, in the form of the page."""
    names = {each.id: each.attributes["name"] for each in simulator.org.companies}
    lines = [
        *(shown("company", each) for each in simulator.org.companies),
        *(
            shown("customer", each) | ({"company": names[each.company]} if each.company else {})
            for each in simulator.org.customers
        ),
    ]
    return "".join(f"{json.dumps(line)}\n" for line in sorted(lines, key=str))


def shown(kind: str, stored: Any) -> dict[str, Any]:
    """One of them, by its external id; without lists but the first e-mail."""
    attributes = stored.attributes
    name = {"name": attributes["name"]} if attributes.get("name") else {}
    email = {"email": attributes["emails"][0]["email"]} if attributes.get("emails") else {}
    return {kind: attributes["externalId"], **name, **email, **attributes.get("custom", {})}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_comes_to_what_the_page_says(
    name: str, run: Runner, simulator: Simulator
) -> None:
    result = run(BLOCKS["stream"].encode(), **json.loads(BLOCKS[name]))

    assert result.exit_code == 0, result.error
    assert held(simulator) == BLOCKS[f"/{name}"]
    if name == "filter":
        [line] = (each for each in result.log.splitlines() if each.startswith("filtered "))
        assert f"`{line}`" in PAGE


def test_without_a_map_the_stream_is_none_that_the_target_knows(run: Runner) -> None:
    result = run(BLOCKS["stream"].encode())
    assert result.exit_code == 2
    assert "crm_people" in result.error


def test_an_example_can_be_tried_as_the_page_says(tmp_path: Path) -> None:
    [command] = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "people.singer").write_text(BLOCKS["stream"], encoding="utf-8")
    (tmp_path / "config.json").write_text(BLOCKS["filter"], encoding="utf-8")

    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"^customers: 1\n.*\n +1 +Ada Example ", done.stderr, re.MULTILINE)


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 7
