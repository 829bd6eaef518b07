"""What happens in a run, in lines: the events of its streams, and what workers reported."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from api.cli._shown import WIDTH, Shape, error_text, mark_of, short, status_of

PROGRESS, DATA, LOG = "progress ", "data ", "log: "
WHOLE = (PROGRESS, DATA, LOG)
"""What stands before words that do not go on in the next report, as tokens do."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that would do something to a terminal."""


def event_lines(name: str, data: Shape) -> list[str]:
    """An event of a stream in one line; of what a worker reported one for each thing that it said."""
    head = f"{(data.get('at') or '')[11:23]:<12}  {name:<10} "
    if name == "task":
        return [head + _task_event(data)]
    if name == "custom":
        head = f"{head}{_place(data)}{_again(data)} "
        words = [f"{label}{text}" for label, text in report_words(data, WIDTH)]
        return [head + _beneath(told, len(head)) for told in words] or [head.rstrip()]
    return [head + short({key: data[key] for key in data if _is_told(key, data[key])})]


def log_lines(log: Iterable[Shape]) -> list[str]:
    """What workers reported of a task. Tokens that came one after the other are one text."""
    found: list[tuple[str, str, str]] = []
    for report in log:
        for label, text in report_words(report, sys.maxsize):
            head = f"{_again(report)} {label}"
            if found and found[-1][1] == head and label not in WHOLE:
                found[-1] = (found[-1][0], head, found[-1][2] + text)
            else:
                found.append((report["at"][11:19], head, text))
    return [f"{at}{_beneath(head + text, len(at) + 3)}" for at, head, text in found]


def report_words(report: Shape, width: int) -> Iterator[tuple[str, str]]:
    """What a worker reported: how far it is and each piece of text, after what it is. Chunks that came with an
    answer may have any form."""
    share = f"{report['progress'] * 100:.3g} %" if report["progress"] is not None else ""
    said = ": ".join(report[name] for name in ("stage", "message") if report[name])
    more = short(report["data"], width) if report["data"] is not None else ""
    if share or said:
        yield PROGRESS, " ".join(part for part in (share, said, more) if part)
    elif more:
        yield DATA, more
    chunks = report["chunks"] or ()
    for chunk in chunks if isinstance(chunks, list | tuple) else (chunks,):
        known = chunk if isinstance(chunk, dict) else {}
        yield f"{_text(known.get('channel', 'text'), width)}: ", _text(known.get("text", chunk), width)


def _text(said: Any, width: int) -> str:
    return said if isinstance(said, str) else short(said, width)


def _beneath(text: str, margin: int) -> str:
    """A text whose further lines stand below its first, with nothing in it that a terminal would obey."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    plain = (_CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), line) for line in lines)
    return f"\n{' ' * margin}".join(plain)


def _is_told(key: str, value: Any) -> bool:
    return key not in {"run_id", "at", "seq", "ns"} and value is not None


def _place(data: Shape) -> str:
    return f"{data['node'] or ''}{'' if data['index'] is None else '[{}]'.format(data['index'])}"


def _again(data: Shape) -> str:
    return f" attempt {data['attempt']}" if (data.get("attempt") or 1) > 1 else ""


def _task_event(data: Shape) -> str:
    by = f" at {data['worker']}" if data.get("worker") else ""
    attempt = f", attempt {data['attempt']}" if data["attempt"] and data["attempt"] > 1 else ""
    why = f" ({data['reason']})" if data.get("reason") else ""
    why = f": {error_text(data['error'])}" if data.get("error") else why
    return f"{_place(data)} {status_of(data)}{mark_of(data)}{by}{attempt}{why}"
