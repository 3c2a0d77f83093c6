"""The target: the SDK's life cycle around a run, signals, and exit codes."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import traceback
from io import UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import click
from dotenv import dotenv_values
from jsonschema import Draft202012Validator
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.plugin_base import SingerCommand
from singer_sdk.singerlib.json import serialize_json
from singer_sdk.target_base import Target
from typing_extensions import override

from target_kustomer.check import Finding, as_json, as_table, check, exit_code, failed
from target_kustomer.clock import RunClock
from target_kustomer.exceptions import ConfigurationError, FatalError, SignalError
from target_kustomer.planning.run import PlanOptions, PlanRun
from target_kustomer.reader import InterruptibleReader, Wakeup
from target_kustomer.routing import route
from target_kustomer.run import Run
from target_kustomer.settings import (
    CONFIG_JSONSCHEMA,
    Settings,
    config_problem,
    parse_environment,
    unknown_settings,
)
from target_kustomer.sinks import (
    CompanySink,
    CustomerSink,
    IgnoredSink,
    KustomerSink,
    UncheckedSink,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import PurePath
    from types import FrameType

    from target_kustomer.models import JSON

logger = logging.getLogger(__name__)

_SINKS: dict[str, type[UncheckedSink]] = {
    "customer": CustomerSink,
    "company": CompanySink,
    "ignore": IgnoredSink,
}


_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_CLOSED_STDOUT = 128 + signal.SIGPIPE
"""The exit code where nobody reads stdout any more."""

_STDOUT = "stdout"
"""What an error of writing STATE names as its file."""

_CHECK_HELP = (
    "Check the settings, the address, the key and its roles, the ledger and the rejects folder; "
    "read nothing from stdin, and write nothing."
)

_PLAN_HELP = (
    "Write nothing: say what a run would do (exit code 10: there are changes). The summary is "
    "tables, or JSON with --format=json."
)

_PLAN_OUT_HELP = (
    "With --plan: where to write what would become of each record, as JSON Lines. They hold "
    "personal data."
)

_MAPPER_MODULES = {"singer_sdk.mapper", "singer_sdk.helpers._flattening"}
"""Where errors of the settings stream_maps and flattening_* arise."""


class TargetKustomer(Target):
    """Loads companies and customers from any Singer tap into Kustomer."""

    name = "target-kustomer"
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG_JSONSCHEMA
    message_reader_class = InterruptibleReader
    clock_class: ClassVar[type[RunClock]] = RunClock
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    plan: ClassVar[PlanOptions | None] = None
    """What the command line says of a plan, where it is not a run."""
    message_reader: InterruptibleReader

    def __init__(
        self,
        *,
        config: dict[str, Any] | PurePath | str | list[PurePath | str] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        setup_mapper: bool = True,
        message_reader: InterruptibleReader | None = None,
    ) -> None:
        merged = dict(config) if isinstance(config, dict) else config
        if parse_env_config:
            merged = {**(merged or {}), **self._from_environment()}  # type: ignore[dict-item]
        try:
            super().__init__(
                config=merged,
                validate_config=validate_config,
                setup_mapper=setup_mapper,
                message_reader=message_reader,
            )
        except Exception as error:  # noqa: BLE001  what the mapper did not do is raised again
            raise _map_error(error) or error from None
        for setting, near in unknown_settings(self.config).items():
            hint = f"did you mean {near}?" if near else "it is ignored"
            logger.warning("unknown setting %s: %s", setting, hint)
        self.max_parallelism = 1
        self.message_reader.wakeup = self._wakeup = Wakeup()
        around = (Settings.from_config(self.config), self.message_reader)
        self.run = (
            PlanRun(*around, click.echo, self.clock_class(), self.plan)
            if self.plan
            else Run(*around, self._emit_state, self.clock_class())
        )
        self.message_reader.interrupted = self.run.ending.has_begun
        self.message_reader.started = self._start
        self.message_reader.waiting = lambda: self.run.phases.enter("waiting_for_stdin")
        self.message_reader.between = self._go_on
        self.message_reader.idle = lambda: self.run.hand_over(idle=True)

    # Messages

    @override
    def get_sink_class(self, stream_name: str) -> type[UncheckedSink]:
        removed = any(
            isinstance(each, RemoveRecordTransform) and each.stream_alias == stream_name
            for maps in self.mapper.stream_maps.values()
            for each in maps
        )
        return IgnoredSink if removed else _SINKS[route(self.run.settings, stream_name)]

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        try:
            super()._process_schema_message(message_dict)
        except Exception as error:  # noqa: BLE001  what the mapper did not do is raised again
            raise _map_error(error) or error from None

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """As the SDK does it, without what it does for sinks whose records it checks itself."""
        before = self.run.arrived
        name = message_dict["stream"]
        for stream_map in self.mapper.stream_maps[name]:
            try:
                record = stream_map.transform(message_dict["record"].copy())
            except Exception as error:  # noqa: BLE001  what the mapper did not do is raised again
                raise _map_error(error) or error from None
            alias = stream_map.stream_alias
            if record is None:
                self.run.versions.note_filtered(alias, message_dict.get("version"))
                continue
            sink = self.get_sink(alias)
            sink.tally_record_read()
            sink.process_record(record, {})
            sink.record_counter_metric.increment()
        if self.run.arrived == before:
            self.run.filtered[name] += 1

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        before = self._latest_state
        super()._process_state_message(message_dict)
        if self._latest_state and self._latest_state is not before:
            self.run.checkpoint(self._latest_state)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """What the table's former versions have left behind may have to go."""
        for stream_map in self.mapper.stream_maps.get(message_dict["stream"], ()):
            if self.sink_exists(stream_map.stream_alias):
                sink = self.get_sink(stream_map.stream_alias)
                if isinstance(sink, KustomerSink):
                    sink.activate_version(message_dict.get("version"))

    @override
    def _write_state_message(self, state: dict[str, Any]) -> None:
        """The checkpoints write STATE, when it is true; the SDK would write it too early."""

    def _emit_state(self, state: JSON) -> None:
        """Write a STATE past Python's buffer, whose flush at exit would block on a full pipe."""
        if sys.stdout is None:  # the process was started without one
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        line = f"{serialize_json(state)}\n"
        try:
            descriptor = sys.stdout.fileno()
        except UnsupportedOperation:  # it is no file
            sys.stdout.write(line)
            return
        rest = line.encode()
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            error.filename = _STDOUT
            raise

    # Start and end

    def _start(self) -> None:
        _keep_values_out_of_logs()
        self.run.start()

    def _go_on(self) -> None:
        self.run.phases.enter("reading")
        self.run.hand_over(idle=False)

    @override
    def process_endofpipe(self) -> None:
        code, line = 0, None
        try:
            self.run.finish(self.message_reader.fault)
        except BaseException as error:
            code, line = _ending(error)
            raise
        finally:
            self.run.report(code, line)
            self._give_signals_back()
            self._wakeup.close()

    @override
    def _setup_signal_handlers(self) -> None:
        self._handlers_before = {number: signal.getsignal(number) for number in _SIGNALS}
        super()._setup_signal_handlers()

    def _give_signals_back(self) -> None:
        for number, handler in self._handlers_before.items():
            if signal.getsignal(number) == self._handle_termination:
                signal.signal(number, handler)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        if not hasattr(self, "run"):  # the SDK takes the signals before there is one
            raise SignalError(signum, mend="nothing was done yet; start it again")
        self.run.ending.signal(signum)
        self._wakeup.set()

    # Settings

    @classmethod
    def _from_environment(cls) -> dict[str, Any]:
        """The settings in the environment; what it lacks, from ``.env`` in the current folder.

        The SDK would look for that file where it is itself installed, and let it win.
        """
        cls.append_builtin_config(cls.config_jsonschema)
        try:
            kept = dotenv_values(".env")
        except (OSError, UnicodeDecodeError) as error:
            msg = (
                f".env cannot be read ({type(error).__name__}): mend it, or take --config=ENV away"
            )
            raise ConfigurationError(msg) from None
        given = {name: value for name, value in kept.items() if value is not None}
        return parse_environment(cls._env_var_prefix, {**given, **os.environ})

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Validate without quoting values, since the SDK's messages would print the key."""
        self.append_builtin_config(self.config_jsonschema)
        plain = Draft202012Validator(self.config_jsonschema)
        try:
            problems = [config_problem(error) for error in plain.iter_errors(self._config)]
        except AttributeError:  # the SDK's schema of stream_maps has texts among its branches
            problems = ["setting stream_maps does not fit"]
        if problems and raise_errors:
            raise ConfigurationError("; ".join(problems))
        for name, schema in self.config_jsonschema["properties"].items():
            if "default" in schema:
                self._config.setdefault(name, schema["default"])
        return problems

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings, without those that have no meaning here."""
        super().append_builtin_config(config_jsonschema)
        for name in ("load_method", "process_activate_version_messages"):
            config_jsonschema["properties"].pop(name, None)

    # Command line

    @override
    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805
        """The command; looking it up sets logging up."""
        try:
            return super().cli
        except Exception as error:  # noqa: BLE001  logging.config raises whatever it meets
            cls.logger.error(  # noqa: TRY400
                "configuration: LOGLEVEL or the file SINGER_SDK_LOG_CONFIG does not fit (%s)",
                type(error).__name__,
            )
            sys.exit(ConfigurationError.exit_code)

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.__class__ = _Command
        command.params += [
            click.Option(["--check"], is_flag=True, help=_CHECK_HELP),
            click.Option(["--plan"], is_flag=True, help=_PLAN_HELP),
            click.Option(
                ["--plan-out"],
                type=click.Path(dir_okay=False, path_type=Path),
                help=_PLAN_OUT_HELP,
            ),
        ]
        for option in command.params:
            if isinstance(option, click.Option) and option.name == "about_format":
                option.help = "Output style of --about, and of --check and --plan (json)."
        return command

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the ``--config`` files one by one, so that the one that is wrong has a name."""
        merged = super().cb_config(ctx, param, ())
        for path in value:
            try:
                read = super().cb_config(ctx, param, (path,))
                merged.config.update(read.config)
            except OSError as error:
                if "{" in path:  # the settings themselves
                    msg = "configuration: --config takes the path of a file, or ENV"
                    raise ConfigurationError(msg) from None
                why = error.strerror or "it is not there"
                msg = f"configuration: {_config_name(path)} cannot be read ({why})"
                raise ConfigurationError(msg) from None
            except (ValueError, TypeError, RecursionError) as error:
                msg = f"configuration: {path} is no JSON object{_place(error)}"
                raise ConfigurationError(msg) from None
            merged.parse_env |= read.parse_env
        return merged

    @classmethod
    @override
    def invoke(
        cls,
        *,
        check: bool = False,
        plan: bool = False,
        plan_out: Path | None = None,
        **options: Any,
    ) -> None:
        if plan_out and not plan:
            msg = "it goes with --plan"
            raise click.BadParameter(msg, param_hint="--plan-out")
        if check and plan:
            msg = "--check and --plan do not go together."
            raise click.UsageError(msg)
        if check and not options["about"]:
            cls._check(options["config"], options["about_format"])
        if plan and not options["about"]:
            as_json = _wants_json("--plan", options["about_format"])
            cls._plan(PlanOptions(plan_out, as_json=as_json), options)
        super().invoke(**options)

    @classmethod
    def _check(cls, config: Any, output_format: str | None) -> NoReturn:
        """Print what a run would stumble over, and exit as that would."""
        wants_json = _wants_json("--check", output_format)
        findings = cls._findings(config)
        click.echo(as_json(findings) if wants_json else as_table(findings))
        sys.exit(exit_code(findings))

    @classmethod
    def _findings(cls, config: Any) -> list[Finding]:
        try:
            target = cls(config=config.config, parse_env_config=config.parse_env)
        except ConfigurationError as error:
            return [failed("settings", error)]
        target._give_signals_back()
        target._wakeup.close()
        return check(target.run.settings, unknown_settings(target.config), cls.clock_class())

    @classmethod
    def _plan(cls, wanted: PlanOptions, options: Mapping[str, Any]) -> NoReturn:
        """Print what a run would do, and exit with what that tells."""
        cls.print_version(print_fn=cls.logger.info)
        config = options["config"]
        planner = type(cls.__name__, (cls,), {"plan": wanted})
        target = planner(config=config.config, parse_env_config=config.parse_env)
        target.listen(options["file_input"])
        sys.exit(cast("PlanRun", target.run).exit_code)


