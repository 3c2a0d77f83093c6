"""Rules that only the server knows: records that look right and are refused all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from target_kustomer.simulator.errors import ItemError, bad_request

if TYPE_CHECKING:
    from collections.abc import Iterator

Predicate = Callable[[dict[str, Any]], bool]
"""Tells whether a rule refuses an item, given as it was sent."""


class PoisonRules:
    """The rules that tests have set, at two levels [API §2.6]."""

    def __init__(self) -> None:
        self._request_rules: list[tuple[Predicate, str]] = []
        self._item_rules: list[tuple[Predicate, str]] = []

    def refuse_request_if(self, predicate: Predicate, detail: str = "Invalid value") -> None:
        """Refuses with 400 every request that bears such an item, and does not say which."""
        self._request_rules.append((predicate, detail))

    def refuse_item_if(self, predicate: Predicate, text: str = "validation failed") -> None:
        """Refuses such an item at run time: its result is an error, the others succeed."""
        self._item_rules.append((predicate, text))

    def check_request(self, items: list[dict[str, Any]]) -> None:
        """Raises the 400 (`ApiError`) if any item of a request is refused."""
        for predicate, detail in self._request_rules:
            if any(predicate(item) for item in items):
                raise bad_request(title="Bad Request", detail=detail)

    def check_item(self, item: dict[str, Any]) -> None:
        """Raises the error (`ItemError`) of an item that is refused."""
        for predicate, text in self._item_rules:
            if predicate(item):
                raise ItemError(text=text)


def attribute_matches(
    path: str, *, equals: object = None, contains: str | None = None
) -> Predicate:
    """Returns a predicate on one attribute, for rules that are given as data.

    Args:
        path: Name of the attribute, with dots into objects and through lists (`emails.email`).
        equals: The value to match, unless `contains` is given.
        contains: Text to be contained in the value.
    """

    def matches(item: dict[str, Any]) -> bool:
        values = _values_at(item, path.split("."))
        if contains is not None:
            return any(contains in value for value in values if isinstance(value, str))
        return any(value == equals for value in values)

    return matches


def _values_at(value: object, keys: list[str]) -> Iterator[object]:
    if isinstance(value, list):
        for member in value:
            yield from _values_at(member, keys)
    elif not keys:
        yield value
    elif isinstance(value, dict) and keys[0] in value:
        yield from _values_at(value[keys[0]], keys[1:])
