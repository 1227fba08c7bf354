"""Batch norms whose statistics are those of given images.

A subnet shares its weights with all others of its supernet, but not the statistics of what reaches
its batch norms: without new ones it computes nothing sensible. As once-for-all's
`set_running_statistics` does it, every batch passes with its own statistics, and their means over
all batches, weighted by the images of each, become the network's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import QuantError
from fpc.interp import executor
from fpc.interp.batching import treats_images_alike
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Op
from fpc.ir.ops import BatchNorm
from fpc.rewrite.rewriter import Rewriter

_MEAN, _VARIANCE = 3, 4
"""The operands of `BatchNorm`."""


def recalibrated(graph: Graph, batches: Iterable[Array]) -> Graph:
    """A copy of a float graph with one input, its batch norms' statistics taken of `batches`.

    A batch holds images as the graph's input has one, [images, ...]. `QuantError` where there is
    none, where the graph mixes the images of a batch, or where statistics are not finite.
    """
    if not treats_images_alike(graph):
        raise QuantError(
            "batches", f"@{graph.name} does not compute the images of a batch one by one"
        )
    copy = graph.clone()
    statistics = _BatchStatistics()
    for batch in batches:
        deque(executor.trace(copy, [batch], compute=statistics.compute), maxlen=0)
    rewriter = Rewriter(copy)
    for node in copy.nodes_of(BatchNorm):
        mean, variance = statistics.of(node)
        for position, data in ((_MEAN, mean), (_VARIANCE, variance)):
            old = node.input(position)
            name = old.name
            rewriter.rename(old, "replaced")
            rewriter.set_input(node, position, rewriter.constant(data.astype(np.float32), name))
    return copy


class _BatchStatistics:
    """Computes batch norms by the statistics of the batch at hand, and keeps their sums."""

    def __init__(self) -> None:
        self._images: dict[Node[Op], int] = {}
        self._sums: dict[Node[Op], NDArray[np.float64]] = {}

    def compute(
        self, node: Node[Op], operands: Sequence[Array | None], numerics: Numerics
    ) -> tuple[Array, ...]:
        """`executor.apply`, with other statistics."""
        x = operands[0]
        if isinstance(node.op, BatchNorm) and x is not None:
            moments = _moments(x, node.op.axis)
            self._images[node] = self._images.get(node, 0) + len(x)
            self._sums[node] = self._sums.get(node, 0.0) + moments * len(x)
            operands = (*operands[:_MEAN], *moments.astype(x.dtype))
        return executor.apply(node, operands, numerics)

    def of(self, node: Node[Op]) -> NDArray[np.float64]:
        """The mean and the variance of every channel over all batches, [2, channels]."""
        if node not in self._images:
            raise QuantError(
                "no-samples",
                "there is no image to take the statistics of batch norms from",
                help="give one at least; some hundred typical images are a good number",
            )
        found = self._sums[node] / self._images[node]
        if not np.isfinite(found).all():
            raise QuantError(
                "not-finite",
                f"what reaches %{node.output.name} is not finite on these images",
                location=node.location,
                help="check the preprocessing of the images, and the weights",
            )
        return found


def _moments(x: Array, axis: int) -> NDArray[np.float64]:
    """The mean of every channel and its variance around it, [2, channels]."""
    others = tuple(other for other in range(x.ndim) if other != axis)
    mean = x.mean(others, dtype=np.float64, keepdims=True)
    variance = np.square(x - mean.astype(x.dtype)).mean(others, dtype=np.float64)
    return np.stack([mean.ravel(), variance])
