"""A tour of Clew: a review of real documents, live; then a fork of it that comes to another end.

make demo                     with the documents of this repository
make demo DOCS=~/notes        with your own
make demo ARGS=--yes          without questions; ends by itself
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.prompt import Confirm, Prompt

from examples.tour.client import Clew
from examples.tour.live import Board, shown
from examples.tour.pictures import line_of_checkpoints, outcomes
from examples.tour.processes import Child, Children, TourFailed

ROOT = Path(__file__).resolve().parent.parent
MARK = ".clew-demo"
SLOTS = 8
Json = dict[str, Any]


@dataclass(slots=True)
class Tour:
    """One tour: where its files are, and how it is shown. `asked` counts per run how often a worker was asked."""

    folder: Path
    docs: Path
    yes: bool
    port: int
    console: Console = field(default_factory=lambda: Console(highlight=False))
    asked: list[int] = field(default_factory=list)

    def say(self, text: str = "", style: str | None = None) -> None:
        self.console.print(text, style=style, markup=False, soft_wrap=True)

    # ---- the parts of the tour, in order

    def start(self, children: Children) -> Child:
        """Start the server; its workflows are those of the repository."""
        database = self.folder / "clew.db"
        server = children.start(
            "server",
            "api.cli",
            [
                "serve", "--host", "127.0.0.1", "--port", str(self.port),
                "--db", f"sqlite:///{database}", "--workflows", str(ROOT / "workflows"),
            ],
            ROOT,
            self.folder / "server.log",
        )  # fmt: skip
        (self.folder / "url").write_text(server.url)
        self.say(f"server   {server.url}   (pid {server.pid}, database {database})", "dim")
        return server

    def employ(self, children: Children, clew: Clew) -> None:
        """Start the worker, which may touch the documents and the tour's folder only, and register it."""
        worker = children.start(
            "worker",
            "examples.review_worker",
            ["--root", str(self.docs), "--root", str(self.folder)],
            ROOT,
            self.folder / "worker.log",
        )
        clew.register(
            {
                "id": "reviewer",
                "protocol": "webhook",
                "url": f"{worker.url}/",
                "tags": ["review"],
                "max_concurrent": SLOTS,
            }
        )
        self.say(f"worker   {worker.url}   (pid {worker.pid}, reads {self.docs})", "dim")
        self.say(f"\nReviewing the Markdown documents in {self.docs}, section by section.")

    def review(self, clew: Clew) -> Json:
        """Start a run over the documents and follow it to its end."""
        report = str(self.folder / "report.md")
        run = clew.post("/workflows/document-review/runs", {"input": {"folder": str(self.docs), "report": report}})
        return self.follow(clew, run, "the run")

    def fork(self, clew: Clew, run: Json) -> tuple[Json, str]:
        """Fork a finished run right before its route, with a score that leads the other way. The fork, and from where.

        Nothing of the history is copied and no section is measured again: only what comes after is done anew.
        """
        (route,) = clew.get(f"/runs/{run['id']}/checkpoints", node="verdict")["items"]
        before = route["parent_id"]
        other = 4.0 if route["chosen"] == ["good"] else 9.5
        self.say()
        self.say(f"What if the score had been {other}? Fork from checkpoint {before}, right before the route:")
        updates = {"score": other, "report": str(self.folder / "report-of-the-fork.md")}
        self.say(f"  POST /v1/runs/{run['id']}/fork  {json.dumps({'updates': updates}, ensure_ascii=False)}", "dim")
        fork = clew.post(f"/runs/{run['id']}/fork", {"checkpoint_id": before, "updates": updates})
        return self.follow(clew, fork, "the fork"), before

    def follow(self, clew: Clew, run: Json, name: str) -> Json:
        """Show a run live until its end, and have its questions answered. Raises TourFailed unless it completes."""
        board = Board()
        title = f"{name} {run['id']}"
        while board.status not in ("completed", "failed", "cancelled"):
            self.say()
            with shown(self.console, board, title) as take:
                for event in clew.events(run["id"], board.last_event, until="interrupted"):
                    take(event)
            if board.status == "interrupted":
                self.answer(clew, run["id"])
                board.rows.clear()
        if board.status != "completed":
            error = board.error or {}
            raise TourFailed(f"{title} is {board.status}: {error.get('code')}: {error.get('message')}")
        found = clew.get(f"/runs/{run['id']}")
        self.asked.append(board.asked)
        if "score" not in found["state"]:
            raise TourFailed(f"{title} came to no score; {found['state'].get('outcome')}")
        return found

    def answer(self, clew: Clew, run_id: str) -> None:
        """Ask whoever sits here what the run asks, and resume it with the answer."""
        (interrupt,) = clew.get(f"/runs/{run_id}")["interrupts"]
        self.say()
        self.say(interrupt["message"], "bold yellow")
        if self.yes:
            answer: Json = {"ok": True, "note": "answered by the demo"}
            self.say(f"  {json.dumps(answer)}", "dim")
        else:
            answer = {"ok": Confirm.ask("Your answer", console=self.console, default=True)}
            if note := Prompt.ask("A note for the report (or nothing)", console=self.console, default="").strip():
                answer["note"] = note[:1000]
        clew.post(f"/runs/{run_id}/resume", {"resume": answer})

    def compare(self, clew: Clew, run: Json, fork: Json, forked_at: str) -> None:
        """Both outcomes side by side, and the line of checkpoints."""
        both = (run, fork)
        lines = [clew.all(f"/runs/{one['id']}/checkpoints")[::-1] for one in both]
        routes = [next(", ".join(c["chosen"]) for c in line if c["node"] == "verdict") for line in lines]
        self.say()
        self.console.print(outcomes(("the run", "the fork"), both, self.asked, routes))
        self.say()
        self.console.print(line_of_checkpoints(lines[0], lines[1], forked_at), soft_wrap=True)
        if routes[0] == routes[1]:
            raise TourFailed(f"both took the branch '{routes[0]}'; the fork was to take the other one")

    def check(self, run: Json) -> None:
        """Raises TourFailed unless what the run says of its report is true."""
        state = run["state"]
        outcome, path = state.get("outcome"), state.get("published")
        written = outcome == "published" and path and Path(path).is_file()
        if state["approval"]["ok"] and not written:
            raise TourFailed(f"run {run['id']} wrote no report; {outcome}")
        self.say()
        self.say(f"Outcome: {outcome}. Verdict: {state.get('verdict')}, score {state.get('score')} of 10.", "bold")
        self.say(f"{state.get('advice')}")
        if path:
            self.say(f"Report: {path}")

    def go(self) -> None:
        """The whole tour. Raises TourFailed."""
        with Children() as children:
            server = self.start(children)
            try:
                with Clew(server.url) as clew:
                    self.employ(children, clew)
                    run = self.tour(clew)
            except TourFailed:
                children.check()  # a process that has ended is the better explanation
                raise
            if not self.yes:
                self.serve(children, server.url, run["id"])

    def tour(self, clew: Clew) -> Json:
        """What there is to see, once server and worker are there. The run that was forked."""
        run = self.review(clew)
        self.check(run)
        fork, forked_at = self.fork(clew, run)
        self.check(fork)
        self.compare(clew, run, fork, forked_at)
        self.verify(run, fork)
        return run

    def verify(self, *runs: Json) -> None:
        """Have the independent checker look at the stored rows. Raises TourFailed when it finds something wrong."""
        self.say()
        for run in runs:
            verify = ["verify", run["id"], "--db", f"sqlite:///{self.folder / 'clew.db'}"]
            command = [sys.executable, "-m", "api.cli", *verify]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
            if done.returncode:
                raise TourFailed(f"clew verify {run['id']}: {done.stdout}{done.stderr}")
            self.say(f"clew verify {done.stdout.strip()}", "dim")

    def serve(self, children: Children, url: str, run_id: str) -> None:
        """Go on serving until Ctrl-C, and say how to look further."""
        self.say()
        self.say("The server goes on; Ctrl-C ends it and the worker. Look further from another terminal:", "bold")
        for line in (
            f"curl {url}/v1/runs",
            f"curl '{url}/v1/runs/{run_id}/checkpoints?node=verdict&state=true'",
            f"curl -N '{url}/v1/runs/{run_id}/stream?mode=tasks'",
            f"curl {url}/v1/workflows/document-review/mermaid",
            f"open {url}/docs for the interface; the database is {self.folder / 'clew.db'}",
        ):
            self.say(f"  {line}")
        stopped = threading.Event()
        try:
            while not stopped.wait(1.0):
                children.check()
        except KeyboardInterrupt:
            self.say("\nStopping the server and the worker.")


