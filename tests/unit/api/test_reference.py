"""The page of the interface shows all of it, and needs nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from api.app import describe_app
from api.reference import HEADERS, page


class Seen(HTMLParser):
    """The elements of a page: their tags, ids and links, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.ids, self.links, self.text = set[str](), list[str](), list[str](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "src"):
                self.links.append(str(value))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe_app().openapi()


def test_every_operation_and_shape_has_its_place(document: dict[str, Any]) -> None:
    seen = Seen(page(document))
    operations = [found["operationId"] for methods in document["paths"].values() for found in methods.values()]
    shapes = [f"schema-{name}" for name in document["components"]["schemas"]]
    assert sorted(seen.ids) == sorted([*operations, *shapes, "schemas"])


def test_every_link_leads_to_a_place_on_the_page_or_the_description(document: dict[str, Any]) -> None:
    seen = Seen(page(document))
    assert set(seen.links) <= {"/openapi.json", *(f"#{name}" for name in seen.ids)}


def test_it_runs_nothing_and_loads_nothing(document: dict[str, Any]) -> None:
    text = page(document)
    assert not {"script", "link", "img", "iframe", "object", "form"} & Seen(text).tags
    assert not re.search(r"url\(|@import|\son\w+=", text.partition("</head>")[0])
    assert HEADERS["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_what_the_description_says_is_text(document: dict[str, Any]) -> None:
    told = "<script>alert(1)</script> & <b>"
    paths = {"/x<y": {"get": {**document["paths"]["/v1/runs"]["get"], "summary": told}}}
    seen = Seen(page({**document, "info": {**document["info"], "title": told}, "paths": paths}))
    assert not {"script", "b"} & seen.tags
    assert seen.text.count(told) == 3  # twice as the title
    assert "GET /x<y" in seen.text
