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
    from operator import attrgetter

    def dataclass(cls=None, /, *, frozen=False, eq=True, **options):
        """As `dataclasses.dataclass`; `frozen` is left to the type checker."""
        return dataclasses.dataclass(cls, eq=eq, unsafe_hash=frozen and eq, **options)

    def replace(value, /, **changes):
        """As `dataclasses.replace`, without looking at the fields one by one."""
        names, read = _fields(cls := type(value))
        return cls(**(dict(zip(names, read(value), strict=True)) | changes))

    @cache
    def _fields(cls):
        names = tuple(field.name for field in dataclasses.fields(cls) if field.init)
        return names, attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)


__all__ = ["dataclass", "replace"]
