"""The search, which lags behind what was written [API §6]."""

from __future__ import annotations

import operator
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from target_kustomer.simulator.calls import too_many_requests
from target_kustomer.simulator.documents import timestamp
from target_kustomer.simulator.errors import bad_request
from target_kustomer.simulator.listing import number_in_query, page_document

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator.calls import Answer, Call
    from target_kustomer.simulator.objects import StoredObject

MAX_PAGES = 100
"""Pages of one search that can be read [API §6]."""

MAX_PAGE_SIZE = 500
"""Objects on one page of a search [API §6]."""

_LISTS = {
    "customer_email": ("emails", "email"),
    "customer_shared_email": ("sharedEmails", "email"),
    "customer_phone": ("phones", "phone"),
    "customer_shared_external_id": ("sharedExternalIds", "externalId"),
}
_SCALARS = {
    "customer_externalId": "externalId",
    "customer_name": "name",
    "company_name": "name",
    "customer_tags": "tags",
    "company_tags": "tags",
    "company_default_lang": "defaultLang",
    "company_imported_at": "importedAt",
}
_TIMES = {"created_at": "created_at", "updated_at": "updated_at", "modified_at": "updated_at"}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def search(call: Call) -> Answer:
    """Finds customers or companies by `and`, `or` and `not` [API §6]."""
    window = call.world.searches.of(call.key.user)
    if not window.spend():
        raise too_many_requests(window, call.switches)
    payload = call.payload()
    call.world.schemas.check("customer.search", payload)
    query = cast("dict[str, Any]", payload)
    resource = query.get("queryContext", "customer")
    number_in_query(call, "page", 1, MAX_PAGES)
    seen_until = call.org.clock() - call.switches.search_lag_seconds
    stored = call.org.stored(resource)
    found = [
        one
        for one in stored
        if one.updated_at <= seen_until
        and (query.get("includeDeleted") or not one.deleted)
        and _fits(one, query)
    ]
    return 200, page_document(call, found, total=True, max_page_size=MAX_PAGE_SIZE)


def _fits(stored: StoredObject, query: dict[str, Any]) -> bool:
    results = {
        part: _results(stored, query[part]) for part in ("and", "or", "not") if part in query
    }
    return (
        all(results.get("and", [True]))
        and any(results.get("or", [True]))
        and not any(results.get("not", [False]))
    )


def _results(stored: StoredObject, conditions: Any) -> list[bool]:
    conditions = conditions if isinstance(conditions, list) else [conditions]
    return [
        _holds(_values(stored, attribute), comparison, wanted)
        for condition in conditions
        for attribute, comparisons in condition.items()
        for comparison, wanted in comparisons.items()
    ]


def _values(stored: StoredObject, attribute: str) -> list[Any]:
    """Returns the values of an attribute as the search names it; there is no company_externalId."""
    resource, _, name = attribute.partition("_")
    if resource == stored.resource and name in _TIMES:
        return [timestamp(getattr(stored, _TIMES[name]))]
    if resource == stored.resource and name.startswith("custom_"):
        value = stored.attributes.get("custom", {}).get(name.removeprefix("custom_"))
    elif resource == stored.resource and attribute in _LISTS:
        key, member = _LISTS[attribute]
        return [item[member] for item in stored.attributes.get(key, ())]
    elif resource == stored.resource and attribute in _SCALARS:
        value = stored.attributes.get(_SCALARS[attribute])
    else:
        raise bad_request(title="Unknown attribute", parameter=attribute)
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _holds(values: list[Any], comparison: str, wanted: Any) -> bool:
    if comparison == "equals":
        return wanted in values
    if comparison == "in":
        return any(value in wanted for value in values)
    if comparison == "contains":
        return any(str(wanted).casefold() in str(value).casefold() for value in values)
    if comparison == "not_set":
        return not values
    if comparison in _ORDERS:
        return any(_ORDERS[comparison](_comparable(value), _comparable(wanted)) for value in values)
    raise bad_request(title="Unknown operator", parameter=comparison)


def _comparable(value: Any) -> Any:
    """Returns a number for a time, so that times compare whatever their form."""
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return value
