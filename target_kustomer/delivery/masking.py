"""Keeps other records' values out of a rejection's detail: pure (design 1.8)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

_SHORTEST_MASKED = 3
"""Shorter texts occur in any sentence and identify nobody."""


def mask_others(detail: str, own: Any, others: Iterable[Any]) -> str:
    """Mask in a server's text every value of the other records that is not the record's own.

    Case does not count, and what a path, a JSON body or a phone number's digits make of a value
    is masked too: the server may spell it in its own way.

    Args:
        detail: The server's text.
        own: The attributes of the rejected record.
        others: The attributes of the records that were sent with it.
    """
    said = detail.casefold()
    kept = {text.casefold() for text in _texts(own)}
    foreign = {
        text
        for other in others
        for text in _texts(other)
        if text.casefold() in said and text.casefold() not in kept
    }
    for text in sorted(foreign, key=len, reverse=True):
        detail = re.sub(re.escape(text), MASK, detail, flags=re.IGNORECASE)
    return detail


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        if len(str(value)) >= _SHORTEST_MASKED:
            yield from _spellings(str(value))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


@lru_cache(maxsize=4096)  # each rejection of a batch is held against all of its records
def _spellings(text: str) -> frozenset[str]:
    in_json = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    in_urls = (quote(text), quote(text, safe=""), quote_plus(text))
    return frozenset((text, text.removeprefix("+"), *in_json, *in_urls))
