"""Workers that the server does not take: they say why in one line, and end."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from clew import Client
from tests.e2e.processes import ROOT
from tests.sdk.serving import SDK, a_worker


async def ended(clew: Client, *arguments: str) -> tuple[int, str]:
    """The exit status of a worker that ends by itself, and all that it has said."""
    command = a_worker(ROOT, clew.url, *arguments).command
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=SDK, cwd=ROOT, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("transport", ["webhook", "pull", "websocket"])
async def test_an_id_that_is_none_ends_the_worker(clew: Client, transport: str) -> None:
    status, said = await ended(clew, "--transport", transport, "--id", "a/b c")
    last = said.splitlines()[-1]
    assert (status, last.startswith("clew: ")) == (1, True)
    assert "id" in last
    assert "Traceback" not in said


async def test_an_address_that_is_none_ends_the_worker(clew: Client) -> None:
    status, said = await ended(clew, "--address", "foo")
    assert (status, "Traceback" in said) == (1, False)
    assert "the URL must begin with http" in said.splitlines()[-1]
