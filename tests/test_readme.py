from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    shown = README.split("<!-- demo output -->\n```\n")[1].split("```\n")[0]
    scripts = runpy.run_path(str(ROOT / "scripts" / "blocks.py"))
    printed = "\n".join(scripts["shape"](done.stdout))
    lasting = scripts["FOLLOW"]["lasting"]
    # The order of the log's lines is that of threads.
    assert sorted(lasting(printed).splitlines()) == sorted(lasting(shown).splitlines())
