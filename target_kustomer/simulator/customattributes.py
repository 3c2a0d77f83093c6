"""Custom attributes: their metadata, and the rules that only metadata can tell [API §5]."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from target_kustomer.simulator.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator.switches import Switches

RESOURCES = ("company", "conversation", "customer", "message")
"""Resources that have metadata, beside `kobject.*` [API §5]."""

_TYPES = {"Num": "number", "Bool": "boolean"}
MASK = "********"


class CustomAttributes:
    """The definitions of an org, by resource."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._properties: dict[str, dict[str, dict[str, Any]]] = {}

    def properties(self, resource: str) -> dict[str, dict[str, Any]]:
        """Returns a copy of the definitions of one resource, by attribute name."""
        return copy.deepcopy(self._properties.get(resource, {}))

    def define(self, resource: str, name: str, metadata: dict[str, Any]) -> None:
        """Defines or redefines one attribute; the type follows from its suffix."""
        suffix = next((suffix for suffix in _TYPES if name.endswith(suffix)), "")
        definition = {"type": _TYPES.get(suffix, "string"), "displayName": _title(name)}
        self._properties.setdefault(resource, {})[name] = definition | metadata

    def clear(self, resource: str) -> None:
        """Removes all definitions of one resource."""
        self._properties.pop(resource, None)

    def check(
        self, resource: str, custom: dict[str, Any], exists: Callable[[str, str], bool]
    ) -> None:
        """Checks values that have passed the schema.

        Args:
            resource: `customer` or `company`.
            custom: The values sent.
            exists: Tells whether the org has an object of some target with some id.

        Raises:
            ApiError: 400 for the first fault.
        """
        definitions = self._properties.get(resource, {})
        for name, value in custom.items():
            definition = definitions.get(name)
            if name.endswith("Id"):
                _check_reference(name, value, definition, exists)
            elif definition is None:
                if name.endswith("Tree"):
                    raise bad_request(title="Additional properties not allowed", parameter=name)
                if self._switches.undefined_custom_refused:
                    raise bad_request(title="Custom attribute is not defined", parameter=name)
            elif value is not None:
                if self._switches.enumeration_enforced:
                    _check_enumeration(name, value, definition)
                if self._switches.tree_enforced and "tree" in definition:
                    _check_node(name, value, definition)

    def masked(self, resource: str, custom: dict[str, Any]) -> dict[str, Any]:
        """Returns custom values as answers show them: those marked sensitive masked [API §5]."""
        if not self._switches.mask_sensitive:
            return custom
        definitions = self._properties.get(resource, {})
        return {
            name: MASK if _is_sensitive(definitions.get(name)) and value is not None else value
            for name, value in custom.items()
        }


def _title(name: str) -> str:
    spaced = "".join(f" {character}" if character.isupper() else character for character in name)
    return spaced.rpartition(" ")[0].title()


def _is_sensitive(definition: dict[str, Any] | None) -> bool:
    return definition is not None and bool(definition.get("sensitive", {}).get("enabled"))


def _check_reference(
    name: str,
    value: object,
    definition: dict[str, Any] | None,
    exists: Callable[[str, str], bool],
) -> None:
    if definition is None or "target" not in definition:
        raise bad_request(title="Reference attribute is not configured", parameter=name)
    if value is None:
        return
    if isinstance(value, list) is not bool(definition.get("multi")):
        raise bad_request(title="Invalid type", parameter=name)
    for reference in value if isinstance(value, list) else [value]:
        if not exists(definition["target"], str(reference)):
            raise bad_request(title="Referenced object does not exist", parameter=name)


def _check_enumeration(name: str, value: object, definition: dict[str, Any]) -> None:
    if "enumeration" in definition and value not in definition["enumeration"]:
        raise bad_request(title="No enum match", parameter=name)


def _check_node(name: str, value: object, definition: dict[str, Any]) -> None:
    leaves_only = bool(definition.get("lastNodeRequired"))
    if value not in _node_ids(definition["tree"], leaves_only=leaves_only):
        raise bad_request(title="No such node", parameter=name)


def _node_ids(node: dict[str, Any], *, leaves_only: bool) -> set[str]:
    found: set[str] = set()
    for child in node.get("children", ()):
        found |= _node_ids(child, leaves_only=leaves_only)
        if not (leaves_only and child.get("children")):
            found.add(child["id"])
    return found
