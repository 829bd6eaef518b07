"""The three jobs of the review worker: read documents, measure a section, write the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.review.markdown import documents, sections
from examples.review.measure import measure
from examples.review.report import report, write

Envelope = Mapping[str, Any]
Answer = dict[str, Any]


class JobFailed(Exception):
    """A job that cannot be done. `retryable`: whether trying again makes sense."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.retryable = code, message, retryable


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that the worker may read from and write to; relative paths count from the first."""

    roots: tuple[Path, ...]

    def find(self, given: object) -> Path:
        """The path that a task names. Raises JobFailed for one outside the folders."""
        if not isinstance(given, str) or not given or "\0" in given:
            raise JobFailed("path.missing", "the task names no path")
        path = (self.roots[0] / given).resolve()
        if not any(path.is_relative_to(root) for root in self.roots):
            raise JobFailed("path.outside", f"{given} is outside the folders that this worker was started with")
        return path


def do(envelope: Envelope, places: Places) -> Answer:
    """Do the job that a task asks for: the one its `parameters` name, or else the one its node is called after.

    Raises JobFailed.
    """
    parameters = envelope.get("parameters")
    named = parameters.get("job") if isinstance(parameters, Mapping) else None
    job = JOBS.get(str(named or envelope.get("node")))
    if job is None:
        raise JobFailed("job.unknown", f"this worker does {', '.join(JOBS)}, not {named or envelope.get('node')}")
    return job(envelope, places)


def read_job(envelope: Envelope, places: Places) -> Answer:
    """`input.folder` → the sections of all Markdown documents below it, and how many documents there are."""
    folder = places.find(_input(envelope).get("folder"))
    if not folder.is_dir():
        raise JobFailed("folder.missing", f"there is no folder {folder}")
    found = documents(folder)
    if not found:
        raise JobFailed("documents.none", f"there is no Markdown document in {folder}")
    return {
        "output": {
            "documents": len(found),
            "sections": [row for path in found for row in _sections(path, folder)],
        }
    }


def _sections(path: Path, folder: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise JobFailed("document.unreadable", f"{path}: {error.strerror}", retryable=True) from None
    doc = path.relative_to(folder).as_posix()
    return [
        {
            "doc": doc,
            "heading": section.heading,
            "level": section.level,
            "line": section.line,
            "text": section.text,
            "text_line": section.text_line,
            "previous_level": section.previous_level,
        }
        for section in sections(text)
    ]


def measure_job(envelope: Envelope, places: Places) -> Answer:
    """One section, the task's `item`, is measured. With the parameter `tally` the totals go to the state as well."""
    section = envelope.get("item")
    if not isinstance(section, Mapping) or not {"doc", "heading", "level", "line", "text"} <= section.keys():
        raise JobFailed("section.invalid", "the task's item is not a section: doc, heading, level, line, text")
    folder = places.find(_input(envelope).get("folder"))
    measured = measure(dict(section), folder)
    answer: Answer = {"output": measured.as_json()}
    if (envelope.get("parameters") or {}).get("tally"):
        answer["updates"] = {
            "measured": 1,
            "words": measured.words,
            "points": measured.score * measured.words,
            "lowest": measured.score,
            "findings": len(measured.findings),
        }
    return answer


def write_job(envelope: Envelope, places: Places) -> Answer:
    """The report on what the node `reads` is written to `input.path`; the output is that path."""
    path = places.find(_input(envelope).get("path"))
    review = envelope.get("state")
    if not isinstance(review, Mapping) or not isinstance(review.get("results"), Sequence):
        raise JobFailed("results.missing", "the task brings no `results`: add it to the node's `reads`")
    try:
        size = write(path, report(review))
    except OSError as error:
        raise JobFailed("report.unwritable", f"{path}: {error.strerror}", retryable=True) from None
    return {"output": {"path": str(path), "bytes": size}}


def _input(envelope: Envelope) -> Mapping[str, Any]:
    given = envelope.get("input")
    return given if isinstance(given, Mapping) else {}


JOBS: dict[str, Callable[[Envelope, Places], Answer]] = {
    "read": read_job,
    "measure": measure_job,
    "write": write_job,
}
