"""What an output says to agents, read and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.a2a.extensions import declared
from api.a2a.replies import piece_in, reply_in
from dispatch._a2a.model import Artifact, Part


@pytest.mark.parametrize("output", [None, "text", 7, [], {}, {"a2a": 1}, {"a2a_reply": None}])
def test_an_output_without_a_reply_says_nothing_of_its_own(output: Any) -> None:
    assert reply_in(output) is None


def test_a_reply_has_artifacts_of_every_kind_of_part_and_a_status() -> None:
    parts = [
        "words",
        {"text": "# head", "mediaType": "text/markdown"},
        {"data": None, "metadata": {"unit": "m"}},
        {"raw": "dGNr", "filename": "a.txt", "mediaType": "text/plain"},
        {"url": "https://example.com/a.txt"},
    ]
    named = {"artifactId": "report", "name": "Report", "description": "all", "parts": parts, "metadata": {"n": 1}}
    found = reply_in({"a2a_reply": {"status": "done", "artifacts": [named, {"parts": "more"}]}, "n": 1})

    assert found is not None and found.flaw is None and not found.message
    assert found.status == (Part(text="done"),)
    assert found.artifacts == (
        Artifact(
            artifact_id="report", name="Report", description="all", metadata={"n": 1},
            parts=(
                Part(text="words"),
                Part(text="# head", media_type="text/markdown"),
                Part(data=None, metadata={"unit": "m"}),
                Part(raw="dGNr", filename="a.txt", media_type="text/plain"),
                Part(url="https://example.com/a.txt"),
            ),
        ),
        Artifact(artifact_id="artifact-2", parts=(Part(text="more"),)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("done", "a2a_reply: an object is expected"),
        ({"artefacts": []}, "a2a_reply.artefacts: this is not known; message, status, artifacts are"),
        ({"message": "x", "artifacts": []}, "a2a_reply: a message goes alone: without status and artifacts"),
        ({"message": []}, "a2a_reply.message: a text or a list of parts is expected"),
        ({"status": 7}, "a2a_reply.status: a text or a list of parts is expected"),
        ({"artifacts": {}}, "a2a_reply.artifacts: a list is expected"),
        ({"artifacts": [7]}, "a2a_reply.artifacts[0]: an object is expected"),
        ({"artifacts": [{}]}, "a2a_reply.artifacts[0].parts: a text or a list of parts is expected"),
        ({"artifacts": [{"parts": "x", "artifactId": 7}]}, "a2a_reply.artifacts[0].artifactId: a text is expected"),
        ({"artifacts": [{"parts": "x", "metadata": []}]}, "a2a_reply.artifacts[0].metadata: an object is expected"),
        ({"artifacts": [{"parts": "x", "artifactId": "a"}] * 2}, "a2a_reply.artifacts: two artifacts have one"),
        ({"message": [{"text": "x", "data": 1}]}, "a2a_reply.message[0]: exactly one of"),
        ({"message": [{"bytes": "x"}]}, "a2a_reply.message[0].bytes: this is not known"),
        ({"message": [{"raw": "no base64"}]}, "a2a_reply.message[0].raw: bytes as base64 are expected"),
    ],
)
def test_a_reply_that_is_none_says_what_is_wrong_with_it(reply: Any, why: str) -> None:
    found = reply_in({"a2a_reply": reply})
    assert found is not None and found.flaw is not None
    assert found.flaw.startswith(why)


def test_a_piece_of_an_artifact_says_how_it_goes_on() -> None:
    found = piece_in({"a2a_artifact": {"artifactId": "log", "parts": "line\n", "append": True, "lastChunk": True}})
    assert found is not None
    assert (found.artifact, found.append, found.last) == (
        Artifact(artifact_id="log", parts=(Part(text="line\n"),)), True, True,
    )  # fmt: skip


@pytest.mark.parametrize("data", [None, 7, {}, {"a2a_artifact": 7}, {"a2a_artifact": {"parts": "x", "index": 1}}])
def test_data_that_hold_no_piece_hold_none(data: Any) -> None:
    assert piece_in(data) is None


def test_the_examples_of_the_documentation_are_what_they_say() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "be-an-agent.md").read_text("utf-8")
    blocks = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    [reply] = [reply_in(block) for block in blocks if "a2a_reply" in block]
    [piece] = [piece_in(block["data"]) for block in blocks if "data" in block]
    [extension] = [found for block in blocks for found in declared(block)]

    assert reply is not None and reply.flaw is None and len(reply.artifacts[0].parts) == 5
    assert piece is not None and piece.append
    assert extension.required
