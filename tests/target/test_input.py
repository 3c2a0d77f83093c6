from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_kustomer.exceptions import InputError
from target_kustomer.reader import InterruptibleReader
from tests.docs.pages import ROOT
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

BEFORE = to_lines([schema("customers", CUSTOMERS), *customers(3), state(3)])
AFTER = to_lines([*customers(2, first=10), state(5)])


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
        running.write(BEFORE + b"broken\n")
        wait_until(lambda: running.ended)
        result = running.result()
    assert result.exit_code == 2
    assert "line 6" in result.error
    assert result.states == [3]
    assert len(simulator.org.customers) == 3


def test_a_bad_record_is_no_broken_line(run: Runner) -> None:
    messages = [schema("customers", CUSTOMERS), record("customers"), *customers(1), state(2)]
    result = run(messages)
    assert result.exit_code == 3
    assert result.counts() == {"created": 1, "rejected": 1}


# What is read fast is read as Python's own parser reads it.

SCALARS = [
    *("null", "true", "0", "-0", "7", "-9223372036854775809", "18446744073709551616", "9" * 400),
    *("1.0", "1.10", "-0.0", "0.1000000000000000055511151231257827", "1e5", "1E+2", "1e999"),
    *("0e999999999", "1e-999999999", "0.3333333333333333", "1e99999999999999999999", "9" * 5_000),
    *("NaN", "-Infinity", "01", "+1", ".5", "5.", "1e", "'a'", "nul", ""),
    *(
        '"a"',
        '"\u00e9\u20ac\U0001f600"',
        '"\\u00e9"',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\udfffa"',
    ),
    *('"\\u0000"', '"\x7f"', '"\x00"', '"\t"', '"\\t\\/\\""', '"\\x"', '"\\u12"', '"', '"\ud800"'),
]
KEYS = ['"a"', '"b"', '"\\u0061"', '"\\ud800"', '""', "a", "1", '"\u00e9"']
BLANKS = ["", "", "", " ", "\r", "\t", "\v", "\u00a0", "\ufeff"]


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.builds("{}:{}".format, st.sampled_from(KEYS), inner)
    return st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]") | st.lists(
        pairs, max_size=4
    ).map(lambda parts: f"{{{','.join(parts)}}}")


TEXTS = st.recursive(st.sampled_from(SCALARS), _nested, max_leaves=8)


@settings(deadline=None, database=None, derandomize=True, max_examples=2_000)
@given(TEXTS, st.sampled_from(BLANKS), st.sampled_from(BLANKS), st.binary(max_size=1))
def test_every_message_is_read_as_python_reads_it(
    text: str, before: str, after: str, rest: bytes
) -> None:
    message = f'{before}{{"value":{text}}}{after}'
    line = message.encode("utf-8", "surrogatepass") + rest
    assert _read(line) == _read_by_python(line)


@pytest.mark.parametrize("number", ["0.1", "1.10", "123456789.123456789012345678", "1E+2"])
def test_a_fraction_keeps_the_digits_of_its_source(number: str) -> None:
    message = InterruptibleReader().deserialize_json(b'{"value": %b}' % number.encode())
    assert str(message["value"]) == number


def _read(line: bytes) -> str:
    try:
        return repr(InterruptibleReader().deserialize_json(line))
    except InputError as error:
        return str(error)


def _read_by_python(line: bytes) -> str:
    broken = "line 0: broken Singer message: it is not {}: mend the tap; the last STATE is safe"
    try:
        return repr(_with_decimals(line.decode()))
    except UnicodeDecodeError:
        return broken.format("UTF-8")
    except json.JSONDecodeError:
        return broken.format("JSON")


def _with_decimals(text: str) -> Any:
    """The JSON value; numbers that Python does not read by itself are Decimal, or infinite."""

    def huge(number: str) -> Decimal | float:
        try:
            return Decimal(number)
        except InvalidOperation:
            return float("inf")

    try:
        return json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError:
        raise
    except (ValueError, InvalidOperation):
        return json.loads(text, parse_float=huge, parse_int=huge)


def test_a_stdin_that_is_a_terminal_is_told_of(simulator: Simulator, tmp_path: Path) -> None:
    """Who forgets the tap would wait for ever, and not know for what."""
    config = {"api_url": simulator.url, "api_key": simulator.api_key}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    master, terminal = os.openpty()
    os.write(master, b"\x04")  # Ctrl-D
    done = subprocess.run(
        [sys.executable, "-m", "target_kustomer", "--config=config.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=terminal,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    os.close(master)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert "stdin is a terminal: pipe a tap into this command, or end with Ctrl-D" in done.stderr
