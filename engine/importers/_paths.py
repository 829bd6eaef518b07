"""Values of the state as nodes ask for them: as a template where they are there for certain, else guarded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from engine.expression import ExpressionError, compile_expression

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"}
    | {"null", "namespace", "package", "return", "true", "var", "void", "while"}
)
"""Words that expressions keep for themselves."""

Steps = tuple[str | int, ...]


def is_identifier(text: str) -> bool:
    """Whether a name can be written after a dot, in templates and in expressions."""
    return IDENTIFIER.fullmatch(text) is not None and text not in RESERVED


def steps_of(path: str) -> Steps:
    """The steps of a path that is a JSON Pointer (`/results/a/0`) or dotted (`results.a[0]`)."""
    if path.startswith("/"):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    else:
        parts = [part for part in re.split(r"[.\[\]]+", path) if part]
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 10 else part for part in parts if part)


def read(root: str, steps: Iterable[str | int]) -> str:
    """An expression that reads what is below `root`; it fails where that is missing."""
    return root + "".join(_step(step) for step in steps)


def _step(step: str | int) -> str:
    return f".{step}" if isinstance(step, str) and is_identifier(step) else f"[{literal(step)}]"


def literal(value: Any) -> str:
    """A JSON value as an expression: JSON is written the same there."""
    return json.dumps(value, ensure_ascii=False)


def guarded(root: str, steps: Steps) -> str:
    """An expression that reads what is below `root`, and gives null where it is missing."""
    return f"{present(root, steps)} ? {read(root, steps)} : null" if steps else root


def present(root: str, steps: Steps) -> str:
    """An expression that says whether there is anything at a place below `root`."""
    tests, base = list[str](), root
    for step in steps:
        if isinstance(step, str):
            tests.append(f"has({base}.{step})" if is_identifier(step) else f"{literal(step)} in {base}")
        else:
            tests.append(f"size({base}) > {step}")
        base += _step(step)
    return " && ".join(tests)


def value_at(root: str, steps: Steps, *, certain: bool) -> Any:
    """What a node's `input` says to be given a value: a template where it is there for certain, else an expression."""
    plain = all(is_identifier(step) if isinstance(step, str) else True for step in steps)
    if certain and plain:
        path = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in steps)
        return f"{{{{ {root}{path} }}}}"
    return {"$expr": read(root, steps) if certain else guarded(root, steps)}


def constant(value: Any) -> dict[str, str] | None:
    """A value that is given as it is, also where a text would be read as a path or a template; None if it is too long
    for an expression."""
    text = literal(value)
    try:
        compile_expression(text)
    except ExpressionError:
        return None
    return {"$expr": text}
