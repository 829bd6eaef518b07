"""Somebody who asks an agent: the few calls of Agent2Agent 1.0 that the example makes, as plain JSON-RPC."""

from __future__ import annotations

from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx

from examples.tour.processes import TourFailed

Json = dict[str, Any]
ANSWER_S = 60.0


class Caller:
    """Asks the agent at an address. It knows its card, and nothing of what is behind it."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(timeout=ANSWER_S, trust_env=False)
        self._numbers = count(1)
        self.card = self._http.get(f"{url}/.well-known/agent-card.json").raise_for_status().json()
        self.url = self.card["supportedInterfaces"][0]["url"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def say(self, data: Any, task: Json | None = None) -> Json:
        """Give the agent a new task, or go on with one that asks; the task once it is over, or asks."""
        message: Json = {"messageId": f"m{next(self._numbers)}", "role": "ROLE_USER", "parts": [{"data": data}]}
        if task is not None:
            message |= {"taskId": task["id"], "contextId": task["contextId"]}
        found: Json = self._call("SendMessage", {"message": message})["task"]
        return found

    def cancel(self, task: Json) -> Json:
        """Cancel a task; the task as it is then."""
        return self._call("CancelTask", {"id": task["id"]})

    def _call(self, method: str, params: Json) -> Json:
        body = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        try:
            answer = self._http.post(self.url, json=body, headers={"A2A-Version": "1.0"}).raise_for_status().json()
        except httpx.HTTPError as error:
            raise TourFailed(f"{method}: the agent cannot be reached: {error}") from None
        if "error" in answer:
            raise TourFailed(f"{method}: {answer['error']['code']} {answer['error']['message']}")
        found: Json = answer["result"]
        return found


def state_of(task: Json) -> str:
    """The state of a task in a word."""
    return str(task["status"]["state"]).removeprefix("TASK_STATE_").lower().replace("_", "-")


def question_of(task: Json) -> tuple[str, Any]:
    """What a task asks in words, and the JSON Schema of the answers that it takes."""
    parts = task["status"]["message"]["parts"]
    text = next(part["text"] for part in parts if "text" in part)
    asked = next(part["data"]["interrupts"] for part in parts if "data" in part)
    return text, asked[0]["responseSchema"]


def output_of(task: Json) -> Any:
    """The data of the artifact that a task ended with."""
    return task["artifacts"][0]["parts"][0]["data"]
