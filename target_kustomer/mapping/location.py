"""One location, made of the address columns of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import iso3166

from target_kustomer.mapping.attributes import LOCATION, Scalar
from target_kustomer.mapping.coercion import coerce

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_kustomer.mapping.failures import Notes
    from target_kustomer.models import JSON

LOCATION_TYPES = {"customer": "home", "company": "work"}

CODE_LENGTH = 2
"""Up to so many characters are a code, more are a name [API §4]."""

_CODE_AND_NAME = {
    "region": ("regionCode", "regionName"),
    "country": ("countryCode", "countryName"),
    "countryCode": ("countryCode", "countryName"),
}
_OWN_MEMBER = {"country": "countryName", "countryCode": "countryCode"}
_ANY_TEXT = Scalar()


def cleared_by(part: str, parts: Collection[str | None]) -> tuple[str, ...]:
    """What a column clears that does not fill it: a name clears the code and the reverse.

    Where code and name have a column each, neither clears what is the other's.
    """
    if set(_OWN_MEMBER) <= set(parts) and part in _OWN_MEMBER:
        return (_OWN_MEMBER[part],)
    return _CODE_AND_NAME.get(part, (part,))


def coerce_part(part: str, cleared: tuple[str, ...], value: Any, notes: Notes) -> dict[str, JSON]:
    """The members of the location that one column says something of."""
    members: dict[str, JSON] = dict.fromkeys(cleared)
    if part not in _CODE_AND_NAME:
        return {part: coerce(LOCATION.members[part], value, notes)}
    written = coerce(_ANY_TEXT, value, notes)
    if written is not None:
        member, place = _code_or_name(part, written)
        members[member] = coerce(LOCATION.members[member], place, notes)
    return members


def locations(values: Mapping[str | None, JSON], location_type: str) -> list[JSON] | None:
    """The list that the record's own locations and its address columns come to."""
    own = values.get(None) or []
    members: dict[str, JSON] = {}
    for part, each in values.items():
        if part is not None:
            members |= {name: each[name] for name in each if members.get(name) is None}
    if any(value is not None for value in members.values()):
        own = [{"type": location_type, **members}, *own]
    return own or None


def country_code(place: str) -> str | None:
    """The two-letter code, where the text is a code of two or three letters."""
    code = place.strip().upper()
    known = iso3166.countries_by_alpha3.get(code)
    if known is not None:
        return known.alpha2
    return code if len(code) == CODE_LENGTH else None


def _code_or_name(part: str, place: str) -> tuple[str, str]:
    code_member, name_member = _CODE_AND_NAME[part]
    code = country_code(place) if part in _OWN_MEMBER else None
    if code or len(place) <= CODE_LENGTH:
        return code_member, code or place.upper()
    return name_member, place
