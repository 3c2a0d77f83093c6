from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from singer_sdk import Target, plugin_base
from singer_sdk.mapper import PluginMapper, RemoveRecordTransform
from singer_sdk.plugin_base import PluginBase, SingerCommand
from singer_sdk.singerlib.encoding.base import GenericSingerReader
from singer_sdk.sinks import RecordSink, Sink

from target_kustomer import reader, settings, sinks, target

if TYPE_CHECKING:
    from types import ModuleType

HOOKS: list[tuple[Any, str, str]] = [
    # messages
    (Target, "_process_schema_message", "(self, message_dict: 'dict') -> 'None'"),
    (Target, "_process_record_message", "(self, message_dict: 'dict') -> 'None'"),
    (Target, "_process_state_message", "(self, message_dict: 'dict') -> 'None'"),
    (Target, "_process_activate_version_message", "(self, message_dict: 'dict') -> 'None'"),
    (Target, "_write_state_message", "(self, state: 'dict') -> 'None'"),
    # life cycle
    (Target, "_handle_termination", "(self, signum: 'int', frame: 'FrameType | None') -> 'None'"),
    (Target, "process_endofpipe", "(self) -> 'None'"),
    (Target, "_setup_signal_handlers", "(self) -> 'None'"),
    # settings
    (Target, "_validate_config", "(self, *, raise_errors: 'bool' = True) -> 'list[str]'"),
    (Target, "append_builtin_config", "(config_jsonschema: 'dict') -> 'None'"),
    # command line
    (
        Target,
        "cb_config",
        (
            "(ctx: 'click.Context', param: 'click.Option', value: 'tuple[str, ...]') "
            "-> '_ConfigInput'"
        ),
    ),
    (Target, "get_singer_command", "() -> 'click.Command'"),
    (
        Target,
        "invoke",
        (
            "(*, about: 'bool' = False, about_format: 'str | None' = None, "
            "config: '_ConfigInput | None' = None, file_input: 't.IO[str] | None' = None) -> 'None'"
        ),
    ),
    (SingerCommand, "invoke", "(self, ctx: 'click.Context') -> 't.Any'"),
    # sinks
    (Target, "get_sink_class", "(self, stream_name: 'str') -> 'type[Sink]'"),
    (
        RecordSink,
        "__init__",
        (
            "(self, target: 'Target', stream_name: 'str', schema: 'dict', "
            "key_properties: 't.Sequence[str] | None') -> 'None'"
        ),
    ),
    (RecordSink, "process_record", "(self, record: 'dict', context: 'dict') -> 'None'"),
    (RecordSink, "activate_version", "(self, new_version: 'int') -> 'None'"),
    (RecordSink, "get_validator", "(self) -> 'BaseJSONSchemaValidator | None'"),
    # reader
    (GenericSingerReader, "deserialize_json", "(self, line: '_RT') -> 'dict'"),
    (
        GenericSingerReader,
        "process_lines",
        (
            "(self, file_input: 't.IO[_RT] | None', "
            "callbacks: 'dict[str, t.Callable[[dict], None]]') -> 't.Counter[str]'"
        ),
    ),
]
"""What the code overrides or calls: where it is, its name, and the signature it was written for."""

ATTRIBUTES: list[tuple[type, str]] = [
    (Target, "_env_var_prefix"),
    (Target, "_latest_state"),
    (Target, "_config"),
    (Target, "cli"),
    (Target, "message_reader_class"),
    (Target, "message_reader"),
    (plugin_base._ConfigInput, "config"),
    (plugin_base._ConfigInput, "parse_env"),
    (Target, "max_parallelism"),
    (RecordSink, "key_properties"),
    (RecordSink, "original_schema"),
    (RecordSink, "include_sdc_metadata_properties"),
    (GenericSingerReader, "default_input"),
    (PluginMapper, "stream_maps"),
    (RemoveRecordTransform, "stream_alias"),
]
"""Attributes that the code reads or sets."""

MODULES = (target, sinks, reader, settings)
SDK_CLASSES = (Target, PluginBase, Sink, RecordSink, SingerCommand, GenericSingerReader)


@pytest.mark.parametrize(
    ("owner", "name", "signature"),
    HOOKS,
    ids=[f"{each.__name__}.{name}" for each, name, _ in HOOKS],
)
def test_the_sdk_still_has_the_hook(owner: Any, name: str, signature: str) -> None:
    assert str(inspect.signature(getattr(owner, name))) == signature


@pytest.mark.parametrize(("owner", "name"), ATTRIBUTES)
def test_the_sdk_still_has_the_attribute(owner: type, name: str) -> None:
    sources = [inspect.getsource(each) for each in owner.__mro__ if "singer_sdk" in each.__module__]
    own = rf"(self\.{name}\b.*=|def {name}\b|^    {name}\b)"
    assert any(re.search(own, source, re.MULTILINE) for source in sources)


@pytest.mark.parametrize("module", MODULES)
def test_every_private_name_of_the_sdk_is_named_here(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    sdk = "\n".join(inspect.getsource(each) for each in SDK_CLASSES)
    private = {
        name
        for name in used
        if name.startswith("_")
        and not name.startswith("__")
        and re.search(rf"(self\.{name}\b|def {name}\b|^    {name}\b)", sdk, re.MULTILINE)
    }
    known = {name for _, name, _ in HOOKS} | {name for _, name in ATTRIBUTES}
    assert private <= known, private - known


@pytest.mark.parametrize("module", MODULES)
def test_every_overridden_method_is_named_here(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    overridden = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each) == "override" for each in node.decorator_list)
    }
    ours = {"_claims", "_rejected_keys", "make_context"}  # of our own sinks; click's
    known = {name for _, name, _ in HOOKS} | {name for _, name in ATTRIBUTES}
    assert overridden - ours <= known, overridden - ours - known


@pytest.mark.parametrize("module", MODULES)
def test_private_modules_of_the_sdk_are_named_here(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    imported = {
        (node.module, each.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk")
        for each in node.names
        if any(part.startswith("_") for part in f"{node.module}.{each.name}".split("."))
    }
    named = {(owner.__name__, name) for owner, name, _ in HOOKS}
    assert imported <= named


def test_the_validator_still_gives_errors_with_paths() -> None:
    [error] = Draft202012Validator({"properties": {"a": {"type": "string"}}}).iter_errors({"a": 1})
    assert (list(error.absolute_path), error.validator, error.validator_value) == (
        ["a"],
        "type",
        "string",
    )


def test_the_callbacks_of_the_messages_are_still_looked_up_by_name() -> None:
    source = inspect.getsource(PluginBase) + inspect.getsource(Target)
    source += inspect.getsource(inspect.getmodule(Target.process_lines) or Target)
    for kind in ("schema", "record", "state", "activate_version"):
        assert f"self._process_{kind}_message" in source


@pytest.mark.parametrize("module", sorted(target._MAPPER_MODULES))
def test_the_modules_whose_errors_are_those_of_stream_maps_are_there(module: str) -> None:
    assert importlib.import_module(module).__name__ == module
