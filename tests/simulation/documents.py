"""Random documents: a shape, a state with reducers of all kinds, and nodes that read and write it."""

from __future__ import annotations

from random import Random
from typing import Any

from engine.validate import validate
from tests.simulation.shapes import INTERRUPT, ROUTE, SEND, TASK, TRANSFORM, Grower, Shape
from tests.simulation.workers import update_of

ALWAYS: dict[str, dict[str, Any]] = {
    "log": {"type": "array", "reducer": "append"},
    "n": {"type": "integer", "reducer": "add"},
    "items": {"type": "array", "default": ["p", "q"]},
    "out": {"type": "array"},
}
SOMETIMES: dict[str, dict[str, Any]] = {
    "f": {"type": "number", "reducer": "add"},
    "last": {"type": "string"},
    "tag": {"type": "string", "default": "t0"},
    "m": {"type": "object", "reducer": "merge"},
    "lo": {"type": "number", "reducer": "min"},
    "hi": {"type": "integer", "reducer": "max"},
    "msgs": {"type": "array", "reducer": "add_messages"},
    "eph": {"type": "string", "ephemeral": True},
    "ephlog": {"type": "array", "reducer": "append", "ephemeral": True},
    "cap": {"type": "integer", "reducer": "add", "maximum": 4},
    "rounds": {"type": "integer", "default": 0},
}
TEMPLATES = {
    "log": ["{{ state.log }}", "{{ state.log | length }}", "{% for x in state.log %}{{ x }},{% endfor %}"],
    "n": ["{{ state.n }}", "{% if state.n > 2 %}big{% else %}small{% endif %}"],
    "f": ["{{ state.f }}"],
    "last": ["{{ state.last | default('none') }}"],
    "tag": ["{{ state.tag }}"],
    "m": ["{{ state.m }}"],
    "hi": ["{{ state.hi | default(0) }}"],
    "msgs": ["{{ state.msgs | length }}"],
    "eph": ["{{ state.eph | default('-') }}"],
    "ephlog": ["{{ state.ephlog | default('-') }}"],
    "rounds": ["{{ state.rounds }}"],
}
TESTS = {
    "n": ["state.n % 2 == 0", "state.n < 4"],
    "log": ["size(state.log) < 5"],
    "last": ["has(state.last)"],
    "tag": ["state.tag == 't0'"],
    "eph": ["has(state.eph)"],
    "rounds": ["state.rounds < 2"],
}


