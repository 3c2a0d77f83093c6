"""Custom attributes that the org has not defined, and values that it does not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.simulator import Simulator
from tests.support import (
    COMPANIES,
    CUSTOMERS,
    INTEGER,
    TEXT,
    Runner,
    record,
    schema,
    state,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_kustomer.simulator.faults import FaultKind
    from target_kustomer.simulator.objects import Resource

P = "org.permission."
UPDATE = P + "metadata.update"

COLUMNS = {"id": TEXT, "LOYALTY_TIER": TEXT, "age": INTEGER, "vip": {"type": "boolean"}}
LOYAL = [
    schema("customers", COLUMNS),
    record("customers", id="1", LOYALTY_TIER="Gold", age=41, vip=True),
    state(1),
]
SENT = {"loyaltyTierStr": "Gold", "ageNum": 41, "vipBool": True}
DEFINED = {
    "loyaltyTierStr": {"type": "string", "displayName": "Loyalty Tier"},
    "ageNum": {"type": "number", "displayName": "Age"},
    "vipBool": {"type": "boolean", "displayName": "Vip"},
}


def _defined(simulator: Simulator, resource: Resource = "customer") -> dict[str, Any]:
    return simulator.org.custom.properties(resource)


def _custom(simulator: Simulator, external_id: str = "1") -> Any:
    customer = simulator.org.customer(external_id=external_id)
    assert customer is not None
    return customer.attributes.get("custom")


def _writes(simulator: Simulator) -> int:
    """How often definitions were sent."""
    return len([each for each in simulator.requests.as_dicts() if _is_definition(each)])


def _is_definition(request: dict[str, Any]) -> bool:
    return bool(request["method"] == "PUT" and "/metadata/" in request["path"])


def test_by_default_they_are_warned_of_and_sent(run: Runner, simulator: Simulator) -> None:
    result = run(LOYAL)
    assert (result.exit_code, result.states) == (0, [1])
    assert "does not know yet: loyaltyTierStr, ageNum, vipBool" in result.log
    assert (_custom(simulator), _defined(simulator)) == (SENT, {})


# Reject


def test_reject_ends_the_run_at_the_schema_and_names_the_mends(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.define_custom("customer", "vipBool")
    result = run(LOYAL, undefined_attributes="reject")
    assert (result.exit_code, result.states) == (2, [])
    for word in ("stream customers", "loyaltyTierStr", "LOYALTY_TIER", "ageNum", "unmapped"):
        assert word in result.error
    assert 'streams.customers.fields: {"LOYALTY_TIER": null}' in result.error
    assert "undefined_attributes: create" in result.error
    assert "vipBool" not in result.error
    assert not simulator.org.customers
    assert list(_defined(simulator)) == ["vipBool"]


def test_reject_lets_a_stream_pass_whose_attributes_are_defined(
    run: Runner, simulator: Simulator
) -> None:
    for name in ("loyaltyTierStr", "AgeNum"):
        simulator.org.define_custom("customer", name)
    streams = {"customers": {"fields": {"vip": None}}}
    result = run(LOYAL, undefined_attributes="reject", streams=streams)
    assert (result.exit_code, result.states) == (0, [1])
    assert _custom(simulator) == {"loyaltyTierStr": "Gold", "AgeNum": 41}


def test_a_stream_may_have_its_own_wish(run: Runner, simulator: Simulator) -> None:
    firms = [schema("companies", {**COMPANIES, "size": INTEGER}), *LOYAL]
    streams = {"companies": {"undefined_attributes": "create"}}
    result = run(firms, undefined_attributes="reject", streams=streams)
    assert (result.exit_code, result.states) == (2, [])
    assert "stream customers" in result.error
    assert list(_defined(simulator, "company")) == ["sizeNum"]
    assert _defined(simulator) == {}


# Create


def test_create_defines_them_before_anything_is_sent(tmp_path: Path) -> None:
    with Simulator(rate_limit=100_000, undefined_custom_refused=True) as simulator:
        result = Runner(simulator, tmp_path)(LOYAL, undefined_attributes="create")
        assert (result.exit_code, result.states) == (0, [1]), result.error
        assert (_custom(simulator), _defined(simulator)) == (SENT, DEFINED)
    assert "loyaltyTierStr (Loyalty Tier)" in result.log
    assert "does not know yet" not in result.log


def test_a_second_run_defines_nothing(run: Runner, simulator: Simulator) -> None:
    for _ in range(2):
        assert run(LOYAL, undefined_attributes="create").exit_code == 0
    assert _writes(simulator) == 1
    assert _defined(simulator) == DEFINED


def test_two_streams_define_the_same_attribute_once(run: Runner, simulator: Simulator) -> None:
    other = [
        schema("crm-customers", {"email": TEXT, "loyalty_tier": TEXT, "city": TEXT}, ()),
        record("crm-customers", email="b@example.com", loyalty_tier="Lead"),
        state(2),
    ]
    streams = {"crm-customers": {"fields": {"city": "homeTown"}}}
    result = run([*LOYAL, *other], undefined_attributes="create", streams=streams)
    assert (result.exit_code, result.states[-1]) == (0, 2), result.error
    home = {"homeTownStr": {"type": "string", "displayName": "Home Town"}}
    assert _defined(simulator) == DEFINED | home
    assert _writes(simulator) == 2


def test_an_undefined_name_with_another_suffix_in_the_org_is_still_an_error(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.define_custom("customer", "ageStr")
    result = run(LOYAL, undefined_attributes="create")
    assert (result.exit_code, result.states) == (2, [])
    assert 'fields: {"age": "ageStr"}' in result.error
    assert list(_defined(simulator)) == ["ageStr"]


@pytest.mark.parametrize("replaces", [False, True])
def test_what_is_defined_stays_as_it_is(tmp_path: Path, *, replaces: bool) -> None:
    with Simulator(rate_limit=100_000, metadata_put_replaces=replaces) as simulator:
        org = simulator.org
        org.define_custom("customer", "AgeNum", displayName="Years", modifiedBy="5f7c80a7")
        org.define_custom("customer", "kindStr", enumeration=["a", "b"], modifiedAt="2026-01-01")
        org.define_custom("customer", "orderId", target="kobject.order", multi=True)
        org.define_custom("customer", "secretStr", sensitive={"enabled": True, "maskType": "all"})
        org.define_custom("customer", "reasonTree", tree={"children": [{"id": "late"}]})
        before = _defined(simulator)
        result = Runner(simulator, tmp_path)(LOYAL, undefined_attributes="create")
        after = _defined(simulator)
        assert (result.exit_code, result.states) == (0, [1]), result.error
        assert _custom(simulator) == {"loyaltyTierStr": "Gold", "AgeNum": 41, "vipBool": True}
    for stamped in (*before.values(), *after.values()):
        for stamp in ("modifiedBy", "modifiedAt"):
            stamped.pop(stamp, None)
    assert after == before | {name: DEFINED[name] for name in ("loyaltyTierStr", "vipBool")}


@pytest.mark.parametrize(
    "roles",
    [
        [UPDATE, P + "metadata.read"],
        [P + "metadata"],
        ["org.admin.metadata.write", "org.admin.metadata.read"],
    ],
)
def test_each_role_that_may_define_is_enough(
    roles: list[str], run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=[P + "customer", P + "bulk", *roles])
    assert run(LOYAL, api_key="narrow", undefined_attributes="create").exit_code == 0
    assert _defined(simulator) == DEFINED


@pytest.mark.parametrize("role", [P + "metadata.read", "org.user.metadata.read"])
def test_without_the_role_it_is_named_and_the_attributes_are_sent(
    role: str, run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=[P + "customer", P + "bulk", role])
    result = run(LOYAL, api_key="narrow", undefined_attributes="create")
    assert (result.exit_code, result.states) == (0, [1])
    [line] = [each for each in result.log.splitlines() if UPDATE in each]
    assert line.endswith("sent undefined: loyaltyTierStr, ageNum, vipBool")
    assert (_custom(simulator), _defined(simulator)) == (SENT, {})


def test_a_key_that_may_define_no_more_is_as_one_without_the_role(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.add_key("narrow", roles=["org"])

    def messages() -> Iterator[dict[str, Any]]:
        """The key was checked when the first of them is read."""
        roles = [P + "customer", P + "bulk", P + "metadata.read"]
        simulator.org.add_key("narrow", roles=roles)
        yield from LOYAL

    result = run(messages(), api_key="narrow", undefined_attributes="create")
    assert (result.exit_code, result.states) == (0, [1]), result.error
    assert f"lacks {UPDATE}" in result.log
    assert _writes(simulator) == 1
    assert (_custom(simulator), _defined(simulator)) == (SENT, {})


@pytest.mark.parametrize("wish", ["warn", "reject", "create"])
def test_an_org_whose_definitions_may_not_be_read_is_unknown_and_that_is_said_once(
    wish: str, run: Runner, simulator: Simulator
) -> None:
    roles = [P + "customer", P + "company", P + "bulk", UPDATE]
    simulator.org.define_custom("customer", "kindStr", enumeration=["a"])
    simulator.org.add_key("narrow", roles=roles)
    firms = [schema("companies", {**COMPANIES, "size": INTEGER})]
    result = run([*firms, *LOYAL], api_key="narrow", undefined_attributes=wish)
    assert (result.exit_code, result.states) == (0, [1]), result.error
    assert result.log.count(P + "metadata.read") == 1
    assert _custom(simulator) == SENT
    assert list(_defined(simulator)) == ["kindStr"]


def test_a_stream_without_custom_attributes_asks_to_define_none(
    run: Runner, simulator: Simulator
) -> None:
    columns = {each: CUSTOMERS[each] for each in ("id", "name", "email")}
    assert run([schema("customers", columns)], undefined_attributes="create").exit_code == 0
    assert _writes(simulator) == 0


# Limits, refusals, and answers that never come


def test_more_than_can_be_defined_is_a_configuration_error(
    run: Runner, simulator: Simulator
) -> None:
    for number in range(98):
        simulator.org.define_custom("customer", f"a{number}Str")
    result = run(LOYAL, undefined_attributes="create")
    assert (result.exit_code, result.states) == (2, [])
    assert "98" in result.error
    assert "100" in result.error
    assert "loyaltyTierStr, ageNum, vipBool" in result.error
    assert len(_defined(simulator)) == 98
    fewer = run(
        LOYAL, undefined_attributes="create", streams={"customers": {"fields": {"age": None}}}
    )
    assert fewer.exit_code == 0
    assert len(_defined(simulator)) == 100


def test_a_refusal_is_one_clear_line(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("400", method="PUT", path_pattern="metadata")
    result = run(LOYAL, undefined_attributes="create")
    assert (result.exit_code, result.states) == (2, [])
    assert "Kustomer refuses to define loyaltyTierStr, ageNum, vipBool (400)" in result.error
    assert "undefined_attributes: warn" in result.error
    assert not simulator.org.customers


@pytest.mark.parametrize(
    ("kind", "writes"),
    [
        ("reset_after", 1),
        ("reset_before", 2),
        ("timeout_after", 1),
        ("500", 2),
        ("gateway_403_html", 2),
        ("cut_json", 1),
        ("empty_200", 1),
        ("429", 2),
    ],
)
def test_after_a_lost_answer_it_is_read_before_it_is_sent_again(
    kind: FaultKind, writes: int, tmp_path: Path
) -> None:
    with Simulator(rate_limit=100_000, metadata_put_replaces=True) as simulator:
        simulator.org.define_custom("customer", "kindStr", enumeration=["a"])
        simulator.faults.add(kind, method="PUT", path_pattern="metadata", seconds=0.1)
        result = Runner(simulator, tmp_path)(
            LOYAL, undefined_attributes="create", request_timeout_seconds=0.5
        )
        assert (result.exit_code, result.states) == (0, [1]), result.error
        assert _writes(simulator) == writes
        assert {name: each for name, each in _defined(simulator).items() if name != "kindStr"} == (
            DEFINED
        )
        assert _defined(simulator)["kindStr"]["enumeration"] == ["a"]


def test_answers_that_are_always_lost_do_not_end_the_run(run: Runner, simulator: Simulator) -> None:
    simulator.faults.add("500", method="PUT", path_pattern="metadata", times=None)
    result = run(LOYAL, undefined_attributes="create")
    assert (result.exit_code, result.states) == (0, [1]), result.error
    assert "does not show the definitions" in result.log
    assert (_custom(simulator), _defined(simulator)) == (SENT, {})


def test_two_runs_may_define_at_once(tmp_path: Path) -> None:
    """The first run has read what is there, and defines when the second one has done so."""
    other = [
        schema("customers", {"id": TEXT, "LOYALTY_TIER": TEXT, "size": INTEGER}),
        record("customers", id="2", LOYALTY_TIER="Gold", size=7),
        state(1),
    ]
    with Simulator(rate_limit=100_000, metadata_put_replaces=True) as simulator:
        run = Runner(simulator, tmp_path)
        simulator.faults.add("timeout_before", method="PUT", path_pattern="metadata")
        with run.start(undefined_attributes="create", request_timeout_seconds=2) as first:
            first.write(LOYAL)
            wait_until(lambda: _writes(simulator))
            assert run(other, undefined_attributes="create").exit_code == 0
            first.close_stdin()
            assert first.result().exit_code == 0
        assert _defined(simulator) == DEFINED | {
            "sizeNum": {"type": "number", "displayName": "Size"}
        }
        assert (_custom(simulator), _custom(simulator, "2")) == (
            SENT,
            {"loyaltyTierStr": "Gold", "sizeNum": 7},
        )


# Allowed values

TIERS = [
    schema("customers", {"id": TEXT, "tier": TEXT, "name": TEXT}),
    record("customers", id="1", name="Ann", tier="Gold"),
    record("customers", id="2", name="Bob", tier=" gold "),
    record("customers", id="3", name="Cid", tier="Lead"),
    record("customers", id="4", name="Dan", tier=None),
    state(1),
]


def test_values_are_sent_as_the_org_spells_them_and_others_rejected(
    run: Runner, simulator: Simulator
) -> None:
    simulator.org.define_custom("customer", "tierStr", enumeration=["Gold", "Silver"])
    result = run(TIERS, max_rejected_records=1)
    assert (result.exit_code, result.states) == (0, [1])
    assert result.counts() == {"created": 3, "rejected": 1}
    assert (_custom(simulator), _custom(simulator, "2")) == ({"tierStr": "Gold"},) * 2
    [rejection] = [each["rejection"] for each in result.rejected]
    assert (rejection["reason"], rejection["attribute"], rejection["column"]) == (
        "not_allowed",
        "tierStr",
        "tier",
    )
    assert rejection["detail"] == "none of Gold, Silver"
    assert "Lead" not in result.log
    refused = [each for each in simulator.requests.as_dicts() if each["status"] == 400]
    assert refused == []


def test_values_that_are_not_allowed_may_be_left_out(run: Runner, simulator: Simulator) -> None:
    simulator.org.define_custom("customer", "tierStr", enumeration=["Gold", "Silver"])
    result = run(TIERS, invalid_values="omit")
    assert result.counts() == {"created": 4}
    assert not _custom(simulator, "3")


@pytest.mark.parametrize(
    "definition",
    [
        {"enumeration": []},
        {"enumeration": [{"value": "Gold"}]},
        {"enumeration": ["Gold"], "multi": True},
        {"enumeration": ["Gold"], "tree": {"children": [{"id": "Gold"}]}},
        {"enumeration": None},
    ],
)
def test_definitions_of_another_form_are_left_to_kustomer(
    definition: dict[str, Any], tmp_path: Path
) -> None:
    with Simulator(
        rate_limit=100_000, enumeration_enforced=False, tree_enforced=False
    ) as simulator:
        simulator.org.define_custom("customer", "tierStr", **definition)
        result = Runner(simulator, tmp_path)(TIERS)
        assert result.counts() == {"created": 4}
        assert _custom(simulator, "3") == {"tierStr": "Lead"}


def test_what_a_multi_level_list_does_not_have_kustomer_refuses(
    run: Runner, simulator: Simulator
) -> None:
    tree = {"children": [{"id": "Gold", "children": [{"id": "Gold.One"}]}]}
    simulator.org.define_custom("customer", "tierTree", tree=tree)
    streams = {"customers": {"fields": {"tier": "tierTree"}}}
    messages = [*TIERS[:2], record("customers", id="5", tier="Gold.One"), *TIERS[3:]]
    result = run(messages, streams=streams, max_rejected_records=-1)
    assert result.counts() == {"created": 3, "rejected": 1}
    assert result.reasons == {"3": "refused"}
    assert (_custom(simulator), _custom(simulator, "5")) == (
        {"tierTree": "Gold"},
        {"tierTree": "Gold.One"},
    )
