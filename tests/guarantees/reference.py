"""What records come to when they are sent one by one: slow, simple, and written from the contract.

It knows the columns of :data:`COLUMNS` and no others, and shares no code with the target (design
1.4 to 1.6).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.support import INTEGER, TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS: dict[str, dict[str, Any]] = {
    "companies": {"id": TEXT, "name": TEXT, "tags": TEXT, "size": INTEGER, "note": TEXT},
    "customers": {
        "id": TEXT,
        "email": TEXT,
        "work_email": TEXT,
        "phone": TEXT,
        "name": TEXT,
        "tags": TEXT,
        "age": INTEGER,
        "note": TEXT,
        "company_id": TEXT,
        "company_name": TEXT,
    },
}
"""By the last part of a stream's name."""

REFUSED = ("poison", "venom")
"""The notes that Kustomer refuses: the first as a whole request, the second as an item."""

_NO_COMPANY = {"company_missing", "company_rejected", "company_ambiguous", "company_name_missing"}

Email = tuple[str, "str | None"]
"""An address and its type."""

Source = tuple[str, ...]
"""A record of the source through its versions: the stream, and the keys that it is known by."""


@dataclass(eq=False)
class Thing:
    """A company or a customer in Kustomer."""

    external_id: str | None = None
    name: str | None = None
    emails: list[Email] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    number: int | None = None
    note: str | None = None
    company: Thing | None = None
    sent: dict[tuple[str, Source], set[str]] = field(default_factory=dict)

    @property
    def keys(self) -> list[set[str]]:
        """External id, addresses and numbers, which no two customers share."""
        return [
            {f"id {self.external_id}"} if self.external_id else set(),
            {address.casefold() for address, _ in self.emails},
            set(self.phones),
        ]

    def told(self) -> str:
        """All that it says, for comparisons."""
        told = {
            **vars(self),
            "sent": None,
            "company": self.company.told() if self.company else None,
        }
        return str(sorted(told.items()))


@dataclass(frozen=True)
class Expected:
    """What becomes of a record.

    Attributes:
        verdict: Its verdict, None where it must be rejected.
        reasons: Why it is or may be rejected: one of these.
    """

    verdict: str | None
    reasons: frozenset[str] = frozenset()


def _rejected(*reasons: str) -> Expected:
    return Expected(None, frozenset(reasons))


