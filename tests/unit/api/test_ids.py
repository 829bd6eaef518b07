"""Which names can stand in a path."""

from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from api.schemas import SessionId
from dispatch._ws_frames import FrameInvalid, WorkerId, read_frame
from engine.ids import IN_PATH

GOOD = ["a", "-", "a.b", ".a", "..a", "...", "....", "a.", "a..", "a..b", ".-", "..-", "ü", "a:b", "~", "01a2-b"]
BAD = [
    "",
    ".",
    "..",
    "a b",
    " ",
    ".\n",
    "..\n",
    "a\n",
    "a/b",
    "../a",
    ".../a",
    "a?",
    "a#",
    "%2e",
    "a\\b",
    ".\x7f",
    "...\t",
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_that_can_stand_in_a_path_is_one(name: str) -> None:
    assert re.compile(IN_PATH).fullmatch(name)
    for kind in (WorkerId, SessionId):
        assert TypeAdapter(kind).validate_python(name) == name


@pytest.mark.parametrize("name", BAD)
def test_what_means_another_place_in_a_path_is_none(name: str) -> None:
    assert not re.compile(IN_PATH).fullmatch(name)
    for kind in (WorkerId, SessionId):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(name)
    with pytest.raises(FrameInvalid, match=r"register: id"):
        read_frame({"type": "register", "id": name})
