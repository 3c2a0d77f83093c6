"""meltano.yml offers what `--about` says, in the same words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
KINDS = {
    "array": "array",
    "boolean": "boolean",
    "integer": "integer",
    "number": "decimal",
    "object": "object",
    "string": "string",
}


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    printed = subprocess.run(
        [sys.executable, "-m", "target_kustomer", "--about", "--format=json"],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    description: dict[str, Any] = json.loads(printed)
    return description


@pytest.fixture(scope="module")
def loader() -> dict[str, Any]:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    [plugin] = project["plugins"]["loaders"]
    assert isinstance(plugin, dict)
    return plugin


def meltano_kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "options"
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    [kind] = (KINDS[each] for each in types if each != "null")
    if kind != "decimal":
        return kind
    # Meltano 4.4 fails on a decimal from the environment, and passes on a fraction from
    # meltano.yml for an integer: numbers that are whole by habit are integers there.
    return "integer" if float(schema["default"]).is_integer() else "decimal"


def as_meltano_setting(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    setting = {
        "name": name,
        "kind": meltano_kind(schema),
        "label": schema["title"],
        "description": " ".join(schema["description"].split()),
    }
    if schema.get("secret"):
        setting["sensitive"] = True
    if "enum" in schema:
        setting["options"] = [{"label": value, "value": value} for value in schema["enum"]]
    return setting


def test_every_setting_is_offered_in_the_words_of_about(
    about: dict[str, Any], loader: dict[str, Any]
) -> None:
    properties = about["settings"]["properties"]

    assert loader["settings"] == [as_meltano_setting(*each) for each in properties.items()]


def test_capabilities_are_those_of_about(about: dict[str, Any], loader: dict[str, Any]) -> None:
    assert sorted(loader["capabilities"]) == sorted(about["capabilities"])


def test_the_required_settings_are_validated(about: dict[str, Any], loader: dict[str, Any]) -> None:
    assert loader["settings_group_validation"] == [about["settings"]["required"]]


def test_no_plugin_needs_the_hub() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))

    plugins = [plugin for kind in project["plugins"].values() for plugin in kind]
    assert all({"namespace", "pip_url", "executable"} <= set(plugin) for plugin in plugins)
