"""Calls in Python's syntax, broken into lines as the common formatters break them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

COLUMNS = 88
"""How long a line may be: the formatters' default."""
_INDENT = 4

Argument: TypeAlias = "int | bool | str | Call"
"""Text stands as it is."""


@dataclass(frozen=True)
class Call:
    """A call of `name`."""

    name: str
    arguments: tuple[Argument, ...] = ()
    named: Mapping[str, Argument] = field(default_factory=dict[str, "Argument"])

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self._texts)})"

    def lines(self, indent: int, before: str = "", after: str = "") -> list[str]:
        """The lines of `before`, the call and `after`, `indent` columns from the left.

        All in one line where that fits, else the arguments in one line of their own, else each in
        its own.
        """
        margin = " " * indent
        whole = f"{margin}{before}{self}{after}"
        if len(whole) <= COLUMNS:
            return [whole]
        inside = f"{margin}{' ' * _INDENT}{', '.join(self._texts)}"
        if len(inside) > COLUMNS:
            inside = "\n".join(self._separate(indent + _INDENT))
        return [f"{margin}{before}{self.name}(", *inside.splitlines(), f"{margin}){after}"]

    @property
    def _texts(self) -> list[str]:
        return [*map(str, self.arguments), *(f"{name}={it}" for name, it in self.named.items())]

    def _separate(self, indent: int) -> list[str]:
        every = [*(("", it) for it in self.arguments)]
        every += [(f"{name}=", it) for name, it in self.named.items()]
        comma = "," if len(every) > 1 else ""
        lines: list[str] = []
        for before, argument in every:
            if isinstance(argument, Call):
                lines += argument.lines(indent, before, comma)
            else:
                lines.append(f"{' ' * indent}{before}{argument}{comma}")
        return lines
