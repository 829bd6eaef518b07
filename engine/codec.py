"""JSON in and out: what cannot be kept exactly is refused, not changed."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any, Never

import orjson

MAX_DEPTH = 64
LOWEST, HIGHEST = -(2**63), 2**63 - 1

MALFORMED = "json.malformed"
DEPTH = "json.depth"
INTEGER = "json.integer"
NUMBER = "json.number"
VALUE = "json.value"
DUPLICATE = "json.duplicate"

_SORTED = orjson.OPT_SORT_KEYS
_LONG = 19  # digits of the largest 64-bit integer
_NINETEEN_DIGITS = b"0" * _LONG
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_NUMERAL = re.compile(r"-?\d+([.eE][^,\]}\s]*)?")


class CodecError(ValueError):
    """Text that is no JSON or a value that is none; only `json.malformed` means that the text itself is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def loads(data: bytes | str, *, max_depth: int = MAX_DEPTH, unique: bool = False) -> Any:
    """The value of a JSON text; of two equal keys in an object the later counts.

    Raises CodecError: `json.malformed`, `json.depth` (more than `max_depth` containers in each other), `json.integer`
    (beyond 64 bits), `json.number` (beyond a double), and with `unique` `json.duplicate` for two equal keys.
    """
    try:
        text = data.encode() if isinstance(data, str) else data
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        _refuse(error, text, max_depth)
    except UnicodeEncodeError:
        raise CodecError(MALFORMED, "the text is not valid Unicode: it holds half of a surrogate pair") from None
    if text.count(b"[") + text.count(b"{") > max_depth and _deeper(value, max_depth):
        raise _too_deep(max_depth)
    _check_integers(text)
    if unique and text.count(b":") != _pairs(value):  # else each colon stands in a pair, and no pair is gone
        json.loads(text.decode(), object_pairs_hook=_once)
    return value


def dumps(value: Any) -> bytes:
    """Compact JSON. Raises CodecError for what JSON cannot say: NaN, infinity, integers beyond 64 bits, other types."""
    return _dumped(value, 0)


def write(value: Any) -> bytes:
    """Compact JSON of a value whose parts came through this codec, or that is ours: nothing is checked again."""
    return orjson.dumps(value)


def read(text: bytes | str) -> Any:
    """The value of a text that `write` or `dumps` made: nothing is checked again."""
    return orjson.loads(text)


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: compact, keys sorted. Raises CodecError as `dumps`."""
    return _dumped(value, _SORTED)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal. Raises CodecError as `dumps`."""
    return hashlib.sha256(canonical(value)).hexdigest()


def same(one: Any, other: Any) -> bool:
    """Whether two values that came through this codec have the same JSON; the order of an object's keys is none of it,
    and 1, 1.0 and true are three values."""
    if one is other:
        return True
    if one.__class__ is not other.__class__ or one != other:
        return False
    return one.__class__ is str or orjson.dumps(one, option=_SORTED) == orjson.dumps(other, option=_SORTED)


def _dumped(value: Any, option: int) -> bytes:
    try:
        text = orjson.dumps(value, option=option)
    except orjson.JSONEncodeError as error:
        reason = str(error)
        raise CodecError(INTEGER if "64-bit" in reason else VALUE, f"no JSON value: {reason}") from None
    if b"null" in text and not _finite(value):
        raise CodecError(NUMBER, "no JSON value: NaN and infinity cannot be written as JSON")
    _check_integers(text)
    return text


def _refuse(error: orjson.JSONDecodeError, text: bytes, max_depth: int) -> Never:
    if "depth limit" in error.msg:
        raise _too_deep(max_depth) from None
    if "infinity" in error.msg:
        numeral = _NUMERAL.match(text.decode(errors="replace"), error.pos)
        if numeral is not None:
            raise _out_of_range(numeral[0], is_integer=numeral[1] is None) from None
    raise CodecError(MALFORMED, f"malformed JSON: {error}") from None


def _too_deep(max_depth: int) -> CodecError:
    return CodecError(DEPTH, f"the JSON is nested too deeply: at most {max_depth} levels are allowed")


def _out_of_range(numeral: str, *, is_integer: bool) -> CodecError:
    shown = numeral if len(numeral) <= 40 else f"{numeral[:30]}… ({len(numeral)} characters)"
    if is_integer:
        return CodecError(
            INTEGER, f"integer {shown} is out of range: integers have 64 bits, from {LOWEST} to {HIGHEST}"
        )
    return CodecError(NUMBER, f"number {shown} is out of range: numbers are doubles, at most about 1.8e308")


def _deeper(value: Any, limit: int) -> bool:
    """Whether more than `limit` containers stand in each other; level by level, so that nothing recurses."""
    level = [value]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return any(isinstance(inner, list | dict) for inner in level)


def _inside(value: Any) -> Iterable[Any]:
    if value.__class__ is list:
        return value
    return value.values() if value.__class__ is dict else ()


def _pairs(value: Any) -> int:
    """How many keys all objects in the value have."""
    found, rest = 0, [value]
    while rest:
        item = rest.pop()
        if item.__class__ is dict:
            found += len(item)
            rest.extend(item.values())
        elif item.__class__ is list:
            rest.extend(item)
    return found


def _once(pairs: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise CodecError(DUPLICATE, f"the key '{name[:80]}' stands twice in one object")
        names.add(name)


def _check_integers(text: bytes) -> None:
    """Refuse integers beyond 64 bits in valid JSON: only texts with long runs of digits are read twice."""
    if _NINETEEN_DIGITS in text.translate(_DIGITS_TO_ZERO):
        json.loads(text.decode(), parse_int=_exact)


def _exact(numeral: str) -> int:
    if len(numeral) > _LONG + 1 or not LOWEST <= int(numeral) <= HIGHEST:
        raise _out_of_range(numeral, is_integer=True)
    return 0


def _finite(value: Any) -> bool:
    """Whether no float in the value is NaN or infinite."""
    rest = [value]
    while rest:
        item = rest.pop()
        if (kind := item.__class__) is str or item is None:
            continue
        if kind is dict:
            rest.extend(item.values())
        elif isinstance(item, float):
            if not math.isfinite(item):
                return False
        elif isinstance(item, dict):
            rest.extend(item.values())
        elif isinstance(item, list | tuple):
            rest.extend(item)
    return True
