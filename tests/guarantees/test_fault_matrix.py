"""Every request of a run, struck by every fault: the promises hold, and the world ends the same.

A cell is named by the request's ordinal and kind and by the fault, as in
``14-submit-customers-reset_after`` and ``14-submit-customers-reset_after-for_ever``. This runs one:
``scripts/test tests/guarantees/test_fault_matrix.py -k '[14-submit-customers-reset_after]'``.
Pairs of faults, other readings of the API and several workers are sampled; ``--full-grid`` runs
them all.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer import roster
from target_kustomer.delivery import packing
from target_kustomer.simulator import Simulator
from tests.guarantees.audit import COLUMNS, SMALL, SMALL_REJECTED, Audit, Scenario, audit, prepare
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.guarantees.grid import FAULTLESS, REQUESTS, SWITCHES, Cell, cells, request_of
from tests.support import Runner, record, schema, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from target_kustomer.simulator.org import Org
    from target_kustomer.simulator.requestlog import LoggedRequest
    from tests.guarantees.tally import Tally
    from tests.support import Result


@dataclass
class Course:
    """How a cell ran.

    Attributes:
        runs: The run and its resumptions.
        audits: What was wrong after each of them, and when no job was left.
        requests: What they asked for.
        fired: How often each fault did.
        world: What Kustomer holds in the end.
    """

    runs: list[Result] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    requests: list[LoggedRequest] = field(default_factory=list)
    fired: list[int] = field(default_factory=list)
    world: dict[str, Any] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, str]:
        return {id_: reason for run in self.runs for id_, reason in run.reasons.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        found = cells(full=metafunc.config.getoption("--full-grid"))
        metafunc.parametrize("cell", found, ids=[cell.name for cell in found])


@pytest.fixture(scope="module", autouse=True)
def even_runs() -> Iterator[None]:
    """A hiccup of the machine must not change what goes out together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "MAX_BATCH_AGE_SECONDS", math.inf)
        yield


@pytest.fixture(scope="module")
def faultless(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return play(FAULTLESS, tmp_path_factory.mktemp("faultless"))


def test_the_faultless_run_makes_the_requests_of_the_grid(faultless: Course) -> None:
    assert tuple(map(request_of, faultless.requests)) == REQUESTS
    assert [run.exit_code for run in faultless.runs] == [3]
    assert faultless.reasons == SMALL_REJECTED
    assert faultless.audits == [Audit(), Audit()]


def test_a_struck_run_keeps_its_promises(
    cell: Cell, faultless: Course, tmp_path: Path, tally: Tally
) -> None:
    course = play(cell, tmp_path)
    tally.cell(cell.group, fired=sum(course.fired), audit=_all_of(course.audits))
    assert all(course.fired)
    assert _all_of(course.audits) == Audit()
    assert [run.exit_code for run in course.runs] == [5] * cell.ends + [3]
    for run in course.runs[:-1]:
        assert re.fullmatch(r".+run again: the last STATE is safe", run.error)
    assert course.world == faultless.world
    assert course.reasons == SMALL_REJECTED | {"v1": course.reasons["v1"]}
    assert course.reasons["v1"] in cell.v1
    for run in course.runs:
        for stream in run.summaries:
            run.counts(stream)
    if not cell.ends:
        assert course.runs[0].summaries == faultless.runs[0].summaries


@pytest.mark.parametrize("later", [{}, {"whatsapp": "+41446681801"}], ids=["bulk", "single"])
def test_a_late_job_of_a_lost_update_does_not_undo_a_later_one(
    later: dict[str, Any], tmp_path: Path
) -> None:
    columns = schema("customers", COLUMNS["customers"])
    versions = [record("customers", id="u1", name="One"), record("customers", id="u1", name="Two")]
    versions[1]["record"].update(later)
    scenario = Scenario([columns, *versions, state(2)])
    with Simulator(clock=fast_time, **SWITCHES) as simulator:
        simulator.org.add_customer({"externalId": "u1", "name": "Old"})
        for kind in ("slow_job", "reset_after"):
            simulator.faults.add(kind, method="PUT", seconds=20.0)
        run = Runner(simulator, tmp_path, FastTarget)
        result = run(scenario.messages, **{**FAULTLESS.settings, "batch_size_rows": 1})
        wait_until(lambda: _no_job_is_left(simulator.org))
        assert result.counts() == {"updated": 2}
        assert audit(simulator.org, scenario, [result]) == Audit()


def test_a_lost_update_holds_up_nothing_but_the_same_record(tmp_path: Path) -> None:
    with Simulator(clock=fast_time, **SWITCHES) as simulator:
        simulator.org.add_customer({"externalId": "u1", "name": "Old"})
        simulator.faults.add("reset_after", method="PUT")
        run = Runner(simulator, tmp_path, FastTarget)
        messages = [
            schema("customers", COLUMNS["customers"]),
            record("customers", id="u1", name="One"),
            record("customers", id="n1", name="New"),
            state(2),
        ]
        result = run(messages, **{**FAULTLESS.settings, "lost_answer_wait_seconds": 1e6})
        assert result.counts() == {"updated": 1, "created": 1}
        assert result.states == [2]


def play(cell: Cell, folder: Path) -> Course:
    """Run the target until it is through; what strikes for ever stops when it has ended a run."""
    course = Course()
    with (
        pytest.MonkeyPatch.context() as patch,
        Simulator(clock=fast_time, **{**SWITCHES, **cell.switches}) as simulator,
    ):
        if cell.one_by_one:
            patch.setattr(roster, "UNKNOWN_PAGES", math.inf)
        prepare(simulator.org)
        faults = [simulator.faults.add(**strike.fault) for strike in cell.strikes]
        run = Runner(simulator, folder, FastTarget)
        messages = SMALL.messages
        while len(course.runs) <= cell.ends:
            course.runs.append(run(messages, **cell.settings))
            course.audits.append(audit(simulator.org, SMALL, course.runs))
            if course.runs[-1].exit_code != 5:
                break
            for fault in faults:
                fault.times = fault.times or fault.fired
            states = [at for each in course.runs for at in each.states]
            messages = SMALL.after(states[-1] if states else 0)
        wait_until(lambda: _no_job_is_left(simulator.org))
        course.audits.append(audit(simulator.org, SMALL, course.runs))
        course.requests = simulator.requests.entries
        course.fired = [fault.fired for fault in faults]
        course.world = _world(simulator.org)
    return course


def _no_job_is_left(org: Org) -> bool:
    return all(job.completed or math.isinf(job.done_at) for job in org.jobs)


def _all_of(audits: Iterable[Audit]) -> Audit:
    whole = Audit()
    for each in audits:
        whole.lost += each.lost
        whole.created_twice += each.created_twice
        whole.acknowledged_unwritten += each.acknowledged_unwritten
    return whole


def _world(org: Org) -> dict[str, Any]:
    """All objects by external id: attributes, and a customer's company by its external id."""
    companies = {each.id: each.attributes.get("externalId") for each in org.companies}
    return {
        f"{each.resource}/{each.attributes.get('externalId')}": (
            each.attributes,
            companies.get(each.company or ""),
        )
        for each in (*org.companies, *org.customers)
    }
