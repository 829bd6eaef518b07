"""Long lists are encoded once: what was encoded before is neither written anew nor copied."""

from __future__ import annotations

import orjson
import pytest

from engine.encoding import CHUNK, LONG, Encoder, ListMemo, request_hash
from engine.view import Request


def messages(count: int) -> list[dict[str, str]]:
    return [{"id": str(number), "content": "x" * 100} for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 100, 1000])
def test_the_pieces_of_a_list_are_its_json(count):
    memo, items = ListMemo(), messages(count)
    pieces, _ = memo.take(items)
    assert orjson.loads(b"".join(pieces)) == items


def test_what_was_encoded_before_is_the_same_piece_in_a_longer_list():
    memo, items = ListMemo(), messages(1000)
    before, _ = memo.take(items)
    after, _ = memo.take([*items, {"id": "new", "content": ""}])
    assert len(before) > 3
    assert all(len(piece) >= CHUNK for piece in before[:-1])
    assert all(one is other for one, other in zip(before[:-1], after, strict=False))


def test_a_list_that_did_not_only_grow_is_encoded_anew():
    memo, items = ListMemo(), messages(500)
    memo.take(items)
    changed = [*items[:-1], {"id": "other", "content": ""}]
    pieces, digest = memo.take(changed)
    assert orjson.loads(b"".join(pieces)) == changed
    assert digest == ListMemo().take(changed)[1]


def test_the_hash_is_that_of_the_request_alone():
    items = messages(200)
    request = Request(prompt=None, input={}, state={"messages": items}, parameters=None, config={})
    encoder = Encoder()
    encoder.take(Request(prompt=None, input={}, state={"messages": items[:50]}, parameters=None, config={}))
    assert encoder.take(request)[1] == request_hash(request)


def test_a_list_that_grows_long_is_in_few_pieces():
    memo, items = ListMemo(), ["x" * 1000] * LONG
    most = 0
    for _ in range(2000):
        items = [*items, "y" * 1000]
        most = max(most, len(memo.take(items)[0]))
    assert b"".join(memo.take(items)[0]) == orjson.dumps(items)
    assert most <= 4 + 8  # as many long ones as there are half megabytes, and one of each size below
