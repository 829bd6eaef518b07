"""Random shapes of workflows: nodes by kind, and edges between them, grown from blocks and then disturbed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from string import ascii_lowercase

TASK, TRANSFORM, ROUTE, SEND, INTERRUPT = "task", "transform", "route", "send", "interrupt"
START, END = "__start__", "__end__"

Exit = tuple[str, str | None]
"""A node, and the handle by which work leaves it."""


@dataclass(slots=True)
class Way:
    """A handle of a route. `back` ones lead to an earlier node and must not be taken for ever."""

    handle: str
    back: bool = False


@dataclass(slots=True)
class Shape:
    """What a document will have: nodes in the order of their making, and edges. `called` are run by sends alone; an `x`
    before a name says that the node fails now and then."""

    nodes: dict[str, str] = field(default_factory=dict)
    edges: list[tuple[Exit, str]] = field(default_factory=list)
    ways: dict[str, list[Way]] = field(default_factory=dict)
    targets: dict[str, list[str]] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)
    expires: set[str] = field(default_factory=set)
    """Interrupts that an edge leaves when they expire."""
    handlers: set[str] = field(default_factory=set)
    """Nodes that an error edge leads to."""

    def place(self, node: str) -> int:
        return list(self.nodes).index(node)

    def join(self, exits: list[Exit], entries: list[str]) -> None:
        for leave in exits:
            for entry in entries:
                if (leave, entry) not in self.edges:
                    self.edges.append((leave, entry))


Block = tuple[list[str], list[Exit]]
"""The nodes by which a block is entered, and the ways out of it."""


class Grower:
    """Grows one shape of at most `size` nodes or so."""

    def __init__(self, chance: Random, size: int) -> None:
        self.chance, self.size, self.shape = chance, size, Shape()

    def grow(self) -> Shape:
        entries, exits = self._block(3)
        while len(self.shape.nodes) < self.size and self.chance.random() < 0.8:
            more, exits_of_more = self._block(2)
            self.shape.join(exits, more)
            exits = exits_of_more
        self.shape.join([(START, None)], entries)
        self.shape.join(exits, [END])
        self._disturb()
        return self.shape

    def _left(self) -> int:
        return self.size - len(self.shape.nodes)

    def _node(self, kind: str, *, prefix: str = "") -> str:
        number = len(self.shape.nodes)
        name = prefix + (ascii_lowercase[number] if number < 26 else f"z{number}")
        self.shape.nodes[name] = kind
        return name

    # ---- blocks

    def _block(self, depth: int) -> Block:
        kinds = [self._single, self._send]
        if depth > 0 and self._left() > 2:
            kinds += [self._row, self._parallel, self._parallel, self._choice, self._loop, self._loop]
        make = self.chance.choice(kinds)
        return make(depth - 1)

    def _single(self, depth: int) -> Block:
        kind = self.chance.choices((TASK, TRANSFORM, INTERRUPT), (12, 6, 1))[0]
        prefix = "x" if self.chance.random() < 0.35 else ""
        name = self._node(kind, prefix=prefix)
        return [name], [(name, None)]

    def _send(self, depth: int) -> Block:
        if self.chance.random() < 0.5:
            return self._single(depth)
        name = self._node(SEND, prefix="x" if self.chance.random() < 0.3 else "")
        self.shape.targets[name] = []
        for _ in range(self.chance.choice((1, 1, 2))):
            kind = self.chance.choices((TASK, TRANSFORM), (4, 1))[0]
            target = self._node(kind, prefix="x" if kind == TASK and self.chance.random() < 0.4 else "")
            self.shape.called.add(target)
            self.shape.targets[name].append(target)
        return [name], [(name, None)]

    def _row(self, depth: int) -> Block:
        entries, exits = self._block(depth)
        more, last = self._block(depth)
        self.shape.join(exits, more)
        return entries, last

    def _parallel(self, depth: int) -> Block:
        entries: list[str] = []
        exits: list[Exit] = []
        for _ in range(self.chance.choice((2, 2, 3))):
            more, out = self._block(depth)
            entries += more
            exits += out
        return entries, exits

    def _choice(self, depth: int) -> Block:
        name = self._node(ROUTE, prefix="x" if self.chance.random() < 0.15 else "")
        exits: list[Exit] = []
        self.shape.ways[name] = []
        for number in range(self.chance.choice((2, 2, 3))):
            way = Way(f"w{number}")
            self.shape.ways[name].append(way)
            if self.chance.random() < 0.2:
                exits.append((name, way.handle))
            else:
                entries, out = self._block(depth)
                self.shape.join([(name, way.handle)], entries)
                exits += out
        return [name], exits

    def _loop(self, depth: int) -> Block:
        entries, exits = self._block(depth)
        name = self._node(ROUTE)
        self.shape.join(exits, [name])
        again = Way("again", back=True)
        self.shape.ways[name] = [again, Way("done")]
        heads = entries if self.chance.random() < 0.3 else [self.chance.choice(entries)]
        self.shape.join([(name, "again")], heads)
        return entries, [(name, "done")]

    # ---- disturbances

    def _disturb(self) -> None:
        for disturb, often in (
            (self._forward_edge, 0.5),
            (self._forward_edge, 0.2),
            (self._back_edge, 0.15),
            (self._dead_end, 0.15),
            (self._hang_off, 0.15),
            (self._use_as_target, 0.05),
            (self._share_target, 0.15),
        ):
            if self.chance.random() < often:
                disturb()
        for name in [name for name in self.shape.nodes if name.startswith("x") and name not in self.shape.called]:
            if self.chance.random() < 0.7:
                self._error_edge(name)
        for name in [name for name, kind in self.shape.nodes.items() if kind == INTERRUPT]:
            if self.chance.random() < 0.3:
                self._expired_edge(name)

    def _expired_edge(self, name: str) -> None:
        """Where an interrupt leads that nobody answers: to a node of its own, or to one that it leads to anyway."""
        target = self._node(TRANSFORM) if self.chance.random() < 0.5 else END
        ends = [node for (source, _), node in self.shape.edges if source == name]
        if target != END:
            self.shape.join([(target, None)], [self.chance.choice([*ends, END])])
        self.shape.expires.add(name)
        self.shape.join([(name, "expired")], [target])

    def _running(self) -> list[str]:
        return [name for name in self.shape.nodes if name not in self.shape.called]

    def _forward_edge(self) -> None:
        """From a node to a later one, which need not be in the same loop: a loop may get a second way in."""
        nodes = self._running()
        sources = [name for name in nodes if self.shape.nodes[name] not in (ROUTE, INTERRUPT)]
        if not sources:
            return
        source = self.chance.choice([START, *sources])
        later = nodes if source == START else nodes[nodes.index(source) + 1 :]
        if later:
            self.shape.join([(source, None)], [self.chance.choice(later)])

    def _back_edge(self) -> None:
        routes = list(self.shape.ways)
        if not routes:
            return
        route = self.chance.choice(routes)
        nodes = self._running()
        self.shape.ways[route].insert(0, Way("back", back=True))
        self.shape.join([(route, "back")], [self.chance.choice(nodes[: nodes.index(route) + 1])])

    def _dead_end(self) -> None:
        plain = [edge for edge in self.shape.edges if edge[0][1] is None and edge[0][0] != START]
        sources = {edge[0] for edge in plain}
        if len(sources) > 1:
            victim = self.chance.choice(sorted(sources, key=str))
            self.shape.edges = [edge for edge in self.shape.edges if edge[0] != victim]

    def _hang_off(self) -> None:
        """A node beside everything else that nothing comes out of."""
        nodes = [name for name in self._running() if self.shape.nodes[name] != ROUTE]
        if nodes:
            self.shape.join([(self.chance.choice(nodes), None)], [self._node(TASK)])

    def _use_as_target(self) -> None:
        """A node that edges lead to is run as a call as well."""
        nodes = [name for name in self._running() if self.shape.nodes[name] in (TASK, TRANSFORM)]
        if nodes and self.shape.targets:
            self.shape.targets[self.chance.choice(list(self.shape.targets))].append(self.chance.choice(nodes))

    def _share_target(self) -> None:
        """Two sends run one node."""
        if len(self.shape.targets) > 1:
            one, other = self.chance.sample(list(self.shape.targets), 2)
            shared = self.chance.choice(self.shape.targets[one])
            if shared not in self.shape.targets[other]:
                self.shape.targets[other].append(shared)

    def _error_edge(self, name: str) -> None:
        nodes = self._running()
        later = [node for node in nodes[nodes.index(name) + 1 :] if self.shape.nodes[node] in (TASK, TRANSFORM)]
        if later and self.chance.random() < 0.5:
            target = self.chance.choice(later)
        else:
            target = self._node(TRANSFORM)
            ends = [node for (source, _), node in self.shape.edges if source == name]
            self.shape.join([(target, None)], [self.chance.choice([*ends, END])])
        self.shape.handlers.add(target)
        self.shape.join([((name, "error"))], [target])
