"""A webhook worker that reviews Markdown documents: an HTTP server of the standard library, without a model.

    python -m examples.review_worker --port 9001 --root docs

Every POST is a task; its answer is the response. What the tasks are is in `examples/review/jobs.py`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from examples.review.jobs import JobFailed, Places, do

MAX_BODY = 32 * 1024 * 1024
OLDEST_S = 300
"""A signature that is older than this, in seconds, is refused: somebody may be sending it again."""


class Worker(ThreadingHTTPServer):
    """Serves tasks on a local port; `places` is what they may touch, `secret` what they must be signed with."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, places: Places, secret: str | None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.places, self.secret = places, secret

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    """One connection, kept open between tasks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: Worker

    def do_GET(self) -> None:
        self._send(200, {"status": "ok"})

    def do_POST(self) -> None:
        try:
            self._send(200, do(self._task(), self.server.places))
        except JobFailed as failed:
            error = {"code": failed.code, "message": failed.message, "retryable": failed.retryable}
            self._send(503 if failed.retryable else 422, {"error": error})

    def _task(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            raise JobFailed("task.size", f"a task is a JSON body of at most {MAX_BODY} bytes")
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.server.secret and not signed(self.server.secret, headers, body, datetime.now(UTC)):
            raise JobFailed("task.unsigned", "the task is not signed with this worker's secret")
        try:
            task = json.loads(body)
        except ValueError:
            raise JobFailed("task.invalid", "the body is no JSON") from None
        if not isinstance(task, dict):
            raise JobFailed("task.invalid", "the body is no JSON object")
        return task

    def _send(self, status: int, answer: Mapping[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the engine keeps the record of every task."""


def signed(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether a request carries a fresh signature by this secret, as Standard Webhooks prescribes.

    The names of `headers` are in small letters.
    """
    message, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdigit() or abs(now.timestamp() - int(at)) > OLDEST_S:
        return False
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    mine = f"v1,{base64.b64encode(mac).decode()}"
    return any(hmac.compare_digest(mine, given) for given in headers.get("webhook-signature", "").split())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.review_worker", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--root", type=Path, action="append", metavar="DIR",
        help="folder to read from and write to, with all below it; may be given several times (default: here)",
    )  # fmt: skip
    parser.add_argument("--secret", help="refuse tasks that are not signed with it; give it to the engine as well")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted or terminated."""
    options = _options(arguments)
    places = Places(tuple(root.resolve() for root in options.root or [Path.cwd()]))
    if missing := [root for root in places.roots if not root.is_dir()]:
        print(f"there is no folder {missing[0]}", file=sys.stderr)
        return 2
    try:
        worker = Worker(options.port, places, options.secret)
    except OSError as error:
        print(f"port {options.port} cannot be had: {error.strerror}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with worker:
        print(f"ready {worker.url}", flush=True)
        try:
            worker.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
