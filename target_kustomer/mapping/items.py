"""List attributes and their items."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from target_kustomer.mapping.addresses import social_url
from target_kustomer.mapping.attributes import Kind, Structure
from target_kustomer.mapping.coercion import coerce, text
from target_kustomer.mapping.failures import CoercionError
from target_kustomer.mapping.keys import comparable
from target_kustomer.models import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from target_kustomer.mapping.attributes import Items
    from target_kustomer.mapping.failures import Notes
    from target_kustomer.models import JSON


def coerce_items(
    items: Items, value: Any, notes: Notes, *, item_type: str = ""
) -> list[JSON] | None:
    """The items of a list, or None where there are none; those without a type get this one."""
    given = [
        coerce_structure(items.item, each, notes, item_type=item_type)
        if isinstance(items.item, Structure)
        else coerce(items.item, each, notes)
        for each in _raw_items(items, value)
    ]
    return distinct(items, (each for each in given if each is not None)) or None


def coerce_structure(
    structure: Structure, value: Any, notes: Notes, *, item_type: str = ""
) -> dict[str, JSON] | None:
    """An object in Kustomer's own form, or made of the one value that stands for it."""
    value = _parsed(value, dict)
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        if structure.lone is None:
            raise CoercionError(Reason.INVALID_TYPE, "not an object")
        value = {structure.lone: value}
    typed = {"type": item_type} if item_type else {}
    coerced = _coerce_members(structure, {**typed, **value}, notes)
    if missing := [each for each in structure.required if coerced.get(each) is None]:
        raise CoercionError(Reason.REQUIRED_MISSING, f"an item without {missing[0]}")
    return coerced or None


def check_length(items: Items, values: Sequence[JSON]) -> None:
    """Refuse what is more than the list may have."""
    if len(values) > items.max_items:
        raise CoercionError(Reason.LIST_FULL, f"more than {items.max_items} items")


def distinct(items: Items, values: Iterable[JSON]) -> list[JSON]:
    """The items without those that came before under the same identity."""
    if not items.unique:
        return unrepeated(values)
    return _first_of_each(values, lambda each: identity(items, each))


def unrepeated(values: Iterable[JSON]) -> list[JSON]:
    """The items without those that are alike in everything, which Kustomer refuses [API §3]."""
    return _first_of_each(values, lambda each: json.dumps(each, sort_keys=True))


def identity(items: Items, item: JSON) -> Hashable:
    """What makes an item the same as another one, however it is spelled."""
    if not isinstance(items.item, Structure):
        return str(item)
    members = items.item.members
    return tuple(str(comparable(members[each].kind, item.get(each))) for each in items.identity)


def _first_of_each(values: Iterable[JSON], key: Callable[[JSON], Hashable]) -> list[JSON]:
    given = list(values)
    if len(given) == 1:  # as most are, and no key need be made
        return given
    seen: dict[Hashable, JSON] = {}
    for each in given:
        seen.setdefault(key(each), each)
    return list(seen.values())


def _coerce_members(
    structure: Structure, given: Mapping[str, Any], notes: Notes
) -> dict[str, JSON]:
    coerced: dict[str, JSON] = {}
    for name, value in given.items():
        scalar = structure.members.get(name)
        if scalar is None:
            if value is not None:
                raise CoercionError(Reason.NOT_ALLOWED, f"an item may not have {name}")
            continue
        member = coerce(scalar, value, notes)
        if member is not None or structure.nullable:
            coerced[name] = member
        if scalar.kind is Kind.SOCIAL and member:
            url = social_url(text(value).strip())
            coerced = {"url": url, **coerced} if url else coerced
    return coerced


def _raw_items(items: Items, value: Any) -> Sequence[Any]:
    value = _parsed(value, list)
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, str) and not isinstance(items.item, Structure):
        return value.split(",")
    return [value]


def _parsed(value: Any, wanted: type[dict[str, Any] | list[Any]]) -> Any:
    """The value that a JSON text of the wanted type holds, else the value itself."""
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    if not stripped.startswith(_OPENING[wanted]):
        return stripped
    try:
        parsed = json.loads(stripped)
    except (ValueError, RecursionError):
        return stripped
    return parsed if isinstance(parsed, wanted) else stripped


_OPENING: dict[type, str] = {dict: "{", list: "["}
