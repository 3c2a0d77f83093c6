"""No key and no value of a record is told anywhere, whatever ends a run (design 1.9)."""

from __future__ import annotations

import io
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import click.testing
import pytest
import trustme
from typing_extensions import override

from target_kustomer.exceptions import FatalError
from target_kustomer.planning.run import PlanOptions
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator
from target_kustomer.target import _bug
from tests.guarantees.canaries import (
    CANARIES,
    COLUMNS,
    FIELDS,
    KEY,
    MAGRATHEA,
    PASSWORD,
    SIRIUS,
    TRILLIAN,
    ZAPHOD,
    assert_nothing_told,
    person,
    sent,
    told,
)
from tests.guarantees.fasttime import FastTarget, fast_time
from tests.support import Result, Runner, record, schema, state, to_lines, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Messages = list[dict[str, Any]]

SENT = [*sent(ZAPHOD), *sent(TRILLIAN)]
"""What a server's text may say again."""


def _people(**columns: Any) -> Messages:
    """Two customers, both with these columns."""
    return [
        schema("customers", COLUMNS["customers"]),
        record("customers", **{**ZAPHOD, **columns}),
        record("customers", **{**TRILLIAN, **columns}),
        state(2),
    ]


def _firms(**columns: Any) -> Messages:
    return [
        schema("companies", COLUMNS["companies"]),
        record("companies", **{**MAGRATHEA, **columns}),
        record("companies", **{**SIRIUS, **columns}),
        state(2),
    ]


# What goes wrong between a record and Kustomer


def _refused(simulator: Simulator) -> None:
    simulator.org.refuse_request_if(lambda _: True, " ".join(SENT))


def _refused_item(simulator: Simulator) -> None:
    simulator.org.refuse_item_if(lambda _: True, " ".join(SENT))


def _refused_firm(simulator: Simulator) -> None:
    simulator.org.refuse_item_if(lambda _: True, " ".join([*sent(MAGRATHEA), *sent(SIRIUS)]))


def _taken(simulator: Simulator) -> None:
    simulator.org.add_customer({"externalId": "other", "phones": [{"phone": "+14155550199"}]})


def _conflict(simulator: Simulator) -> None:
    simulator.org.add_customer({"externalId": "other", "emails": [{"email": ZAPHOD["email"]}]})


def _known(simulator: Simulator) -> None:
    simulator.org.add_customer({"externalId": ZAPHOD["id"], "name": "before"})


def _ambiguous(simulator: Simulator) -> None:
    for _ in range(2):
        simulator.org.add_company({"name": MAGRATHEA["name"]})


def _faulty(kind: Any, **conditions: Any) -> Callable[[Simulator], object]:
    return lambda simulator: simulator.faults.add(kind, **conditions)


def _nothing(simulator: Simulator) -> None:
    pass


BROKEN = json.dumps(person("zaphod", "4155550199")).encode()
LINKED = _people(company_name=MAGRATHEA["name"])

