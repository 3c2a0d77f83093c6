from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from target_kustomer.mapping.attributes import CUSTOM, Scalar
from target_kustomer.mapping.coercion import coerce, json_text
from target_kustomer.mapping.failures import CoercionError, Notes
from target_kustomer.models import Reason

TEXT = Scalar()
NUM, AT, BOOL, URL, REFERENCE = (CUSTOM[each] for each in ("Num", "At", "Bool", "Url", "Id"))
HEX = "0123456789abcdefABCDEF00"
EAST = timezone(timedelta(hours=2))


def reason_for(scalar: Scalar, value: Any) -> Reason:
    with pytest.raises(CoercionError) as caught:
        coerce(scalar, value, Notes())
    return caught.value.reason


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (0, 0),
        (-7, -7),
        (2**53, 2**53),
        (-(2**53), -(2**53)),
        (1.0, 1),
        (1.5, 1.5),
        (-0.0, 0),
        (Decimal("1042.0"), 1042),
        (Decimal("0.1"), 0.1),
        (Decimal("1E+3"), 1000),
        (Decimal(9007199254740992), 2**53),
        ("42", 42),
        (" +4.50 ", 4.5),
        ("-1e3", -1000),
        (".5", 0.5),
        ("5.", 5),
        (Decimal("1e-999999"), 0.0),
        (Decimal("0.1000000000000000055"), 0.1),
    ],
)
def test_numbers(value: Any, sent: float) -> None:
    coerced = coerce(NUM, value, Notes())
    assert (coerced, type(coerced)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, Reason.INVALID_TYPE),
        ([], Reason.INVALID_TYPE),
        ({}, Reason.INVALID_TYPE),
        (date(2024, 1, 31), Reason.INVALID_TYPE),
        ("many", Reason.INVALID_FORMAT),
        ("1,000", Reason.INVALID_FORMAT),
        ("1_000", Reason.INVALID_FORMAT),
        ("NaN", Reason.INVALID_FORMAT),
        ("Infinity", Reason.INVALID_FORMAT),
        ("٣", Reason.INVALID_FORMAT),
        (2**53 + 1, Reason.OUT_OF_RANGE),
        (-(2**53) - 1, Reason.OUT_OF_RANGE),
        (1e300, Reason.OUT_OF_RANGE),
        (Decimal("1e99999999"), Reason.OUT_OF_RANGE),
        ("1e99999999", Reason.OUT_OF_RANGE),
        ("1e99999999999999999999", Reason.OUT_OF_RANGE),
        (float("nan"), Reason.OUT_OF_RANGE),
        (float("inf"), Reason.OUT_OF_RANGE),
        (Decimal("NaN"), Reason.OUT_OF_RANGE),
        (Decimal("sNaN"), Reason.OUT_OF_RANGE),
        (Decimal("-Infinity"), Reason.OUT_OF_RANGE),
    ],
)
def test_what_is_no_number_is_refused(value: Any, reason: Reason) -> None:
    assert reason_for(NUM, value) == reason


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (" Ada ", "Ada"),
        (1042, "1042"),
        (1042.0, "1042"),
        (Decimal("1042.0"), "1042"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12.50"), "12.5"),
        (0.1, "0.1"),
        (1e21, "1" + "0" * 21),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (10**30, "1" + "0" * 30),
        (True, "true"),
        (False, "false"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 10, tzinfo=EAST), "2024-01-31T08:00:00Z"),
        ("", None),
        ("   ", None),
        ("\n", None),
        (None, None),
    ],
)
def test_text(value: Any, sent: str | None) -> None:
    assert coerce(TEXT, value, Notes()) == sent


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], Reason.INVALID_TYPE),
        ({}, Reason.INVALID_TYPE),
        (b"bytes", Reason.INVALID_TYPE),
        (float("nan"), Reason.OUT_OF_RANGE),
        (Decimal("1e9999999"), Reason.TOO_LONG),
        (Decimal("1e-9999999"), Reason.TOO_LONG),
        pytest.param(10**5000, Reason.TOO_LONG, id="5001 digits"),
        ("\ud800", Reason.INVALID_FORMAT),
    ],
)
def test_what_has_no_canonical_text_is_refused(value: Any, reason: Reason) -> None:
    assert reason_for(TEXT, value) == reason


@pytest.mark.parametrize(
    "value", [True, 1, 1.0, Decimal(1), "1", "true", "T", "Yes", "y", " TRUE "]
)
def test_truth(value: Any) -> None:
    assert coerce(BOOL, value, Notes()) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, Decimal("0.0"), "0", "False", "f", "NO", "n"])
def test_falsehood(value: Any) -> None:
    assert coerce(BOOL, value, Notes()) is False


