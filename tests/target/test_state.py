from __future__ import annotations

import io
import json
import os
import threading
import time
from contextlib import redirect_stdout
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from target_kustomer.exceptions import RejectsError
from target_kustomer.simulator import Simulator
from target_kustomer.target import TargetKustomer
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    INTEGER,
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
    from collections.abc import Callable
    from pathlib import Path


class Witness(io.StringIO):
    """A stdout that looks at the world at each STATE."""

    def __init__(self, look: Callable[[int], None]) -> None:
        super().__init__()
        self._look = look

    @override
    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self._look(json.loads(line)["at"])
        return super().write(text)


def _states(result: Any) -> list[Any]:
    return [json.loads(line, parse_float=Decimal) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("workers", [1, 8])
def test_a_state_never_goes_out_before_what_it_covers(workers: int, tmp_path: Path) -> None:
    count = 400
    messages: list[dict[str, Any]] = [schema("customers", CUSTOMERS)]
    for number, message in enumerate(customers(count)):
        if number % 10 == 4:
            message["record"]["age"] = "old"  # refused by the mapping
        messages += [message, *([state(number + 1)] if number % 7 == 6 else [])]
    with Simulator(job_seconds=0.02, job_jitter_seconds=0.2) as simulator:
        simulator.org.refuse_item_if(lambda item: item.get("externalId", "").endswith("9"))
        run = Runner(simulator, tmp_path)
        config = run.config(
            max_rejected_records=0, batch_size_rows=20, max_parallel_requests=workers
        )
        seen: list[int] = []

        def look(covered: int) -> None:
            seen.append(covered)
            lines = b"".join(path.read_bytes() for path in tmp_path.glob("*/rejects-*.singer"))
            rejected = {
                json.loads(line)["record"]["id"]
                for line in lines.splitlines()
                if line.startswith(b'{"type": "RECORD"')
            }
            loaded = {each.attributes["externalId"] for each in simulator.org.customers}
            assert {f"c{number}" for number in range(covered)} <= rejected | loaded

        out = Witness(look)
        with redirect_stdout(out), pytest.raises(RejectsError):
            TargetKustomer(config=config).listen(io.BytesIO(to_lines(messages)))  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert len(seen) > 1
    assert seen[-1] == count - count % 7


def test_a_state_goes_out_while_the_source_is_silent(run: Runner, simulator: Simulator) -> None:
    with run.start(batch_size_rows=3) as running:
        running.write([schema("customers", CUSTOMERS), *customers(3), state(3)])
        wait_until(lambda: running.stdout)
        assert len(simulator.org.customers) == 3
        assert json.loads(running.stdout)["at"] == 3
        assert not running.ended
        running.write([*customers(2, first=3), state(5)])
        running.close_stdin()
        result = running.result()
    assert result.exit_code == 0
    assert result.states == [3, 5]


def test_a_trickle_of_states_holds_no_record_back(tmp_path: Path) -> None:
    read, write = os.pipe()
    with Simulator(clock=fast_time) as simulator:
        loaded = threading.Event()

        def trickle() -> None:
            deadline = time.monotonic() + 30
            with os.fdopen(write, "wb", buffering=0) as stdin:
                stdin.write(to_lines([schema("customers", CUSTOMERS), *customers(1)]))
                while not simulator.org.customers and time.monotonic() < deadline:
                    stdin.write(to_lines([state("again")]))
                    time.sleep(0.01)
                if simulator.org.customers:
                    loaded.set()

        feeder = threading.Thread(target=trickle)
        feeder.start()
        config = Runner(simulator, tmp_path).config()
        with os.fdopen(read, "rb") as stdin, redirect_stdout(io.StringIO()):
            FastTarget(config=config).listen(stdin)  # type: ignore[arg-type]
        feeder.join()
    assert loaded.is_set()


def test_a_state_waits_for_the_slowest_job_before_it(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("stuck_job", path_pattern="companies/bulk")
    with run.start(shutdown_grace_seconds=0, batch_size_rows=1) as running:
        running.write(
            [
                schema("companies", COMPANIES),
                schema("customers", CUSTOMERS),
                record("companies", id="a", name="Firm"),
                *customers(1),
                state(1),
            ]
        )
        wait_until(lambda: simulator.org.customers)
        running.process.terminate()
        result = running.result()
    assert result.exit_code == 143
    assert result.stdout == ""


def test_the_last_line_of_stdout_is_the_last_state(run: Runner) -> None:
    messages: list[dict[str, Any]] = [schema("customers", CUSTOMERS)]
    for number in range(0, 250, 50):
        messages += [*customers(50, first=number), state(number)]
    messages += customers(3, first=1000)
    result = run(messages)
    assert result.states[-1] == 200
    assert result.states == sorted(set(result.states))


def test_a_state_covers_all_streams_before_it(run: Runner, simulator: Simulator) -> None:
    messages = [
        schema("companies", COMPANIES),
        schema("customers", CUSTOMERS),
        record("companies", id="a", name="Firm A"),
        *customers(1),
        record("companies", id="b", name="Firm B"),
        state(1),
    ]
    result = run(messages)
    assert result.states == [1]
    assert len(simulator.org.companies) == 2


@pytest.mark.parametrize(
    "messages",
    [
        [state(1)],
        [schema("customers", CUSTOMERS), state(1)],
        [state(0), schema("customers", CUSTOMERS), state(1)],
        [schema("customers", CUSTOMERS), *customers(2), state(0), state(1)],
        [state(1), state(1)],
        [schema("customers", CUSTOMERS), state(1), *customers(2), state(1)],
    ],
)
def test_the_last_state_is_the_last_that_came(messages: list[dict[str, Any]], run: Runner) -> None:
    result = run(messages)
    assert result.exit_code == 0
    assert result.states[-1] == 1


def test_a_state_that_goes_back_goes_out_too(run: Runner) -> None:
    messages = [schema("customers", CUSTOMERS)]
    for number, value in enumerate((1, 2, 1)):
        messages += [*customers(100, first=number * 100), state(value)]
    assert run(messages).states[-1] == 1


@pytest.mark.parametrize("value", [None, {}])
def test_a_state_of_nothing_ends_nothing(value: Any, run: Runner) -> None:
    empty = {"type": "STATE", "value": value}
    result = run([schema("customers", CUSTOMERS), *customers(2), state(2), empty])
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[0]) == {"at": 2}
    assert run([empty]).exit_code == 0


def test_a_run_without_a_state_writes_none(run: Runner, simulator: Simulator) -> None:
    result = run([schema("customers", CUSTOMERS), *customers(2)])
    assert result.stdout == ""
    assert len(simulator.org.customers) == 2


def test_an_empty_stdin_is_a_run(run: Runner) -> None:
    result = run(b"")
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_value_of_a_state_comes_out_as_it_went_in(run: Runner) -> None:
    text = (
        '{"a": 1.50, "b": "\u00e9\\u2028\\n", "c": [null, true, {}], "d": 12345678901234567890,'
        ' "e": 1e-7, "f": 0.1, "bookmarks": {"x-y": {"replication_key_value": "2024-01-01"}}}'
    )
    result = run(f'{{"type": "STATE", "value": {text}}}\n'.encode())
    assert _states(result) == [json.loads(text, parse_float=Decimal)]


def test_nothing_but_states_is_on_stdout(run: Runner, simulator: Simulator) -> None:
    simulator.org.refuse_item_if(lambda item: item.get("externalId") == "c1")
    messages = [
        schema("customers", {**CUSTOMERS, "Odd One": TEXT, "password": TEXT}),
        *customers(3, password="x"),
        record("customers", id="bad", age="old", surprise=1),
        state(4),
    ]
    env = {"LOGLEVEL": "DEBUG"}
    result = run.process(messages, env, max_rejected_records=-1, no_such_setting=1)
    assert result.exit_code == 0, result.log
    assert [json.loads(line) for line in result.stdout.splitlines()] == [{"at": 4}]


# Messages beside RECORD and STATE


def test_a_schema_that_changes_keeps_the_order(run: Runner, simulator: Simulator) -> None:
    more = {**CUSTOMERS, "note": TEXT}
    messages = [
        schema("customers", CUSTOMERS),
        record("customers", id="1", name="first"),
        schema("customers", more),
        record("customers", id="1", name="second", note="a"),
        schema("customers", CUSTOMERS),
        record("customers", id="1", name="third"),
        schema("customers", more),
        record("customers", id="1", name="last", note="z"),
        state(4),
    ]
    result = run(messages)
    stored = simulator.org.customer(external_id="1")
    assert stored is not None
    assert stored.attributes["name"] == "last"
    assert stored.attributes["custom"] == {"noteStr": "z"}
    assert result.summaries["customers"]["read"] == 4
    assert result.states == [4]


def test_a_schema_that_comes_again_changes_nothing(run: Runner) -> None:
    again = schema("customers", CUSTOMERS)
    messages = [again, *customers(2), again, *customers(2, first=2), again, state(4)]
    result = run(messages)
    assert result.counts() == {"created": 4}
    assert len([line for line in result.log.splitlines() if line.startswith("summary ")]) == 1


def test_a_schema_may_change_its_keys(run: Runner, simulator: Simulator) -> None:
    columns = {"id": TEXT, "code": TEXT, "name": TEXT}
    messages = [
        schema("customers", columns),
        record("customers", id="1", code="x", name="Ann"),
        schema("customers", columns, keys=["code"]),
        record("customers", id="2", code="y", name="Bob"),
    ]
    assert run(messages).exit_code == 0
    assert {each.attributes["externalId"] for each in simulator.org.customers} == {"1", "y"}


@pytest.mark.parametrize("place", range(3))
def test_activate_version_has_no_effect(place: int, run: Runner) -> None:
    messages = [schema("customers", CUSTOMERS), *customers(2), state(2)]
    messages.insert(place, {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 7})
    result = run(messages)
    assert (result.exit_code, result.counts(), result.states) == (0, {"created": 2}, [2])


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("settings", [{}, {"add_record_metadata": True}])
def test_a_deleted_record_is_skipped(
    declared: bool,  # noqa: FBT001
    settings: dict[str, Any],
    run: Runner,
    simulator: Simulator,
) -> None:
    columns = {**CUSTOMERS, **({"_sdc_deleted_at": TEXT} if declared else {})}
    messages = [
        schema("customers", columns),
        record("customers", id="1", name="Ann", _sdc_deleted_at="2024-05-01T00:00:00Z"),
        record("customers", id="2", name="Bob", _sdc_deleted_at=None),
        record("customers", id=None, name=None, age="x", _sdc_deleted_at="2024-05-01"),
        state(3),
    ]
    result = run(messages, **settings)
    assert result.counts() == {"created": 1, "skipped": 2}
    [stored] = simulator.org.customers
    assert stored.attributes["externalId"] == "2"
    assert not stored.attributes.get("custom")


def test_a_deleted_record_is_skipped_behind_stream_maps_too(run: Runner) -> None:
    messages = [
        schema("people", CUSTOMERS),
        record("people", id="1", name="Ann", _sdc_deleted_at="2024-05-01T00:00:00Z"),
        state(1),
    ]
    maps = {"people": {"__alias__": "customers", "__else__": None, "id": "id", "name": "name"}}
    assert run(messages, stream_maps=maps).counts() == {"skipped": 1}


def test_columns_of_the_sdk_are_never_sent(run: Runner, simulator: Simulator) -> None:
    columns = {**CUSTOMERS, "_sdc_batched_at": TEXT, "_sdc_sequence": INTEGER}
    messages = [
        schema("customers", columns),
        *customers(1, _sdc_batched_at="2024-05-01", _sdc_sequence=3, _sdc_other="x"),
    ]
    for settings in ({}, {"add_record_metadata": True}):
        assert run(messages, **settings).exit_code == 0
    [stored] = simulator.org.customers
    assert set(stored.attributes["custom"]) == {"ageNum"}


def test_a_batch_message_ends_the_run_and_names_the_taps_setting(run: Runner) -> None:
    batch = {
        "type": "BATCH",
        "stream": "customers",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": ["file:///nowhere.jsonl.gz"],
    }
    messages = [schema("customers", CUSTOMERS), *customers(2), state(2), batch, state(3)]
    result = run(messages)
    assert result.exit_code == 2
    assert "batch_config" in result.error
    assert "customers" in result.error
    assert result.counts() == {"created": 2}
    assert result.states == [2]
