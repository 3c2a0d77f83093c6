"""The settings: their JSON Schema for ``--about`` and one frozen, typed value for the code."""

from __future__ import annotations

import difflib
import fnmatch
import json
import math
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from target_kustomer.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from jsonschema import ValidationError

    from target_kustomer.models import JSON, MatchKind, Mode

REGION_URLS = {
    "us": "https://api.kustomerapp.com",
    "eu": "https://api.prod2.kustomerapp.com",
    "in": "https://api.prod4.kustomerapp.com",
}
"""Regional hosts [API §1]."""

POD_REGIONS = {"prod1": "us", "prod2": "eu", "prod4": "in"}
"""The region of each pod, as their hosts name them [API §1]."""

MAX_BULK_ITEMS = 100
"""Items in one bulk request [API §2.3]."""

_SHARED_PROPERTIES: dict[str, dict[str, Any]] = {
    "nulls": {
        "type": "string",
        "enum": ["clear", "ignore"],
        "default": "clear",
        "title": "Nulls",
        "description": "clear: a null clears the attribute; ignore: a null is not sent.",
    },
    "lists": {
        "type": "string",
        "enum": ["merge", "replace"],
        "default": "merge",
        "title": "Lists",
        "description": (
            "List attributes on update. merge updates the item of the same identity, puts the "
            "source's items first and keeps all others; replace sets the list."
        ),
    },
    "invalid_values": {
        "type": "string",
        "enum": ["reject", "omit"],
        "default": "reject",
        "title": "Invalid values",
        "description": (
            "A value that does not fit its attribute: reject the record, or omit the attribute."
        ),
    },
    "missing_company": {
        "type": "string",
        "enum": ["reject", "create", "ignore"],
        "default": "reject",
        "title": "Missing company",
        "description": (
            "A customer's company is not in Kustomer, or was itself rejected: reject the "
            "customer, create the company (it needs a name), or ignore the link."
        ),
    },
    "default_phone_region": {
        "type": "string",
        "pattern": "^[A-Za-z]{2}$",
        "title": "Default phone region",
        "description": (
            "Two-letter country of phone numbers without a country code; a record's own "
            "country code comes first."
        ),
    },
    "undefined_attributes": {
        "type": "string",
        "enum": ["warn", "reject", "create"],
        "default": "warn",
        "title": "Undefined attributes",
        "description": (
            "Custom attributes that the org has not defined: warn and send them, reject the "
            "stream at its SCHEMA (exit 2), or create their definitions, where the key may."
        ),
    },
    "on_delete": {
        "type": "string",
        "enum": ["ignore", "delete"],
        "default": "ignore",
        "title": "On delete",
        "description": (
            "What the source has deleted (a record with _sdc_deleted_at, or one that an "
            "ACTIVATE_VERSION leaves behind, where there is a ledger): ignore it, or delete it in "
            "Kustomer."
        ),
    },
}

_STREAM_PROPERTIES: dict[str, dict[str, Any]] = {
    "object": {
        "type": "string",
        "enum": ["customer", "company", "ignore"],
        "title": "Object",
        "description": "What the stream holds; by default its name decides.",
    },
    "match_on": {
        "type": "array",
        "items": {"type": "string", "enum": ["id", "externalId", "email", "phone", "name"]},
        "minItems": 1,
        "title": "Match on",
        "description": (
            "The keys by which a record is found in Kustomer, in order. Customers: id, "
            "externalId, email, phone (default externalId, email). Companies: id, externalId, "
            "name (default externalId, name)."
        ),
    },
    "mode": {
        "type": "string",
        "enum": ["upsert", "update", "create"],
        "default": "upsert",
        "title": "Mode",
        "description": (
            "upsert creates what is not found; update skips it; create skips what is found."
        ),
    },
    "fields": {
        "type": "object",
        "additionalProperties": {"type": ["string", "null"]},
        "title": "Fields",
        "description": (
            "Column (or dotted path into an object) to attribute; null drops the column."
        ),
    },
    "unmapped": {
        "type": "string",
        "enum": ["custom", "ignore", "error"],
        "default": "custom",
        "title": "Unmapped",
        "description": (
            "Columns that are no standard attribute: custom attributes with the suffix of their "
            "type, left out, or a configuration error."
        ),
    },
    "external_id_prefix": {
        "type": "string",
        "title": "External id prefix",
        "description": "Put before the external id of this stream's records.",
    },
    "company_external_id_prefix": {
        "type": "string",
        "title": "Company external id prefix",
        "description": (
            "Put before the external id of the company that a customer names; by default the "
            "company stream's prefix."
        ),
    },
    **{
        name: {key: value for key, value in schema.items() if key != "default"}
        for name, schema in _SHARED_PROPERTIES.items()
    },
}

