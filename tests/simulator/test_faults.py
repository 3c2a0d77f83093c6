from __future__ import annotations

from typing import Any

import httpx
import pytest

_BODY = {"name": "Ada"}


def _post(kustomer: Any, read_timeout: float = 30) -> Any:
    timeout = httpx.Timeout(30, read=read_timeout)
    return kustomer.post("/v1/customers", json=_BODY, timeout=timeout)


@pytest.mark.parametrize(
    ("kind", "error", "processed"),
    [
        ("refuse_connection", httpx.TransportError, 0),
        ("reset_before", httpx.ReadError, 0),
        ("reset_after", httpx.ReadError, 1),
        ("timeout_before", httpx.ReadTimeout, 0),
        ("timeout_after", httpx.ReadTimeout, 1),
        ("cut_body", httpx.RemoteProtocolError, 1),
    ],
)
def test_rule_30_a_connection_breaks(
    kustomer: Any, kind: str, error: type[Exception], processed: int
) -> None:
    fault = kustomer.simulator.faults.add(kind)

    with pytest.raises(error):
        _post(kustomer, read_timeout=0.5 if error is httpx.ReadTimeout else 30)

    assert len(kustomer.org.customers) == processed
    assert fault.fired == 1
    assert _post(kustomer).status_code == 201


def test_rule_30_an_open_connection_is_refused_too(kustomer: Any) -> None:
    _post(kustomer)
    fault = kustomer.simulator.faults.add("refuse_connection")

    with pytest.raises(httpx.TransportError):
        _post(kustomer)

    assert fault.fired == 1
    assert len(kustomer.org.customers) == 1


def test_rule_30_the_connection_of_one_request_is_refused(kustomer: Any) -> None:
    fault = kustomer.simulator.faults.add("refuse_connection", ordinal=3)
    first, second = _post(kustomer), _post(kustomer)

    with pytest.raises(httpx.TransportError):
        _post(kustomer)

    assert ("connection" in first.headers, second.headers["connection"]) == (False, "close")
    assert (fault.fired, _post(kustomer).status_code) == (1, 201)
    assert [each.ordinal for each in kustomer.simulator.requests.entries] == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "status", "content_type"),
    [
        ("400", 400, "application/json"),
        ("500", 500, "application/json"),
        ("502_html", 502, "text/html"),
        ("503_html", 503, "text/html"),
        ("gateway_403_html", 403, "text/html"),
    ],
)
@pytest.mark.parametrize("processed", [True, False])
def test_rule_30_a_server_fails(
    kustomer: Any, kind: str, status: int, content_type: str, *, processed: bool
) -> None:
    kustomer.simulator.faults.add(kind, processed=processed)

    response = _post(kustomer)

    assert response.status_code == status
    assert response.headers["content-type"] == content_type
    assert ("errors" in response.text) is kind.isdigit()
    assert len(kustomer.org.customers) == processed


def test_rule_30_a_429_is_not_processed(kustomer: Any) -> None:
    kustomer.simulator.faults.add("429", seconds=7)
    kustomer.simulator.faults.add("429_without_reset")

    first, second = _post(kustomer), _post(kustomer)

    assert [first.status_code, second.status_code] == [429, 429]
    assert first.headers["x-ratelimit-remaining"] == "0"
    assert first.headers["x-ratelimit-reset"] == "1800000007"
    assert "x-ratelimit-reset" not in second.headers
    assert kustomer.org.customers == []


@pytest.mark.parametrize("kind", ["cut_json", "empty_200"])
def test_rule_30_an_answer_is_unreadable(kustomer: Any, kind: str) -> None:
    kustomer.simulator.faults.add(kind)

    response = _post(kustomer)

    assert response.status_code == 201
    assert (response.content == b"") is (kind == "empty_200")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        response.json()
    assert len(kustomer.org.customers) == 1


def test_rule_30_a_refusal_is_hidden_by_an_empty_200(kustomer: Any) -> None:
    kustomer.simulator.faults.add("empty_200")

    response = kustomer.post("/v1/customers", json={"no": 1})

    assert (response.status_code, response.content) == (200, b"")


