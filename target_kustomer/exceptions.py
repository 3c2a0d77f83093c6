"""The errors of the target, sorted by what the caller does next.

::

    TargetKustomerError
    |-- FatalError                 ends the run; knows its exit code and the mend
    |   |-- ConfigurationError     exit 2
    |   |-- InputError             exit 2, with the line number
    |   |-- RejectsError           exit 3, when all else is loaded
    |   |-- AccessError            exit 4
    |   |-- UnreachableError       exit 5
    |   `-- SignalError            exit 128 + the signal's number
    |-- RequestError               one request failed; the caller decides
    |   |-- RefusedError           Kustomer said no to this request (400, 409, 413, 422)
    |   |-- NotFoundError          404
    |   `-- LostAnswerError        the request may have been taken: look before sending it again
    `-- StoppedError               the run is ending: leave what you do
"""

from __future__ import annotations

import re

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
"""What would make several lines of one, speak to a terminal, or cannot be written."""


def one_line(text: str) -> str:
    """The text without what would break its line or a terminal."""
    return _BREAKS.sub(" ", text)


class TargetKustomerError(Exception):
    """Any error that this target raises on purpose."""


class FatalError(TargetKustomerError):
    """Ends the run with :attr:`exit_code`; the message says what failed and what to do.

    It is one line, whatever the names of streams and columns in it hold.

    Attributes:
        what: What failed.
        mend: What to do, where that is told apart.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, mend: str | None = None) -> None:
        self.what = one_line(message)
        self.mend = mend and one_line(mend)
        super().__init__(f"{self.what}: {self.mend}" if self.mend else self.what)


class ConfigurationError(FatalError):
    """A setting is wrong, or does not fit the stream's SCHEMA."""

    exit_code = 2


class InputError(FatalError):
    """The Singer stream is broken.

    Attributes:
        line_number: The line on stdin, from 1.
    """

    exit_code = 2

    def __init__(self, message: str, line_number: int) -> None:
        super().__init__(f"line {line_number}: {message}")
        self.line_number = line_number


class RejectsError(FatalError):
    """More records were rejected than the settings allow."""

    exit_code = 3


class AccessError(FatalError):
    """Kustomer refuses the key, or the key lacks a role.

    Attributes:
        status: 401 for the key, 403 for a role; None where the roles were checked beforehand.
    """

    exit_code = 4

    def __init__(self, message: str, *, status: int | None = None, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        self.status = status


class UnreachableError(FatalError):
    """Kustomer did not answer, or did not finish a job, within the deadlines.

    Attributes:
        status: Of the last answer to a request, where one came that is of no use.
    """

    exit_code = 5

    def __init__(self, message: str, *, status: int | None = None, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        self.status = status


class SignalError(FatalError):
    """A signal ended the run.

    Attributes:
        signum: The signal's number.
    """

    def __init__(self, signum: int, *, mend: str) -> None:
        super().__init__(f"ended by signal {signum}", mend=mend)
        self.signum = signum
        self.exit_code = 128 + signum


class RequestError(TargetKustomerError):
    """One API request failed.

    Attributes:
        status: The HTTP status, where there was an answer.
        detail: The server's own text. It may hold personal data and never goes to a log.
        after_lost: Whether an earlier try of the same request may have been taken.
    """

    def __init__(self, message: str, *, status: int | None = None, detail: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.after_lost = False


class RefusedError(RequestError):
    """Kustomer refuses this request as it is: sending it again would not help.

    Attributes:
        duplicate: Whether the refusal speaks of an identifier that another object has.
    """

    def __init__(
        self, message: str, *, status: int, detail: str = "", duplicate: bool = False
    ) -> None:
        super().__init__(message, status=status, detail=detail)
        self.duplicate = duplicate


class NotFoundError(RequestError):
    """There is no such object (404), and that is certain."""


class LostAnswerError(RequestError):
    """No answer came that tells whether the request was taken."""


class StoppedError(TargetKustomerError):
    """The run is ending; whoever waits must leave."""
