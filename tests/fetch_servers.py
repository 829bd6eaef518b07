"""Fetches the servers that the tests of brokers need, from Debian's packages: `python -m tests.fetch_servers`.

As root they are installed; otherwise they are unpacked below `.cache/servers`, where the tests look too. Nothing is
done where they are there. Where they cannot be had that is said, and no error: those tests are skipped, or fail where
`CI` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import CACHE, find

PACKAGES = {"redis-server": "redis-server", "mosquitto": "mosquitto"}
"""The package that has a program."""
APT_S = 600


class Failed(Exception):
    """A command failed; the message is the last that it said."""


def main() -> int:
    missing = [package for program, package in PACKAGES.items() if find(program) is None]
    if not missing:
        return 0
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        say(f"{names} missing, and there is no apt here: install them, or the tests of brokers do not run")
        return 0
    say(f"fetching {names}")
    try:
        if os.geteuid() == 0:
            install(missing)
        else:
            unpack(missing)
    except Failed as failed:
        say(f"{names} could not be fetched: {failed}")
    return 0


def install(packages: Sequence[str]) -> None:
    """Install packages, as root. Raises Failed."""
    command = ["install", "-y", "--no-install-recommends", *packages]
    try:
        apt(*command)
    except Failed:  # there are no lists yet, or old ones
        apt("update")
        apt(*command)


def unpack(packages: Sequence[str]) -> None:
    """Unpack packages, and what they need that is not installed, for whoever may not install. Raises Failed."""
    apt_folder = CACHE / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt_folder / folder).mkdir(parents=True, exist_ok=True)
    own: list[str] = []
    try:
        names = needed(packages, own)
    except Failed:
        own = ["-o", f"Dir::State::Lists={apt_folder}/lists", "-o", f"Dir::Cache={apt_folder}/cache"]
        own += ["-o", "Debug::NoLocking=1"]
        apt(*own, "update")
        names = needed(packages, own)
    with TemporaryDirectory(prefix="clew-debs-") as folder:
        apt(*own, "download", *names, cwd=Path(folder))
        for package in sorted(Path(folder).glob("*.deb")):
            call(["dpkg-deb", "-x", str(package), str(CACHE)])


def needed(packages: Sequence[str], options: Sequence[str]) -> list[str]:
    """What would be installed for these packages. Raises Failed."""
    said = apt(*options, "install", "--simulate", "--no-install-recommends", *packages)
    return [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]


def apt(*command: str, cwd: Path | None = None) -> str:
    """What apt-get says. Raises Failed."""
    return call(["apt-get", "-q", *command], cwd)


def call(command: Sequence[str], cwd: Path | None = None) -> str:
    """What a command prints. No service is started by what it installs. Raises Failed."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=APT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    if done.returncode:
        raise Failed(((done.stderr or done.stdout).strip().splitlines() or [f"{command[0]} failed"])[-1])
    return done.stdout


def say(text: str) -> None:
    sys.stderr.write(f"servers: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
