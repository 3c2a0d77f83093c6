"""Calls for single companies [API §2.2]; there is no PATCH, no DELETE, no look-up in the path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_kustomer.simulator.documents import object_document
from target_kustomer.simulator.errors import not_found
from target_kustomer.simulator.listing import page_document
from target_kustomer.simulator.writing import accepted_items

if TYPE_CHECKING:
    from target_kustomer.simulator.calls import Answer, Call
    from target_kustomer.simulator.objects import StoredObject


def create_company(call: Call) -> Answer:
    """Creates a company; an externalId that is another's is refused [API §12.17]."""
    [item] = accepted_items(call, "company", "create")
    stored = call.org.write("company", "create", item, call.org.clock())
    return 201, {"data": object_document(call.org, stored)}


def read_company(call: Call) -> Answer:
    """Returns a company by its id, with `deleted: true` if it is."""
    stored = call.org.get("company", call.path_id())
    if stored is None or (stored.deleted and not call.switches.deleted_companies_readable):
        raise not_found(parameter="id")
    return 200, {"data": object_document(call.org, stored)}


def update_company(call: Call) -> Answer:
    """Merges a body into a company, or replaces it; `deleted: true` deletes it [API §10]."""
    [item] = accepted_items(call, "company", "update")
    stored = call.org.get("company", call.path_id())
    if stored is None:
        raise not_found(parameter="id")
    call.spend_object_update(stored.id)
    change = item | {"id": stored.id}
    call.org.write("company", "update", change, call.org.clock(), replace=call.replace)
    return 200, {"data": object_document(call.org, stored)}


def list_companies(call: Call) -> Answer:
    """Returns the companies by pages: by `externalId`, or by `filter` on the name.

    Both together are ignored, as in Kustomer [API §2.2].
    """
    found = (
        call.org.stored("company") if call.switches.deleted_companies_listed else call.org.companies
    )
    external_id, name = call.query("externalId"), call.query("filter")
    if external_id is not None and name is None:
        found = [stored for stored in found if stored.attributes.get("externalId") == external_id]
    elif name is not None and external_id is None:
        found = [stored for stored in found if _name_matches(call, stored, name)]
    return 200, page_document(call, found, total=False)


def _name_matches(call: Call, stored: StoredObject, wanted: str) -> bool:
    name = stored.attributes["name"]
    if not call.switches.company_filter_case_sensitive:
        name, wanted = name.casefold(), wanted.casefold()
    if call.switches.company_filter == "exact":
        return bool(name == wanted)
    if call.switches.company_filter == "prefix":
        return bool(name.startswith(wanted))
    return wanted in name