CONFIG_JSONSCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["api_key"],
    "properties": {
        "api_key": {
            "type": "string",
            "minLength": 1,
            "secret": True,
            "title": "API key",
            "description": "Kustomer API key (a bearer token: Settings > Security > API Keys).",
        },
        "org": {
            "type": "string",
            "pattern": "^[A-Za-z0-9-]+$",
            "title": "Org",
            "description": (
                "The sub-domain of the sign-in page (acme in acme.kustomerapp.com); its host "
                "finds the region by itself."
            ),
        },
        "region": {
            "type": "string",
            "enum": ["us", "eu", "in"],
            "default": "us",
            "title": "Region",
            "description": "Regional host, used when neither org nor api_url is set.",
        },
        "api_url": {
            "type": "string",
            "pattern": "^https?://",
            "title": "API URL",
            "description": "Any base URL (a proxy, the simulator); wins over org and region.",
        },
        "streams": {
            "type": "object",
            "default": {},
            "additionalProperties": {
                "type": "object",
                "properties": _STREAM_PROPERTIES,
            },
            "title": "Streams",
            "description": (
                "Settings per stream name or glob: an exact name wins, then the first glob; "
                "entries are not merged."
            ),
        },
        **_SHARED_PROPERTIES,
        "max_rejected_records": {
            "type": "integer",
            "minimum": -1,
            "default": 0,
            "title": "Max rejected records",
            "description": (
                "More rejected records than this: exit 3 at the end, after all else is loaded; "
                "-1: no limit."
            ),
        },
        "max_deleted_records": {
            "type": "integer",
            "minimum": 0,
            "default": 100,
            "title": "Max deleted records",
            "description": (
                "Deletes of one run under on_delete: delete; each one beyond is rejected, "
                "delete_limit."
            ),
        },
        "rejects_dir": {
            "type": "string",
            "minLength": 1,
            "default": "kustomer-rejects",
            "title": "Rejects folder",
            "description": "Where the files of rejected records go.",
        },
        "batch_size_rows": {
            "type": "integer",
            "minimum": 1,
            "default": MAX_BULK_ITEMS,
            "title": "Batch size",
            "description": "Records in one bulk request; more than Kustomer's 100 count as 100.",
        },
        "max_parallel_requests": {
            "type": "integer",
            "minimum": 1,
            "maximum": 64,
            "default": 8,
            "title": "Max parallel requests",
            "description": (
                "Bulk jobs not yet settled; HTTP requests at once never exceed it either."
            ),
        },
        "rate_limit_share": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 1,
            "default": 0.8,
            "title": "Rate limit share",
            "description": (
                "Share of the org's requests per minute that this run may use, together with "
                "others at once on its ledger; the rest is left to agents and other integrations."
            ),
        },
        "request_timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "default": 30,
            "title": "Request time-out",
            "description": "Seconds for one HTTP request.",
        },
        "retry_deadline_seconds": {
            "type": "number",
            "minimum": 0,
            "default": 300,
            "title": "Retry deadline",
            "description": (
                "Seconds for which one request may be retried after 5xx, time-outs and broken "
                "connections."
            ),
        },
        "job_timeout_seconds": {
            "type": "number",
            "exclusiveMinimum": 0,
            "default": 900,
            "title": "Job time-out",
            "description": "Seconds that one bulk job may take.",
        },
        "lost_answer_wait_seconds": {
            "type": "number",
            "minimum": 0,
            "default": 60,
            "title": "Lost answer wait",
            "description": (
                "Seconds for which at least a company whose create was never answered is looked "
                "for before it is sent again, and after which at the earliest a record whose "
                "update was never answered is updated again by a later one."
            ),
        },
        "ledger_url": {
            "type": "string",
            "minLength": 1,
            "secret": True,
            "title": "Ledger URL",
            "description": (
                "SQLAlchemy URL of the database that keeps what Kustomer was told, in digests: "
                "sqlite:///FILE for one machine, postgresql+psycopg://... for several. With it "
                "known records need no look-up and changed ones send what has changed; without "
                "it there is none."
            ),
        },
        "skip_unchanged": {
            "type": "boolean",
            "title": "Skip unchanged",
            "description": (
                "Send nothing for records that Kustomer holds as they are; by default where "
                "there is a ledger."
            ),
        },
        "resync_after_days": {
            "type": "number",
            "minimum": 0,
            "default": 30,
            "title": "Resync after days",
            "description": (
                "What the ledger was told longer ago than this is compared with Kustomer again."
            ),
        },
        "shutdown_grace_seconds": {
            "type": "number",
            "minimum": 0,
            "default": 25,
            "title": "Shutdown grace",
            "description": (
                "Seconds for which work in flight may still settle after SIGTERM or SIGINT."
            ),
        },
        "report_path": {
            "type": "string",
            "pattern": r"\.(json|html)$",
            "title": "Report path",
            "description": (
                "Where the report of the run goes, replacing the one before: a file that ends in "
                ".json or .html; without it there is none."
            ),
        },
        "request_log_path": {
            "type": "string",
            "minLength": 1,
            "title": "Request log path",
            "description": (
                "Where every API call is logged with its timings, as an HTTP Archive (HAR 1.2); "
                "without it there is none."
            ),
        },
        "request_log_bodies": {
            "type": "boolean",
            "default": False,
            "title": "Request log bodies",
            "description": (
                "Write the values of records into the request log too; they are masked "
                "otherwise. The key is always masked."
            ),
        },
    },
}
"""The settings as JSON Schema; the SDK adds its own (stream_maps, flattening_*)."""

