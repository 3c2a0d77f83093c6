"""How the groups of a plan are made: a coercer for each column, an assembly for each attribute."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from target_kustomer.mapping import location
from target_kustomer.mapping.attributes import ATTRIBUTES, Scalar, Structure
from target_kustomer.mapping.coercion import coerce, json_text
from target_kustomer.mapping.enumerations import restricted
from target_kustomer.mapping.failures import Notes
from target_kustomer.mapping.groups import ABSENT, Coercer, Group, Source
from target_kustomer.mapping.items import (
    check_length,
    coerce_items,
    coerce_structure,
    distinct,
)
from target_kustomer.mapping.targets import Target, list_of, value_of
from target_kustomer.models import CompanyLink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from target_kustomer.mapping.attributes import Items
    from target_kustomer.mapping.groups import Values
    from target_kustomer.mapping.schema import Column
    from target_kustomer.mapping.stream import Stream
    from target_kustomer.models import JSON


class Assembly:
    """Makes the groups of one stream.

    Args:
        stream: The stream.
        key_attributes: The attributes that bear a match key: a null of them is never sent.
        company_external_id_prefix: Put before the external id of a customer's company.
    """

    def __init__(
        self, stream: Stream, key_attributes: Collection[str], company_external_id_prefix: str
    ) -> None:
        self._stream = stream
        self._object_type = stream.object_type
        self._settings = stream.settings
        self._key_attributes = key_attributes
        self.prefixes = {
            Target("externalId"): stream.settings.external_id_prefix,
            Target("company", "externalId"): company_external_id_prefix,
        }

    def groups(self, placed: Iterable[tuple[Column, Target]]) -> tuple[Group, ...]:
        """One group for each attribute that a column makes."""
        by_attribute: dict[str, list[tuple[Column, Target]]] = defaultdict(list)
        for column, target in placed:
            by_attribute[target.attribute].append((column, target))
        return tuple(self._group(name, members) for name, members in by_attribute.items())

    def _group(self, attribute: str, members: list[tuple[Column, Target]]) -> Group:
        parts = {target.part for _, target in members}
        sources = (
            Source(
                column=column.name,
                path=column.path,
                part=target.part,
                reported=target.reported,
                coerce=self._coercer(column, target, parts),
            )
            for column, target in members
        )
        is_company_name = self._object_type == "company" and attribute == "name"
        return Group(
            attribute=attribute,
            # A country's code has the last word where its name is a code as well.
            sources=tuple(sorted(sources, key=lambda each: each.part != "countryCode")),
            assemble=self._assemble(attribute),
            clear=self._clear(attribute),
            is_one_value=attribute in {"name", "locations"},
            may_omit=self._settings.invalid_values == "omit" and not is_company_name,
        )

    def _coercer(self, column: Column, target: Target, parts: Collection[str | None]) -> Coercer:
        part = target.part or ""
        if target.attribute == "locations" and part:
            return partial(location.coerce_part, part, location.cleared_by(part, parts))
        items = list_of(self._object_type, target.attribute)
        if items is not None:
            return partial(coerce_items, items, item_type=part)
        shape = value_of(self._object_type, target)
        if target in self.prefixes:
            return partial(_prefixed, _coercer_of(shape), self.prefixes[target])
        if isinstance(shape, Structure):
            return _coercer_of(shape)
        if target == Target("company", "name") and self._settings.missing_company == "ignore":
            # A name too short for Kustomer is the name of no company there.
            shape = replace(shape, min_length=1)
        coercer = _coercer_of(shape)
        if shape.keeps_empty and column.name in self._settings.fields:
            coercer = partial(json_text, shape)
        if target.attribute == "custom":
            return restricted(shape, coercer, self._stream.choices(part))
        return coercer

    def _assemble(self, attribute: str) -> Callable[[Values], JSON]:
        if attribute == "custom":
            return self._custom
        if attribute == "company":
            return _link
        if attribute == "name":
            return partial(_name, _coercer_of(value_of(self._object_type, Target("name"))))
        items = list_of(self._object_type, attribute)
        if items is None:
            return _only
        return partial(self._locations if attribute == "locations" else _items, items)

    def _clear(self, attribute: str) -> Callable[[], JSON]:
        if self._settings.nulls == "ignore" or attribute in self._key_attributes:
            return _nothing
        if attribute == "company":
            return CompanyLink
        if list_of(self._object_type, attribute):
            return list if self._settings.lists == "replace" else _nothing
        known = ATTRIBUTES[self._object_type].get(attribute)
        return _null if known and known.nullable else _nothing

    def _custom(self, values: Values) -> JSON:
        if self._settings.nulls == "clear":
            return values
        return {name: value for name, value in values.items() if value is not None} or None

    def _locations(self, items: Items, values: Values) -> JSON:
        location_type = location.LOCATION_TYPES[self._object_type]
        return _items(items, {None: location.locations(values, location_type)})


def _coercer_of(shape: Scalar | Structure) -> Coercer:
    if isinstance(shape, Structure):
        return partial(coerce_structure, shape)
    return partial(coerce, shape)


def _only(values: Values) -> JSON:
    return values[None]


def _name(coerce_name: Coercer, values: Values) -> JSON:
    given = [values.get(part) for part in (None, "first", "last")]
    return coerce_name(" ".join(each for each in given if each), Notes())


def _items(items: Items, values: Values) -> JSON:
    together = distinct(items, chain.from_iterable(each or () for each in values.values()))
    check_length(items, together)
    return together or None


def _link(values: Values) -> JSON:
    link = CompanyLink(values.get("id"), values.get("externalId"), values.get("name"))
    return None if link == CompanyLink() else link


def _prefixed(coerce_id: Coercer, prefix: str, value: Any, notes: Notes) -> JSON:
    bare = coerce_id(value, notes)
    return None if bare is None else coerce_id(prefix + bare, notes)


def _null() -> None:
    return None


def _nothing() -> JSON:
    return ABSENT
