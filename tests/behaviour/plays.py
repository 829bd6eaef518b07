"""What can happen to a branch, an item of a send and a run: each played on a simulated run, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.model import InterruptId, TaskId
from engine.outbox import Accepted, Answered, Work
from tests.fakes import ready
from tests.simulation.world import World

BUSY = {"error": {"code": "busy", "message": "not now"}}
FINAL = {"error": {"code": "broken", "message": "never", "retryable": False}}
TWICE = {"max_attempts": 2, "initial_interval_ms": 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """Something that happens to the branch `b`: what the node is, what leaves it, and what is done with it."""

    name: str
    act: Callable[[World], None]
    node: Mapping[str, Any] = field(default_factory=dict)
    edges: tuple[tuple[str, str], ...] = (("b", "j"),)
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Other nodes."""


def task(**fields: Any) -> dict[str, Any]:
    """A task whose worker's output is appended to `log`."""
    return {"type": "task", "output_key": "log", **fields}


# ---- what is done with the node `b`


def nothing(world: World) -> None:
    """It goes by itself, or waits."""


def work_at(world: World, node: str, index: int | None = None) -> Work:
    """The attempt that waits to be answered at a node."""
    return next(w for w in world.outbox.works.values() if (w.node, w.request.index) == (node, index))


def waits_at(world: World, node: str) -> bool:
    """Whether an attempt of a node waits to be answered."""
    return any(work.node == node for work in world.outbox.works.values())


def answers(world: World) -> None:
    world.answer("b", {"output": "b"})


def fails(world: World) -> None:
    world.answer("b", FINAL)


def fails_once(world: World) -> None:
    world.answer("b", BUSY)
    fire(world, "retry")
    answers(world)


def fails_twice(world: World) -> None:
    world.answer("b", BUSY)
    fire(world, "retry")
    world.answer("b", BUSY)


def times_out(world: World) -> None:
    work = work_at(world, "b")
    world.send(work.task_id)
    world.reply(work, Accepted())
    fire(world, "deadline")


def finds_no_worker(world: World) -> None:
    world.delivery.waiting(work_at(world, "b"), "no_worker")
    fire(world, "unserved")


def does_not_fit(world: World) -> None:
    world.answer("b", {"updates": {"count": "many"}})


def goes_to(target: str) -> Callable[[World], None]:
    return lambda world: world.answer("b", {"output": "b", "goto": target})


def is_answered(world: World) -> None:
    world.resume(_asked(world), "b")


def expires(world: World) -> None:
    fire(world, "expiry")


def is_cancelled(world: World) -> None:
    """A worker has it, and answers after that."""
    work = work_at(world, "b")
    world.send(work.task_id)
    world.cancel()
    world.reply(work, Answered(body={"output": "b"}))


def takes_too_long(world: World) -> None:
    """A worker has it, and answers after that."""
    work = work_at(world, "b")
    world.send(work.task_id)
    fire(world, "timeout")
    world.reply(work, Answered(body={"output": "b"}))


def is_retried(world: World) -> None:
    """It fails for good; once the run has failed it is retried, and the worker answers."""
    fails(world)
    if waits_at(world, "a"):
        world.answer("a", {"output": "a"})
    ready(world.travel.retry(world.head.id, {}, "test"))
    if waits_at(world, "b"):  # else the join goes on without it
        answers(world)


def _asked(world: World) -> InterruptId:
    return next(name for name, opened in world.run.interrupts.items() if opened.node == "b")


def fire(world: World, kind: str) -> None:
    """The time of the one timer of a kind has come."""
    [task_id] = [name for name, held in world.timers.held if held == kind]
    world.fire(TaskId(task_id), kind)


def item_of(answer: Any) -> Callable[[World], None]:
    """The worker answers the second of three items."""
    return lambda world: world.answer("b", answer, 1)


def item_fails_once(world: World) -> None:
    world.answer("b", BUSY, 1)
    fire(world, "retry")
    world.answer("b", {"output": "1"}, 1)


def item_times_out(world: World) -> None:
    work = work_at(world, "b", 1)
    world.send(work.task_id)
    world.reply(work, Accepted())
    fire(world, "deadline")


HANDLED = (("b:error", "h"), ("h", "j"))
H: Mapping[str, Any] = {"h": {"type": "transform", "updates": {"log": "h"}}}
G: Mapping[str, Any] = {"g": {"type": "transform", "updates": {"log": "g"}}}
ASKS: Mapping[str, Any] = {"type": "interrupt", "message": "?", "output_key": "log"}

