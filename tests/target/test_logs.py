from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.settings import Settings
from target_kustomer.target import _bug
from tests.support import COMPANIES, TEXT, record, schema, state, to_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

KEY = "key-canary-4711"
CANARIES = (
    "4711",
    "Zaphod",
    "Canary",
    "canary",
    "4155550199",
    "415-555-0199",
    "415 555",
    "Heart of Gold",
    "beeblebrox",
)

COLUMNS = {
    "id": TEXT,
    "name": TEXT,
    "email": TEXT,
    "phone": TEXT,
    "street": TEXT,
    "city": TEXT,
    "company_name": TEXT,
    "note": TEXT,
    "signed_up_at": {"type": ["null", "string"], "format": "date-time"},
    "age": {"type": ["null", "integer"]},
    "website": TEXT,
    "password": TEXT,
}

PERSON: dict[str, Any] = {
    "id": "id-canary",
    "name": "Zaphod Canary",
    "email": "zaphod.beeblebrox@canary.example",
    "phone": "+1 415-555-0199",
    "street": "42 Canary Lane",
    "city": "Canaryville",
    "note": "a note of Zaphod",
    "age": 42,
    "website": "https://canary.example/zaphod",
    "password": "canary-secret",
}


def _people(**columns: Any) -> list[dict[str, Any]]:
    other = {**PERSON, "id": "id2-canary", "email": "c2@canary.example", "phone": None, "name": "C"}
    return [
        schema("customers", COLUMNS),
        record("customers", **{**PERSON, **columns}),
        record("customers", **{**other, **columns}),
        state(1),
    ]


def _refused(simulator: Simulator) -> None:
    text = "Zaphod Canary zaphod.beeblebrox@canary.example +14155550199 is invalid"
    simulator.org.refuse_request_if(lambda _: True, text)


def _refused_item(simulator: Simulator) -> None:
    simulator.org.refuse_item_if(lambda _: True, "Zaphod Canary is no customer")


def _taken(simulator: Simulator) -> None:
    simulator.org.add_customer(
        {"externalId": "other", "phones": [{"phone": "+14155550199"}], "name": "Canary"}
    )


def _conflict(simulator: Simulator) -> None:
    simulator.org.add_customer(
        {"externalId": "other-canary", "emails": [{"email": PERSON["email"]}]}
    )


def _known(simulator: Simulator) -> None:
    simulator.org.add_customer({"externalId": "id-canary", "name": "Zaphod before"})


def _ambiguous(simulator: Simulator) -> None:
    for _ in range(2):
        simulator.org.add_company({"name": "Heart of Gold"})


def _faulty(kind: Any, **conditions: Any) -> Callable[[Simulator], object]:
    return lambda simulator: simulator.faults.add(kind, **conditions)


def _nothing(simulator: Simulator) -> None:
    pass


