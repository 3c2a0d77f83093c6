"""The string formats that the schemas name [API §4, §5]."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jsonschema import FormatChecker

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS_PART = r'[^@\s<>()\[\],;:"\\]+'
_EMAIL = re.compile(rf"{_ADDRESS_PART}@{_ADDRESS_PART}\.{_ADDRESS_PART}")
_E164 = re.compile(r"\+?[1-9]\d{1,14}")
_PHONE_CHARACTERS = re.compile(r"\+?[\d\s().\-/]+")
_PHONE_DIGITS = range(3, 16)
_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_DOMAIN = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.IGNORECASE
)
_URI = re.compile(r"[a-z][a-z0-9+.\-]*:[^\s<>\"{}|\\^`]+", re.IGNORECASE)


def _is_email(text: str) -> bool:
    return _EMAIL.fullmatch(text) is not None


def _is_e164(text: str) -> bool:
    return _E164.fullmatch(text) is not None


def _is_phone(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    return _PHONE_CHARACTERS.fullmatch(text) is not None and digits in _PHONE_DIGITS


def _is_uri(text: str) -> bool:
    return _URI.fullmatch(text) is not None


def _is_url(text: str) -> bool:
    if not _is_uri(text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_domain(text: str) -> bool:
    return _DOMAIN.fullmatch(text) is not None


def _is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    try:
        datetime.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def format_checker(*, phones_must_be_e164: bool) -> FormatChecker:
    """Returns a checker that knows these formats and no others.

    Args:
        phones_must_be_e164: Whether numbers may bear no blanks and no punctuation.
    """
    is_phone = _is_e164 if phones_must_be_e164 else _is_phone
    checks: dict[str, Callable[[str], bool]] = {
        "email-relaxed": _is_email,
        "phone-number": is_phone,
        "whatsapp-number": is_phone,
        "uri": _is_uri,
        "url": _is_url,
        "domain-name": _is_domain,
        "date-time": _is_date_time,
    }
    checker = FormatChecker(formats=())
    for name, check in checks.items():
        checker.checks(name)(_for_text(check))
    return checker


def _for_text(check: Callable[[str], bool]) -> Callable[[object], bool]:
    """Passes whatever is no text: its type is another rule's matter."""
    return lambda value: not isinstance(value, str) or check(value)
