"""Markdown as the review needs it: documents below a folder, sections under headings, anchors, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

SUFFIXES = (".md", ".markdown")
SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "build", "dist", "site-packages"})
"""Folders that hold what others wrote; those whose name begins with a dot are skipped as well."""

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
_CONTAINER = re.compile(r" {0,3}(?:[-*+](?:[ \t]|$)|\d{1,9}[.)](?:[ \t]|$)|>|\|)")
_BREAK = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})")
_HTML = {"<!--": "-->", "<pre": "</pre>", "<script": "</script>", "<style": "</style>"}
_LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*(<[^>]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+[\"'(][^)]*)?\s*\)"
)
_NAMED = re.compile(r"""<[a-zA-Z][^>]*?\s(?:id|name)\s*=\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The text under one heading; level 0 is what stands before the first one.

    `line` is where the heading stands and `text_line` where the text begins, from 1. `previous_level` is the level of
    the heading before this one, 0 where there is none.
    """

    heading: str
    level: int
    line: int
    text: str
    text_line: int
    previous_level: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a document. `code`: in a block that is shown as it stands, so that nothing in it is markup."""

    number: int
    text: str
    code: bool = False


@dataclass(slots=True)
class _Scan:
    """Where a walk over the lines stands: in which fence or HTML block, and in which paragraph.

    `container`: the line before is part of a list item, quote or table; `listed`: the last block at the margin was a
    list.
    """

    fence: str = ""
    html_end: str = ""
    paragraph: list[Line] = field(default_factory=list)
    container: bool = False
    listed: bool = False

    def quiet(self, text: str) -> bool:
        """Whether the line belongs to a block in which nothing is a heading."""
        if self.fence:
            closing = text.strip()
            if len(closing) >= len(self.fence) and set(closing) == {self.fence[0]} and _indent(text) < 4:
                self.fence = ""
            return True
        if self.html_end:
            self.html_end = "" if self.html_end in text.lower() else self.html_end
            return True
        return self._opens(text)

    def _opens(self, text: str) -> bool:
        if opening := _FENCE.match(text):
            self.fence = opening["fence"]
            return True
        stripped = text.lstrip().lower()
        for mark, end in _HTML.items():
            if stripped.startswith(mark) and _indent(text) < 4:
                self.html_end = "" if end in stripped[len(mark) :] else end
                return True
        return _indent(text) >= 4 and not (self.paragraph or self.container or self.listed)

    def note(self, line: Line) -> None:
        """Take up a line that is no heading: a paragraph goes on, begins or ends."""
        if not line.text.strip() or _BREAK.fullmatch(line.text):
            self.paragraph, self.container = [], False
        elif opening := _CONTAINER.match(line.text):
            self.paragraph, self.container = [], True
            self.listed = opening[0].strip()[:1] not in (">", "|")
        elif not self.container:
            self.paragraph.append(line)
            self.listed = self.listed and _indent(line.text) >= 2

    def reset(self) -> None:
        self.paragraph, self.container, self.listed = [], False, False


def lines_of(text: str) -> Iterator[Line]:
    """The lines of a document, with those marked that are code, HTML blocks or front matter."""
    scan = _Scan()
    for number, row, front in _rows(text):
        if front:
            yield Line(number, row, True)
        elif scan.quiet(row):
            scan.paragraph, scan.container = [], False
            yield Line(number, row, True)
        else:
            line = Line(number, row)
            scan.note(line)
            yield line


def sections(text: str) -> list[Section]:
    """The sections of a document in order: ATX and setext headings, none inside code or HTML blocks."""
    rows = text.splitlines()
    marks = list(_headings(text))
    starts = [(0, 0, "", 0), *marks]
    found: list[Section] = []
    for place, (begin, level, heading, body) in enumerate(starts):
        end = starts[place + 1][0] - 1 if place + 1 < len(starts) else len(rows)
        if level == 0 and not _says_anything(rows[:end]):
            continue
        while body < end and not rows[body].strip():
            body += 1
        section = Section(
            heading=heading,
            level=level,
            line=max(begin, 1),
            text="\n".join(rows[body:end]).rstrip(),
            text_line=body + 1,
            previous_level=starts[place - 1][1] if place else 0,
        )
        found.append(section)
    return found


def _says_anything(preamble: list[str]) -> bool:
    return any(line.text.strip() and not line.code for line in lines_of("\n".join(preamble)))


def _headings(text: str) -> Iterator[tuple[int, int, str, int]]:
    """(line it begins at, level, heading, lines up to and with it), in order."""
    scan = _Scan()
    for number, row, front in _rows(text):
        if front or scan.quiet(row):
            scan.paragraph, scan.container = [], False
        elif atx := _ATX.fullmatch(row):
            yield number, len(atx[1]), plain(atx[2] or ""), number
            scan.reset()
        elif scan.paragraph and (underline := _UNDERLINE.fullmatch(row)):
            heading = plain(" ".join(line.text.strip() for line in scan.paragraph))
            yield scan.paragraph[0].number, 1 if underline[1][0] == "=" else 2, heading, number
            scan.reset()
        else:
            scan.note(Line(number, row))


def _rows(text: str) -> Iterator[tuple[int, str, bool]]:
    """Lines with their numbers, and whether they are front matter: YAML between two `---` at the very top."""
    rows = text.splitlines()
    end = 0
    if rows and rows[0].rstrip() == "---":
        end = next((n for n, row in enumerate(rows[1:], start=2) if row.rstrip() in ("---", "...")), 0)
    for number, row in enumerate(rows, start=1):
        yield number, row, number <= end


def _indent(text: str) -> int:
    return len(text.expandtabs(4)) - len(text.expandtabs(4).lstrip(" "))


# ---- text, anchors, links


def plain(text: str) -> str:
    """Inline Markdown as it reads: links and images by their text, no emphasis, no backticks, no tags."""
    text = _LINK.sub(lambda found: found[2], text)
    text = re.sub(r"\[([^\]]*)\]\[[^\]]*\]", r"\1", text)
    text = re.sub(r"<!--.*?-->|</?[a-zA-Z][^>]*>", "", text)
    text = re.sub(r"(?<!\\)(`+|\*+|~~)", "", text)
    text = re.sub(r"(?<![^\W_])_+(?=\S)|(?<=\S)_+(?![^\W_])", "", text)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).strip()


def anchors(text: str) -> frozenset[str]:
    """What `#…` can name in a document: its headings as web pages of repositories name them, and ids in its HTML."""
    taken: dict[str, int] = {}
    found: set[str] = set()
    for _, _, heading, _ in _headings(text):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = taken.get(slug, 0)
        taken[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return frozenset(found | set(_NAMED.findall(text)))


def links(lines: Iterable[Line]) -> Iterator[tuple[int, str]]:
    """(line, target) of every inline link and image outside code, as written but for escapes."""
    for line in lines:
        if line.code:
            continue
        for found in _LINK.finditer(without_code(line.text)):
            yield line.number, unquote(found[3].strip("<>"))


def without_code(text: str) -> str:
    """A line with its inline code blanked out."""
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", lambda found: " " * len(found[0]), text)


# ---- documents


def documents(folder: Path) -> list[Path]:
    """The Markdown documents below a folder, by name; hidden folders, links and those of others' code are left out."""
    found: list[Path] = []
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        found += [Path(at, name) for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    return sorted((path for path in found if path.is_file() and not path.is_symlink()), key=Path.as_posix)
