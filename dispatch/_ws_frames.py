"""The frames that go over a worker's socket: what is read of a worker, what is written to it, and their JSON Schema."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from dispatch._envelope import Envelope, TaskEnvelope
from dispatch._inbox import Receipt
from engine.ids import IN_PATH, NOT_IN_PATH

Text = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
_IN_PATH = re.compile(IN_PATH)


def _in_path(name: str) -> str:
    if not _IN_PATH.fullmatch(name):
        raise PydanticCustomError("name", NOT_IN_PATH)
    return name


WorkerId = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": IN_PATH}), AfterValidator(_in_path)
]
"""A name that can stand in a path."""
Object = dict[str, Any]

PROTOCOL_VERSION = 1
"""There is one so far: a worker that speaks newer ones too is answered in it."""
DRAIN, REBIND = "drain", "rebind"
"""What a worker names among its features that is to be told so."""
MAX_HELD = 100_000
OLDER = {"task.result": "result", "task.feedback": "feedback"}
"""Names that older workers have for their frames."""
OLD_ERROR = "command.error"
MAX_NAMED = 1000
"""A longer name of a frame that is not understood is not repeated."""
UNTOLD = {"code": "worker.error", "message": "the worker sent command.error without an error"}
TOLD_BESIDE = ("usage", "events", "rate_limit")
"""What a body may say beside its error."""


class Frame(BaseModel):
    """A frame. Members that are not known here are ignored: either side may be the newer one."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


# ---- from a worker


class Held(Frame):
    """A request that a worker has, and whose answer was not acknowledged yet."""

    task_id: Text
    corr: Text


class Condition(Frame):
    """How a worker is; what it leaves out stays as it was."""

    status: Annotated[str, Field(max_length=200)] | None = None
    inventory: Any = Field(default=None, description="What it has to work with: handlers, packages.")
    resources: Any = Field(default=None, description="What it alone has at hand, such as files or models.")
    metrics: Any = Field(default=None, description="How it is: load, memory, disk.")

    def said(self) -> Object:
        """What it does not leave out."""
        told = {name: getattr(self, name) for name in Condition.model_fields}
        return {name: value for name, value in told.items() if value is not None}


class Register(Condition):
    """Who the worker is: the first frame of every connection."""

    type: Literal["register"] = "register"
    id: WorkerId
    protocol_version: int = Field(default=1, ge=1, description="The newest that it speaks.")
    features: list[Name] = Field(
        default_factory=list, max_length=1000, description="What it understands: `drain` and `rebind` are frames."
    )
    tags: list[Name] = Field(default_factory=list, max_length=1000)
    max_concurrent: int = Field(default=1, ge=1, le=100_000)
    metadata: Object = Field(default_factory=dict)
    holding: list[Held] = Field(
        default_factory=list,
        max_length=MAX_HELD,
        description="What it still works at, and what it has answered without an acknowledgement.",
    )
    dispatch_as: Literal["dispatch", "cmd.dispatch", "task.dispatch"] = Field(
        default="dispatch", description="The type of the frames that bring it tasks: older workers know another name."
    )


class Heartbeat(Condition):
    """The worker is there."""

    type: Literal["heartbeat"] = "heartbeat"


class Acknowledge(Frame):
    """The task of a `dispatch` was taken."""

    type: Literal["ack"] = "ack"
    corr: Text = Field(description="The `id` of the `dispatch`.")


class Feedback(Frame):
    """What a worker reports of a task."""

    type: Literal["feedback"] = "feedback"
    corr: Text = Field(description="That of the task.")
    stage: str | None = None
    progress: Annotated[float | int, Field(ge=0, le=1)] | None = None
    message: str | None = None
    chunks: list[Object] | None = None
    data: Any = None

    def report(self) -> Object:
        """The report, with the fields that were given."""
        return self.model_dump(exclude={"type", "corr"}, exclude_none=True)


