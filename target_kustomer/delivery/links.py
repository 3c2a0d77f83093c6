"""A customer's company: found, created or missing (design 1.3, 1.6)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from target_kustomer.delivery.results import ItemResult, ItemState
from target_kustomer.exceptions import AccessError
from target_kustomer.kustomer.endpoints import Resource
from target_kustomer.mapping.keys import name_key, normalise_name
from target_kustomer.models import CompanyLink, MatchKey, Reason, Rejection
from target_kustomer.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_kustomer.delivery.bulk import BulkJobs
    from target_kustomer.delivery.knowledge import Knowledge
    from target_kustomer.identity import Identities
    from target_kustomer.settings import MissingCompany

_FORBIDDEN = 403

Linked = str | Rejection | None
"""The company's id, why there is none, or None for a customer without the link."""


class CompanyLinks:
    """Resolves what customers say of their companies; shared by all workers."""

    def __init__(self, identities: Identities, bulk: BulkJobs, knowledge: Knowledge) -> None:
        self._identities = identities
        self._knowledge = knowledge
        self._bulk = bulk
        self._lock = threading.Lock()
        self._ids: Recent[str] = Recent()
        self._names: Recent[str] = Recent()
        self._bearers: Recent[str] = Recent()
        self._rejected: Recent[MatchKey] = Recent()
        self._missed: Recent[int] = Recent()
        self._unread: Recent[bool] = Recent()
        self.replayable = 0
        """Customers rejected for a company that has come since: a replay would link them."""

    def known(self, link: CompanyLink) -> bool:
        """Whether this run has resolved the link before."""
        return self._remembered(link) is not None

    def note_rejected(self, keys: Iterable[MatchKey]) -> None:
        """A company with these keys was rejected in this run."""
        with self._lock:
            for key in keys:
                self._rejected.put(key, key.kind, key.value)

    def note_loaded(self, keys: Iterable[MatchKey]) -> None:
        """A company with these keys is in Kustomer now."""
        with self._lock:
            self.replayable += sum(self._missed.pop(key.kind, key.value) or 0 for key in keys)

    def note_named(self, company_id: str, name: str) -> None:
        """The run has given a company this name: it has lost another, or shares this one now."""
        with self._lock:
            self._names.put(normalise_name(name), company_id)
            self._bearers.put(company_id, normalise_name(name))

    def note_missed(self, link: CompanyLink) -> None:
        """A customer was rejected since its company is not in Kustomer."""
        key = link_keys(link)[0]
        with self._lock:
            missed = self._missed.get(key.kind, key.value) or 0
            self._missed.put(missed + 1, key.kind, key.value)

    def find(self, links: Iterable[CompanyLink]) -> dict[CompanyLink, Linked]:
        """Each company's id, or why it cannot be told; None where Kustomer has none."""
        distinct = list(dict.fromkeys(links))
        self._ask_ledger(distinct)
        unknown = sum(not self.known(link) for link in distinct)
        if unknown:
            self._identities.expect("company", 0, unknown)
        return {link: self._find(link) for link in distinct}

    def is_gone(self, company_id: str | None, *, kept: bool = False) -> bool:
        """Whether a company is there no more, as far as that may be; it is forgotten then.

        Args:
            company_id: The company, which was perhaps not read lately.
            kept: Whether it is the one that a customer had.
        """
        if not company_id:
            return False
        if self._identities.is_gone(company_id):
            return True
        with self._lock:
            unread = self._unread.get(company_id)
        if not (unread or kept):
            return False
        try:
            there = self._identities.read("company", company_id)
        except AccessError as error:
            if error.status != _FORBIDDEN:
                raise
            return False
        if there:
            return False
        self._knowledge.forget(company_id)
        self._identities.note_gone(company_id)
        return True

    def _ask_ledger(self, links: Sequence[CompanyLink]) -> None:
        """Take the companies that the ledger knows by a key that they keep."""
        asked = [
            link
            for link in links
            if not self.known(link) and link_keys(link)[0].kind == "externalId"
        ]
        ids = self._knowledge.ids("company", [link_keys(link) for link in asked])
        for link, company_id in zip(asked, ids, strict=True):
            if company_id:
                self._identities.remember("company", link_keys(link), company_id)
                with self._lock:
                    self._unread.put(True, company_id)  # noqa: FBT003

    def supply(
        self, links: Sequence[CompanyLink], missing: MissingCompany
    ) -> dict[CompanyLink, Linked]:
        """What becomes of links whose company is not in Kustomer: it is made, if so set."""
        if missing == "ignore":
            return dict.fromkeys(links)
        if missing == "create":
            return self._create(links)
        return {link: self._missing(link) for link in links}

    def _remembered(self, link: CompanyLink) -> str | None:
        """The id that this run has found for the link, or has itself written."""
        keys = link_keys(link)
        remembered = self._identities.remembered("company", keys)
        if remembered and keys[0].kind != "name":
            return remembered
        with self._lock:
            company_id = remembered or self._ids.get(link.id, link.external_id, link.name)
            if not company_id or self._identities.is_gone(company_id):
                return None
            return company_id if self._means(link.name or "", company_id) else None

    def _means(self, name: str, company_id: str) -> bool:
        """Whether a company that was found by its name still is the only one of that name."""
        name = normalise_name(name)
        return (self._names.get(company_id) or name) == name and (
            self._bearers.get(name) or company_id
        ) == company_id

    def _find(self, link: CompanyLink, *, now: bool = False) -> str | Rejection | None:
        if company_id := self._remembered(link):
            with self._lock:
                self._unread.put(True, company_id)  # noqa: FBT003
            return company_id
        found = self._identities.find("company", link_keys(link), link.external_id, now=now)
        if isinstance(found, Resource):
            self._remember(link, found.id)
            return found.id
        if isinstance(found, Rejection) and found.reason is Reason.MATCH_AMBIGUOUS:
            detail = f"several companies in Kustomer have this {found.attribute}"
            return Rejection(Reason.COMPANY_AMBIGUOUS, attribute="company", detail=detail)
        return found

    def _remember(self, link: CompanyLink, company_id: str) -> None:
        with self._lock:
            self._ids.put(company_id, link.id, link.external_id, link.name)

    def _missing(self, link: CompanyLink) -> Rejection:
        with self._lock:
            rejected = any(self._rejected.get(key.kind, key.value) for key in link_keys(link))
        if rejected:
            return Rejection(
                Reason.COMPANY_REJECTED,
                attribute="company",
                detail="the company was itself rejected: replay it first",
            )
        return Rejection(
            Reason.COMPANY_MISSING,
            attribute="company",
            detail="no such company in Kustomer: load it first, or set missing_company",
        )

    def _create(self, links: Sequence[CompanyLink]) -> dict[CompanyLink, Linked]:
        """Create them, those with an external id first: a bare name may mean one of these."""
        nameless = Rejection(
            Reason.COMPANY_NAME_MISSING,
            attribute="company",
            detail="a company that is to be created needs a name: map a column to company.name",
        )
        made: dict[CompanyLink, Linked] = {link: nameless for link in links if not link.name}
        made |= self._create_named([link for link in links if link.name and link.external_id])
        names = {normalise_name(link.name) for link in made if link.name}
        bare = [link for link in links if link.name and not link.external_id]
        same = [link for link in bare if normalise_name(link.name or "") in names]
        found = {link: linked for link in same if (linked := self._find(link)) is not None}
        return made | found | self._create_named([link for link in bare if link not in found])

    def _create_named(self, links: Sequence[CompanyLink]) -> dict[CompanyLink, Linked]:
        payloads = {_creation_key(link): _payload(link) for link in reversed(links)}
        results = self._bulk.run("create", "company", list(payloads.values()))
        by_key = dict(zip(payloads, results, strict=True))
        return {link: self._created(link, by_key[_creation_key(link)]) for link in links}

    def _created(self, link: CompanyLink, result: ItemResult) -> Linked:
        if result.may_be_written:
            self._identities.note_written("company", result.id, link_keys(link))
        if result.state is ItemState.DONE and result.id:
            self._remember(link, result.id)
            return result.id
        if result.state is not ItemState.REFUSED:
            found = self._find(link, now=True)
            if found is not None:
                return found
        return Rejection(
            Reason.COMPANY_REJECTED,
            attribute="company",
            detail=result.detail or "Kustomer did not create the company",
            status=result.status,
        )


def link_keys(link: CompanyLink) -> tuple[MatchKey, ...]:
    """The keys by which a customer's company is found: id, external id, name."""
    keys = (
        MatchKey("id", link.id) if link.id else None,
        MatchKey("externalId", link.external_id) if link.external_id else None,
        name_key(link.name) if link.name else None,
    )
    return tuple(key for key in keys if key)


def _creation_key(link: CompanyLink) -> MatchKey:
    """What makes two links to missing companies one company."""
    keys = link_keys(link)
    return next((key for key in keys if key.kind == "externalId"), keys[-1])


def _payload(link: CompanyLink) -> dict[str, str]:
    payload = {"name": link.name or ""}
    return payload | ({"externalId": link.external_id} if link.external_id else {})
