"""``--check``: what a run would stumble over, before the first record and without a trace."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from target_kustomer.check import check as look
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator
from target_kustomer.simulator.control import state_of
from tests.support import COMPANIES, CUSTOMERS, TEXT, Runner, customers, record, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    from target_kustomer.simulator.faults import FaultKind
    from tests.support import Clock

P = "org.permission."
UP_TO = "a run uses up to 80 %"
NAMED = "customers of stream customers name their company"
FOR_CUSTOM = "to use the custom attributes that the org has"
NO_FIRMS = {"companies": {"object": "ignore"}}
CUSTOMER_ROLES = [P + "customer", P + "bulk.read", P + "metadata.read"]


class Checked:
    """What a check printed and how it ended."""

    def __init__(self, result: Result) -> None:
        self.exit_code = result.exit_code
        self.printed = result.stdout
        self.log = result.stderr
        told = json.loads(result.stdout)
        assert told["exit_code"] == result.exit_code
        self.status = told["status"]
        self.findings: list[dict[str, Any]] = told["findings"]

    def of(self, what: str, name: str | None = None) -> dict[str, Any]:
        """The only finding on this."""
        [found] = [
            each
            for each in self.findings
            if each["what"] == what and (name is None or each["name"] == name)
        ]
        return found

    def named(self, status: str) -> list[str]:
        """What has this status."""
        return [each["name"] or each["what"] for each in self.findings if each["status"] == status]


class Checker:
    """Runs checks in this process against a simulator, with the config in a file."""

    def __init__(self, cli: Callable[..., Result], run: Runner) -> None:
        self._cli = cli
        self.run = run

    def raw(self, *options: str, **settings: Any) -> Result:
        """A check with these options; no time is spent on tries."""
        config = self.run.folder / "config.json"
        given = self.run.config(**{"retry_deadline_seconds": 0, **settings})
        config.write_text(json.dumps({key: each for key, each in given.items() if each != ""}))
        return self._cli("--check", "--config", config, *options)

    def __call__(self, **settings: Any) -> Checked:
        return Checked(self.raw("--format=json", **settings))


@pytest.fixture
def check(cli: Callable[..., Result], run: Runner) -> Checker:
    return Checker(cli, run)


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@contextmanager
def answering(
    status: int, body: bytes, metadata: tuple[int, bytes] | None = None, **headers: str
) -> Iterator[str]:
    """A web server that answers everything alike, but perhaps for the metadata; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, text = metadata if metadata and "metadata" in self.path else (status, body)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# All is well


def test_a_table_tells_that_all_is_well(check: Checker, simulator: Simulator) -> None:
    simulator.org.define_custom("customer", "vipBool")
    simulator.org.add_key("narrow", roles=[P + "customer", P + "bulk.read"], name="nightly load")
    result = check.raw(
        api_key="narrow",
        rejects_dir="rejects",
        streams={"customers": {"mode": "update"}, **NO_FIRMS},
    )
    *lines, last = result.stdout.replace(simulator.url, "URL").splitlines()
    assert len({line.index(re.split(" {2,}", line)[2]) for line in lines}) == 1
    assert [re.split(" {2,}", line) for line in lines] == [
        ["ok", "settings", "valid"],
        ["ok", "address", "URL answers"],
        ["ok", "api key", "valid here; its name is nightly load"],
        ["ok", "rate limit", f"100000 requests a minute for the org, 99999 left; {UP_TO}"],
        ["ok", "stream customers", "customer, update, by externalId, email"],
        ["ok", f"role {P}customer.read", "granted by org.permission.customer"],
        ["ok", f"role {P}customer.update", "granted by org.permission.customer"],
        ["warn", f"role {P}company.read", f"missing, needed if {NAMED}"],
        ["ok", f"role {P}bulk.read", "granted"],
        ["warn", f"role {P}metadata.read", f"missing, needed {FOR_CUSTOM}"],
        ["ok", "ledger", "none: each record is looked up in Kustomer"],
        ["ok", "rejects dir", "rejects can be made"],
    ]
    assert last == "ready"
    assert result.exit_code == 0


