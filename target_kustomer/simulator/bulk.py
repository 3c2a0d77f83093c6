"""Calls for bulk jobs: submit, poll, read the batches [API §2.3-§2.5]."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from target_kustomer.simulator.bodies import MAX_BULK_ITEMS
from target_kustomer.simulator.bulkdocuments import batch_document, job_document, submitted_document
from target_kustomer.simulator.errors import bad_request, not_found
from target_kustomer.simulator.jobs import Batch, Job, Verb
from target_kustomer.simulator.listing import number_in_query, page_link
from target_kustomer.simulator.writing import accepted_items

if TYPE_CHECKING:
    from target_kustomer.simulator.calls import Answer, Call, Handler
    from target_kustomer.simulator.documents import Document
    from target_kustomer.simulator.objects import Resource
    from target_kustomer.simulator.store import Change


def bulk_create(resource: Resource) -> Handler:
    """Returns the handler for POST of an array."""

    def handle(call: Call) -> Answer:
        return _submitted(call, resource, "create", accepted_items(call, resource, "bulk-create"))

    return handle


def bulk_update(resource: Resource) -> Handler:
    """Returns the handler for PUT, of an array or of one body for all `?ids=`."""

    def handle(call: Call) -> Answer:
        if call.query("ids") is None:
            items = accepted_items(call, resource, "bulk-update")
        else:
            [change] = accepted_items(call, resource, "bulk-update-by-ids")
            items = [change | {"id": object_id} for object_id in _ids(call)]
        return _submitted(call, resource, "update", items)

    return handle


def bulk_delete(call: Call) -> Answer:
    """Submits the deletion of customers, `?ids=`."""
    items: list[Change] = [{"id": object_id} for object_id in _ids(call)]
    found = [call.org.get("customer", item["id"]) for item in items]
    gone = any(stored is None or stored.deleted for stored in found)
    if gone and call.switches.delete_again == "refused":
        raise not_found(parameter="ids")
    call.org.poison.check_request(items)
    return _submitted(call, "customer", "delete", items)


def _ids(call: Call) -> list[str]:
    ids = [object_id for object_id in (call.query("ids") or "").split(",") if object_id]
    if not 1 <= len(ids) <= MAX_BULK_ITEMS:
        raise bad_request(title="Array length is not allowed", parameter="ids")
    call.entry.records = len(ids)
    return ids


def _submitted(call: Call, resource: Resource, verb: Verb, items: list[Change]) -> Answer:
    org = call.org
    size = call.switches.batch_size
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    flaws = call.world.faults.flaws(call.entry.method, call.entry.path, call.entry.ordinal)
    running_at, due_times = org.queue.schedule(len(parts), flaws)
    job = Job(
        org.new_id(),
        resource,
        verb,
        user=call.key.user,
        replace=call.replace,
        client_refs="_clientRef" in items[0],
        submitted_at=org.clock(),
        running_at=running_at,
        batches=[
            Batch(org.new_id(), part, due) for part, due in zip(parts, due_times, strict=True)
        ],
        identities=org.identities(resource, items),
        flaws=flaws,
    )
    org.queue.submit(job)
    return 201, {"data": submitted_document(org, job)}


def read_job(call: Call) -> Answer:
    """Returns the state of a job."""
    return 200, {"data": job_document(call.org, _found_job(call))}


def _found_job(call: Call) -> Job:
    job = call.org.queue.jobs.get(call.path_id())
    if job is None:
        raise not_found(parameter="id")
    known_from = job.submitted_at + call.switches.job_unknown_seconds
    if job.flaws.unknown_polls > 0 or call.org.clock() < known_from:
        job.flaws.unknown_polls -= 1
        raise not_found(parameter="id")
    return job


def list_batches(call: Call) -> Answer:
    """Returns the batches of a job by pages, with a `meta` of their own form [API §2.5]."""
    job = _found_job(call)
    size = call.switches.batches_page_size
    for name in ("limit", "pageSize"):
        size = min(size, number_in_query(call, name, size))
    page = number_in_query(call, "page", 1)
    found = _batches(call, job)
    pages = max(1, -(-len(found) // size))
    answer: Document = {"data": found[(page - 1) * size : page * size]}
    if call.switches.sparse_answers:
        next_link = page_link(call, page + 1) if page < pages else None
        return 200, answer | {"meta": {}, "links": {"next": next_link}}
    meta = {"page": page, "pages": pages, "count": len(found), "limit": size}
    return 200, answer | {"meta": meta}


def _batches(call: Call, job: Job) -> list[Document]:
    if job.status(call.org.clock()) == "queued" and not call.switches.batches_listed_while_queued:
        return []
    found = [batch_document(call.org, job, batch) for batch in job.batches]
    for name, shown in (("status", str), ("completed", lambda value: str(value).lower())):
        wanted = call.query(name)
        if wanted is not None:
            found = [batch for batch in found if shown(batch["attributes"][name]) == wanted]
    by_time = operator.itemgetter("createdAt")
    reverse = call.query("sort") == "-createdAt"
    return sorted(found, key=lambda batch: by_time(batch["attributes"]), reverse=reverse)
