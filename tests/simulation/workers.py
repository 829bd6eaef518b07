"""Scripted workers and people: what they answer is a pure function of the node, what they are asked, and a seed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

from engine.codec import canonical
from engine.graph import Graph
from engine.model import InterruptOpened
from engine.outbox import Work

TASK_ID = re.compile(rb'"task_id":"[0-9a-f]+"')
"""What two runs of the same history differ in: errors that a send collects name their tasks."""

WORDS = ("ash", "bay", "cob", "dew", "elm", "w0", "w1")


class Fault(Enum):
    """How an attempt fails."""

    ERROR = "an answer with an error"
    FINAL = "an error that says that no other try makes sense"
    BROKEN = "an answer that is none"
    REFUSED = "a refusal of the transport"
    SILENT = "accepted, and never answered"


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker does with one task: the faults of its first attempts, then its answer."""

    faults: tuple[Fault, ...]
    answer: Any
    questions: tuple[Any, ...] = ()
    """What it asks first, one after the other."""

    def fault(self, attempt: int) -> Fault | None:
        return self.faults[attempt - 1] if attempt <= len(self.faults) else None

    def body(self, work: Work) -> Any:
        """What it answers to a request that it does not get wrong."""
        return {"interrupt": self.questions[work.resumes]} if work.resumes < len(self.questions) else self.answer

    def fails(self, graph: Graph, node: str) -> bool:
        """Whether the faults use up all attempts."""
        return Fault.FINAL in self.faults or len(self.faults) >= graph.nodes[node].retry.max_attempts


class Script:
    """The workers of one seed. `wild` is how often they answer what does not fit the state."""

    def __init__(self, graph: Graph, seed: int, wild: float = 0.02) -> None:
        self.graph, self.seed, self.wild = graph, seed, wild
        self._known: dict[bytes, Part] = {}
        self._works: dict[int, tuple[Work, Part]] = {}

    def part(self, work: Work) -> Part:
        """What becomes of a task."""
        if id(work) not in self._works:
            self._works[id(work)] = (work, self._asked(work))
        return self._works[id(work)][1]

    def _asked(self, work: Work) -> Part:
        request = {**work.request.as_json(), "config": None}  # the limits of a run are none of a worker's business
        around = [name.partition("#")[0].partition("[")[0] for name in work.ns]
        asked = TASK_ID.sub(b"", canonical([*around, work.node, request]))
        if asked not in self._known:
            self._known[asked] = self._part(self.graph_of(work), work.node, self._chance(asked))
        return self._known[asked]

    def graph_of(self, work: Work) -> Graph:
        """The graph that a node is in which a worker is asked for."""
        graph = self.graph
        for name in work.ns:
            graph = graph.nodes[name.partition("#")[0].partition("[")[0]].spec.child
        return graph

    def value(self, node: str, message: str) -> Any:
        """What a person answers to an interrupt."""
        chance = self._chance(f"{node}:{message}".encode())
        return chance.choice([chance.randrange(9), {"text": chance.choice(WORDS), "n": chance.randrange(5)}])

    def silent(self, opened: InterruptOpened) -> bool:
        """Whether nobody answers an interrupt before it expires."""
        return opened.expires_at is not None and self._chance(f"{opened.node}?{opened.message}".encode()).random() < 0.5

    def updates(self, chance: Random) -> dict[str, Any]:
        """The updates of an edit."""
        return _updates(self.graph, chance, wild=0.0)

    def _chance(self, text: bytes) -> Random:
        return Random(hashlib.sha256(b"%d|%b" % (self.seed, text)).digest())

    def _part(self, graph: Graph, node: str, chance: Random) -> Part:
        most = graph.nodes[node].retry.max_attempts
        can_fail = most > 1 or node.startswith("x")
        count = 0
        if can_fail and chance.random() < 0.4:
            count = most if chance.random() < 0.25 else chance.randrange(1, most + 1)
        kinds = list(Fault)
        faults = tuple(chance.choice(kinds) for _ in range(count))
        answer = _answer(graph, chance, self.wild)
        count = chance.choice((1, 1, 2)) if chance.random() < 0.08 else 0
        answer = {**answer, **self._goto(graph, node, chance)} if isinstance(answer, dict) else answer
        return Part(faults, answer, tuple(_question(chance) for _ in range(count)))

    def _goto(self, graph: Graph, node: str, chance: Random) -> dict[str, Any]:
        """Where an answer goes: to nodes that it may name, in any of the forms, now and then to one that is not."""
        targets = graph.nodes[node].goto
        if targets is None or chance.random() < 0.4:
            return {}
        if chance.random() < self.wild:
            return {"goto": "nowhere"}
        found = chance.choice([*targets, *[list(targets)] * (len(targets) > 1)])
        return {"goto": {"node": found, "updates": {"log": "went"}} if chance.random() < 0.2 else found}


