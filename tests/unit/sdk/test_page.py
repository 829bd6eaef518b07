"""The page of the reference is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.sdk.reference import CODES, page

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "sdk.md"


def test_the_page_about_the_sdk_is_that_of_its_code() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: make docs"


def test_every_code_of_the_kit_is_listed() -> None:
    sources = (ROOT / "sdk" / "python" / "clew").rglob("*.py")
    found = {
        code
        for path in sources
        for code in re.findall(r'"((?:worker|answer|state)\.[a-z_]+)"', path.read_text("utf-8"))
    }
    assert found == set(CODES)
