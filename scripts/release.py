"""Makes in dist/ what a tag releases: wheel, sdist, and the notes of the release.

python scripts/release.py v1.2.3

Needs the dependency group `release`; `scripts/release` installs it. Where GITHUB_REPOSITORY is set,
the links of the notes lead to the files of that tag.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"


class Refused(Exception):  # noqa: N818  it is no error
    """Why this is no release."""


def main(arguments: list[str]) -> None:
    """Check, build, check what was built."""
    if len(arguments) != 1:
        sys.exit(__doc__)
    [tag] = arguments
    try:
        check_tag(tag, version_of((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
        section = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), tag.removeprefix("v"))
    except Refused as refused:
        sys.exit(f"{tag} is no release: {refused}")
    shutil.rmtree(DIST, ignore_errors=True)
    # The wheel is built from the sdist, so that the sdist holds what it takes.
    run("build", "--no-isolation", "--outdir", str(DIST), str(ROOT))
    built = sorted(str(path) for path in DIST.iterdir())
    run("twine", "check", "--strict", *built)
    (DIST / "notes.md").write_text(with_links(section, tag), encoding="utf-8")
    print(*built, DIST / "notes.md", sep="\n")


def version_of(project: str) -> str:
    """The version that pyproject.toml names."""
    [version] = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    return str(version)


def check_tag(tag: str, version: str) -> None:
    """Refuse a tag that is not `v` and the version."""
    if tag != f"v{version}":
        msg = f"the version in pyproject.toml is {version}, its tag v{version}"
        raise Refused(msg)


def notes(changelog: str, version: str) -> str:
    """What the changelog says of a version: the newest one, with a day, and nothing behind it."""
    parts = re.split(r"^## (.+)\n", changelog, flags=re.MULTILINE)
    sections = list(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))
    if sections and sections[0][0] == "Unreleased":
        _, unreleased = sections.pop(0)
        if unreleased:
            msg = "CHANGELOG.md has entries under Unreleased"
            raise Refused(msg)
    heading, text = sections[0] if sections else ("", "")
    named, _, day = heading.partition(" - ")
    if named != version or not is_day(day):
        msg = f"CHANGELOG.md does not begin with a section '## {version} - YYYY-MM-DD'"
        raise Refused(msg)
    if not text:
        msg = f"CHANGELOG.md says nothing of {version}"
        raise Refused(msg)
    return f"{text}\n"


def is_day(text: str) -> bool:
    """Whether this is a day like 2026-01-31."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def with_links(text: str, tag: str) -> str:
    """The text with links that lead to the repository from wherever it is read."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    if not repository:
        return text
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return re.sub(r"\]\((?!\w+:|#)", f"]({server}/{repository}/blob/{tag}/", text)


def run(*arguments: str) -> None:
    """Run a module of this Python; what it prints is shown."""
    if code := subprocess.run([sys.executable, "-m", *arguments], check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
