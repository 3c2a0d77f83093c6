"""Whatever comes on stdin: what came before the damage counts, and nothing of it is told."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_kustomer.simulator import Simulator
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import INTEGER, TEXT, Runner, record, schema, state, to_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Result

CANARY = "canary"
"""In every text of every record, in its digits where a text is a phone number."""

DIGITS = "44668180"

COLUMNS: dict[str, Any] = {
    "id": TEXT,
    "name": TEXT,
    "email": TEXT,
    "phone": TEXT,
    "company_id": TEXT,
    "age": INTEGER,
    "score": {"type": ["null", "number"]},
    "vip": {"type": ["null", "boolean"]},
    "joined": {"type": ["null", "string"], "format": "date-time"},
    "website": {"type": ["null", "string"], "format": "uri"},
    "city": TEXT,
    "latitude": {"type": ["null", "number"]},
    "note": {},
    "tags": {"type": ["null", "array"], "items": {"type": "string"}},
    "urls": {"type": ["null", "array"], "items": {"type": "object"}},
    "extra": {"type": ["null", "object"], "properties": {"inner": TEXT}},
}
"""A column of each kind."""

STREAMS = {"customers": {"fields": {"extra": "extraTxt", "extra.inner": "innerStr"}}}


def _customer(number: int, **columns: Any) -> dict[str, Any]:
    person = {
        "id": f"{CANARY}-{number}",
        "name": f"Zaphod {CANARY.title()} {number}",
        "email": f"{CANARY}{number}@example.com",
        "phone": f"+41{DIGITS}{number % 10}",
        "company_id": f"{CANARY}-firm",
        "age": 42,
        "tags": [f"{CANARY}-tag"],
        "extra": {"inner": f"a {CANARY}'s note"},
    }
    return record("customers", **{**person, **columns})


STREAM = to_lines(
    [
        schema("companies", {"id": TEXT, "name": TEXT}),
        schema("customers", COLUMNS),
        record("companies", id=f"{CANARY}-firm", name=f"{CANARY.title()} & Sons"),
        state(1),
        _customer(1),
        _customer(2),
        state(3),
        _customer(3),
        _customer(4),
        state(5),
        _customer(5),
        state(6),
    ]
)
"""A good stream, which is damaged in each test."""

DAMAGED = 8
"""The line before which a line is put in: two records and a STATE are behind it in any case."""


class World:
    """A Kustomer that is empty at each run, and what each run must hold to."""

    def __init__(self, simulator: Simulator, run: Runner) -> None:
        self.simulator = simulator
        self.run = run

    def hold(
        self,
        stream: bytes,
        damaged: int,
        start: Callable[..., Result] | None = None,
        **settings: Any,
    ) -> Result:
        """Run a stream, and check what came of it.

        Args:
            stream: Bytes on stdin.
            damaged: The number of the first line that is not as in the good stream.
            start: Runs it, if not in this process.
            settings: Of the run.
        """
        self.simulator.reset()
        with _apart_from_reports():
            result = (start or self.run)(stream, streams=STREAMS, **settings)
        assert result.exit_code in {0, 2, 3}, result.error
        assert len(result.error.splitlines()) == bool(result.exit_code), result.error
        assert "Traceback" not in result.log
        for told in (result.log, result.error, result.stdout):
            assert CANARY not in told.lower()
            assert DIGITS not in told
        lines = stream.split(b"\n")
        rejected = _records(result.rejects_bytes.split(b"\n"))
        self._check_settled(result, lines, damaged, rejected)
        if rejected:
            self._check_rejects(result.rejects_bytes, len(rejected))
        return result

    def _check_settled(
        self, result: Result, lines: list[bytes], damaged: int, rejected: list[dict[str, Any]]
    ) -> None:
        """All before the end counts, nothing behind it was sent, and STATE says so."""
        end = _end(result, damaged, lines)
        whole = _ids(lines[: damaged - 1])
        assert whole <= self._there() | {str(each["record"].get("id")) for each in rejected}
        assert self._there().isdisjoint(_ids(lines[end:]) - whole)
        counts = [result.counts(stream) for stream in result.summaries]
        assert sum(sum(each.values()) for each in counts) == len(_records(lines[: end - 1]))
        states = [line for line in lines[: end - 1] if _read(line).get("type") == "STATE"]
        told = [json.loads(line) for line in result.stdout.splitlines()]
        assert bool(told) == bool(states)
        if states and states[-1] in STREAM.split(b"\n"):
            assert told[-1] == json.loads(states[-1])["value"]

    def _there(self) -> set[str]:
        org = self.simulator.org
        return {each.attributes.get("externalId", "") for each in [*org.customers, *org.companies]}

    def _check_rejects(self, rejects: bytes, records: int) -> None:
        """A Singer stream with one JSON object a line, for readers of any kind; it replays."""
        assert rejects.endswith(b"\n")
        assert b"\r" not in rejects
        known = set()
        for line in rejects.removesuffix(b"\n").split(b"\n"):
            message = _read(line)
            assert message["type"] in {"SCHEMA", "RECORD"}
            known |= {message["stream"]} if message["type"] == "SCHEMA" else set()
            assert message["stream"] in known
        with _apart_from_reports():
            replay = self.run(rejects, streams=STREAMS)
        assert replay.exit_code in {0, 3}, replay.error
        assert sum(each["read"] for each in replay.summaries.values()) == records


@contextmanager
def _apart_from_reports() -> Iterator[None]:
    """Keep logs out of pytest's reports: half a character in a name cannot be sent to them."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = handlers


