"""The smallest worker: it answers every task with its prompt, or with what the node's `parameters` say.

    python -m examples.echo_worker 9001

`{"answer": …}` in a node's parameters is the whole answer; `{"fail_until": n}` lets the first n - 1 attempts fail;
`{"ask": {"message": …}}` asks that first, and answers with what it is told; `{"accept": true}` takes the task and never
answers.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Echo(BaseHTTPRequestHandler):
    """One POST is one task, its response the answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        task = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = answer_to(task)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer_to(task: dict[str, Any]) -> tuple[int, Any]:
    """The status and the body of the response to a task."""
    parameters = task.get("parameters") or {}
    if task["attempt"] < parameters.get("fail_until", 1):
        return 503, {"error": {"code": "echo.busy", "message": f"attempt {task['attempt']} is told to fail"}}
    if "ask" in parameters:
        return 200, {"interrupt": parameters["ask"]} if task["resume"] is None else {"output": task["resume"]}
    if parameters.get("accept"):
        return 202, {}
    return 200, parameters.get("answer", {"output": task["prompt"]})


def main() -> None:
    """Serve until interrupted."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9001
    with ThreadingHTTPServer(("127.0.0.1", port), Echo) as server:
        print(f"ready http://127.0.0.1:{server.server_address[1]}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
