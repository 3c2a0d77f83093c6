"""Custom attributes whose values the org has listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.models import CustomAttribute, Reason
from tests.mapping.planning import ARRAY, BOOL, INTEGER, TEXT, URI, customers, mapped, rejected

if TYPE_CHECKING:
    from target_kustomer.mapping.plan import Plan


def _plan(column: dict[str, Any], name: str, *choices: Any, **settings: Any) -> Plan:
    return customers({"tier": column}, org={name: CustomAttribute(choices)}, **settings)


def _sent(made: Plan, value: Any) -> Any:
    return mapped(made, {"tier": value}).attributes["custom"]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Gold", "Gold"),
        ("gold", "Gold"),
        ("  GOLD\t", "Gold"),
        ("straSSe", "Straße"),
        ("plain silver", "Plain Silver "),
        ("42", "42"),
        (42, "42"),
        (42.0, "42"),
        ("7", "7"),
        (None, None),
        ("", None),
        ("   ", None),
    ],
)
def test_a_value_is_sent_as_the_org_spells_it(value: Any, sent: Any) -> None:
    made = _plan(TEXT, "tierStr", "Gold", "Straße", "Plain Silver ", "42", 7)
    assert _sent(made, value) == {"tierStr": sent}


@pytest.mark.parametrize("value", ["Lead", "Gol", "Gold Gold", 43, True, "G old"])
def test_another_value_is_rejected_at_its_attribute(value: Any) -> None:
    rejection = rejected(_plan(TEXT, "tierStr", "Gold", "Silver", "42"), {"tier": value})
    assert (rejection.reason, rejection.attribute, rejection.column) == (
        Reason.NOT_ALLOWED,
        "tierStr",
        "tier",
    )
    assert rejection.detail == "none of Gold, Silver, 42"


def test_of_many_allowed_values_a_few_are_named() -> None:
    rejection = rejected(_plan(TEXT, "tierStr", *map(str, range(300))), {"tier": "x"})
    assert rejection.detail == "none of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..."


def test_another_value_is_left_out_where_the_settings_say_so() -> None:
    made = _plan(TEXT, "tierStr", "Gold", invalid_values="omit")
    record = mapped(made, {"tier": "Lead"})
    assert record.omitted == ("tier",)
    assert "custom" not in record.attributes


def test_values_that_differ_in_case_alone_are_taken_as_they_are() -> None:
    made = _plan(TEXT, "tierStr", "Gold", "gold")
    assert _sent(made, "Gold") == {"tierStr": "Gold"}
    assert _sent(made, "gold") == {"tierStr": "gold"}
    assert rejected(made, {"tier": "GOLD"}).reason is Reason.NOT_ALLOWED


def test_empty_text_is_sent_where_it_is_allowed() -> None:
    assert _sent(_plan(TEXT, "tierStr", "", "Gold"), " ") == {"tierStr": ""}


@pytest.mark.parametrize("choices", [(1, 2.5), ("1", " 2.50 "), ("1", "2.5", "many")])
def test_a_number_is_compared_as_a_number(choices: tuple[Any, ...]) -> None:
    made = _plan(INTEGER, "tierNum", *choices)
    assert _sent(made, 1) == {"tierNum": 1}
    assert _sent(made, "2.5") == {"tierNum": 2.5}
    assert _sent(made, None) == {"tierNum": None}
    assert rejected(made, {"tier": 2}).reason is Reason.NOT_ALLOWED
    assert rejected(made, {"tier": "many"}).reason is Reason.INVALID_FORMAT


@pytest.mark.parametrize(
    ("column", "name", "choices", "value"),
    [
        (TEXT, "tierStr", (), "any"),
        (INTEGER, "tierNum", ("one", "two"), 3),
        (BOOL, "tierBool", ("yes",), True),
        (URI, "tierUrl", ("https://a.example",), "https://b.example"),
    ],
)
def test_what_cannot_be_compared_is_not_checked(
    column: dict[str, Any], name: str, choices: tuple[Any, ...], value: Any
) -> None:
    assert _sent(_plan(column, name, *choices), value) == {name: value}


def test_a_column_that_is_mapped_to_it_is_checked_too() -> None:
    made = customers(
        {"level": ARRAY},
        org={"tierStr": CustomAttribute(('["a"]',))},
        fields={"level": "tierStr"},
    )
    assert mapped(made, {"level": ["a"]}).attributes["custom"] == {"tierStr": '["a"]'}
    assert rejected(made, {"level": ["b"]}).reason is Reason.NOT_ALLOWED


def test_a_plan_of_other_allowed_values_is_another_plan() -> None:
    one, same, other = (_plan(TEXT, "tierStr", each) for each in ("Gold", "Gold", "gold"))
    assert one.name == same.name != other.name


# Multi-level lists, and the names of what is undefined


@pytest.mark.parametrize("column", ["contact_reason", "contactReason", "contact_reason_tree"])
def test_a_multi_level_list_of_the_org_is_no_other_attribute(column: str) -> None:
    org = frozenset({"contactReasonTree"})
    mended = customers({column: TEXT}, org=org, fields={column: "contactReasonTree"})
    assert mapped(mended, {column: "orders.late"}).attributes["custom"] == {
        "contactReasonTree": "orders.late"
    }
    if column.endswith("tree"):
        assert dict(customers({column: TEXT}, org=org).columns) == {column: "contactReasonTree"}
    else:
        with pytest.raises(Exception, match=r"the org has contactReasonTree; set .*fields"):
            customers({column: TEXT}, org=org)


def test_without_such_a_list_a_tree_is_a_text() -> None:
    made = customers({"family_tree": TEXT}, org=frozenset(), fields={})
    assert dict(made.columns) == {"family_tree": "familyTreeStr"}


@pytest.mark.parametrize(
    ("column", "schema", "fields", "name", "display_name"),
    [
        ("LOYALTY_TIER", TEXT, {}, "loyaltyTierStr", "Loyalty Tier"),
        ("loyalty tier", TEXT, {}, "loyaltyTierStr", "Loyalty Tier"),
        ("NPSScore", INTEGER, {}, "NPSScoreNum", "NPS Score"),
        ("nps_Score", INTEGER, {}, "npsScoreNum", "Nps Score"),
        ("Legacy_Tier__c", TEXT, {}, "LegacyTierStr", "Legacy Tier"),
        ("größe_cm", INTEGER, {}, "grosseCmNum", "Größe Cm"),
        ("lineItems2", INTEGER, {}, "lineItems2Num", "Line Items2"),
        ("age_num", INTEGER, {}, "ageNum", "Age"),
        ("account_num", TEXT, {}, "accountNumStr", "Account Num"),
        ("x1", TEXT, {"x1": "loyalty_tier"}, "loyaltyTierStr", "Loyalty Tier"),
        ("x1", TEXT, {"x1": "loyaltyTierTxt"}, "loyaltyTierTxt", "Loyalty Tier"),
    ],
)
def test_what_is_to_be_defined_has_the_name_that_a_person_would_write(
    column: str, schema: dict[str, Any], fields: dict[str, str], name: str, display_name: str
) -> None:
    made = customers(
        {column: schema}, org=frozenset(), fields=fields, undefined_attributes="create"
    )
    [undefined] = made.undefined
    assert (undefined.column, undefined.name, undefined.display_name) == (
        column,
        name,
        display_name,
    )
    assert not made.warnings


def test_nothing_is_to_be_defined_that_the_org_has_or_whose_org_is_unknown() -> None:
    columns = {"a": TEXT, "b": TEXT}
    known = customers(columns, org=frozenset({"aStr", "BStr"}), undefined_attributes="create")
    assert known.undefined == ()
    for wish in ("warn", "reject", "create"):
        unknown = customers(columns, undefined_attributes=wish)
        assert (unknown.undefined, unknown.warnings) == ((), ())
