"""The pages of docs/ show what the code says, and what their commands print."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from target_kustomer.models import Reason
from target_kustomer.settings import CONFIG_JSONSCHEMA, unknown_settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
FOLLOW = runpy.run_path(str(ROOT / "scripts" / "follow.py"))

FOLLOWED = [
    "quickstart.md",
    "before-a-run.md",
    "deletes.md",
    "ledger.md",
    "rejects.md",
    "report.md",
    "request-log.md",
    "simulator.md",
]
"""Pages whose commands run here."""

FOLLOWED_ELSEWHERE = {
    "tutorial.md",  # tests/servers/test_tutorial.py
    "first-hour.md",  # tests/servers/test_first_hour.py
    "performance.md",  # its benchmark takes 25 minutes
    "cookbook.md",
    "matching.md",
    "errors.md",
    "operating.md",
    "comparison.md",
    "architecture.md",
    "meltano.md",
    "taps.md",
    "stream-maps.md",
    "container.md",
    "versions.md",
}
"""Pages whose commands run in tests of their own, or nowhere."""


def follow(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Follow pages as a reader whose PATH has what is tested here."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "follow.py", *arguments],
        env={**os.environ, "PATH": path},
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_tables_say_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/blocks.py", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_page_that_is_followed_prints_what_it_shows(name: str) -> None:
    done = follow(DOCS / name)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_followed_somewhere(page: Path) -> None:
    commands = FOLLOW["blocks"](page.read_text(encoding="utf-8"))
    assert bool(commands) <= (page.name in {*FOLLOWED, *FOLLOWED_ELSEWHERE})


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_settings_that_a_page_shows_are_settings(page: Path) -> None:
    for shown in settings_on(page.read_text(encoding="utf-8")):
        assert not unknown_settings(shown), shown
        config = {"api_key": "...", **shown}
        errors = list(Draft202012Validator(CONFIG_JSONSCHEMA).iter_errors(config))
        assert not errors, shown


def settings_on(text: str) -> list[dict[str, Any]]:
    """The JSON objects on a page that have a setting among their keys."""
    found = []
    for block in re.findall(r"^ *```json\n(.*?)```", text, re.DOTALL | re.MULTILINE):
        try:
            shown = json.loads(block)
        except ValueError:
            continue  # messages, one after the other
        if not isinstance(shown, dict) or isinstance(shown.get("streams"), list):
            continue  # a tap's catalog
        if set(shown) & set(CONFIG_JSONSCHEMA["properties"]):
            found.append(shown)
    return found


def test_the_end_of_a_run_is_that_of_the_quick_start() -> None:
    printed = (DOCS / "quickstart.md").read_text(encoding="utf-8").splitlines()
    without_times = {line.partition(" | ")[2] for line in printed}
    page = (DOCS / "progress.md").read_text(encoding="utf-8").partition("## At the end")[2]
    shown = page.split("```")[1].strip().splitlines()
    assert len(shown) > 4
    assert set(shown) <= without_times


def test_every_exit_code_is_explained() -> None:
    source = (ROOT / "target_kustomer" / "exceptions.py").read_text(encoding="utf-8")
    codes = {"0", "10", *re.findall(r"^ {4}exit_code(?:: int)? = (\d+)$", source, re.MULTILINE)}
    table = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    assert codes == set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE))


def test_every_reason_has_its_mend() -> None:
    page = (DOCS / "rejects.md").read_text(encoding="utf-8").partition("## Reasons")[2]
    rows = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    assert re.findall(r"`(\w+)`", "".join(rows)) == [reason.value for reason in Reason]


# How pages are followed


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ("```bash\necho a\n```\n\n```\na\n```\n", None),
        ("```bash\necho a\n```\n\n```\nb\n```\n", "+a"),
        ("```bash\necho a\n```\n", "+a"),
        ("```bash\ntrue\n```\n\n```\na\n```\n", "-a"),
        ("```bash\necho a; false\n```\n\n```\na\n```\n", "ended with 1"),
        ("```bash\nexit 0\n```\n", "ended with the shell"),
        ("```bash\nexport A=1\n```\n```bash\ncd /; echo $A\n```\n```\n1\n```\n", None),
        ("<!-- not run: it fails -->\n```bash\nfalse\n```\n", None),
        ("<!-- in another terminal -->\n```bash\necho a; sleep 60\n```\n```\na\n```\n", None),
        ("<!-- in another terminal -->\n```bash\necho a\n```\n```\nb\n```\n", "+a"),
        ("<!-- continues first.md -->\n```bash\ncat file\n```\n```\nhere\n```\n", None),
        ("```bash\necho 127.0.0.1:8080\n```\n```\n127.0.0.1:8080\n```\n", None),
    ],
)
def test_a_page_is_followed_to_the_letter(page: str, wrong: str | None, tmp_path: Path) -> None:
    (tmp_path / "first.md").write_text("```bash\necho here > file\n```\n", encoding="utf-8")
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    done = follow(tmp_path / "page.md")
    assert (done.returncode == 0) == (wrong is None), done.stderr
    assert (wrong or "") in done.stderr


def test_outputs_are_written_where_they_differ(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = "# Page\n\n```bash\necho new\n```\n\n```\n{}\n```\n\n```bash\ntrue\n```\nEnd\n"
    page.write_text(text.format("old"), encoding="utf-8")
    assert follow("--write", page).returncode == 0
    assert page.read_text(encoding="utf-8") == text.format("new")


# Links of the README, which no site checks


def test_the_readme_links_to_what_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = {each for each in re.findall(r"\]\(([^)]+)\)", text) if "://" not in each}
    assert len(links) > 20
    assert not {each for each in links if not (ROOT / each).exists()}


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in PAGES if f"(docs/{page.name}" not in text} == {"index.md"}
