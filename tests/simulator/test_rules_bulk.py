from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN_ID = "0" * 24


@pytest.mark.parametrize(
    ("path", "context"),
    [
        ("/v1/customers", "api.sobjects.customers.bulk-create"),
        ("/v1/companies", "api.sobjects.companies.bulk-create"),
    ],
)
def test_rule_11_a_submit_is_queued_and_costs_one_unit(
    kustomer: Any, path: str, context: str
) -> None:
    items = [{"name": "Acme", "_clientRef": "a"}]

    response = kustomer.post(f"{path}/bulk", json=items)

    assert response.status_code == 201
    assert response.headers["x-ratelimit-remaining"] == "999"
    data = response.json()["data"]
    assert data["type"] == "bulk"
    assert data["links"] == {"self": f"/v1/bulk/{data['id']}"}
    assert data["attributes"]["status"] == "queued"
    assert data["attributes"]["completed"] is False
    assert data["attributes"]["context"] == context
    assert data["attributes"]["payload"]["api"]["data"] == items
    [entry] = kustomer.simulator.requests.of_kind("bulk-submit")
    assert (entry.cost, entry.records) == (1, 1)


def test_rule_12_a_job_is_queued_then_running_then_complete(make: Callable[..., Any]) -> None:
    kustomer = make(job_seconds=10)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{"externalId": "1"}] * 2)
    seen = []
    for _ in range(3):
        attributes = kustomer.get(f"/v1/bulk/{job_id}").json()["data"]["attributes"]
        seen.append((attributes["status"], attributes["completed"], attributes["batchErrors"]))
        kustomer.clock.advance(5)

    assert seen == [
        ("queued", False, False),
        ("running", False, False),
        ("complete", True, True),
    ]
    assert attributes["batches"] == {"complete": 1, "total": 1, "idsTotal": 2}
    assert attributes["completedAt"] == "2027-01-15T08:00:10.000Z"


def test_rule_12_an_unknown_job_is_a_404(kustomer: Any) -> None:
    assert kustomer.get(f"/v1/bulk/{_UNKNOWN_ID}").status_code == 404
    assert kustomer.get(f"/v1/bulk/{_UNKNOWN_ID}/batches").status_code == 404


def test_rule_13_results_come_only_with_client_refs(kustomer: Any) -> None:
    bare = kustomer.submit("POST", "/v1/customers/bulk", [{}])
    with_refs = kustomer.submit("POST", "/v1/customers/bulk", [{"_clientRef": "a"}])
    before = kustomer.batches(with_refs)["data"][0]["attributes"]
    kustomer.clock.advance(1)
    [customer, other] = kustomer.org.customers

    answer = kustomer.batches(with_refs)

    assert (before["status"], before["completed"], "results" in before) == ("queued", False, False)
    assert "results" not in kustomer.batches(bare)["data"][0]["attributes"]
    assert answer["meta"] == {"page": 1, "pages": 1, "count": 1, "limit": 100}
    attributes = answer["data"][0]["attributes"]
    assert (attributes["status"], attributes["completed"]) == ("complete", True)
    assert (attributes["successCount"], attributes["failureCount"]) == (1, 0)
    assert attributes["objectIds"] == [other.id]
    assert attributes["results"] == [{"_clientRef": "a", "objectId": other.id, "status": "created"}]
    assert customer.id != other.id


def test_rule_13_a_job_may_have_several_batches_on_several_pages(make: Callable[..., Any]) -> None:
    kustomer = make(batch_size=2, batches_page_size=2, job_seconds=10)
    items = [{"_clientRef": str(number)} for number in range(5)]
    job_id = kustomer.submit("POST", "/v1/customers/bulk", items)
    kustomer.clock.advance(9)
    halfway = kustomer.batches(job_id, completed="true", status="complete")
    kustomer.clock.advance(1)

    pages = [kustomer.batches(job_id, page=page) for page in (1, 2)]

    assert halfway["meta"]["count"] == 2
    assert [page["meta"] for page in pages] == [
        {"page": 1, "pages": 2, "count": 3, "limit": 2},
        {"page": 2, "pages": 2, "count": 3, "limit": 2},
    ]
    references = [
        result["_clientRef"]
        for page in pages
        for batch in page["data"]
        for result in batch["attributes"]["results"]
    ]
    assert sorted(references) == ["0", "1", "2", "3", "4"]
    assert kustomer.batches(job_id, limit=1)["meta"]["pages"] == 3
    assert kustomer.batches(job_id, sort="-createdAt")["meta"]["count"] == 3


