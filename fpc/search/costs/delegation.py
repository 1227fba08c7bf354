"""What of a network leaves the fast unit of its target."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.ir.graph import Graph
from fpc.passes.presets import pipeline_of
from fpc.quant.analysis.saturation import saturating_clamps
from fpc.search.space.description import Space
from fpc.search.space.network import smallest
from fpc.targets.description import Target


@dataclass(frozen=True)
class Refusal:
    """An operator that would not run on the target's fast unit."""

    mnemonic: str
    reason: str
    remedy: str


def legalised(graph: Graph, target: Target) -> Graph:
    """A graph as deployed, with the target's own forms of operators."""
    copy = graph.clone()
    pipeline_of(target.pipelines.legalise).run(copy)
    return copy


def refusals(graph: Graph, target: Target) -> tuple[Refusal, ...]:
    """The operators of a legalised graph that leave the fast unit, as `fpc check` says."""
    free = saturating_clamps(graph, frozenset(graph))
    return tuple(
        Refusal(node.op.mnemonic, placement.reason or "", placement.remedy or "")
        for node, placement in ((node, target.place(node)) for node in graph)
        if node not in free and not placement.is_fast
    )


def logits_of(space: Space, target: Target) -> tuple[Space, Refusal | None]:
    """The space without the softmax at its end, where that leaves the fast unit, and why it does.

    The order of the classes is the same without.
    """
    if space.head[-1].layer != "softmax":
        return space, None
    found = refusals(legalised(smallest(space), target), target)
    refused = next((each for each in found if each.mnemonic == "softmax"), None)
    if refused is None:
        return space, None
    return space.model_copy(update={"head": space.head[:-1]}), refused
