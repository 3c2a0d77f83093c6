"""The pages of the docs, taken apart: sections, fenced blocks, tables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_HEADING = re.compile(r"^(#{2,4}) (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of a page."""
    return (DOCS / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: What the fence says that it is.
        text: What it holds.
        before: The text of its section up to it, without blanks at the end.
    """

    language: str
    text: str
    before: str

    def values(self) -> list[Any]:
        """The JSON values that stand one after the other in it, on as many lines as they take."""
        return list(_values(self.text))


@dataclass(frozen=True)
class Section:
    """What stands under a heading, up to the next one."""

    title: str
    text: str

    @property
    def blocks(self) -> list[Block]:
        """Its fenced blocks."""
        return blocks(self.text)


def sections(text: str) -> list[Section]:
    """The sections of a page; comments in fenced blocks are no headings."""
    found = list(_HEADING.finditer(_FENCE.sub(lambda each: " " * len(each[0]), text)))
    ends = [*(each.start() for each in found[1:]), len(text)]
    return [Section(each[2], text[each.end() : end]) for each, end in zip(found, ends, strict=True)]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text."""
    return [
        Block(each[1], each[2], text[: each.start()].rstrip()) for each in _FENCE.finditer(text)
    ]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables in a text, without their headings."""
    found = []
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        _, _, *lines = table.splitlines()
        found += [[cell.strip() for cell in _cells(line)] for line in lines]
    return found


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.strip().strip("|"))


def _values(text: str) -> Iterator[Any]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield value
