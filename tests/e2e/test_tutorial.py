"""The tutorial's commands are run as they stand, by a shell, and print what the page says."""

import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from examples.tour.processes import Children

ROOT = Path(__file__).resolve().parents[2]
STOP = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_tutorial_runs_and_prints_what_it_says(tmp_path):
    found = BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text("utf-8"))
    commands = "".join(body for language, body in found if language == "sh")
    printed = [line for language, body in found if language == "" for line in body.splitlines()]
    serve = ["serve", "--host", "127.0.0.1", "--port", "0", "--db", f"sqlite:///{tmp_path / 'clew.db'}"]

    with Children() as children:
        server = children.start("server", "api.cli", serve, ROOT, tmp_path / "server.log")
        script = commands.replace("http://127.0.0.1:8080", server.url).replace("9001", str(free_port()))
        script = script.replace(".venv/bin/python", shlex.quote(sys.executable))
        assert len(found) > 10 and script.count(server.url) == 1
        done = subprocess.run(
            ["bash", "-euc", f"{STOP}\n{script}"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 0, done.stdout + done.stderr
    lines = iter(done.stdout.splitlines())
    for line in printed:
        assert any(line in said for said in lines), f"{line!r} is not printed, or not in this order:\n{done.stdout}"