def test_json_tells_the_same(check: Checker, simulator: Simulator) -> None:
    simulator.org.define_custom("customer", "vipBool")
    checked = check()
    assert (checked.exit_code, checked.status) == (0, "ok")
    assert checked.of("address")["says"] == f"{simulator.url} answers"
    assert checked.of("api_key")["says"] == "valid here; its name is simulator"
    assert checked.of("custom_attributes", "customer")["says"] == "1 defined"
    assert checked.of("custom_attributes", "company")["says"] == "0 defined"
    assert checked.named("ok") == [each["name"] or each["what"] for each in checked.findings]
    lines = check.raw().stdout.splitlines()
    assert len(lines) == len(checked.findings) + 1
    for line, finding in zip(lines, checked.findings, strict=False):
        if finding["what"] != "rate_limit":  # a check is three requests
            assert line.endswith(f"  {finding['says']}")


def _everything_in(*folders: Path) -> dict[str, bytes | None]:
    return {
        str(path): path.read_bytes() if path.is_file() else None
        for folder in folders
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("trouble", [{}, {"api_key": "wrong"}, {"streams": {"orders": {}}}])
def test_nothing_is_written_anywhere(
    trouble: dict[str, Any], check: Checker, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.org.add_company({"name": "Example Gardens"})
    settings = {
        "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}",
        "report_path": str(tmp_path / "report.json"),
        "request_log_path": "requests.har",
        "rejects_dir": "rejects",
        **trouble,
    }
    check.raw(**settings)  # the config's own file
    before = _everything_in(tmp_path, Path.cwd())
    world = state_of(simulator.world)
    check.raw(**settings)
    assert _everything_in(tmp_path, Path.cwd()) == before
    after = state_of(simulator.world)
    counted = {"requests", "cost"}
    assert {key: each for key, each in after.items() if key not in counted} == {
        key: each for key, each in world.items() if key not in counted
    }
    assert {each.method for each in simulator.requests.entries} == {"GET"}


def test_a_ledger_that_is_there_is_left_as_it_is(
    check: Checker, simulator: Simulator, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    check.run([schema("customers", CUSTOMERS), *customers(3)], ledger_url=url)
    before = (tmp_path / "ledger.db").read_bytes()
    assert check(ledger_url=url).of("ledger")["says"] == "version 3; it knows 3 records of this org"
    assert (tmp_path / "ledger.db").read_bytes() == before
    assert [path.name for path in tmp_path.glob("ledger.db*")] == ["ledger.db"]
    assert len(simulator.org.customers) == 3


def test_stdin_is_not_read(run: Runner) -> None:
    process = subprocess.Popen(
        [*run.command(), "--check"],
        stdin=subprocess.PIPE,  # open, and silent
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.wait(60) == 0
    finally:
        process.kill()
        output, _ = process.communicate()
    assert output.endswith(b"\nready\n")


# The address


def test_nobody_there_is_exit_5_and_says_so(check: Checker, nobody: str) -> None:
    checked = check(api_url=nobody)
    assert checked.exit_code == 5
    assert checked.named("failed") == ["address"]
    assert "127.0.0.1 did not answer" in checked.of("address")["says"]
    assert check.run([], api_url=nobody, retry_deadline_seconds=0).error.endswith(
        checked.of("address")["mend"]
    )


def test_a_gateway_that_stumbles_is_asked_again(check: Checker, simulator: Simulator) -> None:
    simulator.faults.add("500")
    assert check(retry_deadline_seconds=300).exit_code == 0


@pytest.mark.parametrize("kind", ["500", "503_html", "gateway_403_html", "timeout_before"])
def test_a_gateway_that_fails_is_exit_5(
    kind: FaultKind, check: Checker, simulator: Simulator
) -> None:
    simulator.faults.add(kind, times=None)
    checked = check(request_timeout_seconds=0.1)
    assert checked.exit_code == 5
    assert checked.named("failed") == ["address"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>It works!</html>"),
        (404, b"<html>Not Found</html>"),
        (404, b'{"errors": [{"status": 404, "title": "Not Found"}]}'),
        (400, b"<html>Bad Request</html>"),
        (405, b"no"),
        (200, b'{"data": []}'),
        (200, b'{"data": {"attributes": {"roles": 3}}}'),
        (301, b""),
    ],
)
def test_a_host_that_is_no_kustomer_is_exit_2(status: int, body: bytes, check: Checker) -> None:
    with answering(status, body, Location="https://example.com/") as url:
        checked = check(api_url=url)
    assert checked.exit_code == 2
    assert checked.named("failed") == ["address"]
    assert "api_url" in checked.of("address")["mend"]


def test_a_path_that_kustomer_has_not_ends_a_run_alike(
    check: Checker, simulator: Simulator
) -> None:
    url = f"{simulator.url}/v1/wrong"
    checked, run = check(api_url=url), check.run([], api_url=url)
    assert (checked.exit_code, run.exit_code) == (2, 2)
    assert run.error == ": ".join(checked.of("address")[each] for each in ("says", "mend"))


def test_user_and_password_of_the_address_are_never_shown(
    check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("proxied")
    url = simulator.url.replace("http://", "http://zaphod:s3cret@")
    for options in ([], ["--format=json"]):
        result = check.raw(*options, api_url=url)
        assert simulator.url in result.stdout
        assert "not the api_key" in result.stdout
        assert "s3cret" not in result.output
        assert "zaphod" not in result.output


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://u:p@host/path", "https://host/path"),
        ("http://u@host:8080", "http://host:8080"),
        ("http://u:p/w?d#@host", "http://host"),
        ("http://host", "http://host"),
    ],
)
def test_the_address_that_is_shown_has_no_user(url: str, address: str) -> None:
    assert Settings.from_config({"api_key": "none", "api_url": url}).address == address


def test_a_gateway_that_always_fails_is_given_up_in_seconds(
    simulator: Simulator, clock: Clock
) -> None:
    simulator.faults.add("500", times=None)
    settings = Settings.from_config({"api_key": "any", "api_url": simulator.url})
    assert settings.retry_deadline_seconds > 60
    began = clock.now
    findings = look(settings, {}, clock)
    [address] = [each for each in findings if each.what == "address"]
    assert address.exit_code == 5
    assert "rate limit" not in address.says
    assert 0 < clock.now - began <= 6
    assert len(simulator.requests.entries) > 1


# The key


def test_a_key_of_another_region_is_told_which(check: Checker, simulator: Simulator) -> None:
    simulator.org.add_key("european", region="prod2")
    checked, run = check(api_key="european"), check.run([], api_key="european")
    assert (checked.exit_code, run.exit_code) == (4, 4)
    assert checked.named("failed") == ["api_key"]
    assert "of region eu (prod2), but 127.0.0.1 serves region us (prod1)" in run.error
    assert "set region to eu" in checked.of("api_key")["mend"]
    assert run.error == ": ".join(checked.of("api_key")[each] for each in ("says", "mend"))


def test_a_key_of_another_region_is_told_so_with_a_403_too(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    with Simulator(wrong_region_status=403, region="prod4", error_shape="short") as simulator:
        simulator.org.add_key("elsewhere", region="prod7")
        checked = Checker(cli, Runner(simulator, tmp_path))(api_key="elsewhere")
    assert checked.exit_code == 4
    assert checked.of("api_key")["says"].endswith("but 127.0.0.1 serves region in (prod4)")
    assert checked.of("api_key")["mend"].startswith("set org")


def test_an_expired_key_is_told_so(check: Checker, simulator: Simulator) -> None:
    simulator.org.add_key("old", expires_at=time.time() - 1)
    checked, run = check(api_key="old"), check.run([], api_key="old")
    assert (checked.exit_code, run.exit_code) == (4, 4)
    assert "expired" in checked.of("api_key")["says"]
    assert "make a new one" in checked.of("api_key")["mend"]
    assert run.error == ": ".join(checked.of("api_key")[each] for each in ("says", "mend"))


def test_a_key_that_is_none_is_exit_4_and_all_else_is_looked_at(
    check: Checker, tmp_path: Path
) -> None:
    checked = check(api_key="no-such-key", ledger_url=f"sqlite:///{tmp_path / 'no' / 'l.db'}")
    assert checked.exit_code == 4  # a run would ask for the key first
    assert checked.named("failed") == ["api_key", "ledger"]
    assert "region" in checked.of("api_key")["mend"]
    assert "no-such-key" not in checked.printed + checked.log


def test_the_name_of_a_key_cannot_tell_the_key_nor_speak_to_the_terminal(
    check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("s3cret", name="key s3cret\nok    all\x1b[2J" + "x" * 500)
    result = check.raw(api_key="s3cret")
    assert "key *** ok    all [2Jxx" in result.stdout
    assert "s3cret" not in result.output
    assert "\x1b" not in result.output
    assert "x" * 101 not in result.output
    names = {"cust\x1b[2J\nomers": {"object": "customer"}, "or\x07ders": {}}
    lines = check.raw(streams=names).stdout.splitlines()
    assert len(lines) == len(check(streams=names).findings) + 1
    assert all(line.isprintable() for line in lines)


# Roles


@pytest.mark.parametrize(
    "role", ["customer.read", "customer.create", "customer.update", "bulk.read", "company.update"]
)
def test_the_one_missing_role_is_named(role: str, check: Checker, simulator: Simulator) -> None:
    objects = [f"{each}.{verb}" for each in ("customer", "company") for verb in ("read", "create")]
    roles = {*objects, "customer.update", "company.update", "bulk.read", "metadata.read"}
    simulator.org.add_key("narrow", roles=[P + each for each in sorted(roles - {role})])
    checked = check(api_key="narrow", streams={"crm-customers": {}, "firms": {"object": "company"}})
    assert checked.exit_code == 4
    assert checked.named("failed") == [P + role]
    assert checked.named("warning") == []
    stream = "firms" if "company" in role else "crm-customers"
    assert stream in checked.of("role", P + role)["says"]
    assert "make a key" in checked.of("role", P + role)["mend"]


@pytest.mark.parametrize(
    ("entry", "without"),
    [
        ({"mode": "update"}, "create"),
        ({"mode": "create"}, "update"),
    ],
)
def test_a_role_that_the_mode_does_not_need_may_be_missing(
    entry: dict[str, Any], without: str, check: Checker, simulator: Simulator
) -> None:
    verbs = {"read", "create", "update"} - {without}
    simulator.org.add_key("narrow", roles=[*(f"{P}customer.{each}" for each in verbs), P + "bulk"])
    checked = check(api_key="narrow", streams={"customers": entry})
    assert checked.exit_code == 0
    assert f"{P}customer.{without}" not in [each["name"] for each in checked.findings]


def test_streams_that_no_setting_names_are_warned_of_alone(
    check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=CUSTOMER_ROLES)
    checked = check(api_key="narrow")
    assert (checked.exit_code, checked.status) == (0, "warning")
    company = [f"{P}company.{verb}" for verb in ("read", "create", "update")]
    assert checked.named("warning") == company
    assert "if stream companies comes" in checked.of("role", company[1])["says"]


@pytest.mark.parametrize(
    ("entry", "failing"),
    [
        ({}, []),
        ({"missing_company": "create"}, []),
        ({"fields": {"firm": "company.name"}}, ["company.read"]),
        (
            {"fields": {"firm": "company"}, "missing_company": "create"},
            ["company.read", "company.create"],
        ),
        ({"fields": {"firm": None}}, []),
    ],
)
def test_the_roles_of_links_fail_where_the_settings_link(
    entry: dict[str, Any], failing: list[str], check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=CUSTOMER_ROLES)
    checked = check(api_key="narrow", streams={"customers": entry})
    assert checked.named("failed") == [P + each for each in failing]
    assert checked.exit_code == (4 if failing else 0)
    if not failing:
        assert P + "company.read" in checked.named("warning")


def test_an_object_that_no_named_stream_holds_is_warned_of(
    check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=[*CUSTOMER_ROLES, P + "company.read"])
    checked = check(api_key="narrow", streams={"customers": {}})
    assert checked.exit_code == 0
    assert checked.named("warning") == [P + "company.create", P + "company.update"]
    everything = check(api_key="narrow", streams={"*": {"object": "customer"}})
    assert everything.named("warning") == []


@pytest.mark.parametrize("pattern", ["crm-*", "*-customers", "customer[s]"])
def test_the_streams_of_a_glob_may_not_come(
    pattern: str, check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=[P + "customer.read", P + "bulk"])
    streams = {pattern: {"object": "customer", "mode": "update"}}
    checked = check(api_key="narrow", streams=streams)
    assert checked.exit_code == 0
    assert P + "customer.update" in checked.named("warning")
    assert P + "customer.create" not in checked.named("warning")


@pytest.mark.parametrize(
    ("roles", "shown"),
    [
        (["org"], "granted by org"),
        (["org", P + "customer"], "granted by org.permission.customer"),
        (["org.user.customer.write", P + "customer.read", P + "bulk"], "org.user.customer.write"),
    ],
)
def test_broad_roles_and_legacy_names_count(
    roles: list[str], shown: str, check: Checker, simulator: Simulator
) -> None:
    simulator.org.add_key("broad", roles=roles)
    checked = check(api_key="broad", streams={"customers": {}})
    assert checked.exit_code == 0
    assert shown in checked.of("role", P + "customer.update")["says"]


@pytest.mark.parametrize(
    ("stream", "entry", "missing", "code"),
    [
        ("customers", {"on_delete": "delete"}, ["customer.delete"], 4),
        ("customers", {"on_delete": "delete", "mode": "create"}, [], 0),
        ("companies", {"on_delete": "delete", "mode": "update"}, ["company.update"], 4),
        ("companies", {"on_delete": "delete", "mode": "create"}, [], 0),
        ("customers", {"undefined_attributes": "create"}, ["metadata.update"], 0),
    ],
)
def test_what_else_the_settings_ask_for_needs_its_role(  # noqa: PLR0917
    stream: str,
    entry: dict[str, Any],
    missing: list[str],
    code: int,
    check: Checker,
    simulator: Simulator,
) -> None:
    kept = ("customer.read", "customer.create", "customer.update", "company.read", "company.create")
    roles = [P + each for each in (*kept, "bulk", "metadata.read")]
    simulator.org.add_key("narrow", roles=roles)
    ignored = {"customers": {"object": "ignore"}, **NO_FIRMS}
    checked = check(api_key="narrow", streams={**ignored, stream: entry})
    assert checked.exit_code == code
    assert [*checked.named("failed"), *checked.named("warning")] == [P + each for each in missing]
    columns = CUSTOMERS if stream == "customers" else COMPANIES
    run = check.run([schema(stream, columns)], api_key="narrow", streams={stream: entry})
    assert run.exit_code == code


def test_the_roles_of_a_key_that_kustomer_does_not_tell_are_warned_of(check: Checker) -> None:
    told_nothing = b'{"data": {"attributes": {}}, "errors": [{"title": "Forbidden"}]}'
    with answering(200, told_nothing, metadata=(403, told_nothing)) as url:
        checked = check(api_url=url)
    assert checked.exit_code == 0
    assert checked.of("custom_attributes", "customer")["says"] == "Kustomer does not tell them"
    assert checked.of("role")["status"] == "warning"
    assert checked.of("rate_limit")["status"] == "warning"
    assert checked.of("api_key")["says"].endswith("its name is not told")


# The rate limit


def test_a_limit_that_others_have_spent_is_warned_of(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    with Simulator(rate_limit=100) as simulator:
        for _ in range(50):
            simulator.world.budget.spend()
        check = Checker(cli, Runner(simulator, tmp_path))
        assert check(rate_limit_share=0.8).of("rate_limit")["status"] == "ok"
        few = check(rate_limit_share=0.5)
    assert few.exit_code == 0
    assert few.of("rate_limit")["status"] == "warning"
    assert "100 requests a minute for the org, 44 left; a run uses up to 50 %" in few.printed


def test_a_spent_limit_is_not_waited_for(check: Checker, simulator: Simulator) -> None:
    simulator.faults.add("429", times=None, seconds=60)
    checked = check()
    assert checked.exit_code == 5
    assert "rate limit is spent" in checked.of("address")["says"]
    assert len(simulator.requests.entries) == 1


# Metadata


def test_metadata_without_an_answer_is_exit_5(check: Checker, simulator: Simulator) -> None:
    simulator.faults.add("500", path_pattern="metadata", times=None)
    checked = check()
    assert checked.exit_code == 5
    assert checked.of("custom_attributes", "customer")["status"] == "failed"


@pytest.mark.parametrize(
    "told",
    [
        b'{"data": {}}',
        b'{"data": []}',
        b'{"data": null}',
        b'{"data": {"attributes": {"properties": ["tierStr"]}}}',
        b'{"data": {"attributes": {"properties": {"tierStr": "text"}}}}',
    ],
)
def test_metadata_of_an_unknown_form_is_not_used(told: bytes, check: Checker) -> None:
    key = b'{"data": {"attributes": {"name": "key", "roles": ["org"]}}}'
    with answering(200, key, metadata=(200, told)) as url:
        checked = check(api_url=url)
        run = check.run([schema("customers", CUSTOMERS)], api_url=url, retry_deadline_seconds=0)
    assert checked.exit_code == 0
    assert checked.named("warning") == ["rate_limit", "customer", "company"]
    assert checked.of("custom_attributes", "company")["says"] == "Kustomer does not tell them"
    assert run.exit_code == 0, run.error


# Several at once


READS = [P + each for each in ("customer.read", "bulk.read", "metadata.read")]


@pytest.mark.parametrize(
    ("troubles", "code"),
    [
        (["role", "ledger"], 2),
        (["role", "rejects"], 4),
        (["role", "report"], 2),
        (["role", "match_on"], 2),
        (["key", "ledger"], 4),
        (["key", "report"], 2),
        (["key", "request log"], 2),
        (["address", "ledger"], 5),
        (["address", "report"], 2),
        (["metadata", "ledger"], 2),
        (["metadata", "match_on"], 5),
        (["metadata", "stream"], 2),
        (["metadata", "role"], 5),
    ],
    ids=str,
)
def test_of_several_troubles_the_exit_code_is_the_runs(
    troubles: list[str], code: int, check: Checker, nobody: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("neither a database nor a folder" * 100)
    simulator = check.run.simulator
    simulator.org.add_key("reads", roles=READS)
    if "metadata" in troubles:
        simulator.faults.add("500", path_pattern="metadata", times=None)
    name = "orders" if "stream" in troubles else "customers"
    wrong: dict[str, dict[str, Any]] = {
        "address": {"api_url": nobody},
        "key": {"api_key": "wrong"},
        "role": {"api_key": "reads"},
        "ledger": {"ledger_url": f"sqlite:///{tmp_path / 'file'}"},
        "report": {"report_path": str(tmp_path / "file" / "report.json")},
        "request log": {"request_log_path": str(tmp_path / "file" / "requests.har")},
        "rejects": {"rejects_dir": str(tmp_path / "file")},
        "match_on": {"streams": {"customers": {"match_on": ["name"]}}},
    }
    settings: dict[str, Any] = {"retry_deadline_seconds": 0, "streams": {name: {}}}
    for each in troubles:
        settings |= wrong.get(each, {})
    checked = check(**settings)
    assert len(checked.named("failed")) >= len(troubles)
    messages = [schema(name, CUSTOMERS), record(name, id="1", age="old")]
    assert (checked.exit_code, check.run(messages, **settings).exit_code) == (code, code)


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"api_key": ""}, "setting api_key is required"),
        ({"region": "moon"}, "us, eu, in"),
        ({"api_url": "http://host:port"}, "api_url"),
        ({"stream_maps": 3}, "stream_maps"),
    ],
)
def test_bad_settings_are_exit_2(settings: dict[str, Any], words: str, check: Checker) -> None:
    checked = check(**settings)
    assert checked.exit_code == 2
    assert [each["what"] for each in checked.findings] == ["settings"]
    assert words in checked.of("settings")["says"]


def test_an_unknown_setting_is_warned_of(check: Checker) -> None:
    checked = check(max_rejected_record=3)
    assert checked.exit_code == 0
    assert checked.of("settings", "max_rejected_record")["status"] == "warning"
    assert "max_rejected_records?" in checked.of("settings", "max_rejected_record")["says"]


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        ({"orders": {"mode": "update"}}, "set streams.orders.object"),
        ({"companies": {"match_on": ["email"]}}, "id, externalId, name"),
    ],
)
def test_a_stream_that_cannot_be_loaded_is_exit_2(
    streams: dict[str, Any], words: str, check: Checker
) -> None:
    result = check.raw(streams=streams)
    assert result.exit_code == 2
    [line] = [each for each in result.stdout.splitlines() if each.startswith("FAIL")]
    assert words in line
    assert result.stdout.endswith("\nnot ready: exit code 2\n")


