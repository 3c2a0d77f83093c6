from __future__ import annotations

import json
from typing import Any

import pytest

from target_kustomer.kustomer.errors import (
    Meaning,
    error_detail,
    mentions_duplicate,
    mentions_expiry,
    pods_of_refusal,
    read_answer,
)

HTML = b"<html><body><h1>Not Found</h1></body></html>"
SHORT = {"errors": [{"status": 400, "title": "Bad", "detail": "is wrong"}]}
JSONAPI = {
    "errors": [
        {
            "status": 400,
            "code": "badparam",
            "title": "Additional properties not allowed",
            "source": {"parameter": "firstName"},
        }
    ]
}
PLAIN = {"errors": [{"code": "bad_request", "message": "Invalid request body.", "meta": {}}]}
OLD = {"error": "bad", "message": "Broken"}
TAKEN = {"errors": [{"status": 409, "code": "conflict", "title": "duplicate detected"}]}


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, {"data": {}}, Meaning.DONE),
        (201, {"data": {}}, Meaning.DONE),
        (200, b"", Meaning.UNREADABLE),
        (201, b'{"data": {"id"', Meaning.UNREADABLE),
        (200, HTML, Meaning.UNREADABLE),
        (200, {"errors": []}, Meaning.UNREADABLE),
        (200, [], Meaning.UNREADABLE),
        (302, b"", Meaning.MOVED),
        (400, JSONAPI, Meaning.REFUSED),
        (400, PLAIN, Meaning.REFUSED),
        (400, SHORT, Meaning.REFUSED),
        (400, TAKEN, Meaning.DUPLICATE),
        (409, TAKEN, Meaning.DUPLICATE),
        (409, OLD, Meaning.DUPLICATE),
        (413, SHORT, Meaning.REFUSED),
        (413, HTML, Meaning.REFUSED),
        (401, PLAIN, Meaning.UNAUTHORIZED),
        (403, PLAIN, Meaning.FORBIDDEN),
        (403, HTML, Meaning.FAILED),
        (403, b"", Meaning.FAILED),
        (404, JSONAPI, Meaning.NOT_FOUND),
        (404, PLAIN, Meaning.NOT_FOUND),
        (404, HTML, Meaning.FAILED),
        (404, b"", Meaning.FAILED),
        (404, {"message": "no route"}, Meaning.FAILED),
        (408, b"", Meaning.FAILED),
        (429, PLAIN, Meaning.LIMITED),
        (429, HTML, Meaning.LIMITED),
        (500, PLAIN, Meaning.FAILED),
        (502, HTML, Meaning.FAILED),
        (503, b"", Meaning.FAILED),
        (504, HTML, Meaning.FAILED),
        (599, b"\xff\xfe", Meaning.FAILED),
    ],
)
def test_an_answer_means_what_the_caller_does_next(
    status: int, body: Any, meaning: Meaning
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert read_answer(status, content).meaning is meaning


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (JSONAPI, ["badparam", "Additional properties not allowed", "firstName"]),
        (PLAIN, ["bad_request", "Invalid request body."]),
        (SHORT, ["Bad", "is wrong"]),
        (OLD, ["bad", "Broken"]),
    ],
)
def test_each_shape_of_an_error_is_read(body: Any, words: list[str]) -> None:
    assert all(word in error_detail(body) for word in words)


@pytest.mark.parametrize("body", [None, [], "text", {"errors": "text"}, {"errors": [1]}, {}])
def test_what_is_no_error_body_has_no_detail(body: Any) -> None:
    assert error_detail(body) == ""


def test_a_detail_is_whole_since_half_a_value_could_not_be_masked() -> None:
    assert error_detail({"errors": [{"title": "x" * 2000}]}) == "x" * 2000


@pytest.mark.parametrize(
    ("text", "pods"),
    [
        (
            "Auth token associated with pod prod2 but request is being handled by prod1",
            ("prod2", "prod1"),
        ),
        (
            "no; Auth token associated with pod prod1 but request is being handled by prod14; so",
            ("prod1", "prod14"),
        ),
        ("Auth token associated with pod s3cret but request is being handled by prod1", None),
        ("Auth token associated with pod prod2 but request is being handled by s3cret", None),
        ("Expired token", None),
        ("", None),
    ],
)
def test_the_pods_of_a_refusal_are_read_and_nothing_else(
    text: str, pods: tuple[str, str] | None
) -> None:
    assert pods_of_refusal(text) == pods


@pytest.mark.parametrize(
    ("text", "expected"), [("Expired token", True), ("jwt EXPIRED", True), ("Unauthorized", False)]
)
def test_a_text_speaks_of_an_expired_key(text: str, *, expected: bool) -> None:
    assert mentions_expiry(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("duplicate detected", True),
        ("Duplicate key", True),
        ("emails must be UNIQUE", True),
        ("A customer with this email already exists", True),
        ("validation failed", False),
        ("not found", False),
    ],
)
def test_a_text_speaks_of_a_duplicate(text: str, *, expected: bool) -> None:
    assert mentions_duplicate(text) is expected
