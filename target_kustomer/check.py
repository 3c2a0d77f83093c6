"""What a run would stumble over, found before its first record and without writing anything."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from target_kustomer.exceptions import (
    AccessError,
    ConfigurationError,
    FatalError,
    UnreachableError,
    one_line,
)
from target_kustomer.kustomer.client import Client
from target_kustomer.kustomer.endpoints import Kustomer, not_kustomer
from target_kustomer.kustomer.roles import (
    MEND,
    METADATA_READ,
    METADATA_UPDATE,
    granting,
    needed_roles,
)
from target_kustomer.mapping.keys import DEFAULT_MATCH_ON, MATCH_KINDS
from target_kustomer.models import ObjectType
from target_kustomer.rejects import rejects_files
from target_kustomer.routing import route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_kustomer.clock import Clock
    from target_kustomer.kustomer.budget import Budget
    from target_kustomer.kustomer.endpoints import Key
    from target_kustomer.settings import Settings, StreamSettings

Status = Literal["ok", "warning", "failed"]

_MARKS: Mapping[Status, str] = {"ok": "ok", "warning": "warn", "failed": "FAIL"}

_SHOWN = (
    *("settings", "address", "api_key", "rate_limit", "custom_attributes", "stream", "role"),
    *("ledger", "rejects_dir", "report_path", "request_log_path"),
)
"""What is looked at, in the order in which it is told."""

_TIMEOUT_SECONDS = 5.0
"""For one request, where a run would wait longer."""

_RETRY_SECONDS = 3.0
"""For the tries of one request, where a run would try for longer."""

_WAIT_SECONDS = 15.0
"""All waits of a check together, for the next try and for the rate limit."""

_MAX_TOLD_CHARACTERS = 100
"""Of a name that Kustomer tells."""

_USED_BY_DEFAULT: Mapping[str, ObjectType] = {"companies": "company", "customers": "customer"}
"""The streams that are looked at where the settings name none of an object."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is, one of :data:`_SHOWN`.
        name: Which one of them, where there are several.
        status: Whether a run would be fine, would be worse, or would end.
        says: What was found, on one line.
        mend: What to do, for what failed.
        exit_code: That of a run which it ends (design 1.8), else 0.
    """

    what: str
    says: str
    status: Status = "ok"
    name: str | None = None
    mend: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream that may come.

    Attributes:
        sure: Whether the settings name it, so that it will.
    """

    name: str
    object_type: ObjectType
    settings: StreamSettings
    sure: bool


class _HastyClock:
    """A clock for somebody who does not wait for the next minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = _WAIT_SECONDS

    def monotonic(self) -> float:
        """As the clock has it."""
        return self._clock.monotonic()

    def time(self) -> float:
        """As the clock has it."""
        return self._clock.time()

    def sleep(self, seconds: float) -> None:
        """Wait; raise an UnreachableError where that would take too long."""
        self._left -= seconds
        if self._left < 0:
            msg = "Kustomer takes no more requests for now: the org's rate limit is spent"
            mend = "check again in a minute, and see which integrations spend it"
            raise UnreachableError(msg, mend=mend)
        self._clock.sleep(seconds)


def check(settings: Settings, unknown: Mapping[str, str | None], clock: Clock) -> list[Finding]:
    """Look at all that a run with these settings needs; reads only, and takes seconds.

    Args:
        settings: The settings.
        unknown: The settings that nobody reads, each with the nearest known name.
        clock: Time.

    Returns:
        What was found, in the order in which a run would come upon it.
    """
    streams = list(_streams(settings))
    known = [each for each in streams if isinstance(each, _Stream)]
    online, attributes, key = _ask(settings, clock)
    return [
        *_unknown_settings(unknown),
        *(
            _file(what, Path(path))
            for what in ("report_path", "request_log_path")
            if (path := getattr(settings, what)) is not None
        ),
        *online,
        _ledger(settings, key),
        *(each for each in streams if isinstance(each, Finding)),
        *attributes,
        *map(_stream, known),
        *(_roles(key, known) if key else ()),
        _rejects_dir(Path(settings.rejects_dir)),
    ]


def failed(what: str, error: FatalError, name: str | None = None) -> Finding:
    """The finding that a run would end with this error."""
    return Finding(what, error.what, "failed", name, error.mend, error.exit_code)


def exit_code(findings: Sequence[Finding]) -> int:
    """That of the first finding which would end a run; 0 where none would (design 1.8)."""
    return next((each.exit_code for each in findings if each.exit_code), 0)


# Kustomer


def _ask(settings: Settings, clock: Clock) -> tuple[list[Finding], list[Finding], Key | None]:
    """What Kustomer says, what of its custom attributes, and the key, if it is one."""
    hasty = replace(
        settings,
        request_timeout_seconds=min(settings.request_timeout_seconds, _TIMEOUT_SECONDS),
        retry_deadline_seconds=min(settings.retry_deadline_seconds, _RETRY_SECONDS),
        rate_limit_share=1.0,
    )
    with closing(Client(hasty, _HastyClock(clock))) as client:
        kustomer = Kustomer(client)
        try:
            key = kustomer.key()
        except AccessError as error:
            return [_address(settings), failed("api_key", error)], [], None
        except FatalError as error:
            return [failed("address", _named(error))], [], None
        attributes = list(_custom_attributes(kustomer, key))
        online = [
            _address(settings),
            Finding("api_key", f"valid here; its name is {_told(key.name, settings)}"),
            _rate_limit(client.budget, settings.rate_limit_share),
        ]
        return online, attributes, key


def _named(error: FatalError) -> FatalError:
    """The error; where something answers all the time that no gateway of Kustomer's would: that."""
    status = error.status if isinstance(error, UnreachableError) else None
    gateway = status is None or status >= 500 or status in {403, 408}  # noqa: PLR2004
    return error if gateway else not_kustomer()


