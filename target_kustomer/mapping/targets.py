"""Where a column can go, and what its name alone tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_kustomer.mapping.attributes import (
    ATTRIBUTES,
    CUSTOM,
    LOCATION,
    Items,
    Kind,
    Scalar,
    Structure,
)
from target_kustomer.mapping.names import fold, suffix_of
from target_kustomer.mapping.schema import Column, ColumnType, is_array, types_of_items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_kustomer.models import ObjectType


@dataclass(frozen=True, slots=True)
class Target:
    """Where a column goes: an attribute, or a part of it.

    Attributes:
        attribute: A standard attribute, ``custom``, ``company`` (the link) or ``id``.
        part: None for the whole attribute; of a list the type of the one item, empty where it
            has none; else the custom attribute's name, the location's member, the half of a
            name, or that by which a company is named.
    """

    attribute: str
    part: str | None = None

    @property
    def label(self) -> str:
        """As the settings and the log call it."""
        if self.attribute == "custom":
            return self.part or ""
        return f"{self.attribute}.{self.part}" if self.part else self.attribute

    @property
    def reported(self) -> str:
        """As a rejection calls it: parts that only we know of are the whole attribute's."""
        return self.label if self.attribute in {"custom", "company"} else self.attribute


_FLAT_NAMES: dict[Target, tuple[str, ...]] = {
    Target("emails", ""): ("email", "email_address"),
    Target("emails", "work"): ("work_email",),
    Target("emails", "home"): ("home_email",),
    Target("phones", ""): ("phone", "phone_number"),
    Target("phones", "mobile"): ("mobile", "mobile_phone", "mobile_number"),
    Target("phones", "home"): ("home_phone",),
    Target("phones", "work"): ("work_phone",),
    Target("phones", "fax"): ("fax",),
    Target("whatsapps", ""): ("whatsapp",),
    Target("urls", "website"): ("website",),
    Target("urls", "blog"): ("blog",),
    Target("domains", ""): ("domain",),
    Target("socials", "twitter"): ("twitter",),
    Target("socials", "facebook"): ("facebook",),
    Target("socials", "instagram"): ("instagram",),
    Target("socials", "linkedin"): ("linkedin",),
    Target("socials", "pinterest"): ("pinterest",),
    Target("name"): ("full_name",),
    Target("name", "first"): ("first_name",),
    Target("name", "last"): ("last_name",),
    Target("birthdayAt"): ("birth_date", "birthday"),
    Target("employeeCount"): ("employees",),
    Target("locations", "address"): (
        "address",
        "address1",
        "address_line_1",
        "street",
        "street_address",
    ),
    Target("locations", "address2"): ("address2", "address_line_2"),
    Target("locations", "address3"): ("address3",),
    Target("locations", "cityName"): ("city",),
    Target("locations", "region"): ("state", "province", "region"),
    Target("locations", "country"): ("country",),
    Target("locations", "countryCode"): ("country_code",),
    Target("locations", "zipCode"): ("zip", "zip_code", "postal_code", "postcode"),
    Target("locations", "latitude"): ("latitude",),
    Target("locations", "longitude"): ("longitude",),
    Target("company", "externalId"): ("company_id", "company_external_id"),
    Target("company", "name"): ("company", "company_name"),
}

_LINKS = {f"company.{part}": Target("company", part) for part in ("id", "externalId", "name")}


def _has(object_type: ObjectType, target: Target) -> bool:
    linked = target.attribute == "company" and object_type == "customer"
    return linked or target.attribute in ATTRIBUTES[object_type]


FLAT: Mapping[ObjectType, Mapping[str, Target]] = {
    object_type: {
        fold(name): target
        for target, names in _FLAT_NAMES.items()
        if _has(object_type, target)
        for name in names
    }
    for object_type in ATTRIBUTES
}
"""The flat names of each object, folded."""

STANDARD: Mapping[ObjectType, Mapping[str, Target]] = {
    object_type: {fold(name): Target(name) for name in table}
    for object_type, table in ATTRIBUTES.items()
}
"""The standard attributes of each object by their folded names."""


def named_target(object_type: ObjectType, attribute: str) -> Target | None:
    """What an attribute in ``fields`` names, unless it is a custom one."""
    if object_type == "customer" and attribute in _LINKS:
        return _LINKS[attribute]
    if "." in attribute:
        return None
    known = {"id": Target("id"), **FLAT[object_type], **STANDARD[object_type]}
    return known.get(fold(attribute))


def target_names(object_type: ObjectType) -> list[str]:
    """Everything that ``fields`` may name besides custom attributes."""
    flat = [
        name for target, names in _FLAT_NAMES.items() if _has(object_type, target) for name in names
    ]
    return ["id", *ATTRIBUTES[object_type], *(_LINKS if object_type == "customer" else ()), *flat]


def list_of(object_type: ObjectType, attribute: str) -> Items | None:
    """The list that the attribute is, if it is one."""
    known = ATTRIBUTES[object_type].get(attribute)
    return known.shape if known and isinstance(known.shape, Items) else None


def value_of(object_type: ObjectType, target: Target) -> Scalar | Structure:
    """What one value of the target must be; of a list it is the value that an item is made of."""
    attribute, part = target.attribute, target.part or ""
    if attribute == "id" or target == Target("company", "id"):
        return Scalar(Kind.REFERENCE)
    if attribute == "custom":
        return CUSTOM[suffix_of(part) or "Str"]
    if attribute == "locations" and part:
        return LOCATION.members.get(part, Scalar())
    if attribute == "company":
        object_type, attribute = "company", part
    shape = ATTRIBUTES[object_type][attribute].shape
    value = shape.item if isinstance(shape, Items) else shape
    return value.members[value.lone] if isinstance(value, Structure) and value.lone else value


def fits(object_type: ObjectType, target: Target, column: Column) -> bool:
    """Whether the column's type can hold what the target needs."""
    if column.type is ColumnType.NESTED:
        items = list_of(object_type, target.attribute) if target.part is None else None
        return items is not None and is_array(column) and _fits_items(items, column)
    value = value_of(object_type, target)
    return isinstance(value, Scalar) and column.type in _column_types(value)


def _fits_items(items: Items, column: Column) -> bool:
    item_types = types_of_items(column)
    if not isinstance(items.item, Structure):
        return item_types <= {"string"}
    return item_types <= ({"object", "string"} if items.item.lone else {"object"})


def _column_types(scalar: Scalar) -> set[ColumnType]:
    if scalar.kind is Kind.INSTANT:
        return {ColumnType.TEXT, ColumnType.DATE}
    if scalar.kind is Kind.NUMBER:
        return {ColumnType.TEXT, ColumnType.NUMBER}
    numbers = {ColumnType.NUMBER} if scalar.takes_numbers else set()
    return {ColumnType.TEXT, ColumnType.URL, *numbers}