SCENARIOS: dict[str, tuple[Callable[[Simulator], object], Any, dict[str, Any], set[int]]] = {
    "all is well": (_nothing, _people(), {}, {0}),
    "an update": (_known, _people(), {}, {0}),
    "a refused request": (_refused, _people(), {}, {3}),
    "a refused item": (_refused_item, _people(), {}, {3}),
    "a taken phone": (_taken, _people(), {}, {3}),
    "a conflict": (_conflict, _people(), {}, {3}),
    "a missing company": (_nothing, _people(company_name="Heart of Gold"), {}, {3}),
    "an ambiguous company": (_ambiguous, _people(company_name="Heart of Gold"), {}, {3}),
    "a created company": (
        _nothing,
        _people(company_name="Heart of Gold"),
        {"missing_company": "create"},
        {0},
    ),
    "a bad number": (_nothing, _people(age="canary"), {}, {3}),
    "a bad date": (_nothing, _people(signed_up_at="canary day"), {}, {3}),
    "a bad address": (_nothing, _people(email="zaphod canary"), {}, {3}),
    "a bad phone": (_nothing, _people(phone="canary 4155550199"), {}, {3}),
    "a bad url": (_nothing, _people(website="zaphod canary"), {}, {3}),
    "a long name": (_nothing, _people(name="Canary " * 100), {}, {3}),
    "omitted values": (
        _nothing,
        _people(age="canary", phone="canary"),
        {"invalid_values": "omit"},
        {0},
    ),
    "no key": (_nothing, _people(id=None, email=None), {}, {3}),
    "unknown columns": (_nothing, _people(surprise="Zaphod Canary"), {}, {0}),
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
        {"streams": {"customers": {"mode": "update"}}},
        {5},
    ),
    "a stuck job": (_faulty("stuck_job"), _people(), {"job_timeout_seconds": 0.2}, {5}),
    "a spent budget": (_faulty("429", path_pattern="/bulk", seconds=0.1), _people(), {}, {0}),
    "a broken line": (
        _nothing,
        to_lines(_people()) + b'{"name": "Zaphod Canary", "phone": "415-555-0199"\n',
        {},
        {2},
    ),
    "a wrong type": (
        _nothing,
        to_lines(_people()) + b'{"type": "canary", "record": {"name": "Zaphod Canary"}}\n',
        {},
        {2},
    ),
    "a wrong key": (_nothing, _people(), {"api_key": "wrong-canary-4711"}, {4}),
    "a wrong setting": (_nothing, _people(), {"nulls": "canary"}, {2}),
    "a wrong stream setting": (
        _nothing,
        _people(),
        {"streams": {"customers": {"fields": {"zip": "4711"}}}},
        {2},
    ),
    "a filter": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"__filter__": "name == 'nobody'"}}},
        {0},
    ),
    "a map": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"name": "name + ' ' + email", "x": "record['note']"}}},
        {0},
    ),
    "a failing map": (
        _nothing,
        _people(),
        {"stream_maps": {"customers": {"age": "name.no_such_method()"}}},
        {2},
    ),
    "flattening": (
        _nothing,
        _people(),
        {"flattening_enabled": True, "flattening_max_depth": 2},
        {0},
    ),
    "deleted": (_nothing, _people(_sdc_deleted_at="2024-01-01"), {}, {0}),
    "a bad company": (
        _nothing,
        [schema("companies", COMPANIES), record("companies", id="1", name="Canary " * 60)],
        {},
        {3},
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_log_tells_a_value(scenario: str, run: Runner, simulator: Simulator) -> None:
    prepare, messages, settings, codes = SCENARIOS[scenario]
    simulator.org.add_key(KEY)
    prepare(simulator)
    told = {"api_key": KEY, "retry_deadline_seconds": 0.2, "lost_answer_wait_seconds": 0}
    result = run(messages, **{**told, **settings})
    assert result.exit_code in codes, result.error + result.log
    _assert_silent(result.log + result.error + result.stdout, settings)


def _assert_silent(said: str, settings: dict[str, Any]) -> None:
    # what the settings say may be said again, but for the key
    allowed = {each for each in CANARIES if each in repr({**settings, "api_key": None})}
    if "nulls" in settings:
        allowed = set()
    for canary in set(CANARIES) - allowed:
        assert canary not in said, [line for line in said.splitlines() if canary in line]


@pytest.mark.parametrize(
    "scenario",
    ["a refused request", "a conflict", "a server error", "a broken line", "a wrong key"],
)
def test_a_process_at_debug_tells_no_value(
    scenario: str, run: Runner, simulator: Simulator
) -> None:
    prepare, messages, settings, codes = SCENARIOS[scenario]
    simulator.org.add_key(KEY)
    prepare(simulator)
    told = {"api_key": KEY, "retry_deadline_seconds": 0, **settings}
    env = {"LOGLEVEL": "DEBUG", "TARGET_KUSTOMER_LOGLEVEL": "DEBUG", "HTTPX_LOG_LEVEL": "trace"}
    result = run.process(messages, env, **told)
    assert result.exit_code in codes, result.log
    _assert_silent(result.log + result.stdout, settings)
    assert "Traceback" not in result.log


def test_an_error_that_nobody_foresaw_is_told_without_its_message() -> None:
    try:
        int("Zaphod Canary")
    except ValueError as error:
        said = _bug(error)
    assert "ValueError" in said
    assert "Canary" not in said
    assert len(said.splitlines()) == 1


def test_the_plan_is_told_by_names(run: Runner) -> None:
    log = run(_people()).log
    assert "plan stream=customers column=email attribute=emails" in log


def test_the_settings_do_not_show_the_key_when_printed(run: Runner) -> None:
    assert KEY not in repr(Settings.from_config(run.config(api_key=KEY)))
