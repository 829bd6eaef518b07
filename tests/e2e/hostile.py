"""Requests that no operation takes: what is sent, and the status and code of the refusal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from api.app import describe_app
from tests.e2e.furnished import Found, Ids

MAX_BODY, MAX_DEPTH = 64 * 1024, 64
MALFORMED, DEPTH, INTEGER, NUMBER, DUPLICATE = (
    (400, "json.malformed"), (422, "json.depth"), (422, "json.integer"), (422, "json.number"), (422, "json.duplicate"),
)  # fmt: skip
TOO_LARGE, MEDIA_TYPE, INVALID = (413, "request.too_large"), (415, "request.media_type"), (422, "request.invalid")

VALUES = [
    *((value, MALFORMED) for value in (
        b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x10", b"'a'", b"undefined", b"True", b"",
        b'"\x00"', b'"a\nb"', b'"\\x41"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff"', b'"\xed\xa0\x80"',
        b"{1: 2}", b"[1,]",
    )),
    *((value, NUMBER) for value in (b"1e999", b"-1e999", b"1e99999999999999999999", b"[0.1e310]")),
    *((value, INTEGER) for value in (
        b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"1" + b"0" * 5000,
        b'{"a": [1' + b"0" * 30 + b"]}",
    )),
    *((value, DEPTH) for value in (
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, b'{"a":' * 3000 + b"1" + b"}" * 3000, b"[" * 20_000 + b"]" * 20_000,
    )),
    *((value, DUPLICATE) for value in (b'1, "zz": 1', b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "b": 2, "\\u0061": 3}}]')),
]  # fmt: skip
"""JSON values, or what is none, that stand in a body that is in order but for them."""

KINDS = (
    "text/plain",
    "text/html; charset=utf-8",
    "application/xml",
    "multipart/form-data; boundary=x",
    "image/png",
    "*/*",
)

FILE = "application/x-ndjson"
TYPED: Mapping[str, Any] = {
    "null": None, "boolean": True, "integer": 7, "number": 1.5, "string": "x", "array": [], "object": {},
}  # fmt: skip
UNKNOWN = (
    "x", "0", "-1", "None", "00000000-0000-7000-8000-000000000000", "%00", "%ff", "%ed%a0%80", "%F0%9F%92%A5", "%20",
    "..", "x" * 3000, "1" * 400, "1.1", "run.1e3", "9223372036854775808.9223372036854775808", "{run_id}", "*", "'",
)  # fmt: skip
"""Ids as they stand in a path, that name nothing."""


@dataclass(frozen=True)
class Operation:
    """An operation, as the description has it. `fields` are those of its body, `kinds` their JSON types."""

    method: str
    path: str
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The query parameters and their schemas."""
        return {one["name"]: one["schema"] for one in self.about.get("parameters", ()) if one["in"] == "query"}

    @property
    def takes_file(self) -> bool:
        """Whether its body is the file of a run."""
        return FILE in self.about.get("requestBody", {}).get("content", {})

    @property
    def kinds(self) -> Collection[str]:
        """The media types that its body may have."""
        return self.about.get("requestBody", {}).get("content", {}).keys()

    @property
    def body(self) -> Mapping[str, Any] | None:
        """The schema of the body; None where there is none."""
        content = self.about.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return None
        schema = content["application/json"]["schema"]
        schema = next((one for one in schema.get("anyOf", ()) if "$ref" in one), schema)
        return SHAPES[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


_DOCUMENT = describe_app().openapi()
SHAPES = _DOCUMENT["components"]["schemas"]
OPERATIONS = [
    Operation(method.upper(), path, about)
    for path, methods in _DOCUMENT["paths"].items()
    for method, about in methods.items()
]


def kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that a schema takes; all where it says nothing."""
    if "$ref" in schema:
        return frozenset({"object"})
    if found := schema.get("anyOf"):
        return frozenset().union(*map(kinds, found))
    named = schema.get("type")
    return frozenset({named, *(("integer",) if named == "number" else ())}) if named else frozenset(TYPED)


# ---- what would be taken


def _newest(ids: Ids) -> Mapping[str, Found]:
    """The runs that were put in last, by what they are for; of a run and its fork, the run."""
    number = ids.twice.rpartition("-")[2]
    named = ((*found.workflow_id.rpartition("-")[::2], found) for found in ids.runs)
    return {name: found for name, times, found in named if times == number}


def places(ids: Ids) -> Mapping[str, Mapping[str, str]]:
    """For each operation with ids in its path, ids with which it does what it is for; '' holds for all others."""
    runs, number = _newest(ids), ids.twice.rpartition("-")[2]
    waits, done, held = runs["waits"], runs["done"], runs["held"]
    common = {
        "run_id": waits.run_id, "workflow_id": ids.twice, "version": "1", "a": "1", "b": "2", "branch": "branch-2",
        "checkpoint_id": waits.checkpoints[0], "task_id": waits.tasks[0], "interrupt_id": waits.interrupts[0],
        "worker_id": "counter", "letter_id": ids.letters[0], "notice_id": ids.notices[0],
        "session_id": f"talk-{number}", "job_id": ids.jobs[0],
        "sha256": ids.artifacts[0],
    }  # fmt: skip
    of_done = {**common, "run_id": done.run_id, "branch": "main"}
    return {
        "": common,
        "DELETE /v1/artifacts/{sha256}": {**common, "sha256": ids.artifacts[-1]},
        "DELETE /v1/runs/{run_id}": {**common, "run_id": runs["idle"].run_id},
        "DELETE /v1/sessions/{session_id}": {**common, "session_id": f"over-{number}"},
        "POST /v1/runs/{run_id}/fork": of_done,
        "POST /v1/runs/{run_id}/replay": of_done,
        "POST /v1/runs/{run_id}/branches/{branch}/checkout": of_done,
        "POST /v1/runs/{run_id}/release": {**common, "run_id": ids.imported},
        "POST /v1/runs/{run_id}/retry": {**common, "run_id": runs["fails"].run_id},
        **{f"POST /v1/tasks/{{task_id}}/{what}": {**common, "task_id": held.tasks[0]} for what in REPORTS},
    }


REPORTS = ("heartbeat", "progress", "result")


def query(operation: Operation, ids: Ids) -> str:
    """The query parameters that the operation does not do without."""
    first, last = ids.runs[-1].checkpoints[-1], ids.runs[-1].checkpoints[0]
    known = {"path": "n", "from": first, "to": last, "a": first, "b": last}
    needed = [one["name"] for one in operation.about.get("parameters", ()) if one["in"] == "query" and one["required"]]
    return "&".join(f"{name}={known[name]}" for name in needed)


def bodies(ids: Ids, number: int) -> Mapping[str, Any]:
    """For each operation with a body, one that it takes."""
    runs = _newest(ids)
    done, waits = runs["done"], runs["waits"]
    document = {
        "id": f"new-{number}",
        "nodes": {"a": {"type": "transform", "updates": {}}},
        "edges": [["__start__", "a"], ["a", "__end__"]],
    }
    checkpoint = {"checkpoint_id": done.checkpoints[-1]}
    answers = {"resume": dict.fromkeys(waits.interrupts, "x")}
    return {
        "POST /v1/workflows/{workflow_id}/runs": {},
        "POST /v1/runs": {"workflow_id": ids.twice},
        "POST /v1/runs/{run_id}/resume": answers,
        "POST /v1/runs/{run_id}/fork": checkpoint,
        "POST /v1/runs/fork": checkpoint,
        "POST /v1/runs/bulk": {"action": "retry", "filter": {"ids": [done.run_id]}},
        "POST /v1/runs/{run_id}/replay": checkpoint,
        "POST /v1/runs/{run_id}/state": {"updates": {"n": 1}},
        "POST /v1/tasks/{task_id}/result": {"output": "x"},
        "POST /v1/tasks/{task_id}/progress": {"message": "x"},
        "POST /v1/interrupts/{interrupt_id}/resume": {"resume": "x"},
        "POST /v1/interrupts/{interrupt_id}/claim": {"assignee": "ann"},
        "POST /v1/workflows": document,
        "POST /v1/workflows/validate": document,
        "POST /v1/workflows/import": document,
        "PUT /v1/workflows/{workflow_id}": {**document, "id": ids.twice},
        "POST /v1/workflows/{workflow_id}/duplicate": {"id": f"copy-{number}"},
        "POST /v1/workers": {"id": f"new-{number}", "protocol": "webhook", "url": "http://127.0.0.1:9/"},
        "POST /v1/workers/register": {"id": f"taken-up-{number}", "protocol": "pull"},
        "POST /v1/workers/heartbeat": {"worker_id": "counter"},
        "POST /v1/workers/{worker_id}/drain": {"draining": False},
        "PATCH /v1/workers/{worker_id}": {"tags": ["count"]},
    }


# ---- what is refused


def texts(good: Any) -> Iterator[tuple[bytes, tuple[int, str]]]:
    """Bodies that are no JSON, or JSON that cannot be kept, made of one that would be taken."""
    text = orjson.dumps(good)
    for value, refusal in VALUES:
        rest = b", " + text[1:] if text != b"{}" else b"}"
        yield b'{"zz": ' + value + rest, refusal
    for broken in (text[:-1], text + b"x", text + text, b"nonsense", b"\xff", b"\x00", b"\xef\xbb\xbf" + text, b" "):
        yield broken, MALFORMED
    yield text.decode().encode("utf-16"), MALFORMED
    yield text[:-1] + b" " * MAX_BODY + b"}", TOO_LARGE


def fields(operation: Operation, good: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Bodies with one field that is wrong, and the JSON Pointer that the refusal begins with."""
    schema = operation.body or {}
    known = schema.get("properties")
    if known is None:
        return
    yield {**good, "zz": 1}, "/zz"
    for wrong in ([], [good], "x", 1, True):
        yield wrong, ""
    for name in schema.get("required", ()):
        yield {key: value for key, value in good.items() if key != name}, f"/{name}"
    for name, found in known.items():
        if name == "workflow":  # what is wrong with a document has its own tests
            continue
        yield from ((value, f"/{name}") for value in _wrong(good, name, found))


def _wrong(good: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from ({**good, name: value} for kind, value in TYPED.items() if kind not in kinds(schema))
    for one in (schema, *schema.get("anyOf", ())):
        yield from ({**good, name: value} for key, bad in OUTSIDE.items() if key in one for value in bad(one[key]))
        if one.get("type") == "array" and (inner := one.get("items")):
            yield from ({**good, name: [value]} for kind, value in TYPED.items() if kind not in kinds(inner))


OUTSIDE: Mapping[str, Callable[[Any], Sequence[Any]]] = {
    "maxLength": lambda most: ["x" * (most + 1)],
    "minLength": lambda least: [""] if least else [],
    "pattern": lambda _: ["a\x00b", "\x00", "a\nb", "x\n"],
    "minimum": lambda least: [least - 1],
    "maximum": lambda most: [most + 1],
    "enum": lambda _: ["none of these"],
    "const": lambda _: ["none of these"],
}
"""For each bound of a schema, values that are beyond it."""


def queries(operation: Operation) -> Iterator[str]:
    """Query strings that the operation refuses."""
    yield from ("zz=1", "=", "=1", "%00=1", "%ff", "&zz", "x" * 3000, "LIMIT=1", "limit%20=1")
    for name, schema in operation.parameters.items():
        for value in _absurd(schema):
            yield f"{name}={value}"
        if "<" not in name:
            yield f"{name}=1&{name}=1"


def _absurd(schema: Mapping[str, Any]) -> Iterator[str]:
    allowed = kinds(schema) - {"null"}
    if "string" not in allowed:
        yield from (
            "",
            "x",
            "%00",
            "null",
            "[]",
            "%7B%7D",
            "%F0%9F%92%A5",
            "1" * 400,
            "NaN",
            "1e400",
            "-1",
            "0x1",
            "%D9%A3",
        )
    if any("enum" in one or "const" in one for one in (schema, *schema.get("anyOf", ()))):
        yield from ("", "x", "%00", "*", "x" * 3000)
