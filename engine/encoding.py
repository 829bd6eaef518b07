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
CHUNK = 16 * 1024
"""From this many bytes on the beginning of a list's JSON is a piece of its own."""
LONGEST_PIECE = 512 * 1024
"""Pieces of this many bytes or more are not made one with others."""

Pieces = tuple[bytes, ...]
"""A text in pieces, in their order."""


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

    __slots__ = ("_hasher", "_items", "_pieces", "_tail")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._items: list[Any] = []
        self._pieces: list[bytes] = []
        self._tail = bytearray(b"[")
        self._hasher = hashlib.sha256()

    def take(self, items: list[Any]) -> tuple[Pieces, str]:
        """The JSON of a list and its hash."""
        if len(self._items) > len(items) or not all(map(is_, self._items, items)):
            self._begin()
        for place in range(len(self._items), len(items)):
            if place:
                self._tail += b","
            self._tail += orjson.dumps(items[place])
            self._hasher.update(canonical(items[place]) + b"\n")
            if len(self._tail) >= CHUNK:
                self._keep(bytes(self._tail))
                self._tail.clear()
        self._items = items
        return (*self._pieces, bytes(self._tail) + b"]"), self._hasher.copy().hexdigest()

    def _keep(self, piece: bytes) -> None:
        """Add a piece, made one with those before it that are no longer: they stay few, and a byte is copied log(n)
        times."""
        while self._pieces and len(self._pieces[-1]) <= len(piece) < LONGEST_PIECE:
            piece = self._pieces.pop() + piece
        self._pieces.append(piece)


class Encoder:
    """Encodes requests of one run, remembering the long lists of its state."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: dict[str, ListMemo] = {}

    def take(self, request: Request) -> tuple[Mapping[str, Pieces], str]:
        """The JSON of the long lists in a request's state, and the hash of the request."""
        texts: dict[str, Pieces] = {}
        lists: dict[str, str] = {}
        for key, value in request.state.items():
            if isinstance(value, list):
                if len(value) >= LONG:
                    texts[key], lists[key] = self._lists.setdefault(key, ListMemo()).take(value)
                else:
                    lists[key] = _list_hash(value)
        return texts, _hash(request, lists)
