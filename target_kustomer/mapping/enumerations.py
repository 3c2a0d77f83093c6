"""Allowed values: what a custom attribute takes where the org has listed its values."""

from __future__ import annotations

from collections import Counter
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
    allowed = tuple(dict.fromkeys(value for each in choices for value in _own(scalar, each)))
    times = Counter(map(_folded, allowed))
    spelled = {_folded(each): each for each in allowed if times[_folded(each)] == 1}
    return partial(_chosen, coerce_value, allowed, spelled) if allowed else coerce_value


def _own(scalar: Scalar, choice: JSON) -> list[JSON]:
    """The choice as it is sent: text as it stands, and numbers as numbers."""
    if scalar.kind is Kind.TEXT and isinstance(choice, str):
        return [choice]
    try:
        value = coerce(scalar, choice, Notes())
    except CoercionError:
        return []
    return [] if value is None else [value]


def _chosen(
    coerce_value: Coercer,
    allowed: Sequence[JSON],
    spelled: Mapping[JSON, JSON],
    value: Any,
    notes: Notes,
) -> JSON:
    given = coerce_value(value, notes)
    found = spelled.get(_folded(given))
    if found is not None or given in allowed:
        return given if found is None else found
    if given in {None, ""}:
        return None
    shown = ", ".join(map(str, allowed[:_SHOWN]))
    more = ", ..." if len(allowed) > _SHOWN else ""
    raise CoercionError(Reason.NOT_ALLOWED, f"none of {shown}{more}")


def _folded(value: JSON) -> JSON:
    return value.strip().casefold() if isinstance(value, str) else value
