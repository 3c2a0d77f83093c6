"""Values: what a column holds, as the attribute takes it, or a reason why it cannot."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from target_kustomer.mapping import addresses
from target_kustomer.mapping.attributes import Kind, Scalar
from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.mapping.instants import instant
from target_kustomer.models import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.models import JSON

MAX_WHOLE_NUMBER = 2**53
"""Beyond it a double, which is what JSON's readers make of a number, skips whole numbers."""

_MAX_DIGITS = 1100
"""No text attribute is longer, so a number with more digits need not be written out."""

_NUMERIC = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
_TAG = re.compile(r"[0-9a-zA-ZÀ-ÿ_/<>\-.][0-9a-zA-ZÀ-ÿ _/<>\-.]*")
"""A tag's characters [API §4]; its length is checked as a length."""
_REFERENCE = re.compile(r"[0-9a-fA-F]{24}")
"""Kustomer's ids are Mongo object ids [API §2]."""


def coerce(scalar: Scalar, value: Any, notes: Notes) -> JSON:
    """Make the value what the attribute takes, or None where there is none.

    Raises:
        CoercionError: The value does not fit and would lose something if it were made to.
    """
    if isinstance(value, str):
        value = _clean(value)
        if not value and not scalar.keeps_empty:
            return None
    if value is None:
        return None
    if scalar.kind is Kind.PHONE:
        return addresses.phone_number(text(value), notes)
    return _within_limits(scalar, _READERS[scalar.kind](value))


def json_text(scalar: Scalar, value: Any, notes: Notes) -> JSON:
    """Like :func:`coerce`, but objects and arrays become JSON text."""
    if not isinstance(value, (dict, list)):
        return coerce(scalar, value, notes)
    try:
        written = json.dumps(
            value, default=_json_scalar, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError) as error:
        raise CoercionError(Reason.INVALID_TYPE, "no JSON value") from error
    except RecursionError as error:
        raise CoercionError(Reason.TOO_LONG, "nested too deeply") from error
    return coerce(scalar, written, notes)


def text(value: Any) -> str:
    """The canonical text of a scalar; a whole number has neither fraction nor exponent."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return _number_text(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    raise CoercionError(Reason.INVALID_TYPE, "not a single value")


def number(value: Any) -> int | float:
    """A number that a double holds; a fraction becomes the nearest double."""
    exact = _decimal(value)
    if exact.copy_abs() > MAX_WHOLE_NUMBER:
        raise CoercionError(Reason.OUT_OF_RANGE, "beyond 2^53")
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def boolean(value: Any) -> bool:
    """True or false, of the usual spellings."""
    truth = _TRUTH.get(text(value).casefold())
    if truth is None:
        raise CoercionError(Reason.INVALID_FORMAT, "neither true nor false")
    return truth


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise CoercionError(Reason.INVALID_TYPE, "not a number")
    if isinstance(value, str) and not _NUMERIC.fullmatch(value):
        raise CoercionError(Reason.INVALID_FORMAT, "not a number")
    try:
        exact = Decimal(value)
    except InvalidOperation as error:
        raise CoercionError(Reason.OUT_OF_RANGE, "not a number that can be held") from error
    if not exact.is_finite():
        raise CoercionError(Reason.OUT_OF_RANGE, "not a finite number")
    return exact


def _number_text(value: float | Decimal) -> str:
    # The shortest text of a float is the number that its source meant.
    exact = _decimal(repr(value) if isinstance(value, float) and math.isfinite(value) else value)
    if not exact:
        return "0"
    if not -_MAX_DIGITS < exact.adjusted() < _MAX_DIGITS:
        raise CoercionError(Reason.TOO_LONG, f"more than {_MAX_DIGITS} digits")
    written = f"{exact:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _json_scalar(value: Any) -> JSON:
    if not isinstance(value, Decimal):
        return text(value)
    exact = _decimal(value)
    whole = -_MAX_DIGITS < exact.adjusted() < _MAX_DIGITS and exact == exact.to_integral_value()
    return int(exact) if whole else float(exact)


def _clean(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise CoercionError(Reason.INVALID_FORMAT, "half a character (surrogate)") from error
    return value.strip()


def _tag(value: Any) -> str:
    written = text(value)
    if not _TAG.fullmatch(written):
        raise CoercionError(Reason.INVALID_FORMAT, "a character that no tag may have")
    return written


def _reference(value: Any) -> JSON:
    if isinstance(value, list):
        return [_reference(each) for each in value]
    if not isinstance(value, str):
        raise CoercionError(Reason.INVALID_TYPE, "not an id of Kustomer's")
    if not _REFERENCE.fullmatch(value):
        raise CoercionError(Reason.INVALID_FORMAT, "not an id of Kustomer's (24 hex digits)")
    return value


def _of_text(read: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: read(text(value))


_READERS: dict[Kind, Callable[[Any], JSON]] = {
    Kind.TEXT: text,
    Kind.NUMBER: number,
    Kind.BOOL: boolean,
    Kind.INSTANT: instant,
    Kind.URL: _of_text(addresses.web_address),
    Kind.EMAIL: _of_text(addresses.email_address),
    Kind.DOMAIN: _of_text(addresses.domain_name),
    Kind.SOCIAL: _of_text(addresses.social_name),
    Kind.TAG: _tag,
    Kind.REFERENCE: _reference,
}


def _within_limits(scalar: Scalar, value: JSON) -> JSON:
    if isinstance(value, str):
        if scalar.choices:
            value = value.casefold()
        if scalar.max_length is not None and len(value) > scalar.max_length:
            raise CoercionError(Reason.TOO_LONG, f"more than {scalar.max_length} characters")
        if len(value) < scalar.min_length:
            raise CoercionError(Reason.OUT_OF_RANGE, f"fewer than {scalar.min_length} characters")
    if scalar.choices and value not in scalar.choices:
        raise CoercionError(Reason.NOT_ALLOWED, f"none of {', '.join(map(str, scalar.choices))}")
    if scalar.minimum is not None and value < scalar.minimum:
        raise CoercionError(Reason.OUT_OF_RANGE, f"less than {scalar.minimum:g}")
    if scalar.maximum is not None and value > scalar.maximum:
        raise CoercionError(Reason.OUT_OF_RANGE, f"more than {scalar.maximum:g}")
    return value
