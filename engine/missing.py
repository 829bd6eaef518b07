"""The value that stands for "there is none", where null is a value."""

from __future__ import annotations

from typing import Final, Literal, final


@final
class Missing:
    """The type of MISSING, of which there is one; it is false."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"

    def __copy__(self) -> Missing:
        return self

    def __deepcopy__(self, memo: object) -> Missing:
        return self

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
