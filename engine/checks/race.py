"""Which nodes write one key that keeps only the last value, though they can run in parallel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.checks.draft import Draft, DraftNode
from engine.checks.entries import DEFAULT_REDUCER
from engine.checks.flow import Flow
from engine.checks.parallel import Parallel
from engine.checks.problem import Findings, shown
from engine.model import END
from engine.topology import Topology


def check_races(draft: Draft, flow: Flow, findings: Findings) -> None:
    """One warning for each writer of a key that loses to a parallel one, naming the last one, which wins."""
    contested = {key: nodes for key, nodes in _writers(draft, flow).items() if len(nodes) > 1}
    if not contested:
        return
    eager = [flow.shape.number[name] for name, node in draft.nodes.items() if _is_eager(node)]
    parallel = Parallel(flow.shape, _forks(draft, flow), eager)
    levels = _levels(flow.shape)
    for key, nodes in contested.items():
        ranked = sorted(parallel.among(nodes), key=lambda node: (levels[node], node))
        while ranked:
            winner = ranked.pop()
            losing = [node for node in ranked if parallel.both(node, winner)]
            for loser in losing:
                _report(draft, flow.shape, key, loser, winner, findings)
            lost = set(losing)
            ranked = [node for node in ranked if node not in lost]


def _report(draft: Draft, shape: Topology, key: str, loser: int, winner: int, findings: Findings) -> None:
    names = shape.names[loser], shape.names[winner]
    findings.warning(
        "state.race",
        draft.nodes[names[1]].path,
        f"`{shown(names[0])}` and `{shown(names[1])}` can run in parallel and both write `{shown(key)}`;"
        f" the value of `{shown(names[1])}` wins, as it comes later in canonical order",
        node=names[1],
        hint="write different keys, or give the key a reducer such as `append`",
    )


def _writers(draft: Draft, flow: Flow) -> Mapping[str, list[int]]:
    """By key that keeps the last value: the nodes that write it when edges lead to them, themselves or by the items
    that they send."""
    found: dict[str, list[int]] = {}
    for name, node in draft.nodes.items():
        number = flow.shape.number[name]
        if flow.running >> number & 1:
            for key in dict.fromkeys((*_written(node), *_written_by_items(draft, node))):
                if key in draft.state and draft.state[key].reducer == DEFAULT_REDUCER:
                    found.setdefault(key, []).append(number)
    return found


def _written(node: DraftNode, below: str = "/") -> Iterable[str]:
    return (text.source for text in node.ask("texts") if text.kind == "key" and text.path.startswith(below))


def _written_by_items(draft: Draft, node: DraftNode) -> Iterator[str]:
    """The updates of what a node sends its items to; of a call nothing else applies (language 2.2)."""
    for name, _ in node.ask("targets"):
        if name in draft.nodes:
            yield from _written(draft.nodes[name], "/updates/")


def _is_eager(node: DraftNode) -> bool:
    """Whether a node does not wait for all that can come."""
    return node.fields.get("join", "all") not in ("all", "each")


def _levels(shape: Topology) -> list[int]:
    """Per node the longest forward path to it."""
    levels = [0] * len(shape.names)
    for node in shape.walk.order:
        for edge in shape.leaving[node]:
            if edge not in shape.walk.back:
                target = shape.targets[edge]
                levels[target] = max(levels[target], levels[node] + 1)
    return levels


def _forks(draft: Draft, flow: Flow) -> Iterator[list[int]]:
    """The edges that a node can leave by at once, where there are several."""
    shape = flow.shape
    for name, by_handle in shape.out.items():
        if not flow.running >> shape.number[name] & 1:
            continue
        together: list[Sequence[str | None]] = [(handle,) for handle in by_handle]
        if name in draft.nodes:
            together += draft.nodes[name].ask("together")
        for handles in together:
            targets = {shape.number[edge.target] for handle in handles for edge in by_handle.get(handle, ())}
            targets.discard(shape.number[END])
            if len(targets) > 1:
                yield sorted(targets)