class _Command(SingerCommand):
    """Turns what ended a run into one clear line and the exit code of the contract."""

    @override
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line and the ``--config`` files."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            if type(error) is not click.UsageError:
                raise
            msg = "There are no arguments: settings come from --config."
            raise click.UsageError(msg, error.ctx) from None  # it quotes what may be the key
        except ConfigurationError as error:
            self.logger.error("%s", error)  # noqa: TRY400  as below
        sys.exit(ConfigurationError.exit_code)

    @override
    def invoke(self, ctx: click.Context) -> Any:
        logging.captureWarnings(capture=True)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside a run it ends the process at once
        try:
            return click.Command.invoke(self, ctx)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except Exception as error:  # noqa: BLE001  the process's boundary
            code, line = _ending(error)
            if code == _CLOSED_STDOUT and (ctx.params["check"] or ctx.params["plan"]):
                line = "stdout was closed: what was found cannot be told"
            self.logger.error("%s", line)  # noqa: TRY400  a traceback tells the user nothing
        return ctx.exit(code)


def _wants_json(option: str, output_format: str | None) -> bool:
    if output_format not in {None, "json"}:
        msg = f"{option} prints a table, or JSON with --format=json."
        raise click.UsageError(msg)
    return output_format == "json"


def _config_name(path: str) -> str:
    """The name of a file, which in a slip may be the key instead; to ask the disk may fail too."""
    return path if path.endswith(".json") else "a --config file"


