"""Reading what others wrote: values with their places, asked for by any of the names that they may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.nodes._common import pointer
from engine.values import dataclass
from reducers._errors import described


@dataclass(frozen=True, slots=True)
class Source:
    """A value of the source and its JSON Pointer. What is not there has the value None, and the place of its owner."""

    value: Any
    path: str = ""

    def get(self, *names: str) -> Source:
        """What stands under the first of these names that is there and not null."""
        if isinstance(self.value, dict):
            for name in names:
                if self.value.get(name) is not None:
                    return Source(self.value[name], f"{self.path}/{pointer(name)}")
        return Source(None, self.path)

    def given(self) -> bool:
        """Whether there is anything."""
        return self.value is not None

    def text(self, *names: str) -> str | None:
        """The text under one of these names, without the space around it; None where there is no text."""
        found = self.get(*names).value
        return found.strip() or None if isinstance(found, str) else None

    def name(self, *names: str) -> str | None:
        """As `text`; whole numbers are names too."""
        found = self.get(*names).value
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        return self.text(*names)

    def object(self, *names: str) -> dict[str, Any]:
        """The object under one of these names, or an empty one."""
        found = self.get(*names).value
        return found if isinstance(found, dict) else {}

    def items(self) -> Iterator[Source]:
        """The items of a list, each with its place."""
        for place, value in enumerate(self.value if isinstance(self.value, list) else ()):
            yield Source(value, f"{self.path}/{place}")

    def entries(self) -> Iterator[tuple[str, Source]]:
        """The entries of an object, each with its place."""
        for name, value in self.value.items() if isinstance(self.value, dict) else ():
            yield name, Source(value, f"{self.path}/{pointer(name)}")

    def names(self) -> list[str]:
        """The names in a value that is one, or a list of them."""
        several = self.value if isinstance(self.value, list) else [self.value]
        return [name for name in several if isinstance(name, str) and name]

    def number(self, *names: str) -> float | None:
        """The number under one of these names, also where it is written as text."""
        found = self.get(*names).value
        if isinstance(found, str):
            try:
                found = float(found)
            except ValueError:
                return None
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def described(self) -> str:
        """The value in a few words, for messages."""
        return described(self.value)

    def without(self, *names: str) -> dict[str, Any]:
        """The entries of an object but for these."""
        return {name: value for name, value in self.value.items() if name not in names} if self._is_object() else {}

    def _is_object(self) -> bool:
        return isinstance(self.value, dict)


def snake(name: str) -> str:
    """A name as it looks in snake case: `maxIterations` and `MaxIterations` are `max_iterations`."""
    made = (
        "_" + c.lower() if c.isupper() and place and not name[place - 1].isupper() else c.lower()
        for place, c in enumerate(name)
    )
    return "".join(made).replace("-", "_").replace("__", "_")


def in_snake(value: Any) -> Any:
    """An object with its own keys in snake case; of two that become one the first counts."""
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found.setdefault(snake(name), inner)
    return found
