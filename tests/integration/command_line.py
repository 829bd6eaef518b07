"""`clew` in this process, as tests call it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner, Result

from api.cli import app
from tests.integration.test_api_server import serving

UNSET = ("CLEW_URL", "CLEW_TOKEN", "CLEW_DB", "CLEW_HOST", "CLEW_PORT", "CLEW_WORKFLOWS", "CLEW_BACKUPS")


def clew(*words: str | Path, **env: str) -> Result:
    """The command with these words, in an environment that says nothing else."""
    return CliRunner().invoke(app, [str(word) for word in words], env={**dict.fromkeys(UNSET), **env})


def said(*words: str | Path) -> str:
    """What it writes to standard output, with nothing wrong."""
    result = clew(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*words: str | Path) -> Any:
    """What it writes as JSON."""
    return orjson.loads(said(*words, "--json"))


def served(folder: Path, work: Callable[[str], None], *options: str) -> None:
    """Plays `work` with the address of a server, in a thread beside it."""

    async def play() -> None:
        async with serving(folder, *options) as process:
            await asyncio.to_thread(work, process.url)

    asyncio.run(play())
