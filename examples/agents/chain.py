"""Two servers, chained: a workflow of the one asks a workflow of the other, whose question comes back all the way.

    python -m examples.agents.chain          you are asked
    python -m examples.agents.chain --yes    without questions

Both servers listen on free ports of this machine, with their databases in a folder that is gone in the end.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

from rich.console import Console
from rich.prompt import Prompt

from examples.agents.caller import Caller, Json, output_of, question_of, state_of
from examples.tour.client import Clew
from examples.tour.processes import Children, TourFailed

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PATIENCE_S, LOOK_EVERY_S = 15.0, 0.05


class Chain:
    """The example as it is played: `near` is asked by the caller, and asks `far`."""

    def __init__(self, near: Clew, far: Clew, *, yes: bool) -> None:
        self.near, self.far, self.yes = near, far, yes
        self._console = Console(highlight=False)

    def say(self, text: str = "") -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def prepare(self) -> None:
        """Give both servers their workflow, and make the agent of the one a worker of the other."""
        for server, name in ((self.far, "booking"), (self.near, "travel")):
            server.post("/workflows", json.loads((HERE / f"{name}.json").read_text("utf-8")))
        url = f"{self.far.url}/a2a/booking"
        row = self.near.register({"id": "bookings", "protocol": "a2a", "url": url, "max_concurrent": 4})
        self.say(f"far    {self.far.url}/a2a/booking   its card: {row['metadata']['card']['name']!r}")
        self.say(f"near   {self.near.url}/a2a/travel    its worker: {row['id']}, tags {', '.join(row['tags'])}")

    def play(self) -> None:
        """Ask for two journeys: the question of the first is answered, the second is cancelled while it asks. Raises
        TourFailed."""
        with Caller(f"{self.near.url}/a2a/travel") as caller:
            self.say("\n1. The caller gives near a task.")
            asked = caller.say({"to": "Rome"})
            theirs = self.show(asked)
            answer = self.answer(*question_of(asked))
            self.say(f"\n2. The caller answers {answer!r} in the same task; near hands it on in the same task of far.")
            done = caller.say({"resume": answer}, asked)
            self.expect(state_of(done), "completed")
            self.say(f"   caller: task {done['id']} is completed: {json.dumps(output_of(done))}")
            self.expect(self.status_of(self.far, theirs), "completed")
            self.expect(len(self.far.all("/runs")), 1)
            self.say(f"   far:    run {theirs} is completed, and is the only one")

            self.say("\n3. Another task, which the caller cancels while the question is open.")
            asked = caller.say({"to": "Oslo"})
            theirs = self.show(asked)
            self.expect(state_of(caller.cancel(asked)), "canceled")
            self.say(f"   caller: task {asked['id']} is canceled")
            self.wait_for(theirs, "cancelled")
            self.say(f"   far:    run {theirs} is cancelled too")

    def show(self, task: Json) -> str:
        """Show where a question is open: in the task of the caller, in the run behind it, and in the run of the other
        server, whose id is returned."""
        self.expect(state_of(task), "input-required")
        self.say(f"   caller: task {task['id']} is input-required: {question_of(task)[0]}")
        run = self.near.get(f"/runs/{task['id']}")
        [interrupt] = run["interrupts"]
        self.say(f"   near:   run {run['id']} is {run['status']}, kind {interrupt['kind']}, node {interrupt['node']}")
        theirs = self.far.all("/runs")[0]
        [interrupt] = self.far.get(f"/runs/{theirs['id']}")["interrupts"]
        where = f"kind {interrupt['kind']}, node {interrupt['node']}"
        self.say(f"   far:    run {theirs['id']} is {theirs['status']}, {where}")
        return str(theirs["id"])

    def answer(self, question: str, schema: Any) -> str:
        """What whoever sits here answers."""
        if self.yes:
            return str(schema["enum"][0])
        self.say()
        return Prompt.ask(question, console=self._console, choices=schema["enum"], default=schema["enum"][0])

    def wait_for(self, run_id: str, status: str) -> None:
        """Return when a run of far has a status: near tells far after it has answered. Raises TourFailed."""
        until = time.monotonic() + PATIENCE_S
        while self.status_of(self.far, run_id) != status and time.monotonic() < until:
            Event().wait(LOOK_EVERY_S)
        self.expect(self.status_of(self.far, run_id), status)

    @staticmethod
    def status_of(server: Clew, run_id: str) -> str:
        return str(server.get(f"/runs/{run_id}")["status"])

    @staticmethod
    def expect(found: object, wanted: object) -> None:
        """Raises TourFailed where something is not as it is told here."""
        if found != wanted:
            raise TourFailed(f"{found!r} was found where {wanted!r} was to be")


def serve(children: Children, name: str, folder: Path) -> str:
    """Start a server; its address."""
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--db", f"sqlite:///{folder / name}.db"]
    return children.start(f"{name} server", "api.cli", arguments, ROOT, folder / f"{name}.log").url


def main() -> int:
    """Play it; the exit code."""
    yes = "--yes" in sys.argv[1:] or not sys.stdin.isatty()
    try:
        with TemporaryDirectory(prefix="clew-chain-") as folder, Children() as children:
            urls = [serve(children, name, Path(folder)) for name in ("near", "far")]
            with Clew(urls[0]) as near, Clew(urls[1]) as far:
                chain = Chain(near, far, yes=yes)
                chain.prepare()
                chain.play()
    except TourFailed as failed:
        print(f"\n{failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