@pytest.mark.parametrize("shuffled", [True, False])
def test_rule_14_results_come_in_any_order(make: Callable[..., Any], *, shuffled: bool) -> None:
    kustomer = make(results_shuffled=shuffled)
    items = [{"_clientRef": f"{number:02}", "name": str(number)} for number in range(30)]
    items[7]["externalId"] = items[8]["externalId"] = "same"
    job_id = kustomer.submit("POST", "/v1/customers/bulk", items)
    kustomer.clock.advance(1)

    first, again = kustomer.batches(job_id), kustomer.batches(job_id)

    attributes = first["data"][0]["attributes"]
    references = [result["_clientRef"] for result in attributes["results"]]
    assert first == again
    assert (references == sorted(references)) is not shuffled
    assert len(attributes["objectIds"]) == 29
    assert (attributes["successCount"], attributes["failureCount"]) == (29, 1)
    assert attributes["errors"][0]["data"] == {"message": "duplicate detected"}
    [failed] = [result for result in attributes["results"] if result["status"] == "error"]
    assert failed == {"_clientRef": "08", "status": "error", "error": "duplicate detected"}


IDENTIFIERS = [
    {"externalId": "1"},
    {"externalIds": [{"externalId": "1"}]},
    {"emails": [{"email": "ada@x.io"}]},
    {"phones": [{"phone": "+491711234567"}]},
    {"whatsapps": [{"phone": "+491711234567"}]},
    {"socials": [{"type": "twitter", "username": "ada"}]},
]


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_rule_15_the_first_of_two_in_a_batch_wins(
    kustomer: Any, identifier: dict[str, Any]
) -> None:
    items = [{**identifier, "name": "first"}, {**identifier, "name": "second"}, {"name": "third"}]

    results = kustomer.done("POST", "/v1/customers/bulk", items)

    assert [results[ref]["status"] for ref in "012"] == ["created", "error", "created"]
    assert results["1"]["error"] == "duplicate detected"
    names = [customer.attributes["name"] for customer in kustomer.org.customers]
    assert names == ["first", "third"]


@pytest.mark.parametrize("path", ["customers", "companies"])
def test_rule_15_an_unknown_id_fails_its_item_alone(kustomer: Any, path: str) -> None:
    add = kustomer.org.add_customer if path == "customers" else kustomer.org.add_company
    stored = add({"name": "Acme"})
    items = [{"id": _UNKNOWN_ID, "name": "new"}, {"id": stored.id, "name": "new"}]

    results = kustomer.done("PUT", f"/v1/{path}/bulk", items)

    assert results["0"] == {"_clientRef": "0", "status": "error", "error": "not found"}
    assert results["1"] == {"_clientRef": "1", "status": "updated", "objectId": stored.id}
    assert stored.attributes["name"] == "new"
    assert (stored.creates, stored.updates) == (0, 1)


@pytest.mark.parametrize("refused", [True, False])
def test_rule_15_an_unknown_company_by_switch(make: Callable[..., Any], *, refused: bool) -> None:
    kustomer = make(unknown_company_refused=refused)

    results = kustomer.done("POST", "/v1/customers/bulk", [{"company": _UNKNOWN_ID}, {}])
    single = kustomer.post("/v1/customers", json={"company": _UNKNOWN_ID})

    assert results["0"]["status"] == ("error" if refused else "created")
    assert results["1"]["status"] == "created"
    assert single.status_code == (400 if refused else 201)


def test_bulk_update_by_ids_takes_one_body_for_all(kustomer: Any) -> None:
    ids = [kustomer.org.add_customer({"name": name}).id for name in ("a", "b", "c")]

    response = kustomer.put(f"/v1/customers/bulk?ids={ids[0]},{ids[2]}", json={"name": "new"})
    kustomer.clock.advance(1)

    assert response.status_code == 201
    names = [customer.attributes["name"] for customer in kustomer.org.customers]
    assert names == ["new", "b", "new"]


def test_bulk_delete_takes_ids(kustomer: Any) -> None:
    ids = [kustomer.org.add_customer({"name": name}).id for name in ("a", "b")]

    response = kustomer.delete(f"/v1/customers/bulk?ids={ids[0]},{_UNKNOWN_ID}")
    kustomer.clock.advance(1)

    assert response.status_code == 201
    attributes = kustomer.batches(response.json()["data"]["id"])["data"][0]["attributes"]
    assert (attributes["successCount"], attributes["failureCount"]) == (1, 1)
    assert [customer.id for customer in kustomer.org.customers] == [ids[1]]
    assert kustomer.delete("/v1/customers/bulk").status_code == 400