def _end(result: Result, damaged: int, lines: list[bytes]) -> int:
    """The line that ended the reading, or the one behind the last."""
    if result.exit_code != 2:
        return len(lines) + 1
    found = re.match(r"line (\d+): ", result.error)
    end = int(found[1]) if found else damaged
    assert end >= damaged, result.error
    return end


def _read(line: bytes) -> dict[str, Any]:
    """The message, with numbers as they are written; empty if it is none."""
    try:
        message = json.loads(line, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _records(lines: list[bytes]) -> list[dict[str, Any]]:
    return [each for each in map(_read, lines) if each.get("type") == "RECORD"]


def _ids(lines: list[bytes]) -> set[str]:
    """The ids of the records that stand in the good stream just so."""
    whole = set(lines) & set(STREAM.split(b"\n"))
    return {each["record"]["id"] for each in _records(list(whole))}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Simulator(clock=fast_time) as simulator:
        yield World(simulator, Runner(simulator, tmp_path_factory.mktemp("runs"), FastTarget))


# Lines that are no Singer message


def _json(**message: Any) -> bytes:
    return json.dumps(message).encode()


def _nested(levels: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    return opening * levels + b"1" + closing * levels


def _record_with(column: str, value: bytes, number: int = 6) -> bytes:
    """A RECORD with a value as it is written, which no encoder would write."""
    return json.dumps(_customer(number, **{column: "@"})).encode().replace(b'"@"', value)


PERSON = {"name": f"Zaphod {CANARY.title()}", "phone": f"+41{DIGITS}0"}
WHOLE = json.dumps(_customer(6)).encode()

BROKEN: dict[str, bytes] = {
    "not JSON": WHOLE.replace(b":", b"=", 1),
    "cut": WHOLE[:-40],
    "cut within a name": WHOLE[: WHOLE.index(b'"email') + 3],
    "plain text": CANARY.encode(),
    "single quotes": str(PERSON).encode(),
    "two objects": WHOLE + WHOLE,
    "two objects and a blank": WHOLE + b" " + _json(type="STATE", value={"at": 9}),
    "something behind it": WHOLE + b",",
    "array": json.dumps([CANARY]).encode(),
    "string": json.dumps(CANARY).encode(),
    "number": b"17",
    "huge number": b"9" * 5_000,
    "not a number": b"NaN",
    "null": b"null",
    "blank": b"",
    "blanks": b"   ",
    "carriage return": b"\r",
    "byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "invalid UTF-8": WHOLE.replace(b"Zaphod", b"Zaphod\xff"),
    "overlong UTF-8": WHOLE.replace(b"Zaphod", b"Zaphod\xc0\xaf"),
    "surrogate in UTF-8": WHOLE.replace(b"Zaphod", b"\xed\xa0\x80"),
    "latin-1": WHOLE.replace(b"Zaphod", "Zaph\u00f6d".encode("latin-1")),
    "zero byte": WHOLE.replace(b"Zaphod", b"Zaphod\x00"),
    "zero bytes": b"\x00" * 1_000,
    "tab in a text": WHOLE.replace(b"Zaphod", b"Zaphod\t"),
    "half an escape": WHOLE.replace(b"Zaphod", b"Zaphod\\u00"),
    "comma at the end": WHOLE.replace(b"}}", b"},}"),
    "comment": WHOLE + b" // " + CANARY.encode(),
    "ten megabytes": WHOLE[:-2] + b"x" * 10_000_000,
    "arrays": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "nested": _nested(100_000),
    "nested in a record": _record_with("extra", _nested(100_000)),
    "nested arrays in a record": _record_with("tags", _nested(100_000, b"[", b"]")),
    "nested a little too deep": _record_with("extra", _nested(199)),
    "nested STATE": b'{"type": "STATE", "value": %b}' % _nested(1_000),
    "nested SCHEMA": b'{"type": "SCHEMA", "stream": "customers", "schema": {"properties": %b}}'
    % _nested(1_000, b'{"anyOf":[', b"]}"),
    "no type": _json(stream="customers", record=PERSON),
    "unknown type": _json(type=CANARY, stream="customers", record=PERSON),
    "type in lower case": _json(type="record", stream="customers", record=PERSON),
    "type is no text": _json(type=["RECORD"], stream="customers", record=PERSON),
    "type is null": _json(type=None, **PERSON),
    "no stream": _json(type="RECORD", record=PERSON),
    "stream is no text": _json(type="RECORD", stream=7, record=PERSON),
    "stream is null": _json(type="RECORD", stream=None, record=PERSON),
    "no record": _json(type="RECORD", stream="customers", **PERSON),
    "record is an array": _json(type="RECORD", stream="customers", record=[CANARY]),
    "record is null": _json(type="RECORD", stream="customers", record=None, **PERSON),
    "record is text": _json(type="RECORD", stream="customers", record=CANARY),
    "RECORD before SCHEMA": _json(type="RECORD", stream=CANARY, record=PERSON),
    "RECORD without a stream's name": _json(type="RECORD", stream="", record=PERSON),
    "SCHEMA without stream": _json(type="SCHEMA", schema={"properties": {}}),
    "SCHEMA without schema": _json(type="SCHEMA", stream="customers"),
    "schema is an array": _json(type="SCHEMA", stream="customers", schema=[]),
    "schema without properties": _json(type="SCHEMA", stream="customers", schema={}),
    "properties is an array": _json(
        type="SCHEMA", stream="customers", schema={"properties": ["id"]}
    ),
    **{
        f"key_properties is {keys}": _json(
            type="SCHEMA", stream="customers", schema={"properties": COLUMNS}, key_properties=keys
        )
        for keys in ("id", [1], [None], {}, {"id": 1}, 7, True)
    },
    "STATE without value": _json(type="STATE", **PERSON),
    "ACTIVATE_VERSION without stream": _json(type="ACTIVATE_VERSION", version=1),
    "BATCH without stream": _json(type="BATCH", **PERSON),
}


def _with_line(*lines: bytes) -> bytes:
    """The good stream with lines put in."""
    around = STREAM.split(b"\n")
    return b"\n".join([*around[: DAMAGED - 1], *lines, *around[DAMAGED - 1 :]])


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_line_ends_the_run_with_its_number(kind: str, world: World) -> None:
    result = world.hold(_with_line(BROKEN[kind]), DAMAGED)
    assert result.exit_code == 2
    assert result.error.startswith(f"line {DAMAGED}: ")
    assert result.states == [1, 3][-len(result.states) :]


@pytest.mark.parametrize(
    "kind", ["invalid UTF-8", "zero byte", "ten megabytes", "nested", "RECORD before SCHEMA"]
)
def test_a_broken_line_ends_a_process_with_its_number(kind: str, world: World) -> None:
    result = world.hold(_with_line(BROKEN[kind]), DAMAGED, world.run.process)
    assert result.exit_code == 2
    assert f" line {DAMAGED}: " in result.error


@pytest.mark.parametrize("stream", ["customers", CANARY])
def test_a_batch_message_ends_the_run(stream: str, world: World) -> None:
    line = _json(type="BATCH", stream=stream, manifest=[f"file:///{CANARY}"], encoding=PERSON)
    result = world.hold(_with_line(line), DAMAGED)
    assert result.exit_code == 2
    assert "batch_config" in result.error


@pytest.mark.parametrize("cut", [1, 2, 40, 150])
@pytest.mark.parametrize("line", range(1, 13))
def test_a_stream_may_end_within_any_line(line: int, cut: int, world: World) -> None:
    lines = STREAM.split(b"\n")[:line]
    result = world.hold(b"\n".join([*lines[:-1], lines[-1][:-cut]]), line)
    assert result.exit_code == 2 or not lines[-1][:-cut]


# Messages that are odd and yet no fault

ANYTHING: list[Any] = [None, True, 7, 1e999, "text", [], [7], [[]], [{}], {}, {"a": 7}]
"""What may stand where something else is expected."""

ODD: dict[str, bytes] = {
    "ACTIVATE_VERSION": _json(type="ACTIVATE_VERSION", stream="customers", version=7),
    "ACTIVATE_VERSION of no stream": _json(type="ACTIVATE_VERSION", stream="nowhere", version=7),
    "ACTIVATE_VERSION without version": _json(type="ACTIVATE_VERSION", stream="customers"),
    **{f"STATE is {value!r}": _json(type="STATE", value=value) for value in ANYTHING},
    "STATE with half a character": _json(type="STATE", value={"\ud800": "\udfff"}),
    "STATE with a huge number": b'{"type": "STATE", "value": {"at": %b}}' % (b"9" * 5_000),
    "STATE with a huge exponent": b'{"type": "STATE", "value": {"at": 1e99999999999999999999}}',
    "STATE that is nested": b'{"type": "STATE", "value": %b}' % _nested(190),
    "SCHEMA again": STREAM.split(b"\n")[1],
    "keys twice": b'{"type": "BATCH", "value": 0, "type": "STATE", "value": {"at": 4}}',
    "keys twice in a record": WHOLE.replace(b'"id":', b'"name": null, "id": 7, "id":'),
    "record twice": WHOLE.replace(b'"record":', b'"record": [], "record":'),
    "blanks between": WHOLE.replace(b": ", b" :\t\r "),
    "carriage return at the end": WHOLE + b"\r",
    "other members": WHOLE[:-1] + b', "version": [], "rejection": {"a": 1}, "\\ud800": NaN}',
    **{
        f"time_extracted is {value!r}": _json(**_customer(6), time_extracted=value)
        for value in [*ANYTHING, CANARY, "2024-02-30"]
    },
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("settings", [{}, {"add_record_metadata": True}])
def test_an_odd_message_ends_nothing(kind: str, settings: dict[str, Any], world: World) -> None:
    result = world.hold(_with_line(ODD[kind]), DAMAGED, **settings)
    assert result.exit_code == 0


# Values that no source should send

VALUES: dict[str, bytes] = {
    "true": b"true",
    "array": b"[]",
    "arrays": b"[[[]]]",
    "array of null": b"[null]",
    "carriage returns": b"\r[\r{\r}\r]\r",
    "object": b"{}",
    "objects": b'{"": {"": null}}',
    "objects in an array": b'[{"url": {"a": 1}}, {}, {"url": 1e999}, {"\\ud800": "\\ud800"}]',
    "negative zero": b"-0",
    "a huge zero": b"0e999999999",
    "a tiny zero": b"0e-999999999",
    "too large a number": b"1e999",
    "too small a number": b"1e-999",
    "far too large a number": b"-1e999999999",
    "far too small a number": b"1e-999999999",
    "no number that can be held": b"1e99999999999999999999",
    "no small number that can be held": b"-1e-99999999999999999999",
    "400 digits": b"9" * 400,
    "4300 digits": b"9" * 4_300,
    "5000 digits": b"-" + b"9" * 5_000,
    "5000 digits and a fraction": b"9" * 5_000 + b".5",
    "5000 digits deep inside": b'{"inner": [{"a": %b}]}' % (b"9" * 5_000),
    "not a number": b"NaN",
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "not a number deep inside": b'{"inner": [NaN, {"a": Infinity}]}',
    "half a character": b'"a\\ud800b"',
    "the other half": b'"\\udfff"',
    "half a character deep inside": b'{"inner": "\\ud800", "\\ud800": ["\\ud800"]}',
    "zero character": b'"a\\u0000b"',
    "control characters": b'"\\r\\n\\u0085\\u2028\\u001b[31m\\u202e"',
    "a whole character by halves": b'"\\ud83d\\ude00"',
    "more than a request may hold": b'"%b"' % (b"x" * 1_100_000),
    "nested": _nested(190),
    "nested arrays": _nested(190, b"[", b"]"),
    "keys twice": b'{"inner": 1, "inner": [2], "inner": "3"}',
    "a prototype": b'{"__proto__": {"a": 1}, "constructor": null}',
    "JSON": json.dumps(WHOLE.decode()).encode(),
    "a line": json.dumps(f"\n{WHOLE.decode()}\n").encode(),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_hostile_value_costs_its_record_at_most(kind: str, world: World) -> None:
    records = [
        _record_with(column, VALUES[kind], 10 + number) for number, column in enumerate(COLUMNS)
    ]
    result = world.hold(_with_line(*records), DAMAGED)
    assert result.exit_code in {0, 3}
    assert result.states[-1] == 6


NAMES = [
    "",
    " ",
    "\0",
    "\ud800",
    "x" * 10_000,
    "__proto__",
    "\"'`",
    "a.b",
    "a\nb\rc\u2028d",
    "\x1b[31m",
    "%s {0} {id} ${id}",
    "$ref",
    "record",
    "self",
    "_sdc_x",
    "7",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_column_of_a_record_is_left_out(name: str, world: World) -> None:
    result = world.hold(_with_line(_json(**_customer(6, **{name: CANARY}))), DAMAGED)
    assert result.exit_code == 0


# SCHEMAs


def _schema_with(**columns: Any) -> bytes:
    return json.dumps(schema("customers", {**COLUMNS, **columns})).encode()


def _hold_schema(line: bytes, world: World) -> Result:
    result = world.hold(_with_line(line), DAMAGED)
    assert result.exit_code in {0, 2}
    assert result.exit_code == 0 or "customers" in result.error
    return result


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
def test_a_column_that_is_no_schema_never_is_a_bug(value: Any, world: World) -> None:
    assert _hold_schema(_schema_with(odd=value, extra={}, tags=value), world).exit_code == 0
    _hold_schema(_schema_with(extra=value), world)


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
@pytest.mark.parametrize(
    "keyword",
    ["type", "format", "anyOf", "oneOf", "allOf", "items", "properties", "additionalProperties"],
)
def test_a_keyword_of_a_wrong_type_never_is_a_bug(keyword: str, value: Any, world: World) -> None:
    odd = {keyword: value}
    _hold_schema(
        _schema_with(odd=odd, tags={"type": "array", **odd}, extra={"type": "object", **odd}), world
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"type": ["null", "bigint", 7, None, [], {}]},
        {"type": []},
        {"$ref": "#/properties/odd"},
        {"$ref": "file:///etc/passwd"},
        {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "null"}]},
        {"enum": [CANARY], "const": CANARY, "default": CANARY, "examples": [CANARY]},
        {"pattern": "(", "minLength": -1, "description": CANARY, "title": CANARY},
    ],
    ids=repr,
)
def test_a_schema_that_says_little_is_taken(odd: dict[str, Any], world: World) -> None:
    assert _hold_schema(_schema_with(odd=odd), world).exit_code == 0


def test_a_schema_of_many_levels_is_taken(world: World) -> None:
    line = _schema_with(odd="@").replace(b'"@"', _nested(90, b'{"anyOf": [', b"]}"))
    assert _hold_schema(line, world).exit_code == 0


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_name_never_is_a_bug(name: str, world: World) -> None:
    _hold_schema(_schema_with(**{name: TEXT}), world)
    _hold_schema(_schema_with(**{name: TEXT, f"{name}-{name}": TEXT}), world)
    keyed = json.dumps(schema("customers", COLUMNS, [name])).encode()
    _hold_schema(keyed, world)
    elsewhere = json.dumps(schema(name, COLUMNS)).encode()
    assert world.hold(_with_line(elsewhere), DAMAGED).exit_code == 2


# Anything at all

unhurried = settings(deadline=None, database=None, derandomize=True)

FRAGMENTS = [
    *(bytes([each]) for each in b'\n\r\t\0 "\\{}[],:-0'),
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"NaN",
    b"1e999",
    b"9" * 5_000,
    b"[" * 1_000,
    b'{"a":' * 300,
    b"\n\n",
    b"\n{}\n",
    *(b"\n%b\n" % STREAM.split(b"\n")[each] for each in (0, 1, 3)),
]
"""What gets into a stream; of the good one its names alone, since names are told."""


@st.composite
def damaged_streams(draw: st.DrawFn) -> tuple[bytes, int]:
    """A stream with one damage, and the number of the line at which it is."""
    at = draw(st.integers(0, len(STREAM) - 1))
    until = min(at + draw(st.integers(1, 300)), len(STREAM))
    fragment = draw(st.sampled_from(FRAGMENTS) | st.binary(min_size=1, max_size=4))
    flipped = bytes([STREAM[at] ^ draw(st.integers(1, 255))])
    stream, at = draw(
        st.sampled_from(
            [
                (STREAM[:at], at),
                (STREAM[:at] + STREAM[until:], at),
                (STREAM[:at] + STREAM[STREAM.index(b"\n", at) :], at),
                (STREAM[:at] + flipped + STREAM[at + 1 :], at),
                (STREAM[:at] + fragment + STREAM[at:], at),
                (STREAM[:at] + fragment + STREAM[until:], at),
                (STREAM[:until] + STREAM[at:], until),
            ]
        )
    )
    return stream, STREAM.count(b"\n", 0, at) + 1


@settings(unhurried, max_examples=400)
@given(damaged_streams())
def test_any_damage_leaves_what_came_before_it(world: World, damaged: tuple[bytes, int]) -> None:
    world.hold(*damaged)


TEXTS = st.text(st.characters(categories=["L", "N", "P", "Z", "C"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(unhurried, max_examples=100)
@given(st.lists(st.dictionaries(st.sampled_from(list(COLUMNS)), JSON, min_size=1), min_size=1))
def test_any_value_costs_its_record_at_most(world: World, changes: list[dict[str, Any]]) -> None:
    records = [_json(**_customer(10 + at, **each)) for at, each in enumerate(changes)]
    assert world.hold(_with_line(*records), DAMAGED).exit_code in {0, 3}


PROPERTIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "object"]) | JSON,
        "format": st.sampled_from(["date-time", "uri", "singer.decimal"]) | JSON,
        "anyOf": st.lists(JSON, max_size=3) | JSON,
        "items": st.just({"type": "string"}) | JSON,
        "properties": st.dictionaries(TEXTS, JSON, max_size=3) | JSON,
    },
)


@settings(unhurried, max_examples=100)
@given(st.dictionaries(st.sampled_from(list(COLUMNS)) | TEXTS, PROPERTIES, max_size=4))
def test_any_schema_is_taken_or_named(world: World, columns: dict[str, Any]) -> None:
    world.hold(_with_line(_schema_with(**columns)), DAMAGED)
