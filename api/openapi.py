"""`python -m api.openapi`: the description of the HTTP API, as `docs/reference/openapi.json` has it."""

from __future__ import annotations

import sys

import orjson

from api.app import describe_app


def main() -> None:
    """Write the description to standard output."""
    text = orjson.dumps(describe_app().openapi(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    sys.stdout.buffer.write(text + b"\n")


if __name__ == "__main__":
    main()
