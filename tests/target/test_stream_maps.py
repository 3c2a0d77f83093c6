from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Result, Runner

PEOPLE = [
    schema("people", CUSTOMERS),
    *({**each, "stream": "people"} for each in customers(4)),
    state(4),
]


def _counted(result: Result, stream: str) -> int:
    """The number that the log gives beside the summary."""
    [line] = [
        line
        for line in result.log.splitlines()
        if line.startswith(("filtered ", "ignored ")) and f"stream={stream} " in line
    ]
    return int(line.rpartition("=")[2])


def test_a_stream_is_renamed(run: Runner, simulator: Simulator) -> None:
    result = run(PEOPLE, stream_maps={"people": {"__alias__": "customers"}})
    assert result.counts("customers") == {"created": 4}
    assert len(simulator.org.customers) == 4
    assert result.states == [4]


def test_a_column_is_renamed_computed_and_removed(run: Runner, simulator: Simulator) -> None:
    maps = {
        "people": {
            "__alias__": "customers",
            "name": "name.upper()",
            "years": "age",
            "age": None,
            "tier": "'gold'",
        }
    }
    run(PEOPLE, stream_maps=maps)
    stored = simulator.org.customer(external_id="c3")
    assert stored is not None
    assert stored.attributes["name"] == "CUSTOMER 3"
    assert stored.attributes["custom"] == {"yearsNum": 3, "tierStr": "gold"}


def test_records_are_filtered_and_counted_beside(run: Runner) -> None:
    maps = {"people": {"__alias__": "customers", "__filter__": "age > 1"}}
    result = run(PEOPLE, stream_maps=maps)
    assert result.summaries["customers"]["read"] == 2
    assert result.counts() == {"created": 2}
    assert _counted(result, "people") == 2
    assert result.states == [4]


def test_else_null_keeps_only_what_is_named(run: Runner, simulator: Simulator) -> None:
    maps = {"people": {"__alias__": "customers", "name": "name", "id": "id", "__else__": None}}
    run(PEOPLE, stream_maps=maps)
    stored = simulator.org.customer(external_id="c1")
    assert stored is not None
    assert stored.attributes.get("emails") in (None, [])
    assert not stored.attributes.get("custom")


@pytest.mark.parametrize("null", [None, "__NULL__"])
def test_a_removed_stream_is_ignored(null: Any, run: Runner, simulator: Simulator) -> None:
    messages = [schema("customers", CUSTOMERS), *customers(2), *PEOPLE]
    result = run(messages, stream_maps={"people": null})
    assert result.exit_code == 0
    assert len(simulator.org.customers) == 2
    assert _counted(result, "people") == 4
    assert result.states == [4]


def test_streams_that_no_map_names_are_removed_by_else(run: Runner, simulator: Simulator) -> None:
    messages = [schema("customers", CUSTOMERS), *customers(2), *PEOPLE]
    result = run(messages, stream_maps={"customers": {}, "__else__": None})
    assert result.exit_code == 0
    assert len(simulator.org.customers) == 2
    assert _counted(result, "people") == 4


def test_one_stream_becomes_two(run: Runner, simulator: Simulator) -> None:
    columns = {"id": TEXT, "name": TEXT, "company_id": TEXT, "firm": TEXT}
    messages = [
        schema("contacts", columns),
        record("contacts", id="1", name="Ann", company_id="a", firm="Example Gardens"),
        record("contacts", id="2", name="Bob", company_id="b", firm="Sample Mills"),
        state(2),
    ]
    maps = {
        "companies": {
            "__source__": "contacts",
            "__key_properties__": ["id"],
            "__else__": None,
            "id": "company_id",
            "name": "firm",
        },
        "customers": {"__source__": "contacts", "firm": None},
    }
    result = run(messages, stream_maps=maps)
    if result.exit_code:  # the stream itself is a third
        result = run(messages, stream_maps=maps, streams={"contacts": {"object": "ignore"}})
    assert result.exit_code == 0, result.error
    assert result.counts("companies") == {"created": 2}
    assert result.counts("customers") == {"created": 2}
    assert {each.attributes["name"] for each in simulator.org.companies} == {
        "Example Gardens",
        "Sample Mills",
    }
    assert all(each.company for each in simulator.org.customers)
    assert result.states == [2]


def test_nested_columns_are_flattened(run: Runner, simulator: Simulator) -> None:
    nested = {"type": "object", "properties": {"tier": TEXT, "deep": {"type": "object"}}}
    messages = [
        schema("customers", {"id": TEXT, "loyalty": nested}),
        record("customers", id="1", loyalty={"tier": "gold"}),
    ]
    result = run(messages, flattening_enabled=True, flattening_max_depth=1)
    assert result.exit_code == 0
    [stored] = simulator.org.customers
    assert stored.attributes["custom"] == {"loyaltyTierStr": "gold"}


CANARY = [
    schema("customers", CUSTOMERS),
    record("customers", id="c1", name="Zaphod Canary", age=42),
    state(1),
]


@pytest.mark.parametrize(
    "columns",
    [
        {"name": "1 +"},
        {"name": ""},
        {"name": "no_such_column"},
        {"name": "no_such_function(name)"},
        {"name": ["name"]},
        {"id": None},
        {"__filter__": "age >"},
        {"__filter__": "no_such_column == 1"},
        {"__filter__": "name > 3"},
        {"__else__": "everything"},
        {"__key_properties__": ["no_such_column"]},
        {"age": "int(name)"},
        {"age": "1 / (age - age)"},
        {"age": "name.no_such_method()"},
        {"name": "_['no_such_column']"},
    ],
)
def test_a_wrong_map_is_a_configuration_error(columns: dict[str, Any], run: Runner) -> None:
    result = run(CANARY, stream_maps={"customers": columns})
    assert result.exit_code == 2, result.log
    assert "stream_maps" in result.error
    assert "Canary" not in result.error + result.log
    assert result.stdout == ""


def test_a_wrong_map_ends_a_process_with_one_line(run: Runner) -> None:
    maps = {"customers": {"age": "int(name)"}}
    result = run.process(CANARY, {"LOGLEVEL": "DEBUG"}, stream_maps=maps)
    assert result.exit_code == 2, result.log
    assert "stream_maps" in result.error
    assert "Canary" not in result.log
    assert "Traceback" not in result.log
    assert result.stdout == ""
