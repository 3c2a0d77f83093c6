from __future__ import annotations

from typing import Any

import pytest

from target_kustomer.planning.writes import Change, after_write, changes

HELD = {
    "name": "Ann",
    "externalId": "1",
    "externalIds": [{"externalId": "1"}, {"externalId": "9"}],
    "tags": ["a", "b"],
    "custom": {"ageNum": 1, "noteStr": "x"},
    "company": "k1",
}


@pytest.mark.parametrize(
    ("sent", "after"),
    [
        ({"name": "Bob", "company": "k1"}, {"name": "Bob"}),
        ({"name": None, "company": "k1"}, {"name": None}),
        ({"tags": ["c"], "company": "k1"}, {"tags": ["c"]}),
        ({"custom": {"ageNum": 2}, "company": "k1"}, {"custom": {"ageNum": 2, "noteStr": "x"}}),
        ({"custom": {"ageNum": None}, "company": "k1"}, {"custom": {"noteStr": "x"}}),
        ({"company": "k2"}, {"company": "k2"}),
        ({"name": "Ann"}, {"company": None}),
        (
            {"externalId": "2", "company": "k1"},
            {
                "externalId": "2",
                "externalIds": [{"externalId": "2", "verified": True}, {"externalId": "9"}],
            },
        ),
        (
            {"externalIds": [{"externalId": "5"}], "company": "k1"},
            {"externalId": "5", "externalIds": [{"externalId": "5"}]},
        ),
        ({"id": "k", "_clientRef": "0", "rev": 3, "company": "k1"}, {}),
    ],
)
def test_what_is_there_after_a_write(sent: dict[str, Any], after: dict[str, Any]) -> None:
    expected = {name: value for name, value in {**HELD, **after}.items() if value is not None}
    assert after_write("customer", HELD, sent) == expected


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({"name": "Ann", "tags": ["a", "b"], "company": "k1"}, {}),
        ({"name": "Bob"}, {"name": Change("Ann", "Bob")}),
        ({"tags": ["b", "a"]}, {"tags": Change(["a", "b"], ["b", "a"])}),
        ({"tags": ["a"]}, {"tags": Change(["a", "b"], ["a"])}),
        ({"custom": {"ageNum": 2, "noteStr": "x"}}, {"custom.ageNum": Change(1, 2)}),
        ({"company": None}, {"company": Change("k1", None)}),
        ({"locale": None}, {}),
    ],
)
def test_what_changes_is_what_is_not_held(sent: dict[str, Any], changed: dict[str, Change]) -> None:
    assert changes("customer", HELD, sent) == changed
