"""Points in time, as ISO 8601 text in UTC."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from target_kustomer.mapping.failures import CoercionError
from target_kustomer.models import Reason

_ISO_8601 = re.compile(
    r"(?P<year>\d{4})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:[Tt ](?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?"
    r"\s?(?:[Zz]|(?P<sign>[+-])(?P<offset_hours>\d{2}):?(?P<offset_minutes>\d{2})?)?)?",
    re.ASCII,
)


def instant(value: Any) -> str:
    """A point in time as ISO 8601 in UTC; a date is its midnight, a naive time is UTC."""
    moment = _parse_instant(value) if isinstance(value, str) else value
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime.combine(moment, time.min)
    if not isinstance(moment, datetime):
        raise CoercionError(Reason.INVALID_TYPE, "neither a date nor text")
    try:
        utc = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(
            timezone.utc
        )
    except OverflowError as error:
        raise CoercionError(Reason.OUT_OF_RANGE, "outside the years 1 to 9999") from error
    return utc.replace(tzinfo=None).isoformat() + "Z"


def _parse_instant(value: str) -> datetime:
    parts = _ISO_8601.fullmatch(value)
    if parts is None:
        raise CoercionError(Reason.INVALID_FORMAT, "not a date or time in ISO 8601")
    offset = timedelta(
        hours=int(parts["offset_hours"] or 0), minutes=int(parts["offset_minutes"] or 0)
    )
    try:
        return datetime(
            int(parts["year"]),
            int(parts["month"]),
            int(parts["day"]),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int((parts["fraction"] or "")[:6].ljust(6, "0")),
            tzinfo=timezone(-offset if parts["sign"] == "-" else offset),
        )
    except ValueError as error:
        raise CoercionError(Reason.INVALID_FORMAT, "no such date or time") from error
