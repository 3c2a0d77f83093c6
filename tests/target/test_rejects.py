from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.models import Outcome, Reason, Rejection, SourceRecord, Verdict
from target_kustomer.rejects import RejectsFile
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    TEXT,
    Result,
    customers,
    record,
    schema,
    state,
    to_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

FIELDS = {"reason", "attribute", "column", "detail", "status", "at"}


def _bad(number: int = 1, **columns: Any) -> dict[str, Any]:
    return record("customers", id=f"bad{number}", name="Ann", age="old", **columns)


def _rejecting(run: Runner, *messages: dict[str, Any], **settings: Any) -> Result:
    result = run([schema("customers", CUSTOMERS), *messages, state(9)], **settings)
    assert result.exit_code == 3
    assert result.states == [9]
    return result


def _lines(result: Result) -> list[bytes]:
    return result.rejects_bytes.splitlines()


def test_the_file_is_named_by_time_and_process(run: Runner) -> None:
    [path] = _rejecting(run, _bad()).rejects_dir.glob("rejects-*")
    assert re.fullmatch(rf"rejects-[0-9TZ:.-]+-{os.getpid()}\.singer", path.name)


def test_a_run_without_rejections_leaves_no_folder(run: Runner) -> None:
    result = run([schema("customers", CUSTOMERS), *customers(2)])
    assert not result.rejects_dir.exists()