class Result(Frame):
    """An answer, sent again until it is acknowledged."""

    type: Literal["result"] = "result"
    id: Text | None = Field(
        default=None, description="Names the frame in its acknowledgement; without it there is none."
    )
    corr: Text = Field(description="That of the task.")
    body: Any = Field(description="The answer, as on every transport.")


class Leave(Frame):
    """The worker wants no more work on this connection; what it holds goes on."""

    type: Literal["drain"] = "drain"


FromWorker = Annotated[
    Register | Heartbeat | Acknowledge | Feedback | Result | Leave, Field(discriminator="type")
]  # fmt: skip
_reader: TypeAdapter[Register | Heartbeat | Acknowledge | Feedback | Result | Leave] = TypeAdapter(FromWorker)


# ---- from the server


class Registered(Frame):
    """The worker is registered."""

    type: Literal["registered"] = "registered"
    worker_id: str
    protocol_version: int = Field(description="What is spoken on this connection.")
    heartbeat_ms: int = Field(description="How often it has to send a heartbeat.")
    drop: list[str] = Field(description="The tasks of `holding` that nobody wants any more.")


class AckAsked(Frame):
    """An acknowledgement is wanted."""

    request: Literal[True] = True


class Dispatch(Frame):
    """A task."""

    type: Literal["dispatch", "cmd.dispatch", "task.dispatch"]
    id: str = Field(description="Names the frame in its acknowledgement. Sent again, it has the same one.")
    corr: str = Field(description="Names the task in answers and reports, and authorises them.")
    message_id: str = Field(description="Names the request: equal over its attempts.")
    ack_ms: int = Field(description="It is to be acknowledged within so many milliseconds.")
    ack: AckAsked
    task: TaskEnvelope


class Refusal(Frame):
    """Why something changes nothing."""

    code: str
    message: str


class Acknowledged(Frame):
    """A `result` is durable, or is refused for good: it need not be sent again."""

    type: Literal["ack"] = "ack"
    corr: str = Field(description="The `id` of the `result`.")
    refused: Refusal | None = Field(default=None, description="Given where it changes nothing.")


class Cancel(Frame):
    """Nobody wants the answer of a task any more."""

    type: Literal["cancel"] = "cancel"
    task_id: str


class Rebound(Frame):
    """A task was taken from the worker, and goes to another one. Who does not know it gets `cancel` instead."""

    type: Literal["rebind"] = "rebind"
    task_id: str


class Drained(Frame):
    """The server ends: what is held goes on, and is answered after a reconnect. Or, to who knows it, that the worker is
    drained: it gets nothing more, or it gets tasks again."""

    type: Literal["drain"] = "drain"
    scope: Literal["server", "worker"] = Field(default="server", description="Who takes no more.")
    draining: bool = Field(default=True, description="False where the worker gets tasks again.")


class Fault(Frame):
    """A frame was not understood, or a registration not taken."""

    type: Literal["error"] = "error"
    code: str
    message: str
    corr: str | None = Field(default=None, description="The `id` of that frame, else its `corr`, where it has one.")


FROM_SERVER = (Registered, Dispatch, Acknowledged, Cancel, Rebound, Drained, Fault)
FROM_WORKER = (Register, Heartbeat, Acknowledge, Feedback, Result, Leave)


class FrameInvalid(ValueError):
    """What came is no frame; the message says why, and repeats no values. `corr` is what it called itself."""

    def __init__(self, message: str, corr: str | None = None) -> None:
        super().__init__(message)
        self.corr = corr


def read_frame(value: Any) -> Register | Heartbeat | Acknowledge | Feedback | Result | Leave:
    """The frame that a JSON value is. Raises FrameInvalid."""
    if not isinstance(value, dict):
        raise FrameInvalid("a frame is a JSON object with a `type`")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise FrameInvalid("a frame has a `type`, which is a text", _corr(value))
    if kind == OLD_ERROR:
        value = {**value, "type": "result", "body": _failed(value)}
    elif kind in OLDER:
        value = {**value, "type": OLDER[kind]}
    try:
        return _reader.validate_python(value)
    except ValidationError as error:
        raise FrameInvalid(_why(kind, error), _corr(value)) from None


