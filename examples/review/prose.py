"""What can be measured in a section's text: words, sentences, paragraphs, repeated words, leftovers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from examples.review.markdown import Line, lines_of, plain, without_code

LONG_SENTENCE, LONG_PARAGRAPH = 40, 150
"""More words than this in a sentence, or in a paragraph, are hard to read."""

_WORD = re.compile(r"[^\W_]+(?:['’.\-][^\W_]+)*")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_a-z])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|ca|approx|Dr|Mr|Mrs|Ms|Prof|No|Fig|Sec)|\b[A-Z])\.$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
_QUOTE = re.compile(r"^\s*(?:>\s?)+")
_RULE = re.compile(r"\s*\|?(?:\s*:?-+:?\s*\|)+\s*:?-*:?\s*|\s*(?:[-*_]\s*){3,}")
_LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|TBD|TK|HACK)\b|\b(lorem ipsum)\b|(\?\?\?+)", re.IGNORECASE)
_MEANT_TWICE = frozenset({"had", "that"})


@dataclass(frozen=True, slots=True)
class Block:
    """Words that belong together: a paragraph, a list item or a row of a table, from line `line` on."""

    line: int
    text: str
    table: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the number of words in it."""

    line: int
    text: str
    words: int


def blocks(text: str, first_line: int = 1) -> list[Block]:
    """The blocks of a section's text without code and markup; lines count from `first_line`."""
    found: list[Block] = []
    rows: list[str] = []
    begun = first_line
    for line in lines_of(text):
        content = "" if line.code else line.text
        quoted = _QUOTE.sub("", content, count=1)
        table = quoted.lstrip().startswith("|")
        if rows and (not quoted.strip() or table or _ITEM.match(quoted)):
            found.append(Block(begun, _joined(rows)))
            rows = []
        if table:
            found += _table_row(line, quoted, first_line)
        elif quoted.strip() and not _RULE.fullmatch(quoted):
            begun = begun if rows else line.number + first_line - 1
            rows.append(_ITEM.sub("", quoted, count=1) if not rows else quoted)
    if rows:
        found.append(Block(begun, _joined(rows)))
    return [block for block in found if block.text]


def _table_row(line: Line, row: str, first_line: int) -> Iterator[Block]:
    if not _RULE.fullmatch(row):
        cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
        yield Block(line.number + first_line - 1, " ".join(plain(cell) for cell in cells), True)


def _joined(rows: Iterable[str]) -> str:
    return plain(" ".join(row.strip() for row in rows))


def words(text: str) -> list[str]:
    """The words of a text; `don't`, `re-run` and `0.5` are one each."""
    return _WORD.findall(text)


def sentences(block: Block) -> Iterator[Sentence]:
    """The sentences of a block; one that ends without a full stop counts. A table's row has none."""
    if block.table:
        return
    begun = ""
    for part in _END.split(block.text):
        begun = f"{begun} {part}".strip()
        if _ABBREVIATION.search(begun):
            continue
        if count := len(words(begun)):
            yield Sentence(block.line, begun, count)
        begun = ""
    if count := len(words(begun)):
        yield Sentence(block.line, begun, count)


def repeated(block: Block) -> Iterator[str]:
    """Words that stand twice in a row by mistake: the same word with nothing but space between."""
    if block.table:
        return
    for found in re.finditer(r"\b([^\W\d_]{2,})\s+(?=(\1)\b)", block.text, re.IGNORECASE):
        if found[1].lower() not in _MEANT_TWICE and (found[1] == found[2] or found[1].lower() == found[2]):
            yield found[1]


def leftovers(text: str, first_line: int = 1) -> Iterator[tuple[int, str]]:
    """(line, word) of what was to be replaced before publishing: TODO and its like, outside code.

    Only capitals count for short marks, so that a word such as `hack` is no leftover.
    """
    for line in lines_of(text):
        if line.code:
            continue
        for found in _LEFTOVER.finditer(without_code(line.text)):
            if found[1] is None or found[1].isupper():
                yield line.number + first_line - 1, found[0]
