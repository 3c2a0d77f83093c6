"""Allowed values: what a custom attribute takes where the org has listed its values."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from target_kustomer.mapping.attributes import Kind, Scalar
from target_kustomer.mapping.coercion import coerce
from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.models import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.mapping.groups import Coercer
    from target_kustomer.models import JSON

_ENUMERABLE = {Kind.TEXT, Kind.NUMBER}
"""Whose values an org may list, as far as is known; those of others are not checked [API §5]."""

_SHOWN = 10
"""So many of the allowed values are named beside one that is not."""


def restricted(scalar: Scalar, coerce_value: Coercer, choices: Sequence[JSON]) -> Coercer:
    """Let only allowed values pass, each as the org spells it.

    Case and surrounding blanks do not count, unless values of the org differ in them alone. An
    empty text is a null, unless it is allowed.

    Args:
        scalar: What the attribute holds.
        coerce_value: Makes a column's value what the attribute holds.
        choices: The allowed values as the org lists them; where none fits the attribute's type,
            nothing is checked.
    """
    if scalar.kind not in _ENUMERABLE:
        return coerce_value
    exact = {value: value for each in choices for value in _own(scalar, each)}
    alike: dict[JSON, list[JSON]] = {}
    for value in exact:
        alike.setdefault(_folded(value), []).append(value)
    spelled = {folded: values[0] for folded, values in alike.items() if len(values) == 1}
    return partial(_chosen, coerce_value, {**spelled, **exact}) if exact else coerce_value


def _own(scalar: Scalar, choice: JSON) -> list[JSON]:
    """The choice as it is sent: text as it stands, and numbers as numbers."""
    if scalar.kind is Kind.TEXT and isinstance(choice, str):
        return [choice]
    try:
        value = coerce(scalar, choice, Notes())
    except CoercionError:
        return []
    return [] if value is None else [value]


def _chosen(coerce_value: Coercer, spelled: Mapping[JSON, JSON], value: Any, notes: Notes) -> JSON:
    given = coerce_value(value, notes)
    found = spelled.get(given, spelled.get(_folded(given)))
    if found is None and given not in {None, ""}:
        shown = list(dict.fromkeys(map(str, spelled.values())))
        more = ", ..." if len(shown) > _SHOWN else ""
        raise CoercionError(Reason.NOT_ALLOWED, f"none of {', '.join(shown[:_SHOWN])}{more}")
    return found


def _folded(value: JSON) -> JSON:
    return value.strip().casefold() if isinstance(value, str) else value
