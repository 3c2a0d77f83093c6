"""Objects as they would be, over those that Kustomer holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from target_kustomer.copies import Copies
from target_kustomer.mapping.keys import LASTING_KINDS
from target_kustomer.models import MatchKey
from target_kustomer.planning.writes import unlisted_identifiers
from target_kustomer.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from contextlib import AbstractContextManager

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.endpoints import Kustomer, Resource
    from target_kustomer.models import ObjectType


class Overlay:
    """The objects of one kind that the plan has written so far; whoever shares it locks it."""

    def __init__(self, object_type: ObjectType) -> None:
        self._copies = Copies(object_type)
        self._ids: set[str] = set()
        self._holders: dict[Hashable, str] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written yet."""
        return not self._ids

    def put(self, resource: Resource) -> None:
        """An object is like this from now on."""
        self._copies.put([resource], 0)
        self._ids.add(resource.id)
        self._holders.update(dict.fromkeys(unlisted_identifiers(resource.attributes), resource.id))

    def get(self, kustomer_id: str) -> Resource | None:
        """The object with this id, if the plan has written it and it is there."""
        return next(iter(self._copies.find(MatchKey("id", kustomer_id)) or ()), None)

    def holds(self, kustomer_id: str) -> bool:
        """Whether the plan has written an object of this id."""
        return kustomer_id in self._ids

    def find(self, key: MatchKey, held: Iterable[Resource]) -> list[Resource]:
        """The objects that bear the key now, ``held`` being those that do so in Kustomer."""
        planned = self._copies.find(key) or []
        return [*planned, *(each for each in held if each.id not in self._ids)]

    def holder(self, identifier: Hashable) -> str | None:
        """The id of what bears an identifier by which nothing can be looked up."""
        kustomer_id = self._holders.get(identifier)
        found = self.get(kustomer_id) if kustomer_id else None
        bears = found is not None and identifier in unlisted_identifiers(found.attributes)
        return kustomer_id if bears else None


class PlannedRoster(Roster):
    """The org's objects as far as they have been read, and as the plan would leave them.

    Nothing is written to Kustomer: what was read of it stays true.

    Args:
        object_type: What is read.
        kustomer: The API, without what is planned.
        clock: Time.
        overlay: What is planned.
        lock: Held while that is looked at.
    """

    def __init__(
        self,
        object_type: ObjectType,
        kustomer: Kustomer,
        clock: Clock,
        overlay: Overlay,
        lock: AbstractContextManager[object],
    ) -> None:
        super().__init__(object_type, kustomer, clock)
        self._overlay = overlay
        self._overlay_lock = lock
        self._unique = object_type == "customer"

    def held(self, key: MatchKey) -> list[Resource] | None:
        """What Kustomer has under the key, None where that is not known."""
        return super().find(key)

    @override
    def find(self, key: MatchKey) -> list[Resource] | None:
        held = self.held(key)
        with self._overlay_lock:
            found = self._overlay.find(key, held or ())
        known = held is not None or (found and (self._unique or key.kind in LASTING_KINDS))
        return found if known else None

    @override
    def note_written(self, kustomer_id: str | None, keys: Iterable[MatchKey]) -> None:
        """The overlay knows."""
