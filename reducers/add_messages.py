"""Keeps a conversation: messages are replaced, removed and appended by their string `id`."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import misfit
from reducers._overwrite import MARK

EMPTY: list[Any] = []
TYPES: frozenset[str] | None = frozenset({"array"})
COLLECTS = True

_GONE = object()

_MEMO_SIZE = 64
_MEMO: OrderedDict[int, tuple[list[Any], dict[str, int], int]] = OrderedDict()
"""The lists made last, with where the messages stand by their ids: a conversation that grows is not read anew at each
message. A list shares what is known with the one that it was made of, and with the first that is made of it, which adds
to it: its own ids are as many as is noted, before all others; each place has to be looked at."""


def reduce(current: Any, update: Any) -> Any:
    """A new list of messages. Raises UpdateError for an entry that is no object, and for a removal without id."""
    made = Fold(current)
    made.add(update)
    return made.value


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
    if known is None or known[0] is not messages:
        return _places(messages)
    _, places, own = known
    return places if len(places) == own else dict(islice(places.items(), own))


def _remember(messages: list[Any], places: dict[str, int]) -> None:
    _MEMO[id(messages)] = (messages, places, len(places))
    if len(_MEMO) > _MEMO_SIZE:
        _MEMO.popitem(last=False)


def _places(messages: list[Any]) -> dict[str, int]:
    """Where each id stands; of two messages with one id (after an overwrite) the first counts."""
    places: dict[str, int] = {}
    for place, message in enumerate(messages):
        if isinstance(name := _id_of(message), str):
            places.setdefault(name, place)
    return places


class Fold:
    """A list of its own that is changed entry by entry. Raises UpdateError where the current value is no list."""

    __slots__ = ("_gone", "_messages", "_places", "_private")

    def __init__(self, current: Any) -> None:
        if current is None:
            current = EMPTY
        if not isinstance(current, list):
            raise misfit("current value", "an array of messages", current)
        self._messages, self._places = list(current), _known_places(current)
        self._private, self._gone = False, list[str]()

    @property
    def value(self) -> list[Any]:
        """All messages."""
        if self._private:
            self._messages = [message for message in self._messages if message is not _GONE]
            self._places, self._private = _places(self._messages), False
        _remember(self._messages, self._places)
        return self._messages

    def add(self, update: Any) -> None:
        """Append, replace or remove messages. Raises UpdateError, and changes nothing, for what is none."""
        entries = _entries(update)
        for entry in entries:
            _check(entry)
        for entry in entries:
            name = entry.get("id")
            if _is_removal(entry):
                self._remove(name)
            elif isinstance(name, str) and (place := self._place(name)) is not None:
                self._messages[place] = entry
            else:
                if isinstance(name, str):
                    self._places[name] = len(self._messages)
                self._messages.append(entry)
        if self._gone:
            self._settle()

    def extend(self, updates: Sequence[Any], start: int) -> int:
        """Take updates from `start` on as `add` does, up to one that is no single message with a new id."""
        messages, places = self._messages, self._places
        first = place = len(messages)
        for update in islice(updates, start, None):
            if update.__class__ is not dict or MARK in update or "remove" in update:
                break
            name = update.get("id")
            if name.__class__ is not str or name in places:
                break
            places[name] = place
            place += 1
            messages.append(update)
        return start + place - first

    def _remove(self, name: str) -> None:
        if (place := self._place(name)) is not None:
            self._messages[place] = _GONE
            if not self._private:
                self._places, self._private = dict(self._places), True  # others share what is known
            del self._places[name]
            self._gone.append(name)

    def _settle(self) -> None:
        """An update is over: of the messages with an id that it removed one of, the first counts from now on. There
        may be another one after an overwrite."""
        for name in self._gone:
            if (place := self._find(name)) is not None:
                self._places[name] = place
        self._gone.clear()

    def _place(self, name: str) -> int | None:
        """Where a message stands. What another list knows of its id has to be looked at."""
        place = self._places.get(name)
        if place is None or (place < len(self._messages) and _id_of(self._messages[place]) == name):
            return place
        return self._find(name)

    def _find(self, name: str) -> int | None:
        return next((at for at, message in enumerate(self._messages) if _id_of(message) == name), None)


def _check(entry: Any) -> None:
    if not isinstance(entry, dict):
        raise misfit("message", "an object", entry)
    if _is_removal(entry) and not isinstance(name := entry.get("id"), str):
        raise misfit("id of the message to remove", "a string", name)


def _id_of(message: Any) -> Any:
    return message.get("id") if isinstance(message, dict) else None


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
    name = _id_of(value[path[0]])
    return (name, *path[1:]) if isinstance(name, str) else path


def located(value: Any, path: Path) -> Path:
    """The path with the index of the message for its id; one that is not there has the index after the last."""
    if not path or not isinstance(path[0], str) or not isinstance(value, list):
        return path
    places = (place for place, message in enumerate(value) if _id_of(message) == path[0])
    return (next(places, len(value)), *path[1:])
