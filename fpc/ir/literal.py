"""Words, numbers and lists of IR text turned into Python values."""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Literal: TypeAlias = str | tuple[str, ...]
"""A value as written: one word or number, or a bracketed list of them."""

_INTEGER = re.compile(r"-?[0-9]{1,19}")


class LiteralError(Exception):
    """A literal does not stand for a value of the wanted kind; `help` says what would."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


def read_integer(literal: str) -> int | None:
    """The integer that `literal` spells in up to 19 digits, or None."""
    return int(literal) if _INTEGER.fullmatch(literal) else None


def read_float(literal: str) -> float | None:
    """The number that `literal` spells, infinities and not-a-number included, or None."""
    try:
        number = float(literal)
    except ValueError:
        return None
    overflowed = math.isinf(number) and "inf" not in literal
    return None if overflowed else number
