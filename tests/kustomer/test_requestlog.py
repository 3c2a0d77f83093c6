"""The request log: every API call, as readers of HTTP Archives see it, and nobody in it."""

from __future__ import annotations

import json
import resource
import stat
import subprocess
from collections import Counter
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from haralyzer import HarParser
from jsonschema import Draft6Validator
from referencing import Registry
from referencing.jsonschema import DRAFT6

from target_kustomer.exceptions import RefusedError
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer
from target_kustomer.kustomer.masks import Secret, mask_address, mask_body, mask_header
from target_kustomer.kustomer.requestlog import RequestLog
from target_kustomer.mapping.keys import key_of
from target_kustomer.settings import Settings
from target_kustomer.simulator import Simulator
from tests.guarantees.canaries import CANARIES, COLUMNS, KEY, TRILLIAN, ZAPHOD, told
from tests.support import COMPANIES, CUSTOMERS, customers, record, schema, state, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Clock, Result, Runner


def _har() -> Draft6Validator:
    """Checks against the schema of HAR 1.2 that the npm package har-schema 2.0.0 publishes."""
    folder = Path(__file__).with_name("har-schema")
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    registry = Registry[Any]().with_resources(
        (each["$id"], DRAFT6.create_resource(each)) for each in parts
    )
    checker = Draft6Validator.FORMAT_CHECKER
    return Draft6Validator({"$ref": "har.json#"}, registry=registry, format_checker=checker)


HAR = _har()


def entries_of(path: Path) -> list[dict[str, Any]]:
    """The entries of a valid HTTP Archive, in the order in which they began."""
    har = json.loads(path.read_text(encoding="utf-8"))
    HAR.validate(har)
    assert har["log"]["version"] == "1.2"
    entries: list[dict[str, Any]] = har["log"]["entries"]
    for each in entries:
        parts = ("blocked", "connect", "send", "wait", "receive")
        spans = [each["timings"][part] for part in parts]
        assert min(spans) >= -1  # the schema does not hold these
        assert all(each["timings"][part] >= 0 for part in parts[2:])
        assert each["time"] == pytest.approx(sum(span for span in spans if span > 0), abs=0.01)
    if entries:
        [page] = HarParser(har).pages
        assert len(page.entries) == len(entries)
    return sorted(entries, key=lambda entry: entry["startedDateTime"])


def answers(entries: list[dict[str, Any]]) -> Counter[tuple[str, int]]:
    return Counter((each["request"]["method"], each["response"]["status"]) for each in entries)


def told_by(simulator: Simulator) -> Counter[tuple[str, int]]:
    return Counter((each.method, each.status or 0) for each in simulator.requests.entries)


def test_the_schema_refuses_what_is_no_archive() -> None:
    assert [each.message for each in HAR.iter_errors({"log": {"version": "1.2"}})] == [
        "'creator' is a required property",
        "'entries' is a required property",
    ]
    entry = {"log": {"version": "1.2", "creator": {"name": "a", "version": "b"}, "entries": [{}]}}
    assert not HAR.is_valid(entry)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.har"


@pytest.fixture
def logged(run: Runner, path: Path) -> Callable[..., Result]:
    """Runs the target with a request log."""

    def start(messages: Any, **settings: Any) -> Result:
        return run(messages, request_log_path=str(path), **settings)

    return start


LINKED = [
    schema("companies", COMPANIES),
    record("companies", id="1", name="Gardens"),
    schema("customers", {**CUSTOMERS, "company_name": {"type": "string"}}),
    *customers(120, company_name="Gardens"),
    state(1),
]


# Every request


def test_every_request_has_its_entry(
    logged: Callable[..., Result], run: Runner, path: Path
) -> None:
    run.simulator.org.add_customer({"externalId": "c7", "name": "before"})
    assert logged(LINKED).exit_code == 0
    entries = entries_of(path)
    assert answers(entries) == told_by(run.simulator)
    assert {each["comment"].partition(",")[0] for each in entries} >= {
        "check of the key",
        "bulk create of customer records",
        "bulk update of customer records",
        "poll of a bulk job",
    }


def test_what_failed_and_what_was_sent_again_have_entries_too(
    logged: Callable[..., Result], run: Runner, path: Path
) -> None:
    for kind in ("reset_before", "502_html", "429", "reset_after", "cut_json"):
        run.simulator.faults.add(kind, path_pattern="/bulk", seconds=1)
    assert logged([schema("customers", CUSTOMERS), *customers(3)]).exit_code == 0
    entries = entries_of(path)
    assert answers(entries) == told_by(run.simulator)
    failed = [each["response"] for each in entries if each["response"]["status"] == 0]
    assert len(failed) == 2
    assert {each["_error"] for each in failed} <= {"ReadError", "RemoteProtocolError"}
    assert [each["comment"] for each in entries if each["response"]["status"] == 502] == [
        "bulk create of customer records, try 2"
    ]


