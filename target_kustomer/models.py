"""What flows from the sinks to the settlement: frozen values without logic.

Of those that every record needs, also one that costs nothing else, ``msgspec`` makes the classes:
it builds an object about twenty times faster than a frozen dataclass builds itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

import msgspec

JSON = Any
"""A JSON value as :mod:`json` reads it."""

Attributes = Mapping[str, JSON]
"""Attributes as they go on the wire; custom ones in the object ``custom`` [API §4, §5]."""

ObjectType = Literal["customer", "company"]
MatchKind = Literal["id", "externalId", "email", "phone", "name"]
Mode = Literal["upsert", "update", "create"]


class Reason(str, Enum):
    """Why a record was rejected: the closed list of the rejects file."""

    INVALID_TYPE = "invalid_type"
    INVALID_FORMAT = "invalid_format"
    OUT_OF_RANGE = "out_of_range"
    TOO_LONG = "too_long"
    NOT_ALLOWED = "not_allowed"
    LIST_FULL = "list_full"
    REQUIRED_MISSING = "required_missing"
    MATCH_KEY_MISSING = "match_key_missing"
    MATCH_CONFLICT = "match_conflict"
    MATCH_AMBIGUOUS = "match_ambiguous"
    COMPANY_MISSING = "company_missing"
    COMPANY_REJECTED = "company_rejected"
    COMPANY_AMBIGUOUS = "company_ambiguous"
    COMPANY_NAME_MISSING = "company_name_missing"
    DUPLICATE_IDENTIFIER = "duplicate_identifier"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    DELETE_LIMIT = "delete_limit"


class Verdict(str, Enum):
    """What became of a record; each record read gets exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REJECTED = "rejected"


class Skip(str, Enum):
    """Why a record was skipped."""

    DELETED = "deleted"
    """Its source says that it is gone."""
    EXISTS = "exists"
    """Mode ``create``: it is in Kustomer already, or comes from an earlier record."""
    NOT_FOUND = "not_found"
    """Mode ``update``: it is not in Kustomer."""
    STALE = "stale"
    """A replayed reject that is older than what was confirmed since."""


@dataclass(frozen=True, slots=True)
class CustomAttribute:
    """A custom attribute as the org has defined it.

    Attributes:
        choices: The values that it takes, in the org's spelling; empty where it takes any.
        definition: All that Kustomer says of it.
    """

    choices: tuple[str | float, ...] = ()
    definition: Mapping[str, JSON] = field(default_factory=dict)


CustomAttributes = Mapping[str, CustomAttribute]
"""The custom attributes of an object that an org has defined, by name."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record is not in Kustomer as the source has it.

    Attributes:
        reason: One of the closed list.
        attribute: The Kustomer attribute at fault, where there is one.
        column: The source's column at fault, where there is one.
        detail: What the user should know. May hold the record's own values, so it goes to the
            rejects file and never to a log.
        status: The HTTP status of the refusal, where there was one.
    """

    reason: Reason
    attribute: str | None = None
    column: str | None = None
    detail: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class CompanyLink:
    """The company that a customer record names; with nothing named, the link is to be cut.

    Attributes:
        id: Kustomer's id of the company.
        external_id: The company's external id, with its prefix.
        name: The company's name.
    """

    id: str | None = None
    external_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class MappedRecord:
    """A record in Kustomer's terms: coerced, checked against every limit, ready to be matched.

    Attributes:
        attributes: The attributes on the wire, except ``company`` and ``id``. ``None`` clears.
        id: Kustomer's own id, where a column is mapped to it.
        link: The company that a customer names, or None where the record says nothing of one.
        omitted: Columns whose value could not be coerced and that are left out
            (``invalid_values: omit``).
        extensions_dropped: Columns whose phone number had an extension, which is left off.
    """

    attributes: Attributes
    id: str | None = None
    link: CompanyLink | None = None
    omitted: tuple[str, ...] = ()
    extensions_dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MatchKey:
    """One value by which a record is found in Kustomer.

    Attributes:
        kind: What it is.
        value: The form in which it is compared.
        spelling: The form in which it is asked for, where that differs.
    """

    kind: MatchKind
    value: str
    spelling: str = field(default="", compare=False)


class SourceRecord(msgspec.Struct, frozen=True):
    """Where a record came from, so that it can be put into the rejects file as it came in.

    Attributes:
        stream: The stream's name on stdin, before stream maps.
        ordinal: Its place among all records of the run, from 1.
        line_number: Its line on stdin, from 1.
        line: The raw RECORD message in UTF-8.
        schema_line: The raw SCHEMA message that was in force, in UTF-8.
    """

    stream: str
    ordinal: int
    line_number: int
    line: bytes
    schema_line: bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """The row of a source that a record is, in digests.

    Attributes:
        stream: Its stream.
        row: The row, through all its versions.
        version: The version of the table under which it was sent, where its tap tells.
    """

    stream: str
    row: str
    version: int | None


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """A mapped record with its source and its match keys in ``match_on``'s order.

    Attributes:
        digest: What the ledger knows the record by, as its source sent it.
        is_delete: Whether what the keys mean is to be deleted; nothing else is mapped then.
        origin: The row that it is, where that is followed.
    """

    source: SourceRecord
    mapped: MappedRecord
    keys: tuple[MatchKey, ...]
    digest: str | None = None
    is_delete: bool = False
    origin: Origin | None = None


class Outcome(msgspec.Struct, frozen=True):
    """The verdict on one source record.

    Attributes:
        deleted: Whether its object was deleted, which counts as an update.
        why: Why it was skipped.
        kustomer_id: Kustomer's id, where it passed for being there as it is, or was deleted.
    """

    source: SourceRecord
    verdict: Verdict
    rejection: Rejection | None = None
    deleted: bool = False
    why: Skip | None = None
    kustomer_id: str | None = None


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """What became of objects that a version of a table leaves behind; no record stands for them.

    Attributes:
        deleted: How many were deleted.
        rejected: How many were not, by reason.
    """

    deleted: int = 0
    rejected: Mapping[Reason, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a run shows to the others that share its ledger.

    Attributes:
        run: Its id.
        beat: Counted up with each notice.
        claim: Requests that it may have in any 60 s; 0 when it has ended.
        wants: Requests in 60 s that it could use; 0 when it has ended.
        used: The requests of the last 60 s that have their answer, by their age in steps of 5 s.
        seen_at: When it wrote this, in UTC seconds since 1970.
    """

    run: str
    beat: int
    claim: int
    wants: int
    used: tuple[int, ...]
    seen_at: float
