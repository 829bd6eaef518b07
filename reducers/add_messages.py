"""Keeps a conversation: messages are replaced, removed and appended by their string `id`."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import misfit

EMPTY: list[Any] = []
TYPES: frozenset[str] | None = frozenset({"array"})
BY_REFERENCE = True

_GONE = object()

_MEMO_SIZE = 64
_MEMO: OrderedDict[int, tuple[list[Any], dict[str, int]]] = OrderedDict()
"""The lists made last, with the places of their ids: a conversation that grows is not read anew at each message."""


def reduce(current: Any, update: Any) -> Any:
    """A new list of messages. Raises UpdateError for an entry that is no object, and for a removal without id."""
    if current is None:
        current = EMPTY
    if not isinstance(current, list):
        raise misfit("current value", "an array of messages", current)
    messages = list(current)
    places = _known_places(current)
    removed = sum(_apply(messages, places, entry) for entry in _entries(update))
    if removed:
        return [message for message in messages if message is not _GONE]
    _remember(messages, places)
    return messages


def normalise(update: Any, origin: str) -> Any:
    """The update with an id in every message: made from `origin` and the message's place where it has no string id.

    What is no message is left as it is, for `reduce` to refuse.
    """
    if not isinstance(update, list):
        return _with_id(update, origin, 0)
    return [_with_id(entry, origin, place) for place, entry in enumerate(update)]


def _with_id(entry: Any, origin: str, place: int) -> Any:
    if not isinstance(entry, dict) or isinstance(entry.get("id"), str) or _is_removal(entry):
        return entry
    digest = hashlib.sha256(f"{origin}\0{place}".encode()).hexdigest()
    return {**entry, "id": f"msg_{digest[:24]}"}


def _entries(update: Any) -> list[Any]:
    return update if isinstance(update, list) else [update]


def _is_removal(entry: dict[str, Any]) -> bool:
    return entry.get("remove") is True


def _known_places(messages: list[Any]) -> dict[str, int]:
    """Where each id stands; of a list that this function made lately, without reading it again."""
    known = _MEMO.get(id(messages))
    return known[1].copy() if known is not None and known[0] is messages else _places(messages)


def _remember(messages: list[Any], places: dict[str, int]) -> None:
    _MEMO[id(messages)] = (messages, places)
    if len(_MEMO) > _MEMO_SIZE:
        _MEMO.popitem(last=False)


def _places(messages: list[Any]) -> dict[str, int]:
    """Where each id stands; of two messages with one id (after an overwrite) the first counts."""
    places: dict[str, int] = {}
    for place, message in enumerate(messages):
        if isinstance(message, dict) and isinstance(message.get("id"), str):
            places.setdefault(message["id"], place)
    return places


def _apply(messages: list[Any], places: dict[str, int], entry: Any) -> bool:
    """Apply one entry in place; whether it removed a message."""
    if not isinstance(entry, dict):
        raise misfit("message", "an object", entry)
    name = entry.get("id")
    if _is_removal(entry):
        if not isinstance(name, str):
            raise misfit("id of the message to remove", "a string", name)
        if (place := places.pop(name, None)) is not None:
            messages[place] = _GONE
            return True
    elif isinstance(name, str) and name in places:
        messages[places[name]] = entry
    else:
        if isinstance(name, str):
            places[name] = len(messages)
        messages.append(entry)
    return False


def effect(current: Any, update: Any, path: Path) -> Effect:
    """An update adds to the conversation, and replaces the messages that it has; a path names a message by its id."""
    if not path:
        return Effect.ADDS if _entries(update) else Effect.NONE
    mine = (entry for entry in _entries(update) if isinstance(entry, dict) and entry.get("id") == path[0])
    return Effect.REPLACES if any(mine) else Effect.NONE


def stable(value: Any, path: Path) -> Path:
    """The path with the id of a message for its index, which changes as others are removed."""
    if not path or not isinstance(path[0], int) or not isinstance(value, list) or path[0] >= len(value):
        return path
    message = value[path[0]]
    name = message.get("id") if isinstance(message, dict) else None
    return (name, *path[1:]) if isinstance(name, str) else path


def located(value: Any, path: Path) -> Path:
    """The path with the index of the message for its id; one that is not there has the index after the last."""
    if not path or not isinstance(path[0], str) or not isinstance(value, list):
        return path
    ids = (message.get("id") if isinstance(message, dict) else None for message in value)
    places = (place for place, name in enumerate(ids) if name == path[0])
    return (next(places, len(value)), *path[1:])
