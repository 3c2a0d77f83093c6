"""tap-postgres of two makes, with each replication method, into the world that the tables say."""

from __future__ import annotations

import dataclasses
import json
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.taps import Line, Tap
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_kustomer.simulator import Simulator
    from tests.postgresql import PostgreSQL
    from tests.support import Runner

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("replication")]

COMPANIES, CUSTOMERS = "public-companies", "public-customers"
ADA, BO, CY, DEE, ELI = (f"00000000-0000-0000-0000-00000000000{number}" for number in range(1, 6))

PATIENT: dict[str, Any] = {
    "max_parallel_requests": 1,
    "batch_size_rows": 2,
    "request_timeout_seconds": 3600,
    "lost_answer_wait_seconds": 0,
}
"""One request after the other; none is given up."""

FIRST_CHANGES = f"""
INSERT INTO companies (name, changed_at) VALUES ('Fictional Freight', '2026-02-01Z');
INSERT INTO customers (id, company_id, full_name, email, vip, profile, changed_at) VALUES
    ('{DEE}', 3, 'Dee Fictional', 'dee@example.com', true, '{{"plan": "trial"}}', '2026-02-01Z');
UPDATE customers SET vip = false, company_id = 2, profile = '{{"plan": "basic"}}',
    changed_at = '2026-02-01Z' WHERE id = '{ADA}';
DELETE FROM customers WHERE id = '{BO}';
UPDATE customers SET full_name = 'Cy Placeholder', changed_at = '2026-02-02Z' WHERE id = '{CY}';
"""
LATER_CHANGES = f"""
INSERT INTO customers (id, company_id, full_name, email, vip, changed_at) VALUES
    ('{ELI}', 3, 'Eli Madeup', 'eli@example.com', false, '2026-03-01Z');
UPDATE customers SET email = 'dee@freight.example.com', changed_at = '2026-03-01Z'
    WHERE id = '{DEE}';
UPDATE companies SET name = 'Sample Bakery', changed_at = '2026-03-01Z' WHERE id = 2;
DELETE FROM companies WHERE id = 1;
DELETE FROM customers WHERE id = '{CY}';
"""
WORLD = """
SELECT json_object_agg(
    customers.id,
    json_build_array(full_name, email, vip, profile->>'plan', companies.name)
) FROM customers LEFT JOIN companies ON companies.id = company_id
"""


@dataclasses.dataclass(frozen=True)
class Make:
    """A make of tap-postgres.

    Attributes:
        environment: Where `scripts/test` installs it.
        slot: The replication slot that it reads.
        config: What it is told beside where the database is.
    """

    environment: str
    slot: str
    config: dict[str, Any]

    def tap(self, program: Path, postgresql: PostgreSQL, streams: dict[str, dict[str, Any]]) -> Tap:
        config = postgresql.tap_config("shop") | self.config
        if "dbname" in self.config:
            del config["database"]
        return Tap(program, config, streams)


MAKES = {
    "meltanolabs": Make(
        "tap-postgres",
        "tappostgres",
        {
            "log_based_single_connection": True,
            "auto_bootstrap_log_based": True,
            "replication_idle_exit_seconds": 3,
        },
    ),
    "pipelinewise": Make(
        "pipelinewise-tap-postgres",
        "pipelinewise_shop",
        {"dbname": "shop", "filter_schemas": "public", "logical_poll_total_seconds": 3},
    ),
}


