"""The description of the interface is complete, and is the one that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.app import describe_app

KEPT = Path(__file__).parents[3] / "docs/reference/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe_app().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_kept_description_is_that_of_the_code(document: dict[str, Any]) -> None:
    kept = orjson.loads(KEPT.read_bytes())
    assert kept == orjson.loads(orjson.dumps(document)), (
        "write it anew: python -m api.openapi > docs/reference/openapi.json"
    )


def test_every_operation_says_what_it_is(document: dict[str, Any]) -> None:
    found = list(operations(document))
    for name, operation in found:
        assert operation["summary"], name
        assert operation["tags"], name
        assert not operation["summary"].endswith("."), name
    ids = [operation["operationId"] for _, operation in found]
    assert len(set(ids)) == len(ids)


def test_every_operation_describes_its_answers(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        statuses = operation["responses"].keys()
        assert any(status.startswith("2") for status in statuses), name
        if not name.endswith("/health"):
            assert {"401", "422", "503"} <= statuses, name
        for status, answer in operation["responses"].items():
            if status.startswith(("4", "5")):
                assert list(answer["content"]) == ["application/problem+json"], name
            elif status != "204":
                assert answer["content"], name
                schemas = [kind.get("schema") for kind in answer["content"].values()]
                assert all(schemas), (name, status)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = orjson.dumps(document).decode()
    names = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names <= document["components"]["schemas"].keys()
    assert "HTTPValidationError" not in text


def test_bodies_are_described(document: dict[str, Any]) -> None:
    start = document["paths"]["/v1/workflows/{workflow_id}/runs"]["post"]
    assert "event-stream" in str(start["responses"]["201"]["content"])
    assert document["components"]["schemas"]["StartRun"]["additionalProperties"] is False
    parameters = [found["name"] for found in document["paths"]["/v1/runs"]["get"]["parameters"]]
    assert {"status", "metadata.<k>", "limit", "cursor"} <= set(parameters)
