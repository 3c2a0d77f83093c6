"""Runs of Meltano one after the other, and runs that end before their time."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_kustomer.simulator import Simulator
from tests.servers.projects import lasting
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgresql import PostgreSQL
    from tests.servers.projects import Project

pytestmark = pytest.mark.servers

STATE_ID = "dev:tap-postgres-to-target-kustomer"
RUN = ("run", "tap-postgres", "target-kustomer")
INCREMENTAL = {
    "TAP_POSTGRES__METADATA": (
        '{"public-*": {"replication-method": "INCREMENTAL", "replication-key": "changed_at"}}'
    )
}
CROWD = 300
GROW = f"""
INSERT INTO companies (name, changed_at)
SELECT 'Company ' || number, '2026-02-01Z' FROM generate_series(3, 30) AS number;
INSERT INTO customers (id, company_id, full_name, email, changed_at)
SELECT
    ('00000000-0000-0000-0000-' || lpad(number::text, 12, '0'))::uuid,
    1 + number % 30,
    'Customer ' || number,
    'customer' || number || '@example.com',
    '2026-02-01Z'
FROM generate_series(4, {CROWD}) AS number;
"""
BY_BITS = {
    "TARGET_KUSTOMER_BATCH_SIZE_ROWS": "20",
    "TARGET_KUSTOMER_MAX_PARALLEL_REQUESTS": "2",
}


@pytest.fixture
def slow() -> Iterator[Simulator]:
    """A Kustomer whose jobs take their time, and that would take a company twice."""
    with Simulator(
        rate_limit=100_000, job_seconds=0.5, company_external_id_unique=False
    ) as running:
        yield running


@pytest.fixture
def crowd(shop: str, postgresql: PostgreSQL) -> str:
    """The shop with so many more companies and customers that a run takes seconds."""
    postgresql.run("-c", GROW, database=shop)
    return shop


def to_slow(access: dict[str, str], slow: Simulator, database: str) -> dict[str, str]:
    return {
        **access,
        **INCREMENTAL,
        "TAP_POSTGRES_DATABASE": database,
        "TARGET_KUSTOMER_API_URL": slow.url,
    }


def assert_world(simulator: Simulator, companies: int, customers: int) -> None:
    """Each company and each customer is there exactly once, and linked as in the database."""
    by_id = {each.id: each.attributes for each in simulator.org.companies}
    numbers = [int(each["externalId"]) for each in by_id.values()]
    assert sorted(numbers) == list(range(1, companies + 1))
    found = [int(each.attributes["externalId"][-12:]) for each in simulator.org.customers]
    assert sorted(found) == list(range(1, customers + 1))
    for customer in simulator.org.customers:
        number = int(customer.attributes["externalId"][-12:])
        if number > 3:
            assert by_id[customer.company or ""]["externalId"] == str(1 + number % 30)


def test_the_second_run_goes_on_where_the_first_ended(
    project: Project,
    access: dict[str, str],
    simulator: Simulator,
    postgresql: PostgreSQL,
    shop: str,
) -> None:
    environment = {
        **access,
        **INCREMENTAL,
        "TAP_POSTGRES_DATABASE": shop,
        "TARGET_KUSTOMER_LEDGER_URL": "sqlite:///ledger.db",
    }
    first = project.run(*RUN, **environment)
    assert first.returncode == 0, first.stderr
    assert "summary stream=public-customers read=3 created=3" in first.stderr
    jobs = len(simulator.org.jobs)
    change = "UPDATE customers SET vip = false, changed_at = '2026-03-01Z' WHERE vip"
    postgresql.run("-c", change, database=shop)

    second = project.run(*RUN, **environment)

    assert second.returncode == 0, second.stderr
    # The tap sends again what bears the very time at which it stopped; it costs nothing.
    for line in (
        "summary stream=public-companies read=1 created=0 updated=0 unchanged=1 ",
        "summary stream=public-customers read=2 created=0 updated=1 unchanged=1 ",
    ):
        assert line in second.stderr
    assert len(simulator.org.jobs) == jobs + 1
    ada = simulator.org.customer(email="ada@example.com")
    assert ada is not None
    assert ada.attributes["custom"]["vipBool"] is False
    bookmarks = project.state(STATE_ID)["singer_state"]["bookmarks"]
    assert bookmarks["public-customers"]["replication_key_value"].startswith("2026-03-01T00:00:00")
    assert bookmarks["public-companies"]["replication_key_value"].startswith("2026-01-02T00:00:00")


def test_sigterm_loses_nothing(
    project: Project, access: dict[str, str], slow: Simulator, crowd: str
) -> None:
    environment = to_slow(access, slow, crowd)
    with project.start(*RUN, **environment, **BY_BITS) as meltano:
        wait_until(lambda: len(slow.org.customers) >= 20)
        meltano.send_signal(signal.SIGTERM)
        code = meltano.wait(60)
    log = project.log.read_text(encoding="utf-8")
    assert code == 143, log
    assert 20 <= len(slow.org.customers) < CROWD
    assert "ended by signal 15: run again: it goes on from the last STATE" in log
    assert all(job.completed for job in slow.org.jobs)  # what was begun was waited for

    again = project.run(*RUN, **environment)

    assert again.returncode == 0, again.stderr
    assert_world(slow, companies=30, customers=CROWD)


def test_sigkill_loses_nothing(
    project: Project, access: dict[str, str], slow: Simulator, crowd: str
) -> None:
    environment = to_slow(access, slow, crowd)
    with project.start(*RUN, **environment, **BY_BITS) as meltano:
        wait_until(lambda: len(slow.org.customers) >= 20)
        plugins = children(meltano.pid)
        meltano.kill()
        assert meltano.wait(60) == -signal.SIGKILL
    assert plugins
    assert 20 <= len(slow.org.customers) < CROWD
    wait_until(lambda: not any(map(runs, plugins)))  # the target loads what it has been given

    refused = project.run(*RUN, **environment)
    assert refused.returncode == 1
    assert "pipeline is already running" in refused.stderr
    again = project.run(*RUN, "--force", **environment)

    assert again.returncode == 0, again.stderr
    assert_world(slow, companies=30, customers=CROWD)
    left_behind = project.folder.glob(".meltano/run/**/target.*.config.json")
    assert [slow.api_key in each.read_text(encoding="utf-8") for each in left_behind] == [True]


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = [
        int(child)
        for listed in Path(f"/proc/{pid}/task").glob("*/children")
        for child in listed.read_text(encoding="utf-8").split()
    ]
    assert os.getpid() not in found
    return found


def runs(pid: int) -> bool:
    """Whether a process has not ended yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("code", "settings", "says"),
    [
        (2, {"API_URL": "example.com"}, "setting api_url"),
        (4, {"API_KEY": "wrong"}, "refuses the api_key (401)"),
        (5, {"API_URL": "http://127.0.0.1:9", "RETRY_DEADLINE_SECONDS": "0"}, "127.0.0.1"),
    ],
)
def test_meltano_ends_with_1_and_tells_how_the_target_ended(
    code: int,
    settings: dict[str, str],
    says: str,
    project: Project,
    sandbox: dict[str, str],
) -> None:
    changed = {f"TARGET_KUSTOMER_{name}": value for name, value in settings.items()}

    done = project.run(
        "--log-format=json",
        "--environment=simulator",
        "run",
        "example",
        **sandbox | changed,
    )

    assert done.returncode == 1
    log = [json.loads(line) for line in done.stderr.splitlines()]
    own, failed, completed = (each for each in log if each["level"] == "error")
    assert says in own["event"]
    assert failed["event"] == completed["err"] == "Loader failed"
    assert completed["exit_codes"] == {"loaders": code}


def test_meltano_shows_that_records_were_rejected(
    project: Project, sandbox: dict[str, str], simulator: Simulator, page: dict[str, str]
) -> None:
    done = project.follow(page["rejecting"], **sandbox, MELTANO_CLI_LOG_LEVEL="debug")

    assert done.returncode == 1
    lines = {line.split("] ", 1)[-1] for line in done.stderr.splitlines()}
    told = {line.split(maxsplit=1)[0] for line in lines if "ada@gardens.example.com" in line}
    assert told == {"tap-example"}  # by Meltano, at this level
    assert any(line.startswith("target-kustomer request kind=") for line in lines)
    assert sandbox["TARGET_KUSTOMER_API_KEY"] not in done.stderr
    assert set(lasting(page["rejected"])) <= set(lasting(done.stderr))
    assert "Traceback" not in done.stderr
    assert len(simulator.org.customers) == 7
    state = project.state("simulator:tap-example-to-target-kustomer")
    assert state["singer_state"]["bookmarks"]["customers"]["replication_key_value"] == 112
