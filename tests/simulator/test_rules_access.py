from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from target_kustomer.simulator.keys import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

_SOME_ID = "0" * 24


@pytest.mark.parametrize("header", [None, "Bearer other", "Basic simulator-key", "simulator-key"])
def test_rule_01_no_valid_key_is_a_401(kustomer: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    response = httpx.get(f"{kustomer.simulator.url}/v1/customers", headers=headers)

    assert response.status_code == 401
    assert response.json()["errors"][0]["code"] == "unauthorized"


def test_rule_01_an_expired_key_is_a_401(kustomer: Any) -> None:
    client = kustomer.with_key(expires_at=kustomer.clock.now + 10)

    assert client.get("/v1/auth/tokens/current").status_code == 200
    kustomer.clock.advance(10)
    response = client.get("/v1/auth/tokens/current")

    assert (response.status_code, response.json()["errors"][0]["title"]) == (401, "Expired token")


def test_rule_01_a_key_of_another_region_is_told_so(make: Callable[..., Any]) -> None:
    kustomer = make(region="prod1", wrong_region_status=403)
    response = kustomer.with_key(region="prod2").get("/v1/customers")

    assert response.status_code == 403
    assert response.json()["errors"][0]["title"] == (
        "Auth token associated with pod prod2 but request is being handled by prod1"
    )
    assert response.headers["x-kustomer-pod"] == "prod1"


_CALLS = [
    ("customer.read", "GET", "/v1/customers"),
    ("customer.read", "GET", f"/v1/customers/{_SOME_ID}"),
    ("customer.read", "GET", "/v1/customers/email=a@x.io"),
    ("customer.create", "POST", "/v1/customers"),
    ("customer.create", "POST", "/v1/customers/bulk"),
    ("customer.update", "PATCH", f"/v1/customers/{_SOME_ID}"),
    ("customer.update", "PUT", f"/v1/customers/{_SOME_ID}"),
    ("customer.update", "PUT", "/v1/customers/bulk"),
    ("customer.delete", "DELETE", f"/v1/customers/{_SOME_ID}"),
    ("customer.delete", "DELETE", "/v1/customers/bulk"),
    ("company.read", "GET", "/v1/companies"),
    ("company.read", "GET", f"/v1/companies/{_SOME_ID}"),
    ("company.create", "POST", "/v1/companies"),
    ("company.create", "POST", "/v1/companies/bulk"),
    ("company.update", "PUT", f"/v1/companies/{_SOME_ID}"),
    ("company.update", "PUT", "/v1/companies/bulk"),
    ("bulk.read", "GET", f"/v1/bulk/{_SOME_ID}"),
    ("bulk.read", "GET", f"/v1/bulk/{_SOME_ID}/batches"),
    ("metadata.read", "GET", "/v1/metadata/customer"),
    ("metadata.update", "PUT", "/v1/metadata/customer"),
    ("search", "POST", "/v1/customers/search"),
]


@pytest.mark.parametrize(("need", "method", "path"), _CALLS)
def test_rule_02_each_call_needs_one_of_its_roles(
    kustomer: Any, need: str, method: str, path: str
) -> None:
    others = [role for name, roles in ROLES.items() if name != need for role in roles]
    client = kustomer.with_key(roles=set(others) - set(ROLES[need]) - {"org.admin"})
    assert client.request(method, path).status_code == 403

    for role in ROLES[need]:
        client = kustomer.with_key(roles=[role])
        assert client.request(method, path).status_code in {200, 400, 404}


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("org", 200),
        ("org.permission", 200),
        ("org.permission.customer", 200),
        ("org.user.customer.read", 200),
        ("org.permission.cust", 403),
        ("org.permission.company", 403),
        ("org.permission.customer.read.more", 403),
    ],
)
def test_rule_02_a_broad_role_grants_what_it_prefixes(
    kustomer: Any, role: str, status: int
) -> None:
    response = kustomer.with_key(roles=[role]).get("/v1/customers")

    assert response.status_code == status


def test_rule_02_polling_needs_more_than_submitting(kustomer: Any) -> None:
    kustomer.with_key(roles=["org.permission.customer.create"])
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{"name": "Ada"}])

    assert kustomer.get(f"/v1/bulk/{job_id}").status_code == 403
    assert kustomer.get(f"/v1/bulk/{job_id}/batches").status_code == 403


def test_rule_02_created_at_needs_the_admin_role(make: Callable[..., Any]) -> None:
    item = {"createdAt": "2020-01-01T00:00:00Z"}
    kustomer = make()
    assert kustomer.post("/v1/customers", json=item).status_code == 201
    kustomer.with_key(roles=["org.permission.customer"])
    assert kustomer.post("/v1/customers", json=item).status_code == 403
    assert kustomer.post("/v1/customers/bulk", json=[{}, item]).status_code == 403

    lenient = make(created_at_needs_admin=False)
    lenient.with_key(roles=["org.permission.customer"])
    assert lenient.post("/v1/customers", json=item).status_code == 201


