"""fuse-activation: a clamp becomes an attribute of the operator before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from fpc.ir.graph import Node
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import (
    Add,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Div,
    MaxPool,
    Mul,
    Relu,
    Relu6,
    Reshape,
    Sub,
    Transpose,
)
from fpc.passes.clamps import Clamp
from fpc.passes.sharing import is_plain_float, shared_with
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter

_FUSING = (Conv2d, ConvTranspose2d, Dense, Add, Sub, Mul, Div)
_COMMUTING = (MaxPool, Reshape, Transpose)


@dataclass(frozen=True)
class FuseActivation(RewritePass):
    """Fuses relu, relu6 and clip(-1, 1) into the weighted or elementwise operator before them.

    Moves of values and max_pool between the two are crossed: they commute with every clamp. `keep`
    names activations that stay operators of their own.
    """

    name: ClassVar[str] = "fuse-activation"
    roots: ClassVar[tuple[type[Op], ...]] = (Relu, Relu6, Clip)

    keep: tuple[Activation, ...] = ()

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Fuse `node`, or cross what lies between it and the operator that takes it."""
        clamp = Clamp.of_op(node.op)
        if clamp is None or clamp.as_activation() in self.keep or not is_plain_float(node):
            return None
        value = node.input(0)
        producer = value.producer
        path: list[Node[Op]] = []
        reader = node
        while producer is not None and isinstance(producer.op, _COMMUTING):
            path.append(producer)
            shared = shared_with(value, reader)
            reader, value = producer, producer.input(0)
            producer = value.producer
            if shared is not None:
                return None
        if producer is None or not isinstance(producer.op, _FUSING):
            return None
        fused = Clamp.of_activation(fused_activation(producer.op)).then(clamp).as_activation()
        if fused is None:
            return Declined(f"no fused activation computes {clamp} after {producer!r}")
        shared = shared_with(value, reader)
        if shared is not None:
            return Declined(shared)
        if not path:
            op = replace(producer.op, activation=fused)
            rewriter.replace(node, op, *producer.inputs, absorbing=[producer])
            return None
        clamped = rewriter.set_op(producer, replace(producer.op, activation=fused))
        clamped.location = clamped.location.merge(node.location)
        rewriter.replace_with_values(node, [path[0].output])
        return None
