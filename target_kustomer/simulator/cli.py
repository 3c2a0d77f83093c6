"""The command line: `kustomer-simulator serve`, `show`, `run -- COMMAND` and `switches`."""

from __future__ import annotations

import dataclasses
import http.client
import inspect
import json
import os
import signal
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Any

import click

from target_kustomer.simulator.control import seed, state_of
from target_kustomer.simulator.errors import ItemError
from target_kustomer.simulator.report import report
from target_kustomer.simulator.server import DEFAULT_API_KEY, Simulator
from target_kustomer.simulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SIGNAL_EXIT_BASE = 128

_key_option = click.option("--key", default=DEFAULT_API_KEY, show_default=True, help="API key.")
_switch_option = click.option(
    "--switch", "switches", multiple=True, metavar="NAME=VALUE", help="A switch; may be repeated."
)
_seed_option = click.option(
    "--seed-file",
    type=click.File(encoding="utf-8"),
    help="JSON with custom, companies and customers that are there at the start.",
)


@click.group()
def main() -> None:
    """A Kustomer on this machine."""


@main.command()
@click.option("--port", default=8080, show_default=True, help="TCP port; 0 takes a free one.")
@_key_option
@_switch_option
@_seed_option
def serve(port: int, key: str, switches: tuple[str, ...], seed_file: IO[str] | None) -> None:
    """Serves until it is interrupted."""
    ended = threading.Event()
    _on_signals(lambda _: ended.set())
    simulator = _simulator(port, key, switches, seed_file)
    try:
        simulator.start()
    except OSError as error:
        message = f"port {port}: {error.strerror}"
        raise click.ClickException(message) from error
    click.echo(f"Kustomer simulator at {simulator.url} with API key {key}", err=True)
    ended.wait()
    simulator.stop()


@main.command()
@_key_option
@_switch_option
@_seed_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    key: str, switches: tuple[str, ...], seed_file: IO[str] | None, command: tuple[str, ...]
) -> None:
    """Runs COMMAND against a simulator, then prints on stderr what the org holds.

    COMMAND finds the simulator by TARGET_KUSTOMER_API_URL and TARGET_KUSTOMER_API_KEY, and has
    this command's stdin, stdout and exit code.
    """
    with _simulator(0, key, switches, seed_file) as simulator:
        code = _run_command(command, simulator)
        click.echo(report(state_of(simulator.world)), err=True)
    raise SystemExit(code)


@main.command()
@click.option("--port", default=8080, show_default=True, help="TCP port at which it is served.")
def show(port: int) -> None:
    """Prints what the org of a simulator that is served holds."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/simulator/state")
        state = json.load(connection.getresponse())
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = f"port {port}: no simulator answers ({error})"
        raise click.ClickException(message) from error
    finally:
        connection.close()
    click.echo(report(state))


@main.command("switches")
def list_switches() -> None:
    """Lists the switches, what they mean and their defaults."""
    click.echo(inspect.getdoc(Switches))
    for name, default in dataclasses.asdict(Switches()).items():
        click.echo(f"{name}={default if isinstance(default, str) else json.dumps(default)}")


def _simulator(
    port: int, key: str, switches: tuple[str, ...], seed_file: IO[str] | None
) -> Simulator:
    try:
        settings: dict[str, Any] = dict(map(_parsed_switch, switches))
        simulator = Simulator(port=port, api_key=key, **settings)
        if seed_file is not None:
            seed(simulator.org, json.load(seed_file))
    except (ValueError, KeyError, ItemError) as error:
        raise click.UsageError(str(error)) from error
    return simulator


def _parsed_switch(switch: str) -> tuple[str, str]:
    name, equals, value = switch.partition("=")
    if not equals:
        message = f"a switch is given as NAME=VALUE, not {switch!r}"
        raise ValueError(message)
    return name, value


def _run_command(command: tuple[str, ...], simulator: Simulator) -> int:
    """Runs a command, and returns its exit code as a shell would give it.

    It gets a session of its own: signals of the terminal reach it once, through this process.
    """
    environment = os.environ | {
        "TARGET_KUSTOMER_API_URL": simulator.url,
        "TARGET_KUSTOMER_API_KEY": simulator.api_key,
    }
    early: list[int] = []  # signals that come before there is a process to take them
    takers: list[Callable[[int], object]] = [early.append]

    def hand_on(number: int) -> None:
        takers[-1](number)

    _on_signals(hand_on)
    try:
        # Running what the user names is the purpose.
        process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
    except OSError as error:
        raise click.UsageError(str(error)) from error
    takers.append(process.send_signal)
    for number in early:
        process.send_signal(number)
    code = process.wait()
    return code if code >= 0 else _SIGNAL_EXIT_BASE - code


def _on_signals(action: Callable[[int], object]) -> None:
    def handle(number: int, _: FrameType | None) -> None:
        action(number)

    for number in _SIGNALS:
        signal.signal(number, handle)
