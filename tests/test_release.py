"""What a tag releases, made for real from a copy of this checkout."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "release.py"))
VERSION = SCRIPT["version_of"]((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHANGES = (
    "### Added\n\n- All of it ([guarantees](docs/guarantees.md), [SDK](https://sdk.meltano.com)).\n"
)
DAY = "2026-01-31"

NOT_VERSIONED = shutil.ignore_patterns(
    ".git",
    ".venv*",
    ".envs",
    ".*_cache",
    "__pycache__",
    ".hypothesis",
    ".meltano",
    "dist",
    "output",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, with files in dist/ that an earlier build has left."""
    folder = tmp_path_factory.mktemp("release") / "checkout"
    shutil.copytree(ROOT, folder, ignore=NOT_VERSIONED)
    (folder / "dist").mkdir()
    (folder / "dist" / "target_kustomer-0.0.1-py3-none-any.whl").touch()
    return folder


def release(
    checkout: Path, tag: str, changelog: str, **env: str
) -> subprocess.CompletedProcess[str]:
    (checkout / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "scripts/release.py", tag],
        cwd=checkout,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **env},
    )


def changelog(*sections: str) -> str:
    return "\n".join(["# Changelog", "", "What users see.", "", *sections])


def test_a_tag_becomes_a_wheel_a_source_distribution_and_notes(checkout: Path) -> None:
    older = "## 0.0.1 - 2025-12-31\n\n- The first one.\n"
    done = release(
        checkout,
        f"v{VERSION}",
        changelog(f"## {VERSION} - {DAY}\n\n{CHANGES}", older),
        GITHUB_REPOSITORY="acme/target-kustomer",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    dist = checkout / "dist"
    assert {path.name for path in dist.iterdir()} == {
        f"target_kustomer-{VERSION}-py3-none-any.whl",
        f"target_kustomer-{VERSION}.tar.gz",
        "notes.md",
    }
    assert (dist / "notes.md").read_text(encoding="utf-8") == CHANGES.replace(
        "docs/guarantees.md",
        f"https://github.com/acme/target-kustomer/blob/v{VERSION}/docs/guarantees.md",
    )
    with zipfile.ZipFile(dist / f"target_kustomer-{VERSION}-py3-none-any.whl") as wheel:
        metadata = wheel.read(f"target_kustomer-{VERSION}.dist-info/METADATA").decode()
    assert HeaderParser().parsestr(metadata)["Version"] == VERSION


@pytest.mark.parametrize(
    ("tag", "sections", "why"),
    [
        ("v9.9.9", [f"## 9.9.9 - {DAY}\n\n{CHANGES}"], "the version in pyproject.toml is"),
        (VERSION, [f"## {VERSION} - {DAY}\n\n{CHANGES}"], f"its tag v{VERSION}"),
        (f"v{VERSION}", ["## Unreleased\n\n- All of it.\n"], "entries under Unreleased"),
        (f"v{VERSION}", ["## Unreleased\n"], "does not begin with a section"),
        (f"v{VERSION}", [], "does not begin with a section"),
        (f"v{VERSION}", [f"## {VERSION}\n\n{CHANGES}"], "does not begin with a section"),
        (f"v{VERSION}", [f"## {VERSION} - 2026-02-30\n\n{CHANGES}"], "does not begin with"),
        (f"v{VERSION}", [f"## {VERSION} - {DAY}\n"], f"says nothing of {VERSION}"),
        (
            f"v{VERSION}",
            [f"## 9.9.9 - {DAY}\n\n{CHANGES}", f"## {VERSION} - {DAY}\n\n{CHANGES}"],
            "does not begin with a section",
        ),
    ],
)
def test_what_is_no_release_is_refused(
    tag: str, sections: list[str], why: str, checkout: Path
) -> None:
    before = sorted((checkout / "dist").iterdir())
    done = release(checkout, tag, changelog(*sections))
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted((checkout / "dist").iterdir()) == before


def test_an_empty_unreleased_section_is_none() -> None:
    text = changelog("## Unreleased\n", f"## 1.2.3 - {DAY}\n\n{CHANGES}")
    assert SCRIPT["notes"](text, "1.2.3") == CHANGES


def test_a_page_that_the_index_cannot_show_is_refused(checkout: Path) -> None:
    readme = checkout / "README.md"
    text = readme.read_text(encoding="utf-8")
    project = checkout / "pyproject.toml"
    settings = project.read_text(encoding="utf-8")
    broken = settings.replace(
        'readme = "README.md"', 'readme = { file = "README.md", content-type = "text/x-rst" }'
    )
    assert broken != settings
    project.write_text(broken, encoding="utf-8")
    readme.write_text("`broken <\n=\n\n.. nothing::\n", encoding="utf-8")
    try:
        done = release(checkout, f"v{VERSION}", changelog(f"## {VERSION} - {DAY}\n\n{CHANGES}"))
    finally:
        readme.write_text(text, encoding="utf-8")
        project.write_text(settings, encoding="utf-8")
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert not (checkout / "dist" / "notes.md").exists()


# The workflows only call the scripts


def workflow(name: str) -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def commands(job: Mapping[str, Any]) -> list[str]:
    return [step["run"] for step in job.get("steps", ()) if "run" in step]


def test_ci_is_the_script_that_everyone_can_run() -> None:
    assert commands(workflow("ci.yml")["jobs"]["ci"])[-1] == "bash .ci/run"


def test_nothing_is_published_that_was_not_checked_and_built_by_the_scripts() -> None:
    jobs = workflow("release.yml")["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert commands(jobs["build"]) == ['scripts/release "$GITHUB_REF_NAME"']
    assert jobs["publish"]["needs"] == ["ci", "build"]
    assert jobs["announce"]["needs"] == "publish"


def test_only_the_job_that_publishes_can_identify_itself_to_the_index() -> None:
    release = workflow("release.yml")
    assert release["permissions"] == workflow("ci.yml")["permissions"] == {}
    granted = {name: job["permissions"] for name, job in release["jobs"].items()}
    assert granted.pop("publish") == {"id-token": "write"}
    assert granted.pop("announce") == {"contents": "write"}
    assert all(permissions == {"contents": "read"} for permissions in granted.values())


def test_actions_are_pinned_by_commit() -> None:
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for used in re.findall(r"uses: (\S+.*)", path.read_text(encoding="utf-8")):
            assert used.startswith("./") or re.fullmatch(
                r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used
            )
