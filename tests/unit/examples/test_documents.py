"""Every workflow that is shipped or shown in the documentation is one that the engine accepts."""

import json
import re
from pathlib import Path

import pytest

from engine.validate import validate

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = [*sorted((ROOT / "workflows").glob("*.json")), *sorted((ROOT / "docs" / "examples").glob("*.json"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=[f"{path.parent.name}-{path.stem}" for path in DOCUMENTS])
def test_the_document_has_no_errors(path):
    document = json.loads(path.read_text("utf-8"))

    assert [problem for problem in validate(document) if problem.severity == "error"] == []
    assert document["id"] == path.stem


def test_every_example_is_shown_in_the_reference():
    shown = set(
        re.findall(r"examples/([a-z-]+)\.json", (ROOT / "docs" / "reference" / "language.md").read_text("utf-8"))
    )

    assert shown == {path.stem for path in DOCUMENTS if path.parent.name == "examples"}