SCENARIOS: dict[str, tuple[Callable[[Simulator], object], Any, dict[str, Any], set[int]]] = {
    "all is well": (_nothing, _people(), {}, {0}),
    "companies too": (_nothing, _firms() + LINKED, {}, {0}),
    "an update": (_known, _people(), {}, {0}),
    "a refused request": (_refused, _people(), {}, {3}),
    "a refused item": (_refused_item, _people(), {}, {3}),
    "a refused company": (_refused_firm, _firms(), {}, {3}),
    "a taken phone": (_taken, _people(), {}, {3}),
    "a conflict": (_conflict, _people(), {}, {3}),
    "a missing company": (_nothing, LINKED, {}, {3}),
    "an ambiguous company": (_ambiguous, LINKED, {}, {3}),
    "a created company": (_nothing, LINKED, {"missing_company": "create"}, {0}),
    "a bad number": (_nothing, _people(age=ZAPHOD["note"]), {}, {3}),
    "a bad date": (_nothing, _people(born=ZAPHOD["note"]), {}, {3}),
    "a bad address": (_nothing, _people(email=ZAPHOD["name"]), {}, {3}),
    "a bad phone": (_nothing, _people(phone=ZAPHOD["note"]), {}, {3}),
    "a bad url": (_nothing, _people(website=ZAPHOD["note"]), {}, {3}),
    "a bad tag": (_nothing, _people(tags=[ZAPHOD["email"]]), {}, {3}),
    "a long name": (_nothing, _people(name=ZAPHOD["name"] * 100), {}, {3}),
    "a long company": (_nothing, _firms(name=MAGRATHEA["name"] * 100), {}, {3}),
    "omitted values": (
        _nothing,
        _people(age=ZAPHOD["note"], phone=ZAPHOD["note"]),
        {"invalid_values": "omit"},
        {0},
    ),
    "no key": (_nothing, _people(id=None, email=None), {}, {3}),
    "unknown columns": (_nothing, _people(surprise=ZAPHOD["note"]), {}, {0}),
    "a server error": (
        _faulty("500", path_pattern="/bulk", times=None, processed=True),
        _people(),
        {},
        {5},
    ),
    "an error page": (_faulty("502_html", path_pattern="/bulk", times=2), _people(), {}, {0, 5}),
    "a broken connection": (_faulty("reset_after", path_pattern="/bulk"), _people(), {}, {0, 5}),
    "a cut answer": (_faulty("cut_json", path_pattern="/bulk"), _people(), {}, {0, 5}),
    "a failing look-up": (
        _faulty("500", method="GET", path_pattern="customers", times=None),
        _people(),
        {"streams": {"customers": {"mode": "update", "match_on": ["email"]}}},
        {5},
    ),
    "a look-up that gets a page": (
        _faulty("gateway_403_html", method="GET", path_pattern="customers", times=None),
        _people(),
        {"streams": {"customers": {"mode": "update", "match_on": ["email", "phone"]}}},
        {5},
    ),
    "a stuck job": (_faulty("stuck_job"), _people(), {"job_timeout_seconds": 1}, {5}),
    "a lost job": (_faulty("job_without_results"), _people(), {}, {0}),
    "a spent budget": (_faulty("429", path_pattern="/bulk"), _people(), {}, {0}),
    "a broken line": (_nothing, to_lines(_people()) + BROKEN[:-1], {}, {2}),
    "no message": (_nothing, to_lines(_people()) + BROKEN, {}, {2}),
    "a wrong type": (
        _nothing,
        to_lines([*_people(), {"type": ZAPHOD["name"], "record": ZAPHOD}]),
        {},
        {2},
    ),
    "a wrong stream": (_nothing, [record(ZAPHOD["email"], **ZAPHOD)], {}, {2}),
    "a wrong key": (_nothing, _people(), {"api_key": KEY[:-1]}, {4}),
    "a wrong setting": (_nothing, _people(), {"nulls": ZAPHOD["name"]}, {2}),
    "a wrong column in the settings": (
        _nothing,
        _people(),
        {"streams": {"customers": {"fields": {"nowhere": "name"}}}},
        {2},
    ),
    "a filter": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"__filter__": "name + email"}}},
        {0},
    ),
    "a map": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"name": "name + ' ' + email", "x": "record['note']"}}},
        {0},
    ),
    "a map to what is refused": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"email": "name + email + note"}}},
        {3},
    ),
    "a failing map": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"age": "int(name + email)"}}},
        {2},
    ),
    "flattening": (
        _nothing,
        _people(),
        {"flattening_enabled": True, "flattening_max_depth": 2, "streams": {}},
        {0},
    ),
    "deleted": (_nothing, _people(_sdc_deleted_at="2024-01-01"), {}, {0}),
    "deleting": (_nothing, _people(_sdc_deleted_at="2024-01-01"), {"on_delete": "delete"}, {0}),
}

HASTE: dict[str, Any] = {
    "api_key": KEY,
    "retry_deadline_seconds": 0,
    "lost_answer_wait_seconds": 0,
    "request_log_path": "requests.har",
}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run writes beside its rejects is looked at too."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Runner]:
    """Runs in this process and in fast time."""
    with Simulator(clock=fast_time) as simulator:
        simulator.org.add_key(KEY)
        yield Runner(simulator, tmp_path, FastTarget)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_log_and_no_file_tells_a_value(scenario: str, fast: Runner) -> None:
    prepare, messages, settings, codes = SCENARIOS[scenario]
    prepare(fast.simulator)
    result = fast(messages, **{**HASTE, "streams": FIELDS, **settings})
    assert result.exit_code in codes, result.error + result.log
    assert_nothing_told(result, fast.folder)


