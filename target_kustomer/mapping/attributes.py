"""Kustomer's attributes as data: the tables of [API §4, §5]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_kustomer.models import JSON, Attributes, ObjectType

Write = Literal["create", "update", "bulk_update"]

MAX_CUSTOM_ATTRIBUTES = 100
"""Keys in one ``custom`` object [API §4]."""


class Kind(Enum):
    """What a value must be, beyond its length."""

    TEXT = auto()
    NUMBER = auto()
    BOOL = auto()
    INSTANT = auto()
    URL = auto()
    EMAIL = auto()
    PHONE = auto()
    DOMAIN = auto()
    SOCIAL = auto()
    TAG = auto()
    REFERENCE = auto()


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value and its limits; lengths in characters, all limits inclusive.

    Attributes:
        takes_numbers: A numeric column serves too, although the value is text.
        keeps_empty: Empty text is a value of its own and not a null.
    """

    kind: Kind = Kind.TEXT
    max_length: int | None = None
    min_length: int = 0
    choices: tuple[str | int, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    takes_numbers: bool = False
    keeps_empty: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """An object; no member beyond these is taken.

    Attributes:
        lone: The member that a text in the object's place stands for.
        nullable: Whether its members may be null.
    """

    members: Mapping[str, Scalar]
    required: tuple[str, ...] = ()
    lone: str | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list.

    Attributes:
        identity: The members by which two items are the same one.
        max_items: As many items as the list may have.
        unique: Whether an identity occurs once; a customer may have two homes.
    """

    item: Scalar | Structure
    identity: tuple[str, ...] = ()
    max_items: int = 10
    unique: bool = True


Shape = Scalar | Structure | Items

_EVERY_WRITE: frozenset[Write] = frozenset({"create", "update", "bulk_update"})
_NOT_IN_BULK_UPDATE: frozenset[Write] = frozenset({"create", "update"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """A standard attribute.

    Attributes:
        nullable: Whether null clears it; lists are cleared by ``[]`` instead [API §3].
        by_name: Whether a column's name is enough to fill it.
        writes: The requests that take it.
        null_on_create: Whether a create takes null too.
    """

    shape: Shape
    nullable: bool = False
    by_name: bool = True
    writes: frozenset[Write] = _EVERY_WRITE
    null_on_create: bool = True


_VERIFIED = Scalar(Kind.BOOL)
_SHORT = Scalar(max_length=255)
_LONG = Scalar(max_length=256)
_NUMBER = Scalar(Kind.NUMBER)
_INSTANT = Scalar(Kind.INSTANT)
_PHONE = Scalar(Kind.PHONE, takes_numbers=True)


def _choice(*choices: str) -> Scalar:
    return Scalar(choices=choices)


_EMAILS = Items(
    Structure(
        {
            "type": _choice("home", "work", "other"),
            "email": Scalar(Kind.EMAIL),
            "verified": _VERIFIED,
        },
        required=("email",),
        lone="email",
    ),
    identity=("email",),
)
_PHONES = Items(
    Structure(
        {
            "type": _choice("mobile", "home", "work", "fax", "other"),
            "phone": _PHONE,
            "verified": _VERIFIED,
        },
        required=("phone",),
        lone="phone",
    ),
    identity=("phone",),
)
_WHATSAPPS = Items(
    Structure(
        {"type": _choice("mobile"), "phone": _PHONE, "verified": _VERIFIED},
        required=("phone",),
        lone="phone",
    ),
    identity=("phone",),
)
_EXTERNAL_IDS = Items(
    Structure(
        {
            "externalId": Scalar(max_length=255, min_length=1, takes_numbers=True),
            "verified": _VERIFIED,
        },
        required=("externalId",),
        lone="externalId",
    ),
    identity=("externalId",),
)
_FACEBOOK_IDS = Items(
    Structure({"pageId": _SHORT, "userId": _SHORT, "name": _SHORT}, required=("pageId", "userId")),
    identity=("pageId", "userId"),
)
_INSTAGRAM_IDS = Items(
    Structure(
        {"pageId": _SHORT, "threadId": _SHORT, "username": _SHORT, "instagramId": _SHORT},
        required=("pageId", "threadId", "username"),
    ),
    identity=("pageId", "threadId"),
)
_SOCIALS = Items(
    Structure(
        {
            "type": _choice("twitter", "facebook", "instagram", "linkedin", "pinterest"),
            "username": Scalar(Kind.SOCIAL, max_length=256, min_length=1),
            "userid": _LONG,
            "url": Scalar(Kind.URL),
            "verified": _VERIFIED,
        },
        required=("type", "username"),
        lone="username",
    ),
    identity=("type", "username"),
)
_URLS = Items(
    Structure(
        {"type": _choice("website", "blog", "other"), "url": Scalar(Kind.URL)},
        required=("url",),
        lone="url",
    ),
    identity=("url",),
)
_DOMAINS = Items(
    Structure({"domain": Scalar(Kind.DOMAIN)}, required=("domain",), lone="domain"),
    identity=("domain",),
)
LOCATION = Structure(
    {
        "type": _choice("home", "work", "other"),
        "name": _LONG,
        "address": _LONG,
        "address2": _LONG,
        "address3": _LONG,
        "latitude": _NUMBER,
        "longitude": _NUMBER,
        "countryCode": Scalar(max_length=2, min_length=2),
        "countryName": Scalar(max_length=64),
        "regionCode": Scalar(max_length=2),
        "regionName": Scalar(max_length=128),
        "cityName": Scalar(max_length=128),
        "zipCode": Scalar(max_length=30, takes_numbers=True),
        "areaCode": Scalar(max_length=30, takes_numbers=True),
    },
    nullable=True,
)
_LOCATIONS = Items(LOCATION, identity=("type", "name"), unique=False)
_TAGS = Items(Scalar(Kind.TAG, max_length=64, min_length=1), max_items=20)
_SENTIMENT = Structure(
    {
        "polarity": Scalar(Kind.NUMBER, choices=(-1, 0, 1)),
        "confidence": Scalar(Kind.NUMBER, minimum=-1, maximum=1),
    },
    required=("polarity",),
)

_EXTERNAL_ID = Attribute(Scalar(max_length=256, min_length=1, takes_numbers=True), nullable=True)
_WHEN = Attribute(_INSTANT, nullable=True)
_ONLY_BY_FIELDS = Attribute(_INSTANT, by_name=False)

_OF_BOTH: Mapping[str, Attribute] = {
    "emails": Attribute(_EMAILS),
    "phones": Attribute(_PHONES),
    "whatsapps": Attribute(_WHATSAPPS, writes=_NOT_IN_BULK_UPDATE),
    "socials": Attribute(_SOCIALS),
    "urls": Attribute(_URLS),
    "locations": Attribute(_LOCATIONS),
    "tags": Attribute(_TAGS),
    "defaultLang": Attribute(Scalar(max_length=100), nullable=True),
    "avatarUrl": Attribute(Scalar(Kind.URL), nullable=True, by_name=False),
}

ATTRIBUTES: Mapping[ObjectType, Mapping[str, Attribute]] = {
    "customer": {
        "name": Attribute(_LONG, nullable=True),
        "externalId": _EXTERNAL_ID,
        "username": Attribute(_LONG, nullable=True),
        "signedUpAt": _WHEN,
        "lastActivityAt": _WHEN,
        "lastCustomerActivityAt": _WHEN,
        "lastSeenAt": _WHEN,
        "birthdayAt": _WHEN,
        "externalIds": Attribute(_EXTERNAL_IDS),
        "sharedExternalIds": Attribute(_EXTERNAL_IDS),
        "sharedEmails": Attribute(_EMAILS),
        "sharedPhones": Attribute(_PHONES),
        "facebookIds": Attribute(_FACEBOOK_IDS),
        "instagramIds": Attribute(_INSTAGRAM_IDS, writes=_NOT_IN_BULK_UPDATE),
        "sharedSocials": Attribute(_SOCIALS),
        "locale": Attribute(Scalar(max_length=16), nullable=True),
        "timeZone": Attribute(Scalar(max_length=64), nullable=True),
        "sentiment": Attribute(_SENTIMENT, by_name=False),
        "gender": Attribute(_choice("m", "f"), nullable=True, by_name=False),
        "createdAt": _ONLY_BY_FIELDS,
        "importedAt": _ONLY_BY_FIELDS,
        "rev": Attribute(_NUMBER, by_name=False),
        **_OF_BOTH,
    },
    "company": {
        "name": Attribute(Scalar(max_length=256, min_length=3)),
        # A company's external id may be empty, but empty text counts as null anyway.
        "externalId": replace(_EXTERNAL_ID, null_on_create=False),
        "domains": Attribute(_DOMAINS),
        "employeeCount": Attribute(_NUMBER),
        "createdAt": replace(_ONLY_BY_FIELDS, writes=frozenset({"create"})),
        "importedAt": replace(_ONLY_BY_FIELDS, writes=frozenset({"create"})),
        "rev": Attribute(_NUMBER, by_name=False, writes=_NOT_IN_BULK_UPDATE),
        "deleted": Attribute(
            Scalar(Kind.BOOL),
            nullable=True,
            by_name=False,
            writes=frozenset({"update", "bulk_update"}),
        ),
        **_OF_BOTH,
    },
}
"""The standard attributes, but for ``company`` and ``custom``, which have rules of their own."""

_CUSTOM_TEXT = Scalar(max_length=1024, keeps_empty=True)

CUSTOM: Mapping[str, Scalar] = {
    "Str": _CUSTOM_TEXT,
    "Txt": _CUSTOM_TEXT,
    "Num": _NUMBER,
    "At": _INSTANT,
    "Bool": Scalar(Kind.BOOL),
    "Url": Scalar(Kind.URL),
    "Id": Scalar(Kind.REFERENCE),
}
"""What a custom attribute holds, by the suffix of its name [API §5]; null clears each."""


SINGLE_UPDATE_ONLY: Mapping[ObjectType, frozenset[str]] = {
    object_type: frozenset(
        name for name, each in table.items() if each.writes == _NOT_IN_BULK_UPDATE
    )
    for object_type, table in ATTRIBUTES.items()
}
"""What an update takes one record at a time only [API §2.3]."""


def for_write(object_type: ObjectType, attributes: Attributes, write: Write) -> dict[str, JSON]:
    """Keep what this kind of request takes, ``custom`` and ``company`` included."""
    table = ATTRIBUTES[object_type]
    return {
        name: value
        for name, value in attributes.items()
        if name not in table or _is_taken(table[name], value, write)
    }


def _is_taken(attribute: Attribute, value: JSON, write: Write) -> bool:
    refused_null = value is None and write == "create" and not attribute.null_on_create
    return write in attribute.writes and not refused_null
