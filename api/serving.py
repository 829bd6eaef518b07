"""Serving: the socket, the server around the application, and the end of both."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import create_app
from api.errors import problem
from api.settings import Settings
from api.sockets import Socket
from api.wiring import Wired, running
from engine.errors import EngineError
from store._address import made_by

BACKLOG = 2048
GRACE_S = 5

log = structlog.get_logger(__name__)


class CannotBind(EngineError):
    """The address cannot be listened on."""

    code = "server.bind"


class Server(uvicorn.Server):
    """Serves an app until a signal comes: streams say farewell and waiting requests are answered, at once."""

    def __init__(self, config: uvicorn.Config, wired: Wired, url: str) -> None:
        super().__init__(config)
        self._wired, self._url = wired, url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"ready {self._url}\n")
            sys.stdout.flush()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._end, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _end(self, number: int) -> None:
        log.info("server.stopping", signal=signal.Signals(number).name)
        self.force_exit = self.should_exit
        self.should_exit = True
        self._wired.engine.drain()
        self._wired.closing.set()


class Protocol(HttpToolsProtocol):
    """HTTP whose own refusals are problem documents as well."""

    def send_400_response(self, msg: str) -> None:
        refusal = problem(400, "http.malformed", "this is no HTTP request", headers={"Connection": "close"})
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % header for header in refusal.raw_headers), b"", b""]
        self.transport.write(b"\r\n".join(lines) + refusal.body)
        self.transport.close()


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises EngineError when it cannot begin."""
    listening = bound(settings.host, settings.port)
    port = listening.getsockname()[1]
    new = made_by(settings.db)
    async with running(settings, settings.base_url(port)) as wired:
        if new is not None:
            sys.stderr.write(f"new database {new}\n")
            sys.stderr.flush()
        config = uvicorn.Config(
            create_app(wired),
            http=Protocol,
            ws=Socket,
            ws_max_size=settings.max_body,
            ws_ping_interval=settings.ping_s,
            ws_ping_timeout=settings.ping_s,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
        )
        config.load()
        spare_the_collector()
        await Server(config, wired, shown_url(settings.host, port)).serve([listening])


def shown_url(host: str, port: int) -> str:
    """The address as it was asked for, with the port that it got."""
    return f"http://[{host}]:{port}" if ":" in host and not host.startswith("[") else f"http://{host}:{port}"


def bound(host: str, port: int) -> socket.socket:
    """A socket that is bound and not yet listening. Raises CannotBind."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, proto)
    except OSError as error:
        raise _cannot_bind(host, port, error) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise _cannot_bind(host, port, error) from error
    made.set_inheritable(False)
    return made


def _cannot_bind(host: str, port: int, error: OSError) -> CannotBind:
    taken = "; give another port with --port" if error.errno == errno.EADDRINUSE else ""
    return CannotBind(f"cannot listen on {host}:{port}: {error.strerror or error}{taken}")


def set_up_logs(level: str) -> None:
    """Have everything that is logged written to standard error, as one line of JSON each."""
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(render)
    logging.basicConfig(handlers=[handler], level=number, force=True)
    logging.getLogger("uvicorn.error").setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )


YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS = 10_000, 50, 100


def spare_the_collector() -> None:
    """Have the cyclic collector leave alone what is there now, and look less often for more.

    What is loaded at the start stays. To walk through it takes tens of milliseconds, in which nothing else happens, and
    a few thousand rows that are read at once are enough to bring that about. The little of it that is not used any more
    is kept too: to look for it would take as long as a tenth of the start.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 64 * 1024 * 1024


def keep_buffers() -> None:
    """Have glibc keep freed buffers of a megabyte for the next ones (mallopt(3)).

    A body with a long conversation is made anew for every task. Given back to the system each time, its pages are
    zeroed and mapped again at each use, which costs more than to write them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def find_modules_here() -> None:
    """Have modules of the working directory found, where local workers may be: the script of a package does not look
    there. What is installed goes first, so that no file there can stand in for a part of the server."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)


def run(settings: Settings) -> None:
    """Serve on a loop of its own."""
    import uvloop

    keep_buffers()
    set_up_logs(settings.log_level)
    if settings.local_workers:
        find_modules_here()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))