def prepared(folder: Path, keep: bool) -> Path:
    """The folder of the tour: empty unless it is to be kept. Raises TourFailed while another tour is using it."""
    folder = folder.resolve()
    try:
        url = (folder / "url").read_text().strip()
        httpx.get(f"{url}/v1/health", timeout=2.0, trust_env=False)
    except (OSError, httpx.HTTPError):
        pass
    else:
        raise TourFailed(f"another demo is still serving {url} from {folder}; stop it, or give --folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise TourFailed(f"{folder} is not empty and not a demo's; give another --folder")
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("This folder belongs to the demo, which empties it when it starts.\n")
    (folder / ".gitignore").write_text("*\n")
    return folder


def documents_folder() -> Path:
    """DOCS, or the repository. Raises TourFailed when it is no folder."""
    docs = Path(os.environ.get("DOCS") or ROOT).expanduser().resolve()
    if not docs.is_dir():
        raise TourFailed(f"DOCS names no folder: {docs}")
    return docs


def options(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--yes", action="store_true", help="answer every question with yes, and end; as without a terminal"
    )
    parser.add_argument("--port", type=int, default=0, help="port of the server (default: any free one)")
    parser.add_argument("--keep", action="store_true", help="keep the runs of the demo before")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="for database and reports (default .demo)")
    return parser.parse_args(arguments)


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def main(arguments: list[str] | None = None) -> int:
    """Run the tour; 0 when all of it went as it should."""
    chosen = options(arguments)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _terminate)
    errors = Console(stderr=True, highlight=False)
    try:
        yes = chosen.yes or not sys.stdin.isatty()  # nobody is there to be asked
        docs = documents_folder()
        Tour(prepared(chosen.folder, chosen.keep), docs, yes, chosen.port).go()
    except TourFailed as failed:
        errors.print(f"demo: {failed}", style="red", markup=False, soft_wrap=True)
        return 1
    except (KeyboardInterrupt, EOFError):
        errors.print("\ndemo: stopped", markup=False)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