@dataclasses.dataclass
class Shop:
    """The shop, read by one make of tap, and Kustomer, which is to become like it."""

    postgresql: PostgreSQL
    target: Runner
    make: Make
    program: Path

    @property
    def simulator(self) -> Simulator:
        return self.target.simulator

    def line(self, method: str, *names: str, **settings: Any) -> Line:
        """Runs that read these tables, all by default, by a replication method."""
        how = {"replication-method": method, "forced-replication-method": method}
        if method == "INCREMENTAL":
            how["replication-key"] = "changed_at"
        tap = self.make.tap(
            self.program, self.postgresql, dict.fromkeys(names or (COMPANIES, CUSTOMERS), how)
        )
        plan = {"profile.plan": "plan", "changed_at": None}
        settings["streams"] = {"*-customers": {"fields": plan}}
        return Line(tap, self.target, self.target.folder, settings)

    def change(self, sql: str) -> None:
        self.postgresql.run("-c", sql, database="shop")

    def rows(self) -> dict[str, list[Any]]:
        """What the tables say of each customer."""
        rows: dict[str, list[Any]] = json.loads(self.postgresql.run("-c", WORLD, database="shop"))
        return rows

    def world(self) -> dict[str, list[Any]]:
        """What Kustomer says of each customer."""
        names = {each.id: each.attributes["name"] for each in self.simulator.org.companies}
        return {
            each.attributes["externalId"]: [
                each.attributes.get("name"),
                each.attributes["emails"][0]["email"],
                each.attributes["custom"].get("vipBool"),
                each.attributes["custom"].get("planStr"),
                names.get(each.company or ""),
            ]
            for each in self.simulator.org.customers
        }

    def companies(self) -> list[list[str]]:
        """The names of the companies, in the tables and in Kustomer."""
        query = "SELECT json_agg(name ORDER BY name) FROM companies"
        rows: list[str] = json.loads(self.postgresql.run("-c", query, database="shop"))
        return [rows, sorted(each.attributes["name"] for each in self.simulator.org.companies)]

    def assert_alike(self) -> None:
        assert self.world() == self.rows()
        names, loaded = self.companies()
        assert loaded == names
        assert all(each.creates == 1 for each in self.simulator.org.stored("customer"))


@pytest.fixture(params=MAKES)
def shop_of(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    shop: str,  # noqa: ARG001 - the database is there
    run: Runner,
    installed_tap: Callable[[str, str], Path],
) -> Shop:
    make = MAKES[request.param]
    program = installed_tap(make.environment, "tap-postgres")
    return Shop(postgresql, run, make, program)


