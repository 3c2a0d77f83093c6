"""The roles that a stream needs of the key: pure [API §1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_kustomer.models import Mode, ObjectType
    from target_kustomer.settings import MissingCompany

BULK_READ = "org.permission.bulk.read"

_LEGACY_VERBS = {"read": "read", "create": "write", "update": "write", "delete": "delete"}

_DELETE_VERBS: dict[ObjectType, str] = {"customer": "delete", "company": "update"}

_MODE_VERBS: dict[Mode, tuple[str, ...]] = {
    "upsert": ("read", "create", "update"),
    "update": ("read", "update"),
    "create": ("read", "create"),
}


def needed_roles(
    object_type: ObjectType,
    mode: Mode,
    *,
    links: bool,
    missing_company: MissingCompany,
    deletes: bool = False,
) -> tuple[str, ...]:
    """What a stream needs, in the new names.

    Args:
        object_type: What the stream holds.
        mode: How it is written.
        links: Whether its customers name their companies.
        missing_company: Whether missing companies are created.
        deletes: Whether what its source has deleted is deleted.
    """
    verbs = (*_MODE_VERBS[mode], *([_DELETE_VERBS[object_type]] if deletes else ()))
    needed = [f"org.permission.{object_type}.{verb}" for verb in dict.fromkeys(verbs)]
    if links:
        needed.append("org.permission.company.read")
        if missing_company == "create":
            needed.append("org.permission.company.create")
    return (*needed, BULK_READ)


def missing_roles(granted: Iterable[str], needed: Iterable[str]) -> tuple[str, ...]:
    """The needed roles that none of the key's grants: itself, a broader one, or its old name."""
    held = tuple(granted)
    return tuple(
        role
        for role in needed
        if not any(_grants(each, name) for each in held for name in (role, _legacy(role)))
    )


def _grants(held: str, role: str) -> bool:
    return role == held or role.startswith(f"{held}.")


def _legacy(role: str) -> str:
    _, _, resource, verb = role.split(".")
    return f"org.user.{resource}.{_LEGACY_VERBS[verb]}"
