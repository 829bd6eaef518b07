"""The report: Markdown made from what was measured, written in one piece."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def report(review: Mapping[str, Any]) -> str:
    """The report on a review: the state keys `results, documents, score, mean, lowest, verdict, advice, contents,
    approval`, of which only `results` has to be there."""
    results = [row for row in review.get("results", ()) if "score" in row]
    failed = len(review.get("results", ())) - len(results)
    parts = [*_head(review, results, failed), *_summary(results), *_findings(results)]
    if review.get("contents"):
        parts += ["## Contents of the documents", "", str(review["contents"]).strip(), ""]
    return "\n".join(parts).rstrip() + "\n"


def _head(review: Mapping[str, Any], results: Sequence[Row], failed: int) -> Iterator[str]:
    yield "# Document review"
    yield ""
    if "verdict" in review:
        yield f"**Verdict: {review['verdict']}**, score {review.get('score')} of 10."
        yield ""
    if review.get("advice"):
        yield str(review["advice"])
        yield ""
    count = sum(row["words"] for row in results)
    names = {row["doc"] for row in results}
    yield f"Measured: {len(results)} sections with {count} words in {len(names)} documents."
    if failed:
        yield f"Sections that could not be measured: {failed}."
    if "mean" in review:
        yield f"Mean over all words: {review['mean']}. Weakest section: {review.get('lowest')}."
    note = (review.get("approval") or {}).get("note")
    if note:
        yield ""
        yield f"> {' '.join(str(note).split())}"
    yield ""


def _summary(results: Sequence[Row]) -> Iterator[str]:
    yield "## Summary"
    yield ""
    yield "| document | sections | words | mean sentence | findings | lowest score |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for doc, rows in by_document(results).items():
        spoken = sum(row["sentences"] for row in rows)
        mean = sum(row["mean_sentence"] * row["sentences"] for row in rows) / spoken if spoken else 0.0
        findings = sum(len(row["findings"]) for row in rows)
        lowest = min(row["score"] for row in rows)
        count = sum(row["words"] for row in rows)
        yield f"| {_cell(doc)} | {len(rows)} | {count} | {mean:.1f} | {findings} | {lowest:g} |"
    yield ""


def _findings(results: Sequence[Row]) -> Iterator[str]:
    yield "## Findings"
    yield ""
    found = False
    for doc, rows in by_document(results).items():
        lines = [
            f"- line {finding['line']}, {finding['kind']}: {finding['message']}"
            for row in rows
            for finding in row["findings"]
        ]
        if lines:
            found = True
            yield f"### {doc}"
            yield ""
            yield from lines
            yield ""
    if not found:
        yield "Nothing was found."
        yield ""


def by_document(results: Sequence[Row]) -> dict[str, list[Row]]:
    """The sections of each document, in their order."""
    found: dict[str, list[Row]] = {}
    for row in results:
        found.setdefault(row["doc"], []).append(row)
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def write(path: Path, text: str) -> int:
    """Write a file in one piece: readers see the old one or the new one. Returns its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = text.encode()
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(body)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return len(body)