@pytest.fixture(params=["ledger", "no ledger"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "no ledger":
        return {}
    return {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"}


@pytest.fixture
def slot(shop_of: Shop, wal2json: None) -> Iterator[str]:  # noqa: ARG001 - the plugin is there
    """A replication slot that remembers all changes of the shop from now on."""
    name = shop_of.make.slot
    shop_of.change(f"SELECT pg_create_logical_replication_slot('{name}', 'wal2json')")
    yield name
    shop_of.change(f"SELECT pg_drop_replication_slot('{name}')")


def kill(line: Line, shop: Shop, kind: str, file: Path | None = None) -> None:
    """A run whose target is killed at its first bulk request of customers.

    The tap has come to its end by then, and believes that all is well.
    """
    fault = shop.simulator.faults.add(kind, path_pattern="customers/bulk")  # type: ignore[arg-type]
    with line.start(file, **PATIENT) as piped:
        wait_until(lambda: fault.fired)
        assert piped.tap.wait(60) == 0
        piped.target.kill()
        dead = piped.result()
    assert dead.exit_code == -SIGKILL
    line.keep(dead)
    wait_until(lambda: all(job.completed for job in shop.simulator.org.jobs))
    assert shop.world() != shop.rows()


@pytest.mark.parametrize("ledger", ["ledger"], indirect=True)
def test_incremental_writes_what_has_changed(shop_of: Shop, ledger: dict[str, Any]) -> None:
    line = shop_of.line("INCREMENTAL", **ledger)
    assert line.run().exit_code == 0
    shop_of.assert_alike()
    shop_of.change(
        f"UPDATE customers SET vip = false, changed_at = '2026-02-01Z' WHERE id = '{ADA}'"
    )

    second = line.run()

    assert second.exit_code == 0, second.log
    # Both makes send again what bears the very time at which they stopped.
    assert second.counts(COMPANIES) == {"unchanged": 1}
    assert second.counts(CUSTOMERS) == {"updated": 1, "unchanged": 1}
    shop_of.assert_alike()


@pytest.mark.parametrize("shop_of", ["pipelinewise"], indirect=True)
def test_rows_that_a_full_table_no_longer_has_are_deleted(shop_of: Shop, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    line = shop_of.line("FULL_TABLE", ledger_url=url, on_delete="delete")
    line.run()
    shop_of.change(f"DELETE FROM customers WHERE id = '{BO}'; DELETE FROM companies WHERE id = 2")

    second = line.run()

    assert second.exit_code == 0, second.log
    assert second.counts(COMPANIES) == {"unchanged": 1}
    assert second.counts(CUSTOMERS) == {"unchanged": 2}
    assert "deleted reason=version stream=public-companies objects=1" in second.log
    assert "deleted reason=version stream=public-customers objects=1" in second.log
    shop_of.assert_alike()
    assert len(shop_of.world()) == 2


@pytest.mark.parametrize("shop_of", ["meltanolabs"], indirect=True)
def test_a_tap_that_activates_versions_before_their_rows_deletes_nothing(
    shop_of: Shop, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    line = shop_of.line("FULL_TABLE", ledger_url=url, on_delete="delete")
    config = {**line.tap.config, "emit_activate_version_messages": True}
    line.tap = dataclasses.replace(line.tap, config=config)
    line.run()
    shop_of.change(f"DELETE FROM customers WHERE id = '{BO}'")

    second = line.run()

    assert second.counts(CUSTOMERS) == {"unchanged": 2}
    assert "ACTIVATE_VERSION deletes nothing, no record of its version came before" in second.log
    assert set(shop_of.world()) - set(shop_of.rows()) == {BO}


def load(line: Line, shop: Shop) -> None:
    """The first load, and the changes that it is killed at."""
    first = line.run()
    assert first.exit_code == 0, first.log
    shop.assert_alike()
    shop.change(FIRST_CHANGES)


def go_on(line: Line, shop: Shop, file: Path | None = None) -> None:
    """The run after the one that was killed, and one more after further changes."""
    again = line.run(file)
    assert again.exit_code == 0, again.log
    shop.assert_alike()
    shop.change(LATER_CHANGES)
    later = line.run()
    assert later.exit_code == 0, later.log
    shop.assert_alike()
    assert set(shop.world()) == {ADA, DEE, ELI}


@pytest.mark.parametrize(
    ("shop_of", "ledger", "kind"),
    [
        ("meltanolabs", "ledger", "timeout_before"),
        ("pipelinewise", "ledger", "timeout_after"),
        ("pipelinewise", "no ledger", "timeout_before"),
    ],
    indirect=["shop_of", "ledger"],
)
@pytest.mark.usefixtures("slot")
def test_log_based_with_a_crash_ends_in_the_right_world_twice(
    shop_of: Shop, ledger: dict[str, Any], kind: str
) -> None:
    line = shop_of.line("LOG_BASED", on_delete="delete", **ledger)
    load(line, shop_of)
    kill(line, shop_of, kind)
    go_on(line, shop_of)


@pytest.mark.parametrize("shop_of", ["meltanolabs"], indirect=True)
@pytest.mark.usefixtures("slot")
def test_log_based_from_a_file_goes_on_from_the_file(shop_of: Shop) -> None:
    line = shop_of.line("LOG_BASED", on_delete="delete")
    load(line, shop_of)
    file = line.file()
    kill(line, shop_of, "timeout_after", file)
    go_on(line, shop_of, file)


@pytest.mark.parametrize("shop_of", ["meltanolabs"], indirect=True)
def test_log_based_goes_on_from_a_copy_of_a_slot_that_has_moved_on(
    shop_of: Shop, slot: str
) -> None:
    line = shop_of.line("LOG_BASED", on_delete="delete")
    load(line, shop_of)
    copy = "SELECT pg_copy_logical_replication_slot('{}', '{}')"
    drop = "SELECT pg_drop_replication_slot('{}')"
    shop_of.change(copy.format(slot, "kept"))
    kill(line, shop_of, "timeout_before")
    # As the tap itself does when it has run for 30 seconds.
    shop_of.change(f"SELECT pg_replication_slot_advance('{slot}', pg_current_wal_flush_lsn())")
    state = line.state
    line.run()
    assert shop_of.world() != shop_of.rows()

    line.state = state
    shop_of.change(drop.format(slot))
    shop_of.change(copy.format("kept", slot))
    shop_of.change(drop.format("kept"))
    go_on(line, shop_of)
