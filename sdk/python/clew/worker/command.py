"""`clew worker`: serve with a worker, over any transport."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from types import ModuleType

from clew._http import LOCAL, is_address
from clew.errors import ClewError
from clew.worker.transports import NAMES, Transport, open_transport
from clew.worker.transports._options import LISTEN, Unusable
from clew.worker.worker import Worker

FAILED, MISUSED = 1, 2
BROKERS = ("redis_stream", "mqtt")
OWN = {
    "listen": ("--listen", ("webhook",)),
    "address": ("--address", ("webhook",)),
    "secret": ("--secret", ("webhook",)),
    "accept_after": ("--accept-after", ("webhook",)),
    "broker": ("--broker", BROKERS),
    "channel": ("--stream and --topic", BROKERS),
}
"""The options that some transports alone take: how they are written, and by which they are taken."""


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    found = argparse.ArgumentParser(
        prog="clew worker",
        description="Serve with a worker until SIGTERM or Ctrl-C; then finish what it has.",
        epilog="CLEW_URL, CLEW_TOKEN, CLEW_WORKER_ID and CLEW_WORKER_SECRET say --url, --token, --id and --secret.",
    )
    add, env = found.add_argument, os.environ.get
    add("worker", metavar="MODULE:NAME", help="a Worker: module:name, or path.py:name")
    add("--transport", choices=NAMES, default="webhook", help="how tasks come (default: webhook)")
    add("--url", default=env("CLEW_URL", LOCAL), help=f"the server (default: {LOCAL})")
    add("--token", default=env("CLEW_TOKEN"), help="the server's bearer token")
    add("--listen", metavar="HOST:PORT", help=f"webhook: where to listen (default: {LISTEN}; port 0: any free one)")
    add("--address", metavar="URL", help="webhook: where the server reaches it (default: http://HOST:PORT/)")
    add("--secret", help="webhook: signs requests (default: new at each start)")
    add("--accept-after", type=float, metavar="SECONDS", help="webhook: answer 202 by then, and the answer later")
    add("--broker", metavar="URL", help="redis_stream, mqtt: redis://host:port/0, mqtt://host:port")
    add(
        "--stream",
        "--topic",
        dest="channel",
        metavar="NAME",
        help="redis_stream, mqtt: its stream or topic (default: its id)",
    )
    add("--id", default=env("CLEW_WORKER_ID"), help="its id at the server (default: as the worker says)")
    add("--max-concurrent", type=int, metavar="N", help="tasks at one time (default: as the worker says)")
    add("--grace", type=float, metavar="SECONDS", help="time to finish on SIGTERM (default: as the worker says)")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)")
    return found


def work(arguments: list[str]) -> int:
    """Run the command; its exit status."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(level=asked.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        worker = load(asked.worker)
        _change(worker, asked)
        worker.run(_transport(asked))
    except (Unusable, ClewError) as error:
        return _stop(FAILED, str(error))
    except OSError as error:
        return _stop(FAILED, f"{asked.listen or LISTEN}: {error}")
    return 0


def load(name: str) -> Worker:
    """The worker that `module:name` or `path.py:name` names. Raises Unusable."""
    place, mark, attribute = name.rpartition(":")
    if not mark or not place or not attribute:
        raise Unusable(f"'{name}' names no worker: write module:name or path.py:name")
    sys.path.insert(0, str(Path.cwd()))
    module = _of_file(Path(place)) if place.endswith(".py") else _of_module(place)
    found = getattr(module, attribute, None)
    if not isinstance(found, Worker):
        if found is None:
            raise Unusable(f"{place} has no worker '{attribute}'")
        raise Unusable(f"'{attribute}' in {place} is a {type(found).__name__}, no Worker")
    return found


def _of_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise Unusable(f"there is no module '{name}' here or among what is installed") from None


def _of_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise Unusable(f"there is no file {path}")
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _change(worker: Worker, asked: argparse.Namespace) -> None:
    """Lay what was said on the command line over what the worker says."""
    if asked.max_concurrent is not None and asked.max_concurrent < 1:
        raise Unusable("--max-concurrent: a worker has to be able to take one task at least")
    for name in ("grace", "accept_after"):
        _require_seconds(f"--{name.replace('_', '-')}", getattr(asked, name))
    worker.id = asked.id or worker.id
    worker.max_concurrent = asked.max_concurrent or worker.max_concurrent
    worker.grace_s = worker.grace_s if asked.grace is None else asked.grace


def _require_seconds(option: str, seconds: float | None) -> None:
    """Raise Unusable for a time that nothing can take."""
    if seconds is not None and not 0 <= seconds < inf:
        raise Unusable(f"{option}: expected seconds, 0 or more, not {seconds:g}")


def _transport(asked: argparse.Namespace) -> Transport:
    """The transport that was asked for. Raises Unusable."""
    _require_fitting(asked)
    return open_transport(
        asked.transport,
        url=asked.url,
        token=asked.token,
        listen=asked.listen or LISTEN,
        address=asked.address,
        secret=asked.secret or os.environ.get("CLEW_WORKER_SECRET"),
        accept_after_s=asked.accept_after,
        broker=asked.broker,
        channel=asked.channel,
    )


def _require_fitting(asked: argparse.Namespace) -> None:
    """Raise Unusable for an address that is none, and for options that the transport does not take."""
    if not is_address(asked.url):
        raise Unusable(f"--url: expected http://host:port, not '{asked.url}'")
    for name, (written, takers) in OWN.items():
        if getattr(asked, name) is not None and asked.transport not in takers:
            raise Unusable(f"{written}: for {' and '.join(takers)}, not for {asked.transport}")


def _stop(code: int, message: str) -> int:
    sys.stderr.write(f"clew: {message}\n")
    return code