def _address(settings: Settings) -> Finding:
    if settings.address == settings.base_url:
        return Finding("address", f"{settings.address} answers")
    says = f"{settings.address} answers; user and password of api_url are sent, not the api_key"
    return Finding("address", says, "warning")


def _rate_limit(budget: Budget, share: float) -> Finding:
    limit, left = budget.limit, budget.remaining
    if limit is None or left is None:
        return Finding("rate_limit", "Kustomer does not tell it", "warning")
    says = f"{limit} requests a minute for the org, {left} left; a run uses up to {share * 100:g} %"
    if left > limit * (1 - share):
        return Finding("rate_limit", says)
    return Finding("rate_limit", f"{says}: it would wait, others spend them now", "warning")


def _custom_attributes(kustomer: Kustomer, key: Key) -> Iterator[Finding]:
    if key.roles is not None and granting(key.roles, METADATA_READ) is None:
        return
    for object_type in get_args(ObjectType):
        try:
            names = kustomer.custom_attributes(object_type)
        except FatalError as error:
            yield failed("custom_attributes", error, object_type)
            return
        if names is None:
            yield Finding(
                "custom_attributes", "Kustomer does not tell them", "warning", object_type
            )
        else:
            yield Finding("custom_attributes", f"{len(names)} defined", name=object_type)


def _told(text: str | None, settings: Settings) -> str:
    """A name as Kustomer tells it."""
    shown = str(text).replace(settings.api_key, "***")
    return shown[:_MAX_TOLD_CHARACTERS] if text else "not told"


# Streams and their roles


def _streams(settings: Settings) -> Iterator[_Stream | Finding]:
    """The streams that the settings name, or what is wrong with one; for other objects one more."""
    held = set()
    for name, entry in settings.streams.items():
        sure = not any(each in name for each in "*?[")
        try:
            object_type = route(settings, name)
        except ConfigurationError as error:
            if sure:
                yield failed("stream", error, name)
            continue
        if object_type != "ignore":
            held.add(object_type)
            yield _Stream(name, object_type, entry, sure)
    for name, object_type in _USED_BY_DEFAULT.items():
        if object_type not in held and route(settings, name) == object_type:
            yield _Stream(name, object_type, settings.stream(name), sure=False)


def _stream(stream: _Stream) -> Finding:
    allowed = MATCH_KINDS[stream.object_type]
    match_on = stream.settings.match_on or DEFAULT_MATCH_ON[stream.object_type]
    if wrong := [each for each in match_on if each not in allowed]:
        msg = f"match_on names {wrong[0]}, which a {stream.object_type} has not"
        mend = f"take of {', '.join(allowed)}"
        return failed("stream", ConfigurationError(msg, mend=mend), stream.name)
    seldom = "" if stream.sure else ", if there is such a stream"
    says = f"{stream.object_type}, {stream.settings.mode}, by {', '.join(match_on)}{seldom}"
    return Finding("stream", says, name=stream.name)


def _roles(key: Key, streams: Sequence[_Stream]) -> Iterator[Finding]:
    """Each role that the streams need, once."""
    if key.roles is None:
        yield Finding("role", "Kustomer does not tell those of the key", "warning")
        return
    needs: dict[str, dict[str, bool]] = {}
    for stream in streams:
        for role, purpose, sure in _needs(stream):
            needs.setdefault(role, {})[purpose] = sure
    for role, purposes in needs.items():
        granted = granting(key.roles, role)
        if granted is not None:
            says = "granted" if granted == role else f"granted by {granted}"
            yield Finding("role", says, name=role)
            continue
        if certain := [each for each, sure in purposes.items() if sure]:
            error = AccessError(f"missing, needed for {', '.join(certain)}", mend=MEND)
            yield failed("role", error, role)
        else:
            yield Finding("role", f"missing, needed {'; '.join(purposes)}", "warning", role)