SDK_SETTINGS = frozenset(
    {"add_record_metadata", "stream_maps", "stream_map_config", "faker_config"}
)
"""The SDK's settings that keep their meaning; those that start with flattening_ do too."""

_OWN_SETTINGS = tuple(CONFIG_JSONSCHEMA["properties"])

_READ_APART = {
    "base_url",
    "streams",
    "general",
    "api_key",
    "ledger_url",
    "skip_unchanged",
    "shown",
}
"""Of the typed settings: those whose value is made from more than their own entry and default."""

_API_KEY = re.compile(r"[!-~]+")
"""What a header can hold of a bearer token."""

_GLOB = re.compile(r"[*?\[]")
_USERINFO = re.compile(r"^(\w+://).*@", re.DOTALL)
"""The scheme of a URL, and the user and password in it."""

_NESTED_BY_MELTANO = {"streams", "stream_maps"}

_DOT = re.compile(r"(?<!\\)\.")
"""A dot by which Meltano has joined two keys."""

_BOOLEANS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}

Nulls = Literal["clear", "ignore"]
Lists = Literal["merge", "replace"]
InvalidValues = Literal["reject", "omit"]
MissingCompany = Literal["reject", "create", "ignore"]
UndefinedAttributes = Literal["warn", "reject", "create"]
OnDelete = Literal["ignore", "delete"]
Unmapped = Literal["custom", "ignore", "error"]
Routing = Literal["customer", "company", "ignore"]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What the settings say of one stream, its own entry before the general ones.

    ``object`` and ``match_on`` are None where the settings leave them to the stream's name and
    to the object's default.
    """

    object: Routing | None = None
    match_on: tuple[MatchKind, ...] | None = None
    mode: Mode = "upsert"
    fields: Mapping[str, str | None] = field(default_factory=dict)
    unmapped: Unmapped = "custom"
    external_id_prefix: str = ""
    company_external_id_prefix: str | None = None
    nulls: Nulls = "clear"
    lists: Lists = "merge"
    invalid_values: InvalidValues = "reject"
    missing_company: MissingCompany = "reject"
    default_phone_region: str | None = None
    undefined_attributes: UndefinedAttributes = "warn"
    on_delete: OnDelete = "ignore"

    @property
    def deletes(self) -> bool:
        """Whether what the source has deleted goes: mode ``create`` leaves alone what is there."""
        return self.on_delete == "delete" and self.mode != "create"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run; times in seconds.

    Attributes:
        shown: Those that a report may show, by name: without secrets, and without what could hold
            values of records.
    """

    api_key: str = field(repr=False)
    base_url: str
    streams: Mapping[str, StreamSettings]
    general: StreamSettings
    max_rejected_records: int
    rejects_dir: str
    batch_size_rows: int
    max_parallel_requests: int
    rate_limit_share: float
    request_timeout_seconds: float
    retry_deadline_seconds: float
    job_timeout_seconds: float
    lost_answer_wait_seconds: float
    resync_after_days: float
    shutdown_grace_seconds: float
    max_deleted_records: int
    request_log_bodies: bool
    report_path: str | None = None
    request_log_path: str | None = None
    ledger_url: str | None = field(repr=False, default=None)
    skip_unchanged: bool = False
    shown: Mapping[str, JSON] = field(repr=False, default_factory=dict)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Read the raw config, which the JSON Schema has accepted and filled with defaults."""
        shared = {name: config[name] for name in _SHARED_PROPERTIES if config.get(name) is not None}
        return cls(
            base_url=_base_url(config),
            streams={
                name: _stream_settings({**shared, **entry})
                for name, entry in (config.get("streams") or {}).items()
            },
            general=_stream_settings(shared),
            **{
                each.name: _value(each.name, config.get(each.name))
                for each in fields(cls)
                if each.name not in _READ_APART
            },
            api_key=_api_key(config["api_key"]),
            ledger_url=config.get("ledger_url"),
            skip_unchanged=_skip_unchanged(config),
            shown=_shown(config),
        )

    @property
    def address(self) -> str:
        """The base URL as it may be shown: without a user and a password."""
        return _USERINFO.sub(r"\1", self.base_url)

    @property
    def deletes(self) -> bool:
        """Whether any stream may delete."""
        return any(each.deletes for each in (self.general, *self.streams.values()))

    def stream(self, name: str) -> StreamSettings:
        """The settings of the stream: an exact name wins, then the first glob, else none."""
        if name in self.streams:
            return self.streams[name]
        for pattern, entry in self.streams.items():
            if fnmatch.fnmatchcase(name, pattern):
                return entry
        return self.general


def unknown_settings(config: Mapping[str, Any]) -> dict[str, str | None]:
    """The settings that nobody reads, each with the nearest known name."""
    known = {*CONFIG_JSONSCHEMA["properties"], *SDK_SETTINGS}
    unknown = {
        name: _nearest(name, known)
        for name in config
        if name not in known and not name.startswith("flattening_")
    }
    for stream, entry in (config.get("streams") or {}).items():
        for name in entry.keys() - _STREAM_PROPERTIES.keys():
            unknown[f"streams.{stream}.{name}"] = _nearest(name, _STREAM_PROPERTIES)
    return unknown


def unheard_entries(settings: Settings, streams: Collection[str]) -> dict[str, str]:
    """The entries for a stream that did not come, each with one that is nearly called so.

    That stream has no entry of its own: the name may be misspelled. Others are for other runs.
    """
    alone = [each for each in streams if settings.stream(each) is settings.general]
    nearest = {
        name: _nearest(name, alone) or next((each for each in alone if each.endswith(name)), None)
        for name in settings.streams
        if name not in streams and not _GLOB.search(name)
    }
    return {name: near for name, near in nearest.items() if near}


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)


def _value(name: str, given: Any) -> Any:
    """The setting as Python has it: JSON's numbers come as Decimal."""
    schema = CONFIG_JSONSCHEMA["properties"][name]
    value = schema.get("default") if given is None else given
    if schema["type"] in {"string", "boolean"}:
        return value
    if not math.isfinite(value):
        msg = f"setting {name} must be a finite number"
        raise ConfigurationError(msg)
    return int(value) if schema["type"] == "integer" else float(value)


