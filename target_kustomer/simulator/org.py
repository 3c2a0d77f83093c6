"""The org: all that Kustomer holds, readable and writable by tests while the server runs."""

from __future__ import annotations

import secrets
import threading
from typing import TYPE_CHECKING, Any

from target_kustomer.simulator.customattributes import CustomAttributes
from target_kustomer.simulator.errors import ItemError
from target_kustomer.simulator.jobqueue import JobQueue
from target_kustomer.simulator.keys import ApiKey
from target_kustomer.simulator.poison import PoisonRules, Predicate
from target_kustomer.simulator.store import Change, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_kustomer.simulator.identifiers import Identifier
    from target_kustomer.simulator.jobs import Job, Verb
    from target_kustomer.simulator.objects import Resource, StoredObject
    from target_kustomer.simulator.switches import Switches


class Org:
    """An organisation in Kustomer; every method may be called from any thread.

    Time passes by the clock alone: what is due is done when somebody asks.

    Attributes:
        lock: Held during each request, and to be held to read several things at once.
        switches: Which reading of the facts holds.
        clock: Returns epoch seconds.
        keys: API keys by token.
        custom: Definitions of custom attributes.
        poison: Rules that only the server knows.
        queue: Bulk jobs.
    """

    def __init__(self, switches: Switches, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.switches = switches
        self.clock = clock
        self.keys: dict[str, ApiKey] = {}
        self.custom = CustomAttributes(switches)
        self.poison = PoisonRules()
        self.queue = JobQueue(switches, clock, self._write_item)
        self.id = secrets.token_hex(12)
        self._store = Store(switches)

    @property
    def jobs(self) -> list[Job]:
        """The bulk jobs, in the order of their submits."""
        with self.lock:
            self.settle()
            return list(self.queue.jobs.values())

    @property
    def customers(self) -> list[StoredObject]:
        """The customers that are not deleted, in the order of their creation."""
        return [stored for stored in self.stored("customer") if not stored.deleted]

    @property
    def companies(self) -> list[StoredObject]:
        """The companies that are not deleted, in the order of their creation."""
        return [stored for stored in self.stored("company") if not stored.deleted]

    def stored(self, resource: Resource) -> list[StoredObject]:
        """Returns all objects of a kind, deleted ones too."""
        with self.lock:
            self.settle()
            return self._store.all(resource)

    def get(self, resource: Resource, object_id: str) -> StoredObject | None:
        """Returns the object with an id, deleted or not."""
        with self.lock:
            self.settle()
            return self._store.get(resource, object_id)

    def find(self, kind: str, value: str, *, shared: bool = False) -> StoredObject | None:
        """Returns the customer that bears an identifier, deleted or not.

        Args:
            kind: `externalId`, `email`, `phone`, `whatsapp` or `social`.
            value: The value, compared as the switches have it.
            shared: Whether to look at the `shared*` lists instead.
        """
        with self.lock:
            self.settle()
            if not shared:
                return self._store.holder("customer", kind, value)
            read = self._store.identifiers
            wanted = read.compared(kind, value)
            found = (
                stored
                for stored in self.stored("customer")
                if wanted in read.of_customer(stored.attributes, shared=True)
            )
            return next(found, None)

    def customer(
        self, *, external_id: str | None = None, email: str | None = None
    ) -> StoredObject | None:
        """Returns the customer with an external id or an e-mail address, unless deleted."""
        if external_id is not None:
            found = self.find("externalId", external_id)
        else:
            found = self.find("email", email or "")
        return None if found is None or found.deleted else found

    def company(
        self, *, external_id: str | None = None, name: str | None = None
    ) -> StoredObject | None:
        """Returns the first company with an external id or an exact name, unless deleted."""
        key, value = ("externalId", external_id) if external_id is not None else ("name", name)
        found = (stored for stored in self.companies if stored.attributes.get(key) == value)
        return next(found, None)

    @property
    def most_jobs_at_once(self) -> int:
        """The greatest number of bulk jobs that were in flight at one time."""
        with self.lock:
            return self.queue.peak()

    def overlapping_jobs(self) -> list[tuple[Job, Job]]:
        """Returns the pairs of jobs that were in flight at one time with the same record."""
        with self.lock:
            self.settle()
            return self.queue.overlaps()

    def add_key(
        self,
        token: str,
        *,
        roles: Iterable[str] = ("org",),
        expires_at: float | None = None,
        region: str | None = None,
        name: str = "simulator",
    ) -> ApiKey:
        """Adds an API key; see `ApiKey`."""
        with self.lock:
            key = ApiKey(token, self._store.new_id(), tuple(roles), expires_at, region, name)
            self.keys[token] = key
            return key

    def add_customer(self, attributes: Change, *, company: str | None = None) -> StoredObject:
        """Puts a customer there, linked to the company with some id.

        Raises:
            ItemError: If an identifier is another's, or the company unknown.
        """
        with self.lock:
            link = {} if company is None else {"company": company}
            return self._store.create("customer", attributes | link, self.clock())

    def add_company(self, attributes: Change) -> StoredObject:
        """Puts a company there.

        Raises:
            ItemError: If its externalId is another's.
        """
        with self.lock:
            return self._store.create("company", attributes, self.clock())

    def add_object(self, target: str) -> str:
        """Puts an object of another kind there (`kobject.order`), and returns its id."""
        with self.lock:
            return self._store.add_other(target)

    def define_custom(self, resource: Resource, name: str, **metadata: Any) -> None:
        """Defines a custom attribute, with further metadata such as `enumeration` or `target`."""
        with self.lock:
            self.custom.define(resource, name, metadata)

    def delete(self, object_id: str) -> None:
        """Deletes a customer or a company."""
        with self.lock:
            self.settle()
            self._store.delete(self._store.objects[object_id], self.clock())

    def vanish(self, object_id: str) -> None:
        """Takes an object away altogether, and frees its identifiers."""
        with self.lock:
            self.settle()
            self._store.vanish(object_id)

    def merge(self, loser_id: str, winner_id: str) -> None:
        """Merges a customer into another: its id vanishes, the other gets its lists [API §10]."""
        with self.lock:
            self.settle()
            self._store.merge(loser_id, winner_id, self.clock())

    def refuse_request_if(self, predicate: Predicate, detail: str = "Invalid value") -> None:
        """Refuses with 400 every request that bears such an item; see `PoisonRules`."""
        with self.lock:
            self.poison.refuse_request_if(predicate, detail)

    def refuse_item_if(self, predicate: Predicate, text: str = "validation failed") -> None:
        """Refuses such an item at run time, alone; see `PoisonRules`."""
        with self.lock:
            self.poison.refuse_item_if(predicate, text)

    def new_id(self) -> str:
        """Returns a new id of 24 hexadecimal digits."""
        return self._store.new_id()

    def exists(self, target: str, object_id: str) -> bool:
        """Tells whether there is an object of some kind, for references to it."""
        return self._store.exists(target, object_id)

    def write(
        self, resource: Resource, verb: Verb, item: Change, at: float, *, replace: bool = False
    ) -> StoredObject:
        """Creates, updates or deletes one object as the API does.

        Args:
            resource: Its kind.
            verb: What to do.
            item: The body, which has passed its schema; with `id` unless it is a create.
            at: Time of the write, epoch seconds.
            replace: Whether an update replaces the document.

        Raises:
            ItemError: If the write is refused.
        """
        if verb == "create":
            self.poison.check_item(item)
            stored = self._store.create(resource, item, at)
            stored.creates += 1
            return stored
        if verb == "update":
            self.poison.check_item(item)
            stored = self._store.update(resource, item["id"], item, at, replace=replace)
            stored.updates += 1
            return stored
        self.poison.check_item(item)
        found = self._store.get(resource, item["id"])
        if found is None or (found.deleted and self.switches.delete_again != "done"):
            raise ItemError(text="not found", status=404, parameter="id")
        self._store.delete(found, at)
        return found

    def identities(self, resource: Resource, items: list[Change]) -> frozenset[Identifier]:
        """Returns the ids and identifiers of items, as sent and as held by what they update."""
        read = self._store.identifiers
        of_one = read.of_customer if resource == "customer" else read.of_company
        found: set[Identifier] = set()
        for item in items:
            found |= of_one(item)
            if "id" in item:
                found.add(("id", item["id"]))
                stored = self._store.get(resource, item["id"])
                found |= of_one(stored.attributes) if stored is not None else set()
        return frozenset(found)

    def settle(self) -> None:
        """Does the bulk jobs that are due by the clock."""
        self.queue.settle()

    def _write_item(self, job: Job, item: Change, at: float) -> StoredObject:
        replace = job.replace or self.switches.bulk_put_replaces
        return self.write(job.resource, job.verb, item, at, replace=replace)