def test_who_is_not_there_has_an_entry(logged: Callable[..., Result], path: Path) -> None:
    settings = {"api_url": "http://127.0.0.1:9", "retry_deadline_seconds": 0}
    assert logged([], **settings).exit_code == 5
    [entry] = entries_of(path)
    assert entry["response"]["_error"] == "ConnectError"
    assert entry["timings"]["connect"] >= 0
    assert entry["timings"]["wait"] == 0


def test_a_run_without_it_writes_none(run: Runner, tmp_path: Path) -> None:
    run([schema("customers", CUSTOMERS), *customers(3)])
    assert not list(tmp_path.glob("*.har"))


# Time


@pytest.fixture
def limited(clock: Clock) -> Iterator[Simulator]:
    with Simulator(clock=clock.time, rate_limit=100) as running:
        yield running


@pytest.fixture
def open_api(limited: Simulator, clock: Clock, path: Path) -> Iterator[Callable[..., Kustomer]]:
    """Opens an API whose calls are logged."""
    ends: list[Callable[[], None]] = []

    def opened(**options: Any) -> Kustomer:
        config = {"api_key": limited.api_key, "api_url": limited.url}
        client = Client(Settings.from_config(config), clock)
        options = {"bodies": False, "secret": limited.api_key, "clock": clock, **options}
        log = RequestLog(path, **options)
        log.open()
        client.on_wire = log.record
        ends.extend((client.close, log.close))
        return Kustomer(client)

    yield opened
    for end in ends:
        end()


def test_the_wait_for_the_budget_is_told(
    open_api: Callable[..., Kustomer], limited: Simulator, path: Path, clock: Clock
) -> None:
    began = clock.time()
    limited.faults.add("429", seconds=40)
    open_api().key()
    refused, taken = entries_of(path)
    assert refused["timings"]["blocked"] == 0
    assert taken["timings"]["blocked"] == pytest.approx(40_000, abs=1000)
    started = datetime.fromisoformat(taken["startedDateTime"])
    assert started == datetime.fromtimestamp(began, tz=timezone.utc)


def test_a_connection_is_made_once(logged: Callable[..., Result], path: Path) -> None:
    logged([schema("customers", CUSTOMERS), *customers(3)], max_parallel_requests=1)
    first, *others = entries_of(path)
    assert first["timings"]["connect"] > 0
    assert {each["timings"]["connect"] for each in others} == {-1}
    assert all(each["timings"]["wait"] > 0 for each in (first, *others))


# What it does not tell


PEOPLE = [
    schema("customers", COLUMNS["customers"]),
    record("customers", **ZAPHOD),
    record("customers", **TRILLIAN),
]


