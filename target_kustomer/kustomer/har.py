"""One exchange as an entry of an HTTP Archive (HAR 1.2): pure but for the reading of bodies."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import harfile
import httpx

from target_kustomer.kustomer.masks import (
    CREDENTIALS,
    MASK,
    Secret,
    mask_address,
    mask_body,
    mask_header,
    mask_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_kustomer.kustomer.client import Exchange, Wire

_MAX_BODY_CHARACTERS = 4_000_000
"""A longer body is left out: a page of 100 customers has about 400,000."""

_JSON = "application/json"


class Entries:
    """Makes entries.

    Args:
        secret: The API key, which no entry tells.
        bodies: Whether entries tell the values of records; they are masked otherwise.
    """

    def __init__(self, secret: str, *, bodies: bool) -> None:
        self._hide = Secret(secret).hide
        self._bodies = bodies

    def entry(self, exchange: Exchange, wire: Wire, ended_at: float) -> dict[str, Any]:
        """The entry of an exchange.

        Args:
            exchange: What it was for, and how long it took.
            wire: What went over the wire.
            ended_at: When it was over, in UTC seconds since 1970.
        """
        timings = timings_of(exchange, wire.marks)
        started_at = ended_at - exchange.seconds - exchange.waited
        started = datetime.fromtimestamp(started_at, tz=timezone.utc)
        spans = (timings.blocked, timings.connect, timings.send, timings.wait, timings.receive)
        return {
            "startedDateTime": started.isoformat(timespec="milliseconds"),
            "time": round(sum(span for span in spans if span > 0), 3),
            "request": self._request(wire.request).asdict(),
            "response": self._response(exchange, wire.response),
            "cache": {},
            "timings": timings.asdict(),
            "comment": f"{exchange.kind}, try {exchange.attempt}",
        }

    def _request(self, request: httpx.Request) -> harfile.Request:
        url = request.url.copy_with(userinfo=b"")
        parameters = list(url.params.multi_items())
        address = url.raw_path.decode("ascii")
        if not self._bodies:
            parameters, address = mask_parameters(parameters), mask_address(address)
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        post = self._text(request.content) if request.content else None
        return harfile.Request(
            method=request.method,
            url=self._hide(origin + address),
            httpVersion="HTTP/1.1",
            headers=self._records(request.headers, ours=True),
            queryString=[harfile.Record(name, self._hide(value)) for name, value in parameters],
            postData=None if post is None else harfile.PostData(_JSON, text=post),
            bodySize=len(request.content),
        )

    def _response(self, exchange: Exchange, response: httpx.Response | None) -> dict[str, Any]:
        if response is None:
            none = harfile.Response(0, "", "", content=harfile.Content(mimeType="x-unknown"))
            return {**none.asdict(), "_error": exchange.error}
        status = response.status_code
        kind, location = (response.headers.get(each, "") for each in ("content-type", "location"))
        if not self._bodies:
            kind, location = kind and mask_header("content-type", kind), location and MASK
        return harfile.Response(
            status,
            httpx.codes.get_reason_phrase(status),  # the server's own may say anything
            response.http_version,
            headers=self._records(response.headers, ours=False),
            content=harfile.Content(
                size=len(response.content),
                mimeType=self._hide(kind),
                text=self._text(response.content),
            ),
            redirectURL=self._hide(location),
            bodySize=response.num_bytes_downloaded,
        ).asdict()

    def _records(self, headers: httpx.Headers, *, ours: bool) -> list[harfile.Record]:
        records = []
        for name, value in headers.multi_items():
            if name.lower() in CREDENTIALS:
                told = "Bearer ***" if value.startswith("Bearer ") else MASK
            else:
                told = value if ours or self._bodies else mask_header(name, value)
            records.append(harfile.Record(self._hide(name), self._hide(told)))
        return records

    def _text(self, content: bytes) -> str:
        text = content.decode(errors="replace") if self._bodies else mask_body(content)
        if len(text) > _MAX_BODY_CHARACTERS:
            return f"left out: {len(text)} characters"
        return self._hide(text)


def timings_of(exchange: Exchange, marks: Mapping[str, float]) -> harfile.Timings:
    """How long each part took, in milliseconds; ``blocked`` is the wait for the budget, too.

    Args:
        exchange: The exchange.
        marks: When httpx told of each of its steps, by the clock's ``monotonic``; as far as it did.
    """
    started, end = exchange.started, exchange.started + exchange.seconds
    connecting, securing = marks.get("connect_tcp.started"), marks.get("start_tls.started")
    sending, sent = (
        marks.get("send_request_headers.started"),
        marks.get("send_request_body.complete"),
    )
    answered = marks.get("receive_response_headers.complete")
    if connecting is None and sending is None:
        return harfile.Timings(0, _ms(exchange.seconds), 0, blocked=_ms(exchange.waited))
    begun = min(each for each in (connecting, sending) if each is not None)
    return harfile.Timings(
        blocked=_ms(exchange.waited + begun - started),
        connect=-1
        if connecting is None
        else _ms((end if sending is None else sending) - connecting),
        ssl=-1 if securing is None else _ms(marks.get("start_tls.complete", end) - securing),
        send=0 if sending is None else _ms((end if sent is None else sent) - sending),
        wait=0 if sent is None else _ms((end if answered is None else answered) - sent),
        receive=0 if answered is None else _ms(end - answered),
    )


def _ms(seconds: float) -> float:
    return round(max(seconds, 0.0) * 1000, 3)