def generate(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document of a seed, and an input for it. Shapes that a disturbance has torn apart are drawn again."""
    for attempt in range(100):
        author = Author(Random(f"document {seed} {attempt}"))
        document = author.document()
        if is_valid(document):
            _limit(document, Random(f"limits {seed}"))
            _bound(document, Random(f"bounds {seed}"))
            return document, author.given()
    raise AssertionError(f"no valid document for seed {seed}")


KEYS = ("k", "{{ meta.node }}", "{{ meta.step }}")


def _limit(document: dict[str, Any], chance: Random) -> None:
    """Give some of the nodes that ask workers limits, which must not change anything."""
    for fields in document["nodes"].values():
        if fields.get("type", TASK) in (TASK, "agent"):
            if chance.random() < 0.2:
                fields["max_concurrency"] = chance.randrange(1, 3)
            if chance.random() < 0.25:
                fields["concurrency_key"] = chance.choice(KEYS)
        elif "definition" in fields:
            _limit(fields["definition"], chance)


def _bound(document: dict[str, Any], chance: Random, *, inside: bool = False) -> None:
    """Give some of the nodes limits whose tasks go on by themselves, and sends for their items: nothing changes by
    that either. One key is that of tasks as well; inside of what has it, it is had already."""
    for fields in document["nodes"].values():
        kind = fields.get("type", TASK)
        if kind in ("subgraph", INTERRUPT, "wait") and chance.random() < 0.3:
            fields["max_concurrency"] = chance.randrange(1, 3)
        if kind in ("subgraph", INTERRUPT, "wait", SEND) and chance.random() < 0.3:
            items = ("{{ item }}", "{{ index % 2 }}") if kind == SEND else ()
            fields["concurrency_key"] = chance.choice(("l", *KEYS, *items))
        if inside and kind == TASK and chance.random() < 0.3:
            fields["concurrency_key"] = chance.choice(("k", "l"))
        if "definition" in fields:
            _bound(fields["definition"], chance, inside=True)
            if chance.random() < 0.4:  # the other way round than strangers
                fields["concurrency_key"] = "l"
                asking = [one for one in fields["definition"]["nodes"].values() if one.get("type", TASK) == TASK]
                for one in asking[:1]:
                    one["concurrency_key"] = "k"


def is_valid(document: dict[str, Any]) -> bool:
    """Whether a document has no errors; warnings are wanted."""
    return all(problem.severity != "error" for problem in validate(document))


class Author:
    """Writes one document."""

    def __init__(self, chance: Random, depth: int = 0) -> None:
        self.chance = chance
        sizes = (3, 4, 5, 6, 7, 8, 10) if not depth else (2, 3, 4)
        self.shape: Shape = Grower(chance, chance.choice(sizes)).grow()
        some = [name for name in SOMETIMES if chance.random() < (0.2 if name == "cap" else 0.35)]
        self.each, self.gotos, self.deferring = (chance.random() < share for share in (0.2, 0.3, 0.2))
        self.nesting = Random(f"nesting {chance.random()}").random() < 0.25 / (1 + depth)
        self.depth = depth
        self.talking = Random(f"talking {chance.random()}").random() < 0.2
        self.waiting = Random(f"waiting {chance.random()}").random() < 0.3
        self.racing = Random(f"racing {chance.random()}").random() < 0.2
        self.state = {**ALWAYS, **{name: SOMETIMES[name] for name in some}}

    def document(self) -> dict[str, Any]:
        chance, shape = self.chance, self.shape
        names = list(shape.nodes)
        if chance.random() < 0.5:
            chance.shuffle(names)
        edges = [
            [source if handle is None else f"{source}:{handle}", target] for (source, handle), target in shape.edges
        ]
        if chance.random() < 0.5:
            chance.shuffle(edges)
        config: dict[str, Any] = {"max_steps": chance.choice((14, 25, 40, 40, 40)), "max_tasks": 150}
        if chance.random() < 0.05:
            config["max_tasks"] = chance.randrange(3, 12)
        nodes = {name: {**self._node(name), **self._on_error(name), **self._joining(name)} for name in names}
        found = {"id": "simulated", "state_schema": self.state, "config": config, "nodes": nodes, "edges": edges}
        return {**found, "output": self._output_of_run()} if chance.random() < 0.2 else found

    def _output_of_run(self) -> Any:
        texts = ["{{ state.log }}", "{{ state.n }} {{ state.log | length }}"]
        if "last" in self.state and self.chance.random() < 0.3:
            texts.append("{{ state.last }}")
        return self.chance.choice([["log", "n"], {"found": self.chance.choice(texts)}])

    def _on_error(self, name: str) -> dict[str, Any]:
        if name.startswith("x") and self.chance.random() < 0.5:
            return {"on_error": self.chance.choice(("skip", "continue", "continue", "fail"))}
        return {}

    def _joining(self, name: str) -> dict[str, Any]:
        """How arrivals activate a node, and where its answers may go."""
        chance, found = self.chance, dict[str, Any]()
        if name in self.shape.called:
            return found
        if self.deferring and chance.random() < 0.3:
            found["defer"] = True
        into = [source for source, target in self.shape.edges if target == name]
        if self.each and (len(into) > 1 or chance.random() < 0.2):
            found["join"] = "each"
        if self.racing and into and chance.random() < 0.7:
            quorums = [{"quorum": k} for k in range(1, len(set(into)) + 1)]
            found["join"] = chance.choice(["any", "first", "first", chance.choice(quorums)])
        if self.gotos and self.shape.nodes[name] == TASK and chance.random() < 0.6:
            running = [node for node in self.shape.nodes if node not in self.shape.called]
            later = [*running[running.index(name) + 1 :], "__end__"]
            targets = chance.choices(later, k=chance.choice((1, 1, 2)))
            if chance.random() < 0.3:
                targets.append(chance.choice(running))
            found["goto"] = list(dict.fromkeys(targets))
        return found

    def given(self) -> dict[str, Any]:
        """An input for it."""
        names = [name for name in self.state if self.chance.random() < 0.3]
        return {name: update_of(self.state[name], self.chance) for name in names}

    # ---- nodes

    def _node(self, name: str) -> dict[str, Any]:
        match self.shape.nodes[name]:
            case "task" | "transform" if self.nesting and self.chance.random() < 0.3:
                return self._subgraph(name)
            case "task":
                return self._task(name)
            case "transform" if self.waiting and self.chance.random() < 0.3:
                return self._wait()
            case "transform":
                return {"type": TRANSFORM, "updates": self._computed(name)}
            case "route":
                return self._route(name)
            case "send":
                return self._send(name)
            case _:
                return self._interrupt(name)

    def _task(self, name: str) -> dict[str, Any]:
        chance = self.chance
        fields: dict[str, Any] = {"type": TASK, "prompt_template": f"{name} {self._text(name)}"}
        if chance.random() < 0.4:
            fields["reads"] = chance.sample(sorted(self.state), chance.randrange(1, 3))
        if chance.random() < 0.3:
            fields["input"] = {"value": self._value(name), "plain": 1}
        fields.update(self._output())
        if self.talking and chance.random() < 0.5:
            fields.update(self._turns())
        if name.startswith("x") or chance.random() < 0.3:
            fields["retry"] = {"max_attempts": chance.randrange(1, 4), "initial_interval_ms": 10, "jitter": 0.5}
        if chance.random() < 0.08:
            fields["output_schema"] = {"type": ["object", "number"]}
        return fields

    def _turns(self) -> dict[str, Any]:
        """What makes an agent of a task."""
        found: dict[str, Any] = {"type": "agent", "continuation_prompt": "and {{ state.n }}", "max_turns": 3}
        if self.chance.random() < 0.5:
            found["stop_when"] = self.chance.choice(["type(output) == string", "type(output) == map"])
        if self.chance.random() < 0.3:
            found["turn_timeout_ms"] = 5000
        return found

    def _subgraph(self, name: str) -> dict[str, Any]:
        """A smaller document, with what goes in and comes out of it."""
        chance, child = self.chance, Author(self.chance, self.depth + 1)
        inner = {key: value for key, value in child.document().items() if key not in ("id", "config", "output")}
        fields: dict[str, Any] = {"type": "subgraph", "definition": inner}
        given = {"n": "state.n", "log": "{{ state.log }}", "items": ["p", "q"], "rounds": {"$expr": "state.n"}}
        fields["input_mapping"] = {key: given[key] for key in given if key in child.state and chance.random() < 0.4}
        fields["output_mapping"] = {key: key for key in ("n", "log") if chance.random() < 0.6}
        if chance.random() < 0.3:
            ends = chance.choice([{"until": "state.n > 3"}, {"while": "state.n < 4"}])
            fields["loop"] = {**ends, "max_iterations": 3, "on_limit": chance.choice(["fail", "continue"])}
        if name.startswith("x") or chance.random() < 0.2:
            fields["retry"] = {"max_attempts": 2, "initial_interval_ms": 10}
        return fields

    def _wait(self) -> dict[str, Any]:
        until = ["1970-01-01T01:00:00.5+01:00", "2001-02-03T04:05:06Z", "string(timestamp('1970-01-01T00:30:00Z'))"]
        return {"type": "wait", **self.chance.choice([{"seconds": 1.5}, {"until": self.chance.choice(until)}])}

    def _output(self) -> dict[str, Any]:
        text, number, many = self._keys("string"), self._keys("integer", "number"), self._keys("array")
        number += ["cap"] * 5 if "cap" in number else []  # branches that do not merge come from it alone
        mapping = {}
        for names, path in ((text, "text"), (number, "n"), (many, "list")):
            if names and self.chance.random() < 0.5:
                mapping[self.chance.choice(names)] = path
        if self.chance.random() < 0.3:
            mapping["log"] = "missing.path" if self.chance.random() < 0.2 else "text"
        return {"output_mapping": mapping} if mapping else {"output_key": "log"} if self.chance.random() < 0.6 else {}

    def _keys(self, *types: str) -> list[str]:
        return [n for n, e in self.state.items() if e["type"] in types and e.get("reducer") != "add_messages"]

    def _route(self, name: str) -> dict[str, Any]:
        chance, ways = self.chance, self.shape.ways[name]
        rules: list[dict[str, Any]] = []
        ahead = [way.handle for way in ways if not way.back]
        for way in ways:
            test = self._test() if not name.startswith("x") else self.chance.choice([self._test(), "1 / state.n > 0"])
            if way.back:
                bound = f"meta.step < {chance.choice((4, 6, 8, 11))}"
                test = bound if chance.random() < 0.5 else f"{bound} && {test}"
            to: str | list[str] = way.handle
            if way.back and chance.random() < 0.1:
                to = [way.handle, chance.choice(ahead)]
            rules.append({"when": test, "to": to})
        if len(ahead) > 1 and chance.random() < 0.4:
            rules.append({"when": self._test(), "to": ahead[:2]})
        if all(not way.back for way in ways) and chance.random() < 0.25:
            targets = {
                handle: target for (source, handle), target in self.shape.edges if source == name and handle != "error"
            }
            key = chance.choice([key for key in ("last", "tag", "n") if key in self.state])
            return {"type": ROUTE, "input": f"state.{key}", "routes": targets, "default": ahead[-1]}
        if name.startswith("x") and all(rule["to"] != ahead[-1] for rule in rules):
            rules.append({"when": self._test(), "to": ahead[-1]})
        return {"type": ROUTE, "rules": rules} | ({} if name.startswith("x") else {"default": ahead[-1]})

    def _test(self) -> str:
        return self.chance.choice([test for name in self.state for test in TESTS.get(name, ())])

    def _send(self, name: str) -> dict[str, Any]:
        targets = self.shape.targets[name]
        fields: dict[str, Any] = {"type": SEND, "items_key": self._items(), "output_key": "out"}
        fields.update({"target_node": targets[0]} if len(targets) == 1 else {"targets": targets})
        if self.chance.random() < 0.7:
            fields["on_item_error"] = self.chance.choice(("fail", "skip", "collect"))
        if self.chance.random() < 0.4:
            fields["max_concurrency"] = self.chance.randrange(1, 3)
        return fields

    def _items(self) -> str:
        several = ["items", "items", "state.items"]
        if "ephlog" in self.state:
            several.append("ephlog")
        return self.chance.choice(several)

    def _interrupt(self, name: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"type": INTERRUPT, "message": f"{name}? {self._text(name)}"}
        if self.chance.random() < 0.6:
            fields["output_key"] = "log"
        elif self.chance.random() < 0.5:
            fields["output_mapping"] = {"n": "n"}
        if name in self.shape.expires or self.chance.random() < 0.4:
            fields["expires_in_ms"] = 100
        if "expires_in_ms" in fields and self.chance.random() < 0.5:
            fields["on_expire"] = self.chance.choice((3, {"text": "late", "n": 1}))
        return fields

    # ---- texts

    def _text(self, name: str) -> str:
        parts = ["{{ meta.step }}", "{{ meta.node }}"]
        parts += [text for key in self.state for text in TEMPLATES.get(key, ())]
        if name in self.shape.called:
            parts = [*parts, "{{ item }}", "{{ index }}", "{{ item }}"]
        if name in self.shape.handlers:
            parts += ["{{ error.code | default('fine') }}"] * 4
        return " ".join(self.chance.choice(parts) for _ in range(self.chance.randrange(1, 4)))

    def _value(self, name: str) -> Any:
        return self.chance.choice(
            [self._text(name), {"$expr": "state.n + 1"}, "{{ state.log }}", {"$expr": "state.log"}]
        )

    def _computed(self, name: str) -> dict[str, Any]:
        """The updates of a transform."""
        names = self.chance.sample(sorted(self.state), self.chance.randrange(1, 3))
        if "rounds" in self.state and self.chance.random() < 0.5:
            names.append("rounds")
        return {key: self._update(name, key) for key in dict.fromkeys(names)}

    def _update(self, name: str, key: str) -> Any:
        entry, plain = self.state[key], update_of(self.state[key], self.chance)
        match entry["type"]:
            case "string":
                return self.chance.choice([self._text(name), plain])
            case "integer" if name.startswith("x"):
                return {"$expr": self.chance.choice(["6 / state.n", "size(state.log) / state.n", "10 - state.n"])}
            case "integer":
                more = {"$expr": "state.n % 3"} if key != "rounds" else {"$expr": "state.rounds + 1"}
                return self.chance.choice([more, plain])
            case "array" if key in ("log", "ephlog"):
                return self.chance.choice(
                    [f"{name} {self._text(name)}", plain, {"$expr": "state.log"} if key != "log" else "x"]
                )
            case _:
                return plain
