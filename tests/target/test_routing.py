from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, state

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.support import Runner


def _people(stream: str, *ids: str, **columns: Any) -> list[dict[str, Any]]:
    return [
        schema(stream, {"id": TEXT, "name": TEXT, **dict.fromkeys(columns, TEXT)}),
        *(record(stream, id=each, name=f"Name {each}", **columns) for each in ids),
    ]


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("customer", "customer"),
        ("customers", "customer"),
        ("public-customers", "customer"),
        ("shop.public.Customers", "customer"),
        ("crm-v2.CUSTOMER", "customer"),
        ("company", "company"),
        ("companies", "company"),
        ("public-companies", "company"),
        ("crm.Company", "company"),
    ],
)
def test_the_last_part_of_the_name_tells_the_object(
    stream: str, kind: str, run: Runner, simulator: Simulator
) -> None:
    result = run(_people(stream, "1"))
    assert result.exit_code == 0
    assert result.counts(stream) == {"created": 1}
    assert [each.resource for each in simulator.org.stored("customer")] == (
        ["customer"] if kind == "customer" else []
    )
    assert len(simulator.org.companies) == (kind == "company")


@pytest.mark.parametrize(
    "stream", ["orders", "customers-archive", "old_customers", "customerss", "customer's", "people"]
)
def test_any_other_stream_ends_the_run_at_its_schema(
    stream: str, run: Runner, simulator: Simulator
) -> None:
    messages = [
        schema("customers", CUSTOMERS),
        *customers(3),
        state(3),
        schema(stream, CUSTOMERS),
        record(stream, id="x", name="X"),
        state(4),
    ]
    result = run(messages)
    assert result.exit_code == 2
    assert stream in result.error
    assert f"streams.{stream}.object" in result.error
    assert "ignore" in result.error
    assert result.counts() == {"created": 3}
    assert len(simulator.org.customers) == 3
    assert result.states == [3]


@pytest.mark.parametrize("stream", ["people", "customers", "public-orders"])
def test_the_setting_wins_over_the_name(stream: str, run: Runner, simulator: Simulator) -> None:
    run(_people(stream, "1"), streams={stream: {"object": "company"}})
    assert len(simulator.org.companies) == 1
    assert not simulator.org.customers


def test_an_ignored_stream_is_counted_and_not_sent(run: Runner, simulator: Simulator) -> None:
    messages = [
        *_people("orders", "1", "2"),
        schema("customers", CUSTOMERS),
        *customers(1),
        record("orders", id="3", name=None),
        state(1),
    ]
    result = run(messages, streams={"orders": {"object": "ignore"}})
    assert result.exit_code == 0
    assert result.states == [1]
    assert "orders" not in result.summaries
    [line] = [line for line in result.log.splitlines() if line.startswith("ignored ")]
    assert "stream=orders" in line
    assert "3" in line
    assert len(simulator.org.customers) == 1
    assert not simulator.org.companies


def test_an_ignored_stream_may_have_any_records(run: Runner) -> None:
    messages = [
        schema("odd", {"_": {"type": "wrong"}}, keys=["missing"]),
        record("odd", nested={"a": [{}]}, _sdc_deleted_at="2024-01-01"),
        state(1),
    ]
    result = run(messages, streams={"odd": {"object": "ignore"}})
    assert (result.exit_code, result.states) == (0, [1])


def test_nothing_but_ignored_streams_needs_no_role(run: Runner, simulator: Simulator) -> None:
    simulator.org.add_key("bare", roles=[])
    result = run(
        [*_people("orders", "1"), state(1)],
        api_key="bare",
        streams={"orders": {"object": "ignore"}},
    )
    assert (result.exit_code, result.states) == (0, [1])


# External ids of several streams


@pytest.mark.parametrize("kind", ["customer", "company"])
def test_two_streams_that_take_the_same_external_ids_end_the_run(
    kind: str, run: Runner, simulator: Simulator
) -> None:
    streams = {"a": {"object": kind}, "b": {"object": kind}}
    messages = [*_people("a", "1", "2"), state(1), *_people("b", "1"), state(2)]
    result = run(messages, streams=streams)
    assert result.exit_code == 2
    assert "external_id_prefix" in result.error
    assert "b" in result.error
    assert result.states == [1]
    assert len(simulator.org.stored("customer") + simulator.org.stored("company")) == 2