def _place(error: Exception) -> str:
    """Where what is read stops being JSON, without what stands there."""
    line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
    return f" (line {line}, column {column})" if line and column else ""


def _ending(error: BaseException) -> tuple[int, str]:
    """The exit code and the last line of a run that ends in this way."""
    if isinstance(error, FatalError):
        return error.exit_code, str(error)
    if not isinstance(error, OSError):
        return FatalError.exit_code, _bug(error)
    if error.errno == errno.EPIPE:
        return (
            _CLOSED_STDOUT,
            "stdout was closed: nothing can be acknowledged; run again from the last STATE",
        )
    if error.filename == _STDOUT:
        line = (
            f"cannot write stdout ({error.strerror}): mend what takes it or the disk, then run "
            "again: the last STATE is safe"
        )
        return ConfigurationError.exit_code, line
    line = (
        f"cannot write {error.filename or 'the rejects file'} ({error.strerror}): mend rejects_dir "
        "or the disk, then run again: the last STATE is safe"
    )
    return ConfigurationError.exit_code, line


def _map_error(error: Exception) -> ConfigurationError | None:
    """What the SDK's mapper stumbled over, without the values that it had in hand."""
    frames = traceback.walk_tb(error.__traceback__)
    places = {frame.f_globals.get("__name__") for frame, _ in frames}
    if isinstance(error, FatalError) or places.isdisjoint(_MAPPER_MODULES):
        return None
    words = str(error) if isinstance(error, MappingError) else type(error).__name__
    return ConfigurationError(f"stream_maps or flattening failed ({words}): mend that setting")


def _bug(error: BaseException) -> str:
    """Where an unexpected error came from, without its message, which may hold values."""
    frames: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    places = " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-4:])
    )
    return (
        f"bug in target-kustomer: {type(error).__name__} at {places}: please report this line; "
        "the last STATE is safe"
    )


def _keep_values_out_of_logs() -> None:
    """The SDK logs the results of mapping expressions at DEBUG."""
    logging.getLogger("singer_sdk.mapper").setLevel(logging.INFO)
