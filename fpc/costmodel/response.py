"""How a clock reads the sum of a network's kernels, where it does not read the sum itself.

On a processor whose clock follows the load, short networks run at another pace than long ones.
Latency is then r(s) + o: s what the *paced* kernels cost, those that multiply and add maps, and o
what the others cost. r rises piecewise linearly; beyond its last knot it rises as s does, so that a
large network costs its kernels and a constant.

The form is empirical. In LatBench's 12,177 small networks on a Snapdragon 855, counts of kernels
decide all but the noise, but no sum of prices does: on the DSP additional kernels cost ever less
(r is concave), on the CPU ever more, and poolings the same throughout on both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.costmodel.features import Matrix
from fpc.costmodel.kernels import KernelKind, Work

_PACED = frozenset(
    {KernelKind.CONVOLUTION, KernelKind.DEPTHWISE, KernelKind.ADD, KernelKind.MULTIPLY}
)


def paced(works: Iterable[Work]) -> NDArray[np.bool_]:
    """Which kernels are those whose pace follows the load, [kernels]."""
    return np.array([work.kind in _PACED for work in works], np.bool_)


@dataclass(frozen=True)
class Response:
    """A rising, piecewise linear function through (`sums_ms`, `latency_ms`), of slope 1 beyond."""

    sums_ms: tuple[float, ...]
    latency_ms: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.sums_ms) < 2 or len(self.sums_ms) != len(self.latency_ms):
            raise ValueError("a response needs two sums or more, and as many latencies")
        if any(right <= left for left, right in itertools.pairwise(self.sums_ms)):
            raise ValueError("the sums of a response must increase")

    def __call__(self, sums_ms: Matrix) -> Matrix:
        """Latencies of sums."""
        x, y = np.array(self.sums_ms), np.array(self.latency_ms)
        first = (y[1] - y[0]) / (x[1] - x[0])
        inside = np.interp(sums_ms, x, y)
        before = np.minimum(0.0, sums_ms - x[0]) * first
        return np.maximum(inside + before + np.maximum(0.0, sums_ms - x[-1]), 0.0)

    def slope(self, sums_ms: Matrix) -> Matrix:
        """Its derivative, from the right at a knot."""
        x, y = np.array(self.sums_ms), np.array(self.latency_ms)
        slopes = np.append(np.diff(y) / np.diff(x), 1.0)
        return slopes[np.clip(np.searchsorted(x, sums_ms, side="right") - 1, 0, len(x) - 1)]

    @property
    def constant_ms(self) -> float:
        """What is added to a sum beyond the last knot."""
        return self.latency_ms[-1] - self.sums_ms[-1]

    def rounded(self, to: Callable[[float], float]) -> Response:
        """The same with its numbers rounded."""
        return Response(tuple(map(to, self.sums_ms)), tuple(map(to, self.latency_ms)))
