"""Artifacts: bytes that are sent, referred to by a run, and fetched."""

from __future__ import annotations

import pytest

from clew import Client, Conflict, NotFound
from tests.unit.api.serving import straight


async def test_bytes_are_sent_once_referred_to_and_fetched(clew: Client) -> None:
    sent = await clew.artifacts.send(b"many bytes", "text/plain")
    again = await clew.artifacts.send(b"many bytes", "text/plain")
    assert (sent.sha256, sent.size, sent.media_type) == (again.sha256, 10, "text/plain")
    assert await clew.artifacts.fetch(sent.sha256) == b"many bytes"
    document = straight("holding", state_schema={"n": {"reducer": "append"}})
    reference = {name: getattr(sent, name) for name in ("ref", "media_type", "size", "sha256")}
    run = await clew.runs.start(document, {"n": [reference]}, wait=10)
    assert [found.sha256 async for found in clew.artifacts.list(run_id=run.id)] == [sent.sha256]
    with pytest.raises(Conflict):
        await clew.artifacts.delete(sent.sha256)


async def test_what_no_run_refers_to_may_stay_longer_or_go(clew: Client) -> None:
    sent = await clew.artifacts.send(b"few", ttl=60)
    kept = await clew.artifacts.touch(sent.sha256, ttl=100_000)
    assert kept.expires_at > sent.expires_at
    await clew.artifacts.delete(sent.sha256)
    with pytest.raises(NotFound):
        await clew.artifacts.fetch(sent.sha256)


async def test_calls_take_the_reference_that_a_state_has(clew: Client) -> None:
    sent = await clew.artifacts.send(b"of a state", "text/plain")
    reference = {name: getattr(sent, name) for name in ("ref", "media_type", "size", "sha256")}
    assert [await clew.artifacts.fetch(named) for named in (sent, sent.ref, reference)] == [b"of a state"] * 3
    assert (await clew.artifacts.touch(reference, ttl=100_000)).sha256 == sent.sha256
    await clew.artifacts.delete(sent)
    with pytest.raises(NotFound):
        await clew.artifacts.fetch(reference)
