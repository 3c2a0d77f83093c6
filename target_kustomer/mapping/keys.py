"""The keys by which a record is found in Kustomer, in the form in which they are compared."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import Kind
from target_kustomer.mapping.failures import CoercionError
from target_kustomer.mapping.instants import instant
from target_kustomer.models import MatchKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_kustomer.models import JSON, Attributes, MappedRecord, MatchKind, ObjectType

MATCH_KINDS: Mapping[ObjectType, tuple[MatchKind, ...]] = {
    "customer": ("id", "externalId", "email", "phone"),
    "company": ("id", "externalId", "name"),
}
"""What ``match_on`` may name."""

DEFAULT_MATCH_ON: Mapping[ObjectType, tuple[MatchKind, ...]] = {
    "customer": ("externalId", "email"),
    "company": ("externalId", "name"),
}

KEY_ATTRIBUTES: Mapping[MatchKind, tuple[str, ...]] = {
    "id": ("id",),
    "externalId": ("externalId", "externalIds"),
    "email": ("emails",),
    "phone": ("phones",),
    "name": ("name",),
}
"""The attributes that bear a key; the shared lists are no identifiers [API §13]."""

LASTING_KINDS: frozenset[MatchKind] = frozenset({"id", "externalId"})
"""Keys that an object keeps; an address, a number or a name may be another one's by now."""

_NO_DIGIT = re.compile("[^0-9]+")


def normalise_name(name: str) -> str:
    """A company's name as it is compared: NFC, trimmed, without case."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def name_key(name: str) -> MatchKey:
    """A company's name as a key, asked for in its composed form: servers may compare letters."""
    return MatchKey("name", normalise_name(name), unicodedata.normalize("NFC", name).strip())


def key_of(kind: MatchKind, spelling: str) -> MatchKey:
    """The key of this kind that a value is, however it is spelled."""
    if kind == "name":
        return name_key(spelling)
    return MatchKey(kind, _KEY_NORMALISERS.get(kind, str)(spelling), spelling)


def normalise_email(email: str) -> str:
    """An address as it is compared: without case [API §13]."""
    return email.strip().casefold()


def normalise_phone(phone: str) -> str:
    """A number as it is compared: its digits [API §13]."""
    return _NO_DIGIT.sub("", phone)


def comparable(kind: Kind, value: JSON) -> JSON:
    """The value in a form that equals that of every other spelling of it."""
    normalise = _NORMALISERS.get(kind)
    return normalise(value) if normalise and isinstance(value, str) else value


def match_keys(mapped: MappedRecord, kinds: Sequence[MatchKind]) -> tuple[MatchKey, ...]:
    """Every key that the record carries, in the order of the kinds."""
    found = (key for kind in kinds for key in _keys(kind, mapped.id, mapped.attributes))
    return tuple(dict.fromkeys(found))


def first_keys(keys: Sequence[MatchKey]) -> Sequence[MatchKey]:
    """The keys of the first kind, which decide whose a record is."""
    return [key for key in keys if key.kind == keys[0].kind]


def known_keys(
    object_type: ObjectType, kustomer_id: str, attributes: Attributes
) -> frozenset[MatchKey]:
    """Every key that an object in Kustomer's answer bears."""
    return frozenset(
        key for kind in MATCH_KINDS[object_type] for key in _keys(kind, kustomer_id, attributes)
    )


def external_ids(keys: Iterable[MatchKey]) -> set[MatchKey]:
    """The external ids among keys."""
    return {key for key in keys if key.kind == "externalId"}


def is_merged(borne: set[MatchKey], own: set[MatchKey], *, is_known: bool) -> bool:
    """Whether who bears these external ids may be two that were merged in Kustomer.

    Args:
        borne: The external ids that it bears.
        own: Those of them that its source has.
        is_known: Whether its source has any: of whom it has none may bear one of somebody else's.
    """
    return len(borne - own) > (0 if is_known or own else 1)


def _keys(kind: MatchKind, kustomer_id: str | None, attributes: Attributes) -> Iterator[MatchKey]:
    if kind == "id":
        found: list[JSON] = [kustomer_id]
    elif kind == "email":
        found = [each.get("email") for each in attributes.get("emails") or ()]
    elif kind == "phone":
        found = [each.get("phone") for each in attributes.get("phones") or ()]
    elif kind == "externalId":
        items = attributes.get("externalIds") or ()
        found = [attributes.get("externalId"), *(each.get("externalId") for each in items)]
    else:
        found = [attributes.get("name")]
    for spelling in filter(None, found):
        key = key_of(kind, spelling)
        if key.value:
            yield key


def _milliseconds(text: str) -> str:
    # Kustomer keeps milliseconds [API §2.1], a source may have more.
    try:
        moment = instant(text).removesuffix("Z")
    except CoercionError:
        return text
    seconds, _, fraction = moment.partition(".")
    return f"{seconds}.{fraction[:3].ljust(3, '0')}"


_NORMALISERS: dict[Kind, Callable[[str], str]] = {
    Kind.EMAIL: normalise_email,
    Kind.PHONE: normalise_phone,
    Kind.DOMAIN: str.casefold,
    Kind.SOCIAL: str.casefold,
    Kind.INSTANT: _milliseconds,
}
_KEY_NORMALISERS: dict[MatchKind, Callable[[str], str]] = {
    "email": normalise_email,
    "phone": normalise_phone,
}
