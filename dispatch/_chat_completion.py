"""A completion of a model, put together from what a server sends: many chunks of a stream, or one whole response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import orjson

TEXT, REASONING = "llm", "reasoning"
"""The channels of what a model says, and of what it thinks before."""

_REASONS = ("reasoning_content", "reasoning")  # servers have two names for it
_COUNTS = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
_MOST = 2**53


@dataclass(slots=True)
class Call:
    """A call of a tool that the model asks for; its arguments are JSON as text, as the model wrote it."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(slots=True)
class Completion:
    """What a model has said so far. `finish` says why it stopped, None until then. `size` counts characters."""

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, int | float] = field(default_factory=dict)
    model: str | None = None
    size: int = 0
    known: bool = False
    """Whether there was anything that a completion is made of."""
    _open: dict[Any, Call] = field(default_factory=dict)

    def take(self, chunk: Any) -> Iterator[tuple[str, str]]:
        """Add a chunk, or a whole response; the texts in it, each with its channel. What it does not know it leaves."""
        if not isinstance(chunk, dict):
            return
        self._take_usage(chunk)
        if isinstance(model := chunk.get("model"), str):
            self.model = model
        for choice in _dicts(chunk.get("choices")):
            if choice.get("index") not in (None, 0):
                continue
            self.known = True
            said = choice.get("delta")
            yield from self._take_message(said if isinstance(said, dict) else choice.get("message"))
            if isinstance(finish := choice.get("finish_reason"), str) and finish:
                self.finish = finish

    def _take_message(self, message: Any) -> Iterator[tuple[str, str]]:
        """Add a message, or what is new of it."""
        if not isinstance(message, dict):
            return
        reasons = next((message[name] for name in _REASONS if message.get(name)), None)
        found = (
            (REASONING, self.reasoning, _text(reasons)),
            (TEXT, self.content, _text(message.get("content"))),
            (TEXT, self.refusal, _text(message.get("refusal"))),
        )
        for channel, known, text in found:
            if text:
                known.append(text)
                self.size += len(text)
                yield channel, text
        for call in _dicts(message.get("tool_calls")):
            self._take_call(call)

    def _take_call(self, delta: Mapping[str, Any]) -> None:
        """Add what is new of a call. Which one it belongs to says its index; where there is none, or servers count
        them all as the first, a new id begins another one."""
        index, name = delta.get("index"), delta.get("id")
        call = self._open.get(index)
        if call is None or (isinstance(name, str) and name and call.id and name != call.id):
            call = self._open[index] = Call()
            self.calls.append(call)
        if isinstance(name, str) and name:
            call.id = name
        function = delta.get("function")
        if not isinstance(function, dict):
            return
        if isinstance(function.get("name"), str):
            call.name = call.name or function["name"]
        arguments = function.get("arguments")
        text = orjson.dumps(arguments).decode() if isinstance(arguments, dict | list) else _text(arguments)
        call.arguments.append(text)
        self.size += len(text)

    def _take_usage(self, chunk: Mapping[str, Any]) -> None:
        """Learn what it has cost so far: the last one counts. What is no number that can be counted is left."""
        usage = chunk.get("usage")
        if usage is None and isinstance(more := chunk.get("x_groq"), dict):
            usage = more.get("usage")
        if not isinstance(usage, dict):
            return
        for theirs, ours in _COUNTS.items():
            if _is_count(count := usage.get(theirs), int):
                self.usage[ours] = count
        if _is_count(cost := usage.get("cost"), int | float):
            self.usage["cost"] = cost


def _is_count(value: Any, kind: Any) -> TypeGuard[int | float]:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= value < _MOST


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; nothing for what is none."""
    return (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else iter(())


def _text(value: Any) -> str:
    """A text, also where it comes in parts."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in _dicts(value))
    return value if isinstance(value, str) else ""
