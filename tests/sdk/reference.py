"""The page of the reference about the SDK, written from its code.

python -m tests.sdk.reference > docs/reference/sdk.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

from clew import Answer, Client, Task, TaskError, Worker, errors, fields
from clew.worker.command import parser

HEAD = """# The SDK for Python

This page is made from the code by `make docs`; [the README](../../sdk/python/README.md) shows how it is used.

## The client

`Client(url, token)` is asynchronous: each call is a coroutine, and what gives one item after the other is an
asynchronous iterator. `SyncClient` has the same calls, which give their results at once. Both take `patience_s`, the
seconds for which a call is tried again. `key` is an `Idempotency-Key`: one is made where there is none. `page` is how
many items of a list are fetched at once.
"""
PARTS = ("runs", "workflows", "interrupts", "workers", "sessions", "dead_letters", "jobs", "artifacts")
FIELDS = ("RunFields", "RunFilters", "LineFields", "ForkFields", "WorkerFields", "BulkFields", "BulkFilter")

CODES = {
    "answer.invalid": "what a function returned is nested more than 60 levels deep, or the server could not take it",
    "answer.too_large": "an answer is larger than goes over every transport, 7.75 MiB: pass it as an artifact",
    "state.invalid": "an integer in an answer has more than 64 bits",
    "worker.answer": "what a function returned is no JSON; it is not tried again",
    "worker.cancelled": "nobody wanted the answer any more",
    "worker.exception": "a function raised an exception that has no text as a `code` of its own",
    "worker.left": "the worker ended before the task did, after the time that it had",
    "worker.no_function": "the worker has no function for the tags of the node",
    "worker.signature": "a request was not signed with the worker's secret",
    "worker.task": "what came is no task",
    "worker.too_large": "a request was larger than a worker takes, 64 MiB",
}


def page() -> str:
    """The whole page, as Markdown."""
    client = Client()
    parts = [HEAD, "\n### The server\n\n", *_operations(client, "clew")]
    for part in PARTS:
        parts += [f"\n### {part}\n\n", *_operations(getattr(client, part), f"clew.{part}")]
    parts += ["\n### Fields\n\nFields stand among the arguments, by name. What is not given is left to the server.\n\n"]
    parts += ["| | |\n| --- | --- |\n", *map(_fields, FIELDS)]
    parts += ["\n### Errors\n\n| error | means |\n| --- | --- |\n", *_errors()]
    parts += ["\n## The worker kit\n\n"]
    for kind in (Worker, Task, Answer, TaskError):
        parts += [f"### {kind.__name__}\n\n{_about(kind)}\n\n", *_members(kind), "\n"]
    parts += ["### Codes\n\nWhat the kit itself fails an attempt with:\n\n| code | what happened |\n| --- | --- |\n"]
    parts += [f"| `{code}` | {what} |\n" for code, what in CODES.items()]
    parts += ["\n## clew worker\n\n| option | means |\n| --- | --- |\n", *_options()]
    return "".join(parts)


def _operations(owner: Any, prefix: str) -> Iterator[str]:
    """A line for each operation, in the order of the code."""
    yield "| call | does |\n| --- | --- |\n"
    for kind in type(owner).__mro__:
        for name, found in vars(kind).items():
            if not name.startswith("_") and type(found).__name__ in ("call", "listed"):
                gives = ", one after the other" if type(found).__name__ == "listed" else ""
                yield _row(f"{prefix}.{name}", getattr(owner, name), gives)


def _row(name: str, found: Any, gives: str = "") -> str:
    signature = inspect.signature(found)
    result = _type(signature.return_annotation)
    result = re.sub(r"^AsyncIterator\[(.*)\]$", r"\1", result)
    shown = f"{name}({', '.join(_parameters(signature))})" + ("" if result == "None" else f" → {result}")
    return f"| `{shown}`{gives} | {_about(found)} |\n".replace(" | None", " \\| None").replace("str | ", "str \\| ")


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    stars = False
    for found in signature.parameters.values():
        if found.name == "self":
            continue
        if found.kind is found.KEYWORD_ONLY and not stars:
            stars = True
            yield "*"
        default = "" if found.default is found.empty else f"={found.default!r}"
        if found.kind is found.VAR_KEYWORD:
            yield f"**{_type(found.annotation).removeprefix('Unpack[').removesuffix(']')}"
        else:
            yield f"{'*' if found.kind is found.VAR_POSITIONAL else ''}{found.name}{default}"


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _fields(name: str) -> str:
    names = inspect.get_annotations(getattr(fields, name))
    return f"| `{name}` | {', '.join(f'`{field}`' for field in _inherited(getattr(fields, name)) or names)} |\n"


def _inherited(kind: Any) -> list[str]:
    return list(kind.__annotations__)


def _errors() -> Iterator[str]:
    for name, found in vars(errors).items():
        if inspect.isclass(found) and issubclass(found, errors.ClewError) and found.__module__ == errors.__name__:
            yield f"| `{name}` | {_about(found)} |\n"


def _members(kind: type) -> Iterator[str]:
    yield "| | |\n| --- | --- |\n"
    if kind is not Task:
        yield f"| `{kind.__name__}({', '.join(_parameters(inspect.signature(kind)))})` | makes one |\n"
    else:
        names = [name for name in Task.model_fields if not name.startswith("_")]
        yield f"| {', '.join(f'`{name}`' for name in names)} | what the request says |\n"
    for name, found in vars(kind).items():
        if name.startswith("_") or not inspect.getdoc(found) or name in ("body", "model_config", "model_post_init"):
            continue
        if inspect.isfunction(found):
            yield f"| `{name}({', '.join(_parameters(inspect.signature(found)))})` | {_about(found)} |\n"
        elif isinstance(found, property):
            yield f"| `{name}` | {_about(found)} |\n"


def _options() -> Iterator[str]:
    for action in parser()._actions:
        value = action.metavar or ("" if action.nargs == 0 else "VALUE")
        names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{value}`"
        shown = f"{names} `{value}`" if action.option_strings and value and not action.choices else names
        choices = f" {', '.join(f'`{choice}`' for choice in action.choices)}" if action.choices else ""
        yield f"| {shown} | {action.help}{':' if choices else ''}{choices} |\n"


def _about(found: Any) -> str:
    return " ".join((inspect.getdoc(found) or "").split())


if __name__ == "__main__":
    sys.stdout.write(page())
