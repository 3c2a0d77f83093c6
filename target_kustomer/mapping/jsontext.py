"""Objects and lists that come as JSON text."""

from __future__ import annotations

import json
from typing import Any

_OPENING: dict[type, str] = {dict: "{", list: "["}


def parsed(value: Any, wanted: type[dict[str, Any] | list[Any]]) -> Any:
    """The value that a JSON text of the wanted type holds, else the value itself."""
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    if not stripped.startswith(_OPENING[wanted]):
        return stripped
    try:
        found = json.loads(stripped)
    except (ValueError, RecursionError):
        return stripped
    return found if isinstance(found, wanted) else stripped