def test_rule_30_a_reset_after_a_bulk_submit_leaves_the_job(kustomer: Any) -> None:
    kustomer.simulator.faults.add("slow_job", seconds=100)
    kustomer.simulator.faults.add("reset_after", method="POST", path_pattern="/bulk$")

    with pytest.raises(httpx.ReadError):
        kustomer.post("/v1/companies/bulk", json=[{"name": "Acme"}])

    kustomer.clock.advance(99)
    assert kustomer.org.companies == []
    kustomer.clock.advance(1)
    assert len(kustomer.org.companies) == 1


def test_rule_30_a_job_is_stuck(kustomer: Any) -> None:
    fault = kustomer.simulator.faults.add("stuck_job")
    stuck = kustomer.submit("POST", "/v1/customers/bulk", [{"name": "stuck"}])
    kustomer.submit("POST", "/v1/customers/bulk", [{"name": "done"}])
    kustomer.clock.advance(1_000_000)

    status = kustomer.get(f"/v1/bulk/{stuck}").json()["data"]["attributes"]["status"]

    assert (status, fault.fired) == ("queued", 1)
    assert [customer.attributes["name"] for customer in kustomer.org.customers] == ["done"]


def test_rule_30_a_job_has_no_results(kustomer: Any) -> None:
    kustomer.simulator.faults.add("job_without_results")
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{"_clientRef": "a"}])
    kustomer.clock.advance(1)

    attributes = kustomer.batches(job_id)["data"][0]["attributes"]

    assert "results" not in attributes
    assert (attributes["successCount"], attributes["failureCount"]) == (1, 0)


def test_rule_30_a_job_is_not_known_yet(kustomer: Any) -> None:
    kustomer.simulator.faults.add("job_unknown_yet", amount=2)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{}])

    polls = [kustomer.get(f"/v1/bulk/{job_id}/batches").status_code for _ in range(3)]

    assert polls == [404, 404, 200]


def test_rule_30_an_item_is_missing_from_the_results(kustomer: Any) -> None:
    kustomer.simulator.faults.add("item_missing_from_results", amount=2)

    results = kustomer.done("POST", "/v1/customers/bulk", [{}] * 5)

    assert len(results) == 3
    assert len(kustomer.org.customers) == 5


def test_a_fault_hits_what_fits_its_conditions(kustomer: Any) -> None:
    faults = kustomer.simulator.faults
    by_ordinal = faults.add("500", ordinal=2)
    from_ordinal = faults.add("429", method="POST", ordinal=2, times=None)
    by_path = faults.add("502_html", method="GET", path_pattern="companies", nth=2, times=2)
    for_ever = faults.add("503_html", path_pattern="metadata", times=None)

    statuses = [
        kustomer.get(f"/v1/{path}").status_code
        for path in ("customers", "customers", "customers")
        + ("companies",) * 4
        + ("metadata/customer",) * 3
    ]

    assert statuses == [200, 500, 200, 200, 502, 502, 200, 503, 503, 503]
    assert (by_ordinal.fired, by_path.fired, for_ever.fired) == (1, 2, 3)
    assert (by_path.seen, from_ordinal.fired) == (4, 0)
    assert [_post(kustomer).status_code for _ in range(2)] == [429, 429]


def test_faults_of_jobs_hit_submits_that_start_one_only(kustomer: Any) -> None:
    fault = kustomer.simulator.faults.add("stuck_job")
    kustomer.simulator.faults.add("500", path_pattern="/bulk$", nth=2)

    kustomer.get("/v1/customers")
    _post(kustomer)
    refused = kustomer.post("/v1/customers/bulk", json=[])
    lost = kustomer.post("/v1/customers/bulk", json=[{}])

    assert (refused.status_code, lost.status_code, fault.fired) == (400, 500, 0)
    kustomer.submit("POST", "/v1/customers/bulk", [{}])
    assert fault.fired == 1


def test_an_unknown_kind_is_refused(kustomer: Any) -> None:
    with pytest.raises(ValueError, match="no such fault: earthquake"):
        kustomer.simulator.faults.add("earthquake")


def test_the_log_tells_which_fault_hit(kustomer: Any) -> None:
    kustomer.simulator.faults.add("reset_after")
    kustomer.simulator.faults.add("502_html")
    with pytest.raises(httpx.ReadError):
        _post(kustomer)
    _post(kustomer)
    _post(kustomer)

    entries = kustomer.simulator.requests.entries

    assert [(entry.fault, entry.status, entry.cost, entry.kind) for entry in entries] == [
        ("reset_after", None, 1, "customer.create"),
        ("502_html", 502, 0, ""),
        (None, 201, 1, "customer.create"),
    ]
