"""What can go wrong between a program and the server: one class for each thing that a caller can do differently."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from clew.models.common import Fault


class ClewError(Exception):
    """Everything that the client raises."""


class Unreachable(ClewError):
    """The server gave no answer, for as long as the client was patient."""


class Problem(ClewError):
    """The server refused; its problem document (RFC 9457) as attributes.

    `code` is stable: decide by it. `errors` are the places that are wrong. `retry_after_s` is when the server may be
    asked again, where it says so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Fault] = (),
        document: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.document = dict(document or {})
        self.retry_after_s = retry_after_s


class Malformed(Problem):
    """400: the request is not one that can be read."""


class Unauthorized(Problem):
    """401: the server wants a token, or another one."""


class Forbidden(Problem):
    """403: this is not allowed to whoever asks."""


class NotFound(Problem):
    """404: an id names nothing."""


class Conflict(Problem):
    """409: what was asked does not go with how things stand, or an id is taken."""


class Changed(Problem):
    """412: it is not the version any more that `if_match` names."""


class TooLarge(Problem):
    """413: the body is larger than the server allows."""


class Invalid(Problem):
    """422: a document or a value is wrong; `errors` says where."""


class TooMany(Problem):
    """429: ask less often."""


class NotNow(Problem):
    """503 or 507: the server takes no work now, and did not for as long as the client was patient."""


CLASSES: dict[int, type[Problem]] = {
    400: Malformed,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Changed,
    413: TooLarge,
    422: Invalid,
    429: TooMany,
    503: NotNow,
    507: NotNow,
}


def problem_of(response: httpx.Response) -> Problem:
    """The error that a response is. Its body has been read."""
    document = _document(response)
    status = response.status_code
    faults = [Fault.model_validate(fault) for fault in document.get("errors") or () if isinstance(fault, dict)]
    return CLASSES.get(status, Problem)(
        status,
        str(document.get("code") or f"http.{status}"),
        str(document.get("detail") or f"the server answered {status} {response.reason_phrase}: is the address right?"),
        faults,
        document,
        retry_after_of(response),
    )


def retry_after_of(response: httpx.Response) -> float | None:
    """The seconds that a response asks to be patient for, where it says so in seconds."""
    said = response.headers.get("Retry-After", "").strip()
    return float(said) if said.isascii() and said.isdigit() and len(said) < 9 else None


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