def _skip_unchanged(config: Mapping[str, Any]) -> bool:
    given = config.get("skip_unchanged")
    return bool(config.get("ledger_url")) if given is None else bool(given)


def _shown(config: Mapping[str, Any]) -> dict[str, JSON]:
    """The settings in force, without secrets; of mapping expressions the names alone."""
    shown: dict[str, JSON] = {}
    for name in _OWN_SETTINGS:
        schema = CONFIG_JSONSCHEMA["properties"][name]
        if not schema.get("secret") and schema["type"] not in {"object", "array"}:
            shown[name] = _value(name, config.get(name))
    shown["api_url"] = _origin(_base_url(config))
    shown["skip_unchanged"] = _skip_unchanged(config)
    shown["streams"] = {
        stream: {name: entry[name] for name in _STREAM_PROPERTIES if entry.get(name) is not None}
        for stream, entry in (config.get("streams") or {}).items()
    }
    maps = config.get("stream_maps") or {}
    shown["stream_maps"] = {
        stream: sorted(columns) if isinstance(columns, dict) else []
        for stream, columns in maps.items()
    }
    shown["flattening_enabled"] = bool(config.get("flattening_enabled"))
    return {name: value for name, value in shown.items() if value is not None and value != {}}


def _origin(url: str) -> str:
    """Scheme and host of an address: a user, a password or a token may stand in the rest."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].split('/')[0].split('?')[0]}"


def _api_key(key: str) -> str:
    if not _API_KEY.fullmatch(key):
        msg = "setting api_key holds a blank, a line break or another character that no key has"
        raise ConfigurationError(msg)
    return key


def _base_url(config: Mapping[str, Any]) -> str:
    if config.get("api_url"):
        return str(config["api_url"]).rstrip("/").removesuffix("/v1")
    if config.get("org"):
        return f"https://{config['org']}.api.kustomerapp.com"
    return REGION_URLS[config.get("region") or "us"]


def _stream_settings(entry: Mapping[str, Any]) -> StreamSettings:
    known = {each.name for each in fields(StreamSettings)}
    values = {key: value for key, value in entry.items() if key in known and value is not None}
    if "match_on" in values:
        values["match_on"] = tuple(values["match_on"])
    return StreamSettings(**values)


def parse_environment(prefix: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings from variables such as ``TARGET_KUSTOMER_API_KEY``; all but texts are JSON.

    Raises:
        ConfigurationError: A value is not of its setting's type; the value is not told.
    """
    found: dict[str, Any] = {}
    for name, schema in CONFIG_JSONSCHEMA["properties"].items():
        variable = f"{prefix}{name.upper()}"
        if variable in environ:
            found[name] = _parse(variable, environ[variable], schema.get("type"))
            if name in _NESTED_BY_MELTANO and isinstance(found[name], dict):
                found[name] = _as_meltano_nests(found[name])
    return {**found, **_unknown_variables(prefix, environ)}


