"""swap-activation: costly activations become a clamp, where the user asks for it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import Gelu, HardSwish, Relu, Relu6, Silu
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter


class Replacement(enum.Enum):
    """What an activation is swapped for."""

    RELU = "relu"
    RELU6 = "relu6"


@dataclass(frozen=True)
class SwapActivation(RewritePass):
    """Replaces hard_swish, silu and gelu by a clamp: another function, cheaper on every target.

    `sites` names where: results, or nodes of the source model; without it, everywhere. A trained
    model loses accuracy by this and wants retraining.
    """

    name: ClassVar[str] = "swap-activation"
    changes_function: ClassVar[bool] = True
    roots: ClassVar[tuple[type[Op], ...]] = (HardSwish, Silu, Gelu)

    to: Replacement = Replacement.RELU6
    sites: tuple[str, ...] = ()

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Swap the activation at one site."""
        names = {node.output.name, *node.location.names}
        if self.sites and names.isdisjoint(self.sites):
            return None
        rewriter.replace(node, Relu6() if self.to is Replacement.RELU6 else Relu(), node.input(0))
        return None
