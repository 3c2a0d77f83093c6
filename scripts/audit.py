"""Asks whether the packages of this environment have known vulnerabilities; fails where they do.

python scripts/audit.py

Runs pip-audit. Where nobody answers it says so and ends well, since a build must not depend on the
network; so it does where the index answers without vulnerabilities even for a release that has had
some for years.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KNOWN = "jinja2==2.4.1"
"""A release of which every source knows vulnerabilities."""


def main() -> None:
    """Ask, say what came back, and fail on a finding."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.txt"
        known.write_text(f"{KNOWN}\n", encoding="utf-8")
        control = ask("--requirement", str(known), "--no-deps", "--disable-pip")
        answers = ask("--skip-editable") if found(control) else None
    print(verdict(control, answers))
    sys.exit(bool(found(answers)))


def ask(*arguments: str) -> dict[str, Any] | None:
    """What pip-audit reports; None where it could not ask."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--timeout=15"]
    done = subprocess.run(
        [*command, "--format=json", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        print(done.stderr.strip().splitlines()[-1:], file=sys.stderr)
        return None
    return report


def found(report: dict[str, Any] | None) -> list[str]:
    """A line for each vulnerability."""
    return [
        f"{each['name']} {each['version']}: {flaw['id']}, "
        f"mended in {', '.join(flaw['fix_versions']) or 'no release yet'}"
        for each in (report or {}).get("dependencies", ())
        for flaw in each.get("vulns", ())
    ]


def verdict(control: dict[str, Any] | None, answers: dict[str, Any] | None) -> str:
    """What to say of the answers."""
    if lines := found(answers):
        return "\n".join(lines)
    if control and not found(control):
        return f"NOT ASKED: the index knows nothing, not even of {KNOWN}"
    if not answers:
        return "NOT ASKED: no answer from the index"
    asked = [each for each in answers["dependencies"] if "skip_reason" not in each]
    return f"{len(asked)} packages, no known vulnerability"


if __name__ == "__main__":
    main()
