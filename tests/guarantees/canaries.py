"""Values that must be found nowhere but where they belong, and the search for them."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.support import INTEGER, TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.support import Result

KEY = "eyJhbGciOi.key-canary-4711_abc"
"""An API key, in the form that Kustomer gives them."""

PASSWORD = "proxy%2Bcanary"
"""Of a proxy's user, as it stands in an address."""

COLUMNS: dict[str, dict[str, Any]] = {
    "customers": {
        "id": TEXT,
        "name": TEXT,
        "email": TEXT,
        "phone": TEXT,
        "street": TEXT,
        "city": TEXT,
        "website": TEXT,
        "twitter": TEXT,
        "tags": {"type": ["null", "array"], "items": {"type": "string"}},
        "note": TEXT,
        "salary": INTEGER,
        "age": INTEGER,
        "born": {"type": ["null", "string"], "format": "date"},
        "extra": {"type": ["null", "object"]},
        "company_name": TEXT,
        "password": TEXT,
    },
    "companies": {
        "id": TEXT,
        "name": TEXT,
        "email": TEXT,
        "phone": TEXT,
        "street": TEXT,
        "city": TEXT,
        "domain": TEXT,
        "tags": {"type": ["null", "array"], "items": {"type": "string"}},
        "note": TEXT,
        "salary": INTEGER,
    },
}

FIELDS = {"customers": {"fields": {"extra": "extraTxt", "extra.inner": "innerStr"}}}
"""Settings that send the nested values too."""


def _values(owner: str, digits: str) -> dict[str, Any]:
    return {
        "id": f"{owner}-id",
        "name": f'{owner.title()} "Zed" B\u00e9\u00e9bl',
        "email": f"{owner}+x@{owner}-hq.example",
        "phone": f"+1 {digits[:3]}-{digits[3:6]}-{digits[6:]}",
        "street": f"42 {owner} Lane",
        "city": f"{owner}ville",
        "tags": [f"{owner}-tag", f"{owner} tag"],
        "note": f"a note of {owner}: 100% \u00fcber",
        "salary": int(digits),
    }


def person(owner: str, digits: str) -> dict[str, Any]:
    """A customer's record, with something of its owner in all that identifies."""
    return {
        **_values(owner, digits),
        "website": f"https://{owner}.example/~{owner}",
        "twitter": f"@{owner}_x",
        "born": f"19{digits[-2:]}-03-05",
        "extra": {"inner": f"{owner} within", "more": [{"deep": f"{owner} deep within"}]},
        "password": f"{owner}-password",
    }


def firm(owner: str, digits: str) -> dict[str, Any]:
    """A company's record, likewise."""
    return {**_values(owner, digits), "domain": f"{owner}.example"}


ZAPHOD = person("zaphod", "4155550199")
TRILLIAN = person("trillian", "4155550177")
MAGRATHEA = firm("magrathea", "4155550155")
SIRIUS = firm("sirius-co", "4155550133")


def sent(values: dict[str, Any]) -> list[str]:
    """What a request holds of a record, each text as it is there."""
    digits = re.sub(r"\D", "", values["phone"])
    columns = ("id", "name", "email", "street", "city", "note", "salary")
    return [f"+{digits}", digits, *values["tags"], *(str(values[each]) for each in columns)]


def texts(value: Any) -> Iterator[str]:
    """Every text and number in a value."""
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif value is not None:
        yield str(value)


CANARIES = {KEY, "key-canary-4711", PASSWORD, "proxy+canary"}.union(
    ("zaphod", "trillian", "magrathea", "sirius-co"),
    *({*texts(one), *sent(one)} for one in (ZAPHOD, TRILLIAN, MAGRATHEA, SIRIUS)),
)


def told(text: str, canaries: Iterable[str] = CANARIES) -> set[str]:
    """The canaries in a text: as they are in any case, as JSON, in an address, in base64."""
    folded = text.casefold()
    return {
        each
        for each in canaries
        if any(form.casefold() in folded for form in _escaped(each))
        or any(form in text for form in _in_base64(each))
    }


def _escaped(canary: str) -> set[str]:
    return {canary, json.dumps(canary)[1:-1], quote(canary), quote(canary, safe="")}


def _in_base64(canary: str) -> Iterator[str]:
    """What stands for the whole characters of the canary, wherever in a text it begins."""
    for shift, first in enumerate((0, 2, 3)):
        raw = bytes(shift) + canary.encode()
        yield base64.b64encode(raw).decode()[first : len(raw) * 8 // 6]


def assert_nothing_told(result: Result, folder: Path) -> None:
    """What a run said and wrote holds no canary, but for a rejected record its own values.

    Args:
        result: Of the run.
        folder: Where it ran; its configs are the test's.
    """
    for said in (result.log, result.error, result.stdout):
        assert not told(said), [line for line in said.splitlines() if told(line)]
    for message in result.rejected:
        own = [each.casefold() for each in texts(message["record"])]
        own += ["+" + re.sub(r"\D", "", each) for each in own]
        foreign = {each for each in CANARIES if not any(each.casefold() in one for one in own)}
        assert not told(json.dumps(message["rejection"]), foreign)
        assert not told(json.dumps(message["rejection"], ensure_ascii=False), foreign)
    made = {path for path in folder.rglob("*") if path.is_file()}
    ours = {*folder.glob("config*"), *result.rejects_dir.glob("*.singer"), folder / ".env"}
    for path in made - ours:
        assert not told(path.read_bytes().decode(errors="replace")), path