@pytest.mark.parametrize("kind", ["customer", "company"])
def test_a_prefix_keeps_the_external_ids_of_two_streams_apart(
    kind: str, run: Runner, simulator: Simulator
) -> None:
    streams = {"a": {"object": kind}, "b": {"object": kind, "external_id_prefix": "b-"}}
    result = run([*_people("a", "1"), *_people("b", "1")], streams=streams)
    assert result.exit_code == 0
    stored = simulator.org.customers or simulator.org.companies
    assert sorted(each.attributes["externalId"] for each in stored) == ["1", "b-1"]


def test_two_streams_with_one_prefix_end_the_run_too(run: Runner) -> None:
    entry = {"object": "customer", "external_id_prefix": "x-"}
    result = run([*_people("a", "1"), *_people("b", "2")], streams={"a": entry, "b": entry})
    assert result.exit_code == 2


def test_a_prefixed_customer_is_found_again(run: Runner, simulator: Simulator) -> None:
    streams = {"a": {"object": "customer", "external_id_prefix": "shop-"}}
    run(_people("a", "1"), streams=streams)
    assert run(_people("a", "1"), streams=streams).counts("a") == {"updated": 1}
    assert len(simulator.org.customers) == 1


def test_an_external_id_that_is_no_key_conflicts_with_nothing(run: Runner) -> None:
    streams = {
        "a": {"object": "customer"},
        "b": {"object": "customer", "fields": {"code": "externalId"}},
    }
    messages = [*_people("a", "1"), *_people("b", "1", code="z")]
    assert run(messages, streams=streams).exit_code == 0


def test_customers_and_companies_may_have_the_same_external_ids(run: Runner) -> None:
    assert run([*_people("companies", "1"), *_people("customers", "1")]).exit_code == 0


def test_one_stream_may_send_its_schema_again(run: Runner) -> None:
    messages = [*_people("customers", "1"), *_people("customers", "2", code="z")]
    assert run(messages).counts() == {"created": 2}


# The prefix of a customer's company


def _linked(streams: dict[str, Any], run: Runner, simulator: Simulator) -> str | None:
    """The external id of the company that the customer ends with."""
    messages = [
        schema("firms", COMPANIES),
        record("firms", id="a", name="Example Gardens"),
        *_people("customers", "1", company_id="a"),
    ]
    result = run(messages, streams=streams)
    assert result.exit_code == 0, result.rejected
    customer = simulator.org.customers[0]
    company = simulator.org.get("company", customer.company or "")
    return None if company is None else company.attributes["externalId"]


def test_a_link_takes_the_prefix_of_the_company_stream(run: Runner, simulator: Simulator) -> None:
    streams = {"firms": {"object": "company", "external_id_prefix": "f-"}}
    assert _linked(streams, run, simulator) == "f-a"


def test_a_link_takes_the_prefix_of_a_company_stream_found_by_glob(
    run: Runner, simulator: Simulator
) -> None:
    streams = {"fi*": {"object": "company", "external_id_prefix": "f-"}}
    assert _linked(streams, run, simulator) == "f-a"


def test_a_customer_streams_own_company_prefix_wins(run: Runner, simulator: Simulator) -> None:
    simulator.org.add_company({"name": "Other", "externalId": "other-a"})
    streams = {
        "firms": {"object": "company", "external_id_prefix": "f-"},
        "customers": {"company_external_id_prefix": "other-", "external_id_prefix": "c-"},
    }
    assert _linked(streams, run, simulator) == "other-a"


def test_an_empty_company_prefix_is_one(run: Runner, simulator: Simulator) -> None:
    simulator.org.add_company({"name": "Other", "externalId": "a"})
    streams = {
        "firms": {"object": "company", "external_id_prefix": "f-"},
        "customers": {"company_external_id_prefix": ""},
    }
    assert _linked(streams, run, simulator) == "a"


@pytest.mark.parametrize(
    ("entry", "warned"),
    [
        ("customers", True),
        ("public-customer", True),
        ("public-customers", False),
        ("*-customers", False),
        ("orders", False),
    ],
)
def test_an_entry_whose_stream_has_nearly_that_name_is_warned_of(
    entry: str,
    warned: bool,  # noqa: FBT001
    run: Runner,
) -> None:
    lines = _people("public-customers", "1")
    result = run(lines, streams={entry: {"nulls": "ignore"}})
    said = f"streams.{entry}: no stream has this name; did you mean public-customers?"
    assert (said in result.log, "did you mean" in result.log) == (warned, warned)
