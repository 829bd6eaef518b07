"""The `clew` command: what it hands on, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.processes import ROOT
from tests.sdk.serving import APP, SDK

NO_SERVER = """
import importlib.metadata as found
def missing(name):
    raise found.PackageNotFoundError(name)
found.distribution = missing
import runpy, sys
sys.argv = ["clew", *sys.argv[1:]]
runpy.run_module("clew", run_name="__main__")
"""


def clew(*arguments: str, program: tuple[str, ...] = ("-m", "clew")) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=SDK, cwd=ROOT, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), 2, "the following arguments are required"),
        (("nothing",), 1, "'nothing' names no worker: write module:name or path.py:name"),
        (("no.such.module:worker",), 1, "there is no module 'no.such.module'"),
        (("no/such/file.py:worker",), 1, "there is no file no/such/file.py"),
        (("tests/sdk/app.py:shout",), 1, "'shout' in tests/sdk/app.py is a function, no Worker"),
        (("tests/sdk/app.py:nobody",), 1, "tests/sdk/app.py has no worker 'nobody'"),
        ((APP, "--max-concurrent", "0"), 1, "--max-concurrent: a worker has to be able to take one task at least"),
        ((APP, "--grace", "-1"), 1, "--grace: expected seconds, 0 or more, not -1"),
        ((APP, "--grace", "nan"), 1, "--grace: expected seconds, 0 or more, not nan"),
        ((APP, "--accept-after", "-0.5"), 1, "--accept-after: expected seconds, 0 or more, not -0.5"),
        ((APP, "--listen", "127.0.0.1:http"), 1, "--listen: expected host:port, not '127.0.0.1:http'"),
        ((APP, "--transport", "redis_stream"), 1, "say where the broker is: --broker redis://"),
        ((APP, "--transport", "mqtt", "--broker", "http://x"), 1, "--broker: expected mqtt://"),
        ((APP, "--transport", "pigeon"), 2, "invalid choice: 'pigeon'"),
        ((APP, "--url", "nonsense"), 1, "--url: expected http://host:port, not 'nonsense'"),
        ((APP, "--url", "http://host:port"), 1, "--url: expected http://host:port, not 'http://host:port'"),
        ((APP, "--broker", "redis://x"), 1, "--broker: for redis_stream and mqtt, not for webhook"),
        ((APP, "--transport", "pull", "--topic", "t"), 1, "--stream and --topic: for redis_stream and mqtt"),
        ((APP, "--transport", "pull", "--listen", "127.0.0.1:0"), 1, "--listen: for webhook, not for pull"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: tuple[str, ...], status: int, says: str) -> None:
    done = clew("worker", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr.splitlines()[-1]


def test_either_command_gives_the_same_help() -> None:
    assert clew("worker", "--help").stdout == clew("worker", "--help", program=("-m", "api.cli")).stdout


def test_all_else_is_the_servers() -> None:
    assert clew("version").stdout == clew("version", program=("-m", "api.cli")).stdout


@pytest.mark.parametrize(
    ("arguments", "says"), [(("runs", "list"), "'clew runs' is the server's"), ((), "The commands are")]
)
def test_without_the_server_it_says_what_to_install(arguments: tuple[str, ...], says: str) -> None:
    done = clew(*arguments, program=("-c", NO_SERVER))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "pip install clew-engine" in done.stderr
    assert clew("worker", "--help", program=("-c", NO_SERVER)).returncode == 0


def test_without_the_sdk_the_server_says_what_to_install() -> None:
    without = "import sys; sys.path[:] = [place for place in sys.path if not place.endswith('sdk/python')]"
    no_sdk = f"{without}; from api.cli import main; main()"
    done = clew("worker", APP, program=("-c", no_sdk))
    assert done.returncode == 2
    assert "pip install clew-sdk" in done.stderr
