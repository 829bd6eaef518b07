"""Long lists as JSON, encoded and hashed once: a list that only grew is not written anew for every task that reads it.

The hash of a request is SHA-256 over its canonical JSON, in which every list directly under `state` is replaced by the
hash of its elements, each followed by a newline. It can be worked out from the request alone (`request_hash`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from operator import is_
from typing import Any

import orjson

from engine.codec import canonical
from engine.view import Request

LONG = 16


def request_hash(request: Request) -> str:
    """The hash of what a worker is asked (language 3.1, input bytes)."""
    return _hash(request, {key: _list_hash(value) for key, value in request.state.items() if isinstance(value, list)})


def _hash(request: Request, lists: Mapping[str, str]) -> str:
    shape = {**request.as_json(), "state": {**request.state, **lists}}
    return hashlib.sha256(canonical(shape)).hexdigest()


def _list_hash(items: list[Any]) -> str:
    hasher = hashlib.sha256()
    for item in items:
        hasher.update(canonical(item) + b"\n")
    return hasher.hexdigest()


class ListMemo:
    """The JSON and the hash of the list that a state key had last, to go on from where a longer one begins with it."""

    __slots__ = ("_hasher", "_items", "_text")

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._text = bytearray()
        self._hasher = hashlib.sha256()

    def take(self, items: list[Any]) -> tuple[bytes, str]:
        """The JSON of a list and its hash."""
        known = len(self._items)
        if known > len(items) or not all(map(is_, self._items, items)):
            known, self._text, self._hasher = 0, bytearray(), hashlib.sha256()
        for item in items[known:]:
            self._text += (b"," if self._text else b"") + orjson.dumps(item)
            self._hasher.update(canonical(item) + b"\n")
        self._items = items
        return b"".join((b"[", self._text, b"]")), self._hasher.copy().hexdigest()


class Encoder:
    """Encodes requests of one run, remembering the long lists of its state."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: dict[str, ListMemo] = {}

    def take(self, request: Request) -> tuple[Mapping[str, bytes], str]:
        """The JSON of the long lists in a request's state, and the hash of the request."""
        texts: dict[str, bytes] = {}
        lists: dict[str, str] = {}
        for key, value in request.state.items():
            if isinstance(value, list):
                if len(value) >= LONG:
                    texts[key], lists[key] = self._lists.setdefault(key, ListMemo()).take(value)
                else:
                    lists[key] = _list_hash(value)
        return texts, _hash(request, lists)
