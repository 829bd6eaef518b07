"""A worker: functions by the tags of the nodes that they work for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from platform import python_version
from typing import Any, TypeVar

from clew._json import given
from clew._version import __version__
from clew.models import Json
from clew.worker._attempt import AfterTask, Function
from clew.worker._condition import FEATURES, PROTOCOL_VERSION
from clew.worker.answer import TaskError
from clew.worker.shift import Shift
from clew.worker.task import Task
from clew.worker.transports import Transport, open_transport

Fn = TypeVar("Fn", bound=Callable[[Task], Any])
After = TypeVar("After", bound=AfterTask)
Resources = Iterable[Any] | Callable[[], Any]


class Worker:
    """A worker. `id` is its name at the server; one started again under the same name takes its place.

    `tags` are those that it carries beside the tags of its functions. `max_concurrent` tasks are worked at at one time.
    On SIGTERM it takes no more, and has `grace_s` seconds to finish what it has. Every `heartbeat_s` seconds it tells
    the server how it is, and sees whether it is still registered there. `answers` is a file in which its
    successful answers are kept, so that a task which comes again after a restart is not done again; without one they
    are kept in memory, the last thousand of them.

    `resources` are what it alone has, such as browser sessions or large files: ids, or objects with a `resource_id`;
    or a function that gives them, which is asked at each heartbeat and after each task. Tasks that refer to one by
    `resource_ref` come to it. `version` is its own, which the server shows.
    """

    def __init__(
        self,
        id: str,
        tags: Iterable[str] = (),
        *,
        max_concurrent: int = 1,
        grace_s: float = 30.0,
        heartbeat_s: float = 15.0,
        model: str | None = None,
        metadata: Json | None = None,
        answers: str | Path | None = None,
        resources: Resources | None = None,
        version: str | None = None,
    ) -> None:
        if max_concurrent < 1:
            raise ValueError("max_concurrent: a worker has to be able to take one task at least")
        if not 0 <= grace_s < inf:
            raise ValueError("grace_s: a worker has 0 seconds or more to finish what it has")
        self.id = id
        self.max_concurrent = max_concurrent
        self.grace_s = grace_s
        self.heartbeat_s = heartbeat_s
        self.model = model
        self.answers = None if answers is None else Path(answers)
        self.resources = resources
        self.version = version
        self._own_tags = tuple(tags)
        self._metadata = dict(metadata or {})
        self._functions: dict[str | None, Function] = {}
        self._after: list[AfterTask] = []

    def task(self, *tags: str) -> Callable[[Fn], Fn]:
        """Have a function work for nodes that want one of these tags; without tags, for all others.

        The function takes a Task. A plain one runs in a thread, an async one on the event loop, where it must not
        block. What it returns is the output, or an Answer; what it raises fails the attempt: with its `code`, where it
        has one that is a text, else with `worker.exception`.
        """

        def register(function: Fn) -> Fn:
            for tag in tags or (None,):
                if tag in self._functions:
                    whose = "other tasks" if tag is None else f"the tag '{tag}'"
                    raise ValueError(f"worker '{self.id}' has a function for {whose} already")
                self._functions[tag] = function
            return function

        return register

    def after_task(self, function: After) -> After:
        """Have a function called when a task is over, to release what that had: also when it has failed, asked, or was
        cancelled. Those that are named first are called first.

        It takes the Task and the answer as it is sent: an object with `output`, `error` or `interrupt`. The answer is
        sent when it is done; what it raises is logged, and changes nothing. A plain one runs in a thread.
        """
        self._after.append(function)
        return function

    @property
    def after(self) -> tuple[AfterTask, ...]:
        """The functions that are called when a task is over."""
        return tuple(self._after)

    @property
    def tags(self) -> list[str]:
        """What it tells the server that it can do."""
        return list(dict.fromkeys([*self._own_tags, *(tag for tag in self._functions if tag is not None)]))

    @property
    def handlers(self) -> dict[str, str]:
        """Its functions, by their tags; that for all other tasks is at `*`."""
        return {tag or "*": getattr(call, "__qualname__", repr(call)) for tag, call in self._functions.items()}

    @property
    def metadata(self) -> Json:
        """What it tells of itself: its version, what it runs on, and what it understands."""
        return {
            "sdk": f"clew-sdk {__version__}",
            "python": python_version(),
            **given(version=self.version),
            "protocol_version": PROTOCOL_VERSION,
            "runtimes": ["python"],
            "features": list(FEATURES),
            **self._metadata,
        }

    def function_for(self, task: Task) -> Function:
        """The function that works for a task: that of the first tag which the node wants, else that of all others, else
        the only one. Raises TaskError where there is none."""
        functions = self._functions
        wanted: list[str | None] = [tag for tag in (task.worker_tags or ()) if tag in functions]
        found = functions.get((wanted or [None])[0])
        if found is None and len(set(functions.values())) == 1:
            found = next(iter(functions.values()))
        if found is None:
            known = ", ".join(self.tags) or "none"
            message = f"worker '{self.id}' has no function for node '{task.node}'; it has some for the tags {known}"
            raise TaskError("worker.no_function", message, retryable=False)
        return found

    async def serve(self, transport: str | Transport = "webhook", **options: Any) -> None:
        """Work until SIGTERM or Ctrl-C, then finish what there is.

        `options` are those of `clew worker`: url, token, listen, address, secret, accept_after_s, broker, channel.
        Raises Unusable where the transport cannot be used like this, ClewError where the server refuses the worker.
        """
        used = open_transport(transport, **options) if isinstance(transport, str) else transport
        async with Shift(self) as shift:
            await used.serve(shift)

    def run(self, transport: str | Transport = "webhook", **options: Any) -> None:
        """The same, for a program without an event loop."""
        asyncio.run(self.serve(transport, **options))
