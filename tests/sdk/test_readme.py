"""The README of the SDK says what is so: its blocks run as they are written, against a real server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from clew import Client
from clew.worker.command import parser
from clew.worker.transports import NAMES
from tests.e2e.processes import ROOT, running
from tests.sdk.serving import SDK, a_worker, at_work, one_task

README = (ROOT / "sdk" / "python" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHOUTER, REVIEWER, BROWSER, CLIENT, SYNC = BLOCKS
HERE = "http://127.0.0.1:8080"


async def test_the_worker_and_the_client_run_as_they_are_written(tmp_path: Path, clew: Client) -> None:
    (tmp_path / "app.py").write_text(SHOUTER)
    async with at_work(tmp_path, clew.url, app=f"{tmp_path / 'app.py'}:worker"):
        asynchronous = ran(CLIENT.replace(HERE, clew.url))
        synchronous = ran(SYNC.replace(HERE, clew.url))
    assert "completed {'text': 'hi', 'loud': 'HI', 'sure': True}" in asynchronous
    assert "'HO'" in asynchronous
    assert asynchronous.splitlines()[-1].startswith("run.not_failed ")
    assert "run" in synchronous.split()


def ran(program: str) -> str:
    """What a program writes; it has to end well."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=SDK, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_what_a_function_may_do_it_can(tmp_path: Path, clew: Client) -> None:
    (tmp_path / "app.py").write_text(REVIEWER)
    document = one_task("review", reads=[], input={"risky": True})
    document["state_schema"]["reviewed"] = {"type": "boolean"}
    async with running(a_worker(tmp_path, clew.url, app=f"{tmp_path / 'app.py'}:worker")):
        run = await clew.runs.start(document, wait=20)
        assert [question.message for question in run.interrupts] == ["May this be reviewed?"]
        await clew.runs.resume(run.id, "yes")
        run = await clew.runs.wait(run.id, 20)
    assert (run.state["out"], run.state["reviewed"], run.usage.output_tokens) == ("all is well", True, 3)


async def test_what_a_worker_has_for_itself_brings_tasks_to_it(tmp_path: Path, clew: Client) -> None:
    (tmp_path / "app.py").write_text(BROWSER)
    async with running(a_worker(tmp_path, clew.url, app=f"{tmp_path / 'app.py'}:worker")):
        run = await clew.runs.start(one_task("open"), wait=20)
        assert (run.status, run.state["out"]) == ("completed", "tab-17")
        assert (await clew.workers.get("browser-1")).resources == ["tab-17"]


def test_a_worker_takes_less_than_ten_lines() -> None:
    assert len([line for line in SHOUTER.splitlines() if line]) < 10


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", README))))
def test_an_option_that_is_named_is_one(option: str) -> None:
    assert option in {name for action in parser()._actions for name in action.option_strings}


def test_every_transport_is_named() -> None:
    assert set(re.findall(r"^\| `(\w+)`", README, re.MULTILINE)) == set(NAMES)
