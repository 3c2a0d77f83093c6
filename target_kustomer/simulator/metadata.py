"""Calls for the definitions of custom attributes [API §5]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from target_kustomer.simulator.customattributes import RESOURCES
from target_kustomer.simulator.documents import metadata_document
from target_kustomer.simulator.errors import bad_request, not_found

if TYPE_CHECKING:
    from target_kustomer.simulator.calls import Answer, Call

_STAMPS = {"modifiedBy", "modifiedAt", "updatedAt"}


def read_metadata(call: Call) -> Answer:
    """Returns the definitions of one resource."""
    return 200, {"data": metadata_document(call.org, _resource(call))}


def update_metadata(call: Call) -> Answer:
    """Adds or redefines custom attributes; the others stay, unless a switch removes them."""
    resource = _resource(call)
    payload = call.payload()
    call.world.schemas.check("metadata.update", payload)
    body = cast("dict[str, Any]", payload)
    definitions = body.get("properties", {})
    if call.switches.metadata_stamps_refused:
        _refuse_stamps(definitions)
    if call.switches.metadata_put_replaces and "properties" in body:
        call.org.custom.clear(resource)
    for name, metadata in definitions.items():
        call.org.custom.define(resource, name, metadata)
    return 200, {"data": metadata_document(call.org, resource)}


def _refuse_stamps(definitions: dict[str, dict[str, Any]]) -> None:
    for metadata in definitions.values():
        for stamp in _STAMPS & metadata.keys():
            raise bad_request(title="Additional properties not allowed", parameter=stamp)


def _resource(call: Call) -> str:
    resource = call.path_id()
    if resource not in RESOURCES and not resource.startswith("kobject."):
        raise not_found(parameter="resource")
    return resource
