"""The examples of agents are played as their README says: two servers chained, and an agent on the official SDK."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from examples.tour.client import parse_events
from tests.e2e.processes import CLEW, ROOT, Client, Server
from tests.e2e.test_a2a_peers import PEERS, python_of

FOLDER = ROOT / "examples" / "agents"
PATIENCE_S = 120.0


def test_a_question_goes_up_two_servers_and_its_answer_down_again() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.agents.chain", "--yes"],
        cwd=ROOT, capture_output=True, stdin=subprocess.DEVNULL, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    told = [re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", line).strip() for line in done.stdout.splitlines()]
    asked = [line for line in told if "ID is in" in line]
    assert asked[:3] == [
        "caller: task ID is input-required: Where do you want to sit on the way to Rome?",
        "near:   run ID is interrupted, kind worker, node book",
        "far:    run ID is interrupted, kind node, node ask",
    ]
    assert 'caller: task ID is completed: {"journey": "Rome", "seat": "Rome, window seat"}' in told
    assert told[-2:] == ["caller: task ID is canceled", "far:    run ID is cancelled too"]


# ---- the agent on the official SDK


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent: where it is, and what it says next."""

    url: str
    process: asyncio.subprocess.Process

    async def next_line(self) -> str:
        return await line_of(self.process)


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        return (await process.stdout.readline()).decode().strip()


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    """The agent, in an environment of its own."""
    python = await asyncio.to_thread(python_of, "1.3")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(
        str(python), str(FOLDER / "sdk_agent.py"), "0",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=env,
    )  # fmt: skip
    try:
        yield Agent((await line_of(process)).removeprefix("ready "), process)
    finally:
        process.kill()
        await process.wait()


def clew(server: Server, *words: str) -> str:
    command = [str(CLEW), *words, "--url", server.url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def asked(server: Server, client: Client, agent: Agent) -> str:
    """A run that waits with the question of the agent, begun with the commands of the README."""
    clew(server, "workers", "add", "writer", agent.url, "--protocol", "a2a")
    clew(server, "workflows", "save", str(FOLDER / "letter.json"))
    run_id = clew(server, "runs", "start", "letter", "--input", '{"about": "that it works"}').split()[0]
    [interrupt] = (await client.ask("GET", f"/interrupts?run_id={run_id}"))["items"]
    assert (interrupt["kind"], interrupt["message"]) == ("worker", "Who signs the letter?")
    return run_id


@pytest.mark.xdist_group("a2a-1.3")
async def test_an_agent_on_the_sdk_asks_and_tells_its_letter_line_by_line(
    server: Server, client: Client, agent: Agent
) -> None:
    run_id = await asked(server, client, agent)
    clew(server, "runs", "resume", run_id, '"Ada"')
    async with client.session.get(f"{client.url}/runs/{run_id}/stream?mode=custom") as stream:
        events = list(parse_events(iter((await stream.text()).splitlines())))  # to the end of the run
    run = await client.run(run_id)
    letter = "Hello,\nPlease write to say that it works.\nYours, Ada\n"
    assert (run["status"], run["state"]["letter"]) == ("completed", letter)
    custom = [event.data for event in events if event.name == "custom"]
    assert [event["message"] for event in custom if event["message"]] == ["thinking of a salutation", "writing"]
    assert "".join(part["text"] for event in custom for part in event["chunks"] or ()) == letter


@pytest.mark.xdist_group("a2a-1.3")
async def test_its_task_is_cancelled_when_nobody_will_say_who_signs(
    server: Server, client: Client, agent: Agent
) -> None:
    run_id = await asked(server, client, agent)
    clew(server, "runs", "cancel", run_id)
    assert (await agent.next_line()).startswith("cancelled ")


def test_the_example_wants_the_sdk_that_it_is_tested_with() -> None:
    tested = (PEERS / "a2a-1.3.txt").read_text("utf-8").splitlines()
    wanted = [line.replace("[http-server]", "") for line in (FOLDER / "requirements.txt").read_text("utf-8").split()]
    assert set(wanted) <= set(tested)