@pytest.mark.parametrize(
    ("value", "reason"),
    [(2, Reason.INVALID_FORMAT), ("on", Reason.INVALID_FORMAT), ([], Reason.INVALID_TYPE)],
)
def test_what_is_neither_is_refused(value: Any, reason: Reason) -> None:
    assert reason_for(BOOL, value) == reason


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("2024-01-31", "2024-01-31T00:00:00Z"),
        ("20240131", "2024-01-31T00:00:00Z"),
        ("2024-01-31T10:20:30Z", "2024-01-31T10:20:30Z"),
        ("2024-01-31t10:20:30z", "2024-01-31T10:20:30Z"),
        ("2024-01-31 10:20", "2024-01-31T10:20:00Z"),
        ("2024-01-31T10:20:30", "2024-01-31T10:20:30Z"),
        ("2024-01-31T10:20:30.5+02:00", "2024-01-31T08:20:30.500000Z"),
        ("2024-01-31 10:20:30.123456789+00", "2024-01-31T10:20:30.123456Z"),
        ("2024-01-31T10:20:30 -0530", "2024-01-31T15:50:30Z"),
        ("20240131T102030Z", "2024-01-31T10:20:30Z"),
        (date(2024, 1, 31), "2024-01-31T00:00:00Z"),
        (datetime(2024, 1, 31, 10), "2024-01-31T10:00:00Z"),  # noqa: DTZ001
        (datetime(2024, 1, 31, 10, tzinfo=EAST), "2024-01-31T08:00:00Z"),
        ("0987-01-31", "0987-01-31T00:00:00Z"),
        ("  ", None),
    ],
)
def test_points_in_time(value: Any, sent: str | None) -> None:
    assert coerce(AT, value, Notes()) == sent


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("31/01/2024", Reason.INVALID_FORMAT),
        ("yesterday", Reason.INVALID_FORMAT),
        ("2024-01", Reason.INVALID_FORMAT),
        ("2024-0131", Reason.INVALID_FORMAT),
        ("2024-02-30", Reason.INVALID_FORMAT),
        ("0000-00-00", Reason.INVALID_FORMAT),
        ("2024-01-31T25:00:00Z", Reason.INVALID_FORMAT),
        ("2024-01-31T10:00:00+99:00", Reason.INVALID_FORMAT),
        ("1706659200", Reason.INVALID_FORMAT),
        ("0001-01-01T00:00:00+01:00", Reason.OUT_OF_RANGE),
        (1706659200, Reason.INVALID_TYPE),
        (1.5, Reason.INVALID_TYPE),
        (True, Reason.INVALID_TYPE),
        ([], Reason.INVALID_TYPE),
    ],
)
def test_what_is_no_point_in_time_is_refused(value: Any, reason: Reason) -> None:
    assert reason_for(AT, value) == reason


def test_references_are_ids_or_lists_of_ids() -> None:
    assert coerce(REFERENCE, f" {HEX} ", Notes()) == HEX
    assert coerce(REFERENCE, [HEX], Notes()) == [HEX]
    assert reason_for(REFERENCE, "42") == Reason.INVALID_FORMAT
    assert reason_for(REFERENCE, "../" + HEX[3:]) == Reason.INVALID_FORMAT
    assert reason_for(REFERENCE, 42) == Reason.INVALID_TYPE


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ({"b": [1, Decimal("1.5")], "a": None}, '{"b":[1,1.5],"a":null}'),
        ([Decimal("1042.0"), Decimal("1e3"), True, "é"], '[1042,1000,true,"é"]'),
        ({"at": datetime(2024, 1, 31, tzinfo=timezone.utc)}, '{"at":"2024-01-31T00:00:00Z"}'),
        ([], "[]"),
        (" plain ", "plain"),
        (7, "7"),
        (None, None),
    ],
)
def test_nested_values_become_json_text(value: Any, sent: str | None) -> None:
    assert json_text(TEXT, value, Notes()) == sent


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": float("nan")}, Reason.INVALID_TYPE),
        ({"a": Decimal("1e999999")}, Reason.INVALID_TYPE),
        ({"a": Decimal("NaN")}, Reason.OUT_OF_RANGE),
        ({("a",): 1}, Reason.INVALID_TYPE),
        ({"a": object()}, Reason.INVALID_TYPE),
        ({"a": "\ud800"}, Reason.INVALID_FORMAT),
        (["x" * 1024], Reason.TOO_LONG),
    ],
)
def test_what_json_cannot_say_is_refused(value: Any, reason: Reason) -> None:
    with pytest.raises(CoercionError) as caught:
        json_text(CUSTOM["Str"], value, Notes())
    assert caught.value.reason == reason


def test_nesting_without_end_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(CoercionError) as caught:
        json_text(CUSTOM["Str"], value, Notes())
    assert caught.value.reason == Reason.TOO_LONG


def test_details_do_not_hold_the_value() -> None:
    for scalar in CUSTOM.values():
        with pytest.raises(CoercionError) as caught:
            coerce(scalar, "<secret value>" + "x" * 1024, Notes())
        assert "secret" not in json.dumps([caught.value.detail, str(caught.value)])