def _needs(stream: _Stream) -> Iterator[tuple[str, str, bool]]:
    """Roles that a stream needs, for what, and whether that is certain."""
    entry = stream.settings
    links = stream.object_type == "customer"
    named = links and any(str(each).split(".")[0] == "company" for each in entry.fields.values())
    needed = partial(
        needed_roles,
        stream.object_type,
        entry.mode,
        missing_company=entry.missing_company,
        deletes=entry.deletes,
    )
    always = needed(links=False)
    name = f"stream {stream.name}"
    for role in needed(links=links):
        if role in always or named:
            yield role, name if stream.sure else f"if {name} comes", stream.sure
        else:
            yield role, f"if customers of {name} name their company", False
    yield METADATA_READ, "to use the custom attributes that the org has", False
    if entry.undefined_attributes == "create":
        yield METADATA_UPDATE, "to define custom attributes", False


# This machine


def _unknown_settings(unknown: Mapping[str, str | None]) -> Iterator[Finding]:
    for name, near in unknown.items():
        hint = f"did you mean {near}?" if near else "it is ignored"
        yield Finding("settings", f"unknown: {hint}", "warning", name)
    if not unknown:
        yield Finding("settings", "valid")


def _ledger(settings: Settings, key: Key | None) -> Finding:
    if not settings.ledger_url:
        return Finding("ledger", "none: each record is looked up in Kustomer")
    from target_kustomer.ledger.sight import look  # noqa: PLC0415  most runs have no ledger

    try:
        sight = look(settings.ledger_url, (key and key.org) or settings.address)
    except ConfigurationError as error:
        return failed("ledger", error)
    if sight.version is None:
        return Finding("ledger", "a run will make it")
    says = f"version {sight.version}; it knows"
    if key is None:
        return Finding("ledger", f"{says} {sight.known + sight.others} records")
    if sight.known or not sight.others:
        return Finding("ledger", f"{says} {sight.known} records of this org")
    return Finding("ledger", f"{says} none of this org, {sight.others} of others", "warning")


def _rejects_dir(folder: Path) -> Finding:
    verb = "made"
    try:
        there = next(each for each in (folder, *folder.parents) if _is_there(each))
        verb = "written" if there == folder else "made"
        usable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        older = len(rejects_files(folder))
    except (OSError, ValueError):
        usable, older = False, 0
    if not usable:
        error = ConfigurationError(
            f"{folder} cannot be {verb}", mend="set rejects_dir to a folder that can"
        )
        return failed("rejects_dir", error)
    if older:
        says = f"older rejects files in {folder}: {older}; replay and remove them"
        return Finding("rejects_dir", says, "warning")
    return Finding("rejects_dir", f"{folder} can be {verb}")


def _file(what: str, path: Path) -> Finding:
    try:
        fits = path.is_file() or not _is_there(path)
        folder = Path(os.path.realpath(path)).parent
        usable = fits and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except (OSError, ValueError):
        usable = False
    if usable:
        return Finding(what, f"{path} can be written")
    mend = f"set {what} to a file in a folder that is there and can be written"
    return failed(what, ConfigurationError(f"{path} cannot be written", mend=mend))


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


# How it is told


def _shown(findings: Sequence[Finding]) -> list[Finding]:
    """Ordered for people: Kustomer, the streams, this machine."""
    return sorted(findings, key=lambda each: _SHOWN.index(each.what))


def as_table(findings: Sequence[Finding]) -> str:
    """Aligned lines for a terminal: a mark, what it is, what it says, and the mend."""
    rows = [
        (
            _MARKS[each.status],
            " ".join(filter(None, (each.what.replace("_", " "), each.name))),
            ": ".join(filter(None, (each.says, each.mend))),
        )
        for each in _shown(findings)
    ]
    width = max(len(what) for _, what, _ in rows)
    lines = [one_line(f"{mark:<4}  {what:<{width}}  {says}") for mark, what, says in rows]
    code = exit_code(findings)
    return "\n".join([*lines, f"not ready: exit code {code}" if code else "ready"])


def as_json(findings: Sequence[Finding]) -> str:
    """A JSON object: ``status`` (the worst), ``exit_code`` and ``findings``."""
    met = {each.status for each in findings}
    worst = next(each for each in reversed(get_args(Status)) if each in met)
    told = {
        "status": worst,
        "exit_code": exit_code(findings),
        "findings": [asdict(each) for each in _shown(findings)],
    }
    return json.dumps(told, indent=2)
