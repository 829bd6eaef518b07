"""What the language has and this version does not support yet: refused by name, never ignored.

Who adds one of these deletes its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

DOCUMENT_FIELDS: frozenset[str] = frozenset()

NODE_FIELDS = frozenset({"max_concurrency", "concurrency_key", "rate_limit"})
"""Fields of every type; one that a type has as its own is supported there."""

TYPE_FIELDS: Mapping[str, frozenset[str]] = {}

NODE_TYPES: frozenset[str] = frozenset()

HANDLES: Mapping[str, frozenset[str]] = {}


def not_yet(what: str) -> str:
    """The message of all these refusals."""
    return f"{what} is not supported yet by this version"
