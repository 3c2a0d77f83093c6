"""The errors that the API answers with, and their bodies."""

from __future__ import annotations

from typing import Any, Literal

ErrorShape = Literal["jsonapi", "plain", "short"]


class ApiError(Exception):
    """A refusal of a whole request.

    Attributes:
        status: HTTP status.
        code: Kustomer's short code, such as `badparam` or `notfound` [API §8].
        title: What is wrong, in a few words.
        detail: More about it, or None.
        source: What part of the request it is about (`parameter`, `pointer`), or None.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        *,
        detail: str | None = None,
        source: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.source = source
        self.headers: dict[str, str] = {}

    def body(self, shape: ErrorShape) -> dict[str, Any]:
        """Returns the answer's body in one of the three shapes of [API §8]."""
        if shape == "plain":
            message = self.title if self.detail is None else f"{self.title}: {self.detail}"
            return {"errors": [{"code": self.code, "message": message, "meta": {}}]}
        error: dict[str, Any] = {"status": self.status}
        if shape == "jsonapi":
            if self.source is not None:
                error["source"] = self.source
            error["code"] = self.code
        error["title"] = self.title
        if self.detail is not None:
            error["detail"] = self.detail
        return {"errors": [error]}


class ItemError(Exception):
    """A refusal of one record at run time: in a bulk job it fails this item alone [API §2.6].

    Attributes:
        text: What the item's result says.
        status: Status of the answer if the record was sent alone.
        parameter: The attribute it is about, or None.
    """

    def __init__(self, *, text: str, status: int = 400, parameter: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.parameter = parameter

    def as_api_error(self) -> ApiError:
        """Returns the refusal as the answer to a request for this one record."""
        source = None if self.parameter is None else {"parameter": self.parameter}
        codes = {404: ("notfound", "Not Found"), 409: ("conflict", "Conflict")}
        code, title = codes.get(self.status, ("badparam", "Bad Request"))
        return ApiError(self.status, code, title, detail=self.text, source=source)


def not_found(*, parameter: str) -> ApiError:
    """Returns the 404 of a look-up, as recorded [API §2.1]."""
    return ApiError(404, "notfound", "Not Found", source={"parameter": parameter})


def bad_request(*, title: str, parameter: str | None = None, detail: str | None = None) -> ApiError:
    """Returns the 400 for a request that breaks a rule [API §5, §8]."""
    source = None if parameter is None else {"parameter": parameter}
    return ApiError(400, "badparam", title, detail=detail, source=source)
