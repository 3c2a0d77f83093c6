from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Runner


def submits(simulator: Simulator) -> tuple[int, int]:
    """How many bulk requests were refused, and how many were sent."""
    sent = simulator.requests.of_kind("bulk-submit")
    return sum(entry.status == 400 for entry in sent), len(sent)


def poison(simulator: Simulator, numbers: Any) -> None:
    bad = {f"c{number}" for number in numbers}
    simulator.org.refuse_request_if(lambda item: item.get("externalId") in bad, "Bad value")


@pytest.mark.parametrize(
    ("number", "culprits"),
    [
        (1, [0]),
        (2, [1]),
        (7, [3]),
        (37, [0, 36]),
        (64, [10, 11]),
        (100, [99]),
        (100, [0, 50]),
        (100, [3, 30, 60, 90, 99]),
        (100, range(40, 60)),
        (16, range(1, 16)),
        (8, range(8)),
    ],
)
@pytest.mark.parametrize("verb", ["create", "update"])
def test_halving_finds_the_culprits_within_its_bounds(
    simulator: Simulator, run: Runner, number: int, culprits: Any, verb: str
) -> None:
    if verb == "update":
        for each in range(number):
            simulator.org.add_customer({"externalId": f"c{each}", "name": "Old"})
        bad = {f"c{each}@example.com" for each in culprits}
        simulator.org.refuse_request_if(
            lambda item: any(each["email"] in bad for each in item.get("emails", ()))
        )
    else:
        poison(simulator, culprits)
    result = run(
        [schema("customers", CUSTOMERS), *customers(number), state("end")],
        max_rejected_records=-1,
        streams={"customers": {"mode": "update" if verb == "update" else "create"}},
    )
    refused, sent = submits(simulator)
    k, rounds = len(culprits), math.ceil(math.log2(number))
    assert refused <= k * rounds + 1
    assert sent <= 2 * k * rounds + 1
    assert result.exit_code == 0
    assert result.reasons == {f"c{each}": "refused" for each in culprits}
    assert {each["rejection"]["status"] for each in result.rejected} == {400}
    loaded = {
        each.attributes["externalId"]
        for each in simulator.org.customers
        if each.attributes["name"] != "Old"
    }
    assert loaded == {f"c{each}" for each in range(number)} - set(result.reasons)
    assert result.states == ["end"]


def test_companies_are_halved_too(simulator: Simulator, run: Runner) -> None:
    simulator.org.refuse_request_if(lambda item: item.get("externalId") == "e5")
    rows = [record("companies", id=f"e{n}", name=f"Company {n}") for n in range(20)]
    result = run([schema("companies", COMPANIES), *rows])
    assert result.reasons == {"e5": "refused"}
    assert len(simulator.org.companies) == 19


