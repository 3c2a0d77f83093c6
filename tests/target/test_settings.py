from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_kustomer.exceptions import ConfigurationError
from target_kustomer.target import TargetKustomer
from tests.support import COMPANIES, CUSTOMERS, TEXT, customers, record, schema, to_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from target_kustomer.simulator import Simulator
    from tests.support import Runner

PREFIX = "TARGET_KUSTOMER_"
CANARY = "canary4711"

NOBODY = {f"{PREFIX}API_URL": "http://127.0.0.1:9", f"{PREFIX}RETRY_DEADLINE_SECONDS": "0"}
"""An address at which nobody listens, asked once."""

DEFAULTS: dict[str, Any] = {
    "api_key": None,
    "org": None,
    "region": "us",
    "api_url": None,
    "streams": {},
    "nulls": "clear",
    "lists": "merge",
    "invalid_values": "reject",
    "missing_company": "reject",
    "default_phone_region": None,
    "max_rejected_records": 0,
    "rejects_dir": "kustomer-rejects",
    "max_parallel_requests": 8,
    "rate_limit_share": 0.8,
    "request_timeout_seconds": 30,
    "retry_deadline_seconds": 300,
    "job_timeout_seconds": 900,
    "lost_answer_wait_seconds": 60,
    "shutdown_grace_seconds": 25,
}

ENUMS = {
    "region": ["us", "eu", "in"],
    "nulls": ["clear", "ignore"],
    "lists": ["merge", "replace"],
    "invalid_values": ["reject", "omit"],
    "missing_company": ["reject", "create", "ignore"],
}

