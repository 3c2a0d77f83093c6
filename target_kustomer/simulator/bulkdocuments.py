"""The documents of bulk jobs and their batches [API §2.3-§2.5]."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from target_kustomer.simulator.documents import Document, relation, timestamp

if TYPE_CHECKING:
    from target_kustomer.simulator.jobs import Batch, Job, Result
    from target_kustomer.simulator.org import Org

_JOB_REQUIRED = ("context", "status", "completed", "v2", "createdAt", "updatedAt")
_METHODS = {"create": "POST", "update": "PUT", "delete": "DELETE"}
_PATHS = {"customer": "/v1/customers", "company": "/v1/companies"}


def submitted_document(org: Org, job: Job) -> Document:
    """Returns the answer to a submit, which echoes what was sent [API §2.3]."""
    api = {
        "data": [item for batch in job.batches for item in batch.items],
        "path": _PATHS[job.resource],
        "requestId": job.id,
        "service": "sobjects",
        "method": _METHODS[job.verb],
    }
    document = _document(org, job, status="queued", completed=False)
    document["attributes"] |= {"ids": [], "payload": {"api": api}}
    return document


def job_document(org: Org, job: Job) -> Document:
    """Returns the state of a job [API §2.4]."""
    document = _document(org, job, status=job.status(org.clock()), completed=job.completed)
    if org.switches.sparse_answers:
        return document
    done = sum(batch.results is not None for batch in job.batches)
    total = len(job.batches)
    attributes = document["attributes"] | {
        "ids": [],
        "errors": {},
        "batchErrors": any(result["status"] == "error" for result in job.results),
        "lastBatchError": {},
        "isLarge": False,
        "batches": {"complete": done, "total": total, "idsTotal": len(job.results)},
        "payload": {},
    }
    if job.completed:
        attributes["completedAt"] = timestamp(job.done_at)
    return document | {"attributes": attributes}


def _document(org: Org, job: Job, *, status: str, completed: bool) -> Document:
    moved = job.done_at if completed else job.submitted_at
    values = (
        f"api.sobjects.{_PATHS[job.resource].rpartition('/')[2]}.bulk-{job.verb}",
        status,
        completed,
        True,
        timestamp(job.submitted_at),
        timestamp(moved),
    )
    return {
        "type": "bulk",
        "id": job.id,
        "attributes": dict(zip(_JOB_REQUIRED, values, strict=True)),
        "relationships": {
            "org": relation("org", "orgs", org.id),
            "createdBy": relation("user", "users", job.user),
        },
        "links": {"self": f"/v1/bulk/{job.id}"},
    }


def batch_document(org: Org, job: Job, batch: Batch) -> Document:
    """Returns one batch, with what became of its items once it is done [API §2.5]."""
    completed = batch.results is not None
    attributes: Document = {
        "status": "complete" if completed else "queued",
        "completed": completed,
        "createdAt": timestamp(job.submitted_at),
        "updatedAt": timestamp(batch.due_at if completed else job.submitted_at),
    }
    if not org.switches.sparse_answers:
        attributes |= {"completedAt": timestamp(batch.due_at) if completed else None, "v2": True}
        attributes |= _counts(org, batch)
        if job.verb == "delete" and not org.switches.deletes_tell_ids:
            del attributes["objectIds"]
    document: Document = {
        "type": "bulk_batch",
        "id": batch.id,
        "attributes": attributes,
        "relationships": {
            "org": relation("org", "orgs", org.id),
            "bulk": relation("bulk", "bulk", job.id),
            "createdBy": relation("user", "users", job.user),
        },
        "links": {"self": f"/v1/bulk/{job.id}/batches/{batch.id}"},
    }
    place = {"attributes": attributes, "item": document}.get(org.switches.results_location)
    if place is not None and _bears_results(org, job, batch):
        place["results"] = _results(org, job, batch)
    return document


def _bears_results(org: Org, job: Job, batch: Batch) -> bool:
    kept_until = batch.due_at + org.switches.results_kept_seconds
    return (
        batch.results is not None
        and org.clock() <= kept_until
        and job.client_refs
        and not job.flaws.without_results
    )


def _counts(org: Org, batch: Batch) -> Document:
    results = batch.results or []
    successes = [result["objectId"] for result in results if result["status"] != "error"]
    errors = [result["error"] for result in results if result["status"] == "error"]
    return {
        "successCount": len(successes),
        "failureCount": len(errors),
        "objectIds": _shuffled(org, batch, successes),
        "errors": [
            {"id": f"{batch.id[:-3]}{number:03x}", "data": {"message": text}}
            for number, text in enumerate(errors)
        ],
    }


def _results(org: Org, job: Job, batch: Batch) -> list[Result]:
    missing = job.flaws.missing_results if batch is job.batches[0] else 0
    return _shuffled(org, batch, batch.results or [])[missing:]


def _shuffled(org: Org, batch: Batch, values: list[Any]) -> list[Any]:
    """Returns values in an order that is any, but the same each time."""
    if not org.switches.results_shuffled:
        return values
    order = random.Random(f"{org.switches.seed}{batch.id}")  # noqa: S311 - no secrets
    return order.sample(values, len(values))