@pytest.mark.parametrize("needs_admin", [True, False])
def test_rule_02_imported_at_may_need_the_admin_role(
    make: Callable[..., Any], *, needs_admin: bool
) -> None:
    kustomer = make(imported_at_needs_admin=needs_admin)
    kustomer.with_key(roles=["org.permission.customer"])

    response = kustomer.post("/v1/customers", json={"importedAt": "2020-01-01T00:00:00Z"})

    assert response.status_code == (403 if needs_admin else 201)


def test_rule_03_any_valid_key_may_ask_for_its_roles(kustomer: Any) -> None:
    response = kustomer.with_key(roles=["a.b", "c"]).get("/v1/auth/tokens/current")

    assert response.status_code == 200
    assert response.json()["data"]["attributes"]["roles"] == ["a.b", "c"]


def test_rule_27_every_answer_tells_the_budget(kustomer: Any) -> None:
    answers = [
        kustomer.get("/v1/customers"),
        kustomer.post("/v1/customers", json={}),
        kustomer.post("/v1/customers", json={"no": 1}),
        kustomer.get("/v1/customers/email=a@x.io"),
        kustomer.get("/v1/nothing"),
    ]

    assert [answer.status_code for answer in answers] == [200, 201, 400, 404, 404]
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in answers] == [
        999,
        998,
        997,
        996,
        995,
    ]
    assert all(answer.headers["x-ratelimit-limit"] == "1000" for answer in answers)
    assert all("x-ratelimit-reset" not in answer.headers for answer in answers)


def test_rule_27_a_spent_budget_is_a_429_until_the_window_ends(make: Callable[..., Any]) -> None:
    kustomer = make(rate_limit=2)
    kustomer.get("/v1/customers")
    kustomer.clock.advance(20)
    kustomer.get("/v1/customers")
    kustomer.clock.advance(39.5)

    refused = kustomer.post("/v1/customers", json={})
    kustomer.clock.advance(0.5)
    taken = kustomer.post("/v1/customers", json={})

    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset"] == "1800000060"
    assert "retry-after" not in refused.headers
    assert taken.status_code == 201
    assert len(kustomer.org.customers) == 1
    assert [entry.cost for entry in kustomer.simulator.requests.entries] == [1, 1, 0, 1]


def test_rule_27_switches_change_what_a_429_tells(make: Callable[..., Any]) -> None:
    kustomer = make(rate_limit=1, rate_limit_reset=False, rate_limit_retry_after=True)
    kustomer.get("/v1/customers")

    refused = kustomer.get("/v1/customers")

    assert "x-ratelimit-reset" not in refused.headers
    assert refused.headers["retry-after"] == "60"


def test_rule_27_the_reset_may_be_in_milliseconds(make: Callable[..., Any]) -> None:
    kustomer = make(rate_limit=1, rate_limit_reset_milliseconds=True)
    kustomer.get("/v1/customers")

    refused = kustomer.get("/v1/customers")

    assert refused.headers["x-ratelimit-reset"] == "1800000060000"


def test_rule_27_the_window_may_be_shorter(make: Callable[..., Any]) -> None:
    kustomer = make(rate_limit=1, rate_window_seconds=2)
    kustomer.get("/v1/customers")
    kustomer.clock.advance(2)

    assert kustomer.get("/v1/customers").status_code == 200


@pytest.mark.parametrize("resource", ["customer", "company"])
def test_rule_28_updates_of_one_object_are_limited(make: Callable[..., Any], resource: str) -> None:
    kustomer = make(object_limit=2)
    add = kustomer.org.add_customer if resource == "customer" else kustomer.org.add_company
    one, other = add({"name": "One"}), add({"name": "Other"})
    path = "/v1/customers" if resource == "customer" else "/v1/companies"

    answers = [kustomer.put(f"{path}/{one.id}", json={"defaultLang": "de"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    left = [answer.headers["x-ratelimit-object-remaining"] for answer in answers]
    assert left == ["1", "0", "0"]
    assert answers[2].headers["x-ratelimit-object-limit"] == "2"
    assert int(answers[2].headers["x-ratelimit-remaining"]) > 0
    assert kustomer.put(f"{path}/{other.id}", json={}).status_code == 200
    kustomer.clock.advance(60)
    assert kustomer.put(f"{path}/{one.id}", json={}).status_code == 200


@pytest.mark.parametrize("counts", [True, False])
def test_rule_28_bulk_updates_count_by_switch(make: Callable[..., Any], *, counts: bool) -> None:
    kustomer = make(object_limit=1, object_limit_counts_bulk=counts)
    stored = kustomer.org.add_customer({"name": "Ada"})
    items = [{"id": stored.id, "name": "One"}, {"id": stored.id, "name": "Two"}]

    results = kustomer.done("PUT", "/v1/customers/bulk", items)

    assert results["1"]["status"] == ("error" if counts else "updated")
