"""What an HTTP answer means for the caller: pure, from status and body alone [API §8]."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

_OTHER_POD = re.compile(
    r"associated with pod (prod\d{1,3}) but request is being handled by (prod\d{1,3})\b"
)


class Meaning(Enum):
    """What the caller does next."""

    DONE = "done"
    UNREADABLE = "unreadable"
    """Taken, but the answer cannot be read."""
    REFUSED = "refused"
    NOT_FOUND = "not found"
    DUPLICATE = "duplicate"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    LIMITED = "limited"
    """Not taken: wait for the window."""
    NOT_SENT = "not sent"
    """The connection failed before a byte of the request had left."""
    MOVED = "moved"
    """A redirect: this is not the API's address."""
    FAILED = "failed"
    """A server, a gateway or the network failed; whether the request was taken is unknown."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer, read: its meaning, its JSON where there is any, the server's text, the status."""

    meaning: Meaning
    body: Any = None
    detail: str = ""
    status: int | None = None


def read_answer(status: int, content: bytes) -> Reading:
    """Tell what an answer means. Only Kustomer's own 404 and 403 are believed to be such."""
    body = _json(content)
    detail = error_detail(body)
    return Reading(_meaning(status, body), body, detail, status)


def error_detail(body: Any) -> str:
    """The server's text in any of the error shapes of [API §8]; masked before it may be cut."""
    texts = [text for error in _errors(body) for text in _texts(error)]
    return "; ".join(dict.fromkeys(texts))


def mentions_duplicate(text: str) -> bool:
    """Whether a refusal's text speaks of an identifier that is taken [API §13]."""
    lowered = text.casefold()
    return any(word in lowered for word in ("duplicate", "unique", "already exist"))


def pods_of_refusal(text: str) -> tuple[str, str] | None:
    """The key's pod and the host's, where a refusal's text says that they differ [API §1]."""
    found = _OTHER_POD.search(text)
    return (found[1], found[2]) if found else None


def mentions_expiry(text: str) -> bool:
    """Whether a refusal's text says that the key has expired [API §1]."""
    return "expired" in text.casefold()


def _meaning(status: int, body: Any) -> Meaning:
    if 200 <= status < 300:  # noqa: PLR2004
        readable = isinstance(body, dict) and "data" in body
        return Meaning.DONE if readable else Meaning.UNREADABLE
    if 300 <= status < 400:  # noqa: PLR2004
        return Meaning.MOVED
    own = bool(_errors(body))
    if status in {400, 409, 422} and own and mentions_duplicate(error_detail(body)):
        return Meaning.DUPLICATE
    return {
        401: Meaning.UNAUTHORIZED,
        403: Meaning.FORBIDDEN if own else Meaning.FAILED,
        404: Meaning.NOT_FOUND if own else Meaning.FAILED,
        408: Meaning.FAILED,
        409: Meaning.DUPLICATE,
        429: Meaning.LIMITED,
    }.get(status, Meaning.REFUSED if status < 500 else Meaning.FAILED)  # noqa: PLR2004


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _errors(body: Any) -> list[dict[str, Any]]:
    if not isinstance(body, dict):
        return []
    if isinstance(body.get("errors"), list):
        return [error for error in body["errors"] if isinstance(error, dict)]
    return [body] if "error" in body else []


def _texts(error: dict[str, Any]) -> list[str]:
    source = error.get("source")
    where = source.get("parameter") or source.get("pointer") if isinstance(source, dict) else None
    values = [error.get(key) for key in ("code", "title", "detail", "message", "error")]
    return [str(value) for value in (*values, where) if isinstance(value, str) and value]
