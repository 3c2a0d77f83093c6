"""Sends one request to Kustomer and does not give up on it before its deadline."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import tenacity

from target_kustomer.exceptions import (
    AccessError,
    ConfigurationError,
    LostAnswerError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from target_kustomer.kustomer.budget import Budget
from target_kustomer.kustomer.errors import Meaning, Reading, read_answer

if TYPE_CHECKING:
    from target_kustomer.clock import Clock
    from target_kustomer.settings import Settings

logger = logging.getLogger(__name__)

_MAX_BACKOFF_SECONDS = 30.0
"""Between two tries; with jitter, so that workers do not come back together."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before a byte of the request has left."""

_TALKATIVE = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
"""Loggers of addresses (with e-mails) at INFO, and of headers at DEBUG."""


@dataclass(frozen=True, slots=True)
class Request:
    """One API request.

    Attributes:
        kind: What it is for, in words, for messages: the path may hold personal data.
        repeatable: Whether it may be sent again when it may have been taken.
        object_id: The object that it updates, if it is a single one: that has a limit of its own.
    """

    kind: str
    method: str
    path: str
    params: dict[str, str] | None = None
    json: Any = None
    repeatable: bool = True
    object_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON of a 2xx, and whether an earlier try of the same request may have been taken."""

    body: Any
    after_lost: bool


class Sender(Protocol):
    """What sends requests."""

    def send(self, request: Request) -> Answer:
        """Send one request; the errors are those of :meth:`Client.send`."""


class _TryAgainError(Exception):
    """This try failed in a way that another may mend."""


class Client:
    """HTTP to one Kustomer org, within its budget.

    Args:
        settings: Address, key, time-outs.
        clock: Time.
        transport: Replaces the network, for tests.

    Raises:
        ConfigurationError: The address is none, or a proxy or a file of certificates that the
            environment names cannot be used.
    """

    def __init__(
        self, settings: Settings, clock: Clock, transport: httpx.BaseTransport | None = None
    ) -> None:
        _keep_requests_out_of_logs()
        self._clock = clock
        self._deadline_seconds = settings.retry_deadline_seconds
        self._budget = Budget(settings.rate_limit_share, clock)
        self._host = _host(settings.base_url)
        try:
            self._http = _http(settings, transport)
        except (ValueError, OSError, ImportError, httpx.InvalidURL):
            msg = (
                "a proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) or certificates (SSL_CERT_FILE, "
                "SSL_CERT_DIR) that the environment names cannot be used: mend or unset them"
            )
            raise ConfigurationError(msg) from None  # its own words quote a proxy's password

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, request: Request) -> Answer:
        """Send until there is an answer.

        Raises:
            RefusedError: Kustomer refuses the request as it is.
            NotFoundError: Kustomer says that there is no such object.
            LostAnswerError: It may have been taken, and is not repeatable.
            AccessError: The key or its roles are refused.
            ConfigurationError: The address is not that of the API.
            UnreachableError: No answer before ``retry_deadline_seconds``.
        """
        tries = _Tries(self._clock, self._deadline_seconds)
        try:
            body = tries.retrying()(self._try, request, tries)
        except _TryAgainError as error:
            msg = (
                f"{self._host} did not answer ({request.kind}: {error}) within "
                f"{self._deadline_seconds:g} s: check the network and Kustomer's status, then "
                "run again: the last STATE is safe"
            )
            raise UnreachableError(msg) from error
        return Answer(body, tries.lost)

    def _try(self, request: Request, tries: _Tries) -> Any:
        reading, why = self._exchange(request, tries)
        while reading.meaning is Meaning.LIMITED:
            reading, why = self._exchange(request, tries)
        if reading.meaning is Meaning.NOT_SENT:
            raise _TryAgainError(why)
        if reading.meaning in {Meaning.FAILED, Meaning.UNREADABLE}:
            if not request.repeatable:
                msg = f"{request.kind}: {why}"
                raise LostAnswerError(msg)
            tries.lost = True
            raise _TryAgainError(why)
        return reading.body

    def _exchange(self, request: Request, tries: _Tries) -> tuple[Reading, str]:
        """One request and its answer, read; beside it, what happened, for messages."""
        tries.wait(self._budget.acquire(request.object_id))
        started = self._clock.monotonic()
        try:
            response = self._http.request(
                request.method, request.path.lstrip("/"), params=request.params, json=request.json
            )
        except httpx.RequestError as error:  # the connection, or an answer that cannot be decoded
            self._budget.answered({}, started)
            if _is_distrust(error):
                msg = (
                    f"the certificate of {self._host} is not trusted, nothing was sent: check "
                    "api_url; for a proxy of your own set SSL_CERT_FILE to its authority's file"
                )
                raise UnreachableError(msg) from None
            meaning = Meaning.NOT_SENT if isinstance(error, _NOT_SENT) else Meaning.FAILED
            return Reading(meaning), type(error).__name__
        self._budget.answered(response.headers, started, request.object_id)
        status = response.status_code
        seconds = self._clock.monotonic() - started
        logger.debug("request kind=%s status=%d seconds=%.3f", request.kind, status, seconds)
        reading = read_answer(status, response.content)
        if reading.meaning is Meaning.LIMITED:
            wait = self._budget.exhausted(response.headers, request.object_id)
            logger.warning("budget spent (429): requests wait seconds=%.0f", wait)
        self._raise_for(reading, status, request)
        return reading, f"HTTP {status}"

    def _raise_for(self, reading: Reading, status: int, request: Request) -> None:
        meaning, detail = reading.meaning, reading.detail
        if meaning is Meaning.UNAUTHORIZED:
            msg = (
                "Kustomer refuses the api_key (401): check that it is whole, not expired and of "
                f"this org's region ({self._host})"
            )
            raise AccessError(msg, status=status)
        if meaning is Meaning.FORBIDDEN:
            msg = (
                f"the api_key lacks the role for: {request.kind} (403): make a key with that role "
                "(roles of a key cannot be changed)"
            )
            raise AccessError(msg, status=status)
        if meaning is Meaning.MOVED:
            msg = f"{self._host} redirects (HTTP {status}): set api_url or org to the API's address"
            raise ConfigurationError(msg)
        if meaning is Meaning.NOT_FOUND:
            raise NotFoundError(request.kind, status=status, detail=detail)
        if meaning in {Meaning.REFUSED, Meaning.DUPLICATE}:
            raise RefusedError(
                request.kind,
                status=status,
                detail=detail,
                duplicate=meaning is Meaning.DUPLICATE,
            )


class _Tries:
    """The tries of one request: when to stop, and whether one of them may have been taken."""

    def __init__(self, clock: Clock, deadline_seconds: float) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + deadline_seconds
        self.lost = False

    def wait(self, seconds: float) -> None:
        """Waiting for the budget is no failure: it does not count."""
        self._deadline += seconds

    def retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgainError),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=_MAX_BACKOFF_SECONDS),
            stop=lambda _: self._clock.monotonic() >= self._deadline,
            sleep=self._clock.sleep,
            before_sleep=_log_retry,
            reraise=True,
        )


def _log_retry(state: tenacity.RetryCallState) -> None:
    request: Request = state.args[0]
    error = state.outcome.exception() if state.outcome else None
    logger.warning("retry kind=%s attempt=%d error=%s", request.kind, state.attempt_number, error)


def _host(base_url: str) -> str:
    try:
        host = httpx.URL(base_url).host
        host.encode("idna")
    except (httpx.InvalidURL, UnicodeError):
        msg = "setting api_url or org gives no address that can be used"
        raise ConfigurationError(msg) from None
    return host


def _http(settings: Settings, transport: httpx.BaseTransport | None) -> httpx.Client:
    return httpx.Client(
        base_url=f"{settings.base_url}/v1",
        headers={
            "Authorization": f"Bearer {settings.api_key}",
            "Accept": "application/json",
            "User-Agent": f"target-kustomer/{metadata.version('target-kustomer')}",
        },
        timeout=httpx.Timeout(settings.request_timeout_seconds, pool=None),
        limits=httpx.Limits(
            max_connections=settings.max_parallel_requests,
            max_keepalive_connections=settings.max_parallel_requests,
        ),
        follow_redirects=False,
        transport=transport,
    )


def _is_distrust(error: BaseException | None) -> bool:
    """Whether the server's certificate was refused; the libraries wrap Python's error."""
    while error and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def _keep_requests_out_of_logs() -> None:
    """The HTTP libraries log addresses (with e-mails) and headers."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