@pytest.mark.parametrize(
    ("reading", "expected"),
    [("error", (201, 1, 1)), ("done", (201, 2, 0)), ("refused", (404, None, None))],
)
def test_what_a_delete_of_a_deleted_customer_comes_to_is_a_switch(
    make: Callable[..., Any], reading: str, expected: tuple[int, int | None, int | None]
) -> None:
    kustomer = make(delete_again=reading)
    gone, there = [kustomer.org.add_customer({"name": name}).id for name in ("a", "b")]
    kustomer.org.delete(gone)

    response = kustomer.delete(f"/v1/customers/bulk?ids={gone},{there}")
    kustomer.clock.advance(1)

    counts = (None, None)
    if response.status_code == 201:
        attributes = kustomer.batches(response.json()["data"]["id"])["data"][0]["attributes"]
        counts = (attributes["successCount"], attributes["failureCount"])
    assert (response.status_code, *counts) == expected
    assert len(kustomer.org.customers) == (1 if reading == "refused" else 0)


@pytest.mark.parametrize("told", [True, False])
def test_whether_a_delete_tells_ids_is_a_switch(make: Callable[..., Any], *, told: bool) -> None:
    kustomer = make(deletes_tell_ids=told)
    there = kustomer.org.add_customer({"name": "a"}).id
    response = kustomer.delete(f"/v1/customers/bulk?ids={there}")
    kustomer.clock.advance(1)
    attributes = kustomer.batches(response.json()["data"]["id"])["data"][0]["attributes"]
    assert attributes["successCount"] == 1
    assert attributes.get("objectIds") == ([there] if told else None)


def test_bulk_delete_minds_the_rules_that_only_the_server_knows(kustomer: Any) -> None:
    kept, refused = [kustomer.org.add_customer({"name": name}).id for name in ("a", "b")]
    kustomer.org.refuse_item_if(lambda item: item["id"] == kept)
    kustomer.org.refuse_request_if(lambda item: item["id"] == refused)

    assert kustomer.delete(f"/v1/customers/bulk?ids={kept},{refused}").status_code == 400
    assert kustomer.delete(f"/v1/customers/bulk?ids={kept}").status_code == 201
    kustomer.clock.advance(1)

    assert len(kustomer.org.customers) == 2


def test_bulk_update_may_replace(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({"name": "Ada", "locale": "de"})

    kustomer.done("PUT", "/v1/customers/bulk?replace=true", [{"id": stored.id, "name": "Ada L"}])

    assert stored.attributes == {"name": "Ada L"}


def test_bulk_update_replaces_by_switch(make: Callable[..., Any]) -> None:
    kustomer = make(bulk_put_replaces=True)
    stored = kustomer.org.add_customer({"name": "Ada", "locale": "de"})

    kustomer.done("PUT", "/v1/customers/bulk", [{"id": stored.id, "name": "Ada L"}])

    assert stored.attributes == {"name": "Ada L"}


def test_jobs_in_flight_are_compared_by_what_they_update_too(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({"externalId": "1"})
    kustomer.submit("PUT", "/v1/customers/bulk", [{"id": stored.id}])
    kustomer.submit("POST", "/v1/customers/bulk", [{"externalId": "1"}])

    assert len(kustomer.org.overlapping_jobs()) == 1


def test_results_are_kept_for_a_while(make: Callable[..., Any]) -> None:
    kustomer = make(results_kept_seconds=60)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{"_clientRef": "a"}])
    seen = []
    for _ in range(2):
        kustomer.clock.advance(31)
        seen.append("results" in kustomer.batches(job_id)["data"][0]["attributes"])

    assert seen == [True, False]


def test_jobs_in_flight_with_the_same_record_are_found(make: Callable[..., Any]) -> None:
    kustomer = make(job_seconds=10)
    stored = kustomer.org.add_customer({})
    submit = kustomer.submit
    first = submit("POST", "/v1/customers/bulk", [{"externalId": "1"}, {"externalId": "2"}])
    second = submit("POST", "/v1/customers/bulk", [{"externalId": "2"}])
    submit("PUT", "/v1/customers/bulk", [{"id": stored.id, "emails": [{"email": "a@x.io"}]}])
    kustomer.clock.advance(10)
    submit("POST", "/v1/companies/bulk", [{"name": "Acme", "externalId": "1"}])
    submit("PUT", "/v1/customers/bulk", [{"id": stored.id}])

    [(one, other)] = kustomer.org.overlapping_jobs()

    assert [one.id, other.id] == [first, second]


def test_the_most_jobs_at_once_are_counted(make: Callable[..., Any]) -> None:
    kustomer = make(job_seconds=10)
    assert kustomer.org.most_jobs_at_once == 0
    for pause in (10, 4, 4, 10):
        kustomer.submit("POST", "/v1/customers/bulk", [{}])
        kustomer.clock.advance(pause)

    assert kustomer.org.most_jobs_at_once == 3