FROM_ENVIRONMENT: list[tuple[str, str, Any]] = [
    ("api_key", "12345", "12345"),
    ("api_key", "true", "true"),
    ("org", "acme", "acme"),
    ("org", "1234", "1234"),
    ("region", "eu", "eu"),
    ("api_url", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ("streams", "{}", {}),
    ("nulls", "ignore", "ignore"),
    ("lists", "replace", "replace"),
    ("invalid_values", "omit", "omit"),
    ("missing_company", "create", "create"),
    ("default_phone_region", "DE", "DE"),
    ("max_rejected_records", "-1", -1),
    ("rejects_dir", "/srv/rejects", "/srv/rejects"),
    ("max_parallel_requests", "3", 3),
    ("rate_limit_share", "0.25", 0.25),
    ("rate_limit_share", "1", 1),
    ("request_timeout_seconds", "2.5", 2.5),
    ("retry_deadline_seconds", "0", 0),
    ("job_timeout_seconds", "60", 60),
    ("lost_answer_wait_seconds", "1.5", 1.5),
    ("shutdown_grace_seconds", "5", 5),
    ("batch_size_rows", "50", 50),
    ("add_record_metadata", "true", True),
    ("add_record_metadata", "false", False),
    ("flattening_enabled", "True", True),
    ("flattening_max_depth", "2", 2),
    ("flattening_separator", ".", "."),
    ("stream_maps", '{"customers": {"age": null}}', {"customers": {"age": None}}),
]


@pytest.fixture
def base(simulator: Simulator) -> dict[str, Any]:
    return {"api_url": simulator.url, "api_key": simulator.api_key}


@pytest.fixture
def configured(
    base: dict[str, Any], cli: Callable[..., Result], tmp_path: Path
) -> Callable[..., Result]:
    """Runs the command line with settings from a file, or from the environment."""

    def invoke(source: str, lines: bytes, **settings: Any) -> Result:
        if source == "file":
            path = _file(tmp_path, "config.json", {**base, **settings})
            return cli("--config", path, stdin=lines)
        given = {**base, **{name: json.dumps(value) for name, value in settings.items()}}
        env = {f"{PREFIX}{name.upper()}": text for name, text in given.items()}
        return cli("--config=ENV", stdin=lines, env=env)

    return invoke


def _file(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_settings_of_streams_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{PREFIX}API_KEY", "key")
    monkeypatch.setenv(f"{PREFIX}STREAMS", '{"people": {"object": "company", "mode": "update"}}')
    entry = TargetKustomer(parse_env_config=True).run.settings.stream("people")
    assert (entry.object, entry.mode) == ("company", "update")


def test_every_setting_is_read_from_the_environment() -> None:
    assert {name for name, _, _ in FROM_ENVIRONMENT} >= set(DEFAULTS)


@pytest.mark.parametrize(("name", "text", "value"), FROM_ENVIRONMENT)
def test_a_setting_from_the_environment_has_its_type(
    name: str, text: str, value: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{PREFIX}API_KEY", "key")
    monkeypatch.setenv(f"{PREFIX}FLATTENING_MAX_DEPTH", "1")  # the SDK wants it when enabled
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", text)
    config = TargetKustomer(parse_env_config=True).config
    assert config[name] == value
    assert type(config[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("region", CANARY),
        ("nulls", CANARY),
        ("api_url", CANARY),
        ("org", f"{CANARY} {CANARY}"),
        ("streams", CANARY),
        ("streams", f'["{CANARY}"]'),
        ("streams", f'{{"people": {{"object": "{CANARY}"}}}}'),
        ("max_rejected_records", CANARY),
        ("max_rejected_records", "1.5"),
        ("max_rejected_records", "-2"),
        ("max_rejected_records", "true"),
        ("max_parallel_requests", "0"),
        ("max_parallel_requests", CANARY),
        ("rate_limit_share", "1.5"),
        ("rate_limit_share", "0"),
        ("rate_limit_share", "NaN"),
        ("request_timeout_seconds", CANARY),
        ("request_timeout_seconds", "NaN"),
        ("retry_deadline_seconds", CANARY),
        ("job_timeout_seconds", "[]"),
        ("lost_answer_wait_seconds", "-1"),
        ("shutdown_grace_seconds", CANARY),
        ("batch_size_rows", CANARY),
        ("add_record_metadata", CANARY),
        ("flattening_max_depth", CANARY),
        ("stream_maps", CANARY),
        ("default_phone_region", CANARY),
        ("api_key", ""),
    ],
)
def test_a_bad_value_in_the_environment_ends_with_exit_2_and_is_not_told(
    name: str, text: str, cli: Callable[..., Result]
) -> None:
    variable = f"{PREFIX}{name.upper()}"
    env = {**NOBODY, f"{PREFIX}API_KEY": "key", variable: text}
    result = cli("--config=ENV", env=env)
    assert result.exit_code == 2, result.stderr
    assert CANARY not in result.output
    assert name in result.stderr.splitlines()[-1].lower()
    assert result.stdout == ""


@pytest.mark.parametrize(
    "config",
    [
        {"api_key": 47114711},
        {"api_key": 4711.4711},
        {"api_key": [CANARY]},
        {"api_key": {CANARY: CANARY}},
        {"api_key": "key", "region": CANARY},
        {"api_key": "key", "max_rejected_records": CANARY},
        {"api_key": "key", "rejects_dir": [CANARY]},
        {"api_key": "key", "streams": {"people": {"mode": CANARY}}},
        {"api_key": "key", "streams": {"people": {"match_on": [CANARY]}}},
        {"api_key": "key", "streams": {"people": {"fields": {"a": [CANARY]}}}},
        {"api_key": "key", "streams": [CANARY]},
        {"api_key": "key", "stream_maps": CANARY},
    ],
)
def test_a_bad_value_in_a_file_ends_with_exit_2_and_is_not_told(
    config: dict[str, Any], cli: Callable[..., Result], tmp_path: Path
) -> None:
    result = cli("--config", _file(tmp_path, "config.json", config))
    assert result.exit_code == 2, result.stderr
    assert CANARY not in result.output
    assert "4711" not in result.output
    assert list(config)[-1] in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[1]", b'"text"', b"7", b"null", b"", f"{{{CANARY}".encode()]
)
def test_a_config_file_that_is_no_json_object_ends_with_exit_2(
    content: bytes, cli: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    result = cli("--config", path)
    assert result.exit_code == 2, result.stderr
    assert CANARY not in result.output
    assert f"{path} is no JSON object" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_the_place_of_what_is_no_json_is_told(
    base: dict[str, Any], cli: Callable[..., Result], tmp_path: Path
) -> None:
    good, broken = _file(tmp_path, "config.json", base), tmp_path / "more.json"
    broken.write_text('{\n  "nulls": "ignore"\n  "org": "acme"\n}', encoding="utf-8")
    result = cli("--config", good, "--config", broken)
    assert result.exit_code == 2
    [last] = result.stderr.splitlines()[-1:]
    assert f"{broken} is no JSON object (line 3, column 3)" in last


def test_a_config_file_that_is_missing_is_named(cli: Callable[..., Result]) -> None:
    result = cli("--config", "nowhere.json")
    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr.splitlines()[-1]


def test_a_folder_as_config_file_ends_with_exit_2(
    cli: Callable[..., Result], tmp_path: Path
) -> None:
    result = cli("--config", tmp_path)
    assert result.exit_code == 2, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("args", [[], ["--config=ENV"]])
def test_a_missing_api_key_is_named(args: list[str], cli: Callable[..., Result]) -> None:
    result = cli(*args)
    assert result.exit_code == 2
    assert "api_key" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "settings",
    [
        {"flattening_enabled": True},
        {"stream_maps": {"__else__": CANARY}},
        {"stream_maps": {"customers": {"name": "1 +"}}},
    ],
)
def test_what_the_sdk_finds_wrong_with_its_settings_ends_with_exit_2(
    settings: dict[str, Any], base: dict[str, Any], cli: Callable[..., Result], tmp_path: Path
) -> None:
    path = _file(tmp_path, "config.json", {**base, **settings})
    lines = to_lines([schema("customers", CUSTOMERS), *customers(1)])
    result = cli("--config", path, stdin=lines)
    assert result.exit_code == 2, result.stderr
    assert "Traceback" not in result.stderr
    word = next(iter(settings)).partition("_")[0]
    assert word in result.stderr.splitlines()[-1].lower()


def test_an_unknown_option_ends_with_exit_2(cli: Callable[..., Result]) -> None:
    assert cli("--no-such-option").exit_code == 2


def test_of_several_config_files_the_later_one_wins(
    base: dict[str, Any], cli: Callable[..., Result], tmp_path: Path
) -> None:
    first = _file(tmp_path, "a.json", {**base, "api_key": "wrong", "max_rejected_records": 0})
    second = _file(tmp_path, "b.json", {"api_key": base["api_key"], "max_rejected_records": 1})
    bad = record("customers", id="bad", age="old")
    lines = to_lines([schema("customers", CUSTOMERS), bad])
    assert cli("--config", first, "--config", second, stdin=lines).exit_code == 0
    assert cli("--config", second, "--config", first, stdin=lines).exit_code == 4


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_limit_share", 0.5),
        ("request_timeout_seconds", 5.5),
        ("retry_deadline_seconds", 5.5),
        ("job_timeout_seconds", 60.5),
        ("lost_answer_wait_seconds", 0.1),
        ("shutdown_grace_seconds", 2.5),
    ],
)
@pytest.mark.parametrize("source", ["file", "environment"])
def test_a_number_with_a_fraction_is_a_number(
    name: str, value: float, source: str, configured: Callable[..., Result], simulator: Simulator
) -> None:
    simulator.faults.add("500", path_pattern="customers/bulk")
    simulator.faults.add("reset_after", method="POST", path_pattern="companies/bulk")
    messages = [
        schema("companies", COMPANIES),
        record("companies", id="a", name="Firm"),
        schema("customers", CUSTOMERS),
        *customers(3),
    ]
    settings = {"lost_answer_wait_seconds": 1, name: value}
    result = configured(source, to_lines(messages), **settings)
    assert result.exit_code == 0, result.stderr
    assert len(simulator.org.customers) == 3
    assert len(simulator.org.companies) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size_rows", 2.0), ("max_parallel_requests", 4.0), ("max_rejected_records", 1.0)],
)
@pytest.mark.parametrize("source", ["file", "environment"])
def test_a_whole_number_written_with_a_point_is_taken_or_refused(
    name: str, value: float, source: str, configured: Callable[..., Result]
) -> None:
    lines = to_lines([schema("customers", CUSTOMERS), *customers(3)])
    result = configured(source, lines, **{name: value})
    assert result.exit_code in {0, 2}, result.stderr


@pytest.mark.parametrize("source", ["file", "environment"])
def test_a_job_time_out_may_have_a_fraction(
    source: str, configured: Callable[..., Result], simulator: Simulator
) -> None:
    simulator.faults.add("stuck_job")
    lines = to_lines([schema("customers", CUSTOMERS), *customers(3)])
    assert configured(source, lines, job_timeout_seconds=0.25).exit_code == 5


def test_settings_come_from_the_environment_and_a_file_together(
    base: dict[str, Any], cli: Callable[..., Result], tmp_path: Path, simulator: Simulator
) -> None:
    path = _file(tmp_path, "config.json", {"streams": {"people": {"object": "customer"}}})
    env = {f"{PREFIX}{name.upper()}": value for name, value in base.items()}
    lines = to_lines([schema("people", CUSTOMERS), record("people", id="1", name="Ann")])
    assert cli("--config=ENV", "--config", path, stdin=lines, env=env).exit_code == 0
    assert len(simulator.org.customers) == 1


@pytest.mark.parametrize("first", ["environment", "file"])
def test_the_environment_wins_over_a_file(
    first: str,
    base: dict[str, Any],
    cli: Callable[..., Result],
    tmp_path: Path,
    simulator: Simulator,
) -> None:
    """So scripts/tour never leads to the org that the given settings name."""
    elsewhere = {"api_url": "http://127.0.0.1:9", "api_key": "another", "org": "acme"}
    sources = ["--config=ENV", f"--config={_file(tmp_path, 'config.json', elsewhere)}"]
    env = {f"{PREFIX}{name.upper()}": value for name, value in base.items()}
    lines = to_lines([schema("customers", CUSTOMERS), *customers(1)])

    result = cli(*(sources if first == "environment" else sources[::-1]), stdin=lines, env=env)

    assert result.exit_code == 0, result.stderr
    assert len(simulator.org.customers) == 1


def test_the_environment_counts_only_when_asked_for(
    base: dict[str, Any], cli: Callable[..., Result], tmp_path: Path
) -> None:
    path = _file(tmp_path, "config.json", base)
    env = {f"{PREFIX}API_KEY": "wrong"}
    assert cli("--config", path, env=env).exit_code == 0
    assert cli("--config", path).exit_code == 0


@pytest.mark.parametrize("length", [20, 400], ids=["short", "too long for a name"])
def test_a_key_in_the_place_of_a_file_is_not_told(cli: Callable[..., Result], length: int) -> None:
    result = cli("--config", f"{'e' * length}.{CANARY}.c2ln")
    assert result.exit_code == 2
    assert "a --config file cannot be read" in result.stderr.splitlines()[-1]
    assert CANARY not in result.output


def test_a_file_of_variables_in_the_current_folder_gives_what_the_environment_lacks(
    base: dict[str, Any], cli: Callable[..., Result]
) -> None:
    given = {**base, "api_key": "wrong", "nulls": "wrong"}
    lines = [f"{PREFIX}{name.upper()}='{value}'\n" for name, value in given.items()]
    Path(".env").write_text("".join(lines), encoding="utf-8")
    env = {f"{PREFIX}API_KEY": base["api_key"], f"{PREFIX}NULLS": "ignore"}
    assert cli("--config=ENV", env=env).exit_code == 0
    assert cli("--config=ENV").exit_code == 2
    assert "api_key" in cli().stderr.splitlines()[-1]  # it counts as the environment does


def test_a_file_of_variables_that_is_no_text_ends_with_exit_2(cli: Callable[..., Result]) -> None:
    Path(".env").write_bytes(b"TARGET_KUSTOMER_ORG=\xff\n")
    result = cli("--config=ENV")
    assert result.exit_code == 2
    assert ".env cannot be read" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("max_rejected_record", "max_rejected_records"),
        ("apiurl", "api_url"),
        ("reject_dir", "rejects_dir"),
        ("stream_map", "stream_maps"),
        ("flatening_enabled", "flattening_enabled"),
    ],
)
def test_an_unknown_setting_is_warned_of_with_the_nearest_name(
    name: str, nearest: str, run: Runner
) -> None:
    result = run([], **{name: CANARY})
    assert result.exit_code == 0
    [line] = [line for line in result.log.splitlines() if "unknown" in line]
    assert name in line
    assert nearest in line
    assert CANARY not in result.log


