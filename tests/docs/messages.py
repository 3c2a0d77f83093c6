"""What the code can say when it ends a run or rejects a record, read from its source.

A message is a pattern: an ellipsis stands for each part that is known at run time only.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import TYPE_CHECKING

from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "target_kustomer"

OPEN = "…"

_EXITS = {
    "ConfigurationError": "2",
    "InputError": "2",
    "RecordBeforeSchemaError": "2",
    "RejectsError": "3",
    "AccessError": "4",
    "UnreachableError": "5",
    "SignalError": "128 + n",
}
"""The errors that end a run, and with which code."""

_SPEAKING = {
    "settings.py": {"config_problem": "2"},
    "target.py": {
        "cli": "2",
        "make_context": "2",
        "invoke": "2",
        "_wants_json": "2",
        "_validate_config": "2",
        "_ending": "2",
        "_bug": "1",
    },
}
"""Functions and classes whose texts are messages without such an error, by file."""

_CLOSED_PIPE = "stdout was closed"
_STREAM = f"stream {OPEN}: "
_LINE = f"line {OPEN}: "


@dataclass(frozen=True)
class Message:
    """The last line of a run.

    Attributes:
        exit_code: With which the run ends.
        text: The pattern.
    """

    exit_code: str
    text: str


@dataclass(frozen=True)
class Rejected:
    """Why a record is rejected.

    Attributes:
        reason: The code in the rejects file.
        detail: The pattern of its detail.
    """

    reason: str
    detail: str


@cache
def messages() -> set[Message]:
    """Every last line that the code can write."""
    return set(chain.from_iterable(_Source(path).messages() for path in _paths()))


def unread() -> set[str]:
    """Where an error that ends a run has words that cannot be read here: module and function."""
    return set(chain.from_iterable(_Source(path).unread() for path in _paths()))


def rejections() -> set[Rejected]:
    """Every reason and detail that the code can give."""
    return set(chain.from_iterable(_Source(path).rejections() for path in _paths()))


def _paths() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "simulator"]


class _Source:
    """One file."""

    def __init__(self, path: Path) -> None:
        self._name = path.relative_to(PACKAGE).as_posix()
        self._tree = ast.parse(path.read_text(encoding="utf-8"))

    @cached_property
    def _functions(self) -> list[ast.FunctionDef]:
        return [each for each in ast.walk(self._tree) if isinstance(each, ast.FunctionDef)]

    def messages(self) -> Iterator[Message]:
        for function in self._functions:
            for call in _calls(function):
                found = self._message(call, function)
                yield from (each for each in found if not _is_open(each.text))
        for name, exit_code in _SPEAKING.get(self._name, {}).items():
            for node in ast.walk(self._tree):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
                    for text in _texts_within(node):
                        code = "141" if _CLOSED_PIPE in text else exit_code
                        yield Message(code, text)

    def rejections(self) -> Iterator[Rejected]:
        for function in self._functions:
            for call in _calls(function):
                name = _name_of(call.func)
                if name not in {"CoercionError", "Rejection"} or not call.args:
                    continue
                reason = _reason(call.args[0])
                if reason is None:
                    continue
                given = [each.value for each in call.keywords if each.arg == "detail"]
                if name == "CoercionError":
                    given = call.args[1:]
                for detail in self._texts(given[0], function) if given else [OPEN]:
                    yield Rejected(reason, detail.removeprefix(f"{OPEN}: "))

    def _message(self, call: ast.Call, function: ast.FunctionDef) -> Iterator[Message]:
        name = _name_of(call.func)
        of_stream = name == "error" and self._name.startswith("mapping/")
        if not call.args or not (name in _EXITS or name == "_broken" or of_stream):
            return
        if function.name == "_broken":  # it words what its callers give it
            return
        texts = self._texts(call.args[0], function)
        if name == "SignalError":
            texts = [f"ended by signal {OPEN}"]
        if name in _EXITS:
            mends = [each.value for each in call.keywords if each.arg == "mend"]
            tails = [f": {each}" for each in self._texts(mends[0], function)] if mends else [""]
            front = _LINE if name in {"InputError", "RecordBeforeSchemaError"} else ""
            found = [front + text + tail for text in texts for tail in tails]
            exit_code = _EXITS[name]
        elif name == "_broken":
            found = [
                f"{_LINE}broken Singer message: {text}: mend the tap; the last STATE is safe"
                for text in texts
            ]
            exit_code = "2"
        else:
            found, exit_code = [_STREAM + text for text in texts], "2"
        yield from (Message(exit_code, text) for text in found)

    def unread(self) -> Iterator[str]:
        for function in self._functions:
            for call in _calls(function):
                if any(_is_open(each.text) for each in self._message(call, function)):
                    yield f"{self._name}: {function.name}"

    def _texts(self, node: ast.expr, function: ast.FunctionDef) -> list[str]:
        """Every pattern that an expression may come to."""
        found = [OPEN]
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = [node.value]
        elif isinstance(node, ast.JoinedStr):
            found = self._joined(node)
        elif isinstance(node, (ast.IfExp, ast.BoolOp)):
            parts = [node.body, node.orelse] if isinstance(node, ast.IfExp) else node.values
            found = list(chain.from_iterable(self._texts(each, function) for each in parts))
        elif isinstance(node, ast.Name):
            found = self._assigned(node.id, function, node.lineno)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found = self._returned(node.func.id) or found
        return found

    def _joined(self, node: ast.JoinedStr) -> list[str]:
        parts = []
        for each in node.values:
            if isinstance(each, ast.Constant):
                parts.append(str(each.value))
            elif isinstance(each, ast.FormattedValue) and isinstance(each.value, ast.Name):
                [constant] = self._constants(each.value.id) or [OPEN]
                parts.append(constant)
            else:
                parts.append(OPEN)
        return [_tidy("".join(parts))]

    def _assigned(self, name: str, function: ast.FunctionDef, line: int) -> list[str]:
        """The texts that a local name may have at a line, or those of a constant."""
        before = [
            each
            for each in ast.walk(function)
            if isinstance(each, ast.Assign) and _names(each) == [name] and each.lineno < line
        ]
        if not before:
            return self._constants(name) or [OPEN]
        last = max(before, key=lambda each: each.lineno)
        alternatives = _alternatives(last, before, function, line)
        return list(chain.from_iterable(self._texts(each.value, function) for each in alternatives))

    def _constants(self, name: str) -> list[str]:
        """The text of a constant of this module, or of one that it imports."""
        for node in self._tree.body:
            if isinstance(node, ast.ImportFrom) and any(each.name == name for each in node.names):
                path = ROOT / ((node.module or "").replace(".", "/") + ".py")
                return _Source(path)._constants(name) if path.exists() else []
            if isinstance(node, ast.Assign) and _names(node) == [name]:
                value = node.value
                if isinstance(value, ast.Constant) and isinstance(value.value, (str, int)):
                    return [str(value.value)]
                if isinstance(value, ast.JoinedStr):
                    return self._joined(value)
        return []

    def _returned(self, name: str) -> list[str]:
        """What a function of this module returns."""
        found = []
        for function in self._functions:
            if function.name == name:
                for each in ast.walk(function):
                    if isinstance(each, ast.Return) and each.value is not None:
                        found += self._texts(each.value, function)
        return found


def _names(node: ast.Assign) -> list[str]:
    return [each.id for each in node.targets if isinstance(each, ast.Name)]


def _alternatives(
    last: ast.Assign, before: list[ast.Assign], function: ast.FunctionDef, line: int
) -> list[ast.Assign]:
    """All assignments of which one was made: those of a try statement that is over."""
    for node in ast.walk(function):
        if isinstance(node, ast.Try) and (node.end_lineno or 0) < line:
            within = set(ast.walk(node))
            if last in within:
                return [each for each in before if each in within]
    return [last]


def _calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    return (each for each in ast.walk(function) if isinstance(each, ast.Call))


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _reason(node: ast.expr) -> str | None:
    is_reason = isinstance(node, ast.Attribute) and _name_of(node.value) == "Reason"
    return node.attr.lower() if is_reason and isinstance(node, ast.Attribute) else None


def _texts_within(node: ast.AST) -> Iterator[str]:
    """The texts of several words in a function or class, but for docstrings."""
    inside: set[ast.AST] = set()
    configured = {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Assign) and _names(each) == ["what"]
    }
    for each in ast.walk(node):
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            inside.add(each.value)
        if isinstance(each, ast.JoinedStr):
            inside.update(part for part in ast.walk(each) if part is not each)
    for each in ast.walk(node):
        if each in inside:
            continue
        text = None
        if isinstance(each, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else OPEN for part in each.values
            )
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            text = each.value
        if text and len(text.split()) > 2:
            front = "configuration: " if each in configured else ""
            yield front + _tidy(text)


def _tidy(text: str) -> str:
    return re.sub(rf"(?:{OPEN})+", OPEN, text.replace("%s", OPEN))


def _is_open(text: str) -> bool:
    return not re.search(r"[A-Za-z]", text.replace(_STREAM, "").replace(_LINE, ""))
