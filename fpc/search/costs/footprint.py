"""What a network, or a piece of one, takes on a target beyond latency."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.costmodel.footprint import peak_bytes, stored_bytes
from fpc.ir.graph import Graph
from fpc.search.costs.delegation import Refusal, legalised, refusals
from fpc.targets.description import Target, multiply_adds


@dataclass(frozen=True)
class Footprint:
    """Of int8 weights and activations.

    `size_bytes` are `fpc.costmodel.footprint.stored_bytes`, `memory_bytes` its `peak_bytes`;
    `refusals` are operators that leave the fast unit.
    """

    size_bytes: int
    multiply_adds: int
    memory_bytes: int
    refusals: tuple[Refusal, ...]

    @classmethod
    def of(cls, graph: Graph, target: Target, *, is_whole: bool = True) -> Footprint:
        """Of a float graph as deployed: of a whole network, or a piece whose input need not last.

        The target's own forms of operators are weighed, and the multiply-adds of the network's.
        """
        deployed = legalised(graph, target)
        return cls(
            stored_bytes(deployed, target.quantisation),
            sum(map(multiply_adds, graph)),
            peak_bytes(deployed, holds_inputs=is_whole),
            refusals(deployed, target),
        )