def test_an_unknown_setting_of_a_stream_is_named_with_the_nearest(run: Runner) -> None:
    result = run([], streams={"people": {"externalid_prefix": CANARY}})
    said = result.error + result.log
    assert "externalid_prefix" in said
    assert "external_id_prefix" in said
    assert CANARY not in said


def test_an_unknown_setting_in_the_environment_is_warned_of(
    base: dict[str, Any], cli: Callable[..., Result]
) -> None:
    given = {**base, "null": CANARY, "loglevel": "INFO", "streams_people_mode": "update"}
    env = {f"{PREFIX}{name.upper()}": value for name, value in given.items()}
    result = cli("--config=ENV", env={**env, f"{PREFIX}_CATALOG": "c"})
    assert result.exit_code == 0
    [line] = [line for line in result.stderr.splitlines() if "unknown" in line]
    assert "unknown setting null: did you mean nulls?" in line
    assert CANARY not in result.output


def test_all_known_settings_give_no_warning(run: Runner) -> None:
    config = {
        name: value
        for name, text, value in FROM_ENVIRONMENT
        if name not in {"api_key", "api_url", "rejects_dir"}
    }
    assert "unknown" not in run([], **config).log


# --about


def _about(cli: Callable[..., Result]) -> dict[str, Any]:
    result = cli("--about", "--format=json")
    assert result.exit_code == 0
    properties: dict[str, Any] = json.loads(result.stdout)["settings"]["properties"]
    return properties


