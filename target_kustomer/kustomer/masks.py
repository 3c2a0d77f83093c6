"""What a log of requests may tell without the values of records: pure.

Nothing is told for the place where it stands alone: what is kept has a form, or is one of the
words, that no value of a person can have. All else becomes ``***``, whatever the server says.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"

_ID = re.compile(r"[0-9a-f]{24}")
"""Kustomer's own ids [API §2]."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
"""Of an attribute."""

_SMALL_NUMBER = re.compile(r"[0-9]{1,6}")

_MOST = 1_000_000
"""Counts below this are kept."""

_IDS = {"id", "ids", "objectId", "objectIds"}
_COUNTS = {
    "complete",
    "count",
    "failureCount",
    "idsTotal",
    "limit",
    "page",
    "pages",
    "pageSize",
    "rev",
    "successCount",
    "total",
    "totalPages",
}
_FLAGS = {"batchErrors", "completed", "deleted", "isLarge", "v2"}
_LINKS = {"first", "last", "next", "prev", "self"}

_RESOURCES = {"company", "customer", "metadata", "bulk", "bulk_batch", "org", "user", "auth_token"}

_WORDS: dict[str, set[str]] = {
    "type": {*_RESOURCES, "home", "work", "mobile", "fax", "other", "website", "string", "number"},
    "status": {"queued", "running", "complete", "created", "updated", "deleted", "error"},
    "code": {
        "bad_request",
        "badparam",
        "conflict",
        "duplicate",
        "forbidden",
        "not_found",
        "notfound",
        "rate_limit",
        "ratelimit",
        "unauthorized",
    },
}
"""The words that are kept, by the name under which they stand [API §2, §8]."""

_TELLING = {*_IDS, *_COUNTS, *_FLAGS, *_LINKS, *_WORDS, "_clientRef"}
"""The names under which anything is kept."""

_CUSTOM = "custom"
"""The object of attributes that have the org's own names."""

_SEGMENTS = {
    *("v1", "customers", "companies", "bulk", "batches", "auth", "tokens", "current"),
    *("metadata", "customer", "company", "search"),
}
_LOOKUPS = {"externalId", "email", "phone"}
_PARAMETERS = {
    *("page", "pageSize", "ids", "replace", "include", "sort", "externalId", "filter"),
    "translate",
    *(f"filter[{name}][{how}]" for name in ("createdAt", "updatedAt") for how in ("gte", "lte")),
}
_SORTS = {f"{sign}{name}" for sign in ("", "-") for name in ("createdAt", "updatedAt")}

_DATE = r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT"
_NUMBER = r"\d{1,13}(\.\d{1,3})?"
_MIME = (
    r"(application|text)/(json|vnd\.api\+json|problem\+json|html|plain|xml)"
    r"(; ?charset=(utf-8|UTF-8|iso-8859-1|us-ascii))?"
)
_HEADERS = {
    name: re.compile(pattern)
    for name, pattern in {
        "connection": r"keep-alive|close",
        "content-encoding": r"gzip|deflate|br|zstd|identity",
        "content-length": _NUMBER,
        "content-type": _MIME,
        "date": _DATE,
        "retry-after": rf"{_NUMBER}|{_DATE}",
        "transfer-encoding": r"chunked",
        "x-amz-cf-id": r"[\w-]{54}==",
        "x-cache": r"(Hit|Miss|Error) from cloudfront",
        "x-kustomer-pod": r"prod\d{1,2}",
        "x-ratelimit-limit": _NUMBER,
        "x-ratelimit-object-limit": _NUMBER,
        "x-ratelimit-object-remaining": _NUMBER,
        "x-ratelimit-remaining": _NUMBER,
        "x-ratelimit-reset": _NUMBER,
    }.items()
}
"""Of an answer's headers the values that are kept; the names always are."""

CREDENTIALS = {"authorization", "proxy-authorization", "cookie", "set-cookie"}
"""Headers whose values are never told."""


class Secret:
    """Hides a text wherever it occurs, however JSON or an address spells it.

    Args:
        text: The API key.
    """

    def __init__(self, text: str) -> None:
        spellings = {text, json.dumps(text)[1:-1], quote(text), quote(text, safe="")}
        spellings.add(quote_plus(text))
        longest_first = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def hide(self, text: str) -> str:
        """The text without the secret."""
        return self._pattern.sub(MASK, text)


def mask_body(content: bytes) -> str:
    """A JSON body with its structure and its attributes' names; what is no JSON is masked whole."""
    if not content:
        return ""
    try:
        return msgspec.json.encode(_masked(msgspec.json.decode(content), "")).decode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return MASK


def mask_address(address: str) -> str:
    """A path and query in which only Kustomer's own words, ids and page numbers are told."""
    path, mark, query = address.partition("?")
    segments = "/".join(map(_segment, path.split("/")))
    pairs = mask_parameters(parse_qsl(query, keep_blank_values=True))
    return segments + mark + urlencode(pairs, safe="*[]-,")


def mask_parameters(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters of a query, likewise."""
    return [
        (name, value if _is_plain(name, value) else MASK) if name in _PARAMETERS else (MASK, MASK)
        for name, value in pairs
    ]


def mask_header(name: str, value: str) -> str:
    """The value of an answer's header, where it cannot tell of anybody."""
    pattern = _HEADERS.get(name.lower())
    return value if pattern and pattern.fullmatch(value) else MASK


def _masked(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        inside = name == _CUSTOM
        return {_name(key): _masked(each, name if inside else key) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, name) for each in value]
    if value is None:
        return None
    if name not in _TELLING:
        return MASK
    if isinstance(value, str) and name in _LINKS:
        return mask_address(value)
    return value if _is_harmless(name, value) else MASK


@lru_cache(maxsize=4096)  # all records have the same few
def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else MASK


def _is_harmless(name: str, value: Any) -> bool:
    if isinstance(value, str):
        if name in _IDS:
            return bool(_ID.fullmatch(value))
        if name == "_clientRef":
            return bool(_SMALL_NUMBER.fullmatch(value))
        return value in _WORDS.get(name, ())
    if isinstance(value, bool):
        return name in _FLAGS
    if isinstance(value, int):
        return (name in _COUNTS and value < _MOST) or (name == "status" and 100 <= value < 600)  # noqa: PLR2004
    return False


def _segment(text: str) -> str:
    if not text or text in _SEGMENTS or _ID.fullmatch(text):
        return text
    kind, equals, _ = text.partition("=")
    return f"{kind}={MASK}" if equals and kind in _LOOKUPS else MASK


def _is_plain(name: str, value: str) -> bool:
    if name in {"page", "pageSize"}:
        return bool(_SMALL_NUMBER.fullmatch(value))
    if name == "ids":
        return all(map(_ID.fullmatch, value.split(",")))
    return (name == "sort" and value in _SORTS) or (name, value) == ("translate", "false")
