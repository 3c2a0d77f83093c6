"""The roles that a stream needs of the key: pure [API §1]."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from target_kustomer.models import Mode, ObjectType
    from target_kustomer.settings import MissingCompany

BULK_READ = "org.permission.bulk.read"
METADATA_READ = "org.permission.metadata.read"
METADATA_UPDATE = "org.permission.metadata.update"

MEND = (
    "make a key with what is missing too (Settings > Security > API Keys; the roles of a key "
    "cannot be changed)"
)
"""What to do where a role is missing."""

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
    return tuple(role for role in needed if granting(held, role) is None)


def granting(granted: Collection[str], role: str) -> str | None:
    """Which of the key's roles grants one: itself, a broader one or its old name, in this order."""
    for name in (role, *_legacy(role)):
        if fitting := [each for each in granted if _grants(each, name)]:
            return max(fitting, key=len)
    return None


def _grants(held: str, role: str) -> bool:
    return role == held or role.startswith(f"{held}.")


def _legacy(role: str) -> tuple[str, ...]:
    """The old names of a role; that of metadata may be an administrator's."""
    _, _, resource, verb = role.split(".")
    name = f"{resource}.{_LEGACY_VERBS[verb]}"
    if resource != "metadata":
        return (f"org.user.{name}",)
    return (f"org.user.{name}", f"org.admin.{name}") if verb == "read" else (f"org.admin.{name}",)
