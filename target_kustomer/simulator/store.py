"""The store: the org's customers and companies, and the rules for writing them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from target_kustomer.simulator.errors import ItemError
from target_kustomer.simulator.identifiers import PARAMETERS, Identifier, Identifiers
from target_kustomer.simulator.objects import (
    Resource,
    StoredObject,
    mirror_external_id,
    written,
)

if TYPE_CHECKING:
    from target_kustomer.simulator.switches import Switches

Change = dict[str, Any]
"""A body for one object, as sent."""

Claim = tuple[Resource, Identifier]
"""An identifier that one object of a kind may hold."""


class Store:
    """Objects in memory, unique by their identifiers [API §12.15-17]."""

    def __init__(self, switches: Switches) -> None:
        self.identifiers = Identifiers(switches)
        self.objects: dict[str, StoredObject] = {}
        self._by_resource: dict[Resource, dict[str, StoredObject]] = {"customer": {}, "company": {}}
        self._switches = switches
        self._holders: dict[Claim, str] = {}
        self._claims: dict[str, set[Claim]] = {}
        self._random = random.Random(switches.seed)  # noqa: S311 - ids, no secrets
        self._others: set[tuple[str, str]] = set()

    def new_id(self) -> str:
        """Returns a new id of 24 hexadecimal digits."""
        return f"{self._random.getrandbits(96):024x}"

    def add_other(self, target: str) -> str:
        """Adds an object of another kind, such as `kobject.order`, and returns its id."""
        other = self.new_id()
        self._others.add((target, other))
        return other

    def exists(self, target: str, object_id: str) -> bool:
        """Tells whether there is an object of some kind, for references to it [API §5]."""
        stored = self.objects.get(object_id)
        return (target, object_id) in self._others or (
            stored is not None and stored.resource == target
        )

    def get(self, resource: Resource, object_id: str) -> StoredObject | None:
        """Returns the object with an id, deleted or not."""
        stored = self.objects.get(object_id)
        return stored if stored is not None and stored.resource == resource else None

    def all(self, resource: Resource) -> list[StoredObject]:
        """Returns the objects of a kind, in the order of their creation."""
        return list(self._by_resource[resource].values())

    def holder(self, resource: Resource, kind: str, value: str) -> StoredObject | None:
        """Returns the object that holds an identifier, compared as the switches have it."""
        claim = (resource, self.identifiers.compared(kind, value))
        return self.objects.get(self._holders.get(claim, ""))

    def create(self, resource: Resource, change: Change, at: float) -> StoredObject:
        """Creates an object.

        Args:
            resource: Its kind.
            change: The body, which has passed its schema.
            at: Time of the write, epoch seconds.

        Raises:
            ItemError: If an identifier is another's, or the company unknown.
        """
        stored = StoredObject(resource, self.new_id(), created_at=at, updated_at=at)
        self._write(stored, change, {}, at)
        self.objects[stored.id] = self._by_resource[resource][stored.id] = stored
        return stored

    def update(
        self, resource: Resource, object_id: str, change: Change, at: float, *, replace: bool
    ) -> StoredObject:
        """Merges a body into an object, or replaces its attributes [API §2.1].

        Raises:
            ItemError: If the id is unknown, an identifier another's, or the company unknown.
        """
        stored = self.get(resource, object_id)
        if stored is None or (stored.deleted and resource == "customer"):
            raise ItemError(text="not found", status=404, parameter="id")
        if replace and resource == "company" and "name" not in change:
            raise ItemError(text="name is required", parameter="name")
        self._write(stored, change, {} if replace else stored.attributes, at)
        stored.rev += 1
        return stored

    def delete(self, stored: StoredObject, at: float) -> None:
        """Marks an object as deleted."""
        stored.deleted = True
        stored.updated_at = at
        self._release_deleted(stored)

    def vanish(self, object_id: str) -> None:
        """Takes an object away, and frees its identifiers."""
        gone = self.objects.pop(object_id)
        del self._by_resource[gone.resource][object_id]
        self._release(gone)

    def merge(self, loser_id: str, winner_id: str, at: float) -> None:
        """Lets a customer vanish into another, which gets the items of its lists [API §10]."""
        loser, winner = self.objects[loser_id], self.objects[winner_id]
        self.vanish(loser_id)
        change: Change = {"company": winner.company}
        for name, value in loser.attributes.items():
            if isinstance(value, list):
                change[name] = winner.attributes.get(name, []) + value
        self.update("customer", winner_id, change, at, replace=False)

    def _write(self, stored: StoredObject, change: Change, old: Change, at: float) -> None:
        company = self._company(stored, change)
        attributes = written(old, change, self.identifiers, self._switches)
        if stored.resource == "customer":
            mirror_external_id(attributes, old, change)
        held = self._claimed(stored, attributes)
        self._release(stored)
        stored.attributes, stored.company, stored.updated_at = attributes, company, at
        self._claims[stored.id] = held
        self._holders |= dict.fromkeys(held, stored.id)
        if "deleted" in change:
            self._set_deleted(stored, deleted=bool(change["deleted"]))
        self._release_deleted(stored)

    def _company(self, stored: StoredObject, change: Change) -> str | None:
        if "company" not in change:
            return None if self._switches.omit_company_unlinks else stored.company
        company: str | None = change["company"]
        if company is not None and self._switches.unknown_company_refused:
            found = self.get("company", company)
            if found is None or found.deleted:
                raise ItemError(text="company not found", parameter="company")
        return company

    def _claimed(self, stored: StoredObject, attributes: Change) -> set[Claim]:
        if stored.resource == "customer":
            identifiers = self.identifiers.of_customer(attributes)
        elif self._switches.company_external_id_unique:
            identifiers = self.identifiers.of_company(attributes)
        else:
            identifiers = set()
        claimed = {(stored.resource, identifier) for identifier in identifiers}
        for resource, identifier in sorted(claimed):
            if self._holders.get((resource, identifier), stored.id) != stored.id:
                raise ItemError(
                    text=self._switches.duplicate_text,
                    status=self._switches.duplicate_status,
                    parameter=PARAMETERS[identifier[0]],
                )
        return claimed

    def _release(self, stored: StoredObject) -> None:
        for claim in self._claims.pop(stored.id, ()):
            del self._holders[claim]

    def _release_deleted(self, stored: StoredObject) -> None:
        if stored.deleted and not self._switches.deleted_keep_identifiers:
            self._release(stored)

    def _set_deleted(self, stored: StoredObject, *, deleted: bool) -> None:
        if deleted:
            stored.deleted = True
        elif self._switches.deleted_companies_restorable:
            stored.deleted = False
