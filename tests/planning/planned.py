"""Plans and runs of the target in this process, with what each says of every record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from target_kustomer.planning.run import PlanOptions
from target_kustomer.target import TargetKustomer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from target_kustomer.models import Outcome
    from tests.support import Result, Runner

Fate = tuple[str, "str | None"]
"""What becomes of a record, and why where it is rejected or skipped."""

Fates = dict[tuple[str, int], Fate]
"""By stream and line."""

_ACTIONS = {
    "created": "create",
    "updated": "update",
    "unchanged": "unchanged",
    "skipped": "skip",
    "rejected": "reject",
}


def watched(target: type[TargetKustomer]) -> tuple[type[TargetKustomer], Fates]:
    """A target whose run tells what becomes of each record."""
    fates: Fates = {}

    class Watched(target):  # type: ignore[misc, valid-type]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            summary = self.run._summary
            count = summary.count

            def note(stream: str, outcomes: Iterable[Outcome]) -> None:
                for each in outcomes:
                    told = each.rejection.reason if each.rejection else each.why
                    action = "delete" if each.deleted else _ACTIONS[each.verdict.value]
                    fates[stream, each.source.line_number] = (action, told and told.value)
                count(stream, outcomes)

            summary.count = note

    return Watched, fates


@dataclass(frozen=True)
class Plan:
    """What a plan left behind.

    Attributes:
        lines: What becomes of each record.
        more: What goes without a record.
    """

    result: Result
    lines: list[dict[str, Any]]
    more: list[dict[str, Any]]

    @property
    def fates(self) -> Fates:
        return {
            (each["stream"], each["line"]): (each["action"], each.get("reason", each.get("why")))
            for each in self.lines
        }

    @property
    def summary(self) -> Any:
        return json.loads(self.result.stdout)


def plan(
    run: Runner,
    messages: Any,
    target: type[TargetKustomer] = TargetKustomer,
    **settings: Any,
) -> Plan:
    """Plan in this process, where ``run`` would run."""
    path = run.folder / "plan.jsonl"
    path.unlink(missing_ok=True)

    class Planner(target):  # type: ignore[misc, valid-type]
        plan: ClassVar[PlanOptions | None] = PlanOptions(path, as_json=True)

    result = _within(run, Planner, messages, **settings)
    text = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [json.loads(each) for each in text]
    own = [each for each in lines if each["line"] is not None]
    return Plan(result, own, [each for each in lines if each not in own])


def run_watched(
    run: Runner, messages: Any, target: type[TargetKustomer] = TargetKustomer, **settings: Any
) -> tuple[Result, Fates]:
    """Run in this process; beside it, what became of each record."""
    kind, fates = watched(target)
    return _within(run, kind, messages, **settings), fates


def _within(run: Runner, target: type[TargetKustomer], messages: Any, **settings: Any) -> Result:
    before, run._target = run._target, target
    try:
        return run(messages, **settings)
    finally:
        run._target = before


def world_of(run: Runner) -> str:
    """All that Kustomer holds, for comparisons."""
    org = run.simulator.org
    objects = [*org.stored("customer"), *org.stored("company")]
    return json.dumps([[each.as_dict() for each in objects], [job.id for job in org.jobs]])


def files_in(folder: Path) -> Mapping[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
