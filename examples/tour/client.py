"""The few calls of the HTTP interface that the tour makes; `docs/reference/openapi.json` has all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from examples.tour.processes import TourFailed

Json = dict[str, Any]
QUIET_S = 60.0
"""A stream that is silent for so long has been cut off: the server sends a comment every 15 s."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: Json


class Clew:
    """A server, as a client sees it."""

    def __init__(self, url: str) -> None:
        timeout = httpx.Timeout(30.0, read=QUIET_S)
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/v1", timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Json:
        return self._call("GET", path, None, query)

    def post(self, path: str, body: Json) -> Json:
        return self._call("POST", path, body, {})

    def _call(self, method: str, path: str, body: Json | None, query: Json) -> Json:
        try:
            response = self._http.request(method, path, json=body, params=query or None)
        except httpx.HTTPError as error:
            raise TourFailed(f"{method} {path}: the server cannot be reached: {error}") from None
        if response.is_error:
            raise TourFailed(f"{method} {path}: {response.status_code} {_problem(response)}")
        found = response.json()
        assert isinstance(found, dict)
        return found

    def register(self, worker: Json) -> Json:
        """Register a worker, or change the one that has this id already."""
        with_id = f"/workers/{worker['id']}"
        known = self._http.get(with_id).is_success
        if known:
            return self._call("PATCH", with_id, {key: value for key, value in worker.items() if key != "id"}, {})
        return self.post("/workers", worker)

    def all(self, path: str) -> list[Json]:
        """All items of a list, page by page."""
        found: list[Json] = []
        query: dict[str, str | int] = {"limit": 1000}
        while True:
            page = self.get(path, **query)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    def events(self, run_id: str, after: str | None, *, until: str | None = None) -> Iterator[Event]:
        """What happens in a run, live. A stream that breaks is taken up again after the last event that came."""
        query = {"mode": "tasks,updates"} | ({"until": until} if until else {})
        for _ in range(5):
            headers = {"Last-Event-ID": after} if after else {}
            try:
                with self._http.stream("GET", f"/runs/{run_id}/stream", params=query, headers=headers) as response:
                    if response.is_error:
                        response.read()
                        raise TourFailed(f"the stream was refused: {response.status_code} {_problem(response)}")
                    for event in parse_events(response.iter_lines()):
                        after = event.id
                        yield event
                        if event.name == "end" or (event.name == "run" and event.data["status"] == until):
                            return
            except httpx.HTTPError:
                continue
        raise TourFailed("the stream of the run breaks off again and again")


def parse_events(lines: Iterator[str]) -> Iterator[Event]:
    """Server-sent events from the lines of a stream; comments are passed over."""
    event_id = name = ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(event_id, name, json.loads("\n".join(data)))
            name, data = "", []
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "id":
            event_id = value
        elif key == "event":
            name = value
        elif key == "data":
            data.append(value)


def _problem(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:300]
    return f"{body.get('code')}: {body.get('detail')}" if isinstance(body, dict) else response.text[:300]
