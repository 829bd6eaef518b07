"""Snapshots as they are stored: the state at a cut, with small values whole and the others by who wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import orjson

from engine.codec import read, write
from engine.model import Arrival, Folded, Json, Ref, Updates, Wave, make_ref
from engine.ports import CommitRow
from engine.record import arrival_parts, long_ref, read_arrival, read_wave, short_ref, wave_parts
from engine.sources import SMALL, UNKNOWN, Kept, Source, Span
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a run at a commit that everything active descends from.

    `values` are those that stand in it whole; `sources` say where the others come from, and how large values are that
    are not small. `shown` holds the keys whose shown value differs from the causal one; None where none can differ from
    here on. `ends` are the commits that nothing follows from, where there are others than this one, `deferred` what
    earlier commits sent to deferred nodes, and `absorbed` the waves that take no more.
    """

    ref: Ref
    values: Mapping[str, Json]
    sources: Mapping[str, Source]
    size: int = 0
    """What is known of the sizes of values that have no source."""
    shown: Mapping[str, Json] | None = None
    max_level: int = 0
    ends: tuple[Folded, ...] = ()
    deferred: tuple[Arrival, ...] = ()
    absorbed: tuple[Wave, ...] = ()

    def named(self) -> Iterator[tuple[str, Source]]:
        """The keys that do not stand in it whole."""
        return ((name, source) for name, source in self.sources.items() if name not in self.values)

    def refers_to(self, stages: Mapping[str, Stage]) -> tuple[set[Ref], set[Ref]]:
        """The commits whose snapshots have values that are only named in this one, and those that wrote since then;
        what is known of a value already is not needed."""
        bases, writers = set[Ref](), set[Ref]()
        for name, source in self.named():
            stage = stages.get(name)
            if stage is None and source.base is not None:
                bases.add(source.base)
            writers.update(source.refs(0 if stage is None else stage.length))
        return bases, writers

    def source(self, name: str) -> Source:
        """Where the value of a key comes from, for the next snapshot."""
        found = self.sources.get(name)
        return Source(self.ref, size=self.size) if found is None else found.copy()


@dataclass(frozen=True, slots=True)
class Stage:
    """What a value was after some of its commits. `source` is of these commits alone, and `length` is their number."""

    source: Source
    length: int
    value: Any


@dataclass(frozen=True, slots=True)
class Referred:
    """What snapshots refer to: other snapshots, and what commits wrote; and how far values are known without both."""

    snapshots: Mapping[Ref, Snapshot] = field(default_factory=dict)
    writes: Mapping[Ref, Updates] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)

    def start(self, source: Source, name: str, absent: Any) -> Any:
        """The value that the updates of a source are folded onto."""
        if (stage := self.stages.get(name)) is not None:
            return stage.value
        return absent if source.base is None else self.snapshots[source.base].values[name]

    def updates(self, source: Source, name: str) -> Iterator[Any]:
        """The updates of a source that are folded onto its start, in their order."""
        stage = self.stages.get(name)
        refs = source.refs(0 if stage is None else stage.length)
        return (update for ref in refs for written, update in self.writes[ref] if written == name)


def write_snapshot(
    ref: Ref,
    key: int,
    kept: Kept,
    *,
    max_level: int,
    shown: Mapping[str, Any] | None = None,
    ends: Sequence[Folded] = (),
    deferred: Iterable[Arrival] = (),
    absorbed: Iterable[Wave] = (),
) -> bytes:
    """A snapshot of the run with a key, at a commit."""
    sources = ((name, one) for name, one in kept.sources.items() if one.base != ref or one.size > SMALL)
    body: dict[str, Any] = {
        "values": {name: orjson.Fragment(text) for name, text in kept.whole.items()},
        "sources": {name: _source(source, key) for name, source in sources},
        "level": max_level,
    }
    if shown is not None:
        body["shown"] = shown
    if len(ends) > 1:
        body["ends"] = [[short_ref(end.ref, key), end.task_id, end.fleeting] for end in ends]
    if late := [arrival_parts(arrival, key) for arrival in deferred]:
        body["deferred"] = late
    if closed := sorted(wave_parts(wave) for wave in absorbed):
        body["absorbed"] = closed
    return write(body)


def read_snapshot(row: CommitRow) -> Snapshot:
    """The snapshot of a row that has one. Older ones have `refs`: the commits that wrote a list, and no sizes."""
    assert row.snapshot is not None
    body, key = read(row.snapshot), row.run_key
    sources = {name: _read_source(parts, key) for name, parts in body.get("sources", {}).items()}
    for name, refs in body.get("refs", {}).items():
        sources[name] = Source(size=UNKNOWN)
        for number in refs:
            sources[name].add(long_ref(number, key))
    return Snapshot(
        ref=make_ref(key, row.seq),
        values=body["values"],
        sources=sources,
        size=0 if "sources" in body else UNKNOWN,
        shown=body.get("shown"),
        max_level=body["level"],
        ends=tuple(
            Folded(long_ref(ref, key), task_id, tuple((name, update) for name, update in writes))
            for ref, task_id, writes in body.get("ends", ())
        ),
        deferred=tuple(read_arrival(parts, key) for parts in body.get("deferred", ())),
        absorbed=tuple(map(read_wave, body.get("absorbed", ()))),
    )


def _source(source: Source, key: int) -> list[Any]:
    base = 0 if source.base is None else short_ref(source.base, key)
    return [base, source.size, source.heft, *(_span(span, key) for span in source.spans)]


def _read_source(parts: list[Any], key: int) -> Source:
    base, size, heft, *spans = parts
    return Source(long_ref(base, key) if base else None, [_read_span(span, key) for span in spans], size, heft)


def _span(span: Span, key: int) -> int | list[int]:
    first = short_ref(span.first, key)
    return first if span.length == 1 else [first, span.length, span.step]


def _read_span(parts: int | list[int], key: int) -> Span:
    if isinstance(parts, int):
        return Span(long_ref(parts, key))
    first, length, step = parts
    return Span(long_ref(first, key), length, step)
