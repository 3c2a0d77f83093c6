from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.support import COMPANIES, CUSTOMERS, TEXT, Runner, customers, record, schema, state

if TYPE_CHECKING:
    from pathlib import Path

    from target_kustomer.simulator.faults import FaultKind

P = "org.permission."


def _nothing_was_written(simulator: Simulator) -> bool:
    return not (simulator.org.jobs or simulator.org.customers or simulator.org.companies)


@pytest.mark.parametrize(
    "messages", [[], [schema("customers", CUSTOMERS), *customers(3), state(1)]]
)
def test_a_refused_key_ends_the_run_with_exit_4(
    messages: list[dict[str, Any]], run: Runner, simulator: Simulator
) -> None:
    result = run(messages, api_key="no-such-key")
    assert result.exit_code == 4
    assert "api_key" in result.error
    assert result.states == []
    assert _nothing_was_written(simulator)


def test_an_expired_key_ends_the_run_with_exit_4(run: Runner, simulator: Simulator) -> None:
    simulator.org.add_key("old", expires_at=time.time() - 1)
    assert run([], api_key="old").exit_code == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_of_another_region_ends_the_run_with_exit_4(status: int, tmp_path: Path) -> None:
    with Simulator(wrong_region_status=status) as simulator:
        simulator.org.add_key("european", region="prod2")
        result = Runner(simulator, tmp_path)([], api_key="european")
    assert result.exit_code == 4
    if status == 401:
        assert "region" in result.error


# Roles

LINKED = [
    schema("customers", {**CUSTOMERS, "company_name": TEXT}),
    record("customers", id="1", name="Ann", company_name="Example Gardens"),
    state(1),
]
PLAIN = [schema("customers", CUSTOMERS), *customers(2), state(1)]
FIRMS = [schema("companies", COMPANIES), record("companies", id="1", name="Firm"), state(1)]

NEEDS: list[tuple[list[dict[str, Any]], dict[str, Any], set[str]]] = [
    (PLAIN, {}, {"customer.read", "customer.create", "customer.update"}),
    (PLAIN, {"mode": "update"}, {"customer.read", "customer.update"}),
    (PLAIN, {"mode": "create"}, {"customer.read", "customer.create"}),
    (FIRMS, {}, {"company.read", "company.create", "company.update"}),
    (FIRMS, {"mode": "update"}, {"company.read", "company.update"}),
    (FIRMS, {"mode": "create"}, {"company.read", "company.create"}),
    (
        LINKED,
        {"missing_company": "ignore"},
        {"customer.read", "customer.create", "customer.update", "company.read"},
    ),
    (
        LINKED,
        {"missing_company": "create"},
        {
            "customer.read",
            "customer.create",
            "customer.update",
            "company.read",
            "company.create",
        },
    ),
]

MISSING = [
    (messages, entry, sorted((roles | {"bulk.read"}) - {role}), role)
    for messages, entry, roles in NEEDS
    for role in sorted(roles | {"bulk.read"})
]


def _stream(messages: list[dict[str, Any]], entry: dict[str, Any]) -> dict[str, Any]:
    return {messages[0]["stream"]: entry}


@pytest.mark.parametrize(("messages", "entry", "roles"), NEEDS)
def test_the_roles_that_a_stream_needs_are_enough(
    messages: list[dict[str, Any]],
    entry: dict[str, Any],
    roles: set[str],
    run: Runner,
    simulator: Simulator,
) -> None:
    simulator.org.add_key("narrow", roles=[P + role for role in sorted(roles | {"bulk.read"})])
    result = run(messages, api_key="narrow", streams=_stream(messages, entry))
    assert result.exit_code == 0, result.error
    assert result.states == [1]
    if entry.get("mode") != "update":
        assert simulator.org.companies or simulator.org.customers


