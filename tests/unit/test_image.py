"""The recipe of the image fits the repository: it copies what is there, all of our packages among it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
COPIED = {
    name
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", (TOP / "Dockerfile").read_text(), re.MULTILINE)
    for name in line.split()
}


@pytest.mark.parametrize("name", sorted(COPIED))
def test_what_the_image_copies_is_there_and_is_sent_to_the_builder(name: str) -> None:
    assert (TOP / name).exists()
    assert f"!{name}" in (TOP / ".dockerignore").read_text().split()


def test_the_image_holds_every_package() -> None:
    assert {"reducers", "engine", "store", "dispatch", "watcher", "api", "migrations"} <= COPIED
