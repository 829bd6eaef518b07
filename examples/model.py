"""A model server on this machine that knows nothing and costs nothing, to try workflows with and to test them.

    python -m examples.model 9001

It speaks as OpenAI's does at `/v1/chat/completions`, streamed and plain, with tools, limits of tokens and errors. What
it says follows from what it is asked alone:

- It answers with the words of the last user, turned round. With `max_tokens` it says no more words than that.
- Where it is given tools, and the last message is a user's, it calls the first one with the text; after the answer of
  a tool it says what that answered.
- Asked for JSON it says `{"text": …}`.
- It plays several models: `echo`; `slow`, which takes a while for each word; `busy`, which has always too much to do;
  and `broken`, whose connection breaks in the middle of an answer. Others it does not know.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any

MODELS = ("echo", "slow", "busy", "broken")
PAUSE_S = 0.2
"""How long the slow model takes for a word."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure(Exception):
    """What the server refuses, in the shape that errors have."""

    status: int
    kind: str
    code: str | None
    message: str

    @property
    def body(self) -> Body:
        return {"error": {"message": self.message, "type": self.kind, "param": None, "code": self.code}}


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says: the pieces of a text, or a call of a tool; why it stopped, and what it has cost."""

    pieces: tuple[str, ...]
    call: Body | None
    finish: str
    usage: Body


def answer_to(body: Body) -> Said:
    """What the model says to a request. Raises Failure."""
    model, messages = body.get("model"), body.get("messages")
    if model not in MODELS:
        raise Failure(404, "invalid_request_error", "model_not_found", f"the model {model!r} does not exist")
    if not isinstance(messages, list) or not messages:
        raise Failure(400, "invalid_request_error", None, "'messages' must be a list that is not empty")
    if model == "busy":
        raise Failure(429, "requests", "rate_limit_exceeded", "too many requests")
    last = messages[-1]
    text = str(last.get("content") or "")
    read = sum(len(str(message.get("content") or "").split()) for message in messages)
    if body.get("tools") and last.get("role") == "user":
        return Said((), _call(body["tools"][0], text), "tool_calls", _usage(read, 1))
    words = text.split() if last.get("role") == "tool" else text.split()[::-1]
    if (body.get("response_format") or {}).get("type") in ("json_object", "json_schema"):
        words = [json.dumps({"text": " ".join(words)})]
    most = body.get("max_tokens") or body.get("max_completion_tokens") or len(words)
    pieces = tuple(f" {word}" if place else word for place, word in enumerate(words[:most]))
    return Said(pieces, None, "length" if most < len(words) else "stop", _usage(read, len(pieces)))


def _call(tool: Body, text: str) -> Body:
    function = {"name": tool["function"]["name"], "arguments": json.dumps({"text": text})}
    return {"id": "call_1", "type": "function", "function": function}


def _usage(read: int, said: int) -> Body:
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def whole(model: str, said: Said) -> Body:
    """The response that is not streamed."""
    message: Body = {"role": "assistant", "content": "".join(said.pieces) if said.call is None else None}
    if said.call is not None:
        message["tool_calls"] = [said.call]
    choice = {"index": 0, "message": message, "finish_reason": said.finish}
    return {"id": "chat_1", "object": "chat.completion", "model": model, "choices": [choice], "usage": said.usage}


def chunks(model: str, said: Said, *, with_usage: bool) -> Iterator[Body]:
    """The chunks of the response that is streamed; the arguments of a call come in two pieces."""

    def chunk(delta: Body, finish: str | None = None) -> Body:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "chat_1", "object": "chat.completion.chunk", "model": model, "choices": [choice]}

    yield chunk({"role": "assistant", "content": "" if said.call is None else None})
    for piece in said.pieces:
        yield chunk({"content": piece})
    if said.call is not None:
        name, arguments = said.call["function"].values()
        half = len(arguments) // 2
        first = {**said.call, "index": 0, "function": {"name": name, "arguments": arguments[:half]}}
        yield chunk({"tool_calls": [first]})
        yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[half:]}}]})
    yield chunk({}, said.finish)
    if with_usage:
        yield {"id": "chat_1", "object": "chat.completion.chunk", "model": model, "choices": [], "usage": said.usage}


class Model(BaseHTTPRequestHandler):
    """One request is one completion."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            if self.path != "/v1/chat/completions":
                raise Failure(404, "invalid_request_error", None, f"there is nothing at {self.path}")
            said = answer_to(body)
        except Failure as failure:
            self._give(failure.status, failure.body)
            return
        if body.get("stream"):
            self._stream(body, said)
        else:
            self._give(200, whole(body["model"], said))

    def _head(self, status: int, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()

    def _give(self, status: int, body: Body) -> None:
        text = json.dumps(body).encode()
        self._head(status, "application/json", Content_Length=str(len(text)))
        self.wfile.write(text)

    def _stream(self, body: Body, said: Said) -> None:
        self._head(200, "text/event-stream", Transfer_Encoding="chunked")
        options = body.get("stream_options") or {}
        found = chunks(body["model"], said, with_usage=options.get("include_usage") is True)
        try:
            for place, chunk in enumerate(found):
                if body["model"] == "broken" and place == 2:
                    self.close_connection = True
                    return
                if body["model"] == "slow":
                    Event().wait(PAUSE_S)
                self._part(json.dumps(chunk))
            self._part("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):  # nobody wants the rest
            self.close_connection = True

    def _part(self, text: str) -> None:
        event = f"data: {text}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""


def main() -> None:
    """Serve until interrupted."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9001
    with ThreadingHTTPServer(("127.0.0.1", port), Model) as server:
        print(f"ready http://127.0.0.1:{server.server_address[1]}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
