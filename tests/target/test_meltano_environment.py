"""Settings in the environment as Meltano puts them there for a plugin's commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_kustomer.settings import CONFIG_JSONSCHEMA, parse_environment
from target_kustomer.target import TargetKustomer

PREFIX = "TARGET_KUSTOMER_"


def read(name: str, value: Any) -> Any:
    TargetKustomer.append_builtin_config(CONFIG_JSONSCHEMA)
    return parse_environment(PREFIX, {f"{PREFIX}{name.upper()}": json.dumps(value)})[name]


@pytest.mark.parametrize(
    ("in_environment", "in_file"),
    [
        (
            {"people.object": "customer", "people.fields.since": "signedUpAt"},
            {"people": {"object": "customer", "fields": {"since": "signedUpAt"}}},
        ),
        (
            {"people.match_on": ["email"], "people.fields.note": None},
            {"people": {"match_on": ["email"], "fields": {}}},
        ),
        (
            {"crm\\.people.object": "customer", "firms.object": "company"},
            {"crm.people": {"object": "customer"}, "firms": {"object": "company"}},
        ),
        (
            {"crm\\.people": {"fields": {"profile\\.plan": "planStr", "note": None}}},
            {"crm.people": {"fields": {"profile.plan": "planStr", "note": None}}},
        ),
    ],
)
def test_streams_are_what_meltano_writes_into_a_config_file(
    in_environment: dict[str, Any], in_file: dict[str, Any]
) -> None:
    assert read("streams", in_environment) == in_file


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"crm.people": {"object": "customer", "fields": {"profile.plan": "planStr", "x": None}}},
        {"people": 1, "people.object": "customer"},
    ],
)
def test_what_meltano_has_not_joined_stays_as_it_is(value: dict[str, Any]) -> None:
    assert read("streams", value) == value


def test_stream_maps_are_nested_too() -> None:
    assert read("stream_maps", {"people.__alias__": "customers", "firms": "__NULL__"}) == {
        "people": {"__alias__": "customers"},
        "firms": "__NULL__",
    }
    as_it_is = {"crm.people": None, "crm.firms": "__NULL__", "__else__": None}
    assert read("stream_maps", as_it_is) == as_it_is


def test_other_objects_keep_their_dots() -> None:
    assert read("stream_map_config", {"a.b": 1}) == {"a.b": 1}
