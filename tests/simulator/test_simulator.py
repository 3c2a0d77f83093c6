from __future__ import annotations

import ast
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import target_kustomer.simulator
from target_kustomer.simulator import ItemError, Simulator, Switches
from target_kustomer.simulator.control import state_of
from target_kustomer.simulator.report import report

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = Path(target_kustomer.simulator.__file__).parent


def test_it_shares_no_code_with_the_target() -> None:
    imported = set()
    for path in _PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(node.module or "")
    own = {name for name in imported if name.startswith("target_kustomer")}

    assert {name for name in own if not name.startswith("target_kustomer.simulator")} == set()
    assert not imported & {"httpx", "singer_sdk", "phonenumbers"}


def test_an_answer_takes_as_long_as_the_switch_says() -> None:
    with Simulator(latency_seconds=1) as simulator:
        url = f"{simulator.url}/v1/customers"
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, headers=simulator.headers, json={"name": "Ada"}, timeout=0.2)
        assert len(simulator.org.customers) == 1
        assert httpx.get(url, headers=simulator.headers, timeout=60).status_code == 200


def test_it_can_stop_and_start_again_on_the_same_port() -> None:
    simulator = Simulator()
    simulator.start()
    simulator.org.add_customer({"name": "Ada"})
    with httpx.Client(base_url=simulator.url, headers=simulator.headers) as client:
        assert client.get("/v1/customers").status_code == 200
        url = simulator.url
        simulator.stop()
        simulator.stop()
        with pytest.raises(httpx.ConnectError):
            client.get("/v1/customers")
        simulator.start()
        assert simulator.url == url
        assert client.get("/v1/customers").json()["meta"]["total"] == 1
    simulator.stop()


def test_it_stops_while_a_client_waits() -> None:
    with Simulator() as simulator:
        simulator.faults.add("timeout_after")
        failures = []

        def wait() -> None:
            try:
                httpx.get(f"{simulator.url}/v1/customers", headers=simulator.headers, timeout=30)
            except httpx.TransportError as error:
                failures.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        while not simulator.faults.as_dicts()[0]["fired"]:
            pass
        simulator.stop()
        thread.join()

    assert len(failures) == 1


def test_a_taken_port_is_an_error(kustomer: Any) -> None:
    with warnings.catch_warnings(), pytest.raises(OSError, match="in use"):
        Simulator(port=kustomer.simulator.port).start()


def test_reset_starts_anew(kustomer: Any) -> None:
    simulator = kustomer.simulator
    simulator.org.add_customer({"externalId": "1"})
    simulator.faults.add("500", times=None)
    kustomer.get("/v1/customers")

    simulator.reset(rate_limit=7)

    assert simulator.switches.rate_limit == 7
    assert simulator.requests.entries == []
    assert kustomer.get("/v1/customers").json()["data"] == []
    simulator.reset()
    assert simulator.switches.rate_limit == 7


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Switches()),
        ({"rate_limit": "5"}, Switches(rate_limit=5)),
        ({"job_seconds": "2"}, Switches(job_seconds=2.0)),
        ({"job_seconds": 2}, Switches(job_seconds=2.0)),
        ({"sparse_answers": "True"}, Switches(sparse_answers=True)),
        ({"company_filter": "exact"}, Switches(company_filter="exact")),
    ],
)
def test_switches_are_parsed(settings: dict[str, Any], expected: Switches) -> None:
    assert Switches.parse(settings) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"no_such": 1}, "no such switch: no_such"),
        ({"rate_limit": True}, "rate_limit takes a int"),
        ({"sparse_answers": "1"}, "sparse_answers takes a bool"),
        ({"company_filter": "fuzzy"}, "company_filter takes one of exact, prefix, substring"),
    ],
)
def test_wrong_switches_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Simulator(**settings)


def test_every_switch_is_documented() -> None:
    documented = Switches.__doc__ or ""

    assert [name for name in vars(Switches()) if f"    {name}: " not in documented] == []


