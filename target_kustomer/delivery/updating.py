"""Updates what is there, and loses nothing that the stream says nothing of (design 1.6, 1.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from target_kustomer.delivery.lost import bears
from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.delivery.verdicts import refusal, unconfirmed
from target_kustomer.exceptions import NotFoundError, RefusedError
from target_kustomer.mapping.attributes import ATTRIBUTES, SINGLE_UPDATE_ONLY, Items, for_write
from target_kustomer.mapping.keys import LASTING_KINDS, known_keys
from target_kustomer.mapping.merging import merge_list, over_limit, remaining
from target_kustomer.models import Reason, Rejection, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_kustomer.delivery.work import Delivery, Work
    from target_kustomer.kustomer.endpoints import Resource
    from target_kustomer.models import JSON

_LISTS = {
    object_type: {name for name, each in table.items() if isinstance(each.shape, Items)}
    for object_type, table in ATTRIBUTES.items()
}
"""The list attributes of each object."""


class Updating:
    """The updates of one batch."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._services = delivery.services
        self._verdicts = delivery.verdicts
        self._object = delivery.object_type
        self._settings = delivery.settings
        self._stream = delivery.flight.batch.stream
        self._skips = delivery.services.knowledge.skip_unchanged

    def update(self, works: Sequence[Work], *, last: bool) -> None:
        """Update; each work gets its verdicts, or goes again.

        Args:
            works: Identities whose Kustomer id is known, each another one.
            last: Whether no later wave of the batch will update anything.
        """
        listed = self._compare(works)
        wanted = self._unknown(works)
        if wanted and not listed:
            self._services.identities.follow(self._object, len(works), wanted)
            self._compare(works)
            wanted = self._unknown(works)
        self._services.identities.expect(self._object, len(works), wanted, first=False)
        known = [work for work in works if self._is_known(work)]
        held = self._delivery.flight.claim((work.id for work in known if work.id), last=True)
        again = [work for work in known if work.id in held]
        for work in again:
            work.current = None
        self._compare(again)
        current = [work for work in known if self._is_known(work)]
        if last and not self._verdicts.again:
            self._delivery.flight.located()
        prepared = self._doubt([work for work in current if self._prepare_update(work)])
        singly: list[Work] = []
        bulk: list[Work] = []
        for work in prepared:
            alone = SINGLE_UPDATE_ONLY[self._object] & set(work.attributes)
            (singly if alone else bulk).append(work)
        for work in singly:
            self._update_singly(work)
        results = self._delivery.send(
            "update", [{**work.attributes, "id": work.id} for work in bulk]
        )
        for work, result in zip(bulk, results, strict=True):
            self._updated(work, result)
        self._delivery.settle(prepared)

    def _compare(self, works: Sequence[Work]) -> bool:
        """Leave what has changed; whether that is by what others have updated until now."""
        listed = self._services.identities.knows_updates(self._object)
        self._services.knowledge.compare(self._stream, works, listed=listed)
        return listed

    def _unknown(self, works: Sequence[Work]) -> int:
        """How many would have to be asked for one by one."""
        has_read = self._services.identities.has_read
        return sum(
            not work.current
            and self._must_read(work)
            and not has_read(self._object, work.id or "", work.held.others_wrote_at)
            for work in works
        )

    def _is_known(self, work: Work) -> bool:
        """Read what Kustomer holds where it matters; False where it is another record's by now."""
        if self._services.identities.is_gone(work.id or ""):
            self._vanished(work)
            return False
        if _is_overtaken(work):
            again = replace(work.identity, since=work.held.others_wrote_at)
            self._verdicts.again.append([again])
            return False
        if work.current or not self._must_read(work):
            return True
        work.current = self._services.identities.read(
            self._object, work.id or "", work.held.others_wrote_at
        )
        if work.current and work.identity.keys[0] in known_keys(
            self._object, work.current.id, work.current.attributes
        ):
            return True
        self._vanished(work)
        return False

    def _must_read(self, work: Work) -> bool:
        """Whether an update depends on what is there, or the id may be another record's by now."""
        if not work.attributes:
            return False
        if self._skips and not work.held.fresh:
            return True
        may_have_moved = work.identity.keys[0].kind not in LASTING_KINDS and not work.held.seen
        alone = self._services.knowledge.holds_alone
        return (
            may_have_moved
            or not all(alone(self._stream, work, name) for name in self._merged_lists(work))
            or (
                self._keeps_company(work)
                and work.held.company is None
                and self._services.identities.may_have_company()
            )
        )

    def _doubt(self, works: Sequence[Work]) -> list[Work]:
        """Those that may be sent; what another run has written meanwhile is read and goes again."""
        overtaken = self._services.knowledge.doubt(self._stream, works)
        for work in overtaken:
            self._delivery.note_written({}, work.id)
            self._verdicts.again.append([work.identity])
        return [work for work in works if work not in overtaken]

    def _merged_lists(self, work: Work) -> set[str]:
        if self._settings.lists == "replace":
            return set()
        return set(work.attributes) & _LISTS[self._object]

    def _keeps_company(self, work: Work) -> bool:
        return self._object == "customer" and "company" not in work.attributes

    def _prepare_update(self, work: Work) -> bool:
        """Make the attributes such that nothing is lost that the stream says nothing of."""
        work.attributes = for_write(self._object, work.attributes, "update")
        if _bears_external_id(work):
            del work.attributes["externalId"]
        if self._skips:
            self._leave_missing(work)
        if not work.attributes:
            self._verdicts.decide(work.identity.records, Verdict.UNCHANGED)
            self._services.knowledge.recognise(self._stream, work)
            return False
        company_id = work.current.company_id if work.current else work.held.company
        if company_id and self._keeps_company(work):
            gone = self._services.identities.is_gone(company_id)
            work.attributes["company"] = None if gone else company_id
        return self._merge_lists(work)

    def _leave_missing(self, work: Work) -> None:
        """Leave of the attributes what Kustomer, where it has been read, does not hold."""

        def is_there(name: str, value: JSON) -> bool:
            if not work.current or not bears(self._object, work.current, {name: value}):
                return False
            if name not in _LISTS[self._object]:
                return True
            there = work.current.attributes.get(name) or []
            if self._settings.lists == "replace":
                return len(there) == len(value or [])
            merged = merge_list(name, self._kept(work, name, there), value)
            return merged == merge_list(name, there, [])

        work.attributes = remaining(work.attributes, is_there)

    def _kept(self, work: Work, name: str, items: Sequence[JSON]) -> list[JSON]:
        """The items of a list without those that the source has dropped."""
        return self._services.knowledge.kept(self._stream, work, name, items)

    def _merge_lists(self, work: Work) -> bool:
        """Keep the items that Kustomer holds; False where a list would be over its limit."""
        held = work.current.attributes if work.current else {}
        for name in self._merged_lists(work):
            there = self._kept(work, name, held.get(name) or [])
            work.attributes[name] = merge_list(name, there, work.attributes[name])
            if over_limit(name, work.attributes[name]):
                detail = "with what Kustomer holds, the list would be over its limit"
                self._verdicts.refuse(
                    work.identity, Rejection(Reason.LIST_FULL, attribute=name, detail=detail)
                )
                return False
        return True

    def _update_singly(self, work: Work) -> None:
        try:
            self._delivery.update_singly(work)
        except NotFoundError:
            self._vanished(work)
        except RefusedError as error:
            state = ItemState.DUPLICATE if error.duplicate else ItemState.REFUSED
            self._refused(work, ItemResult(state, detail=error.detail, status=error.status))
        else:
            self._decide_updated(work)

    def _updated(self, work: Work, result: ItemResult) -> None:
        if result.state is ItemState.DONE:
            self._decide_updated(work)
        elif result.state is ItemState.DUPLICATE or result.status:
            self._refused(work, result)
        else:
            self._after_failed_update(work, result)

    def _after_failed_update(self, work: Work, result: ItemResult) -> None:
        """Tell a refusal from an object that is gone, and an untold success from a failure."""
        resource = self._services.kustomer.read(self._object, work.id or "")
        if resource is None:
            self._vanished(work)
        elif result.state is ItemState.REFUSED and _kept_another_company(work, resource):
            self._verdicts.again.append([work.identity])
        elif result.state is ItemState.REFUSED:
            self._refused(work, result)
        elif bears(self._object, resource, work.attributes):
            self._decide_updated(work)
        else:
            self._verdicts.refuse(work.identity, unconfirmed())

    def _refused(self, work: Work, result: ItemResult) -> None:
        if result.state is ItemState.DUPLICATE:
            self._verdicts.refuse(work.identity, refusal(result))
        else:
            self._delivery.refuse(work, result, work.attributes.get("company"))

    def _decide_updated(self, work: Work) -> None:
        self._delivery.written(work, work.id)
        self._verdicts.decide(work.identity.records, Verdict.UPDATED)

    def _vanished(self, work: Work) -> None:
        """The id is no longer this record's (deleted, merged, moved): locate it anew, once."""
        identity = work.identity
        self._services.identities.forget(self._object, identity.keys)
        self._services.identities.note_written(self._object, work.id or "", identity.keys)
        self._services.knowledge.forget(work.id or "")
        if identity.relocated:
            detail = "the record vanished from Kustomer while it was updated: replay it"
            self._verdicts.refuse(identity, Rejection(Reason.REFUSED, detail=detail))
        else:
            self._verdicts.again.append([replace(identity, relocated=True)])


def _is_overtaken(work: Work) -> bool:
    """Whether what was read of it may be older than what another run has written."""
    written_at = work.held.others_wrote_at
    is_older = work.current is not None and work.current.read_at <= written_at
    return is_older and work.identity.since != written_at


def _kept_another_company(work: Work, resource: Resource) -> bool:
    """Whether the company that was sent along was the one seen once, and is another by now."""
    told = not work.current and work.held.seen
    return told and work.attributes.get("company") != resource.company_id


def _bears_external_id(work: Work) -> bool:
    """Whether the external id is there as a further one: to write it would drop another."""
    held = work.current.attributes if work.current else {}
    ids = [each.get("externalId") for each in held.get("externalIds") or ()]
    wanted = work.attributes.get("externalId")
    return wanted in ids and wanted != held.get("externalId")