def test_about_lists_every_setting_with_title_description_and_default(
    cli: Callable[..., Result],
) -> None:
    about = _about(cli)
    assert set(DEFAULTS) <= set(about)
    for name, default in DEFAULTS.items():
        assert about[name].get("default") == default, name
    for name, setting in about.items():
        assert setting.get("title"), name
        assert setting.get("description"), name


@pytest.mark.parametrize(("name", "values"), ENUMS.items())
def test_about_lists_the_values_of_an_enumeration(
    name: str, values: list[str], cli: Callable[..., Result]
) -> None:
    assert _about(cli)[name]["enum"] == values


def test_about_tells_that_the_key_is_required_and_secret(cli: Callable[..., Result]) -> None:
    result = cli("--about", "--format=json")
    assert json.loads(result.stdout)["settings"]["required"] == ["api_key"]
    assert _about(cli)["api_key"]["secret"] is True


@pytest.mark.parametrize("name", ["batch_size_rows", "stream_maps", "flattening_enabled"])
def test_about_lists_the_sdk_settings_that_have_a_meaning(
    name: str, cli: Callable[..., Result]
) -> None:
    assert name in _about(cli)


@pytest.mark.parametrize(
    "name", ["load_method", "validate_records", "process_activate_version_messages"]
)
def test_about_lists_no_setting_without_a_meaning(name: str, cli: Callable[..., Result]) -> None:
    assert name not in _about(cli)
    assert name not in cli("--about", "--format=markdown").stdout


