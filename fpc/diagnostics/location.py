"""Where in the user's model a piece of IR comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Location:
    """The source nodes one IR node stands for.

    Importing a node gives a location with one name; fusing nodes merges their locations, so that a
    diagnostic about a fused kernel can still name every node the user wrote.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, *names: str) -> Self:
        """A location naming `names`, empty names and repetitions left out."""
        return cls(tuple(dict.fromkeys(name for name in names if name)))

    def merge(self, *others: Location) -> Location:
        """This location's names followed by the others', each once."""
        names = dict.fromkeys(self.names)
        for other in others:
            names.update(dict.fromkeys(other.names))
        return Location(tuple(names))

    def __bool__(self) -> bool:
        return bool(self.names)

    def __str__(self) -> str:
        return " + ".join(self.names) if self.names else "<generated>"


UNKNOWN = Location()