def _question(chance: Random) -> dict[str, Any]:
    found: dict[str, Any] = {"message": chance.choice(WORDS), "schema": {"type": ["integer", "object"]}}
    return {**found, "expires_in_ms": 50} if chance.random() < 0.3 else found


def failure(fault: Fault) -> Any:
    """The body with which an attempt fails."""
    if fault is Fault.BROKEN:
        return {"updates": 5}
    error = {"code": "worker.failed", "message": "no", "retryable": False if fault is Fault.FINAL else None}
    return {"error": error, "usage": {"input_tokens": 1, "cost": 0.5}}


def _answer(graph: Graph, chance: Random, wild: float) -> Any:
    shape = chance.randrange(6)
    if shape == 0:
        return chance.choice(WORDS)
    output = {"text": chance.choice(WORDS), "n": chance.randrange(-2, 6), "list": [chance.choice(WORDS)]}
    answer: dict[str, Any] = {"output": output}
    if shape > 2:
        answer["updates"] = _updates(graph, chance, wild)
    if chance.random() < 0.2:
        answer["usage"] = {"input_tokens": 3, "cost": 0.25}
    return answer


def _updates(graph: Graph, chance: Random, wild: float) -> dict[str, Any]:
    names = [name for name in graph.state if chance.random() < 2.5 / (1 + len(graph.state))]
    chance.shuffle(names)
    found = {name: update_of(graph.state[name].schema, chance) for name in names}
    if chance.random() < wild:
        found[chance.choice(["unknown", *graph.state])] = chance.choice([None, {"odd": 1}, 2**62])
    return found


def update_of(entry: Mapping[str, Any], chance: Random) -> Any:
    """An update that fits a state key, most of the time by its reducer, now and then as an overwrite."""
    value = _plain(entry, chance)
    if chance.random() < 0.1:
        if entry["type"] == "array" and not isinstance(value, list):
            value = [value]
        return {"__overwrite": True, "value": value}
    return value


def _plain(entry: Mapping[str, Any], chance: Random) -> Any:
    if entry.get("reducer") == "add_messages":
        return _messages(chance)
    if entry.get("reducer") == "merge":
        word = chance.choice(WORDS[:3])
        return chance.choice([{word: chance.randrange(5)}, {"deep": {word: [chance.randrange(3)]}}, {word: None}])
    match entry["type"]:
        case "integer":
            return chance.choice((1, 2, 3)) if "maximum" in entry else chance.randrange(-1, 4)
        case "number":
            return chance.choice([0.1, 0.2, 0.3, 1, 1e15, -1e15, 2.5])
        case "array":
            items = [chance.choice(WORDS) for _ in range(chance.randrange(4))]
            return chance.choice(WORDS) if entry.get("reducer") == "append" and chance.random() < 0.5 else items
        case _:
            return chance.choice(WORDS)


def _messages(chance: Random) -> Any:
    name = f"m{chance.randrange(4)}"
    return chance.choice(
        [
            {"id": name, "content": chance.choice(WORDS)},
            {"id": name, "remove": True},
            {"content": chance.choice(WORDS)},
            [{"content": chance.choice(WORDS)}, {"id": name, "content": "two"}],
        ]
    )
