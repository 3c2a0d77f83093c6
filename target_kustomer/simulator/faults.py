"""Faults: what goes wrong on the way to Kustomer and back, scripted by tests [API §12.30]."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Any, Literal, get_args

from target_kustomer.simulator.jobs import JobFlaws

AnswerKind = Literal[
    "refuse_connection",
    "reset_before",
    "reset_after",
    "timeout_before",
    "timeout_after",
    "429",
    "429_without_reset",
    "400",
    "500",
    "502_html",
    "503_html",
    "gateway_403_html",
    "cut_json",
    "cut_body",
    "empty_200",
]
"""Faults of the answer:

- `refuse_connection`: the connection is closed at once, before anything is read from it. With an
  ordinal, the answer before that request closes its connection, so that a new one is made.
- `reset_before`: the request was read, but not processed; then the connection breaks.
- `reset_after`: the request was processed, then the connection breaks without an answer.
- `timeout_before`, `timeout_after`: the answer never comes; the request was not, or was processed.
- `429`, `429_without_reset`: the budget is spent; not processed.
- `400`, `500`: a Kustomer error body. `502_html`, `503_html`, `gateway_403_html`: a gateway's page.
  Not processed, unless the fault says `processed`.
- `cut_json`: processed; half of the JSON. `cut_body`: processed; the connection breaks in the
  middle of the body. `empty_200`: processed; the status of success and no body.
"""

JobKind = Literal[
    "stuck_job", "slow_job", "job_without_results", "job_unknown_yet", "item_missing_from_results"
]
"""Faults of the job that a bulk submit starts; a request may have one of these and one above. A
submit that is refused, or that does not arrive, starts none.

- `stuck_job`: it stays queued for ever. `slow_job`: it takes `seconds`.
- `job_unknown_yet`: so many polls (`amount`) get a 404 before its id is known.
- `job_without_results`: its batches bear no results. `item_missing_from_results`: they lack so many
  (`amount`).
"""

FaultKind = AnswerKind | JobKind


@dataclass
class Fault:
    """One fault, and which requests it hits: those that fit all of its conditions.

    Attributes:
        kind: What goes wrong.
        method: HTTP method, or None for any.
        path_pattern: Regular expression to be found in the percent-encoded path, or None for any.
        ordinal: Number, among all requests to the API from 1, of the first that it may hit, or
            None for any.
        nth: The first so many fitting requests, less one, pass unharmed.
        times: How often it fires; None for ever.
        processed: Whether a 5xx or 403 kind lets the org process the request before.
        amount: Polls that get a 404 (`job_unknown_yet`), items that are missing
            (`item_missing_from_results`).
        seconds: From now to the reset (`429`), duration of the job (`slow_job`).
        seen: How many requests fitted so far.
        fired: How often it has fired.
    """

    kind: FaultKind
    method: str | None = None
    path_pattern: str | None = None
    ordinal: int | None = None
    nth: int = 1
    times: int | None = 1
    processed: bool = False
    amount: int = 1
    seconds: float = 1.0
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in (*get_args(AnswerKind), *get_args(JobKind)):
            message = f"no such fault: {self.kind}"
            raise ValueError(message)

    @property
    def hits_job(self) -> bool:
        """Whether it is a fault of the job that a bulk submit starts."""
        return self.kind in get_args(JobKind)

    @property
    def spent(self) -> bool:
        """Whether it has fired as often as it may."""
        return self.times is not None and self.fired >= self.times

    def fits(self, method: str, path: str, ordinal: int) -> bool:
        """Tells whether a request fits the conditions."""
        return (
            self.method in {None, method}
            and (self.ordinal is None or ordinal >= self.ordinal)
            and (self.path_pattern is None or re.search(self.path_pattern, path) is not None)
        )

    def fire(self) -> bool:
        """Counts a fitting request, and tells whether the fault hits it."""
        self.seen += 1
        if self.seen < self.nth or self.spent:
            return False
        self.fired += 1
        return True


class Faults:
    """The faults that are scripted; may be added to while requests come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, kind: FaultKind, **conditions: Any) -> Fault:
        """Scripts a fault and returns it, so that `fired` can be read; see `Fault`."""
        fault = Fault(kind, **conditions)
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, method: str, path: str, ordinal: int) -> Fault | None:
        """Returns the first fault of the answer that hits a request."""
        with self._lock:
            hits = (
                fault
                for fault in self._faults
                if not fault.hits_job and fault.fits(method, path, ordinal) and fault.fire()
            )
            return next(hits, None)

    def flaws(self, method: str, path: str, ordinal: int) -> JobFlaws:
        """Returns what is wrong with the job that a request starts."""
        flaws = JobFlaws()
        with self._lock:
            for fault in self._faults:
                if fault.hits_job and fault.fits(method, path, ordinal) and fault.fire():
                    _mar(flaws, fault)
        return flaws

    def refuses_connection(self, ordinal: int) -> bool:
        """Tells whether a new connection is to be closed at once, whatever comes on it.

        Args:
            ordinal: Number of the request that comes next.
        """
        with self._lock:
            return any(
                fault.kind == "refuse_connection" and fault.fits("", "", ordinal) and fault.fire()
                for fault in self._faults
            )

    def awaits_connection(self, ordinal: int) -> bool:
        """Tells whether the request with this ordinal is to come on a new connection."""
        with self._lock:
            return any(
                fault.kind == "refuse_connection"
                and fault.ordinal is not None
                and fault.ordinal <= ordinal
                and not fault.spent
                for fault in self._faults
            )

    def as_dicts(self) -> list[dict[str, Any]]:
        """Returns the faults as JSON values."""
        with self._lock:
            return [dict(vars(fault)) for fault in self._faults]


def _mar(flaws: JobFlaws, fault: Fault) -> None:
    if fault.kind == "stuck_job":
        flaws.stuck = True
    elif fault.kind == "slow_job":
        flaws.seconds = fault.seconds
    elif fault.kind == "job_without_results":
        flaws.without_results = True
    elif fault.kind == "job_unknown_yet":
        flaws.unknown_polls = fault.amount
    else:
        flaws.missing_results = fault.amount
