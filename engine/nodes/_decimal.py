"""Numbers as text, in the form in which people write them."""

from __future__ import annotations

from decimal import Decimal

LEAST, MOST = 1e-6, 1e21
"""Numbers in between are written without an exponent."""


def shortest(number: float) -> str:
    """The shortest text that is this number and no other, in the form of RFC 8785, 3.2.2.3 (that of ECMAScript)."""
    if number == 0:
        return "0"
    exact = Decimal(repr(number)).normalize()
    if LEAST <= abs(number) < MOST:
        return format(exact, "f")
    digits, exponent = f"{exact:e}".split("e")
    return f"{digits}e{int(exponent):+d}"
