"""The documents lead somewhere: every link, and every command that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from api.cli import app
from examples.review.markdown import lines_of, links
from examples.review.measure import broken

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))
BLOCK = re.compile(r"^```(sh|console)\b[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WORDS = ";|&<>()"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    found = [(line, target, broken(target, page, ROOT)) for line, target in links(lines_of(page.read_text("utf-8")))]
    assert [fault for fault in found if fault[2] is not None] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_is_one_that_there_is(page: Path) -> None:
    for words in calls(page.read_text("utf-8")):
        command, rest = command_of(words)
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        assert {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)} <= known, " ".join(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_has_one_title_and_no_heading_twice(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^(#+) (.*)$", text, re.MULTILINE)
    assert [level for level, _ in headings].count("#") == 1
    assert len({title for _, title in headings}) == len(headings)


def calls(text: str) -> Iterator[list[str]]:
    """The words behind each `clew` of the blocks of a page."""
    for _, body in BLOCK.findall(text):
        for line in re.sub(r"\\\n", " ", body).splitlines():
            words = (
                shlex.split(re.sub(r"^[$>] ", "", line).replace("$(", " ( "), comments=True) if is_plain(line) else []
            )
            for place, word in enumerate(words):
                if word in ("clew", ".venv/bin/clew") and begins(words[:place]):
                    rest = words[place + 1 :]
                    end = next((n for n, one in enumerate(rest) if one[0:1] and set(one) & set(WORDS)), len(rest))
                    yield rest[:end]


def begins(before: list[str]) -> bool:
    """Whether a command begins behind these words."""
    return not before or "=" in before[-1] or bool(set(before[-1]) & set(WORDS))


def is_plain(line: str) -> bool:
    """Whether a line is a command that can be split into words by itself."""
    return "clew " in line and line.count("'") % 2 == 0 and line.count('"') % 2 == 0


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words behind it."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    return command, words