def test_a_rejection_tells_what_kustomer_said_without_values_of_others(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.refuse_request_if(
        lambda item: item.get("externalId") == "c1", "Bad: Customer 2 and c1@example.com"
    )
    result = run([schema("customers", CUSTOMERS), *customers(3)])
    detail = result.rejected[0]["rejection"]["detail"]
    assert "Bad: " in detail
    assert "c1@example.com" in detail
    assert "Customer 2" not in detail
    assert "c1@example.com" not in result.log


def test_a_body_that_is_too_large_is_halved(start: Callable[..., Runner]) -> None:
    run = start(max_body_bytes=3000)
    result = run([schema("customers", CUSTOMERS), *customers(60)])
    assert result.exit_code == 0
    assert result.counts() == {"created": 60}
    assert 413 in {entry.status for entry in run.simulator.requests.entries}


def test_a_record_that_is_too_large_alone_is_rejected(start: Callable[..., Runner]) -> None:
    run = start(max_body_bytes=700)
    messages = customers(10)
    messages[4]["record"]["name"] = "x" * 250
    messages[4]["record"] |= {"note": "y" * 900}
    columns = {**CUSTOMERS, "note": {"type": "string"}}
    result = run([schema("customers", columns), *messages])
    assert result.reasons == {"c4": "refused"}
    assert result.rejected[0]["rejection"]["status"] == 413
    assert len(run.simulator.org.customers) == 9


@pytest.mark.parametrize("kind", ["502_html", "429", "gateway_403_html"])
def test_nothing_else_is_split(simulator: Simulator, run: Runner, kind: str) -> None:
    simulator.faults.add(kind, method="POST", path_pattern="/bulk$", seconds=0.1)  # type: ignore[arg-type]
    result = run([schema("customers", CUSTOMERS), *customers(50)])
    assert result.counts() == {"created": 50}
    assert submits(simulator)[1] <= 2
    assert all(len(job.batches[0].items) == 50 for job in simulator.org.jobs)


# When all of the first records of a stream are refused.


@pytest.mark.parametrize(
    ("records", "batch_size", "most_sent"), [(100, 100, 250), (130, 10, 400), (2000, 100, 450)]
)
def test_a_stream_whose_first_hundred_records_are_all_refused_ends_the_run(
    simulator: Simulator, run: Runner, records: int, batch_size: int, most_sent: int
) -> None:
    simulator.org.refuse_request_if(lambda _: True)
    messages = customers(records)
    result = run(
        [schema("customers", CUSTOMERS), *messages, state("end")],
        batch_size_rows=batch_size,
        max_rejected_records=-1,
    )
    assert result.exit_code == 2
    assert "customers" in result.error
    rejected = [each["record"]["id"] for each in result.rejected]
    assert len(rejected) >= 100
    assert len(rejected) == len(set(rejected))
    assert submits(simulator)[1] <= most_sent
    if records > 100:
        assert result.states == []


def test_less_than_a_hundred_refused_records_are_rejected_as_any(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.refuse_request_if(lambda _: True)
    result = run(
        [schema("customers", CUSTOMERS), *customers(99), state("end")], max_rejected_records=-1
    )
    assert result.exit_code == 0
    assert result.counts() == {"rejected": 99}
    assert result.states == ["end"]


def test_one_record_that_kustomer_takes_among_the_first_hundred_keeps_the_run_alive(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.refuse_request_if(lambda item: item.get("externalId") != "c60")
    result = run(
        [schema("customers", CUSTOMERS), *customers(150), state("end")], max_rejected_records=-1
    )
    assert result.exit_code == 0
    assert result.counts() == {"created": 1, "rejected": 149}


def test_records_rejected_before_they_are_sent_do_not_count_to_the_first_hundred(
    simulator: Simulator, run: Runner
) -> None:
    simulator.org.refuse_request_if(lambda item: item.get("externalId") in {"c60", "c61"})
    messages = customers(160)
    for message in messages[:120]:
        message["record"]["age"] = "no number"
    for message in messages[60:62]:
        message["record"]["age"] = 1
    result = run([schema("customers", CUSTOMERS), *messages], max_rejected_records=-1)
    assert result.exit_code == 0
    assert result.counts() == {"created": 40, "rejected": 120}


def test_the_rejects_file_of_a_systematic_refusal_replays(
    simulator: Simulator, run: Runner
) -> None:
    broken = True
    simulator.org.refuse_request_if(lambda _: broken)
    first = run([schema("customers", CUSTOMERS), *customers(100)], max_rejected_records=-1)
    assert first.exit_code == 2
    broken = False
    lines = first.rejects_bytes
    assert json.loads(lines.splitlines()[0])["type"] == "SCHEMA"
    assert run(lines).counts() == {"created": 100}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "stream_maps": {"people": {"__alias__": "customers", "name": "name.upper()"}},
            "streams": {"people": {"object": "ignore"}},
        },
    ],
    ids=["plain", "stream maps"],
)
def test_two_culprits_of_a_rule_that_only_the_server_knows_load_when_the_rule_is_gone(
    simulator: Simulator, run: Runner, settings: dict[str, Any]
) -> None:
    stream = "people" if settings else "customers"
    rule = {"in force": True}
    simulator.org.refuse_request_if(
        lambda item: rule["in force"] and item["externalId"] in {"c31", "c77"}, "no such tier"
    )
    messages = [{**each, "stream": stream} for each in [schema("-", CUSTOMERS), *customers(100)]]
    first = run([*messages, state("end")], **settings)
    assert first.exit_code == 3
    assert first.counts() == {"created": 98, "rejected": 2}
    assert {each["record"]["id"] for each in first.rejected} == {"c31", "c77"}
    assert all("no such tier" in each["rejection"]["detail"] for each in first.rejected)
    assert first.states == ["end"]
    assert submits(simulator)[1] <= 29
    rule["in force"] = False
    replay = run(first.rejects_bytes, **settings)
    assert replay.exit_code == 0
    assert replay.counts() == {"created": 2}
    assert len(simulator.org.customers) == 100
    assert all(each.creates == 1 for each in simulator.org.customers)


@pytest.mark.parametrize(("taken", "code"), [(False, 2), (True, 0)], ids=["none", "one-of-them"])
def test_updates_sent_one_by_one_count_to_the_first_hundred(
    simulator: Simulator,
    run: Runner,
    taken: bool,  # noqa: FBT001
    code: int,
) -> None:
    messages = customers(120, whatsapp="+41446681800")
    for message in messages:
        simulator.org.add_customer({"externalId": message["record"]["id"]})
    simulator.org.refuse_item_if(lambda item: item.get("name") != taken * "Customer 0")
    result = run(
        [schema("customers", {**CUSTOMERS, "whatsapp": TEXT}), *messages, state("end")],
        streams={"customers": {"mode": "update", "lists": "replace"}},
        max_rejected_records=-1,
        batch_size_rows=30,
    )
    assert result.exit_code == code, result.error
    assert len(result.rejected) >= 100
