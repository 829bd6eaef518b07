"""The lines of a file, read one after another: each is checked, and said in the values of a store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.codec import CodecError, loads
from engine.errors import Invalid
from engine.graph import Graph
from engine.model import TERMINAL, Commit, RunHead, RunId, RunStatus, TaskId, make_ref, run_key_of, seq_of
from engine.porting.fields import Unfit, check
from engine.porting.items import Begun, Brought, Committed, Ended, Item, Opened
from engine.porting.known import CODE, Known, require
from engine.porting.refs import Stray, renumbered
from engine.porting.rows import commit_of, dead_letter_of, head_of, interrupt_of, moved_head
from engine.porting.shapes import EVENTS, HEADER, LINES, USAGE
from engine.porting.writing import FORMAT, VERSION
from engine.ports import EventRow, InterruptFate, LetterFate, TimerRow
from engine.values import replace

MAX_LINE = 64 * 1024 * 1024
"""The longest line that is read, in bytes."""
EXTRA_DEPTH = 16
"""So much deeper than what people send may a line be, because that stands in it."""
MALFORMED = (TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError)
"""What comes of reading lists and objects that are not what they should be."""
AHEAD = ("interrupt", "dead_letter", "timer")
"""The lines that come between a run and its commits."""


GraphOf = Callable[[Any, str, int], Graph]
"""Makes the graph of a version's document. Raises Invalid."""