def _unknown_variables(prefix: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are no setting, and nothing else that the SDK or Meltano reads or sets."""
    read = {*CONFIG_JSONSCHEMA["properties"], "loglevel"}
    within = tuple(f"{name}_" for name in _NESTED_BY_MELTANO)
    names = {name.removeprefix(prefix).lower(): name for name in environ if name.startswith(prefix)}
    return {
        name: environ[variable]
        for name, variable in names.items()
        if name not in read and not name.startswith(("_", *within))
    }


def config_problem(error: ValidationError) -> str:
    """What is wrong with a setting, in words that do not quote its value."""
    path = ".".join(str(part) for part in error.absolute_path)
    expected: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required":
        missing = [name for name in expected if name not in given]
        return f"setting {', '.join(missing)} is required"
    if error.validator == "enum":
        return f"setting {path} must be one of: {', '.join(map(str, expected))}"
    return f"setting {path} does not fit ({error.validator}: {expected})"


def _as_meltano_nests(value: dict[str, Any]) -> dict[str, Any]:
    """An object that Meltano has put into the environment, as it puts it into a config file.

    In the environment it joins nested keys by dots, and gives a dot of their own a backslash; into
    the file it writes no nulls that it has found beneath such keys.
    """
    joined = any(
        _DOT.search(key) and each is not None and not isinstance(each, dict) and each != "__NULL__"
        for key, each in value.items()
    )
    if not joined:
        return _with_plain_keys(value)
    nested: dict[str, Any] = {}
    for key, each in value.items():
        *path, last = (part.replace("\\.", ".") for part in _DOT.split(key))
        inner = nested
        for part in path:
            if not isinstance(inner.setdefault(part, {}), dict):
                return value  # Meltano writes nothing like it
            inner = inner[part]
        if each is not None:
            inner[last] = each
    return nested


def _with_plain_keys(value: dict[str, Any]) -> dict[str, Any]:
    return {
        key.replace("\\.", "."): _with_plain_keys(each) if isinstance(each, dict) else each
        for key, each in value.items()
    }


def _parse(variable: str, text: str, kind: str | list[str] | None) -> Any:
    if kind == "string":
        return text
    if kind == "boolean" or (isinstance(kind, list) and "boolean" in kind):
        word = text.strip().lower()
        if word in _BOOLEANS:
            return _BOOLEANS[word]
    try:
        return json.loads(text)
    except ValueError:
        if isinstance(kind, list) and "string" in kind:
            return text
        msg = f"{variable} must be JSON of type {kind}"
        raise ConfigurationError(msg) from None
