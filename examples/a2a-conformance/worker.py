"""What the language has no words for: a task that is rejected, and an artifact that comes in chunks."""

from __future__ import annotations

from typing import Any

CHUNKS = ("chunk-1 ", "chunk-2")


def tck(task: dict[str, Any]) -> dict[str, Any]:
    """Do what the parameters of the node say."""
    if task["parameters"]["do"] == "reject":
        return {"error": {"code": "rejected", "message": "rejected", "retryable": False}}
    pieces = [
        {"artifactId": "chunked", "parts": chunk, "append": place > 0, "lastChunk": place == len(CHUNKS) - 1}
        for place, chunk in enumerate(CHUNKS)
    ]
    whole = {"artifactId": "chunked", "parts": "".join(CHUNKS)}
    return {
        "events": [{"data": {"a2a_artifact": piece}} for piece in pieces],
        "output": {"reply": {"artifacts": [whole]}},
    }
