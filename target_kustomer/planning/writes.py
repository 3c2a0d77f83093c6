"""What an object would be after a write, and what of it that would change: pure [API §2, §3]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import Kind
from target_kustomer.mapping.keys import comparable, known_keys
from target_kustomer.mapping.merging import holds, merge_list
from target_kustomer.mapping.targets import list_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_kustomer.models import JSON, Attributes, MatchKey, ObjectType

_NO_ATTRIBUTES = {"id", "_clientRef", "rev"}

UNIQUE_KINDS: Mapping[ObjectType, frozenset[str]] = {
    "customer": frozenset({"externalId", "email", "phone"}),
    "company": frozenset({"externalId"}),
}
"""Keys of which Kustomer lets no two objects have the same [API §4]."""


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute's value before and after a write; None where it has none."""

    before: JSON
    after: JSON


Changes = dict[str, Change]
"""What a write would change, by attribute; a custom one is ``custom.NAME``."""


def after_write(object_type: ObjectType, current: Attributes, sent: Attributes) -> dict[str, JSON]:
    """The attributes after a create (of nothing) or an update.

    What is sent is merged in: lists replace lists, null clears, custom attributes are merged by
    name [API §3]; a customer's company that is not sent is unlinked [API §2.1].
    """
    written = {name: value for name, value in sent.items() if name not in _NO_ATTRIBUTES}
    merged = {**current, **written}
    if "custom" in written:
        merged["custom"] = _without_nulls(
            {**(current.get("custom") or {}), **(written["custom"] or {})}
        )
    if object_type == "customer":
        merged["company"] = written.get("company")
        _mirror_external_id(merged, current, written)
    return _without_nulls(merged)


def changes(object_type: ObjectType, current: Attributes, sent: Attributes) -> Changes:
    """Each attribute that is sent and that Kustomer does not hold as it is."""
    return {
        name: Change(_shown(object_type, name, before), after)
        for name, before, after in _values(current, sent)
        if not _is_held(object_type, name, before, after)
    }


def unique_keys(object_type: ObjectType, attributes: Attributes) -> set[MatchKey]:
    """The keys that no other object may have, as far as they can be looked up."""
    kinds = UNIQUE_KINDS[object_type]
    return {key for key in known_keys(object_type, "", attributes) if key.kind in kinds}


def unlisted_identifiers(attributes: Attributes) -> set[tuple[str, str, JSON]]:
    """A customer's further unique identifiers, by which nothing can be looked up [API §4]."""
    whatsapps = {
        ("whatsapp", "", comparable(Kind.PHONE, each.get("phone")))
        for each in attributes.get("whatsapps") or ()
    }
    socials = {
        ("social", str(each.get("type")), comparable(Kind.SOCIAL, each.get("username")))
        for each in attributes.get("socials") or ()
    }
    return whatsapps | socials


def _mirror_external_id(merged: dict[str, JSON], current: Attributes, written: Attributes) -> None:
    """Keep externalId and externalIds in step, in place [API §2.1]."""
    items = merged.get("externalIds") or []
    if "externalId" in written:
        new = written["externalId"]
        gone = {new} if "externalIds" in written else {new, current.get("externalId")}
        others = [each for each in items if each.get("externalId") not in gone]
        first = [{"externalId": new, "verified": True}] if new else []
        merged["externalIds"] = [*first, *others]
    elif "externalIds" in written:
        values = [each.get("externalId") for each in items]
        if merged.get("externalId") not in values:
            merged["externalId"] = next(iter(values), None)


def _values(current: Attributes, sent: Attributes) -> Iterator[tuple[str, JSON, JSON]]:
    for name, after in sent.items():
        if name == "custom":
            held = current.get("custom") or {}
            yield from (
                (f"custom.{key}", held.get(key), value) for key, value in (after or {}).items()
            )
        elif name not in _NO_ATTRIBUTES:
            yield name, current.get(name), after


def _is_held(object_type: ObjectType, name: str, before: JSON, after: JSON) -> bool:
    if name == "company":
        return bool(before == after)
    custom = name.partition("custom.")[2]
    current, sent = (
        {"custom": {custom: each}} if custom else {name: each} for each in (before, after)
    )
    if not list_of(object_type, name):
        return holds(object_type, current, sent)
    items = (before or (), after or ())
    return len(items[0]) == len(items[1]) and all(
        holds(object_type, {name: [there]}, {name: [item]})
        for there, item in zip(*items, strict=True)
    )


def _shown(object_type: ObjectType, name: str, before: JSON) -> JSON:
    """A list as a request would spell it: without what Kustomer adds to its items."""
    return merge_list(name, before, []) if before and list_of(object_type, name) else before


def _without_nulls(attributes: Attributes) -> dict[str, JSON]:
    return {name: value for name, value in attributes.items() if value is not None}