@dataclass(slots=True)
class Reading:
    """Reads one file. After each run that begins, `place` has to say which key it has in the store."""

    graph_of: GraphOf
    max_depth: int = 64
    line: int = 0
    expected: Collection[str] = ("format",)
    """The kinds of lines that may come next."""
    run_id: str = ""
    workflow_id: str = ""
    runs: int = 0
    first_version: int = 0
    graphs: dict[int, Graph] = field(default_factory=dict)
    begun: list[Begun] = field(default_factory=list)
    heads: list[RunHead] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    ahead: dict[tuple[str, Any], tuple[int, Any]] = field(default_factory=dict)
    """What lines said ahead of the commits that it belongs to, with their numbers."""
    events: int = 0
    last_event: int = 0
    status: str = ""
    """The run's status after the last commit or event."""
    _hash: Any = field(default_factory=hashlib.sha256)

    def take(self, text: bytes) -> Item | None:
        """What the next line says; None where it is told with a later one. Raises CodecError or Invalid, which name the
        line."""
        self.line += 1
        if len(text) > MAX_LINE:
            raise self.invalid(f"the line is longer than {MAX_LINE} bytes", "import.line")
        try:
            value = loads(text, max_depth=self.max_depth + EXTRA_DEPTH)
        except CodecError as error:
            raise CodecError(error.code, f"line {self.line}: {error.message}") from None
        try:
            return self._item(value, text)
        except Unfit as unfit:
            raise self.invalid(unfit.why, unfit.code, unfit.path) from None
        except Stray as stray:
            raise self.invalid(str(stray), CODE) from None

    @property
    def is_last(self) -> bool:
        """Whether the run that has begun is the one that the file is about."""
        return self.begun[-1].last

    def close(self) -> None:
        """Nothing more comes. Raises Invalid where something should."""
        if self.expected:
            self.line += 1
            raise self.invalid(f"the file is not whole: {self._wanted()} is expected here", "import.truncated")

    def invalid(self, why: str, code: str, path: str = "", line: int | None = None) -> Invalid:
        """What is wrong with a line, the last one where none is named."""
        number = self.line if line is None else line
        fault = {"line": number, "path": path, "message": why, "code": code}
        return Invalid(f"line {number}: {f'{path}: ' if path else ''}{why}", code, [fault], line=number)

    def _wanted(self) -> str:
        return " or ".join(f"'{name}'" for name in self.expected) or "nothing more"

    def _item(self, value: Any, text: bytes) -> Item | None:
        kind, inner = _kind_of(value)
        if kind not in self.expected:
            raise Unfit(f"'{kind}' is out of order: {self._wanted()} is expected here", "", "import.order")
        if kind != "end":
            self._hash.update(text)
        handlers: Mapping[str, Callable[[Any], Item | None]] = {
            "format": self._format, "workflow": self._workflow, "ancestor": self._begin, "run": self._run,
            "interrupt": self._interrupt, "dead_letter": self._dead_letter, "timer": self._timer,
            "commit": self._commit, "event": self._event, "end": self._end,
        }  # fmt: skip
        return handlers[kind](inner)

    # ---- what the file is about

    def _format(self, value: Any) -> Opened:
        if value.get("format") != FORMAT or value.get("version") != VERSION:
            said = f"{value.get('format')!r}, version {value.get('version')!r}"[:120]
            raise Unfit(f"the file is {said}; this server reads {FORMAT!r}, version {VERSION}", "", "import.format")
        check(value, HEADER, "")
        self.run_id, self.workflow_id = value["run_id"], value["workflow_id"]
        self.runs, self.first_version = value["runs"], value["first_version"]
        self.expected = ("workflow",)
        return Opened(RunId(self.run_id), self.workflow_id)

    def _workflow(self, value: Any) -> Brought:
        version, document, workflow_id = value["version"], value["document"], self.workflow_id
        require(version > max(self.graphs, default=0), "versions come in ascending order", "/workflow/version")
        require(document.get("id", workflow_id) == workflow_id, "it is of another workflow", "/workflow/document/id")
        try:
            self.graphs[version] = self.graph_of(document, workflow_id, version)
        except Invalid as invalid:
            raise Unfit(invalid.message, "/workflow/document", invalid.reason) from None
        self.expected = ("workflow", self._next_part())
        return Brought(version, document)

    def _next_part(self) -> str:
        return "run" if len(self.begun) == self.runs - 1 else "ancestor"

    # ---- runs

    def _begin(self, value: Any) -> Begun:
        above = self.begun[-1] if self.begun else None
        parent, number = value["parent"], len(self.begun)
        if above is None:
            require(parent is None, "the first run of a file was forked from none", "/parent")
            require(self.first_version in self.graphs, "the file has no such version", "/first_version")
        else:
            there = parent is not None and run_key_of(parent) == number and 1 <= seq_of(parent) <= above.commits
            require(there, "a run is forked from a commit of the one before it", "/parent")
        require(all(value["id"] != other.head.id for other in self.begun), "the run comes twice", "/id")
        head = head_of(value, self.workflow_id, None if above is None else above.head)
        origin = value["id"] if above is None or head.seat is not None else above.head.origin_id
        require(value["origin_id"] == origin, "it is of another origin", "/origin_id")
        found = Begun(head, None if parent is None else seq_of(parent), value["commits"], number == self.runs - 1)
        self.begun.append(found)
        self.expected = ("commit",)
        return found

    def _run(self, value: Any) -> Begun:
        require(value["id"] == self.run_id, "the first line names another run", "/run/id")
        status = RunStatus(value["status"])
        require((value["finished_at"] is None) == (status not in TERMINAL), "has it ended?", "/run/finished_at")
        found = self._begin(value)
        found = self.begun[-1] = replace(found, head=moved_head(found.head, value))
        self.expected, self.events = (*AHEAD, "commit"), value["events"]
        return found

    def place(self, key: int) -> RunHead:
        """The row of the run that has just begun, which has this key in the store."""
        found, above = self.begun[-1], self.known[-1] if self.known else None
        parent = None if above is None or found.parent is None else make_ref(above.key, found.parent)
        version = self.first_version if above is None or parent is None else above.version_at(seq_of(parent))
        head = replace(found.head, key=key, head=make_ref(key, found.commits), parent=parent)
        runs = {known.key: known for known in self.known}
        continues = head.continues
        self.known.append(
            Known(key=key, parent=parent, continues=continues, above=runs, graphs=self.graphs, version=version)
        )
        self.heads.append(head)
        return head

    # ---- what is said ahead of commits

    def _interrupt(self, value: Any) -> None:
        self._note("interrupt", value["id"], InterruptFate(**value))

    def _dead_letter(self, value: Any) -> None:
        self.expected = (*AHEAD[1:], "commit")
        self._note("dead_letter", value["seq"], LetterFate(**value))

    def _timer(self, value: Any) -> TimerRow:
        self.expected = ("timer", "commit")
        self._note("timer", (value["task_id"], value["kind"]), None)
        return TimerRow(run_key=self.heads[-1].key, **value)

    def _note(self, kind: str, name: Any, fate: Any) -> None:
        require((kind, name) not in self.ahead, "it comes twice", f"/{kind}")
        self.ahead[kind, name] = self.line, fate

    def _fate(self, kind: str, name: Any) -> Any:
        return self.ahead.pop((kind, name), (0, None))[1]

    # ---- commits and events

    def _commit(self, value: Any) -> Committed:
        head, known, part = self.heads[-1], self.known[-1], self.begun[-1]
        keys = {number: other.key for number, other in enumerate(self.known, 1)}
        try:
            row, commit = commit_of(value, known.key, renumbered(keys))
            known.take(row, commit)
        except (Unfit, Stray):
            raise
        except MALFORMED:
            raise Unfit("this is no commit's body, or no snapshot", "/commit") from None
        self.status, self.expected = row.status, ("commit",)
        found = Committed(row, *self._outcomes(head, commit))
        if known.count == part.commits:
            self._complete(head, known, part)
        return found

    def _outcomes(self, head: RunHead, commit: Commit) -> tuple[Any, Any]:
        fate = None if commit.interrupt is None else self._fate("interrupt", commit.interrupt.id)
        letter = self._fate("dead_letter", commit.seq) if commit.task and commit.error else None
        return (
            None if fate is None else interrupt_of(head, commit, fate),
            None if letter is None else dead_letter_of(head, commit, letter),
        )

    def _complete(self, head: RunHead, known: Known, part: Begun) -> None:
        """All commits of a run were read: what was said of it, and ahead of them, has to fit."""
        require(known.version == head.workflow_version, "its last commit is of another version of the workflow")
        if not part.last:
            self.expected = (self._next_part(),)
            return
        require(known.branch == head.branch, "its last commit is on another branch than the run")
        require(known.epoch <= head.epoch, "its epoch is newer than that of the run")
        for (kind, name), (line, _) in self.ahead.items():
            if kind != "timer" or not known.is_waited_for(name[0], head.id):
                raise self.invalid(f"no commit of the run knows this {kind}", CODE, f"/{kind}", line)
        self.expected = ("event", "end")

    def _event(self, value: Any) -> EventRow:
        kind, body, count = value["kind"], value["body"], self.known[-1].count
        require(self.last_event < value["n"] <= self.events, "events are numbered in ascending order", "/event/n")
        require(value["seq"] <= count, "it follows no commit of the run", "/event/seq")
        fields = EVENTS.get(kind, {})
        check({name: body[name] for name in fields if name in body}, fields, "/event/body")
        if "usage" in fields and "usage" in body:
            check(body["usage"], USAGE, "/event/body/usage")
        if kind == "run" and value["seq"] == count:
            self.status = body["status"]
        self.last_event = value["n"]
        task_id = None if value["task_id"] is None else TaskId(value["task_id"])
        return EventRow(run_key=self.heads[-1].key, **{**value, "task_id": task_id})

    def _end(self, value: Any) -> Ended:
        require(self.last_event == self.events, f"{self.events} events are expected", "/end")
        require(self.status == self.heads[-1].status, f"its last commit leaves the run {self.status}", "/end")
        if (value["lines"], value["sha256"]) != (self.line - 1, self._hash.hexdigest()):
            raise Unfit("what came before is not what was written: it was changed or damaged", "/end", "import.damaged")
        self.expected = ()
        return Ended()


def _kind_of(value: Any) -> tuple[str, Any]:
    """What a line is of, and what it says. Raises Unfit."""
    if isinstance(value, dict) and "format" in value:
        return "format", value
    if not isinstance(value, dict) or len(value) != 1:
        raise Unfit("an object with one key is expected, which says what the line is of")
    ((kind, inner),) = value.items()
    if kind not in LINES:
        raise Unfit(f"'{kind[:80]}' is no line of this format")
    return kind, check(inner, LINES[kind], f"/{kind}")
