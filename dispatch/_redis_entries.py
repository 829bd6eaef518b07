"""What Redis says about streams, as values: entries that were read or taken over, and how far a stream may be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.values import dataclass

EntryId = bytes

ANSWER, PROGRESS, HEARTBEAT = "answer", "progress", "heartbeat"
KINDS = {b"": ANSWER, b"answer": ANSWER, b"progress": PROGRESS, b"heartbeat": HEARTBEAT}
LONGEST_CORR = 2_000


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a stream; `fields` is None where it was deleted since it was delivered."""

    id: EntryId
    fields: Mapping[bytes, bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a worker says of the request that a correlation id names."""

    corr: str
    kind: str
    body: bytes


def entries_read(reply: Any) -> list[Entry]:
    """Those in a reply to XREADGROUP on one stream: `[[stream, [[id, [field, value, …]], …]]]`, or nothing."""
    return [] if not reply else _entries(reply[0][1])


def entries_claimed(reply: Any) -> tuple[EntryId, list[Entry]]:
    """From where to go on (`0-0`: all was seen), and those taken over, in a reply to XAUTOCLAIM.

    That is `[next, [[id, [field, value, …]], …], [id, …]]`. Redis 7 takes what was deleted out of the group by itself,
    and names it in the third item; before that it comes as an entry without fields, or as no entry at all.
    """
    return bytes(reply[0]), _entries(entry for entry in reply[1] if entry is not None)


def said_in(fields: Mapping[bytes, bytes]) -> Said | str:
    """What the fields of an entry of a reply stream say, or why that is nothing."""
    corr = fields.get(b"corr", b"")
    if not 0 < len(corr) <= LONGEST_CORR or not corr.isascii():
        return "it has no valid `corr`"
    if (kind := KINDS.get(fields.get(b"kind", b""))) is None:
        return "its `kind` is none of answer, progress, heartbeat"
    if kind != HEARTBEAT and b"body" not in fields:
        return "it has no `body`"
    return Said(corr=corr.decode(), kind=kind, body=fields.get(b"body", b""))


def floor_of(groups: Sequence[tuple[EntryId, EntryId | None]]) -> EntryId | None:
    """The id below which every group has acknowledged everything, by what was last delivered to each and its oldest
    entry that waits to be acknowledged; None where there is no group: nobody has read anything."""
    floors = [delivered if waiting is None else min(waiting, delivered, key=order) for delivered, waiting in groups]
    return min(floors, key=order, default=None)


def order(entry_id: EntryId) -> tuple[int, int]:
    """What ids are ordered by: milliseconds and number."""
    at, _, number = entry_id.partition(b"-")
    return int(at), int(number or 0)


def pairs(flat: Sequence[Any]) -> dict[Any, Any]:
    """A mapping that comes as a list of names and values."""
    return dict(zip(flat[::2], flat[1::2], strict=False))


def _entries(found: Any) -> list[Entry]:
    return [Entry(entry_id, None if fields is None else pairs(fields)) for entry_id, fields in found]