@pytest.mark.parametrize(("messages", "entry", "held", "missing"), MISSING)
def test_a_missing_role_is_named_before_anything_is_written(  # noqa: PLR0917
    messages: list[dict[str, Any]],
    entry: dict[str, Any],
    held: list[str],
    missing: str,
    run: Runner,
    simulator: Simulator,
) -> None:
    simulator.org.add_key("narrow", roles=[P + each for each in held])
    result = run(messages, api_key="narrow", streams=_stream(messages, entry))
    assert result.exit_code == 4
    assert P + missing in result.error
    assert not [each for each in held if P + each in result.error]
    assert result.states == []
    assert _nothing_was_written(simulator)


def test_what_came_before_the_stream_without_a_role_is_settled(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=[P + "company", P + "bulk"])
    result = run([*FIRMS, *PLAIN[:-1], state(2)], api_key="narrow")
    assert result.exit_code == 4
    assert "customer" in result.error
    assert result.states == [1]
    assert len(simulator.org.companies) == 1


@pytest.mark.parametrize(
    "roles",
    [
        ["org"],
        ["org.permission"],
        ["org.permission.customer", "org.permission.bulk"],
        ["org.user"],
        ["org.user.customer", "org.user.bulk"],
        ["org.user.customer.read", "org.user.customer.write", "org.user.bulk.read"],
        ["org.user.customer.write", P + "customer.read", P + "bulk.read"],
    ],
)
def test_broad_roles_and_legacy_names_count(
    roles: list[str], run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("broad", roles=roles)
    assert run(PLAIN, api_key="broad").exit_code == 0
    assert run(PLAIN, api_key="broad").counts() == {"updated": 2}


@pytest.mark.parametrize(
    "roles",
    [
        ["org.permission.cust", P + "bulk"],
        ["org.admin", P + "bulk"],
        ["organization"],
        [],
        ["org.permission.customer.read.some", P + "bulk"],
    ],
)
def test_a_role_grants_only_what_it_prefixes_part_by_part(
    roles: list[str], run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("odd", roles=roles)
    assert run(PLAIN, api_key="odd").exit_code == 4
    assert _nothing_was_written(simulator)


def test_a_customer_stream_without_links_needs_no_role_for_companies(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=[P + "customer", P + "bulk"])
    streams = {"customers": {"fields": {"company_name": None}}}
    assert run(LINKED, api_key="narrow", streams=streams).exit_code == 0


# Kustomer is not there


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def test_nobody_listening_ends_the_run_with_exit_5(nobody: str, run: Runner) -> None:
    result = run(PLAIN, api_url=nobody, retry_deadline_seconds=0.2)
    assert result.exit_code == 5
    assert "127.0.0.1" in result.error
    assert result.states == []


@pytest.mark.parametrize(
    "kind",
    [
        "500",
        "502_html",
        "503_html",
        "gateway_403_html",
        "reset_before",
        "reset_after",
        "timeout_before",
        "cut_json",
        "cut_body",
        "empty_200",
        "refuse_connection",
    ],
)
def test_a_start_without_an_answer_ends_the_run_with_exit_5(
    kind: FaultKind, run: Runner, simulator: Simulator
) -> None:
    simulator.faults.add(kind, times=None)
    result = run(PLAIN, retry_deadline_seconds=0.2, request_timeout_seconds=0.1)
    assert result.exit_code == 5
    assert result.states == []


@pytest.mark.parametrize("kind", ["500", "502_html", "gateway_403_html", "reset_before", "429"])
def test_a_start_that_stumbles_goes_on(kind: FaultKind, run: Runner, simulator: Simulator) -> None:
    simulator.faults.add(kind, path_pattern="tokens/current", seconds=0.1)
    assert run(PLAIN).exit_code == 0


def test_the_key_is_checked_before_stdin_is_read(run: Runner) -> None:
    assert run(b"not a Singer message\n", api_key="no-such-key").exit_code == 4


def test_the_metadata_is_optional(run: Runner, simulator: Simulator) -> None:
    simulator.org.add_key("narrow", roles=[P + "customer", P + "bulk"])
    assert run(PLAIN, api_key="narrow").exit_code == 0
    assert len(simulator.org.customers) == 2