def test_ignored_streams_and_globs_that_tell_nothing_need_nothing(check: Checker) -> None:
    checked = check(streams={"orders": {"object": "ignore"}, "*": {"mode": "update"}})
    assert checked.exit_code == 0
    streams = [each for each in checked.findings if each["what"] == "stream"]
    assert [each["name"] for each in streams] == ["companies", "customers"]
    assert all("update" in each["says"] for each in streams)


def test_settings_from_the_environment_are_checked_too(
    cli: Callable[..., Result], simulator: Simulator
) -> None:
    env = {"TARGET_KUSTOMER_API_URL": simulator.url, "TARGET_KUSTOMER_API_KEY": simulator.api_key}
    result = cli("--check", "--config=ENV", env=env)
    assert result.exit_code == 0
    assert result.stdout.endswith("\nready\n")


def test_a_check_has_no_other_format(check: Checker) -> None:
    result = check.raw("--format=markdown")
    assert result.exit_code == 2
    assert "--format=json" in result.stderr
    assert result.stdout == ""


def test_the_help_tells_of_the_check(cli: Callable[..., Result]) -> None:
    result = cli("--help")
    assert "--check" in result.stdout
    assert cli("--check", "--about", "--format=json").stdout.startswith("{")


# The ledger and the rejects folder