def test_the_log_counts_requests_and_records(kustomer: Any) -> None:
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{}] * 3)
    kustomer.batches(job_id)
    kustomer.get("/v1/companies?filter=%C3%A4")
    kustomer.get("/v1/unheard")

    log = kustomer.simulator.requests

    assert log.counts() == {"bulk-submit": 1, "bulk-poll": 1, "company.list": 1, "unknown": 1}
    assert log.cost == 4
    submit, _, listing, unknown = log.entries
    assert (submit.ordinal, submit.records, submit.status, submit.in_flight) == (1, 3, 201, 1)
    assert submit.body_bytes == len("[{},{},{}]")
    assert (listing.method, listing.path, listing.query) == (
        "GET",
        "/v1/companies",
        "filter=%C3%A4",
    )
    assert unknown.status == 404


def test_the_log_tells_how_many_requests_were_in_flight(kustomer: Any) -> None:
    kustomer.simulator.faults.add("timeout_before", path_pattern="companies")
    url, headers = kustomer.simulator.url, kustomer.simulator.headers

    def wait() -> None:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{url}/v1/companies", headers=headers, timeout=30)

    thread = threading.Thread(target=wait)
    thread.start()
    while not kustomer.simulator.requests.entries:
        pass
    kustomer.get("/v1/customers")
    kustomer.simulator.stop()
    thread.join()

    assert [entry.in_flight for entry in kustomer.simulator.requests.entries] == [1, 2]


def test_finders_find(kustomer: Any) -> None:
    org = kustomer.org
    company = org.add_company({"name": "Acme", "externalId": "9"})
    customer = org.add_customer(
        {"externalId": "1", "emails": [{"email": "a@x.io"}]}, company=company.id
    )

    assert org.customer(external_id="1") is customer
    assert org.customer(email="A@x.io") is customer
    assert org.customer(email="b@x.io") is None
    assert org.company(external_id="9") is company
    assert org.company(name="Acme") is company
    assert org.company(name="acme") is None
    assert org.customers == [customer]
    assert customer.company == company.id
    assert org.get("company", customer.id) is None


def test_writes_are_counted_for_each_object(kustomer: Any) -> None:
    kustomer.post("/v1/customers", json={"externalId": "1"})
    stored = kustomer.org.customer(external_id="1")
    kustomer.patch(f"/v1/customers/{stored.id}", json={})
    kustomer.done("PUT", "/v1/customers/bulk", [{"id": stored.id}])

    assert (stored.creates, stored.updates) == (1, 2)
    assert kustomer.org.add_customer({}).creates == 0


def test_seeding_obeys_the_rules_of_identifiers(kustomer: Any) -> None:
    kustomer.org.add_customer({"externalId": "1"})

    with pytest.raises(ItemError, match="duplicate detected"):
        kustomer.org.add_customer({"externalId": "1"})
    with pytest.raises(ItemError, match="company not found"):
        kustomer.org.add_customer({}, company="0" * 24)


def test_the_report_shows_what_the_org_holds(kustomer: Any) -> None:
    company = kustomer.org.add_company({"name": "Acme", "externalId": "9"})
    kustomer.org.add_customer(
        {
            "name": "Ada",
            "emails": [{"email": "a@x.io"}, {"email": "b@x.io"}],
            "custom": {"ageNum": 36},
            "tags": ["vip"],
        },
        company=company.id,
    )
    kustomer.post("/v1/customers", json={"externalId": "2"})

    assert report(state_of(kustomer.simulator.world)).splitlines() == [
        "companies: 1",
        "  externalId  name  created  updated",
        "  9           Acme  0        0",
        "customers: 2",
        "  externalId  name  emails         company  ageNum  tags     created  updated",
        '              Ada   a@x.io b@x.io  Acme     36      ["vip"]  0        0',
        "  2                                                          1        0",
        "requests: 1 units of the budget",
        "  1 customer.create",
    ]


def test_a_client_that_hangs_up_in_its_body_does_no_harm(make: Callable[..., Any]) -> None:
    kustomer = make()

    def half() -> Any:
        yield b'{"name": '
        message = "gone"
        raise ConnectionAbortedError(message)

    with pytest.raises(ConnectionAbortedError):
        kustomer.post("/v1/customers", content=half(), headers={"Content-Type": "application/json"})

    assert kustomer.get("/v1/customers").json()["data"] == []
