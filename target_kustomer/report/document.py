"""The report as a JSON document, whose keys ``docs/report.md`` explains."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from typing import TYPE_CHECKING, Any

from target_kustomer.models import Verdict
from target_kustomer.report.timeline import per_minute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_kustomer.models import JSON
    from target_kustomer.report.durations import Durations
    from target_kustomer.report.gather import Calls, Gathered, Jobs, Phase

VERSION = 1
"""Of the document: it grows when a key goes or changes its meaning, not when one is added."""

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Run:
    """What the run itself knows at its end; times in seconds.

    Attributes:
        started_at: In UTC since 1970.
        ended_at: The same.
        seconds: How long it was.
        exit_code: Of the process.
        exit_line: The last line on stderr; None where there was nothing to say.
        objects: The streams that were loaded, and as what.
        read: Records by stream.
        filtered: Records that stream maps have taken out, by stream.
        ignored: Records of streams that are not loaded.
        stale: Rejected records that were not replayed, since later ones had come, by stream.
        omitted: Values that did not fit and were left out, by stream and column.
        replayable: Customers rejected for a company that came later.
        rejects_file: The file of rejected records, where there are any.
        phases: Where the time of the reading thread went.
        share: The part of the limit that the run may use.
        settings: Those that may be shown.
    """

    started_at: float
    ended_at: float
    seconds: float
    exit_code: int
    exit_line: str | None
    share: float
    objects: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    filtered: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)
    omitted: Mapping[tuple[str, str], int] = field(default_factory=dict)
    replayable: int = 0
    rejects_file: str | None = None
    phases: Mapping[Phase, float] = field(default_factory=dict)
    settings: Mapping[str, JSON] = field(default_factory=dict)


def document(gathered: Gathered, run: Run) -> dict[str, JSON]:
    """The document; all times in seconds, rounded to milliseconds."""
    streams = [_stream(name, gathered, run) for name in _names(run)]
    return {
        "version": VERSION,
        "target": {"name": "target-kustomer", "version": metadata.version("target-kustomer")},
        "run": {
            "started_at": _utc(run.started_at),
            "ended_at": _utc(run.ended_at),
            "seconds": _rounded(run.seconds),
            "exit_code": run.exit_code,
            "exit_line": run.exit_line,
        },
        "records": _totals(streams, run),
        "streams": streams,
        "rejects": _rejects(gathered, run),
        "requests": _requests(gathered),
        "limit": _limit(gathered, run),
        "waits": _waits(gathered, run),
        "jobs": _jobs(gathered),
        "phases": [
            {"phase": name, "seconds": _rounded(seconds)} for name, seconds in run.phases.items()
        ],
        "timeline": _timeline(gathered, run),
        "settings": dict(run.settings),
    }


# Records


def _names(run: Run) -> list[str]:
    return list(dict.fromkeys([*run.objects, *run.filtered, *run.ignored]))


def _stream(name: str, gathered: Gathered, run: Run) -> dict[str, JSON]:
    verdicts = gathered.verdicts.get(name, Counter())
    read = run.read.get(name, 0)
    return {
        "stream": name,
        "object": run.objects.get(name),
        "read": read,
        **{each.value: verdicts[each] for each in Verdict},
        "deleted": gathered.deleted[name],
        "deleted_by_version": gathered.deleted_by_version[name],
        "unsettled": read - verdicts.total(),
        "filtered": run.filtered.get(name, 0),
        "ignored": run.ignored.get(name, 0),
        "stale": run.stale.get(name, 0),
    }


def _totals(streams: list[dict[str, JSON]], run: Run) -> dict[str, JSON]:
    verdicts = (each.value for each in Verdict)
    further = ("deleted", "deleted_by_version", "unsettled", "filtered", "ignored", "stale")
    words = ("read", *verdicts, *further)
    totals = {word: sum(each[word] for each in streams) for word in words}
    settled = totals["read"] - totals["unsettled"]
    return {**totals, "per_second": _rounded(settled / run.seconds if run.seconds else 0.0)}


def _rejects(gathered: Gathered, run: Run) -> dict[str, JSON]:
    return {
        "file": run.rejects_file,
        "replayable": run.replayable,
        "reasons": [
            {
                "stream": stream or None,
                "reason": reason,
                "attribute": attribute or None,
                "column": column or None,
                "records": count,
            }
            for (stream, reason, attribute, column), count in gathered.reasons.most_common()
        ],
        "versions": [
            {"stream": stream, "reason": reason, "objects": count}
            for (stream, reason), count in gathered.kept.items()
        ],
        "omitted": [
            {"stream": stream, "column": column, "values": count}
            for (stream, column), count in run.omitted.items()
        ],
    }


# Requests


def _requests(gathered: Gathered) -> dict[str, JSON]:
    calls = list(gathered.calls.values())
    total = sum(each.seconds.count for each in calls)
    return {
        "total": total,
        "retries": sum(each.retries for each in calls),
        "failed": sum(each.failed.total() for each in calls),
        "per_record": _rounded(total / gathered.delivered if gathered.delivered else 0.0),
        "statuses": _statuses(calls),
        "kinds": [
            {
                "kind": kind,
                "method": method,
                "object": object_type or None,
                "requests": each.seconds.count,
                "retries": each.retries,
                "statuses": _statuses([each]),
                "failures": dict(sorted(each.failed.items())),
                "seconds": _durations(each.seconds),
                "waits": each.waits,
                "waited_seconds": _rounded(each.waited),
            }
            for (kind, method, object_type), each in sorted(
                gathered.calls.items(), key=lambda item: -item[1].seconds.count
            )
        ],
    }


def _statuses(calls: Iterable[Calls]) -> dict[str, int]:
    counts: Counter[int] = Counter()
    for each in calls:
        counts.update(each.answered)
    return {str(status): count for status, count in sorted(counts.items())}


def _limit(gathered: Gathered, run: Run) -> dict[str, JSON]:
    limit = gathered.limit
    return {
        "requests_per_minute": limit,
        "share": run.share,
        "share_per_minute": None if limit is None else _rounded(limit * run.share),
    }


def _waits(gathered: Gathered, run: Run) -> dict[str, JSON]:
    """Waits for the budget; in the time of the waits the workers could have done other work.

    What a record takes them is the time of requests and of jobs, by the number of records.
    """
    calls = gathered.calls.values()
    waited = sum(each.waited for each in calls)
    worked = sum(each.seconds.total for each in calls)
    worked += sum(_best(each).total for each in gathered.jobs.values())
    return {
        "requests": sum(each.waits for each in calls),
        "seconds": _rounded(waited),
        "stalled_seconds": _rounded(gathered.stalled),
        "stalled_part": _rounded(gathered.stalled / run.seconds if run.seconds else 0.0),
        "cost_records": round(gathered.delivered * waited / worked) if worked else 0,
    }


def _jobs(gathered: Gathered) -> dict[str, JSON]:
    return {
        "total": sum(each.known.count for each in gathered.jobs.values()),
        "kinds": [
            {
                "verb": verb,
                "object": object_type,
                "jobs": each.known.count,
                "items": each.items,
                "done_seconds": _durations(each.done),
                "known_seconds": _durations(each.known),
            }
            for (verb, object_type), each in sorted(gathered.jobs.items())
        ],
    }


def _best(jobs: Jobs) -> Durations:
    return jobs.done if jobs.done.count == jobs.known.count else jobs.known


def _durations(durations: Durations) -> dict[str, JSON]:
    mean = durations.total / durations.count if durations.count else 0.0
    return {
        "count": durations.count,
        "total": _rounded(durations.total),
        "mean": _rounded(mean),
        **{name: _rounded(durations.quantile(part)) for name, part in _QUANTILES.items()},
        "max": _rounded(durations.longest),
    }


# Time


def _timeline(gathered: Gathered, run: Run) -> dict[str, JSON]:
    timeline = gathered.timeline
    series = {
        name: timeline.amounts(name, run.seconds)
        for name in ("requests", "stalled", *(each.value for each in Verdict))
    }  # which may widen the buckets
    width = timeline.bucket_seconds
    return {
        "bucket_seconds": width,
        "records": {each.value: series[each.value] for each in Verdict},
        "requests": series["requests"],
        "requests_per_minute": [round(each, 1) for each in per_minute(series["requests"], width)],
        "stalled_seconds": [_rounded(each) for each in series["stalled"]],
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="milliseconds")


def _rounded(value: float) -> Any:
    return round(value, 3)
