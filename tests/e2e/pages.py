"""Pages whose commands are run as they stand: each `console` block in turn, and what it prints is compared.

- `$ ` begins a command, `> ` goes on with it, every other line is what it prints. `…` stands for any text, and a line
  that is nothing else for any number of lines.
- A block `console background` runs a program that goes on running; the next block begins when it has printed its lines.
- A block behind a sentence that ends in "as `NAME`:" is a file of that name, written before the next command.
- Ports that a page names are replaced by free ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.e2e.processes import CLEW, free_port

PATIENCE_S = 60.0
STOP_S = 10.0
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\bas\s`(?P<name>[\w./-]+)`:$")
PORTS = ("8080", "9001")


@dataclass(frozen=True, slots=True)
class Call:
    """A command, and the lines that it prints."""

    command: str
    prints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A block of a page: a file to be written, or commands to be run."""

    name: str = ""
    content: str = ""
    calls: tuple[Call, ...] = ()
    background: bool = False


def steps_of(text: str) -> Iterator[Step]:
    """What is to be done on a page, in its order."""
    for found in BLOCK.finditer(text):
        kind, body = found["kind"].split(), found["body"]
        named = FILE.search(text[: found.start()].rstrip())
        if kind[:1] == ["console"]:
            yield Step(calls=tuple(calls_of(body)), background="background" in kind)
        elif named is not None:
            yield Step(name=named["name"], content=body)


def with_ports(text: str, ports: Mapping[str, str]) -> str:
    """A page with other ports, all put in at one time: a port that was put in may contain the digits of another."""
    return re.sub("|".join(ports), lambda found: ports[found[0]], text)


def calls_of(body: str) -> Iterator[Call]:
    """The commands of a block. Raises ValueError for a line before the first."""
    command, prints = "", list[str]()
    for line in body.splitlines():
        if line.startswith("$ "):
            if command:
                yield Call(command, tuple(prints))
            command, prints = line[2:], []
        elif line.startswith("> ") and command and not prints:
            command += f"\n{line[2:]}"
        elif command:
            prints.append(line)
        else:
            raise ValueError(f"a line before the first command: {line}")
    yield Call(command, tuple(prints))


def matches(wanted: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether what was printed is what the page says."""
    if not wanted:
        return not printed
    first, rest = wanted[0], wanted[1:]
    if first.strip() == "…":
        return any(matches(rest, printed[n:]) for n in range(len(printed) + 1))
    pattern = ".*".join(map(re.escape, first.rstrip().split("…")))
    return bool(printed) and re.fullmatch(pattern, printed[0].rstrip()) is not None and matches(rest, printed[1:])


@dataclass
class Desk:
    """A folder with a shell in it, and the programs that a page has left running."""

    folder: Path
    ports: dict[str, str] = field(default_factory=lambda: {port: str(free_port()) for port in PORTS})

    def __post_init__(self) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CLEW_", "PYTHON"))}
        port = self.ports["8080"]
        self._env = {
            **own,
            "HOME": str(self.folder),
            "PATH": f"{CLEW.parent}{os.pathsep}{os.environ['PATH']}",
            "CLEW_PORT": port,
            "CLEW_URL": f"http://127.0.0.1:{port}",
        }
        self._running: list[Background] = []
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=self.folder, env=self._env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._shell.kill()
        self._shell.communicate()
        while self._running:
            self._running.pop().stop()

    def play(self, page: Path) -> int:
        """Do everything that a page says; the number of commands. Raises AssertionError where it prints otherwise."""
        text = with_ports(page.read_text("utf-8"), self.ports)
        count = 0
        for step in steps_of(text):
            if step.name:
                (self.folder / step.name).write_text(step.content, "utf-8")
            for call in step.calls:
                count += 1
                printed = self._begin(call) if step.background else self._run(call.command)
                said = "\n".join(printed)
                assert matches(call.prints, printed), f"$ {call.command}\n--- printed\n{said}\n--- the page says\n" + (
                    "\n".join(call.prints)
                )
        return count

    def _run(self, command: str) -> list[str]:
        assert self._shell.stdin is not None and self._shell.stdout is not None
        end = f"--- end of command {id(command)}"
        self._shell.stdin.write(f"{{ {command}\n}} < /dev/null; printf '%s %s\\n' '{end}' $?\n")
        self._shell.stdin.flush()
        printed: list[str] = []
        watch = threading.Timer(PATIENCE_S, self._shell.kill)
        watch.start()
        try:
            for line in self._shell.stdout:
                before, mark, _ = line.partition(end)
                if mark:
                    return [*printed, before] if before else printed
                printed.append(line.rstrip("\n"))
        finally:
            watch.cancel()
        raise AssertionError(f"$ {command}\nthe shell ended, or the time was up; printed: {printed}")

    def _begin(self, call: Call) -> list[str]:
        program = Background(call.command, self.folder, self._env)
        self._running.append(program)
        return program.until(call.prints)


class Background:
    """A program that goes on running; its output is read by a thread."""

    def __init__(self, command: str, folder: Path, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._note(line.rstrip("\n"))
        self._note(None)

    def _note(self, line: str | None) -> None:
        with self._changed:
            if line is None:
                self._ended = True
            else:
                self._lines.append(line)
            self._changed.notify_all()

    def until(self, wanted: Sequence[str]) -> list[str]:
        """What it has printed, once that is what is wanted, or once it has ended or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or matches(wanted, self._lines), PATIENCE_S)
            return list(self._lines)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_S)
