"""The columns of a SCHEMA and what their types come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class ColumnType(Enum):
    """What remains of a JSON Schema type without null."""

    TEXT = "text"
    NUMBER = "number"
    BOOL = "boolean"
    DATE = "date"
    URL = "URL"
    NESTED = "nested"


_OF_JSON_TYPE = {
    "boolean": ColumnType.BOOL,
    "integer": ColumnType.NUMBER,
    "number": ColumnType.NUMBER,
    "object": ColumnType.NESTED,
    "array": ColumnType.NESTED,
}
_OF_FORMAT = {"date": ColumnType.DATE, "date-time": ColumnType.DATE, "uri": ColumnType.URL}
_DECIMAL_FORMAT = "singer.decimal"


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a dotted path into one.

    Attributes:
        name: As the source or the settings spell it.
        path: Its keys from the record downwards.
        type: What its values are.
        nullable: Whether the SCHEMA lets it be null.
        schema: Its JSON Schema.
    """

    name: str
    path: tuple[str, ...]
    type: ColumnType
    nullable: bool
    schema: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, path: tuple[str, ...], schema: object) -> Column:
        """Read the column's JSON Schema; what is no object says nothing (``true``)."""
        known = schema if isinstance(schema, Mapping) else {}
        json_types = {json_type for json_type, _ in _branches(known)}
        nullable = not json_types or "null" in json_types
        return cls(name, path, _column_type(known), nullable, known)


def columns_of(schema: Mapping[str, Any]) -> dict[str, Column]:
    """The top-level columns in the SCHEMA's order."""
    return {
        str(name): Column.of(str(name), (str(name),), each)
        for name, each in (schema.get("properties") or {}).items()
    }


def types_of_items(column: Column) -> frozenset[str]:
    """The JSON types of an array's items but null, none where the SCHEMA does not tell."""
    return frozenset(
        json_type
        for each in _with_alternatives(column.schema)
        if isinstance(each.get("items"), Mapping)
        for json_type, _ in _branches(each["items"])
        if json_type != "null"
    )


def is_array(column: Column) -> bool:
    """Whether the column holds arrays and no objects."""
    json_types = {json_type for json_type, _ in _branches(column.schema)}
    return "array" in json_types and "object" not in json_types


def column_at(columns: Mapping[str, Column], name: str) -> Column | None:
    """The column of this name, else the one at this dotted path, if the SCHEMA has it."""
    if name in columns:
        return columns[name]
    keys = name.split(".")
    for cut in range(len(keys) - 1, 0, -1):
        root = columns.get(".".join(keys[:cut]))
        if root is not None:
            return _descend(name, root, keys[cut:])
    return None


def names_within(columns: Mapping[str, Column]) -> list[str]:
    """The columns' names and the paths to the keys that their objects declare."""
    paths = [
        f"{column.name}.{key}"
        for column in columns.values()
        for key in _declared_keys(column.schema)
    ]
    return [*columns, *paths]


def _descend(name: str, root: Column, keys: list[str]) -> Column | None:
    schema: object = root.schema
    for key in keys:
        known = schema if isinstance(schema, Mapping) else {}
        declared = _declared_keys(known)
        if not _may_be_object(known) or (declared and key not in declared and not _is_open(known)):
            return None
        schema = declared.get(key)
    return Column.of(name, (root.name, *keys), schema)


def _may_be_object(schema: Mapping[str, Any]) -> bool:
    json_types = {json_type for json_type, _ in _branches(schema)}
    return not json_types or "object" in json_types


def _declared_keys(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(key): value
        for each in _with_alternatives(schema)
        if isinstance(each.get("properties"), Mapping)
        for key, value in each["properties"].items()
    }


def _is_open(schema: Mapping[str, Any]) -> bool:
    return any(each.get("additionalProperties") for each in _with_alternatives(schema))


def _column_type(schema: Mapping[str, Any]) -> ColumnType:
    found = {
        _scalar_type(json_type, str(form or ""))
        for json_type, form in _branches(schema)
        if json_type != "null"
    }
    if ColumnType.NESTED in found:
        return ColumnType.NESTED
    if found == {ColumnType.DATE, ColumnType.TEXT}:
        return ColumnType.DATE
    return found.pop() if len(found) == 1 else ColumnType.TEXT


def _scalar_type(json_type: str, form: str) -> ColumnType:
    if json_type != "string":
        return _OF_JSON_TYPE.get(json_type, ColumnType.TEXT)
    if form.endswith(_DECIMAL_FORMAT):
        return ColumnType.NUMBER
    return _OF_FORMAT.get(form, ColumnType.TEXT)


def _branches(schema: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Every type that the schema allows, with the format beside it."""
    for each in _with_alternatives(schema):
        named = each.get("type") or ()
        for json_type in named if isinstance(named, (list, tuple)) else (named,):
            yield str(json_type), each.get("format")


def _with_alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield schema
    for keyword in ("anyOf", "oneOf"):
        alternatives = schema.get(keyword)
        for each in alternatives if isinstance(alternatives, list) else ():
            if isinstance(each, Mapping):
                yield from _with_alternatives(each)
