"""A stream as its SCHEMA and the settings describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_kustomer.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.mapping.schema import Column
    from target_kustomer.models import CustomAttributes, ObjectType
    from target_kustomer.settings import StreamSettings


@dataclass(frozen=True, slots=True)
class Stream:
    """What a plan is made from.

    Attributes:
        columns: The SCHEMA's columns by name, in its order.
        org_attributes: The custom attributes that the org has, None where it may not be asked.
    """

    name: str
    object_type: ObjectType
    columns: Mapping[str, Column]
    key_properties: Sequence[str]
    settings: StreamSettings
    org_attributes: CustomAttributes | None = None

    def choices(self, attribute: str) -> tuple[str | float, ...]:
        """The values that the org's custom attribute takes; empty where it takes any."""
        known = (self.org_attributes or {}).get(attribute)
        return known.choices if known else ()

    def error(self, text: str) -> ConfigurationError:
        """A configuration error of this stream."""
        return ConfigurationError(f"stream {self.name}: {text}")

    def fields_line(self, column: str, attribute: str | None) -> str:
        """The line of the settings that says what becomes of a column."""
        value = "null" if attribute is None else f'"{attribute}"'
        return f'streams.{self.name}.fields: {{"{column}": {value}}}'
