from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import (
    CUSTOMERS,
    TEXT,
    Runner,
    customers,
    record,
    schema,
    state,
    to_lines,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from target_kustomer.simulator import Simulator

CANARY = "Zaphod Canary"
BEFORE = to_lines([schema("customers", CUSTOMERS), *customers(3), state(3)])
AFTER = to_lines([*customers(2, first=10), state(5)])


def _json(**message: Any) -> bytes:
    return json.dumps(message).encode()


BROKEN = {
    "not JSON": f'{{"type": "RECORD", "name": {CANARY}'.encode(),
    "plain text": CANARY.encode(),
    "single quotes": f"{{'type': 'RECORD', 'name': '{CANARY}'}}".encode(),
    "two objects": b'{"type": "STATE", "value": {}} {"type": "STATE", "value": {}}',
    "array": f'["{CANARY}"]'.encode(),
    "string": f'"{CANARY}"'.encode(),
    "number": b"17",
    "null": b"null",
    "blank": b"",
    "blanks": b"   ",
    "byte order mark": b'\xef\xbb\xbf{"type": "STATE", "value": {}}',
    "invalid UTF-8": b'{"type": "RECORD", "stream": "customers", "record": {"name": "'
    + CANARY.encode()
    + b'\xff"}}',
    "surrogate in UTF-8": b'{"type": "STATE", "value": {"name": "\xed\xa0\x80"}}',
    "latin-1": f'{{"type": "STATE", "value": {{"name": "{CANARY}\u00e9"}}}}'.encode("latin-1"),
    "zero byte": b'{"type": "STATE", "value": {"a": "\x00"}}',
    "no type": _json(stream="customers", record={"name": CANARY}),
    "unknown type": _json(type=CANARY, stream="customers"),
    "type in lower case": _json(type="record", stream="customers", record={"name": CANARY}),
    "type is no text": _json(type=["RECORD"], stream="customers", record={"name": CANARY}),
    "type is null": _json(type=None, name=CANARY),
    "no stream": _json(type="RECORD", record={"name": CANARY}),
    "stream is no text": _json(type="RECORD", stream=7, record={"name": CANARY}),
    "stream is null": _json(type="RECORD", stream=None, record={"name": CANARY}),
    "no record": _json(type="RECORD", stream="customers", name=CANARY),
    "record is an array": _json(type="RECORD", stream="customers", record=[CANARY]),
    "record is null": _json(type="RECORD", stream="customers", record=None, name=CANARY),
    "record is text": _json(type="RECORD", stream="customers", record=CANARY),
    "RECORD before SCHEMA": _json(type="RECORD", stream="companies", record={"name": CANARY}),
    "SCHEMA without stream": _json(type="SCHEMA", schema={"properties": {}}, key_properties=[]),
    "SCHEMA without schema": _json(type="SCHEMA", stream="companies", key_properties=[]),
    "schema is an array": _json(type="SCHEMA", stream="companies", schema=[], key_properties=[]),
    "schema without properties": _json(
        type="SCHEMA", stream="companies", schema={"type": "object"}, key_properties=[]
    ),
    "properties is an array": _json(
        type="SCHEMA", stream="companies", schema={"properties": ["id"]}, key_properties=[]
    ),
    "key_properties is text": _json(
        type="SCHEMA", stream="companies", schema={"properties": {"id": TEXT}}, key_properties="id"
    ),
    "key_properties holds a number": _json(
        type="SCHEMA", stream="companies", schema={"properties": {"id": TEXT}}, key_properties=[1]
    ),
    "key_properties is an object": _json(
        type="SCHEMA", stream="companies", schema={"properties": {"id": TEXT}}, key_properties={}
    ),
    "STATE without value": _json(type="STATE", name=CANARY),
    "deeply nested": b"[" * 100_000,
    "deeply nested record": b'{"type": "RECORD", "stream": "customers", "record": {"id": '
    + b'{"a":' * 100_000
    + b"1"
    + b"}" * 100_002,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_ends_the_run_with_its_number(kind: str, run: Runner) -> None:
    lines = to_lines([schema("customers", CUSTOMERS), state(3)])
    result = run(lines + BROKEN[kind] + b"\n" + AFTER)
    assert result.exit_code == 2, result.log
    assert "line 3" in result.error
    assert result.states == [3]
    assert "Canary" not in result.error + result.log


@pytest.mark.parametrize(
    "kind", ["not JSON", "invalid UTF-8", "unknown type", "RECORD before SCHEMA", "no record"]
)
def test_all_before_a_broken_line_is_settled_and_nothing_behind_it(
    kind: str, run: Runner, simulator: Simulator
) -> None:
    result = run(BEFORE + BROKEN[kind] + b"\n" + AFTER)
    assert result.exit_code == 2
    assert "line 6" in result.error
    assert result.counts() == {"created": 3}
    assert len(simulator.org.customers) == 3
    assert result.states == [3]


@pytest.mark.parametrize("cut", [1, 20, 60, 90])
def test_a_truncated_last_line_is_a_broken_one(cut: int, run: Runner, simulator: Simulator) -> None:
    line = _json(type="RECORD", stream="customers", record={"id": "x", "name": CANARY * 3})
    result = run(BEFORE + line[:cut])
    assert result.exit_code == 2
    assert "line 6" in result.error
    assert result.states == [3]
    assert len(simulator.org.customers) == 3
    assert "Canary" not in result.error + result.log


def test_a_last_line_without_its_end_counts(run: Runner) -> None:
    result = run((BEFORE + AFTER).removesuffix(b"\n"))
    assert (result.exit_code, result.states) == (0, [5])


def test_lines_may_end_as_on_windows(run: Runner, simulator: Simulator) -> None:
    result = run((BEFORE + AFTER).replace(b"\n", b"\r\n"))
    assert (result.exit_code, result.states[-1]) == (0, 5)
    assert len(simulator.org.customers) == 5


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 300_000])
def test_a_long_line_is_one_line(size: int, run: Runner, simulator: Simulator) -> None:
    padding = "x" * size
    streams = {"customers": {"fields": {"note": None}}}
    messages = [
        schema("customers", {**CUSTOMERS, "note": TEXT}),
        *customers(3, note=padding),
        state(3),
    ]
    result = run.process(messages, streams=streams)
    assert (result.exit_code, result.states) == (0, [3])
    assert len(simulator.org.customers) == 3


