"""Small parts that several models have."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import Field

from clew.models._base import Model

T = TypeVar("T")


class PageOf(Model, Generic[T]):
    """A page of a list. `next_cursor` leads to the next one; None after the last."""

    items: list[T]
    next_cursor: str | None = None


class Fault(Model):
    """One place that is wrong. `path` is a JSON Pointer into `in_`: the body, the query, the path or the headers."""

    path: str = ""
    in_: str | None = Field(default=None, alias="in")
    message: str = ""
    code: str | None = None
    severity: str | None = None
    line: int | None = None
    node: str | None = None
    hint: str | None = None


class ErrorObject(Model):
    """Why a task or a run has failed. Programs decide by `code`."""

    code: str
    message: str
    node: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    retryable: bool | None = None
    details: Any = None


class Usage(Model):
    """What was used, summed. `cost` is in whatever unit the workers report."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
