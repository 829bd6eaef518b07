"""The score of one section: what was measured in it, and what was found wrong, each finding with what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.review.markdown import anchors, lines_of, links
from examples.review.prose import LONG_PARAGRAPH, LONG_SENTENCE, blocks, leftovers, repeated, sentences, words

BEST = 10.0
COSTS = {
    "broken-link": 2.0,
    "leftover": 1.0,
    "level-jump": 1.0,
    "repeated-word": 0.5,
    "long-sentence": 0.5,
    "long-paragraph": 0.5,
}
"""What one finding of a kind takes off the best score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to look at. `line` counts from 1 in the document."""

    kind: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one section measures. `mean_sentence` and `longest_sentence` are numbers of words."""

    doc: str
    heading: str
    line: int
    words: int
    sentences: int
    mean_sentence: float
    longest_sentence: int
    findings: tuple[Finding, ...]
    score: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"findings": [asdict(finding) for finding in self.findings]}


def measure(section: dict[str, Any], folder: Path) -> Measured:
    """Measure a section `{doc, heading, level, line, text, text_line, previous_level}` of a document in `folder`."""
    text = str(section["text"])
    first = int(section.get("text_line", int(section["line"]) + 1))
    parts = blocks(text, first)
    lengths = [sentence.words for block in parts for sentence in sentences(block)]
    findings = sorted(_findings(section, text, first, folder), key=lambda finding: finding.line)
    return Measured(
        doc=str(section["doc"]),
        heading=str(section["heading"]),
        line=int(section["line"]),
        words=sum(len(words(block.text)) for block in parts),
        sentences=len(lengths),
        mean_sentence=round(sum(lengths) / len(lengths), 1) if lengths else 0.0,
        longest_sentence=max(lengths, default=0),
        findings=tuple(findings),
        score=score(findings),
    )


def score(findings: list[Finding]) -> float:
    """From 10 (nothing found) down to 0."""
    return max(0.0, BEST - sum(COSTS[finding.kind] for finding in findings))


def _findings(section: dict[str, Any], text: str, first: int, folder: Path) -> Iterator[Finding]:
    yield from _jump(section)
    yield from _prose(text, first)
    document = folder / str(section["doc"])
    for line, target in links(lines_of(text)):
        if why := broken(target, document, folder):
            yield Finding(kind="broken-link", line=line + first - 1, message=f"`{target}`: {why}")


def _jump(section: dict[str, Any]) -> Iterator[Finding]:
    level, before = int(section["level"]), int(section.get("previous_level", 0))
    if before and level > before + 1:
        message = f"a heading of level {level} follows one of level {before}"
        yield Finding(kind="level-jump", line=int(section["line"]), message=message)


def _prose(text: str, first: int) -> Iterator[Finding]:
    for block in blocks(text, first):
        for word in repeated(block):
            yield Finding(kind="repeated-word", line=block.line, message=f"“{word} {word}”")
        for sentence in sentences(block):
            if sentence.words > LONG_SENTENCE:
                message = f"a sentence of {sentence.words} words: “{_begin(sentence.text)}”"
                yield Finding(kind="long-sentence", line=block.line, message=message)
        if not block.table and (count := len(words(block.text))) > LONG_PARAGRAPH:
            yield Finding(kind="long-paragraph", line=block.line, message=f"a paragraph of {count} words")
    for line, word in leftovers(text, first):
        yield Finding(kind="leftover", line=line, message=f"“{word}” is still there")


def _begin(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57].rstrip()}…"


def broken(target: str, document: Path, folder: Path) -> str | None:
    """Why a relative link leads nowhere, or None. Addresses with a scheme are not looked at: nothing is downloaded."""
    if "://" in target or target.startswith(("mailto:", "tel:", "data:", "//")):
        return None
    path, _, anchor = target.partition("#")
    path = path.partition("?")[0]
    base = folder if path.startswith("/") else document.parent
    there = (base / path.lstrip("/")) if path else document
    try:
        if not there.exists():
            return "there is no such file"
        if anchor and there.is_file() and there.suffix.lower() in (".md", ".markdown"):
            known = anchors(there.read_text("utf-8", errors="replace"))
            return None if anchor.lower() in known or anchor in known else f"the document has no heading `#{anchor}`"
    except (OSError, ValueError):
        return "the path cannot be read"
    return None
