"""The workflows that are killed, and what each of them has to end with, worked out without the engine."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.counting_worker import digest

RETRY = {"max_attempts": 3, "initial_interval_ms": 20, "backoff_factor": 1}
WORD = "yes"
"""What users answer to everything."""
LOG = "{{ state.log | join(',') }}"
STATE = {
    "k": {"type": "integer"},
    "n": {"type": "integer", "reducer": "add"},
    "log": {"type": "array", "reducer": "append"},
}

State = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A workflow, the input of a run of it, and the state that this input must lead to."""

    document: dict[str, Any]
    given: Callable[[], dict[str, Any]]
    expected: Callable[[dict[str, Any]], State]

    @property
    def name(self) -> str:
        return str(self.document["id"])


def task(do: str = "answer", prompt: str = LOG, **more: Any) -> dict[str, Any]:
    """A node that asks the worker about the log and appends what it says."""
    asked = {"type": "task", "worker_tags": ["count"], "parameters": {"do": do}, "prompt_template": prompt}
    return {**asked, "output_key": "log", **more}


def transform(**updates: Any) -> dict[str, Any]:
    return {"type": "transform", "updates": updates}


def document(
    name: str, nodes: dict[str, Any], edges: list[list[str]], more: dict[str, Any] | None = None, **state: Any
) -> dict[str, Any]:
    return {"id": name, "state_schema": {**STATE, **state}, "nodes": nodes, "edges": edges, **(more or {})}


def edges(text: str) -> list[list[str]]:
    """Edges from `a b, b c`."""
    return [pair.split() for pair in text.split(",")]


def line(*names: str) -> list[list[str]]:
    """The edges of a chain, from start to end."""
    return [list(pair) for pair in zip(("__start__", *names), (*names, "__end__"), strict=True)]


def say(log: list[str], node: str) -> str:
    return digest(node, ",".join(log))


# ---- chain: tasks that answer at once or later, with transforms between

CHAIN = ("a", "b", "up", "c", "d", "up2", "e", "f")


def _chain(given: dict[str, Any]) -> State:
    log: list[str] = []
    for node in CHAIN:
        if not node.startswith("up"):
            log.append(say(log, node))
    return {**given, "n": 2, "log": log}


chain = Shape(
    document(
        "chain",
        {
            node: transform(n=1) if node.startswith("up") else task("later" if node in "bde" else "answer")
            for node in CHAIN
        },
        line(*CHAIN),
    ),
    lambda: {"k": 0},
    _chain,
)

# ---- diamond: three branches of different length, joined


def _diamond(given: dict[str, Any]) -> State:
    first = digest("a", "")
    b, c, d = (digest(node, first) for node in "bcd")
    after = digest("e", f"{first},{d}")
    joined = [first, b, c, d, after]
    return {**given, "n": 1, "log": [*joined, say(joined, "j")]}


diamond = Shape(
    document(
        "diamond",
        {
            "a": task(),
            "b": task("later"),
            "c": task(),
            "d": task(),
            "e": task("later"),
            "up": transform(n=1),
            "j": task(),
        },
        edges("__start__ a, a b, a c, a d, d e, b j, c up, up j, e j, j __end__"),
    ),
    lambda: {"k": 0},
    _diamond,
)

# ---- loop: rounds until a counter says stop


def _loop(given: dict[str, Any]) -> State:
    log: list[str] = []
    for _ in range(given["k"]):
        log.append(say(log, "ask"))
        log.append(say(log, "again"))
    return {**given, "n": given["k"], "log": log}


loop = Shape(
    document(
        "loop",
        {
            "ask": task(),
            "again": task("later"),
            "up": transform(n=1),
            "more": {"type": "route", "rules": [{"when": "state.n >= state.k", "to": "no"}], "default": "yes"},
        },
        edges("__start__ ask, ask again, again up, up more, more:yes ask, more:no __end__"),
    ),
    lambda: {"k": random.randint(2, 4)},
    _loop,
)

# ---- send: items in parallel, two by two, gathered in their order


def _send(given: dict[str, Any]) -> State:
    results = [digest("one", f"{index}:{item}") for index, item in enumerate(given["items"])]
    return {**given, "n": 0, "results": results, "log": [digest("all", ",".join(results))]}