def test_a_folder_inside_folders_is_made(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    run([schema("customers", CUSTOMERS), _bad()], rejects_dir=str(folder))
    assert len(list(folder.glob("rejects-*.singer"))) == 1


def test_a_folder_that_is_there_keeps_its_gitignore(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".gitignore").write_text("mine\n")
    run([schema("customers", CUSTOMERS), _bad()], rejects_dir=str(tmp_path / "mine"))
    assert (tmp_path / "mine" / ".gitignore").read_text() == "mine\n"


def test_a_file_that_is_there_is_never_touched(tmp_path: Path) -> None:
    class Stopped:
        def monotonic(self) -> float:
            return 0.0

        def time(self) -> float:
            return 1_800_000_000.0

        def sleep(self, seconds: float) -> None:
            raise AssertionError(seconds)

    source = SourceRecord("s", 1, 2, b'{"type":"RECORD","stream":"s","record":{}}', b"{}")
    outcome = Outcome(source, Verdict.REJECTED, Rejection(Reason.REFUSED))
    first, second = RejectsFile(tmp_path, Stopped()), RejectsFile(tmp_path, Stopped())
    first.write([outcome])
    first.close()
    [path] = tmp_path.glob("rejects-*.singer")
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        second.write([outcome])
    assert path.read_bytes() == before


def test_the_schema_stands_before_the_records(run: Runner) -> None:
    messages = [
        schema("companies", COMPANIES),
        schema("customers", CUSTOMERS),
        record("companies", id="f", name="x" * 300),
        _bad(1),
        _bad(2),
        schema("customers", {**CUSTOMERS, "note": TEXT}),
        _bad(3, note="n"),
        state(1),
    ]
    result = run(messages)
    seen: dict[str, Any] = {}
    lines = [json.loads(line) for line in _lines(result)]
    assert [each["type"] for each in lines].count("RECORD") == 4
    for message in lines:
        if message["type"] == "SCHEMA":
            seen[message["stream"]] = message
        else:
            assert set(message["record"]) <= set(seen[message["stream"]]["schema"]["properties"])
    assert seen["customers"] == messages[5]


def test_a_rejected_record_says_why(run: Runner) -> None:
    [message] = _rejecting(run, _bad()).rejected
    assert set(message) == {"type", "stream", "record", "rejection"}
    rejection = message["rejection"]
    assert set(rejection) == FIELDS
    assert rejection["reason"] in {"invalid_type", "invalid_format"}
    assert rejection["column"] == "age"
    assert "age" in rejection["attribute"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", rejection["at"])


RAW = [
    b'{"type": "RECORD", "stream": "customers", "record": {"id": "r", "age": "old"}}',
    b'{"type":"RECORD","stream":"customers","record":{"id":"r","age":"old"}}',
    b'  {"record" : {"age":"old", "id" : "r"},"stream":"customers" , "type":"RECORD"} ',
    '{"type":"RECORD","stream":"customers","record":{"id":"r","age":"\u00e9\u2028"}}'.encode(),
    b'{"type":"RECORD","stream":"customers","record":{"id":"r","age":"\\u00e9\\ud83d\\ude00"}}',
    (
        b'{"type":"RECORD","stream":"customers","version":12,"record":{"id":"r","age":"old",'
        b'"n":1.10,"big":123456789012345678901234567890,"e":1E5},'
        b'"time_extracted":"2024-01-01T00:00:00Z","more":{"a":[1,{"b":null}]}}'
    ),
    (
        b'{"type":"RECORD","stream":"customers","record":{"id":"r","age":"old",'
        b'"rejection":"mine","x":"}, \\"rejection\\": {"}}'
    ),
    b'{"type":"RECORD","stream":"customers","record":{"id":"r","age":"old"}}\r',
]


@pytest.mark.parametrize("raw", RAW)
def test_the_record_is_there_byte_for_byte(raw: bytes, run: Runner) -> None:
    lines = to_lines([schema("customers", CUSTOMERS)])
    result = run(lines + raw + b"\n")
    assert result.exit_code == 3
    _, line = _lines(result)
    assert line.startswith(raw.strip().removesuffix(b"}").rstrip())
    told = json.loads(line)
    assert set(told.pop("rejection")) == FIELDS
    assert told == json.loads(raw)


@pytest.mark.parametrize("raw", RAW)
def test_a_replay_that_is_rejected_again_has_one_rejection(raw: bytes, run: Runner) -> None:
    first = run(to_lines([schema("customers", CUSTOMERS)]) + raw + b"\n")
    second = run(first.rejects_bytes)
    third = run(second.rejects_bytes)
    assert third.exit_code == 3
    _, line = _lines(third)
    pairs: list[list[str]] = []
    told = json.loads(line, object_pairs_hook=lambda each: _keep(each, pairs))
    assert pairs[-1].count("rejection") == 1
    assert set(told.pop("rejection")) == FIELDS
    assert told == json.loads(raw)


def _keep(pairs: list[tuple[str, Any]], seen: list[list[str]]) -> dict[str, Any]:
    seen.append([key for key, _ in pairs])
    return dict(pairs)


def test_a_replay_that_another_tool_rewrote_has_one_rejection(run: Runner) -> None:
    first = run([schema("customers", CUSTOMERS), _bad()])
    messages = [json.loads(line) for line in _lines(first)]
    compact = [json.dumps(each, separators=(",", ":"), sort_keys=True) for each in messages]
    second = run("\n".join(compact).encode() + b"\n")
    _, line = _lines(second)
    assert line.count(b'"rejection"') == 1
    assert json.loads(line)["record"] == messages[1]["record"]


def test_what_was_mended_replays(run: Runner, simulator: Simulator) -> None:
    messages = [
        schema("customers", {**CUSTOMERS, "company_id": TEXT}),
        record("customers", id="1", name="Ann", company_id="a"),
        *customers(2),
    ]
    first = run(messages)
    assert first.reasons == {"1": "company_missing"}
    simulator.org.add_company({"name": "Firm", "externalId": "a"})
    replay = run(first.rejects_bytes)
    assert replay.exit_code == 0
    assert replay.counts() == {"created": 1}
    assert not replay.rejects_dir.exists()


def test_several_files_replay_one_after_the_other(run: Runner) -> None:
    rejected = b"".join(
        run([schema("customers", CUSTOMERS), _bad(number)]).rejects_bytes for number in (1, 2)
    )
    replay = run(rejected, streams={"customers": {"fields": {"age": "ageStr"}}})
    assert replay.counts() == {"created": 2}


def test_a_record_behind_stream_maps_replays_with_the_same_config(
    run: Runner, simulator: Simulator
) -> None:
    maps = {"people": {"__alias__": "customers", "name": "name + '!'", "years": "age", "age": None}}
    source = [
        schema("people", CUSTOMERS),
        record("people", id="1", name="Ann", age="old"),
        record("people", id="2", name="Bob", age=3),
        state(1),
    ]
    first = run(source, stream_maps=maps)
    assert first.counts() == {"created": 1, "rejected": 1}
    [message] = first.rejected
    assert {key: message[key] for key in source[1]} == source[1]
    assert json.loads(_lines(first)[0]) == source[0]
    again = run(first.rejects_bytes, stream_maps=maps)
    assert again.counts() == {"rejected": 1}
    mended = first.rejects_bytes.replace(b'"old"', b"7")
    assert run(mended, stream_maps=maps).counts() == {"created": 1}
    stored = simulator.org.customer(external_id="1")
    assert stored is not None
    assert stored.attributes["name"] == "Ann!"
    assert stored.attributes["custom"] == {"yearsNum": 7}


def test_a_record_that_became_two_is_in_the_file_once(run: Runner) -> None:
    maps = {
        "companies": {"__source__": "contacts", "name": "'x' * 300"},
        "customers": {"__source__": "contacts"},
    }
    messages = [
        schema("contacts", CUSTOMERS),
        record("contacts", id="1", name="Ann", age="old"),
        state(1),
    ]
    result = run(messages, stream_maps=maps, streams={"contacts": {"object": "ignore"}})
    assert result.counts("companies") == {"rejected": 1}
    assert result.counts("customers") == {"rejected": 1}
    assert len(result.rejected) == 1


# What the server says


def test_a_detail_has_at_most_500_characters(run: Runner, simulator: Simulator) -> None:
    simulator.org.refuse_item_if(lambda item: item.get("externalId") == "c0", "long " * 400)
    [message] = _rejecting(run, *customers(2)).rejected
    assert 0 < len(message["rejection"]["detail"]) <= 500


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("padding", [0, 485, 495])
def test_a_detail_tells_nothing_of_other_records(
    whole: bool,  # noqa: FBT001
    padding: int,
    run: Runner,
    simulator: Simulator,
) -> None:
    other = record(
        "customers", id="id-of-other", name="Zaphod Canaryson", email="canary@example.org", age=9
    )
    text = "." * padding + "like canary@example.org of Zaphod Canaryson (id-of-other)"
    refuse = simulator.org.refuse_request_if if whole else simulator.org.refuse_item_if
    refuse(lambda item: item.get("externalId") == "c0", text)
    result = _rejecting(run, other, *customers(4))
    assert result.reasons == {"c0": "refused"}
    [message] = result.rejected
    detail = message["rejection"]["detail"]
    for word in ("canary", "Zaphod", "Canaryson", "id-of"):
        assert word not in detail
    assert "canary" not in result.log.lower()


def test_a_detail_may_tell_of_the_record_itself(run: Runner, simulator: Simulator) -> None:
    simulator.org.refuse_item_if(
        lambda item: item.get("externalId") == "c0", "no good: c0@example.com"
    )
    [message] = _rejecting(run, *customers(3)).rejected
    assert "c0@example.com" in message["rejection"]["detail"]


def test_a_refusal_bears_the_servers_status(run: Runner, simulator: Simulator) -> None:
    simulator.org.refuse_request_if(lambda item: item.get("externalId") == "c0", "bad thing")
    [message] = _rejecting(run, *customers(3)).rejected
    assert message["rejection"]["status"] == 400
    assert "bad thing" in message["rejection"]["detail"]


# Older files


def test_older_files_are_warned_of_with_their_number(run: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    for number in range(3):
        (folder / f"rejects-20240101T00000{number}Z-1.singer").write_text("")
    (folder / "other.txt").write_text("")
    result = run([], rejects_dir=str(folder))
    [line] = [line for line in result.log.splitlines() if "older" in line]
    assert "3" in line.replace(str(folder), "")
    assert str(folder) in line


def test_no_older_files_no_warning(run: Runner) -> None:
    assert "older" not in run([]).log


# A folder that cannot be written


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_folder_that_cannot_be_made_holds_the_state_back(
    inside: str, run: Runner, tmp_path: Path, simulator: Simulator
) -> None:
    (tmp_path / "file").write_text("mine")
    messages = [
        schema("customers", CUSTOMERS),
        *customers(100),
        state(100),
        _bad(),
        state(101),
        *customers(5, first=200),
        state(106),
    ]
    result = run.process(messages, rejects_dir=str(tmp_path / "file" / inside))
    assert result.exit_code not in {0, 3}
    assert set(result.states) <= {100}
    assert "rejects_dir" in result.error
    assert "Traceback" not in result.log
    assert (tmp_path / "file").read_text() == "mine"
    assert len(simulator.org.customers) >= 100 * bool(result.states)
