"""The client before anything is asked: which address it takes, and what names an artifact."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clew import Client, SyncClient
from clew.models import Artifact
from clew.resources.artifacts import name_of

NAME = "0a" * 32
REF = f"artifact:sha256:{NAME}"
FOUND = Artifact(
    ref=REF, media_type="text/plain", size=1, sha256=NAME, created_at=datetime.now(UTC), expires_at=datetime.now(UTC)
)


@pytest.mark.parametrize("kind", [Client, SyncClient])
@pytest.mark.parametrize("url", ["127.0.0.1:8080", "localhost:8080", "", "http://", "ftp://host", "http://host:none"])
def test_an_address_that_is_none_is_refused_at_once(kind: Any, url: str) -> None:
    with pytest.raises(ValueError, match=r"^'.*' is no address of a server, such as http://127.0.0.1:8080$"):
        kind(url)


@pytest.mark.parametrize("named", [NAME, NAME.upper(), REF, {"ref": REF}, {"sha256": NAME}, FOUND])
def test_an_artifact_is_named_by_whatever_refers_to_it(named: Any) -> None:
    assert name_of(named) == NAME


@pytest.mark.parametrize("named", ["report.pdf", NAME[1:], f"{REF}0", {"ref": None}, {"items": "x" * 500}, None, b"x"])
def test_what_names_no_artifact_is_refused_with_what_would(named: Any) -> None:
    with pytest.raises(ValueError, match=r"names no artifact: give its SHA-256 .*, 'artifact:sha256:…' or a reference"):
        name_of(named)
