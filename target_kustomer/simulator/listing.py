"""Lists by pages [API §9]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from target_kustomer.simulator.documents import object_document
from target_kustomer.simulator.errors import bad_request

if TYPE_CHECKING:
    from target_kustomer.simulator.calls import Call
    from target_kustomer.simulator.objects import StoredObject

MAX_PAGE_SIZE = 100
"""Objects on one page of most lists [API §9]."""


def number_in_query(call: Call, name: str, default: int, maximum: int | None = None) -> int:
    """Returns a whole number of 1 or more from the query.

    Raises:
        ApiError: 400 if it is none, or more than `maximum`.
    """
    text = call.query(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise bad_request(title="Invalid type", parameter=name)
    if maximum is not None and int(text) > maximum:
        raise bad_request(title="Number is too large", parameter=name)
    return int(text)


def page_document(
    call: Call, found: list[StoredObject], *, total: bool, max_page_size: int = MAX_PAGE_SIZE
) -> dict[str, Any]:
    """Returns the page of a list that a call asks for.

    Args:
        call: The call, with `page` and `pageSize` in its query.
        found: The whole list.
        total: Whether `meta` says how much there is.
        max_page_size: A larger `pageSize` is refused.
    """
    page = number_in_query(call, "page", 1)
    size = number_in_query(call, "pageSize", MAX_PAGE_SIZE, max_page_size)
    shown = found[(page - 1) * size : page * size]
    pages = max(1, -(-len(found) // size))
    meta = {"pageSize": size, "page": page}
    if total:
        meta |= {"total": len(found), "totalPages": pages}
    return {
        "meta": meta,
        "data": [object_document(call.org, stored) for stored in shown],
        "links": {
            "self": page_link(call, page),
            "first": page_link(call, 1),
            "prev": page_link(call, page - 1) if page > 1 else None,
            "next": page_link(call, page + 1) if page < pages else None,
        },
    }


def page_link(call: Call, page: int) -> str:
    """Returns the relative link to another page of the same list."""
    kept = [
        (name, value) for name, value in call.request.query_params.multi_items() if name != "page"
    ]
    return f"{call.request.url.path}?{urlencode([('page', page), *kept])}"