send = Shape(
    document(
        "send",
        {
            "each": {
                "type": "send",
                "items_key": "state.items",
                "target_node": "one",
                "output_key": "results",
                "max_concurrency": 3,
            },
            "one": task("answer", "{{ index }}:{{ item }}"),
            "all": task("later", "{{ state.results | join(',') }}"),
        },
        line("each", "all"),
        items={"type": "array"},
        results={"type": "array"},
    ),
    lambda: {"k": 0, "items": [f"item{number}" for number in range(random.randint(0, 7))]},
    _send,
)

# ---- retries: the third attempt is the last one, so that one used up by a crash would fail the run


def _retries(given: dict[str, Any]) -> State:
    first = digest("a", "")
    left, right = digest("left", first), digest("right", first)
    return {**given, "n": 0, "log": [first, left, right, digest("z", f"{first},{left},{right}")]}


retries = Shape(
    document(
        "retries",
        {
            "a": task("flaky", retry=RETRY),
            "left": task("flaky", retry=RETRY),
            "right": task("later"),
            "z": task("flaky", retry=RETRY),
        },
        edges("__start__ a, a left, a right, left z, right z, z __end__"),
    ),
    lambda: {"k": 0},
    _retries,
)

# ---- failing: the error edge is taken, beside a branch that goes on


def _failing(given: dict[str, Any]) -> State:
    good = digest("good", "")
    return {**given, "n": 1, "why": "bad is broken", "log": [good, digest("z", good)]}


failing = Shape(
    document(
        "failing",
        {"bad": task("fail"), "good": task("later"), "mend": transform(n=1, why="{{ error.message }}"), "z": task()},
        edges("__start__ bad, __start__ good, bad z, bad:error mend, mend z, good z, z __end__"),
        why={"type": "string"},
    ),
    lambda: {"k": 0},
    _failing,
)

# ---- asks: a breakpoint, a question of a worker, an interrupt: users answer each


def _asks(given: dict[str, Any]) -> State:
    first = digest("a", "")
    return {**given, "n": 1, "word": WORD, "log": [first, digest("z", f"{first}|{WORD}")]}


asks = Shape(
    document(
        "asks",
        {
            "up": transform(n=1),
            "a": task("ask", ""),
            "ask": {"type": "interrupt", "message": "well?", "output_key": "word", "schema": {"const": WORD}},
            "z": task("later", f"{LOG}|{{{{ state.word }}}}"),
        },
        line("up", "a", "ask", "z"),
        {"interrupt_before": ["up"], "interrupt_after": ["a"]},
        word={"type": "string"},
    ),
    lambda: {"k": 0},
    _asks,
)

# ---- expires: nobody answers, and a timer does


def _expires(given: dict[str, Any]) -> State:
    return {**given, "n": 1, "word": "late", "log": [digest("z", "late")]}


expires = Shape(
    document(
        "expires",
        {
            "ask": {
                "type": "interrupt",
                "message": "?",
                "expires_in_ms": 200,
                "on_expire": "late",
                "output_key": "word",
            },
            "again": {"type": "interrupt", "message": "??", "expires_in_ms": 200},
            "mend": transform(n=1),
            "z": task("answer", "{{ state.word }}"),
        },
        edges("__start__ ask, ask again, again __end__, again:expired mend, mend z, z __end__"),
        word={"type": "string"},
    ),
    lambda: {"k": 0},
    _expires,
)

# ---- inside: a function in the server's process


def _inside(given: dict[str, Any]) -> State:
    log: list[str] = []
    for node in "abc":
        log.append(say(log, node))
    return {**given, "n": 0, "log": log}


inside = Shape(
    document("inside", {node: task(worker_tags=["inside"]) for node in "abc"}, line(*"abc")), lambda: {"k": 0}, _inside
)

# ---- edited: users write into the state meanwhile; how often is seen by them


def _edited(given: dict[str, Any]) -> State:
    return {**_inside(given), "extra": 0}


edited = Shape(
    document(
        "edited",
        {node: task("later" if node == "b" else "answer") for node in "abc"},
        line(*"abc"),
        extra={"type": "integer", "reducer": "add"},
    ),
    lambda: {"k": 0},
    _edited,
)

SHAPES = {shape.name: shape for shape in (chain, diamond, loop, send, retries, failing, asks, expires, inside, edited)}
