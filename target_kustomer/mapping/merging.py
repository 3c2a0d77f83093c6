"""What records sent one after the other come to, and whether Kustomer holds what was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import (
    ATTRIBUTES,
    CUSTOM,
    Items,
    Scalar,
    Shape,
    Structure,
)
from target_kustomer.mapping.items import identity, unrepeated
from target_kustomer.mapping.keys import comparable
from target_kustomer.mapping.names import suffix_of
from target_kustomer.mapping.targets import list_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_kustomer.models import JSON, Attributes, ObjectType
    from target_kustomer.settings import Lists

_LISTS: Mapping[str, Items] = {
    name: attribute.shape
    for table in ATTRIBUTES.values()
    for name, attribute in table.items()
    if isinstance(attribute.shape, Items)
}
"""The list attributes; those that both objects have are the same."""

_UNVERIFIED = ("verified", False)
"""What Kustomer says of an address or a number of which nobody has said so [API §12.19]."""

_REV = "rev"
"""Kustomer counts it up itself: what was sent is a lock, not a value to be held."""


def merge_attributes(
    object_type: ObjectType, earlier: Attributes, later: Attributes, lists: Lists
) -> dict[str, JSON]:
    """The attributes whose one sending comes to what sending one after the other would."""
    merged = {**earlier, **later}
    for name in earlier.keys() & later.keys():
        if name == "custom":
            merged[name] = {**earlier[name], **later[name]}
        elif lists == "merge" and list_of(object_type, name):
            merged[name] = merge_list(name, earlier[name], later[name])
    return merged


def merge_list(
    attribute: str, existing: Sequence[JSON] | None, incoming: Sequence[JSON] | None
) -> list[JSON]:
    """The list with the incoming items first, each made one with the existing item that it is.

    An item that is there keeps its spelling and whatever the incoming one says nothing of; all
    others are kept. What no request may hold is left out of the existing items.
    """
    items = _LISTS[attribute]
    kept = [legal for each in existing or () if (legal := _legal(items, each)) is not None]
    merged = []
    for item in incoming or ():
        same = [each for each in kept if identity(items, each) == identity(items, item)]
        if same:
            kept.remove(same[0])
        merged.append(_updated(items, same[0], item) if same else item)
    return unrepeated([*merged, *kept])


def as_sent(attribute: str, items: Sequence[JSON] | None) -> list[JSON]:
    """The items that Kustomer holds as a source sends them: without what it adds by itself."""
    shape = _LISTS[attribute]
    legal = (_legal(shape, each) for each in items or ())
    return [
        {name: value for name, value in each.items() if (name, value) != _UNVERIFIED}
        if isinstance(each, dict)
        else each
        for each in legal
    ]


def over_limit(attribute: str, items: Sequence[JSON]) -> bool:
    """Whether the list has more items than Kustomer takes [API §4]."""
    return len(items) > _LISTS[attribute].max_items


def remaining(attributes: Attributes, is_held: Callable[[str, JSON], bool]) -> dict[str, JSON]:
    """The attributes, custom ones each by itself, without those that Kustomer holds.

    A company goes with the others: left out of an update, it would be unlinked [API §2.1].
    """
    left: dict[str, JSON] = {}
    for name, value in attributes.items():
        if name == "custom":
            parts = {
                key: part for key, part in (value or {}).items() if not is_held(name, {key: part})
            }
            left |= {name: parts} if parts else {}
        elif not is_held(name, value):
            left[name] = value
    if left and "company" in attributes:
        left["company"] = attributes["company"]
    return left


def holds(object_type: ObjectType, current: Attributes, sent: Attributes) -> bool:
    """Whether what Kustomer answers [API §2] says all that was sent, however it spells it.

    A customer's company is no attribute of the answer and none of ``sent``.
    """
    table = ATTRIBUTES[object_type]
    return all(
        _holds_custom(current.get(name) or {}, value or {})
        if name == "custom"
        else name == _REV or _holds(table[name].shape, current.get(name), value)
        for name, value in sent.items()
    )


def _legal(items: Items, item: JSON) -> JSON:
    """The existing item as a request may hold it, None where nothing of it may be sent."""
    if not isinstance(items.item, Structure):
        return item if isinstance(item, str) else None
    if not isinstance(item, dict):
        return None
    legal = {
        name: value
        for name, value in item.items()
        if name in items.item.members and value is not None
    }
    return legal if legal and all(name in legal for name in items.item.required) else None


def _updated(items: Items, existing: JSON, incoming: JSON) -> JSON:
    if not isinstance(incoming, dict):
        return existing
    spelled = {name: existing[name] for name in items.identity if name in existing}
    return {**existing, **incoming, **spelled}


def _holds_custom(current: Attributes, sent: Attributes) -> bool:
    return all(
        _holds(CUSTOM[suffix_of(name) or "Str"], current.get(name), value)
        for name, value in sent.items()
    )


def _holds(shape: Shape, current: JSON, sent: JSON) -> bool:
    if isinstance(shape, Scalar):
        return bool(comparable(shape.kind, current) == comparable(shape.kind, sent))
    if not sent:
        return not current
    if isinstance(shape, Structure):
        return isinstance(current, dict) and all(
            _holds(shape.members[name], current.get(name), value) for name, value in sent.items()
        )
    return all(any(_holds(shape.item, each, item) for each in current or ()) for item in sent)
