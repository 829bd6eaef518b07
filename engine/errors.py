"""The tree of errors: a class for each thing that a caller can do differently; `code` is stable and documented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class EngineError(Exception):
    """Root of all errors that Clew raises on purpose."""

    code: ClassVar[str] = "engine.error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details


class NotFound(EngineError):
    """An id names nothing."""

    code = "not_found"


class Conflict(EngineError):
    """The status does not allow the action, or the id is taken."""

    code = "conflict"

    def __init__(self, message: str, code: str = "conflict", **details: Any) -> None:
        super().__init__(message, **details)
        self.conflict = code


class Invalid(EngineError):
    """A document or value is not acceptable; nothing was changed."""

    code = "invalid"

    def __init__(
        self, message: str, code: str = "invalid", problems: Sequence[Mapping[str, Any]] = (), **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.reason = code
        self.problems = tuple(problems)


class StaleCommit(EngineError):
    """A commit was planned on a version of the run, or under a lease, that is no longer the newest."""

    code = "commit.stale"


class StoreUnavailable(EngineError):
    """The store cannot take the commit now; nothing of it was written."""

    code = "store.unavailable"


class StoreFull(StoreUnavailable):
    """The disk is full: the store takes commits again once there is room."""

    code = "store.full"


class Draining(EngineError):
    """The server is being emptied before it ends: it begins no runs."""

    code = "server.draining"


class StoreLocked(EngineError):
    """Another process serves this database."""

    code = "store.locked"


class NodeFailure(EngineError):
    """A node cannot do its work; its failure rules (retry, error edge, on_error) apply.

    `node_code` is the code of the error object, `retryable` whether another attempt could end differently.
    """

    code = "node.failed"

    def __init__(self, code: str, message: str, *, retryable: bool | None = False, details: Any = None) -> None:
        super().__init__(message)
        self.node_code = code
        self.retryable = retryable
        self.error_details = details


class UnknownKey(NodeFailure):
    """An update of a key that `state_schema` does not declare."""

    def __init__(self, key: str, known: Sequence[str]) -> None:
        names = ", ".join(known[:10]) or "none"
        super().__init__(
            "state.unknown_key", f"state key '{key}' is not declared; declared keys: {names}", details={"key": key}
        )


class StateInvalid(NodeFailure):
    """A value that does not fit its entry of `state_schema`."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__("state.invalid", f"state key '{key}': {why}", details={"key": key})


def stable_code(error: EngineError) -> str:
    """The code by which people know an error: that of its case, where its class has several."""
    match error:
        case Conflict():
            return error.conflict
        case Invalid():
            return error.reason
        case NodeFailure():
            return error.node_code
        case _:
            return error.code
