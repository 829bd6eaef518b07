"""A JSON Patch (RFC 6902) from one value to another, worked out by what changed and no more.

Values that are one object are skipped unseen, so two states of one run cost what was written between them. Numbers are
equal when their JSON is: 1, 1.0 and true are three values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.codec import same

Operation = dict[str, Any]
Patch = list[Operation]


def make_patch(before: Any, after: Any) -> Patch:
    """The operations `add`, `remove` and `replace` that make `after` of `before`, to be applied in their order."""
    if isinstance(before, dict) and isinstance(after, dict):
        return list(_of_objects(before, after, ""))
    if isinstance(before, list) and isinstance(after, list):
        return list(_of_arrays(before, after, ""))
    return list(_changes(before, after, ""))


def pointer(path: str, part: str | int) -> str:
    """The JSON Pointer (RFC 6901) of a part of what stands at `path`."""
    if isinstance(part, int):
        return f"{path}/{part}"
    return f"{path}/{part.replace('~', '~0').replace('/', '~1')}"


def _changes(before: Any, after: Any, path: str) -> Iterator[Operation]:
    """What changes at one place. A container of which nothing is left is replaced as a whole."""
    if before is after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and not before.keys().isdisjoint(after):
        yield from _of_objects(before, after, path)
    elif isinstance(before, list) and isinstance(after, list) and before and after:
        found = list(_of_arrays(before, after, path))
        if 1 < len(after) <= len(found) and _all_direct(found, path):
            yield {"op": "replace", "path": path, "value": after}
        else:
            yield from found
    elif not same(before, after):
        yield {"op": "replace", "path": path, "value": after}


def _all_direct(found: Patch, path: str) -> bool:
    """Whether every operation is about a whole item of the array at `path`."""
    depth = path.count("/") + 1
    return all(operation["path"].count("/") == depth for operation in found)


def _of_objects(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[Operation]:
    for key in before:
        if key not in after:
            yield {"op": "remove", "path": pointer(path, key)}
    for key, value in after.items():
        if key in before:
            yield from _changes(before[key], value, pointer(path, key))
        else:
            yield {"op": "add", "path": pointer(path, key), "value": value}


def _of_arrays(before: list[Any], after: list[Any], path: str) -> Iterator[Operation]:
    """What is equal at both ends stays; between them, items are compared in pairs, and the rest goes or comes."""
    start = _common(before, after)
    end = _common(before[: start - 1 if start else None : -1], after[: start - 1 if start else None : -1])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    both = min(len(old), len(new))
    for place in range(both):
        yield from _changes(old[place], new[place], pointer(path, start + place))
    for place in range(len(old) - 1, both - 1, -1):
        yield {"op": "remove", "path": pointer(path, start + place)}
    for place in range(both, len(new)):
        yield {"op": "add", "path": pointer(path, start + place), "value": new[place]}


def _common(one: list[Any], other: list[Any]) -> int:
    """How many items are equal from the beginning."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a is not b and not same(a, b):
            break
        length += 1
    return length
