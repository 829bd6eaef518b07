"""Where the values of a run's state come from: which commits made them, and where they stand whole.

A snapshot that repeated every value would outweigh the commits between two of them. So it names, key by key, the row
whose snapshot has the value whole and the commits that have written it since. When these weigh more than the value
does, the next snapshot has it whole again: a value is read in time linear in its size, whatever became of it before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, cast

from engine.codec import write
from engine.graph import StateKey
from engine.model import Ref, Updates, run_key_of
from engine.values import replace
from reducers._numbers import NUMBERS
from reducers._overwrite import is_overwrite

SMALL = 256
"""A value of at most so many bytes stands in every snapshot."""
OUTGROWN = 3
"""A value stands whole again when what was written to it since weighs so many times what it weighs."""
UNKNOWN = -1


class Span(NamedTuple):
    """Refs at equal distances, as those that a loop makes are."""

    first: Ref
    length: int = 1
    step: int = 0

    @property
    def last(self) -> Ref:
        return Ref(self.first + (self.length - 1) * self.step)

    def refs(self) -> Iterable[Ref]:
        return cast(Iterable[Ref], range(self.first, self.last + 1, self.step)) if self.step else (self.first,)

    def grown(self, ref: Ref) -> Span | None:
        """The span with one ref more, which comes after its last; None where the distance is another one."""
        step = ref - self.last
        if step <= 0 or run_key_of(ref) != run_key_of(self.first) or (self.length > 1 and step != self.step):
            return None
        return Span(self.first, self.length + 1, step)


@dataclass(slots=True)
class Source:
    """What a value is made of: the row whose snapshot has it whole (None: it begins with the key's default), and the
    commits since then whose updates are folded in this order. `heft` is about how many bytes they wrote, `size` how
    many the value had when it was measured last."""

    base: Ref | None = None
    spans: list[Span] = field(default_factory=list)
    size: int = 0
    heft: int = 0

    def copy(self) -> Source:
        return replace(self, spans=list(self.spans))

    def refs(self, first: int = 0) -> Iterator[Ref]:
        """The commits, from this place on."""
        for span in self.spans:
            if first < span.length:
                yield from islice(span.refs(), first, None)
            first = max(first - span.length, 0)

    @property
    def length(self) -> int:
        """How many commits there are."""
        return sum(span.length for span in self.spans)

    def begins_with(self, other: Source) -> bool:
        """Whether the value of another source becomes this one's by what the rest of the commits wrote."""
        if self.base != other.base or not other.spans:
            return self.base == other.base
        *whole, last = other.spans
        if len(whole) >= len(self.spans) or self.spans[: len(whole)] != whole:
            return False
        same = self.spans[len(whole)]
        return same.first == last.first and same.length >= last.length and (last.length == 1 or same.step == last.step)

    def add(self, ref: Ref) -> None:
        """One more commit; what it writes several times counts once."""
        last = self.spans[-1] if self.spans else None
        if last is not None and last.last == ref:
            return
        if last is not None and (grown := last.grown(ref)) is not None:
            self.spans[-1] = grown
        else:
            self.spans.append(Span(ref))

    def clear(self) -> None:
        """Nothing of what was written so far is left."""
        self.base, self.spans, self.size, self.heft = None, [], 0, 0


class Sources:
    """The sources of the keys of a run, as of its last cut. Those that hold numbers are not followed, as they are
    small; `lost` are the keys whose values are not what single commits made."""

    __slots__ = ("kept", "keys", "lost")

    def __init__(self, keys: Mapping[str, StateKey], kept: dict[str, Source] | None = None) -> None:
        self.keys, self.kept, self.lost = keys, kept if kept is not None else {}, set[str]()

    def copy(self) -> Sources:
        """The same, to be followed apart from these."""
        found = Sources(self.keys, {name: source.copy() for name, source in self.kept.items()})
        found.lost = set(self.lost)
        return found

    def follows(self, name: str) -> bool:
        """Whether it is noted who wrote a key."""
        key = self.keys.get(name)
        return key is not None and name not in self.lost and key.reducer.types != NUMBERS

    def of(self, name: str) -> Source:
        found = self.kept.get(name)
        if found is None:
            found = self.kept[name] = Source()
        return found

    def lose(self, name: str) -> None:
        """A value was made of commits that can no longer be told."""
        if self.follows(name):
            self.kept.pop(name, None)
            self.lost.add(name)

    def trace(self, name: str, writes: Iterable[tuple[Ref, Any]]) -> None:
        """Note the next writes of a key, in the order in which they are folded."""
        if not self.follows(name):
            return
        found, replaces = self.of(name), self.keys[name].reducer.replaces
        for ref, update in writes:
            if replaces or is_overwrite(update):
                found.clear()
            found.add(ref)

    def weigh(self, writes: Updates, size: int) -> None:
        """Note what a commit wrote that has so many bytes."""
        for name, _ in writes:
            if self.follows(name):
                self.of(name).heft += size // len(writes)

    def keep(self, kept: Kept) -> None:
        """A snapshot is stored: what stands in it whole is to be found there."""
        self.kept, self.lost = kept.sources, set()

    def adopt(self, keys: Mapping[str, StateKey], names: frozenset[str]) -> None:
        """Go on with other keys; only these stay as they were, all others begin anew."""
        self.keys, self.lost = keys, self.lost & names
        self.kept = {name: source for name, source in self.kept.items() if name in names}


@dataclass(slots=True)
class Kept:
    """How a snapshot keeps a state: the values that stand in it whole, and where all of them are to be found once it is
    stored. `paid` bytes of the values are outweighed by what was written to them."""

    whole: dict[str, bytes] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    paid: int = 0


def kept_at(ref: Ref, sources: Sources, state: Mapping[str, Any]) -> Kept:
    """How a snapshot at a commit keeps the state after it."""
    found = Kept()
    for name, value in state.items():
        source = sources.kept.get(name)
        if source is None and sources.follows(name):
            continue  # nobody wrote it: it is what the key begins with
        text = None if source is not None and not _measured(source) else write(value)
        if text is not None and source is not None:
            source.size = len(text)
        if text is None or (source is not None and len(text) > SMALL and source.heft < OUTGROWN * len(text)):
            assert source is not None
            found.sources[name] = source
            continue
        found.whole[name] = text
        if source is not None or name in sources.lost:
            found.sources[name] = Source(base=ref, size=len(text))
        if source is not None and len(text) > SMALL:
            found.paid += len(text)
    return found


def _measured(source: Source) -> bool:
    """Whether it is time to see how large a value is."""
    return source.size + source.heft <= SMALL or source.heft > OUTGROWN * source.size
