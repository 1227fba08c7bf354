"""dce: remove nodes whose results nobody reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True)
class DeadCodeElimination(Pass):
    """Removes nodes whose results nobody reads; inputs of the graph stay."""

    name: ClassVar[str] = "dce"

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """One sweep from the end: whoever reads a value comes after it."""
        for node in reversed(rewriter.graph.nodes):
            if not any(value.use_count for value in node.outputs):
                rewriter.erase(node)
        return ()