def _bodies(entries: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for each in entries:
        if post := each["request"].get("postData"):
            yield each["request"]["method"], json.loads(post["text"])


def test_what_identifies_is_masked_and_the_rest_is_there(
    logged: Callable[..., Result], run: Runner, path: Path
) -> None:
    run.simulator.org.add_key(KEY)
    known = run.simulator.org.add_customer({"emails": [{"email": ZAPHOD["email"]}]}).id
    run.simulator.org.refuse_item_if(lambda item: "trillian" in str(item), f"{KEY} {TRILLIAN}")
    result = logged(PEOPLE, api_key=KEY, streams={"customers": {"match_on": ["email"]}})
    assert result.exit_code == 3
    entries = entries_of(path)
    assert not told(path.read_text(encoding="utf-8"))
    bodies = dict(_bodies(entries))
    created, _ = bodies["POST"]
    assert created["emails"] == [{"email": "***"}]
    assert created["_clientRef"] == "0"
    assert set(created["custom"]) >= {"noteStr", "salaryNum"}
    assert set(created["custom"].values()) == {"***"}
    [updated] = bodies["PUT"]
    assert updated["id"] == known
    addresses = [each["request"]["url"] for each in entries]
    assert f"{run.simulator.url}/v1/auth/tokens/current" in addresses
    batches = [
        json.loads(each["response"]["content"]["text"])
        for each in entries
        if each["request"]["url"].endswith("/batches?page=1")
    ]
    assert batches[-1]["meta"]["page"] == 1


def test_a_look_up_is_masked_in_its_address(
    open_api: Callable[..., Kustomer], limited: Simulator, path: Path
) -> None:
    api = open_api()
    api.look_up("customer", key_of("email", ZAPHOD["email"]))
    api.look_up("company", key_of("name", ZAPHOD["name"]))
    api.read("customer", "5f" * 12)
    look_up, listing, reading = entries_of(path)
    assert look_up["request"]["url"] == f"{limited.url}/v1/customers/email=***"
    parameters = listing["request"]["queryString"]
    assert [(each["name"], each["value"]) for each in parameters] == [
        ("filter", "***"),
        ("page", "1"),
        ("pageSize", "100"),
    ]
    assert listing["request"]["url"].endswith("/v1/companies?filter=***&page=1&pageSize=100")
    assert reading["request"]["url"] == f"{limited.url}/v1/customers/{'5f' * 12}"
    assert '"code":"notfound"' in look_up["response"]["content"]["text"]
    headers = {each["name"]: each["value"] for each in look_up["response"]["headers"]}
    assert headers["x-ratelimit-remaining"] == "99"


def test_with_bodies_it_tells_all_but_the_key(
    open_api: Callable[..., Kustomer], limited: Simulator, path: Path
) -> None:
    awkward = 'key"with\\a%slash/'
    limited.org.refuse_request_if(lambda _: True, f"{limited.api_key} {json.dumps(awkward)}")
    api = open_api(bodies=True, secret=awkward)
    with pytest.raises(RefusedError):
        api.submit("create", "customer", [{"name": ZAPHOD["name"]}], repeatable=False)
    api.look_up("customer", key_of("externalId", f"{awkward} or {ZAPHOD['id']}"))
    create, look_up = entries_of(path)
    assert json.loads(create["request"]["postData"]["text"])[0]["name"] == ZAPHOD["name"]
    assert limited.api_key in create["response"]["content"]["text"]
    assert look_up["request"]["url"].endswith(f"/externalId=***%20or%20{ZAPHOD['id']}")
    assert not told(path.read_text(encoding="utf-8"), {awkward})
    authorization = {
        each["value"]
        for entry in (create, look_up)
        for each in entry["request"]["headers"]
        if each["name"].lower() == "authorization"
    }
    assert authorization == {"Bearer ***"}


HOSTILE: list[Any] = [
    *CANARIES,
    *(int(each) for each in CANARIES if each.isdigit()),
    {"id": [*CANARIES], "status": "trillian", "type": "zaphod", "code": "magrathea"},
    {"self": "/v1/customers/email=zaphod?email=zaphod&zaphod=1&page=4155550199&ids=zaphod"},
    {"custom": {"page": 42, "id": "5f" * 12, "deleted": True, "zap hod": {"count": 3}}},
    {"page": 41.5, "count": 4155550199, "status": 4155550199, "deleted": 41555},
]


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "status",
        "type",
        "code",
        "count",
        "deleted",
        "_clientRef",
        "next",
        "zaphod+x@x.example",
    ],
)
def test_a_value_is_masked_wherever_a_server_puts_it(name: str) -> None:
    for value in HOSTILE:
        masked = mask_body(json.dumps({name: value, "data": [{name: [value]}]}).encode())
        assert not told(masked), masked
        assert "42" not in masked
        assert '"id":"5f' not in masked


@pytest.mark.parametrize("content", [b"<p>zaphod", b'{"id": "zaph', b"\xff", b"[" * 9999])
def test_what_is_no_json_is_masked_whole(content: bytes) -> None:
    assert mask_body(content) == "***"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("content-type", "application/json; charset=utf-8", True),
        ("content-type", "zaphod/trillian", False),
        ("x-ratelimit-reset", "1800000000", True),
        ("etag", 'W/"5f"', False),
        ("location", "https://zaphod.example", False),
        ("date", "Sun, 29 Nov 2026 17:00:00 GMT", True),
    ],
)
def test_a_header_is_kept_where_it_tells_of_nobody(name: str, value: str, *, kept: bool) -> None:
    assert mask_header(name, value) == (value if kept else "***")


def test_words_and_ids_stay_in_an_address() -> None:
    told_of = f"/v1/customers/bulk?ids={'5f' * 12},{'6a' * 12}&sort=-updatedAt&page=2"
    assert mask_address(told_of) == told_of
    assert mask_address("/v1/metadata/customer?translate=false").endswith("?translate=false")
    assert mask_address("/v1/metadata/customer?translate=zaphod").endswith("?translate=***")


def test_a_key_is_hidden_in_any_case() -> None:
    assert Secret("Ab+c").hide("x ab%2BC Ab+c ab%2bc") == "x *** *** ***"


# The file


def test_only_the_user_may_read_it(logged: Callable[..., Result], path: Path) -> None:
    logged([])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_run_leaves_the_log_of_the_one_before(
    logged: Callable[..., Result], path: Path, tmp_path: Path
) -> None:
    sizes = []
    for count in (3, 2, 1):
        logged([schema("customers", CUSTOMERS), *customers(count, first=10 * count)])
        sizes.append(len(entries_of(path)))
    assert len(entries_of(tmp_path / "requests.1.har")) == sizes[1]
    assert {each.name for each in tmp_path.glob("*.har*")} == {"requests.har", "requests.1.har"}