@pytest.mark.parametrize("scenario", [name for name, each in SCENARIOS.items() if 0 not in each[3]])
def test_no_traceback_tells_a_value(scenario: str, fast: Runner) -> None:
    prepare, messages, settings, _ = SCENARIOS[scenario]
    prepare(fast.simulator)
    lines = messages if isinstance(messages, bytes) else to_lines(messages)
    config = fast.config(**{**HASTE, "streams": FIELDS, **settings})
    with pytest.raises(FatalError) as caught:
        FastTarget(config=config).listen(io.BytesIO(lines))  # type: ignore[arg-type]
    assert not told("".join(traceback.format_exception(caught.value)) + repr(caught.value))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_plan_tells_a_value(
    scenario: str, fast: Runner, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a run would be told is what a plan is told; only its file may hold values."""
    prepare, messages, settings, codes = SCENARIOS[scenario]
    prepare(fast.simulator)
    out = tmp_path_factory.mktemp("planned") / "plan.jsonl"
    planner = type("Planner", (FastTarget,), {"plan": PlanOptions(out)})
    plan = Runner(fast.simulator, fast.folder, planner)
    result = plan(messages, **{**HASTE, "streams": FIELDS, **settings})
    assert result.exit_code in {0, *codes}, result.error + result.log
    assert out.exists() == ("a plan: what is said" in result.log)
    assert_nothing_told(result, fast.folder)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "shouted": str.upper,
    "as JSON": json.dumps,
    "in an address": lambda text: quote(text, safe=""),
    "in a path": quote,
    "in a query": quote_plus,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("shape", ["jsonapi", "plain", "short", "item"])
def test_a_servers_text_tells_a_rejects_file_of_the_record_alone(
    spelling: str, shape: str, fast: Runner
) -> None:
    text = " ".join([KEY, *map(SPELLINGS[spelling], SENT)])
    if shape == "item":
        fast.simulator.org.refuse_item_if(lambda _: True, text)
    else:
        fast.simulator.reset(error_shape=shape)
        fast.simulator.org.add_key(KEY)
        fast.simulator.org.refuse_request_if(lambda _: True, text)
    result = fast(_people(), **HASTE, streams=FIELDS)
    assert result.counts() == {"rejected": 2}
    for each in result.rejected:
        assert "***" in each["rejection"]["detail"]
        assert told(each["rejection"]["detail"])
    assert_nothing_told(result, fast.folder)


@pytest.mark.parametrize("padding", range(380, 500, 10))
def test_a_servers_text_is_not_cut_within_a_value(padding: int, fast: Runner) -> None:
    text = f"{'.' * padding} {TRILLIAN['email']} {TRILLIAN['name']}"
    fast.simulator.org.refuse_request_if(lambda item: item["externalId"] == ZAPHOD["id"], text)
    [rejected] = fast(_people(), **HASTE).rejected
    detail = rejected["rejection"]["detail"]
    assert len(detail) <= 500
    assert "tri" not in detail.lower()


def test_a_companys_text_tells_of_the_own_company_alone(fast: Runner) -> None:
    fast.simulator.org.refuse_item_if(
        lambda item: "magrathea" in item["name"].lower(), f"not beside {TRILLIAN['name']}"
    )
    messages = [
        schema("customers", COLUMNS["customers"]),
        record("customers", id="1", name="Ann", company_name=MAGRATHEA["name"]),
        record("customers", id="2", name="Bob", company_name=TRILLIAN["name"]),
    ]
    result = fast(messages, **HASTE, missing_company="create")
    assert result.reasons == {"1": "company_rejected"}
    assert_nothing_told(result, fast.folder)


# Processes, with logging as talkative as a user can make it

TALKATIVE = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"structured": {"()": "singer_sdk.logging.StructuredFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"level": "DEBUG", "handlers": ["stderr"]},
    "loggers": {
        name: {"level": "DEBUG"}
        for name in (
            "target-kustomer",
            "target_kustomer",
            "singer_sdk",
            "singer_sdk.mapper",
            "httpx",
            "httpcore",
            "httpcore.connection",
            "httpcore.http11",
            "httpcore.proxy",
        )
    },
}


@pytest.fixture
def process(run: Runner) -> Runner:
    """Runs as processes, in real time; the simulator knows the key."""
    run.simulator.org.add_key(KEY)
    return run


@pytest.fixture(params=["as it is", "DEBUG", "talkative"])
def logging_env(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """How a user sets logging: not at all, by its level, by a file."""
    path = tmp_path / "config-of-logging.yml"
    path.write_text(json.dumps(TALKATIVE), encoding="utf-8")
    return {
        "as it is": {},
        "DEBUG": {"LOGLEVEL": "DEBUG"},
        "talkative": {"LOGLEVEL": "DEBUG", "SINGER_SDK_LOG_CONFIG": str(path)},
    }[request.param]


def _run(
    command: Sequence[str],
    folder: Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
) -> Result:
    """Run a command in a folder, where nobody else writes."""
    done = subprocess.run(
        command,
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        cwd=folder,
        env={**os.environ, **(env or {})},
        timeout=120,
    )
    log = done.stderr.decode()
    last = log.splitlines()[-1] if log else ""
    [rejects, *_] = [*folder.glob("rejects-*"), folder]
    return Result(done.returncode, last, (done.stdout or b"").decode(), log, rejects)


EXITS: dict[str, tuple[int, Callable[[Simulator], object], Any, dict[str, Any]]] = {
    "done": (0, _known, _people(), {}),
    "configuration": (2, _nothing, _people(), {"region": ZAPHOD["name"]}),
    "a stream without settings": (2, _nothing, [schema("people", COLUMNS["customers"])], {}),
    "a broken line": (2, _nothing, to_lines(_people()) + BROKEN, {}),
    "rejects": (3, _refused, _people(), {}),
    "the key": (4, _nothing, _people(), {"api_key": KEY[:-1]}),
    "a role": (
        4,
        lambda simulator: simulator.org.add_key(KEY, roles=["org.permission.bulk"]),
        _people(),
        {},
    ),
    "nobody": (5, _faulty("500", path_pattern="/bulk", times=None), _people(), {}),
}


@pytest.mark.parametrize("end", EXITS)
def test_no_exit_tells_a_value(end: str, logging_env: dict[str, str], process: Runner) -> None:
    code, prepare, messages, settings = EXITS[end]
    prepare(process.simulator)
    lines = messages if isinstance(messages, bytes) else to_lines(messages)
    command = process.command(**{**HASTE, "streams": FIELDS, **settings})
    result = _run(command, process.folder, lines, logging_env)
    assert result.exit_code == code, result.log
    assert "Traceback" not in result.log
    assert_nothing_told(result, process.folder)


@pytest.mark.parametrize("logging_env", ["talkative"], indirect=True)
@pytest.mark.parametrize("form", [[], ["--format=json"]], ids=["table", "json"])
@pytest.mark.parametrize("option", ["--check", "--plan"])
def test_what_is_told_before_a_run_has_no_value(
    option: str,
    form: list[str],
    logging_env: dict[str, str],
    process: Runner,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    _conflict(process.simulator)
    out = tmp_path_factory.mktemp("planned") / "plan.jsonl"
    command = [*process.command(**HASTE, streams=FIELDS), option, *form]
    command += ["--plan-out", str(out)] if option == "--plan" else []
    result = _run(command, process.folder, to_lines(_people()), logging_env)
    assert result.exit_code == (3 if option == "--plan" else 0), result.log
    assert len(result.stdout) > 100
    assert not out.exists() or told(out.read_text())
    assert_nothing_told(result, process.folder)


BUGS = {
    "in the plan": "target_kustomer.mapping.plan.Plan.map_record",
    "in a worker": "target_kustomer.delivery.deliver.BatchDelivery.deliver",
    "in the settling": "target_kustomer.rejects.RejectsFile.write",
    "at the start": "target_kustomer.kustomer.endpoints.Kustomer.key",
    "in a request": "httpx.Client.request",
    "in an answer": "target_kustomer.kustomer.client.read_answer",
    "in the reader": "target_kustomer.reader.InterruptibleReader._check",
}
"""Where a bug may be."""

FAILING = """
import sys
from unittest.mock import patch
from target_kustomer.target import TargetKustomer

def fail(*args, **kwargs):
    try:
        raise ValueError(sys.argv[-1])
    except ValueError as error:
        raise LookupError(args, kwargs, sys.argv[-1]) from error

with patch({place!r}, fail):
    TargetKustomer.cli(sys.argv[1:-1])
"""


@pytest.mark.parametrize("place", BUGS)
def test_a_bug_tells_no_value(place: str, logging_env: dict[str, str], process: Runner) -> None:
    code = FAILING.format(place=BUGS[place])
    _, _, _, *args = process.command(**HASTE, streams=FIELDS)
    command = [sys.executable, "-c", code, *args, " ".join(CANARIES)]
    result = _run(command, process.folder, to_lines([*_people(age="x"), *_people()]), logging_env)
    assert result.exit_code == 1, result.log
    assert "bug in target-kustomer: LookupError" in result.error
    assert "Traceback" not in result.log
    assert_nothing_told(result, process.folder)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_tells_no_value(
    number: int, code: int, logging_env: dict[str, str], process: Runner
) -> None:
    process.simulator.faults.add("stuck_job")
    with process.start(logging_env, **HASTE, streams=FIELDS, shutdown_grace_seconds=0) as running:
        running.write(_people())
        wait_until(lambda: process.simulator.org.jobs)
        running.process.send_signal(number)
        result = running.result()
    assert result.exit_code == code
    assert_nothing_told(result, process.folder)


def test_a_closed_stdout_tells_no_value(logging_env: dict[str, str], process: Runner) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = process.command(**HASTE, streams=FIELDS)
    result = _run(command, process.folder, to_lines(_people()), logging_env, writing)
    os.close(writing)
    assert result.exit_code == 141, result.log
    assert_nothing_told(result, process.folder)


def test_an_error_that_nobody_foresaw_is_told_without_its_message() -> None:
    try:
        int(ZAPHOD["name"])
    except ValueError as error:
        said = _bug(error)
    assert "ValueError" in said
    assert not told(said)
    assert len(said.splitlines()) == 1


def test_the_plan_is_told_by_names(fast: Runner) -> None:
    log = fast(_people(), **HASTE).log
    assert "plan stream=customers column=email attribute=emails" in log


def test_the_settings_do_not_show_the_key_when_printed(fast: Runner) -> None:
    assert KEY not in repr(Settings.from_config(fast.config(api_key=KEY)))


# The command line, and a key where it should not be


NOBODY = {"api_url": "https://127.0.0.1:9", "retry_deadline_seconds": 0}
"""An address at which nobody listens, asked once."""


def _cli(*args: str) -> list[str]:
    return [sys.executable, "-m", "target_kustomer", *args]


def _write_config(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**NOBODY, **settings}), encoding="utf-8")


@pytest.mark.parametrize(
    "args",
    [
        ["--about"],
        ["--about", "--format=json"],
        ["--about", "--format=markdown"],
        ["--version"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_what_the_command_tells_of_itself_has_no_value(args: list[str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TARGET_KUSTOMER_API_KEY={KEY}\n", encoding="utf-8")
    _write_config(tmp_path, api_key=KEY)
    env = {"TARGET_KUSTOMER_API_KEY": KEY, "LOGLEVEL": "DEBUG"}
    command = _cli(*args, "--config=ENV", "--config=config.json")
    result = _run(command, tmp_path, env=env)
    assert result.exit_code == 0
    assert result.stdout
    assert_nothing_told(result, tmp_path)


Check = Callable[[bytes], click.testing.Result]


@pytest.fixture
def check(cli: Callable[..., click.testing.Result], tmp_path: Path) -> Check:
    """Runs `--check` in this process, with what a config file holds."""

    def run(config: bytes) -> click.testing.Result:
        path = tmp_path / "config.json"
        path.write_bytes(config)
        return cli("--check", "--config", path)

    return run


MISPLACED: dict[str, Any] = {
    "a number": {"api_key": 47114711},
    "an object": {"api_key": {KEY: KEY}},
    "empty": {"api_key": "", "token": KEY},
    "with a line break": {"api_key": f"{KEY}\n"},
    "with a blank": {"api_key": f"Bearer {KEY}"},
    "with other letters": {"api_key": f"{KEY}\u00e9\ud800"},
    "in streams": {"streams": {"api_key": KEY}},
    "in a stream": {"api_key": KEY, "streams": {"customers": {"api_key": KEY, "mode": KEY}}},
    "under another name": {"apikey": KEY},
    "as the region": {"api_key": KEY, "region": KEY},
    "as the org": {"api_key": KEY, "org": KEY},
    "as the address": {"api_key": KEY, "api_url": KEY},
    "in a broken address": {"api_key": KEY, "api_url": f"http://x:{KEY}@[::"},
    "as a number's value": {"api_key": KEY, "max_rejected_records": KEY},
    "in the maps": {"api_key": KEY, "stream_maps": KEY},
    "not JSON": f'{{"api_key": "{KEY}"'.encode(),
    "no JSON at all": f"api_key = {KEY}".encode(),
    "not UTF-8": f'{{"api_key": "{KEY}\u00e9"}}'.encode("latin-1"),
    "nested": f'{{"api_key": "{KEY}", "x": {"[" * 100_000}'.encode(),
}


@pytest.mark.parametrize("place", MISPLACED)
def test_a_key_in_a_wrong_place_is_not_told(place: str, tmp_path: Path) -> None:
    content = MISPLACED[place]
    if isinstance(content, dict):
        _write_config(tmp_path, **content)
    else:
        (tmp_path / "config.json").write_bytes(content)
    result = _run(_cli("--config=config.json"), tmp_path, env={"LOGLEVEL": "DEBUG"})
    assert result.exit_code == 2, result.log
    assert "Traceback" not in result.log
    assert "47114711" not in result.log
    assert_nothing_told(result, tmp_path)


@pytest.mark.parametrize("place", MISPLACED)
def test_a_check_tells_no_key_in_a_wrong_place(place: str, check: Check) -> None:
    content = MISPLACED[place]
    if isinstance(content, dict):
        content = json.dumps({**NOBODY, **content}).encode()
    done = check(content)
    assert done.exit_code in {2, 5}, done.output
    assert "47114711" not in done.output
    assert not told(done.output)


@pytest.mark.parametrize("status", [200, 201, 301, 401, 403, 404, 429, 500, 502])
@pytest.mark.parametrize("shape", ["roles", "text"])
def test_a_check_tells_nothing_that_a_server_says(status: int, shape: str, check: Check) -> None:
    said = [KEY, *SENT]
    body = json.dumps({"data": {"attributes": {"roles": said, "name": KEY}}, "errors": said})
    headers = {"Location": f"http://127.0.0.1:9/{KEY}", "X-RateLimit-Limit": KEY}
    answer = (status, headers, (body if shape == "roles" else " ".join(said)).encode())
    with _server({"GET": answer}) as (port, seen):
        settings = {**NOBODY, "api_key": KEY, "api_url": f"http://127.0.0.1:{port}"}
        done = check(json.dumps(settings).encode())
    assert seen
    assert done.stdout
    assert not told(done.output)


@pytest.mark.parametrize(
    "settings",
    [
        {"ledger_url": f"postgresql://user:{PASSWORD}@127.0.0.1:9/ledger"},
        {"ledger_url": f"{PASSWORD}://x"},
        {"api_url": f"https://user:{PASSWORD}@127.0.0.1:9"},
    ],
)
def test_a_check_tells_no_password(settings: dict[str, Any], check: Check) -> None:
    done = check(json.dumps({**NOBODY, "api_key": KEY, **settings}).encode())
    assert done.exit_code in {2, 5}, done.output
    assert not told(done.output)


@pytest.mark.parametrize(
    "args",
    [
        [KEY],
        ["--api-key", KEY],
        [f"--api-key={KEY}"],
        ["--config", json.dumps({"api_key": KEY})],
    ],
    ids=["argument", "option", "option's value", "config"],
)
def test_a_key_on_the_command_line_is_not_told(args: list[str], tmp_path: Path) -> None:
    result = _run(_cli(*args), tmp_path)
    assert result.exit_code == 2
    assert_nothing_told(result, tmp_path)


@pytest.mark.parametrize("name", ["STREAMS", "REGION", "ORG", "API_URL", "STREAM_MAPS", "NULLS"])
def test_a_key_in_another_variable_is_not_told(name: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"TARGET_KUSTOMER_API_KEY={KEY}\n'{KEY}\n", encoding="utf-8")
    _write_config(tmp_path)
    env = {"TARGET_KUSTOMER_API_KEY": KEY, f"TARGET_KUSTOMER_{name}": KEY, "LOGLEVEL": "DEBUG"}
    result = _run(_cli("--config=config.json", "--config=ENV"), tmp_path, env=env)
    assert result.exit_code == 2, result.log
    assert name in result.error.upper()
    assert_nothing_told(result, tmp_path)


def test_an_unknown_setting_tells_its_name_alone(process: Runner) -> None:
    settings = {"token": KEY, "apikey": KEY, "streams": {"customers": {"key": KEY}}}
    result = _run(process.command(**HASTE, **settings), process.folder)
    assert result.exit_code == 0, result.log
    assert "unknown setting token" in result.log
    assert_nothing_told(result, process.folder)


@pytest.mark.parametrize("env", [{"LOGLEVEL": KEY}, {"SINGER_SDK_LOG_CONFIG": "config.json"}])
def test_logging_that_does_not_fit_is_a_configuration_error(
    env: dict[str, str], tmp_path: Path
) -> None:
    _write_config(tmp_path, api_key=KEY)
    result = _run(_cli("--config=config.json"), tmp_path, env=env)
    assert result.exit_code == 2, result.log
    assert next(iter(env)) in result.error
    assert_nothing_told(result, tmp_path)


# Files are the user's alone


@pytest.mark.parametrize("inside", ["", "a/b"])
def test_file_and_folder_are_the_users_alone(inside: str, fast: Runner) -> None:
    folder = fast.folder / "rejects" / inside
    before = os.umask(0)
    try:
        fast(_people(age="old"), **HASTE, rejects_dir=str(folder))
    finally:
        os.umask(before)
    [path] = folder.glob("*.singer")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for each in {folder, *folder.parents} - set(fast.folder.parents) - {fast.folder}:
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


# Servers that are not Kustomer


Seen = list[tuple[str, str]]
"""The requests that a server got: their first lines and headers."""

ROLES = json.dumps({"data": {"attributes": {"roles": ["org"]}}}).encode()


@contextmanager
def _server(
    answers: Mapping[str, tuple[int, dict[str, str], bytes]],
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[int, Seen]]:
    """A server that answers by method; its port and what it has seen."""
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            seen.append((self.requestline, str(self.headers)))
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = answers[self.command]
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_CONNECT = handle_any  # noqa: N815

        @override
        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        @override
        def handle_error(self, *args: object) -> None:
            """A client that does not trust it breaks the connection."""

    with Server((host, 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, seen
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """An authority for certificates, and the file that a user names to trust it."""
    made = trustme.CA()
    path = tmp_path / "config-of-authority.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


@contextmanager
def _kustomer_by_tls(certificate: trustme.LeafCert) -> Iterator[tuple[str, Seen]]:
    """A server that takes every key, with a certificate; its address and what it has seen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with _server({"GET": (200, {}, ROLES)}, tls=context) as (port, seen):
        yield f"https://localhost:{port}", seen


LAST_YEAR = datetime.now(timezone.utc) - timedelta(days=365)


@pytest.mark.parametrize(
    ("trusted", "host", "expires"),
    [
        (False, "localhost", None),
        (True, "api.kustomerapp.com", None),
        (True, "localhost", LAST_YEAR),
    ],
    ids=["unknown authority", "another host", "expired"],
)
def test_a_certificate_that_does_not_fit_ends_the_run_at_once(
    trusted: bool,  # noqa: FBT001
    host: str,
    expires: datetime | None,
    authority: tuple[trustme.CA, Path],
    process: Runner,
) -> None:
    made, path = authority
    certificate = made.issue_cert(host, not_after=expires)
    env = {"SSL_CERT_FILE": str(path)} if trusted else {"SSL_CERT_FILE": ""}
    with _kustomer_by_tls(certificate) as (url, seen):
        command = process.command(api_key=KEY, api_url=url)
        result = _run(command, process.folder, to_lines(_people()), env)
    assert result.exit_code == 5, result.log
    assert "certificate of localhost is not trusted" in result.error
    assert not seen
    assert_nothing_told(result, process.folder)


def test_a_certificate_of_an_authority_that_the_user_names_is_trusted(
    authority: tuple[trustme.CA, Path], process: Runner
) -> None:
    made, path = authority
    with _kustomer_by_tls(made.issue_cert("localhost")) as (url, seen):
        command = process.command(api_key=KEY, api_url=url)
        result = _run(command, process.folder, env={"SSL_CERT_FILE": str(path)})
    assert result.exit_code == 0, result.log
    [(line, headers)] = seen
    assert "/v1/auth/tokens/current" in line
    assert f"Authorization: Bearer {KEY}" in headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_never_carries_the_key_to_another_host(
    method: str, status: int, process: Runner
) -> None:
    with _server({"GET": (200, {}, ROLES)}, "localhost") as (elsewhere, seen):
        moved = (status, {"Location": f"http://localhost:{elsewhere}/v1/x?{ZAPHOD['email']}"}, b"")
        answers = {"GET": (200, {}, ROLES), "POST": moved, method: moved}
        with _server(answers) as (port, _):
            command = process.command(**HASTE, api_url=f"http://127.0.0.1:{port}")
            result = _run(command, process.folder, to_lines(_people()))
    assert result.exit_code == 2, result.log
    assert f"127.0.0.1 redirects (HTTP {status}): set api_url or org" in result.error
    assert not seen
    assert_nothing_told(result, process.folder)


# Proxies that the environment names


def _proxy_env(name: str, url: str) -> dict[str, str]:
    others = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy"), "")
    return {**others, name: url, name.lower(): url}


def test_a_proxys_password_is_used_and_not_told(
    process: Runner, logging_env: dict[str, str]
) -> None:
    with _server({"GET": (200, {}, ROLES)}) as (port, seen):
        env = _proxy_env("HTTP_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{port}")
        command = process.command(**HASTE, api_url="http://kustomer.example")
        result = _run(command, process.folder, env={**logging_env, **env})
    assert result.exit_code == 0, result.log
    [(line, headers)] = seen
    assert line.startswith("GET http://kustomer.example/v1/")
    assert told(headers) >= {"proxy+canary"}
    assert_nothing_told(result, process.folder)


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses_tells_no_password(
    status: int, process: Runner, logging_env: dict[str, str]
) -> None:
    answer = (status, {"X-Said": PASSWORD}, f"<html>{PASSWORD}</html>".encode())
    with _server({"CONNECT": answer}) as (port, seen):
        env = _proxy_env("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{port}")
        command = process.command(**HASTE, api_url="https://kustomer.example")
        result = _run(command, process.folder, env={**logging_env, **env})
    assert result.exit_code == 5, result.log
    assert not any(KEY in headers for _, headers in seen)
    assert_nothing_told(result, process.folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", f"socks5://user:{PASSWORD}@127.0.0.1:9"),
        ("HTTPS_PROXY", f"gopher://user:{PASSWORD}@127.0.0.1:9"),
        ("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:port"),
        ("HTTPS_PROXY", f"http://user:{PASSWORD}@[::"),
        ("SSL_CERT_FILE", f"{PASSWORD}.pem"),
        ("SSL_CERT_FILE", "config.json"),
    ],
)
def test_an_environment_that_cannot_be_used_is_a_configuration_error(
    name: str, value: str, tmp_path: Path
) -> None:
    _write_config(tmp_path, api_key=KEY)
    result = _run(_cli("--config=config.json"), tmp_path, env=_proxy_env(name, value))
    assert result.exit_code == 2, result.log
    assert name in result.error
    assert_nothing_told(result, tmp_path)
