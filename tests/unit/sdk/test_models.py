"""The models have every field that the interface describes, and the SDK needs nothing of the server."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from clew import models
from clew.models import history, jobs, runs, workers, workflows

ROOT = Path(__file__).parents[3]
SDK = ROOT / "sdk" / "python" / "clew"
SCHEMAS = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text("utf-8"))["components"]["schemas"]
NAMES = {"Task": runs.Task, "RegisteredWorker": models.NewlyRegistered, "Worker": models.RegisteredAs}
MODULES = (history, jobs, runs, workers, workflows, models)
MODELS = {name: found for module in MODULES for name, found in vars(module).items() if name in SCHEMAS} | NAMES
MAY_USE = {"httpx", "pydantic", "pydantic_core", "clew"}
EXTRAS = {"uvicorn", "websockets", "redis", "aiomqtt", "paho"}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_has_every_field_of_the_interface(name: str) -> None:
    found: Any = MODELS[name]
    fields = {field.alias or name for name, field in found.model_fields.items()}
    assert set(SCHEMAS[name]["properties"]) - fields == set()


def test_most_of_what_is_told_has_a_model() -> None:
    assert len(MODELS) >= 30


def imported(path: Path) -> set[str]:
    """The packages that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", sorted(SDK.rglob("*.py")), ids=lambda path: str(path.relative_to(SDK)))
def test_a_module_needs_httpx_and_pydantic_at_most(path: Path) -> None:
    extras = EXTRAS if path.parent.name == "transports" else set()
    assert imported(path) - set(sys.stdlib_module_names) <= MAY_USE | extras
