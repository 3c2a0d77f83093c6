"""meltano.yml and plugin.yaml offer what `--about` says, in the same words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FILES = ["meltano.yml", "plugin.yaml"]

HUB_REQUIRES = {"name", "namespace", "variant", "quality"}
HUB_KNOWS = HUB_REQUIRES | {
    *("capabilities", "commands", "definition", "description", "dialect", "docs", "domain_url"),
    *("executable", "hidden", "keywords", "label", "log_parser", "logo_url", "maintenance_status"),
    *("next_steps", "pip_url", "prereq", "python", "repo", "requires", "settings"),
    *("settings_group_validation", "settings_preamble", "supported_python_versions"),
    *("target_schema", "usage"),
}
"""What a loader of Meltano Hub must and may say (schemas/plugin_definitions of meltano/hub)."""


def read(name: str) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return value


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    printed = subprocess.run(
        [sys.executable, "-m", "target_kustomer", "--about", "--format=json"],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    description: dict[str, Any] = json.loads(printed)
    return description


@pytest.fixture(params=FILES)
def loader(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What each of the files says of the target."""
    found = read(request.param)
    if "plugins" in found:
        [found] = found["plugins"]["loaders"]
    return found


def test_the_files_are_what_the_script_writes() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/meltano.py", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_is_offered_in_the_words_of_about(
    about: dict[str, Any], loader: dict[str, Any]
) -> None:
    assert [(each["name"], each["label"], each["description"]) for each in loader["settings"]] == [
        (name, schema["title"], " ".join(schema["description"].split()))
        for name, schema in about["settings"]["properties"].items()
    ]


def test_what_is_secret_is_sensitive(about: dict[str, Any], loader: dict[str, Any]) -> None:
    secret = {name for name, each in about["settings"]["properties"].items() if each.get("secret")}
    assert {each["name"] for each in loader["settings"] if each.get("sensitive")} == secret
    assert "api_key" in secret


def test_values_are_the_defaults(about: dict[str, Any], loader: dict[str, Any]) -> None:
    defaults = {
        name: each["default"]
        for name, each in about["settings"]["properties"].items()
        if each.get("default") not in (None, {})
    }
    values = {each["name"]: each["value"] for each in loader["settings"] if "value" in each}
    assert values == defaults
    assert values["rate_limit_share"] == 0.8


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("api_key", "string"),
        ("region", "options"),
        ("streams", "object"),
        ("max_rejected_records", "integer"),
        ("rate_limit_share", "decimal"),
        ("request_timeout_seconds", "integer"),
        ("skip_unchanged", "boolean"),
        ("stream_maps", "object"),
    ],
)
def test_each_type_has_its_kind(name: str, kind: str, loader: dict[str, Any]) -> None:
    [setting] = (each for each in loader["settings"] if each["name"] == name)
    assert setting["kind"] == kind
    if kind == "options":
        assert [each["value"] for each in setting["options"]] == ["us", "eu", "in"]


def test_capabilities_are_those_of_about(about: dict[str, Any], loader: dict[str, Any]) -> None:
    assert loader["capabilities"] == sorted(about["capabilities"])


def test_the_required_settings_are_validated(about: dict[str, Any], loader: dict[str, Any]) -> None:
    assert loader["settings_group_validation"] == [about["settings"]["required"]]


def test_the_plugin_says_what_the_hub_asks_for() -> None:
    plugin = set(read("plugin.yaml"))
    assert plugin >= HUB_REQUIRES
    assert plugin <= HUB_KNOWS


def test_no_plugin_needs_the_hub() -> None:
    plugins = [plugin for kind in read("meltano.yml")["plugins"].values() for plugin in kind]
    for plugin in plugins:
        assert {"namespace", "executable"} <= set(plugin)
        assert "pip_url" in plugin or (ROOT / plugin["executable"]).exists()


def test_the_example_tap_prints_the_example() -> None:
    [tap] = (
        each
        for each in read("meltano.yml")["plugins"]["extractors"]
        if each["name"] == "tap-example"
    )
    printed = subprocess.run(
        [ROOT / tap["executable"], "--config", "any.json"], stdout=subprocess.PIPE, check=True
    ).stdout
    assert printed == (ROOT / "examples" / "companies-and-customers.singer").read_bytes()