def test_a_ledger_that_is_not_there_yet_is_made_by_a_run(check: Checker, tmp_path: Path) -> None:
    checked = check(ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}")
    assert checked.exit_code == 0
    assert checked.of("ledger")["says"] == "a run will make it"


def test_a_ledger_that_knows_other_orgs_alone_is_warned_of(check: Checker, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with Simulator(seed=2) as other:
        Runner(other, tmp_path)([schema("customers", CUSTOMERS), *customers(2)], ledger_url=url)
        assert other.org.id != check.run.simulator.org.id
    checked = check(ledger_url=url)
    assert checked.exit_code == 0
    assert checked.of("ledger")["status"] == "warning"
    assert checked.of("ledger")["says"].endswith("none of this org, 2 of others")
    assert check(ledger_url=url, api_key="wrong").of("ledger")["says"].endswith("2 records")


def test_an_unusable_ledger_is_exit_2_as_in_a_run(check: Checker, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database, but some text" * 100)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    checked, run = check(ledger_url=url), check.run([], ledger_url=url)
    assert (checked.exit_code, run.exit_code) == (2, 2)
    assert checked.named("failed") == ["ledger"]
    assert run.error == ": ".join(checked.of("ledger")[each] for each in ("says", "mend"))


def test_a_ledger_of_a_newer_release_is_exit_2(check: Checker, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    check.run([], ledger_url=url)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE target_kustomer_ledger SET version = 99")
    connection.close()
    checked = check(ledger_url=url)
    assert checked.exit_code == 2
    assert "version 99" in checked.of("ledger")["says"]


def test_a_rejects_folder_that_cannot_be_made_is_exit_2(check: Checker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "rejects", "x" * 300, "nul\0"):
        checked = check(rejects_dir=str(path))
        assert checked.exit_code == 2
        assert checked.named("failed") == ["rejects_dir"]
        assert "rejects_dir" in checked.of("rejects_dir")["mend"]


def test_a_file_that_cannot_be_written_is_exit_2(check: Checker, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    for path in ("folder.json", "nowhere/it.json", f"{'x' * 300}.json", "nul\0.json"):
        for what in ("report_path", "request_log_path"):
            checked = check(**{what: str(tmp_path / path)})
            assert checked.exit_code == 2
            assert checked.named("failed") == [what]
            assert what in checked.of(what)["mend"]


def test_files_that_can_be_written_are_told(check: Checker, tmp_path: Path) -> None:
    (tmp_path / "old.har").write_text("")
    checked = check(
        report_path=str(tmp_path / "report.html"), request_log_path=str(tmp_path / "old.har")
    )
    assert checked.of("report_path")["says"].endswith("report.html can be written")
    assert checked.of("request_log_path")["says"].endswith("old.har can be written")
    assert checked.status == "ok"


def test_older_rejects_files_are_warned_of(check: Checker, tmp_path: Path) -> None:
    broken = record("customers", id="1", name="Ann", age="old")
    run = check.run([schema("customers", {**CUSTOMERS, "note": TEXT}), broken])
    assert run.exit_code == 3
    checked = check(rejects_dir=str(run.rejects_dir))
    assert checked.exit_code == 0
    assert checked.of("rejects_dir")["status"] == "warning"
    assert checked.of("rejects_dir")["says"].endswith(": 1; replay and remove them")
    (tmp_path / "empty").mkdir()
    says = check(rejects_dir=str(tmp_path / "empty")).of("rejects_dir")["says"]
    assert says.endswith("can be written")


def test_the_process_ends_with_the_code_of_the_contract(run: Runner) -> None:
    done = subprocess.run(
        [*run.command(api_key="wrong"), "--check"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 4, done.stderr
    assert b"\nFAIL  api key" in done.stdout
    assert done.stdout.endswith(b"not ready: exit code 4\n")