BRANCHES = (
    Play(name="answers", act=answers),
    Play(name="fails, then answers (`retry`)", act=fails_once, node=task(retry=TWICE)),
    Play(name="fails in every attempt; `on_error: fail`", act=fails_twice, node=task(retry=TWICE)),
    Play(name="fails with an error that is final; `on_error: fail`", act=fails, node=task(retry=TWICE)),
    Play(name="fails; `on_error: skip`", act=fails, node=task(on_error="skip")),
    Play(name="fails; `on_error: continue`", act=fails, node=task(on_error="continue")),
    Play(name="fails; `b:error` leads to `h`, and `h` to `j`", act=fails, edges=(("b", "j"), *HANDLED), more=H),
    Play(name="fails; `b:error` leads to `j`", act=fails, edges=(("b", "j"), ("b:error", "j"))),
    Play(
        name="fails; `b:error` leads to `h`, which ends there", act=fails, more=H,
        edges=(("b", "j"), ("b:error", "h"), ("h", "__end__")),
    ),
    Play(name="fails; the run is retried, and it answers", act=is_retried),
    Play(name="is not answered within `timeout_ms`", act=times_out, node=task(timeout_ms=50)),
    Play(
        name="is not answered within `timeout_ms`; `on_error: continue`", act=times_out,
        node=task(timeout_ms=50, on_error="continue"),
    ),
    Play(name="finds no worker within `wait_timeout_ms`", act=finds_no_worker, node=task(wait_timeout_ms=50)),
    Play(
        name="finds no worker within `wait_timeout_ms`; `on_error: skip`", act=finds_no_worker,
        node=task(wait_timeout_ms=50, on_error="skip"),
    ),
    Play(name="answers what does not fit the state", act=does_not_fit),
    Play(name="answers `goto: \"__end__\"`", act=goes_to("__end__")),
    Play(name="answers `goto: \"j\"`", act=goes_to("j")),
    Play(
        name='answers `goto: "h"`, two edges ahead on its way to `j`', act=goes_to("h"), more={**G, **H},
        edges=(("b", "g"), ("g", "h"), ("h", "j")),
    ),
    Play(
        name='answers `goto: "h"`, which no edge leads to, and `h` leads to `j`', act=goes_to("h"),
        node=task(goto="h"), edges=(("b", "j"), ("h", "j")), more=H,
    ),
    Play(
        name="is a route that does not lead to `j`", act=nothing, more=H,
        node={"type": "route", "rules": [{"when": "size(state.log) > 9", "to": "there"}], "default": "elsewhere"},
        edges=(("b:there", "j"), ("b:elsewhere", "h"), ("h", "__end__")),
    ),
    Play(
        name="is a route without a match", act=nothing,
        node={"type": "route", "rules": [{"when": "size(state.log) > 9", "to": "there"}]},
        edges=(("b:there", "j"),),
    ),
    Play(name="asks a person, who answers", act=is_answered, node=ASKS),
    Play(name="asks a person, who does not answer", act=nothing, node=ASKS),
    Play(
        name="asks; it expires, with `on_expire`", act=expires,
        node={**ASKS, "expires_in_ms": 50, "on_expire": "late"},
    ),
    Play(
        name="asks; it expires, and `b:expired` leads to `h`, `h` to `j`", act=expires,
        node={**ASKS, "expires_in_ms": 50}, edges=(("b", "j"), ("b:expired", "h"), ("h", "j")), more=H,
    ),
    Play(name="asks; it expires, with neither", act=expires, node={**ASKS, "expires_in_ms": 50}),
    Play(name="is at a worker when the run is cancelled", act=is_cancelled),
    Play(name="is at a worker when `config.timeout_ms` is over", act=takes_too_long),
)  # fmt: skip
"""What can happen to the branch `b`, while the branch `a` answers."""

ITEMS = (
    Play(name="answers", act=item_of({"output": "1"})),
    Play(name="fails, then answers (`retry`)", act=item_fails_once, node=task(retry=TWICE)),
    Play(name="fails for good", act=item_of(FINAL)),
    Play(name="is not answered within `timeout_ms`", act=item_times_out, node=task(timeout_ms=50)),
    Play(name="answers what does not fit the state", act=item_of({"updates": {"count": "many"}})),
    Play(name="answers with a `goto`", act=item_of({"output": "1", "goto": "j"})),
)
"""What can happen to the second of three items, while the others answer."""
