"""Follows pages to the letter: runs their commands, and compares what these print.

python scripts/follow.py PAGE...           fails where a page shows another output
python scripts/follow.py --write PAGE...   writes the outputs into the pages

A block of `bash` is run, in the page's order, in one shell that starts in an empty folder, and ends
well. A block without a language right behind it is what it prints. In front of a block may stand:

<!-- not run: WHY -->           it is left out
<!-- in another terminal -->    it runs beside the others, until the page ends
<!-- only looks -->             it changes nothing, so that pages which continue this one do without

and anywhere on a page:

<!-- continues PAGE -->         the commands of that page come first

What the machine decides is not compared: moments, ports, ids, versions, the number of polls.
`8080` stands for a port that is free.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE_SECONDS = 120

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run|in another terminal|only looks)\b[^\n]*-->\n)?"
    r"```bash\n(?P<command>.*?)^```\n"
    r"(?:\n*^```\n(?P<shown>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
_CONTINUES = re.compile(r"^<!-- continues (\S+) -->$", re.MULTILINE)
_PORT = "8080"

_FIXED = [
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"), "2026-01-01 12:00:00,000"),
    (re.compile(r"127\.0\.0\.1:\d+"), f"127.0.0.1:{_PORT}"),
    (re.compile(r"rejects-\d{8}T\d{6}Z-\d+"), "rejects-20260101T120000Z-1"),
    (re.compile(r".*SingerSDKPythonEOLWarning.*\n  warn_python_eol\(\)\n\n?"), ""),
]
"""Moments, ports and process ids are the same on all pages; no page has what the SDK says of an old
Python."""

_VARYING = [
    (re.compile(r"\bv\d+\.\d+\.\d+\b"), "v0"),
    (re.compile(r"\d+ (units of the budget|bulk-poll)"), r"n \1"),
    (re.compile(r"\b[0-9a-f]{24}\b"), "id"),
]
"""Versions, polls, Kustomer's ids: those of the machine that wrote the page."""


@dataclass(frozen=True)
class Block:
    """A command of a page, and what the page shows that it prints."""

    command: str
    mark: str | None
    shown: str | None
    place: tuple[int, int]


class WrongError(Exception):
    """A page cannot be followed."""


def blocks(text: str) -> list[Block]:
    """The blocks of a page that are run."""
    return [
        Block(found["command"], found["mark"], found["shown"], found.span("shown"))
        for found in _BLOCK.finditer(text)
        if found["mark"] != "not run"
    ]


def fixed(output: str) -> str:
    """An output as a page shows it."""
    for varying, instead in _FIXED:
        output = varying.sub(instead, output)
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())


def lasting(output: str) -> str:
    """An output without what the machine decides."""
    output = fixed(output)
    for varying, instead in _VARYING:
        output = varying.sub(instead, output)
    return output


class Reader:
    """Somebody who has the page on the one side and a terminal on the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = str(_free_port())
        self._outputs = [folder / ".output"]
        stdin, commands = os.pipe()
        codes, self._code = os.pipe()
        self._commands, self._codes = os.fdopen(commands, "w"), os.fdopen(codes)
        self._started = [self._start(["bash"], stdin, self._code)]
        os.close(stdin)
        os.close(self._code)

    def follow(self, block: Block) -> str:
        """Run a block, and return what it printed.

        Raises:
            WrongError: It did not end well, or not in time.
        """
        command = block.command.replace(_PORT, self._port)
        if block.mark == "in another terminal":
            return self._follow_beside(command, block.shown)
        before = self._outputs[0].stat().st_size
        self._commands.write(f"{command}\nprintf '%s\\n' \"$?\" >&{self._code}\n")
        self._commands.flush()
        ready, _, _ = select.select([self._codes], [], [], DEADLINE_SECONDS)
        code = self._codes.readline().strip() if ready else "no end"
        printed = self._outputs[0].read_bytes()[before:].decode()
        if code != "0":
            message = f"ended with {code or 'the shell'}: {block.command}{printed}"
            raise WrongError(message)
        return printed

    def _follow_beside(self, command: str, shown: str | None) -> str:
        self._outputs.append(self._folder / f".output-{len(self._outputs)}")
        beside = self._start(["bash", "-c", command], subprocess.DEVNULL)
        self._started.append(beside)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            printed = self._outputs[-1].read_text(encoding="utf-8")
            as_shown = shown is None or (printed and lasting(printed) == lasting(shown))
            if as_shown or (printed and shown == "") or time.monotonic() > deadline:
                return printed
            if beside.poll() is not None:
                return self._outputs[-1].read_text(encoding="utf-8")
            time.sleep(0.02)

    def _start(self, command: list[str], stdin: int, *kept: int) -> subprocess.Popen[bytes]:
        with self._outputs[-1].open("wb") as output:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=stdin,
                stdout=output,
                stderr=output,
                pass_fds=kept,
                start_new_session=True,
            )

    def leave(self) -> None:
        """End all that was started."""
        self._commands.close()
        self._codes.close()
        for process in reversed(self._started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def earlier(page: Path, text: str) -> Iterator[Block]:
    """The blocks of the pages that a page continues."""
    for name in _CONTINUES.findall(text):
        path = page.with_name(name)
        before = path.read_text(encoding="utf-8")
        yield from earlier(path, before)
        yield from (block for block in blocks(before) if block.mark != "only looks")


def followed(page: Path, text: str) -> list[tuple[Block, str]]:
    """The blocks of a page, each with what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder))
        try:
            for block in earlier(page, text):
                reader.follow(block)
            return [(block, reader.follow(block)) for block in blocks(text)]
        finally:
            reader.leave()


def differences(page: Path, done: list[tuple[Block, str]]) -> str:
    """What the page shows that was not printed, and the other way round."""
    lines: list[str] = []
    for block, printed in done:
        shown = lasting(block.shown or "")
        if block.shown is None and not printed:
            continue
        lines += difflib.unified_diff(
            shown.splitlines(),
            lasting(printed).splitlines(),
            f"{page.name}: {block.command.strip()}",
            "printed",
            lineterm="",
        )
    return "\n".join(lines)


def written(text: str, done: list[tuple[Block, str]]) -> str:
    """The page's text with these outputs."""
    for block, printed in reversed(done):
        start, end = block.place
        if block.shown is not None and lasting(block.shown) != lasting(printed):
            text = text[:start] + fixed(printed) + text[end:]
    return text


def main(arguments: list[str]) -> None:
    """Follow the pages."""
    wrong = []
    for page in (Path(each) for each in arguments if each != "--write"):
        text = page.read_text(encoding="utf-8")
        try:
            done = followed(page, text)
        except WrongError as error:
            wrong.append(f"{page.name}: {error}")
            continue
        if "--write" in arguments:
            page.write_text(written(text, done), encoding="utf-8")
        elif different := differences(page, done):
            wrong.append(different)
        else:
            print(f"{page.name}: {len(done)} blocks print what it shows")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
