"""What every write has in common: its body is checked as a whole before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from target_kustomer.simulator.errors import bad_request

if TYPE_CHECKING:
    from target_kustomer.simulator.calls import Call
    from target_kustomer.simulator.objects import Resource
    from target_kustomer.simulator.store import Change


def accepted_items(call: Call, resource: Resource, operation: str) -> list[Change]:
    """Returns the records in a body, one unless it is an array, after all checks.

    Args:
        call: The call that bears the body.
        resource: What it writes.
        operation: Which schema holds, such as `bulk-create`.

    Raises:
        ApiError: 400 for any fault in any record, 403 if a record needs a further role.
    """
    payload = call.payload()
    call.entry.records = len(payload) if isinstance(payload, list) else 1
    is_bulk = operation in {"bulk-create", "bulk-update"}
    names_item = call.switches.bulk_error_names_item or not is_bulk
    call.world.schemas.check(f"{resource}.{operation}", payload, name_item=names_item)
    items = cast("list[Change]", payload if isinstance(payload, list) else [payload])
    _check_client_refs(items)
    for item in items:
        if "custom" in item:
            call.org.custom.check(resource, item["custom"], call.org.exists)
        _check_admin(call, item)
    call.org.poison.check_request(items)
    return items


def _check_admin(call: Call, item: Change) -> None:
    """Checks that the key may set times of creation and import, where they are set [API §13]."""
    guarded = {
        "createdAt": call.switches.created_at_needs_admin,
        "importedAt": call.switches.imported_at_needs_admin,
    }
    if any(needs_admin and name in item for name, needs_admin in guarded.items()):
        call.require("admin")


def _check_client_refs(items: list[Change]) -> None:
    """Checks that all items bear a `_clientRef` or none, and no two the same [API §2.3]."""
    references = [item["_clientRef"] for item in items if "_clientRef" in item]
    if references and len(references) < len(items):
        raise bad_request(title="_clientRef must be on all items or none", parameter="_clientRef")
    if len(set(references)) < len(references):
        raise bad_request(title="_clientRef must be unique", parameter="_clientRef")
