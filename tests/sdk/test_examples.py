"""The examples of workers do what they say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clew import Client
from clew.models import CustomEvent
from clew.worker.transports import NAMES
from tests.e2e.processes import ROOT, Program, running
from tests.sdk.serving import at_work, one_task

SHOUTER = "examples/workers/shouter.py:worker"


@pytest.mark.parametrize("transport", NAMES)
async def test_the_shouter_shouts(tmp_path: Path, clew: Client, options: list[str]) -> None:
    async with at_work(tmp_path, clew.url, *options, app=SHOUTER):
        run = await clew.runs.start(one_task("shout"), wait=20)
    assert run.status == "completed"
    told = [event.data async for event in clew.runs.stream(run.id, ("custom",)) if isinstance(event, CustomEvent)]
    assert run.state["out"] == "GO ON"
    assert "".join(custom.text() for custom in told) == "GO ON "
    assert [custom.progress for custom in told if custom.stage] == [0.5, 1.0]


async def test_a_worker_is_a_shell_script(tmp_path: Path, clew: Client) -> None:
    command = ["bash", ROOT / "examples" / "workers" / "pull.sh", clew.url]
    counting = Program([*command, "count", "wc", "-l"], tmp_path / "count.log", {"PATH": os.environ["PATH"]})
    failing = Program([*command, "break", "false"], tmp_path / "break.log", {"PATH": os.environ["PATH"]})
    async with running(counting), running(failing):
        counted = await clew.runs.start(one_task("count"), wait=20)
        failed = await clew.runs.start(one_task("break"), wait=20)
    assert counted.state["out"] == 1
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("command.failed", "status 1")