@pytest.mark.parametrize("depth", [50, 400, 700, 900])
def test_a_nested_value_never_is_a_bug(depth: int, run: Runner) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    line = b'{"type":"RECORD","stream":"customers","record":{"id":"n","name":"N","deep":%b}}\n'
    result = run(BEFORE + line % nested + AFTER)
    assert result.exit_code in {0, 2}, result.error
    assert result.states[-1] == (5 if result.exit_code == 0 else 3)


@pytest.mark.parametrize("odd", [CANARY, None, True, {"type": {"a": CANARY}}, {"type": 7}, [], {}])
def test_a_property_that_is_no_schema_never_is_a_bug(odd: Any, run: Runner) -> None:
    messages = to_lines([schema("companies", {"id": TEXT, "name": TEXT, "odd": odd})])
    result = run(BEFORE + messages + AFTER)
    assert result.exit_code in {0, 2}, result.error
    assert result.states[-1] == (5 if result.exit_code == 0 else 3)
    assert "Canary" not in result.error + result.log


def test_a_lone_surrogate_never_is_a_bug(run: Runner, simulator: Simulator) -> None:
    line = b'{"type":"RECORD","stream":"customers","record":{"id":"s","name":"a\\ud800b"}}\n'
    result = run(BEFORE + line + AFTER)
    assert result.exit_code in {0, 2, 3}, result.error
    assert len(simulator.org.customers) >= 3


def test_unknown_keys_of_a_message_are_no_fault(run: Runner) -> None:
    messages = [
        {**schema("customers", CUSTOMERS), "bookmark_properties": ["id"], "other": 1},
        {**customers(1)[0], "time_extracted": "2024-01-01T00:00:00Z", "version": 3},
        {**state(1), "other": None},
    ]
    assert run(messages).exit_code == 0


@pytest.mark.parametrize("keys", [None, []])
def test_a_stream_may_have_no_keys(keys: list[str] | None, run: Runner) -> None:
    assert run([schema("customers", CUSTOMERS, keys), *customers(2)]).exit_code == 0


def test_a_schema_may_lack_key_properties(run: Runner) -> None:
    message = schema("customers", CUSTOMERS)
    del message["key_properties"]
    assert run([message, *customers(2)]).exit_code == 0


def test_a_key_that_the_schema_lacks_is_no_bug(run: Runner) -> None:
    result = run([schema("customers", CUSTOMERS, ["nowhere"]), *customers(2), state(2)])
    assert result.exit_code in {0, 2}, result.error


def test_a_file_may_be_given_as_input(run: Runner, simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "input.singer"
    path.write_bytes(BEFORE + b"broken\n" + AFTER)
    done = subprocess.run(
        [*run.command(), "--input", str(path)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["at"] == 3
    assert b"line 6" in done.stderr.splitlines()[-1]
    assert len(simulator.org.customers) == 3


def test_a_process_ends_at_a_broken_line_while_stdin_stays_open(
    run: Runner, simulator: Simulator
) -> None:
    with run.start() as running:
        running.write(BEFORE + BROKEN["not JSON"] + b"\n")
        wait_until(lambda: running.ended)
        result = running.result()
    assert result.exit_code == 2
    assert "line 6" in result.error
    assert result.states == [3]
    assert len(simulator.org.customers) == 3
    assert "Canary" not in result.log


def test_a_bad_record_is_no_broken_line(run: Runner) -> None:
    messages = [schema("customers", CUSTOMERS), record("customers"), *customers(1), state(2)]
    result = run(messages)
    assert result.exit_code == 3
    assert result.counts() == {"created": 1, "rejected": 1}
