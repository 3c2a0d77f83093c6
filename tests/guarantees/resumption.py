"""What must hold when a run has ended early: of what it said, and of the run that goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.guarantees.audit import Audit, audit
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.guarantees.audit import Scenario
    from tests.guarantees.tally import Tally
    from tests.support import Result, Runner


def resume(run: Runner, scenario: Scenario, first: Result, tally: Tally) -> Result:
    """Run the rest of a scenario, in this process; hold the promises before and after it."""
    org = run.simulator.org
    before = audit(org, scenario, [first])
    rest = run(scenario.after(first.states[-1] if first.states else 0))
    wait_until(lambda: all(job.completed or math.isinf(job.done_at) for job in org.jobs))
    found = audit(org, scenario, [first, rest])
    found.acknowledged_unwritten += before.acknowledged_unwritten
    tally.cell("kills", fired=1, audit=found)
    assert found == Audit()
    assert rest.exit_code in {0, 3}
    return rest
