"""The fields that nodes of every type have."""

from __future__ import annotations

from engine.nodes._common import COUNT, MILLISECONDS, STRING, Field, JsonSchema

ANY: JsonSchema = {}
INTERVAL: JsonSchema = {"type": "integer", "minimum": 0, "maximum": MILLISECONDS["maximum"]}

NAMES: JsonSchema = {"type": ["string", "array"], "items": {"type": "string"}}

CACHE: JsonSchema = {
    "type": "object",
    "properties": {"ttl_ms": MILLISECONDS, "key": STRING},
    "required": ["ttl_ms"],
    "additionalProperties": False,
}

JOIN: JsonSchema = {
    "anyOf": [
        {"enum": ["all", "any", "first", "each"]},
        {"type": "object", "properties": {"quorum": COUNT}, "required": ["quorum"], "additionalProperties": False},
    ]
}

RETRY: JsonSchema = {
    "type": "object",
    "properties": {
        "max_attempts": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "initial_interval_ms": INTERVAL,
        "backoff_factor": {"type": "number", "minimum": 1},
        "max_interval_ms": INTERVAL,
        "jitter": {"type": "number", "minimum": 0, "maximum": 1},
        "retry_on": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}

NODE_FIELDS: dict[str, Field] = {
    "type": Field(STRING, "what the node does (default `task`)"),
    "join": Field(JOIN, "when arrivals activate the node (default `all`)"),
    "defer": Field({"type": "boolean"}, "whether the node runs when nothing else is active (default false)"),
    "goto": Field(NAMES, "nodes that its answers may name as the next ones (default: any)"),
    "retry": Field(RETRY, "how often and how soon a failed attempt is made again (default: one attempt)"),
    "timeout_ms": Field(MILLISECONDS, "most milliseconds that an attempt may take (default 900,000)"),
    "wait_timeout_ms": Field(MILLISECONDS, "most milliseconds to wait for a worker (default: no limit)"),
    "on_error": Field({"enum": ["fail", "skip", "continue"]}, "what a failure does that has no edge (default `fail`)"),
    "cache": Field(CACHE, "how long, and under which `key` (a template), its answers count for other tasks too"),
    "parameters": Field(ANY, "handed to the worker exactly as written"),
    "metadata": Field(ANY, "kept, and not read"),
    "label": Field({"type": ["string", "null"]}, "name to show in diagrams"),
    "position": Field(ANY, "kept for editors"),
    "ui": Field(ANY, "kept for editors"),
}