def test_about_as_markdown_lists_every_setting(cli: Callable[..., Result]) -> None:
    result = cli("--about", "--format=markdown")
    assert result.exit_code == 0
    for name in DEFAULTS:
        assert f"| {name} " in result.stdout, name


def test_the_settings_of_a_stream_are_described(cli: Callable[..., Result]) -> None:
    entry = _about(cli)["streams"]["additionalProperties"]["properties"]
    assert set(entry) == {
        "object",
        "match_on",
        "mode",
        "fields",
        "unmapped",
        "external_id_prefix",
        "company_external_id_prefix",
        "nulls",
        "lists",
        "invalid_values",
        "missing_company",
        "default_phone_region",
        "undefined_attributes",
        "on_delete",
    }


@pytest.mark.parametrize("args", [["--about"], ["--about", "--format=json"], ["--version"]])
def test_about_and_version_need_no_config_and_tell_none(
    args: list[str], cli: Callable[..., Result], tmp_path: Path
) -> None:
    path = _file(tmp_path, "config.json", {"api_key": CANARY})
    env = {f"{PREFIX}API_KEY": CANARY}
    for extra in ([], ["--config", path], ["--config=ENV"]):
        result = cli(*args, *extra, env=env)
        assert result.exit_code == 0
        assert CANARY not in result.output


