"""Workers that leave while their registration stays: others get what comes meanwhile."""

from __future__ import annotations

import signal
from pathlib import Path
from uuid import uuid4

import pytest

from clew import Client
from tests.e2e.processes import running
from tests.sdk.serving import a_worker, at_work, one_task


@pytest.mark.parametrize("transport", ["redis_stream"])
async def test_who_has_left_its_stream_gets_nothing_until_it_is_back(
    clew: Client, options: list[str], tmp_path: Path
) -> None:
    gone, other = options[options.index("--id") + 1], f"kit-{uuid4().hex[:8]}"
    tag = f"left-{uuid4().hex[:8]}"
    app = tmp_path / "app.py"
    app.write_text(
        f"from clew import Worker\nworker = Worker('w')\n\n@worker.task('{tag}')\ndef f(task):\n    return 1\n"
    )
    made = a_worker(tmp_path, clew.url, *options, app=f"{app}:worker", name="gone")
    async with running(made):
        pass
    left = await clew.workers.get(gone)
    async with at_work(tmp_path, clew.url, "--transport", "pull", "--id", other, app=f"{app}:worker"):
        runs = [await clew.runs.start(one_task(tag), wait=20) for _ in range(4)]
    async with running(made):
        back = await clew.runs.start(one_task(tag), wait=20)
    await clew.workers.remove(gone)

    assert made.running is not None
    assert made.running.returncode in (0, -signal.SIGTERM)
    assert (left.away, left.reason) == (True, "it says that it is draining")

    assert {run.status for run in runs} == {"completed"}
    assert back.status == "completed"
