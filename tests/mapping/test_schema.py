from __future__ import annotations

from typing import Any

import pytest

from target_kustomer.mapping.schema import Column, ColumnType, column_at, columns_of, names_within


def column(schema: Any) -> Column:
    return Column.of("c", ("c",), schema)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, ColumnType.TEXT),
        (True, ColumnType.TEXT),
        ({"type": "null"}, ColumnType.TEXT),
        ({"type": "string"}, ColumnType.TEXT),
        ({"type": ["null", "string"]}, ColumnType.TEXT),
        ({"type": ["string"], "format": "email"}, ColumnType.TEXT),
        ({"type": ["string"], "format": "time"}, ColumnType.TEXT),
        ({"type": ["null", "integer"]}, ColumnType.NUMBER),
        ({"type": ["integer", "number"]}, ColumnType.NUMBER),
        ({"type": ["null", "boolean"]}, ColumnType.BOOL),
        ({"type": "string", "format": "date"}, ColumnType.DATE),
        ({"type": ["null", "string"], "format": "date-time"}, ColumnType.DATE),
        ({"type": "string", "format": "uri"}, ColumnType.URL),
        ({"type": ["null", "string"], "format": "singer.decimal"}, ColumnType.NUMBER),
        ({"type": ["null", "string"], "format": "x-singer.decimal"}, ColumnType.NUMBER),
        ({"type": ["null", "number", "string"], "format": "singer.decimal"}, ColumnType.NUMBER),
        ({"type": ["null", "object"]}, ColumnType.NESTED),
        ({"type": ["array", "string", "null"]}, ColumnType.NESTED),
        ({"type": ["integer", "string"]}, ColumnType.TEXT),
        ({"type": ["boolean", "integer"]}, ColumnType.TEXT),
        (
            {"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]},
            ColumnType.DATE,
        ),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, ColumnType.NUMBER),
        ({"anyOf": [{"type": "string", "format": "uri"}, {"type": "string"}]}, ColumnType.TEXT),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, ColumnType.NESTED),
        ({"anyOf": [{"anyOf": [{"type": "boolean"}]}, {"type": "null"}, True]}, ColumnType.BOOL),
    ],
)
def test_the_type_is_what_remains_without_null(schema: Any, expected: ColumnType) -> None:
    assert column(schema).type is expected


@pytest.mark.parametrize(
    ("schema", "nullable"),
    [
        ({}, True),
        ({"type": "string"}, False),
        ({"type": ["string", "null"]}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, True),
    ],
)
def test_null_is_seen(schema: Any, nullable: bool) -> None:  # noqa: FBT001
    assert column(schema).nullable is nullable


COLUMNS = columns_of(
    {
        "properties": {
            "id": {"type": "string"},
            "a.b": {"type": "object"},
            "open": {"type": "object"},
            "free": {"type": "object", "properties": {"x": {}}, "additionalProperties": True},
            "any": {},
            "properties": {
                "type": ["null", "object"],
                "properties": {
                    "email": {"type": "string"},
                    "deep": {"type": "object", "properties": {"age": {"type": "integer"}}},
                },
            },
        }
    }
)


@pytest.mark.parametrize(
    ("name", "path", "column_type"),
    [
        ("id", ("id",), ColumnType.TEXT),
        ("a.b", ("a.b",), ColumnType.NESTED),
        ("a.b.c", ("a.b", "c"), ColumnType.TEXT),
        ("open.x.y", ("open", "x", "y"), ColumnType.TEXT),
        ("free.y", ("free", "y"), ColumnType.TEXT),
        ("any.x", ("any", "x"), ColumnType.TEXT),
        ("properties.email", ("properties", "email"), ColumnType.TEXT),
        ("properties.deep.age", ("properties", "deep", "age"), ColumnType.NUMBER),
    ],
)
def test_paths_lead_into_objects(name: str, path: tuple[str, ...], column_type: ColumnType) -> None:
    found = column_at(COLUMNS, name)
    assert found is not None
    assert (found.name, found.path, found.type) == (name, path, column_type)


@pytest.mark.parametrize(
    "name", ["nothing", "nothing.x", "id.x", "properties.emial", "properties.email.x"]
)
def test_paths_that_the_schema_lacks_lead_nowhere(name: str) -> None:
    assert column_at(COLUMNS, name) is None


def test_the_names_that_can_be_meant_include_declared_keys() -> None:
    assert "properties.email" in names_within(COLUMNS)


def test_a_schema_without_properties_has_no_columns() -> None:
    assert columns_of({}) == {}
