"""What the benchmarks count and compare; what they find is in docs/performance.md."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Runner

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """What a file of the benchmarks defines."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: runpy.run_path(str(BENCHMARKS / f"{name}.py"))


@pytest.mark.parametrize(
    ("times", "most"),
    [([], 0), ([0], 1), ([0, 60], 1), ([60, 0, 59.9], 2), ([0, 59.9, 60, 61, 200], 3)],
)
def test_the_most_requests_of_any_minute_are_counted(
    load: Callable[[str], dict[str, Any]], times: list[float], most: int
) -> None:
    assert load("tables")["most_in_a_window"](times) == most


def test_columns_of_numbers_stand_at_the_right(load: Callable[[str], dict[str, Any]]) -> None:
    made = load("tables")["table"](("a", "b"), [("x", "1,000"), ("2", "0.5")])
    assert made == "| a | b |\n| --- | ---: |\n| x | 1,000 |\n| 2 | 0.5 |"


def test_only_what_is_between_the_marks_is_written_anew(
    load: Callable[[str], dict[str, Any]],
) -> None:
    fill = load("tables")["fill"]
    page = "One\n<!-- a -->\nold\n<!-- /a -->\nTwo\n<!-- b -->\n<!-- /b -->\nThree\n"
    once = fill(page, {"a": r"\1 new", "b": "| b |"})
    assert once == page.replace("old", r"\1 new").replace("b -->\n<!-- /b", "b -->\n| b |\n<!-- /b")
    assert fill(once, {"a": "old", "b": "| b |"}) == once.replace(r"\1 new", "old")
    with pytest.raises(SystemExit):
        fill(page, {"c": "new"})


def test_the_page_has_a_place_for_each_table(load: Callable[[str], dict[str, Any]]) -> None:
    page = (BENCHMARKS.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    filled = load("tables")["fill"](page, dict.fromkeys(("machine", "limited", "throughput"), "|"))
    assert filled.count("\n|\n") == 3


def test_the_verdicts_are_those_of_the_summary(load: Callable[[str], dict[str, Any]]) -> None:
    log = (
        "INFO | other=1\n"
        "INFO | summary stream=customers read=5 created=2 updated=0 unchanged=3 skipped=0 "
        "rejected=0\n"
    )
    assert load("measuring")["verdicts"](log) == {"created": 2, "unchanged": 3}


def test_peers_take_three_requests_for_a_new_record_and_two_for_a_known_one(
    load: Callable[[str], dict[str, Any]], simulator: Simulator, tmp_path: Path
) -> None:
    lines = tmp_path / "customers.singer"
    load("loads")["write"](lines, range(20))
    _peers(simulator, lines)
    assert simulator.requests.counts() == {"customer.read": 40, "customer.create": 20}
    _peers(simulator, lines)
    assert simulator.requests.counts() == {
        "customer.read": 60,
        "customer.create": 20,
        "customer.update": 20,
    }


def test_peers_wait_for_the_org_s_budget_and_lose_nothing(
    load: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    lines = tmp_path / "customers.singer"
    load("loads")["write"](lines, range(20))
    with Simulator(rate_limit=25, rate_window_seconds=1) as simulator:
        _peers(simulator, lines)
        assert len(simulator.org.customers) == 20
        assert any(each.status == 429 for each in simulator.requests.entries)


def test_peers_and_the_target_write_the_same(
    load: Callable[[str], dict[str, Any]], simulator: Simulator, run: Runner, tmp_path: Path
) -> None:
    lines = tmp_path / "customers.singer"
    load("loads")["write"](lines, range(7), lambda number: number % 2 == 0)
    assert run(lines.read_bytes()).exit_code == 0
    by_target = _customers(simulator)
    simulator.reset()
    _peers(simulator, lines)
    assert by_target == _customers(simulator)


def test_throughput_counts_what_each_run_asked_for(
    load: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    performance = load("performance")
    sizes = performance["Sizes"](0, 0, 0, 0, 0, many=200, times=2, rounds=1, growing=())
    runs = performance["throughput"](sizes, performance["Loads"](tmp_path))
    assert {name: (each.records, each.verdicts) for name, each in runs.items()} == {
        "new": (200, {"created": 200}),
        "unchanged": (200, {"unchanged": 200}),
        "the SDK's target, which does nothing": (200, {}),
        "unchanged, 2 times over": (400, {"unchanged": 400}),
        "mixed: 5% changed": (200, {"updated": 10, "unchanged": 190}),
    }
    starting = {"auth", "metadata.read"}
    assert {each.kind for each in runs["unchanged"].requests} == starting
    assert {"bulk-submit", "bulk-poll"} < {each.kind for each in runs["new"].requests}
    assert all(each.peak_mb > 0 for each in runs.values()) == (sys.platform == "linux")


def _peers(simulator: Simulator, lines: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "peers.py"), simulator.url, simulator.api_key, "4"]
    with lines.open("rb") as stdin:
        subprocess.run(command, stdin=stdin, check=True, timeout=60)


def _customers(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """What a load says of each customer, without what Kustomer adds by itself."""
    names = ("externalId", "name", "emails", "phones", "locations", "signedUpAt", "custom")
    return {
        each.attributes["externalId"]: {name: _bare(each.attributes.get(name)) for name in names}
        for each in simulator.org.customers
    }


def _bare(value: Any) -> Any:
    added = ("id", "verified")
    if isinstance(value, list):
        return [{k: v for k, v in each.items() if k not in added} for each in value]
    return value
