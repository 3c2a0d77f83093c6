"""What holds for every value, whatever a source sends."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.mapping.attributes import ATTRIBUTES, CUSTOM
from target_kustomer.mapping.merging import holds, merge_attributes, merge_list
from target_kustomer.models import MappedRecord, Rejection
from tests.mapping.planning import companies, customers

if TYPE_CHECKING:
    from target_kustomer.mapping.plan import Plan
    from target_kustomer.models import ObjectType

unhurried = settings(deadline=None, database=None)

FLAT = (
    "first_name",
    "last_name",
    "city",
    "state",
    "country",
    "zip",
    "latitude",
    "company_id",
    "company_name",
    "work_email",
    "fax",
    "website",
    "twitter",
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=40),
    st.characters(categories=["Cs", "Cc", "Zs"]),
    st.dates(),
    st.datetimes(),
    st.sampled_from(
        ["ada@example.com", "+4930123456", "example.com", "[1]", '{"a":1}', "x" * 2000, "1e999999"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def every_attribute(table: dict[str, Any], **more: str) -> dict[str, str]:
    custom = {f"some{suffix}": f"some{suffix}" for suffix in CUSTOM}
    return {**{name: name for name in table}, **custom, **more}


def untyped(*columns: str) -> dict[str, Any]:
    return {column: {} for column in columns}


CUSTOMER_FIELDS = every_attribute(dict(ATTRIBUTES["customer"]), kustomer="id", k="company.id")
COMPANY_FIELDS = every_attribute(dict(ATTRIBUTES["company"]), kustomer="id")
OPTIONS = [
    {"nulls": nulls, "lists": lists, "invalid_values": invalid}
    for nulls in ("clear", "ignore")
    for lists in ("merge", "replace")
    for invalid in ("reject", "omit")
]
PLANS = [
    *(
        customers(
            untyped(*CUSTOMER_FIELDS, "props"),
            fields={**CUSTOMER_FIELDS, "props.a": "props"},
            **options,
        )
        for options in OPTIONS
    ),
    *(companies(untyped(*COMPANY_FIELDS), fields=COMPANY_FIELDS, **o) for o in OPTIONS),
    *(customers(untyped(*FLAT), default_phone_region="US", **o) for o in OPTIONS),
]


@st.composite
def plans_and_records(draw: st.DrawFn) -> tuple[Plan, dict[str, Any]]:
    plan = draw(st.sampled_from(PLANS))
    names = st.lists(st.sampled_from(sorted(plan.known_columns)), max_size=5, unique=True)
    return plan, {name: draw(VALUES) for name in draw(names)}


@unhurried
@given(plans_and_records())
def test_no_record_raises_or_is_changed(drawn: tuple[Plan, dict[str, Any]]) -> None:
    plan, record = drawn
    before = repr(record)
    result = plan.map_record(record)
    assert isinstance(result, (MappedRecord, Rejection))
    assert repr(record) == before


@unhurried
@given(plans_and_records())
def test_what_is_mapped_can_be_sent(drawn: tuple[Plan, dict[str, Any]]) -> None:
    plan, record = drawn
    result = plan.map_record(record)
    if isinstance(result, MappedRecord):
        assert not result.attributes.keys() & {"id", "company"}
        json.dumps(result.attributes, allow_nan=False, ensure_ascii=False).encode()


@unhurried
@given(plans_and_records())
def test_what_is_mapped_is_held_by_itself(drawn: tuple[Plan, dict[str, Any]]) -> None:
    plan, record = drawn
    result = plan.map_record(record)
    if isinstance(result, MappedRecord):
        object_type: ObjectType = "company" if "domains" in plan.known_columns else "customer"
        sent = result.attributes
        assert holds(object_type, sent, sent)
        assert holds(object_type, merge_attributes(object_type, sent, sent, "merge"), sent)


@pytest.mark.parametrize(
    ("name", "limit"), [("someStr", 1024), ("name", 256), ("locale", 16), ("username", 256)]
)
@unhurried
@given(value=VALUES)
def test_coerced_text_fits_its_limit(name: str, limit: int, value: Any) -> None:
    result = PLANS[0].map_record({name: value})
    if isinstance(result, MappedRecord):
        attributes = {**result.attributes, **result.attributes.get("custom", {})}
        assert len(attributes.get(name) or "") <= limit


@unhurried
@given(value=VALUES)
def test_coerced_times_are_times(value: Any) -> None:
    result = PLANS[0].map_record({"signedUpAt": value})
    if isinstance(result, MappedRecord) and (sent := result.attributes["signedUpAt"]):
        assert datetime.fromisoformat(sent.removesuffix("Z")) is not None


SENT = st.sampled_from([f"some{suffix}" for suffix in CUSTOM if suffix != "Id"])


@unhurried
@given(name=SENT, value=VALUES)
def test_what_is_sent_is_sent_the_same_when_it_is_read_back(name: str, value: Any) -> None:
    result = PLANS[0].map_record({name: value})
    if isinstance(result, MappedRecord):
        again = PLANS[0].map_record(json.loads(json.dumps(result.attributes["custom"])))
        assert isinstance(again, MappedRecord)
        assert again.attributes == result.attributes


@unhurried
@given(st.decimals(-(2**53), 2**53) | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15))
def test_a_number_is_sent_as_the_nearest_double(value: Any) -> None:
    for spelling in (value, str(value)):
        result = PLANS[0].map_record({"someNum": spelling})
        assert isinstance(result, MappedRecord)
        assert float(json.dumps(result.attributes["custom"]["someNum"])) == float(value)


@unhurried
@given(st.decimals(-(10**30), 10**30) | st.integers() | st.floats(-1e30, 1e30))
def test_a_number_sent_as_text_is_the_same_number(value: Any) -> None:
    result = PLANS[0].map_record({"someStr": value})
    if isinstance(result, MappedRecord):
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        assert Decimal(result.attributes["custom"]["someStr"]) == exact


@unhurried
@given(st.datetimes(timezones=st.timezones() | st.none()), st.booleans())
def test_a_time_is_sent_as_the_same_instant(value: datetime, as_text: bool) -> None:  # noqa: FBT001
    result = PLANS[0].map_record({"someAt": value.isoformat() if as_text else value})
    if isinstance(result, MappedRecord):
        sent = datetime.fromisoformat(result.attributes["custom"]["someAt"].replace("Z", "+00:00"))
        meant = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        assert abs(sent - meant) < timedelta(milliseconds=1)


TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "object", "array"])
COLUMNS = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES | st.lists(TYPES, max_size=3),
        "format": st.sampled_from(["date", "date-time", "uri", "email", "singer.decimal"]),
        "anyOf": st.lists(st.fixed_dictionaries({"type": TYPES}), max_size=3),
    },
)
NAMES = st.sampled_from(["id", *FLAT, "name", "email", "tags"]) | st.text(max_size=12)


@unhurried
@given(
    properties=st.dictionaries(NAMES, COLUMNS, max_size=6),
    keys=st.lists(NAMES, max_size=2, unique=True),
    values=st.lists(VALUES, min_size=6, max_size=6),
)
def test_any_schema_makes_a_plan_or_is_named_wrong(
    properties: dict[str, Any], keys: list[str], values: list[Any]
) -> None:
    record = dict(zip(properties, values, strict=False))
    before = repr((properties, record))
    for make in (customers, companies):
        try:
            plan = make(properties, keys=keys)
        except ConfigurationError:
            continue
        assert isinstance(plan.map_record(record), (MappedRecord, Rejection))
        assert repr((properties, record)) == before


def emails(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    addresses = st.sampled_from([f"{each}@example.com" for each in "abcABC"])
    types = st.sampled_from(["home", "work"])
    item: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"email": addresses}, optional={"type": types, **optional}
    )
    return st.lists(item, max_size=5, unique_by=lambda each: str(each["email"]).casefold())


@unhurried
@given(existing=emails(id=st.none()), incoming=emails())
def test_merging_loses_nothing_and_comes_to_rest(existing: list[Any], incoming: list[Any]) -> None:
    before = deepcopy(existing)
    merged = merge_list("emails", existing, incoming)
    assert existing == before
    identities = [each["email"].casefold() for each in merged]
    assert set(identities) == {each["email"].casefold() for each in [*existing, *incoming]}
    assert len(set(identities)) == len(identities)
    assert {each["email"] for each in existing} <= {each["email"] for each in merged}
    assert merge_list("emails", merged, incoming) == merged
    assert holds("customer", {"emails": merged}, {"emails": incoming or merged})