def test_a_full_file_takes_the_place_of_the_one_before(
    open_api: Callable[..., Kustomer], limited: Simulator, path: Path
) -> None:
    most = 10_000
    api = open_api(max_bytes=most)
    for _ in range(20):
        api.key()
    files = sorted(path.parent.glob("*.har*"))
    assert [each.name for each in files] == ["requests.1.har", "requests.har"]
    for each in files:
        assert each.stat().st_size <= most
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    kept = [len(entries_of(each)) for each in files]
    assert kept[0] > kept[1] > 0
    assert sum(kept) < 20 == len(limited.requests.entries)


@pytest.mark.parametrize(
    "name", ["nowhere/requests.har", "", "/dev/full", "/proc/requests.har", "a\x00b", "x" * 300]
)
def test_a_path_that_cannot_be_written_ends_the_run_at_its_start(
    name: str, run: Runner, tmp_path: Path
) -> None:
    result = run(
        [schema("customers", CUSTOMERS), *customers(1)], request_log_path=str(tmp_path / name)
    )
    assert result.exit_code == 2
    assert "mend request_log_path" in result.error
    assert not run.simulator.requests.entries
    assert tmp_path.is_dir()


ROOM = 40_000
"""Bytes: for some entries, not for all of them."""

MANY = [
    schema("customers", CUSTOMERS),
    *(each for n in range(40) for each in (*customers(1, first=n), state(n))),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_log_and_not_the_run(run: Runner, small_disk: Path) -> None:
    path = small_disk / "requests.har"
    result = run(MANY, batch_size_rows=1, request_log_path=str(path))
    assert "the request log ends here: cannot write it (No space left" in result.log
    _ended_early(result, run, path)


def test_a_file_that_may_not_grow_ends_the_log_and_not_the_run(run: Runner, path: Path) -> None:
    with run.start(batch_size_rows=1, request_log_path=str(path)) as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))
        running.write(MANY)
        running.close_stdin()
        result = running.result()
    assert "the request log ends here: cannot write it (File too large)" in result.log
    _ended_early(result, run, path)


def _ended_early(result: Result, run: Runner, path: Path) -> None:
    assert result.exit_code == 0
    assert result.counts() == {"created": 40}
    assert result.log.count("the request log ends here") == 1
    assert 0 < len(entries_of(path)) < len(run.simulator.requests.entries)


@pytest.mark.parametrize("after", [1, 4, 9, 17])
def test_it_is_whole_when_the_process_is_killed(after: int, run: Runner, path: Path) -> None:
    settings: dict[str, Any] = {"batch_size_rows": 1, "max_parallel_requests": 4}
    with run.start(request_log_path=str(path), **settings) as running:
        running.write(MANY)
        wait_until(lambda: len(run.simulator.requests.entries) >= after)
        running.process.kill()
        running.process.wait()
    entries = entries_of(path)
    assert len(run.simulator.requests.entries) - len(entries) <= 4
    assert not answers(entries) - told_by(run.simulator)


def next_run(path: Path, simulator: Simulator, clock: Clock) -> None:
    """A run that begins its log and makes no call."""
    log = RequestLog(path, bodies=False, secret=simulator.api_key, clock=clock)
    log.open()
    log.close()


def test_the_next_run_mends_what_a_kill_has_cut(
    open_api: Callable[..., Kustomer], limited: Simulator, path: Path, clock: Clock
) -> None:
    api, wholes = open_api(), [path.read_bytes()]
    for _ in range(3):
        api.key()
        wholes.append(path.read_bytes())
    torn = path.with_name("torn.har")
    for before, after in pairwise(wholes):
        [first, *_] = (
            n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new
        )
        for written in range(first, len(after)):
            torn.write_bytes(after[:written] + before[written:])
            next_run(torn, limited, clock)
            kept = entries_of(torn.with_name("torn.1.har"))
            whole = json.loads(after)["log"]["entries"]
            assert kept == whole[: len(kept)]
            assert len(kept) >= len(whole) - 2
            assert entries_of(torn) == []


def test_no_other_file_is_mended(limited: Simulator, path: Path, clock: Clock) -> None:
    path.write_bytes(b"notes [\n1,\n2")
    next_run(path, limited, clock)
    assert path.with_name("requests.1.har").read_bytes() == b"notes [\n1,\n2"


def test_a_log_at_work_is_not_mended(
    open_api: Callable[..., Kustomer], limited: Simulator, path: Path, clock: Clock
) -> None:
    open_api().key()
    half = path.read_bytes()[:-3]
    path.write_bytes(half)  # as a reader may see it in the instant of a write
    next_run(path, limited, clock)
    assert path.with_name("requests.1.har").read_bytes() == half
