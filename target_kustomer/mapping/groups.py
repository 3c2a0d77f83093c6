"""An attribute of a plan with the columns that make it, and how one record fills it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.mapping.jsontext import parsed
from target_kustomer.models import Reason, Rejection

if TYPE_CHECKING:
    from target_kustomer.models import JSON

ABSENT: Any = object()
"""The record says nothing of it; ``None`` is a null."""

Values = Mapping["str | None", "JSON"]
"""What the columns of one attribute hold, by the part that each of them makes."""


Coercer = Callable[[Any, Notes], "JSON"]
"""Makes a column's value what the attribute takes; raises :class:`CoercionError`."""


class RejectedError(Exception):
    """The record cannot be mapped; stays within mapping."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.reason.value)
        self.rejection = rejection


@dataclass(slots=True)
class Reading:
    """What is found out while one record is mapped."""

    notes: Notes
    failures: list[Rejection] = field(default_factory=list)
    extended: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """A column that makes an attribute or a part of one.

    Attributes:
        reported: The attribute as a rejection names it.
        coerce: Makes the column's value what the attribute takes.
    """

    column: str
    path: tuple[str, ...]
    part: str | None
    reported: str
    coerce: Coercer

    def rejection(self, error: CoercionError) -> Rejection:
        """The error as what becomes of the record."""
        return Rejection(error.reason, self.reported, self.column, error.detail)


@dataclass(frozen=True, slots=True)
class Group:
    """An attribute with all columns that make it.

    Attributes:
        assemble: Makes the parts the attribute's value, None where all are null.
        clear: What is sent for a null, :data:`ABSENT` where nothing is.
        is_one_value: Without one of its parts the others would say something false.
        may_omit: A value that does not fit is left out rather than the record rejected.
    """

    attribute: str
    sources: tuple[Source, ...]
    assemble: Callable[[Values], JSON]
    clear: Callable[[], JSON]
    is_one_value: bool
    may_omit: bool

    def value(self, record: Mapping[str, Any], reading: Reading) -> JSON:
        """What the record says of the attribute.

        Raises:
            RejectedError: A value does not fit and may not be left out.
        """
        failures_before = len(reading.failures)
        values: dict[str | None, JSON] = {}
        for source in self.sources:
            value = self._coerced(source, record, reading)
            if value is not ABSENT:
                values[source.part] = value
        has_failed = len(reading.failures) > failures_before
        if not values or (has_failed and self.is_one_value):
            return ABSENT
        try:
            assembled = self.assemble(values)
        except CoercionError as error:
            return self._failed(self.sources[0], error, reading)
        if assembled is not None:
            return assembled
        return ABSENT if has_failed else self.clear()

    def _coerced(self, source: Source, record: Mapping[str, Any], reading: Reading) -> JSON:
        extensions_before = reading.notes.extensions
        try:
            raw = value_at(record, source.path)
            value = raw if raw is ABSENT else source.coerce(raw, reading.notes)
        except CoercionError as error:
            return self._failed(source, error, reading)
        if reading.notes.extensions > extensions_before:
            reading.extended.append(source.column)
        return value

    def _failed(self, source: Source, error: CoercionError, reading: Reading) -> JSON:
        rejection = source.rejection(error)
        if not self.may_omit:
            raise RejectedError(rejection) from error
        reading.failures.append(rejection)
        return ABSENT


def value_at(record: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The value at the path: through a null it is null, through a missing key absent.

    A path leads into JSON text too: so log-based taps send the objects of JSON columns.
    """
    value: Any = record
    for key in path:
        if value is None or value is ABSENT:
            return value
        within = value if isinstance(value, Mapping) else parsed(value, dict)
        if not isinstance(within, Mapping):
            raise CoercionError(Reason.INVALID_TYPE, "no object that the path could lead into")
        value = within.get(key, ABSENT)
    return value
