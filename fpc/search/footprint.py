"""What a network, or a piece of one, takes on a target beyond latency."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.costmodel.footprint import peak_bytes, stored_bytes
from fpc.ir.graph import Graph
from fpc.passes.presets import pipeline_of
from fpc.quant.saturation import saturating_clamps
from fpc.targets.description import Target, multiply_adds


@dataclass(frozen=True)
class Refusal:
    """An operator that would run elsewhere than on the target's fast unit."""

    mnemonic: str
    unit: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Footprint:
    """Of int8 weights and activations.

    `size_bytes` are those of `fpc.costmodel.footprint.stored_bytes`, `memory_bytes` those of
    `peak_bytes`; `refusal` is the first operator that leaves the fast unit, if any does.
    """

    size_bytes: int
    multiply_adds: int
    memory_bytes: int
    refusal: Refusal | None

    @classmethod
    def of(cls, graph: Graph, target: Target, *, is_whole: bool = True) -> Footprint:
        """Of a float graph as deployed; of a piece, in which the input need not last, or a whole.

        The target's own forms of operators are counted, as its pipeline writes them.
        """
        legalised = graph.clone()
        pipeline_of(target.pipelines.legalise).run(legalised)
        return cls(
            stored_bytes(legalised, target.quantisation),
            sum(map(multiply_adds, graph)),
            peak_bytes(legalised, holds_inputs=is_whole),
            refusal(legalised, target),
        )


def refusal(graph: Graph, target: Target) -> Refusal | None:
    """The first operator of a legalised graph that leaves the fast unit, as `fpc check` says."""
    free = saturating_clamps(graph, frozenset(graph))
    for node in graph:
        placement = target.place(node)
        if node not in free and not placement.is_fast:
            return Refusal(
                node.op.mnemonic,
                placement.unit,
                placement.reason or "",
                placement.remedy or "",
            )
    return None
