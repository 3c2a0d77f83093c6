"""Calls for single customers [API §2.1]."""

from __future__ import annotations

import operator
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from target_kustomer.simulator.documents import object_document
from target_kustomer.simulator.errors import ApiError, bad_request, not_found
from target_kustomer.simulator.listing import page_document
from target_kustomer.simulator.writing import accepted_items

if TYPE_CHECKING:
    from target_kustomer.simulator.calls import Answer, Call
    from target_kustomer.simulator.objects import StoredObject

_LOOK_UPS = ("externalId", "email", "phone")
_TIMES = {"createdAt": "created_at", "updatedAt": "updated_at"}
_COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def create_customer(call: Call) -> Answer:
    """Creates a customer; an identifier that is another's is refused [API §12.18]."""
    [item] = accepted_items(call, "customer", "create")
    stored = call.org.write("customer", "create", item, call.org.clock())
    return 201, {"data": object_document(call.org, stored)}


def read_customer(call: Call) -> Answer:
    """Returns a customer by its id, or by `externalId=`, `email=` or `phone=` in the path."""
    parameter, found = _looked_up(call)
    if found is None or (found.deleted and not call.switches.deleted_customers_readable):
        raise not_found(parameter=parameter)
    return 200, {"data": object_document(call.org, found)}


def _looked_up(call: Call) -> tuple[str, StoredObject | None]:
    raw: bytes = call.request.scope["raw_path"]
    segment = raw.decode("ascii").partition("?")[0].removeprefix("/v1/customers/")
    if "/" in segment:
        raise ApiError(404, "notfound", "Not Found")
    parameter, equals, value = unquote(segment).partition("=")
    if not equals:
        return "id", call.org.get("customer", parameter)
    if parameter not in _LOOK_UPS:
        raise not_found(parameter=parameter)
    found = call.org.find(parameter, value)
    if found is None and call.switches.lookup_matches_shared:
        found = call.org.find(parameter, value, shared=True)
    return parameter, found


def update_customer(call: Call) -> Answer:
    """Merges a body into a customer, by PATCH as by PUT, or replaces it [API §2.1]."""
    [item] = accepted_items(call, "customer", "update")
    stored = call.org.get("customer", call.path_id())
    if stored is None or stored.deleted:
        raise not_found(parameter="id")
    call.spend_object_update(stored.id)
    sent_rev = call.query("rev") or item.get("rev")
    if call.switches.rev_mismatch_refused and sent_rev not in {None, stored.rev, str(stored.rev)}:
        raise ApiError(409, "conflict", "Conflict", source={"parameter": "rev"})
    replace = call.replace and call.request.method == "PUT"
    change = item | {"id": stored.id}
    call.org.write("customer", "update", change, call.org.clock(), replace=replace)
    return 200, {"data": object_document(call.org, stored)}


def delete_customer(call: Call) -> Answer:
    """Deletes a customer [API §10]."""
    call.org.write("customer", "delete", {"id": call.path_id()}, call.org.clock())
    return 204, None


def list_customers(call: Call) -> Answer:
    """Returns the customers by pages, with filters on times and by order of times."""
    found = (
        call.org.stored("customer")
        if call.switches.deleted_customers_readable
        else call.org.customers
    )
    for name, attribute in _TIMES.items():
        for comparison, holds in _COMPARISONS.items():
            limit = _time_in_query(call, f"filter[{name}][{comparison}]")
            if limit is not None:
                found = [stored for stored in found if holds(getattr(stored, attribute), limit)]
    sort = call.query("sort") or "createdAt"
    if sort.removeprefix("-") not in _TIMES:
        raise bad_request(title="No enum match", parameter="sort")
    key = operator.attrgetter(_TIMES[sort.removeprefix("-")])
    found = sorted(found, key=key, reverse=sort.startswith("-"))
    return 200, page_document(call, found, total=True)


def _time_in_query(call: Call, name: str) -> float | None:
    text = call.query(name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError as error:
        raise bad_request(title="Format validation failed", parameter=name) from error
