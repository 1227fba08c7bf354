"""Quantities with units, as options take them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fpc.diagnostics.errors import UsageError

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([^\d\s.]*)", re.ASCII)


@dataclass(frozen=True)
class Quantity:
    """What an option takes: `what` it is, and what each of its units is worth, in any case."""

    option: str
    what: str
    units: Mapping[str, float]
    example: str

    def parse(self, text: str) -> float:
        """A positive amount; `UsageError`, its code the option's name, for anything else."""
        found = _NUMBER.fullmatch(text.strip())
        worth = {unit.lower(): worth for unit, worth in self.units.items()}
        amount = float(found[1]) * worth.get(found[2].lower(), 0.0) if found else 0.0
        if amount <= 0.0:
            *others, last = (unit for unit in self.units if unit and unit.isascii())
            raise UsageError(
                self.option.removeprefix("--"),
                f"`{text}` is no {self.what}",
                help=f"give a positive number and its unit, {', '.join(others)} or {last}: "
                f"{self.option} {self.example}",
            )
        return amount
