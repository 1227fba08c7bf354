"""Look-up tables: measured latencies of parts of networks, added up."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fpc.diagnostics.errors import CostModelError
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Op

_NORMAL_90 = 1.645
"""Half the 90 % interval of a normal distribution, in standard deviations."""
_NEAREST = 3


class Part(Hashable, Protocol):
    """What a table has a figure for; its text says what it is."""

    @property
    def kind(self) -> str:
        """Parts of other kinds do the same to nothing."""
        ...

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its sizes and flags, as many for every part of a kind."""
        ...


PartT = TypeVar("PartT", bound=Part)


@dataclass(frozen=True)
class Entry:
    """A measured latency in milliseconds, its standard deviation None where nobody says it."""

    latency_ms: float
    deviation_ms: float | None = None


@dataclass(frozen=True)
class Piece(Generic[PartT]):
    """Nodes of a graph that make up one part."""

    part: PartT
    nodes: tuple[Node[Op], ...]

    @property
    def name(self) -> str:
        """What the user calls its last node."""
        last = self.nodes[-1]
        return (*last.location.names, last.outputs[0].name)[0]


@dataclass(frozen=True)
class PieceLatency:
    """A piece's share: what the user calls it, what it is, and how long it takes."""

    name: str
    kind: str
    latency_ms: float


@dataclass(frozen=True)
class TableLatency:
    """A network's latency and that of its pieces, in their order."""

    latency_ms: float
    interval_ms: tuple[float, float] | None
    """90 %; None where the table does not say how its figures scatter."""
    pieces: tuple[PieceLatency, ...]


@dataclass(frozen=True)
class LatencyTable(Generic[PartT]):
    """Latencies of parts of networks, measured under one condition.

    `split` cuts an optimised graph into the parts that such tables speak of.
    """

    source: str
    condition: str
    entries: Mapping[PartT, Entry]
    split: Callable[[Graph], Sequence[Piece[PartT]]]
    notes: tuple[str, ...] = ()

    def predict(self, graph: Graph) -> TableLatency:
        """The sum over the parts of `graph`.

        What disturbs one part of a run disturbs the others too, so deviations add up rather than
        cancel. `CostModelError` (`cost.not-in-table`) for a part that has no entry.
        """
        pieces = self.split(graph)
        found = [self._entry(piece) for piece in pieces]
        total = sum(entry.latency_ms for entry in found)
        deviations = [entry.deviation_ms for entry in found if entry.deviation_ms is not None]
        half = _NORMAL_90 * sum(deviations)
        return TableLatency(
            latency_ms=total,
            interval_ms=(max(0.0, total - half), total + half)
            if len(deviations) == len(found)
            else None,
            pieces=tuple(
                PieceLatency(piece.name, piece.part.kind, entry.latency_ms)
                for piece, entry in zip(pieces, found, strict=True)
            ),
        )

    def _entry(self, piece: Piece[PartT]) -> Entry:
        found = self.entries.get(piece.part)
        if found is not None:
            return found
        nearest = sorted(
            (entry for entry in self.entries if entry.kind == piece.part.kind),
            key=lambda entry: _distance(entry.numbers, piece.part.numbers),
        )
        raise CostModelError(
            "not-in-table",
            f"{self.source} has no entry for {piece.part}",
            location=piece.nodes[-1].location,
            notes=[f"near it is {entry}" for entry in nearest[:_NEAREST]],
            help="a table knows only what was measured: take the table of this resolution and "
            "family of networks, or a cost model, which generalises (leave --table out)",
        )


def _distance(one: Sequence[int], other: Sequence[int]) -> float:
    """How many times larger or smaller the numbers are, over all of them; 0 counts as 1/2."""
    return sum(abs(math.log(max(a, 0.5) / max(b, 0.5))) for a, b in zip(one, other, strict=True))