# The address


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "https://api.kustomerapp.com"),
        ({"region": "us"}, "https://api.kustomerapp.com"),
        ({"region": "eu"}, "https://api.prod2.kustomerapp.com"),
        ({"region": "in"}, "https://api.prod4.kustomerapp.com"),
        ({"org": "acme"}, "https://acme.api.kustomerapp.com"),
        ({"org": "acme", "region": "eu"}, "https://acme.api.kustomerapp.com"),
        ({"api_url": "http://127.0.0.1:1", "org": "acme", "region": "eu"}, "http://127.0.0.1:1"),
    ],
)
def test_the_address_is_api_url_then_org_then_region(config: dict[str, Any], url: str) -> None:
    target = TargetKustomer(config={"api_key": "key", **config})
    assert target.run.settings.base_url == url


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_api_url_may_end_as_people_write_it(suffix: str, run: Runner, simulator: Simulator) -> None:
    assert run([], api_url=simulator.url + suffix).exit_code == 0


# Settings of one stream


def _people(count: int = 3) -> list[dict[str, Any]]:
    return [
        schema("people", {**CUSTOMERS, "note": TEXT}),
        *({**each, "stream": "people"} for each in customers(count, note="x")),
    ]


def test_an_exact_name_wins_over_an_earlier_glob(run: Runner) -> None:
    streams = {
        "p*": {"object": "customer", "mode": "update"},
        "people": {"object": "customer", "mode": "upsert"},
    }
    assert run(_people(), streams=streams).counts("people") == {"created": 3}


def test_of_two_globs_the_first_wins(run: Runner) -> None:
    streams = {
        "peo*": {"object": "customer", "mode": "update"},
        "*": {"object": "customer", "mode": "upsert"},
    }
    assert run(_people(), streams=streams).counts("people") == {"skipped": 3}


def test_entries_are_not_merged(run: Runner, simulator: Simulator) -> None:
    streams = {
        "people": {"object": "customer"},
        "*": {"object": "company", "unmapped": "ignore", "external_id_prefix": "x-"},
    }
    run(_people(1), streams=streams)
    [stored] = simulator.org.customers
    assert stored.attributes["externalId"] == "c0"
    assert stored.attributes["custom"] == {"ageNum": 0, "noteStr": "x"}


@pytest.mark.parametrize(("general", "own"), [("clear", "ignore"), ("ignore", "clear")])
def test_a_stream_overrides_a_general_setting(
    general: str, own: str, run: Runner, simulator: Simulator
) -> None:
    run([schema("customers", CUSTOMERS), record("customers", id="1", name="Ann")])
    messages = [schema("customers", CUSTOMERS), record("customers", id="1", name=None)]
    run(messages, nulls=general, streams={"customers": {"nulls": own}})
    stored = simulator.org.customer(external_id="1")
    assert stored is not None
    assert stored.attributes.get("name") == (None if own == "clear" else "Ann")


@pytest.mark.parametrize("setting", ["match_on", "mode", "fields"])
def test_a_setting_that_is_only_for_streams_is_unknown_in_general(
    setting: str, run: Runner
) -> None:
    result = run([], **{setting: {}})
    assert any("unknown" in line and setting in line for line in result.log.splitlines())


def test_the_constructor_raises_a_configuration_error_without_values() -> None:
    with pytest.raises(ConfigurationError) as raised:
        TargetKustomer(config={"api_key": 4711})
    assert "4711" not in str(raised.value)
