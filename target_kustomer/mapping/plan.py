"""From a SCHEMA to a plan, once; from a record to Kustomer's attributes, for each record."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib import metadata
from typing import TYPE_CHECKING, Any

from target_kustomer.mapping.assembly import Assembly
from target_kustomer.mapping.checks import check_targets, match_kinds
from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.mapping.groups import ABSENT, Group, Reading, RejectedError, value_at
from target_kustomer.mapping.keys import KEY_ATTRIBUTES, match_keys
from target_kustomer.mapping.location import country_code
from target_kustomer.mapping.rules import Rules
from target_kustomer.mapping.schema import columns_of
from target_kustomer.mapping.stream import Stream
from target_kustomer.models import MappedRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.mapping.custom import Undefined
    from target_kustomer.mapping.schema import Column
    from target_kustomer.mapping.targets import Target
    from target_kustomer.models import (
        CustomAttributes,
        MatchKey,
        MatchKind,
        ObjectType,
        Rejection,
    )
    from target_kustomer.settings import StreamSettings


_NO_COLUMN = ("no such column",)
"""No value of JSON; in a digest it is the same in every run."""

_KEY_BEARERS = {name for names in KEY_ATTRIBUTES.values() for name in names}


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a stream's columns.

    Attributes:
        columns: Each column with its attribute, or None where it is not sent; for the log.
        warnings: What the user should know; names only, never values.
        external_id_column: The column that is the externalId only because it is the key.
        match_kinds: The keys by which records are found, in order.
        groups: The attributes, each with the columns that make it.
        known_columns: The columns that the SCHEMA has.
        countries: The paths at which a record names its country, the surest first.
        default_region: The country of phone numbers where neither they nor the record name one.
        name: What tells this plan from every other one, in this and in other runs.
        read_columns: The columns on which anything that is sent depends.
        undefined: The custom attributes that are to be defined before anything is sent.
        row_columns: The columns that tell the source's rows apart.
    """

    columns: tuple[tuple[str, str | None], ...]
    warnings: tuple[str, ...]
    external_id_column: str | None
    match_kinds: tuple[MatchKind, ...]
    groups: tuple[Group, ...]
    known_columns: frozenset[str]
    countries: tuple[tuple[str, ...], ...]
    default_region: str | None
    name: str
    read_columns: tuple[str, ...]
    undefined: tuple[Undefined, ...]
    row_columns: tuple[str, ...]

    def row_values(self, record: Mapping[str, Any]) -> list[object]:
        """What tells the record's row from all others of its source."""
        return [record.get(column, _NO_COLUMN) for column in self.row_columns]

    def read_values(self, record: Mapping[str, Any]) -> list[object]:
        """All that decides what becomes of a record, as its source sends it."""
        return [record.get(column, _NO_COLUMN) for column in self.read_columns]

    def map_record(self, record: Mapping[str, Any]) -> MappedRecord | Rejection:
        """The record in Kustomer's terms, or why it cannot be; never raises."""
        return self._map(record, self.groups)

    def map_keys(self, record: Mapping[str, Any]) -> MappedRecord | Rejection:
        """The same of what the record is found by alone: of what is gone no more is sent."""
        kinds: tuple[MatchKind, ...] = (*self.match_kinds, "externalId")
        bearers = {name for kind in kinds for name in KEY_ATTRIBUTES[kind]}
        return self._map(record, [each for each in self.groups if each.attribute in bearers])

    def _map(self, record: Mapping[str, Any], groups: Sequence[Group]) -> MappedRecord | Rejection:
        reading = Reading(Notes(self._region(record)))
        try:
            found = {group.attribute: group.value(record, reading) for group in groups}
        except RejectedError as error:
            return error.rejection
        values = {name: value for name, value in found.items() if value is not ABSENT}
        mapped = MappedRecord(
            id=values.pop("id", None),
            link=values.pop("company", None),
            attributes=values,
            omitted=tuple(each.column or "" for each in reading.failures),
            extensions_dropped=tuple(reading.extended),
        )
        return self._lost_key(mapped, reading.failures) or mapped

    def keys_of_rejected(self, record: Mapping[str, Any]) -> tuple[MatchKey, ...]:
        """The keys that a record bears whose other values do not fit: others may name it."""
        reading = Reading(Notes(self._region(record)))
        values = {}
        for group in self.groups:
            if group.attribute in _KEY_BEARERS:
                with suppress(RejectedError):
                    values[group.attribute] = group.value(record, reading)
        present = {name: value for name, value in values.items() if value is not ABSENT}
        mapped = MappedRecord(id=present.pop("id", None), attributes=present)
        return match_keys(mapped, tuple(KEY_ATTRIBUTES))

    def unknown_columns(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        """The record's columns that the SCHEMA lacks, and that are not sent therefore."""
        if record.keys() <= self.known_columns:
            return ()
        unknown = record.keys() - self.known_columns
        return tuple(sorted(name for name in unknown if not name.lower().startswith("_sdc_")))

    def _region(self, record: Mapping[str, Any]) -> str | None:
        for path in self.countries:
            with suppress(CoercionError):
                country = value_at(record, path)
                if isinstance(country, str) and (code := country_code(country)):
                    return code
        return self.default_region

    def _lost_key(self, mapped: MappedRecord, failures: Sequence[Rejection]) -> Rejection | None:
        """The key that must not be left out, since the record has no other one."""
        keys = {name for kind in self.match_kinds for name in KEY_ATTRIBUTES[kind]}
        lost = [each for each in failures if each.attribute in keys]
        return lost[0] if lost and not match_keys(mapped, self.match_kinds) else None


def compile_plan(  # noqa: PLR0913 - all that a SCHEMA message and the settings say
    stream: str,
    schema: Mapping[str, Any],
    key_properties: Sequence[str],
    object_type: ObjectType,
    settings: StreamSettings,
    *,
    company_external_id_prefix: str = "",
    org_attributes: CustomAttributes | None = None,
) -> Plan:
    """Decide what becomes of a stream's columns.

    Args:
        stream: The stream's name.
        schema: The JSON Schema of its SCHEMA message.
        key_properties: The key of its SCHEMA message.
        object_type: What its records are.
        settings: What the settings say of the stream.
        company_external_id_prefix: The prefix of the external ids of the company stream.
        org_attributes: The custom attributes that the org has, None where it may not be asked.

    Raises:
        ConfigurationError: The columns and the settings do not fit; says how to mend it.
    """
    given = Stream(
        stream, object_type, columns_of(schema), tuple(key_properties), settings, org_attributes
    )
    rules = Rules(given)
    placed = rules.placed()
    targeted = [(column, target) for column, target in placed if target is not None]
    check_targets(given, targeted)
    kinds = match_kinds(given, {target.attribute for _, target in targeted})
    bearers = {name for kind in kinds for name in KEY_ATTRIBUTES[kind]}
    own_prefix = settings.company_external_id_prefix
    assembly = Assembly(
        given,
        key_attributes=bearers,
        company_external_id_prefix=(
            company_external_id_prefix if own_prefix is None else own_prefix
        ),
    )
    region = settings.default_phone_region
    groups = assembly.groups(targeted)
    keys = [
        each.path[0] for group in groups if group.attribute in bearers for each in group.sources
    ]
    paths = [source.path for group in groups for source in group.sources]
    countries = tuple(column.path for column in rules.countries)
    return Plan(
        columns=tuple(
            (column.name, None if target is None else target.label) for column, target in placed
        ),
        warnings=tuple(rules.warnings),
        external_id_column=rules.external_id_column,
        match_kinds=kinds,
        groups=groups,
        known_columns=frozenset(given.columns),
        countries=countries,
        default_region=region.upper() if region else None,
        name=_name(given, targeted, assembly),
        read_columns=tuple(dict.fromkeys(path[0] for path in (*paths, *countries))),
        undefined=rules.undefined,
        row_columns=tuple(dict.fromkeys(key_properties or keys)),
    )


def _name(stream: Stream, placed: Sequence[tuple[Column, Target]], assembly: Assembly) -> str:
    """A digest of all that decides what a plan makes of a record, the release included."""
    parts = (
        metadata.version("target-kustomer"),
        stream.name,
        stream.object_type,
        stream.settings,
        assembly.prefixes,
        [
            (column.path, column.type, target, stream.choices(target.label))
            for column, target in placed
        ],
    )
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()
