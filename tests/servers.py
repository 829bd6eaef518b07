"""Real servers for tests: Redis, an MQTT broker, an object store; on free ports, in their own folders, ended whatever
happens.

A server that is not installed skips the test on a laptop and fails it where `CI` is set; `make test` installs all.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from getpass import getuser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.request import Request, urlopen

import pytest

from tests.unit.dispatch.builders import free_port

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "servers"
"""Where `tests.fetch_servers` unpacks what it may not install."""
OWN = str(Path(sys.executable).parent)
"""What was installed with the interpreter: the versions that are locked."""
PLACES = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/opt/homebrew/sbin",
    "/opt/homebrew/bin",
)
UNPACKED = tuple(str(CACHE / "usr" / folder) for folder in ("sbin", "bin"))
START_S = 20.0
STOP_S = 10.0
LOOK_EVERY_S = 0.003


class NotReady(Exception):
    """A server did not begin to answer; the message ends with what it said instead."""


def find(program: str) -> Path | None:
    """Where a program is: with the interpreter, on PATH, in usual folders, or unpacked; None where it is missing."""
    places = [OWN, os.environ.get("PATH", ""), *PLACES, *UNPACKED]
    found = shutil.which(program, path=os.pathsep.join(places))
    return None if found is None else Path(found)


def found(program: str) -> Path:
    """The same; where it is missing the test is skipped, and fails where `CI` is set."""
    if (path := find(program)) is not None:
        return path
    why = f"{program} is missing: `make test` installs it, where there is apt"
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(why)
    pytest.skip(why)


class Daemon(ABC):
    """A server of its own program. It has the same port and the same data over restarts.

    `folder` holds its data, its configuration and what it says. None of the calls needs an event loop; they return when
    the server answers, or has ended.
    """

    program: str

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        self.output = folder / f"{self.program}.out"
        self.running: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self, path: Path) -> Sequence[str]:
        """How it is started."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used now. Raises OSError while nobody listens."""

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def start(self) -> None:
        """Start, and wait until it answers. Raises NotReady."""
        path = found(self.program)
        with self.output.open("ab") as output:
            self.running = subprocess.Popen(
                self.command(path),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=_env(path),
            )
        for _ in range(round(START_S / LOOK_EVERY_S)):
            with suppress(OSError):
                if self.answers():
                    return
            with suppress(subprocess.TimeoutExpired):
                self.running.wait(LOOK_EVERY_S)
                break
        self.kill()
        raise NotReady(f"{path} is not ready: {self.said()[-2000:]}")

    def stop(self) -> None:
        """SIGTERM, and wait for the end: what it keeps, it writes down. Idempotent."""
        if self.running is not None and self.alive:
            self.running.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.running.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait for the end. Idempotent."""
        if self.running is not None:
            self.running.kill()
            self.running.wait(STOP_S)

    def restart(self) -> None:
        """Stop, and start again."""
        self.stop()
        self.start()

    def halt(self) -> None:
        """SIGSTOP: connections stay open, and nothing comes back."""
        assert self.running is not None
        self.running.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self.running is not None
        self.running.send_signal(signal.SIGCONT)

    def said(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors="replace")


class RedisServer(Daemon):
    """A Redis that has written down what it has acknowledged; `options` are those of its configuration."""

    program = "redis-server"

    def __init__(self, folder: Path, port: int | None = None, *, options: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, port)
        self.options = options or {}

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self, path: Path) -> Sequence[str]:
        given = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "appendonly": "yes", "appendfsync": "always"}
        given |= {name.replace("_", "-"): value for name, value in self.options.items()}
        return [str(path), *(part for name, value in given.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        """Whether it has read its data: a question gets an answer, be it that a password is needed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
            asked.sendall(b"PING\r\n")
            return asked.recv(64).startswith((b"+PONG", b"-NOAUTH"))


class Mosquitto(Daemon):
    """An MQTT broker that writes down each change; `lines` are added to its configuration."""

    program = "mosquitto"

    def __init__(self, folder: Path, port: int | None = None, *, lines: Sequence[str] = ()) -> None:
        super().__init__(folder, port)
        self.lines = lines

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def command(self, path: Path) -> Sequence[str]:
        anonymous = [] if any(line.startswith("allow_anonymous") for line in self.lines) else ["allow_anonymous true"]
        config = [
            f"listener {self.port} 127.0.0.1",
            *anonymous,
            f"user {getuser()}",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            *self.lines,
        ]
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(config) + "\n")
        return [str(path), "-c", str(file)]

    def answers(self) -> bool:
        """Whether it listens: it has read its data then."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True


class ObjectServer(Daemon):
    """A server that speaks as S3 does, with one bucket. It keeps what it has in memory: a restart empties it."""

    program = "moto_server"
    bucket = "clew-tests"

    @property
    def env(self) -> dict[str, str]:
        """What the environment of a client says."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_REGION": "us-east-1",
        }

    def command(self, path: Path) -> Sequence[str]:
        return [str(path), "-H", "127.0.0.1", "-p", str(self.port)]

    def answers(self) -> bool:
        """Whether it has made the bucket."""
        asked = Request(f"http://127.0.0.1:{self.port}/{self.bucket}", method="PUT")
        with urlopen(asked, timeout=10) as said:
            return bool(said.status == 200)

    def address(self, prefix: str) -> str:
        """Where artifacts may be kept."""
        return f"s3://{self.bucket}/{prefix}"


SomeDaemon = TypeVar("SomeDaemon", bound=Daemon)


@contextmanager
def started(server: SomeDaemon) -> Iterator[SomeDaemon]:
    """A server that runs as long as the block lasts, unless the test ends it."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def own_redis(**options: str) -> Iterator[RedisServer]:
    """A Redis in a folder of its own, for tests that stop it."""
    with (
        TemporaryDirectory(prefix="clew-redis-") as folder,
        started(RedisServer(Path(folder), options=options)) as server,
    ):
        yield server


@contextmanager
def own_mosquitto(lines: Sequence[str] = ()) -> Iterator[Mosquitto]:
    """A broker in a folder of its own, for tests that stop it."""
    with TemporaryDirectory(prefix="clew-mqtt-") as folder, started(Mosquitto(Path(folder), lines=lines)) as server:
        yield server


@contextmanager
def own_objects() -> Iterator[ObjectServer]:
    """An object store in a folder of its own, for tests that stop it."""
    with TemporaryDirectory(prefix="clew-objects-") as folder, started(ObjectServer(Path(folder))) as server:
        yield server


@pytest.fixture(scope="session")
def object_server() -> Iterator[ObjectServer]:
    """An object store that all tests share: each uses a prefix of its own, and leaves it running."""
    with own_objects() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis that all tests share: each uses names of its own, and leaves it running."""
    with own_redis() as server:
        yield server


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Mosquitto]:
    """A broker that all tests share: each uses topics of its own, and leaves it running."""
    with own_mosquitto() as server:
        yield server


def _env(path: Path) -> Mapping[str, str] | None:
    """What a program that was only unpacked needs to find its libraries."""
    if CACHE not in path.parents:
        return None
    folders = sorted({str(library.parent) for library in CACHE.glob("usr/lib/**/*.so*")})
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(folders)}
