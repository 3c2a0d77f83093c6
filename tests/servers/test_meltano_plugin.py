"""What Meltano makes of the loader: added, configured, and asked for its commands."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from target_kustomer.simulator import Simulator
from tests.servers.projects import Project, lasting, page_blocks
from tests.support import wait_until

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugin.yaml"
STREAM = ROOT / "examples" / "companies-and-customers.singer"
EMPTY = "default_environment: dev\nproject_id: empty\nenvironments:\n- name: dev\n"
HUB_ONLY = {
    *("domain_url", "keywords", "maintenance_status", "prereq", "quality", "settings_preamble"),
    "usage",
}
"""What plugin.yaml says to the Hub alone."""


@pytest.fixture(scope="module")
def added(
    meltano: Path, offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project to which the target was added as the page says: by plugin.yaml, from its wheel."""
    project = Project(meltano, tmp_path_factory.mktemp("added"))
    (project.folder / "meltano.yml").write_text(EMPTY, encoding="utf-8")
    # The page's command sets UV_FIND_LINKS itself.
    wheels = offline["UV_FIND_LINKS"]
    uv = project.folder / "uv.toml"
    uv.write_text(f"find-links = [{json.dumps(wheels)}]\n", encoding="utf-8")
    done = project.follow(
        page_blocks()["adding"].replace("/path/to/target-kustomer", str(ROOT)),
        **offline,
        UV_CONFIG_FILE=str(uv),
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=wheels,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Added loader 'target-kustomer'" in done.stdout
    return project


def loader_of(project: Project) -> dict[str, Any]:
    text = (project.folder / "meltano.yml").read_text(encoding="utf-8")
    [loader] = yaml.safe_load(text)["plugins"]["loaders"]
    assert isinstance(loader, dict)
    return loader


@pytest.fixture(scope="module")
def loader_schema(meltano: Path) -> dict[str, Any]:
    """What Meltano's own JSON Schema says of a loader in meltano.yml."""
    [path] = meltano.resolve().parents[1].glob("lib/python*/site-packages/meltano/schemas/*.json")
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {"$defs": schema["$defs"], "$ref": "#/$defs/plugins/loaders"}


def test_the_plugin_is_one_that_meltanos_schema_knows(loader_schema: dict[str, Any]) -> None:
    plugin = yaml.safe_load(PLUGIN.read_text(encoding="utf-8"))
    for_meltano = {key: value for key, value in plugin.items() if key not in HUB_ONLY}
    validator = Draft202012Validator(loader_schema)
    assert [error.message for error in validator.iter_errors(for_meltano)] == []
    assert not validator.is_valid({**for_meltano, "capabilities": ["magic"]})


def test_meltano_add_writes_all_that_the_plugin_says(
    added: Project, loader_schema: dict[str, Any]
) -> None:
    plugin = yaml.safe_load(PLUGIN.read_text(encoding="utf-8"))
    loader = loader_of(added)
    told = ("name", "namespace", "variant", "pip_url", "executable", "capabilities", "settings")
    for key in (*told, "settings_group_validation", "commands"):
        assert loader[key] == plugin[key], key
    assert Draft202012Validator(loader_schema).is_valid(loader)


def test_what_was_added_runs(
    added: Project, project: Project, sandbox: dict[str, str], simulator: Simulator
) -> None:
    records = project.run("invoke", "tap-example")
    assert records.stdout == STREAM.read_text(encoding="utf-8")
    done = added.feed(
        STREAM,
        "invoke",
        "target-kustomer",
        **sandbox,
        TARGET_KUSTOMER_DEFAULT_PHONE_REGION="US",
    )
    assert done.returncode == 3, done.stderr  # the target's own: nothing of Meltano is between
    assert len(simulator.org.customers) == 7


def test_meltano_config_sets_and_lists_every_setting_and_hides_the_key(
    project: Project, page: dict[str, str]
) -> None:
    listed = project.follow(page["setting"])
    assert listed.returncode == 0, listed.stderr
    plugin = yaml.safe_load(PLUGIN.read_text(encoding="utf-8"))
    for setting in plugin["settings"]:
        variable = f"TARGET_KUSTOMER_{setting['name'].upper()}"
        assert f"{setting['name']} [env: {variable}" in listed.stdout
        assert f"{setting['label']}: {setting['description']}" in listed.stdout
    assert "max_parallel_requests [env: TARGET_KUSTOMER_MAX_PARALLEL_REQUESTS] " in listed.stdout
    assert "YOUR_KEY" not in listed.stdout
    assert "YOUR_KEY" in (project.folder / ".env").read_text(encoding="utf-8")
    assert loader_of(project)["config"] == {"org": "acme"}


def test_what_meltano_config_sets_reaches_the_target(
    project: Project, sandbox: dict[str, str]
) -> None:
    for name, value in (
        ("rate_limit_share", "0.25"),
        ("max_parallel_requests", "2"),
        ("streams", '{"people": {"object": "customer", "fields": {"since": "signedUpAt"}}}'),
    ):
        done = project.run("config", "set", "target-kustomer", name, value)
        assert done.returncode == 0, done.stderr

    dumped = project.run("invoke", "--dump=config", "target-kustomer", **sandbox)
    config = json.loads(dumped.stdout)
    assert config["rate_limit_share"] == 0.25
    assert config["max_parallel_requests"] == 2
    assert config["streams"] == {
        "people": {"object": "customer", "fields": {"since": "signedUpAt"}}
    }
    checked = project.run("invoke", "target-kustomer:check", **sandbox)
    assert "a run uses up to 25 %" in checked.stdout
    assert "stream people" in checked.stdout


def test_about_is_what_the_target_says(project: Project) -> None:
    printed = [
        project.run("invoke", *arguments).stdout
        for arguments in (
            ("target-kustomer", "--about"),
            ("target-kustomer:about",),
            ("target-kustomer", "--about", "--format=json"),
        )
    ]
    assert printed[0] == printed[1]
    assert json.loads(printed[2])["name"] == "target-kustomer"


def test_the_commands_are_listed_with_what_they_do(project: Project) -> None:
    listed = project.run("invoke", "--list-commands", "target-kustomer").stdout
    for name in ("about", "check", "plan"):
        assert f"target-kustomer:{name}" in listed
    assert "It writes nothing" in listed


def test_check_says_what_a_run_needs(project: Project, page: dict[str, str]) -> None:
    with Simulator() as simulator:
        address = {"TARGET_KUSTOMER_API_URL": simulator.url}
        done = project.follow(page["checking"], **address)
        refused = project.follow(page["checking"], **address, TARGET_KUSTOMER_API_KEY="wrong")

    assert done.returncode == 0, done.stderr
    assert lasting(done.stdout) == lasting(page["check"])
    assert refused.returncode == 4
    assert "FAIL  api key" in refused.stdout


def test_plan_says_what_a_run_would_do_with_what_the_tap_prints(
    project: Project, sandbox: dict[str, str], simulator: Simulator, page: dict[str, str]
) -> None:
    address = {"TARGET_KUSTOMER_API_URL": sandbox["TARGET_KUSTOMER_API_URL"]}

    done = project.follow(page["planning"], **address)

    assert done.returncode == 10, done.stderr
    assert "A run would create 12 records and update 1." in done.stdout
    assert "subscriptionPlanStr" in done.stdout  # as the environment `simulator` maps it
    assert simulator.org.customers == []


def test_the_example_is_loaded_by_its_job(
    project: Project, sandbox: dict[str, str], simulator: Simulator, page: dict[str, str]
) -> None:
    done = project.follow(page["loading"], **sandbox)

    assert done.returncode == 0, done.stderr
    assert set(lasting(page["example"])) <= set(lasting(done.stderr))
    assert len(simulator.org.companies) == 5
    assert len(simulator.org.customers) == 7
    assert len(project.rejects) == 1
    state = project.state("simulator:tap-example-to-target-kustomer")
    assert state["singer_state"]["bookmarks"]["customers"]["replication_key_value"] == 112


def test_stream_maps_in_meltano_yml(
    project: Project, sandbox: dict[str, str], simulator: Simulator, page: dict[str, str]
) -> None:
    project.configure(page["maps"])

    done = project.run("run", "example", **sandbox)

    assert done.returncode == 0, done.stderr
    assert "filtered stream=customers records=" in done.stderr
    assert simulator.org.companies == []
    assert {
        each.attributes["name"]: each.attributes["custom"]["decadeNum"]
        for each in simulator.org.customers
    } == {
        "Ada Example": 30,
        "Cy Placeholder": 50,
        "Eli Madeup": 40,
        "Gus Notreal": 60,
        "Hal Pretend": 30,
        "Ivy Imaginary": 30,
        "Jo Dummy": 40,
        "Lou Mockup": 50,
    }


def test_the_simulator_is_a_plugin_too(project: Project, sandbox: dict[str, str]) -> None:
    arguments = ("invoke", "kustomer-simulator:serve", "--port=0")
    with project.start(*arguments) as meltano:
        wait_until(lambda: "Kustomer simulator at" in project.log.read_text(encoding="utf-8"))
        log = project.log.read_text(encoding="utf-8")
        [(url, key)] = re.findall(r"Kustomer simulator at (\S+) with API key (\S+)", log)
        answer = httpx.get(f"{url}/simulator/state")
        meltano.send_signal(signal.SIGTERM)
        assert meltano.wait(60) == 0
    assert answer.json()["customers"] == []
    assert key == sandbox["TARGET_KUSTOMER_API_KEY"]
