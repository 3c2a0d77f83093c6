"""Short ways to write a SCHEMA, a plan and what it makes of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_kustomer.mapping.plan import Plan, compile_plan
from target_kustomer.models import CustomAttribute, MappedRecord, Rejection
from target_kustomer.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_kustomer.models import CustomAttributes, ObjectType

TEXT = {"type": ["null", "string"]}
INTEGER = {"type": ["null", "integer"]}
NUMBER = {"type": ["null", "number"]}
BOOL = {"type": ["null", "boolean"]}
DATE = {"type": ["null", "string"], "format": "date"}
WHEN = {"type": ["null", "string"], "format": "date-time"}
URI = {"type": ["null", "string"], "format": "uri"}
OBJECT = {"type": ["null", "object"]}
ARRAY = {"type": ["null", "array"]}


def plan(
    columns: Mapping[str, Any],
    *,
    stream: str = "customers",
    object_type: ObjectType = "customer",
    keys: Sequence[str] = (),
    company_external_id_prefix: str = "",
    org: frozenset[str] | CustomAttributes | None = None,
    **settings: Any,
) -> Plan:
    return compile_plan(
        stream,
        {"type": "object", "properties": columns},
        keys,
        object_type,
        StreamSettings(**settings),
        company_external_id_prefix=company_external_id_prefix,
        org_attributes=dict.fromkeys(org, CustomAttribute()) if isinstance(org, frozenset) else org,
    )


def customers(columns: Mapping[str, Any], **options: Any) -> Plan:
    """A plan that needs no match key."""
    return plan(columns, **{"mode": "create", **options})


def companies(columns: Mapping[str, Any], **options: Any) -> Plan:
    """A plan that needs no name."""
    options = {"mode": "update", "match_on": ("id",), "fields": {"kustomer": "id"}, **options}
    return plan({"kustomer": TEXT, **columns}, stream="companies", object_type="company", **options)


def mapped(made: Plan, record: Mapping[str, Any]) -> MappedRecord:
    result = made.map_record(record)
    assert isinstance(result, MappedRecord), result
    return result


def rejected(made: Plan, record: Mapping[str, Any]) -> Rejection:
    result = made.map_record(record)
    assert isinstance(result, Rejection), result
    return result


def labels(made: Plan) -> dict[str, str | None]:
    return dict(made.columns)
