from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tables_say_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/readme.py", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_first_command_runs_and_prints_what_the_page_shows() -> None:
    command = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)[0]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    shown = README.split("<!-- demo output -->\n```\n")[1].split("\n```\n")[0].splitlines()
    shape = runpy.run_path(str(ROOT / "scripts" / "readme.py"))["shape"]
    assert _lasting(shape(done.stdout)) == _lasting(shown)


def test_the_check_prints_what_the_page_shows() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "readme.py"))
    shown = README.split("<!-- check output -->\n```\n")[1].split("\n```\n")[0].splitlines()
    assert script["shape"](script["checked"]()) == shown


def _lasting(lines: list[str]) -> list[str]:
    """The lines whose words do not depend on the time, the process or the order of threads."""
    varying = re.compile(
        r"\| (INFO|WARNING|ERROR) |bulk-poll|units of the budget|installed|Setting"
    )
    return sorted(line for line in lines if line and not varying.search(line))