@dataclass
class Reference:
    """Kustomer, and what each record does to it.

    Attributes:
        modes: The mode of each stream.
        options: The settings ``nulls``, ``lists`` and ``missing_company``.
        companies, customers: What Kustomer holds.
        remembers: Whether the items of a list that a source drops are removed.
    """

    modes: Mapping[str, str]
    options: Mapping[str, str]
    companies: list[Thing]
    customers: list[Thing]
    remembers: bool = False
    _source: Source = field(default=(), init=False)

    def send(self, stream: str, row: Mapping[str, Any]) -> Expected:
        self._source = (stream, *_first_keys(stream, row))
        send = self._send_company if stream.endswith("companies") else self._send_customer
        return send(self.modes[stream], row)

    # Companies

    def _send_company(self, mode: str, row: Mapping[str, Any]) -> Expected:
        external_id, name = row.get("id"), row.get("name")
        if not external_id and not name and mode != "create":
            return _rejected("match_key_missing")
        found = self._companies_of(external_id, name)
        if len(found) > 1:
            return _rejected("match_ambiguous")
        if mode == ("create" if found else "update"):
            return Expected("skipped")
        if not found and not name:
            return _rejected("required_missing")
        if row.get("note") in REFUSED:
            return _rejected("refused")
        company = found[0] if found else Thing()
        self._write(company, row, "size")
        company.name = name or company.name
        if not found:
            self.companies.append(company)
        return Expected("updated" if found else "created")

    def _companies_of(self, external_id: str | None, name: str | None) -> list[Thing]:
        """By external id, else by name unless it bears another external id."""
        by_id = [each for each in self.companies if each.external_id == external_id]
        if external_id and by_id:
            return by_id
        return [
            each
            for each in self.companies
            if name and (each.name or "").casefold() == name.casefold()
            if not (external_id and each.external_id)
        ]

    # Customers

    def _send_customer(self, mode: str, row: Mapping[str, Any]) -> Expected:
        keys = _keys(row)
        if not any(keys) and mode != "create":
            return _rejected("match_key_missing")
        found = self._customer_of(keys)
        refused = {"refused"} if row.get("note") in REFUSED else set()
        if mode == ("update" if found is None else "create"):
            return Expected("skipped", frozenset(refused))  # a refusal may hide a duplicate
        if mode == "update" and isinstance(found, str):
            return _rejected(found, *_NO_COMPANY)
        company = self._company_of(row)
        faults = refused | {each for each in (found, company) if isinstance(each, str)}
        if faults:
            return _rejected(*faults, *(_NO_COMPANY if faults & _NO_COMPANY else ()))
        before = found if isinstance(found, Thing) else Thing()
        customer = replace(before, sent=dict(before.sent))
        self._write(customer, row, "age")
        customer.emails = self._emails(customer, row)
        customer.phones = self._list(customer, "phones", customer.phones, keys[2])
        if self._says(row, "name"):
            customer.name = row["name"]
        if company is not ...:
            customer.company = company
        others = [each for each in self.customers if each is not before]
        if any(_share(each.keys, customer.keys) for each in others):
            return _rejected("duplicate_identifier")
        self.customers = [*others, customer]
        return Expected("updated" if found else "created")

    def _customer_of(self, keys: Sequence[Iterable[str]]) -> Thing | str | None:
        """The customer that the first key with any finds, or why it cannot be told."""
        for at, values in enumerate(keys):
            found = [each for each in self.customers if not each.keys[at].isdisjoint(values)]
            if len(found) > 1:
                return "match_ambiguous"
            if found:
                passed = zip(keys[:at], found[0].keys, strict=False)
                clash = any(mine and theirs.isdisjoint(mine) and theirs for mine, theirs in passed)
                return "match_conflict" if clash else found[0]
        return None

    def _company_of(self, row: Mapping[str, Any]) -> Any:
        """The company, None where the link is cut, ``...`` where nothing is said, or a fault."""
        given = [row[column] for column in ("company_id", "company_name") if column in row]
        if not any(given):
            return None if given and self.options["nulls"] == "clear" else ...
        external_id, name = row.get("company_id"), row.get("company_name")
        found = self._companies_of(external_id, name)
        if len(found) > 1:
            return "company_ambiguous"
        if found:
            return found[0]
        if self.options["missing_company"] != "create":
            return ... if self.options["missing_company"] == "ignore" else "company_missing"
        if not name:
            return "company_name_missing"
        self.companies.append(Thing(external_id=external_id, name=name))
        return self.companies[-1]

    # What both have

    def _write(self, thing: Thing, row: Mapping[str, Any], number: str) -> None:
        thing.external_id = row.get("id") or thing.external_id
        for column, attribute in ((number, "number"), ("note", "note")):
            if self._says(row, column):
                setattr(thing, attribute, row[column])
        if "tags" in row:
            cleared = self.options["nulls"] == "clear" and self.options["lists"] == "replace"
            held = [] if cleared and not row["tags"] else thing.tags
            thing.tags = self._list(thing, "tags", held, _tags(row["tags"]))

    def _says(self, row: Mapping[str, Any], column: str) -> bool:
        return column in row and (row[column] is not None or self.options["nulls"] == "clear")

    def _list(self, thing: Thing, name: str, held: list[str], given: Sequence[str]) -> list[str]:
        if self.options["lists"] == "replace":
            return list(dict.fromkeys(given)) or held
        dropped = self._dropped(thing, name, given)
        return list(dict.fromkeys([*given, *(each for each in held if each not in dropped)]))

    def _dropped(self, thing: Thing, name: str, given: Iterable[str]) -> set[str]:
        """The items that this source has sent before, and nobody sends any more."""
        sent = set(given)
        if not self.remembers or not sent:
            return set()
        others = [
            each
            for (of, source), items in thing.sent.items()
            if of == name and source != self._source
            for each in items
        ]
        dropped = thing.sent.get((name, self._source), set()) - sent - set(others)
        thing.sent[name, self._source] = sent
        return dropped

    def _emails(self, thing: Thing, row: Mapping[str, Any]) -> list[Email]:
        held = thing.emails
        given: dict[str, Email] = {}
        for column, kind in (("email", None), ("work_email", "work")):
            if address := row.get(column):
                given.setdefault(address.casefold(), (address, kind))
        if self.options["lists"] == "replace":
            return list(given.values()) or held
        dropped = self._dropped(thing, "emails", given)
        old = {
            address.casefold(): (address, kind)
            for address, kind in held
            if address.casefold() not in dropped
        }
        merged = {
            key: (old[key][0], kind or old[key][1]) if key in old else (address, kind)
            for key, (address, kind) in given.items()
        }
        return list({**merged, **{key: old[key] for key in old if key not in merged}}.values())


def _keys(row: Mapping[str, Any]) -> list[list[str]]:
    """External id, addresses and numbers, as :attr:`Thing.keys`."""
    phone = (row.get("phone") or "").replace(" ", "")
    return [
        [f"id {row['id']}"] if row.get("id") else [],
        [each.casefold() for each in (row.get("email"), row.get("work_email")) if each],
        [phone] if phone else [],
    ]


def _first_keys(stream: str, row: Mapping[str, Any]) -> list[str]:
    if stream.endswith("companies"):
        return [f"id {row['id']}"] if row.get("id") else [(row.get("name") or "").casefold()]
    return next((each for each in _keys(row) if each), [])


def _share(some: Iterable[set[str]], others: Iterable[set[str]]) -> bool:
    return any(one & other for one, other in zip(some, others, strict=True))


def _tags(text: str | None) -> list[str]:
    if not text:
        return []
    return list(json.loads(text)) if text.startswith("[") else text.split(",")
