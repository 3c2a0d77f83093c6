"""Customers and companies as the org holds them, and how a write changes their attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from target_kustomer.simulator.identifiers import IDENTIFIER_LISTS

if TYPE_CHECKING:
    from target_kustomer.simulator.identifiers import Identifiers
    from target_kustomer.simulator.switches import Switches

Resource = Literal["customer", "company"]

_NOT_STORED = frozenset({"id", "_clientRef", "rev", "company", "deleted"})
_VERIFIABLE = {
    **IDENTIFIER_LISTS,
    "sharedExternalIds": ("externalId", "externalId"),
    "sharedEmails": ("email", "email"),
    "sharedPhones": ("phone", "phone"),
    "socials": ("social", "username"),
    "sharedSocials": ("social", "username"),
}


@dataclass(eq=False)
class StoredObject:
    """One customer or company.

    Attributes:
        resource: Which of the two.
        id: Kustomer's id, 24 hexadecimal digits.
        attributes: What was written, with externalIds mirrored [API §2.1]; custom attributes
            under `custom`. What was never written is absent.
        company: Id of the company that a customer is linked to.
        rev: Revision, 1 at first [API §12].
        deleted: Whether it was deleted.
        created_at: Epoch seconds.
        updated_at: Epoch seconds of the last write.
        creates: Creates by the API: 1, or 0 if a test put it there.
        updates: Updates by the API.
    """

    resource: Resource
    id: str
    created_at: float
    updated_at: float
    attributes: dict[str, Any] = field(default_factory=dict)
    company: str | None = None
    rev: int = 1
    deleted: bool = False
    creates: int = 0
    updates: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it as JSON values, for readers in other processes."""
        return dict(vars(self))


def written(
    old: dict[str, Any],
    changes: dict[str, Any],
    identifiers: Identifiers,
    switches: Switches,
) -> dict[str, Any]:
    """Returns attributes after a write: a merge of the top level, and of `custom` [API §2.1, §3].

    Args:
        old: The attributes before; empty for a create and for a replacement.
        changes: The body as sent. Lists replace lists, null clears.
        identifiers: How identifiers are spelled.
        switches: Whether a cleared attribute stays as null, and lists are merged.
    """
    keep_nulls = switches.cleared_as_null
    new = dict(old)
    for name, value in changes.items():
        if name in _NOT_STORED:
            continue
        if name == "custom":
            new[name] = _merged(old.get(name, {}), value, keep_nulls=keep_nulls)
        elif isinstance(value, list):
            items = [_stored_item(name, item, identifiers) for item in value]
            kept = old.get(name, []) if switches.lists_merged else []
            new[name] = items + [item for item in kept if item not in items]
        else:
            new = _merged(new, {name: value}, keep_nulls=keep_nulls)
    return new


def mirror_external_id(new: dict[str, Any], old: dict[str, Any], changes: dict[str, Any]) -> None:
    """Keeps a customer's externalId and externalIds in step [API §2.1], in place.

    The externalId sent comes first in externalIds, verified, in the place of the old one. Where
    only externalIds is sent, an externalId that is not among them gives way to the first.
    """
    items = new.get("externalIds", [])
    if changes.get("externalIds") is not None and "externalId" not in changes:
        values = [item["externalId"] for item in items]
        if new.get("externalId") not in values:
            new.pop("externalId", None)
            new |= {"externalId": values[0]} if values else {}
        return
    if "externalId" not in changes:
        return
    gone = {new.get("externalId")}
    if "externalIds" not in changes:
        gone.add(old.get("externalId"))
    items = [item for item in items if item["externalId"] not in gone]
    if new.get("externalId"):
        items.insert(0, {"id": None, "verified": True, "externalId": new["externalId"]})
    new["externalIds"] = items


def _merged(old: dict[str, Any], changes: dict[str, Any], *, keep_nulls: bool) -> dict[str, Any]:
    merged = {**old, **changes}
    if keep_nulls:
        return merged
    return {key: value for key, value in merged.items() if value is not None}


def _stored_item(name: str, item: Any, identifiers: Identifiers) -> Any:
    if name not in _VERIFIABLE:
        return item
    kind, member = _VERIFIABLE[name]
    value = identifiers.stored(kind, item[member])
    return {"id": None, "verified": False, **item, member: value}
