"""Values: dataclasses that nothing changes, at the price of those that may be changed.

A frozen dataclass sets each field by a call of `object.__setattr__` when it is made: three times the price, and a step
makes dozens. What is frozen here is frozen for the type checker, which finds every assignment in the whole program;
while it runs it is a plain class with the hash of a frozen one (ADR 14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, replace
else:
    import dataclasses
    from functools import cache

    def dataclass(cls=None, /, *, frozen=False, eq=True, **options):
        """As `dataclasses.dataclass`; `frozen` is left to the type checker."""
        return dataclasses.dataclass(cls, eq=eq, unsafe_hash=frozen and eq, **options)

    def replace(value, /, **changes):
        """As `dataclasses.replace`, of a class with slots that does nothing but take its fields when it is made."""
        made = _copier(type(value))(value)
        for name, found in changes.items():
            setattr(made, name, found)
        return made

    @cache
    def _copier(cls):
        """What copies a value of this class, field by field. Raises TypeError where that would not be all of it."""
        fields = dataclasses.fields(cls)
        if hasattr(cls, "__post_init__") or cls.__dictoffset__ or not all(field.init for field in fields):
            raise TypeError(f"a {cls.__name__} is more than its fields: make it anew")
        lines = "".join(f"    made.{field.name} = value.{field.name}\n" for field in fields)
        space = {"new": cls.__new__, "cls": cls}
        exec(f"def copied(value):\n    made = new(cls)\n{lines}    return made\n", space)
        return space["copied"]


__all__ = ["dataclass", "replace"]
