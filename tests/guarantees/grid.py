"""The grid of faults, as data: what the run asks for, how a request is struck, what then holds."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from itertools import combinations, product, starmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.simulator.requestlog import LoggedRequest

KINDS = {
    "auth": ("GET", "^/v1/auth/"),
    "metadata-read": ("GET", "^/v1/metadata/"),
    "company-list": ("GET", "^/v1/companies$"),
    "submit-companies": ("POST", "^/v1/companies/bulk$"),
    "update-companies": ("PUT", "^/v1/companies/bulk$"),
    "submit-customers": ("POST", "^/v1/customers/bulk$"),
    "update-customers": ("PUT", "^/v1/customers/bulk$"),
    "bulk-poll": ("GET", "^/v1/bulk/"),
    "customer-list": ("GET", "^/v1/customers$"),
    "customer-read": ("GET", "^/v1/customers/"),
    "customer-update": ("PATCH", "^/v1/customers/"),
}
"""Method and path of each kind of request."""

REQUESTS = (
    ("auth", 200),
    ("metadata-read", 200),
    ("metadata-read", 200),
    ("company-list", 200),
    ("submit-companies", 201),
    ("bulk-poll", 200),
    ("update-companies", 201),
    ("bulk-poll", 200),
    ("submit-customers", 400),
    ("submit-customers", 201),
    ("bulk-poll", 200),
    ("submit-customers", 400),
    ("submit-customers", 201),
    ("bulk-poll", 200),
    ("submit-customers", 400),
    ("customer-list", 200),
    ("update-customers", 201),
    ("bulk-poll", 200),
    ("submit-customers", 201),
    ("bulk-poll", 200),
    ("update-customers", 201),
    ("bulk-poll", 200),
    ("customer-update", 200),
)
"""Kind and status of each request of the faultless run, in their order."""

_REFUSES_V1 = 19
"""The ordinal of the request whose job refuses the record v1."""

LOOK_UPS = (
    *((ordinal, "company-list") for ordinal in (*range(4, 10), 26)),
    *((ordinal, "customer-read") for ordinal in (21, 22, 23, 29, 34)),
)
"""The look-ups of the same run where lists are not read page by page: ordinal and kind."""


def request_of(entry: LoggedRequest) -> tuple[str, int | None]:
    """Kind and status of a request that was logged."""
    fitting = (
        kind
        for kind, (method, path) in KINDS.items()
        if entry.method == method and re.search(path, entry.path)
    )
    return next(fitting), entry.status


@dataclass(frozen=True)
class Blow:
    """A way to strike a request.

    Attributes:
        name: Its name.
        fault: What the simulator takes.
        taken: Whether Kustomer does what the request asks for, and only the answer is lost.
        on_job: Whether it strikes the job that a request starts.
        ends: Whether it ends the run, with exit code 5.
        ends_for_ever: Whether it does when it strikes again and again.
        times: How often that is; None until the run ends.
        untold: Whether the job does not tell what became of a record. One that was refused is then
            just not found, as one would be that is still on its way: it is `unconfirmed`.
    """

    name: str
    fault: Mapping[str, Any]
    taken: bool = False
    on_job: bool = False
    ends: bool = False
    ends_for_ever: bool = True
    times: int | None = None
    untold: bool = False


def _limit(name: str, times: int, **more: Any) -> Blow:
    """A budget that is spent: the run waits, so that for ever would be waited for."""
    return Blow(name, {"kind": name, **more}, ends_for_ever=False, times=times)


def _job(name: str, kind: str, *, ends: bool = False, untold: bool = False, **more: Any) -> Blow:
    fault = {"kind": kind, **more}
    return Blow(name, fault, on_job=True, ends=ends, ends_for_ever=ends, untold=untold)


BLOWS = (
    Blow("refused", {"kind": "refuse_connection"}),
    Blow("reset_before", {"kind": "reset_before"}),
    Blow("reset_after", {"kind": "reset_after"}, taken=True),
    Blow("timeout_before", {"kind": "timeout_before"}),
    Blow("timeout_after", {"kind": "timeout_after"}, taken=True),
    _limit("429", 3, seconds=5.0),
    _limit("429_without_reset", 2),
    Blow("500", {"kind": "500"}),
    Blow("500_taken", {"kind": "500", "processed": True}, taken=True),
    Blow("502", {"kind": "502_html"}),
    Blow("503", {"kind": "503_html"}),
    Blow("gateway_403", {"kind": "gateway_403_html"}),
    Blow("gateway_403_taken", {"kind": "gateway_403_html", "processed": True}, taken=True),
    Blow("cut_json", {"kind": "cut_json"}, taken=True),
    Blow("cut_body", {"kind": "cut_body"}, taken=True),
    Blow("empty_200", {"kind": "empty_200"}, taken=True),
    _job("stuck_job", "stuck_job", ends=True),
    _job("slow_job", "slow_job", seconds=20.0),
    _job("job_without_results", "job_without_results", untold=True),
    _job("job_unknown_yet", "job_unknown_yet", amount=2),
    _job("job_never_known", "job_unknown_yet", amount=1_000_000, ends=True),
    _job("item_missing", "item_missing_from_results", untold=True),
)


@dataclass(frozen=True)
class Reading:
    """One reading of what is unknown about the API [API §13].

    Attributes:
        switches: The simulator's.
        untold: As for a blow.
    """

    switches: Mapping[str, Any]
    untold: bool = False


READINGS = {
    "results_absent": Reading({"results_location": "absent"}, untold=True),
    "results_in_item": Reading({"results_location": "item"}),
    "results_gone": Reading({"results_kept_seconds": 0.0}, untold=True),
    "results_in_order": Reading({"results_shuffled": False}),
    "sparse_answers": Reading({"sparse_answers": True}),
    "nothing_told": Reading({"results_location": "absent", "sparse_answers": True}, untold=True),
    "batches_not_listed": Reading({"batches_listed_while_queued": False, "job_seconds": 4.0}),
    "batches_of_one": Reading({"batch_size": 1, "batches_page_size": 1}),
    "job_unknown": Reading({"job_unknown_seconds": 3.0}),
    "companies_unique": Reading({"company_external_id_unique": True}),
    "names_exact": Reading({"company_filter": "exact", "company_filter_case_sensitive": True}),
    "company_in_attributes": Reading({"company_in_attributes": True}),
    "company_not_unlinked": Reading({"omit_company_unlinks": False}),
    "email_case_sensitive": Reading({"email_case_sensitive": True}),
    "identifiers_normal": Reading({"normalize_identifiers": True, "phones_must_be_e164": True}),
    "shared_found": Reading({"lookup_matches_shared": True}),
    "cleared_as_null": Reading({"cleared_as_null": True}),
    "lists_merged": Reading({"lists_merged": True}),
    "duplicate_400": Reading({"duplicate_status": 400}),
    "plain_errors": Reading({"error_shape": "plain"}),
    "short_errors": Reading({"error_shape": "short"}),
    "item_named": Reading({"bulk_error_names_item": True}),
}
"""Left out is what the run cannot meet, and `bulk_put_replaces`, which would make every bulk update
clear what the stream says nothing of."""


@dataclass(frozen=True)
class Strike:
    """A blow, and where it falls.

    Attributes:
        place: The name of where it falls.
        where: The same, as the simulator takes it.
        blow: The blow.
        for_ever: Whether it falls on each such request, not on the first alone.
        found: Whether what was taken is looked for and found, even if no answer ever comes.
    """

    place: str
    where: Mapping[str, Any]
    blow: Blow
    for_ever: bool
    found: bool = False

    @property
    def name(self) -> str:
        return f"{self.place}-{self.blow.name}" + ("-for_ever" if self.for_ever else "")

    @property
    def fault(self) -> dict[str, Any]:
        return {**self.blow.fault, **self.where, "times": self.blow.times if self.for_ever else 1}

    @property
    def ends(self) -> bool:
        return not self.found and (self.blow.ends_for_ever if self.for_ever else self.blow.ends)


STRIKES = [
    Strike(f"{ordinal}-{kind}", {"ordinal": ordinal}, blow, for_ever)
    for ordinal, (kind, status) in enumerate(REQUESTS, 1)
    for blow, for_ever in product(BLOWS, (False, True))
    if not blow.on_job or status == 201
]
"""At each request, or from it on; only a submit that is taken starts a job."""

LOOK_UP_STRIKES = [
    Strike(f"{ordinal}-{kind}", {"ordinal": ordinal}, blow, for_ever)
    for ordinal, kind in LOOK_UPS
    for blow, for_ever in product(BLOWS, (False, True))
    if not blow.on_job
]
"""At each look-up of a run that asks for each record."""

PARALLEL_STRIKES = [
    Strike(
        f"parallel-{kind}",
        {"method": method, "path_pattern": path},
        blow,
        for_ever,
        found=blow.taken and kind == "submit-companies",
    )
    for kind, (method, path) in KINDS.items()
    if kind != "customer-read"  # its workers read the list
    for blow, for_ever in product(BLOWS, (False, True))
    if not blow.on_job or kind.startswith(("submit", "update"))
]
"""At a kind of request: several workers make them in any order."""


_ONE_BY_ONE = {"max_parallel_requests": 1, "batch_size_rows": 5}
_FOUR_AT_ONCE = {"max_parallel_requests": 4, "batch_size_rows": 2}
_OVERTAKING_JOBS = {"job_seconds": 1.0, "job_jitter_seconds": 4.0}

SWITCHES: dict[str, Any] = {"job_seconds": 0.0, "company_external_id_unique": False}
"""The reading of all cells that have no other: nobody but the target keeps companies from being
created twice."""


@dataclass(frozen=True)
class Cell:
    """A run that is struck, and resumed where that ends it.

    Attributes:
        group: Its row in the table of the session.
        name: Its name.
        strikes: What strikes it.
        v1: The reasons for which v1 may be rejected; all others are as without faults.
        switches: The simulator's, beside :data:`SWITCHES`.
        workers: The target's settings.
        one_by_one: Whether each record is asked for, and no list read page by page.
    """

    group: str
    name: str
    strikes: Sequence[Strike]
    v1: frozenset[str]
    switches: Mapping[str, Any] = field(default_factory=dict)
    workers: Mapping[str, Any] = field(default_factory=_ONE_BY_ONE.copy)
    one_by_one: bool = False

    @property
    def ends(self) -> int:
        """How many runs end with exit code 5, before the last one ends as without faults."""
        return sum(strike.ends for strike in self.strikes)

    @property
    def settings(self) -> dict[str, Any]:
        """The target's: a fault that is to end a run reaches its deadline, a hiccup of the machine
        none. One real second is 200, but for `request_timeout_seconds`.
        """
        blows = [strike.blow for strike in self.strikes]
        for_ever = any(strike.for_ever for strike in self.strikes)
        settings = {
            **self.workers,
            "retry_deadline_seconds": 10 if for_ever else 1e6,
            "job_timeout_seconds": 1e6,
            "shutdown_grace_seconds": 1e6,
        }
        if any(blow.ends for blow in blows):
            jobs_take_time = any(blow.on_job and not blow.ends for blow in blows) or any(
                name.startswith("job_") for name in self.switches
            )
            settings["job_timeout_seconds"] = 600 if jobs_take_time else 30
        if any(blow.fault["kind"].startswith("timeout") for blow in blows):
            settings["request_timeout_seconds"] = 1 if for_ever else 0.5
        return settings


FAULTLESS = Cell("", "faultless", [], frozenset({"refused"}))


def cells(*, full: bool) -> list[Cell]:
    """All cells; of those that are too many for every day a sample, unless the grid is full."""
    choose = _all if full else _sample
    once = [strike for strike in STRIKES if not strike.for_ever]
    late: list[tuple[Strike, Strike]] = []
    near: list[tuple[Strike, Strike]] = []
    far: list[tuple[Strike, Strike]] = []
    for first, second in combinations(once, 2):
        distance = second.where["ordinal"] - first.where["ordinal"]
        if distance:
            (near if distance <= 2 else far).append((first, second))
        elif first.blow.taken and second.blow.name == "slow_job":
            late.append((first, second))
    return [
        *map(_single, STRIKES),
        *map(_look_up, LOOK_UP_STRIKES),
        *starmap(_pair, [*late, *choose(near, 70), *choose(far, 70)]),
        *map(_reading, READINGS),
        *(_reading(*each) for each in choose(list(product(READINGS, STRIKES)), 100)),
        *map(_parallel, choose(PARALLEL_STRIKES, 120)),
    ]


def _all(population: list[Any], _size: int) -> list[Any]:
    return population


def _sample(population: list[Any], size: int) -> list[Any]:
    """The same ones each time."""
    return random.Random(1).sample(population, size)


def _single(strike: Strike) -> Cell:
    group = "faults for ever" if strike.for_ever else "single faults"
    ordinal = strike.where["ordinal"]
    hits_v1 = ordinal == _REFUSES_V1 or (strike.for_ever and ordinal < _REFUSES_V1)
    told = not (strike.blow.untold and hits_v1)
    return Cell(group, strike.name, [strike], frozenset({"refused" if told else "unconfirmed"}))


def _look_up(strike: Strike) -> Cell:
    name = f"one_by_one-{strike.name}"
    return Cell("single look-ups", name, [strike], _v1(strike.blow), one_by_one=True)


def _pair(first: Strike, second: Strike) -> Cell:
    name = f"{first.name}+{second.name}"
    return Cell("pairs of faults", name, [first, second], _v1(first.blow, second.blow))


def _reading(name: str, *strikes: Strike) -> Cell:
    reading = READINGS[name]
    return Cell(
        "other readings of the API",
        "-".join([name, *(strike.name for strike in strikes)]),
        strikes,
        _v1(reading, *(strike.blow for strike in strikes)),
        reading.switches,
    )


def _parallel(strike: Strike) -> Cell:
    return Cell(
        "several workers",
        strike.name,
        [strike],
        _v1(strike.blow),
        _OVERTAKING_JOBS,
        _FOUR_AT_ONCE,
    )


def _v1(*causes: Blow | Reading) -> frozenset[str]:
    untold = any(cause.untold for cause in causes)
    return frozenset({"refused", "unconfirmed"} if untold else {"refused"})