def test_jobs_may_overtake_each_other(make: Callable[..., Any]) -> None:
    kustomer = make(job_seconds=1, job_jitter_seconds=100)
    for number in range(20):
        kustomer.submit("POST", "/v1/customers/bulk", [{"name": str(number)}])
    kustomer.clock.advance(200)

    done = [customer.attributes["name"] for customer in kustomer.org.customers]

    assert done != sorted(done, key=int)
    assert sorted(done, key=int) == [str(number) for number in range(20)]


def test_a_job_id_may_be_unknown_at_first(make: Callable[..., Any]) -> None:
    kustomer = make(job_unknown_seconds=3)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{}])

    assert kustomer.get(f"/v1/bulk/{job_id}").status_code == 404
    kustomer.clock.advance(3)
    assert kustomer.get(f"/v1/bulk/{job_id}").status_code == 200


def test_jobs_may_be_stuck(make: Callable[..., Any]) -> None:
    kustomer = make(jobs_stuck=True)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{}])
    kustomer.clock.advance(1_000_000)

    assert kustomer.get(f"/v1/bulk/{job_id}").json()["data"]["attributes"]["status"] == "queued"
    assert kustomer.org.customers == []


def test_a_queued_job_may_list_no_batches(make: Callable[..., Any]) -> None:
    kustomer = make(batches_listed_while_queued=False)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{}])

    assert kustomer.batches(job_id)["data"] == []
    kustomer.clock.advance(1)
    assert len(kustomer.batches(job_id)["data"]) == 1


@pytest.mark.parametrize("location", ["attributes", "item", "absent"])
def test_results_are_where_the_switch_says(make: Callable[..., Any], location: str) -> None:
    kustomer = make(results_location=location)
    job_id = kustomer.submit("POST", "/v1/customers/bulk", [{"_clientRef": "a"}])
    kustomer.clock.advance(1)

    [batch] = kustomer.batches(job_id)["data"]

    assert ("results" in batch["attributes"]) is (location == "attributes")
    assert ("results" in batch) is (location == "item")


def test_rule_30_optional_fields_may_be_missing(make: Callable[..., Any]) -> None:
    kustomer = make(sparse_answers=True, batch_size=1, batches_page_size=1)
    items = [{"_clientRef": "a"}, {"_clientRef": "b"}]
    job_id = kustomer.submit("POST", "/v1/customers/bulk", items)
    kustomer.clock.advance(1)

    job = kustomer.get(f"/v1/bulk/{job_id}").json()["data"]["attributes"]
    answer = kustomer.batches(job_id)
    rest = kustomer.get(answer["links"]["next"]).json()

    assert set(job) == {"context", "status", "completed", "v2", "createdAt", "updatedAt"}
    assert answer["meta"] == {}
    assert set(answer["data"][0]["attributes"]) == {
        "status",
        "completed",
        "createdAt",
        "updatedAt",
        "results",
    }
    assert rest["links"]["next"] is None


def test_rules_of_the_server_refuse_a_request_without_naming_the_item(kustomer: Any) -> None:
    kustomer.org.refuse_request_if(lambda item: item.get("name") == "bad", detail="no such name")
    items = [{"name": "good"}, {"name": "bad"}]

    refused = kustomer.post("/v1/customers/bulk", json=items)
    single = kustomer.post("/v1/customers", json=items[1])
    taken = kustomer.post("/v1/customers/bulk", json=items[:1])
    kustomer.clock.advance(1)

    assert [refused.status_code, single.status_code, taken.status_code] == [400, 400, 201]
    assert refused.json()["errors"][0]["detail"] == "no such name"
    assert "source" not in refused.json()["errors"][0]
    assert len(kustomer.org.customers) == 1


def test_rules_of_the_server_refuse_an_item_alone(kustomer: Any) -> None:
    stored = kustomer.org.add_customer({})
    kustomer.org.refuse_item_if(lambda item: item.get("name") == "bad", text="blocked name")

    results = kustomer.done("POST", "/v1/customers/bulk", [{"name": "bad"}, {"name": "good"}])
    updates = kustomer.done("PUT", "/v1/customers/bulk", [{"id": stored.id, "name": "bad"}])
    single = kustomer.post("/v1/customers", json={"name": "bad"})

    assert results["0"] == {"_clientRef": "0", "status": "error", "error": "blocked name"}
    assert results["1"]["status"] == "created"
    assert updates["0"]["error"] == "blocked name"
    assert single.status_code == 400
    assert single.json()["errors"][0]["detail"] == "blocked name"