def _corr(frame: Mapping[str, Any]) -> str | None:
    """What names a frame that is not understood to who has sent it."""
    named = (frame.get("id"), frame.get("corr"))
    return next((name for name in named if isinstance(name, str) and len(name) <= MAX_NAMED), None)


def _failed(frame: Mapping[str, Any]) -> Object:
    """The answer that a `command.error` is. It has an error whatever the frame says, which says there was one."""
    body = frame.get("body")
    held = body if isinstance(body, dict) else {"error": body}
    said = (frame.get("error"), _error_in(frame), held.get("error"), _error_in(held), UNTOLD)
    error = next(found for found in said if found and isinstance(found, str | dict))
    return {"error": error, **{name: held[name] for name in TOLD_BESIDE if name in held}}


def _error_in(holder: Mapping[str, Any]) -> Object:
    """The fields of an error that stand in an object themselves."""
    return {name: holder[name] for name in ("code", "message", "retryable", "details") if name in holder}


def _why(kind: str, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "union_tag_invalid":
        known = ", ".join(str(model.model_fields["type"].default) for model in FROM_WORKER)
        return f"'{kind[:80]}' is no type of a frame; known: {known}"
    place = ".".join(str(part) for part in first["loc"][1:]) or "frame"
    return f"{kind}: {place}: {first['msg']}"


# ---- written


def registered(worker_id: str, heartbeat_ms: int, drop: Iterable[str]) -> str:
    times = {"protocol_version": PROTOCOL_VERSION, "heartbeat_ms": heartbeat_ms}
    return _text({"type": "registered", "worker_id": worker_id, **times, "drop": list(drop)})


def dispatched(task: Envelope, dispatch_id: str, ack_ms: int, name: str) -> str:
    """The frame that brings a task, whose body is sent as it was written."""
    head = {
        "type": name,
        "id": dispatch_id,
        "corr": task.correlation_id,
        "message_id": task.message_id,
        "ack_ms": ack_ms,
        "ack": {"request": True},
    }
    return b"".join((orjson.dumps(head)[:-1], b',"task":', *task.pieces, b"}")).decode()


def acknowledged(frame_id: str, receipt: Receipt) -> str:
    found: Object = {"type": "ack", "corr": frame_id}
    if not receipt.taken:
        found["refused"] = {"code": receipt.code, "message": receipt.message}
    return _text(found)


def cancelled(task_id: str) -> str:
    return _text({"type": "cancel", "task_id": task_id})


def rebound(task_id: str) -> str:
    return _text({"type": "rebind", "task_id": task_id})


def drained(*, draining: bool) -> str:
    return _text({"type": "drain", "scope": "worker", "draining": draining})


def fault(code: str, message: str, corr: str | None = None) -> str:
    return _text({"type": "error", "code": code, "message": message, **({} if corr is None else {"corr": corr})})


ENDS = '{"type":"drain","scope":"server"}'


def _text(frame: Object) -> str:
    return orjson.dumps(frame).decode()


# ---- described


def described() -> dict[str, Any]:
    """The JSON Schema of all frames, by who sends them."""
    definitions: Object = {}
    for model in (*FROM_WORKER, *FROM_SERVER):
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = {**schema, "required": sorted({"type", *schema.get("required", ())})}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frames of the websocket transport",
        "description": "Each frame is one of these, by its `type`. Members that are not named are ignored. "
        f"Workers may also say {', '.join((*OLDER, OLD_ERROR))}.",
        "$defs": {
            "FromWorker": {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in FROM_WORKER]},
            "FromServer": {"oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in FROM_SERVER]},
            **dict(sorted(definitions.items())),
        },
    }


def main() -> None:
    """Write the schema to standard output."""
    sys.stdout.buffer.write(orjson.dumps(described(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")


if __name__ == "__main__":
    main()
