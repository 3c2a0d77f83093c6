from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner

CUSTOMER = ("customer.read", "customer.create", "customer.update")
COMPANY = ("company.read", "company.create", "company.update")


def roles(*names: str) -> list[str]:
    return [f"org.permission.{name}" for name in names]


def load(run: Runner, stream: str, granted: list[str], **settings: Any) -> Any:
    run.simulator.org.add_key("narrow", roles=granted)
    columns = {**(CUSTOMERS if stream == "customers" else COMPANIES)}
    row = {"id": "1", "name": "Acme"}
    if settings.pop("links", False):
        columns |= {"company_id": TEXT, "company_name": TEXT}
        row |= {"company_id": "e1", "company_name": "Firm"}
    entry = {"mode": settings.pop("mode", "upsert")}
    return run(
        [schema(stream, columns), record(stream, **row), state("end")],
        api_key="narrow",
        streams={stream: entry},
        **settings,
    )


def test_a_refused_key_ends_the_run_at_the_start(simulator: Simulator, run: Runner) -> None:
    result = run([schema("customers", CUSTOMERS), *customers(2), state(1)], api_key="no-such-key")
    assert result.exit_code == 4
    assert result.states == []
    assert simulator.org.customers == []
    assert "no-such-key" not in result.error + result.log


def test_an_expired_key_ends_the_run(simulator: Simulator, run: Runner) -> None:
    simulator.org.add_key("old", expires_at=1.0)
    assert run([schema("customers", CUSTOMERS)], api_key="old").exit_code == 4


@pytest.mark.parametrize(
    ("stream", "settings", "needed"),
    [
        ("customers", {"mode": "upsert"}, [*CUSTOMER, "bulk.read"]),
        ("customers", {"mode": "update"}, ["customer.read", "customer.update", "bulk.read"]),
        ("customers", {"mode": "create"}, ["customer.read", "customer.create", "bulk.read"]),
        ("companies", {"mode": "upsert"}, [*COMPANY, "bulk.read"]),
        ("companies", {"mode": "update"}, ["company.read", "company.update", "bulk.read"]),
        ("companies", {"mode": "create"}, ["company.read", "company.create", "bulk.read"]),
        ("customers", {"links": True}, [*CUSTOMER, "bulk.read", "company.read"]),
        (
            "customers",
            {"links": True, "missing_company": "create"},
            [*CUSTOMER, "bulk.read", "company.read", "company.create"],
        ),
    ],
    ids=str,
)
def test_each_role_that_a_stream_needs_is_asked_for_before_anything_is_written(
    simulator: Simulator, run: Runner, stream: str, settings: dict[str, Any], needed: list[str]
) -> None:
    for name in needed:
        granted = roles(*(other for other in needed if other != name))
        result = load(run, stream, granted, **settings)
        assert result.exit_code == 4, name
        assert f"org.permission.{name}" in result.error
        assert simulator.org.customers == simulator.org.companies == []
        assert simulator.requests.of_kind("bulk-submit") == []
    assert load(run, stream, roles(*needed), **settings).exit_code in {0, 3}


@pytest.mark.parametrize(
    "granted",
    [
        ["org"],
        ["org.permission"],
        ["org.permission.customer", "org.permission.bulk"],
        ["org.user.customer.read", "org.user.customer.write", "org.user.bulk.read"],
    ],
    ids=str,
)
def test_broad_and_legacy_roles_count(
    simulator: Simulator, run: Runner, granted: list[str]
) -> None:
    assert load(run, "customers", granted).exit_code == 0
    assert len(simulator.org.customers) == 1


@pytest.mark.parametrize("granted", [["org.permission.custom"], ["org.admin"], []], ids=str)
def test_roles_that_only_look_alike_do_not_count(run: Runner, granted: list[str]) -> None:
    assert load(run, "customers", granted).exit_code == 4


def test_a_key_that_may_not_read_metadata_only_knows_less(
    simulator: Simulator, run: Runner
) -> None:
    result = load(run, "customers", roles(*CUSTOMER, "bulk.read"))
    assert result.exit_code == 0
    assert len(simulator.org.customers) == 1


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("at", ["/customers/bulk$", "/bulk/", "/customers/externalId"])
def test_a_key_that_is_refused_in_the_middle_ends_the_run(
    simulator: Simulator, run: Runner, at: str, status: int
) -> None:
    """The key goes, or loses its roles, once something has been loaded and settled."""
    org = simulator.org
    org.add_customer({"externalId": "c5", "name": "Old"})

    def withdraw(item: dict[str, Any]) -> bool:
        if item.get("externalId") == "c5" and at != "/customers/bulk$":
            change()
        if item.get("externalId") == "c4" and at == "/customers/bulk$":
            change()
        return False

    def change() -> None:
        org.keys.pop("mine")
        if status == 403:
            kept = {
                "/customers/bulk$": roles("customer.read", "bulk.read"),
                "/bulk/": roles(*CUSTOMER),
                "/customers/externalId": roles("customer.create", "bulk.read"),
            }
            org.add_key("mine", roles=kept[at])

    org.add_key("mine")
    org.refuse_request_if(withdraw)
    messages = []
    for message in customers(8):
        messages += [message, state(message["record"]["id"])]
    result = run(
        [schema("customers", CUSTOMERS), *messages],
        api_key="mine",
        batch_size_rows=1,
        max_parallel_requests=1,
    )
    assert result.exit_code == 4
    assert result.rejected == []
    assert "c7" not in result.states
    there = {each.attributes["externalId"] for each in org.customers}
    assert all(f"c{number}" in there for number in range(len(result.states)))


def test_a_gateways_403_is_no_matter_of_the_key(simulator: Simulator, run: Runner) -> None:
    simulator.faults.add("gateway_403_html", times=2)
    result = run([schema("customers", CUSTOMERS), *customers(2)])
    assert result.exit_code == 0


@pytest.mark.parametrize("kind", ["500", "gateway_403_html", "reset_before", "timeout_before"])
def test_a_kustomer_that_does_not_answer_ends_the_run_at_the_deadline(
    simulator: Simulator, run: Runner, kind: str
) -> None:
    simulator.faults.add(kind, times=None)  # type: ignore[arg-type]
    result = run(
        [schema("customers", CUSTOMERS), *customers(2), state("end")],
        retry_deadline_seconds=0.3,
        request_timeout_seconds=0.2,
    )
    assert result.exit_code == 5
    assert result.states == []
    assert simulator.org.customers == []


def test_nobody_at_the_address_ends_the_run_at_the_deadline(run: Runner) -> None:
    result = run(
        [schema("customers", CUSTOMERS)], api_url="http://127.0.0.1:9", retry_deadline_seconds=0.2
    )
    assert result.exit_code == 5
