"""E-mail addresses, phone numbers, URLs, domains and social names, each in its normal form."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from target_kustomer.mapping.failures import CoercionError
from target_kustomer.models import Reason

if TYPE_CHECKING:
    from target_kustomer.mapping.failures import Notes

_LENIENT_EMAIL = re.compile(
    r"[^\s@<>()\[\],;:\"\\]+@[^\s@<>()\[\],;:\"\\.]+(?:\.[^\s@<>()\[\],;:\"\\.]+)+"
)
_PLAIN_LOCAL = re.compile(r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*")
_MAX_PLAIN = 64
"""Characters, of which a local part may have as many: a longer address is the library's to judge.

Of plain addresses only the domain is asked for, which many customers share.
"""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WEB_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<user>[^\s/?#@]*@)?(?P<host>[^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])"
    r"(?P<port>:[0-9]{0,5})?(?P<rest>(?:[/?#]\S*)?)",
    re.IGNORECASE,
)
_HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URI_CHARACTERS = "!#$%&'()*+,/:;=?@-._~"
"""What a URI may hold besides letters and digits; all else is percent-encoded."""

_REGIONS = {"UK": "GB"}
"""Codes in use for a country that the phone library knows by another."""


def email_address(value: str) -> str:
    """The address in its normal form, or as it stands where only the library refuses it.

    Kustomer's own check is a relaxed one [API §4].
    """
    local, _, domain = value.partition("@")
    if _PLAIN_LOCAL.fullmatch(local) and len(value) <= _MAX_PLAIN and (known := _plain(domain)):
        return f"{local}@{known}"
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError as error:
        if not _LENIENT_EMAIL.fullmatch(value) or not value.isprintable():
            raise CoercionError(Reason.INVALID_FORMAT, "not an e-mail address") from error
    return f"{local}@{domain.lower()}"


@lru_cache(maxsize=1024)
def _plain(domain: str) -> str | None:
    """The normal form of a domain, None where an address at it needs a closer look."""
    try:
        return validate_email(f"a@{domain}", check_deliverability=False).domain
    except EmailNotValidError:
        return None


def phone_number(value: str, notes: Notes) -> str:
    """The number as E.164, judged by what is possible, not by what is assigned."""
    region = _REGIONS.get(notes.region or "", notes.region)
    try:
        parsed = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException as error:
        raise CoercionError(Reason.INVALID_FORMAT, _why_no_number(error)) from error
    verdict = phonenumbers.is_possible_number_with_reason(parsed)
    if verdict != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise CoercionError(Reason.INVALID_FORMAT, "no phone number has these digits")
    notes.extensions += parsed.extension is not None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def web_address(value: str) -> str:
    """An http or https URL; one without a scheme whose host has a dot gets ``https://``."""
    has_scheme = _SCHEME.match(value) is not None
    parts = _WEB_ADDRESS.fullmatch(value if has_scheme else f"https://{value}")
    # Without a scheme, what has an @ is an e-mail address.
    if parts is None or not (has_scheme or ("." in parts["host"] and not parts["user"])):
        raise CoercionError(Reason.INVALID_FORMAT, "not an http or https URL")
    user, rest = (_quoted(parts[each] or "") for each in ("user", "rest"))
    port = parts["port"] or ""
    return f"{parts['scheme'].lower()}://{user}{_ascii_host(parts['host'])}{port}{rest}"


def domain_name(value: str) -> str:
    """A domain in lower case; of a URL it is the host."""
    url = urlsplit(web_address(value))
    host = (url.hostname or "").rstrip(".")
    if "." not in host or ":" in host or url.username is not None:
        raise CoercionError(Reason.INVALID_FORMAT, "not a domain name")
    return host


def social_name(value: str) -> str:
    """A name without ``@``; of a profile's URL it is the last part of the path."""
    url = social_url(value)
    name = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]) if url else value
    name = name.removeprefix("@").strip()
    if not name:
        raise CoercionError(Reason.INVALID_FORMAT, "no name")
    return name


def social_url(value: str) -> str | None:
    """The profile's URL, where a social name is given as one."""
    host, slash, _ = value.partition("/")
    is_url = _SCHEME.match(value) or (slash and "." in host)
    return web_address(value) if is_url else None


def _quoted(part: str) -> str:
    return quote(_STRAY_PERCENT.sub("%25", part), safe=_URI_CHARACTERS)


def _ascii_host(host: str) -> str:
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1])}]"
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:
        raise CoercionError(Reason.INVALID_FORMAT, "not a host name") from error
    if not all(_HOST_LABEL.fullmatch(label) for label in plain.removesuffix(".").split(".")):
        raise CoercionError(Reason.INVALID_FORMAT, "not a host name")
    return plain


def _why_no_number(error: phonenumbers.NumberParseException) -> str:
    if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
        return "no country code, and no known country for numbers without one"
    return "not a phone number"
