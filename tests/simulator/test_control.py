from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.fixture
def control(kustomer: Any) -> Any:
    """Asks without a key, as another process would."""
    del kustomer.client.headers["Authorization"]
    return kustomer


def _send(control: Any, name: str, body: Any) -> int:
    status: int = control.post(f"/simulator/{name}", json=body).status_code
    return status


def test_state_tells_the_whole_world(kustomer: Any) -> None:
    company = kustomer.org.add_company({"name": "Acme"})
    kustomer.org.add_customer({"externalId": "1"}, company=company.id)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{"_clientRef": "a", "name": "Ada"}])

    before = httpx.get(f"{kustomer.simulator.url}/simulator/state").json()
    kustomer.clock.advance(1)
    after = httpx.get(f"{kustomer.simulator.url}/simulator/state").json()

    assert [found["attributes"]["name"] for found in after["companies"]] == ["Acme"]
    assert [found["company"] for found in after["customers"]] == [company.id, None]
    assert [found["creates"] for found in after["customers"]] == [0, 1]
    assert (len(before["customers"]), before["jobs"][0]["done_at"]) == (1, None)
    [job] = after["jobs"]
    assert (job["id"], job["verb"], job["items"]) == (job_id, "create", 1)
    assert job["results"][0]["status"] == "created"
    assert (after["requests"], after["cost"]) == ({"bulk-submit": 1}, 1)
    assert after["overlapping_jobs"] == after["faults"] == []


def test_requests_tells_the_log(control: Any) -> None:
    control.get("/v1/customers")

    [entry] = control.get("/simulator/requests").json()

    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/v1/customers", 401)


def test_faults_are_scripted(control: Any) -> None:
    assert _send(control, "faults", {"kind": "502_html", "method": "GET"}) == 200

    assert control.get("/v1/customers").status_code == 502
    assert control.get("/simulator/state").json()["faults"][0]["fired"] == 1


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ({"attribute": "name", "equals": "bad"}, True),
        ({"attribute": "name", "contains": "a"}, True),
        ({"attribute": "emails.email", "contains": "@x.io"}, True),
        ({"attribute": "custom.aNum", "equals": 1}, True),
        ({"attribute": "name", "equals": "good"}, False),
        ({"attribute": "custom.aNum", "contains": "1"}, False),
        ({"attribute": "locale", "equals": None}, False),
        ({"attribute": "emails.email", "contains": "@z.io"}, False),
        ({"attribute": "name.first", "equals": "bad"}, False),
    ],
)
@pytest.mark.parametrize("level", ["request", "item"])
def test_rules_are_data(kustomer: Any, level: str, rule: dict[str, Any], *, refused: bool) -> None:
    assert _send(kustomer, "rules", rule | {"level": level, "text": "no"}) == 200
    emails = [{"email": "b@y.io"}, {"email": "a@x.io"}]
    body = {"name": "bad", "emails": emails, "custom": {"aNum": 1}}

    response = kustomer.post("/v1/customers", json=body)

    assert response.status_code == (400 if refused else 201)
    if refused:
        assert response.json()["errors"][0]["detail"] == "no"


def test_reset_takes_switches(control: Any) -> None:
    control.org.add_customer({})

    assert _send(control, "reset", {"rate_limit": 5}) == 200

    assert control.simulator.switches.rate_limit == 5
    assert control.simulator.org.customers == []


def test_seed_and_keys_fill_the_org(control: Any) -> None:
    seed = {
        "custom": {"customer": {"tierStr": {"enumeration": ["gold"]}}},
        "companies": [{"name": "Acme", "externalId": "9"}, {"name": "Other"}],
        "customers": [
            {"externalId": "1", "company": "9"},
            {"externalId": "2", "company": "Other"},
            {"externalId": "3"},
        ],
    }

    assert _send(control, "seed", seed) == 200
    assert _send(control, "keys", {"token": "narrow", "roles": ["org.permission.company"]}) == 200

    org = control.org
    companies = [customer.company for customer in org.customers]
    assert companies == [org.companies[0].id, org.companies[1].id, None]
    assert "tierStr" in org.custom.properties("customer")
    headers = {"Authorization": "Bearer narrow"}
    assert control.get("/v1/companies", headers=headers).status_code == 200
    assert control.get("/v1/customers", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("faults", {"kind": "earthquake"}),
        ("faults", {"kind": "500", "no": 1}),
        ("rules", {"level": "planet", "attribute": "name"}),
        ("rules", {}),
        ("reset", {"no_such": 1}),
        ("seed", {"customers": [{"company": "nobody"}]}),
        ("seed", {"customers": [{"externalId": "1"}, {"externalId": "1"}]}),
        ("keys", {}),
    ],
)
def test_what_makes_no_sense_is_a_400(control: Any, name: str, body: Any) -> None:
    response = control.post(f"/simulator/{name}", json=body)

    assert response.status_code == 400
    assert "error" in response.json()


def test_the_controls_cost_nothing(control: Any) -> None:
    control.get("/simulator/state")

    assert control.simulator.requests.entries == []
    assert control.simulator.world.budget.remaining == 1000
