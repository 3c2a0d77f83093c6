"""Identifiers: what no two customers of an org may share [API §4]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_kustomer.simulator.switches import Switches

Identifier = tuple[str, str]
"""The kind (`externalId`, `email`, `phone`, `whatsapp`, `social`) and the value as compared."""

PARAMETERS = {
    "externalId": "externalId",
    "email": "emails",
    "phone": "phones",
    "whatsapp": "whatsapps",
    "social": "socials",
}
"""The attribute that an error about each kind names."""

IDENTIFIER_LISTS = {
    "externalIds": ("externalId", "externalId"),
    "emails": ("email", "email"),
    "phones": ("phone", "phone"),
    "whatsapps": ("whatsapp", "phone"),
}
"""List attributes of identifiers: the kind, and the member that bears the value [API §4]."""


class Identifiers:
    """How identifiers are compared and stored, under the switches of an org."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def compared(self, kind: str, value: str) -> Identifier:
        """Returns one identifier in the form in which equal ones are equal [API §13]."""
        if kind == "email" and not self._switches.email_case_sensitive:
            value = value.casefold()
        if kind in {"phone", "whatsapp"} and not self._switches.phone_exact:
            value = "".join(character for character in value if character.isdigit())
        if kind == "social":
            value = value.casefold()
        return kind, value

    def of_customer(self, attributes: dict[str, Any], *, shared: bool = False) -> set[Identifier]:
        """Returns all identifiers of a customer's attributes.

        Args:
            attributes: As sent or as stored.
            shared: Whether to read the `shared*` lists instead, which nothing holds unique.
        """
        return {self.compared(kind, value) for kind, value in _values(attributes, shared=shared)}

    def of_company(self, attributes: dict[str, Any]) -> set[Identifier]:
        """Returns the identifier of a company, its externalId, if it has one."""
        external_id = attributes.get("externalId")
        return {("externalId", external_id)} if external_id else set()

    def stored(self, kind: str, value: str) -> str:
        """Returns the spelling under which Kustomer keeps a value [API §13]."""
        if not self._switches.normalize_identifiers:
            return value
        if kind == "email":
            return value.lower()
        if kind in {"phone", "whatsapp"}:
            return "+" + "".join(character for character in value if character.isdigit())
        return value


def _values(attributes: dict[str, Any], *, shared: bool) -> Iterator[Identifier]:
    if not shared and attributes.get("externalId"):
        yield "externalId", attributes["externalId"]
    for name, (kind, member) in IDENTIFIER_LISTS.items():
        for item in attributes.get(_list_name(name, shared=shared), ()):
            yield kind, item[member]
    for item in attributes.get(_list_name("socials", shared=shared), ()):
        yield "social", f"{item['type']}:{item['username']}"


def _list_name(name: str, *, shared: bool) -> str:
    return f"shared{name[0].upper()}{name[1:]}" if shared else name
