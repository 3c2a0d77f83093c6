"""Request bodies: read from JSON, and checked against the schemas."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn, cast

from jsonschema import Draft202012Validator

from target_kustomer.simulator.errors import ApiError, bad_request
from target_kustomer.simulator.formats import format_checker

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MAX_BULK_ITEMS = 100
"""Records in one bulk request [API §2.3]."""

_MAX_EXACT_INTEGER = 2**53
_TITLES = {
    "required": "Missing required property",
    "type": "Invalid type",
    "enum": "No enum match",
    "format": "Format validation failed",
    "pattern": "String does not match pattern",
    "minLength": "String is too short",
    "maxLength": "String is too long",
    "minItems": "Array is too short",
    "maxItems": "Array is too long",
    "uniqueItems": "Array items are not unique",
    "maxProperties": "Too many properties defined",
    "additionalProperties": "Additional properties not allowed",
}


def parse(body: bytes) -> object:
    """Reads a JSON body as Kustomer's own language would: every number is a double.

    Raises:
        ApiError: 400 if it is no JSON in UTF-8.
    """
    try:
        return json.loads(
            body, parse_int=_number, parse_float=_number, parse_constant=_refuse_constant
        )
    except ValueError as error:
        raise ApiError(400, "bad_request", "Invalid request body or parameters.") from error


def _number(text: str) -> float:
    number = float(text)
    if number.is_integer() and abs(number) <= _MAX_EXACT_INTEGER:
        return int(number)
    return number


def _refuse_constant(name: str) -> NoReturn:
    message = f"no JSON: {name}"
    raise ValueError(message)


class Schemas:
    """The compiled schemas of all calls [API §2-§6], named as in schemas/operations.json."""

    def __init__(self, *, phones_must_be_e164: bool = False) -> None:
        checker = format_checker(phones_must_be_e164=phones_must_be_e164)
        self._validators = {}
        for name, schema in _operation_schemas().items():
            self._validators[name] = Draft202012Validator(schema, format_checker=checker)

    def check(self, operation: str, payload: object, *, name_item: bool = True) -> None:
        """Checks one body; for bulk calls that is the array of all items.

        Args:
            operation: The call, such as `customer.bulk-create`.
            payload: The body.
            name_item: Whether the refusal points at the place in the body, index and all.

        Raises:
            ApiError: 400 for the first fault found.
        """
        for fault in self._validators[operation].iter_errors(payload):
            raise _refusal(fault, name_item=name_item)


def _refusal(fault: ValidationError, *, name_item: bool) -> ApiError:
    parameter = _parameter(fault)
    names = [str(part) for part in fault.absolute_schema_path]
    error = bad_request(
        title=_TITLES.get(str(fault.validator), "Invalid value"),
        parameter=parameter,
        detail="/" + "/".join(names),
    )
    if name_item and error.source is not None:
        error.source["pointer"] = "/" + "/".join(str(part) for part in fault.absolute_path)
    return error


def _parameter(fault: ValidationError) -> str:
    """Returns the key at fault: an extra or missing one itself, else the nearest named one."""
    schema: dict[str, Any] = cast("dict[str, Any]", fault.schema)
    instance: Any = fault.instance
    if fault.validator == "additionalProperties":
        allowed = "|".join(schema.get("patternProperties", {}))
        known = Draft202012Validator({"propertyNames": {"pattern": allowed}})
        extra = (key for key in instance if key not in schema.get("properties", {}))
        return next(str(key) for key in extra if not allowed or not known.is_valid({key: None}))
    if fault.validator == "required":
        return next(str(key) for key in schema["required"] if key not in instance)
    named = [part for part in fault.absolute_path if isinstance(part, str)]
    return named[-1] if named else "body"


@cache
def _operation_schemas() -> dict[str, dict[str, Any]]:
    return {name: _schema(name, rule) for name, rule in _document("operations").items()}


def _schema(name: str, rule: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = _inlined(_document(rule["table"]))
    omitted = rule.get("omit", ())
    properties = {key: value for key, value in item["properties"].items() if key not in omitted}
    item |= {
        "properties": properties | rule.get("override", {}),
        "required": rule.get("required", []),
    }
    if name.endswith((".bulk-create", ".bulk-update")):
        return {"type": "array", "minItems": 1, "maxItems": MAX_BULK_ITEMS, "items": item}
    return item


def _document(name: str) -> dict[str, Any]:
    text = (files(__package__) / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _inlined(schema: Any) -> Any:
    """Replaces references by what they refer to: looking them up costs more than the check."""
    if isinstance(schema, list):
        return [_inlined(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(_document("definitions")["$defs"][schema["$ref"].rpartition("/")[2]])
    return {key: _inlined(part) for key, part in schema.items()}
