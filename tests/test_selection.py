"""What the options of tests/conftest.py leave out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def collected(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly", *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_one_of_each_leaves_out_parameters_and_no_test() -> None:
    files = ["tests/kustomer/test_errors.py", "tests/mapping/test_schema.py"]
    all_tests, chosen = collected(*files), collected("--one-of-each", *files)
    assert set(chosen) <= set(all_tests)
    functions = [each.partition("[")[0] for each in chosen if "/kustomer/" in each]
    assert len(functions) == len(set(functions))
    assert {each.partition("[")[0] for each in chosen} == {
        each.partition("[")[0] for each in all_tests
    }
    assert [each for each in chosen if "/mapping/" in each] == [
        each for each in all_tests if "/mapping/" in each
    ]


def test_under_a_ledger_what_runs_no_target_and_what_a_ledger_changes_are_left_out() -> None:
    modes = "tests/delivery/test_modes.py"
    under = collected("--ledger=sqlite", modes, "tests/delivery/test_split.py")
    assert set(under) < set(collected(modes))
    assert len(under) > 10
