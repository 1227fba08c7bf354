"""Amounts as people write them: `1.2MB`, `300M`."""

from __future__ import annotations

_PREFIXES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
_STEPS = 1000
"""Of a prefix: three digits after the point."""


def enough(amount: int, unit: str = "") -> str:
    """`amount` with a prefix, rounded up to three decimals: as a limit it suffices."""
    scale, prefix = next((each for each in _PREFIXES if amount >= each[0]), (1, ""))
    thousandths = -(-amount * _STEPS // scale)
    return f"{thousandths / _STEPS:.7g}{prefix}{unit}"
