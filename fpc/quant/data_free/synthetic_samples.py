"""Samples made up where there are none: images with natural statistics, normalised as it seems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.diagnostics.errors import QuantError
from fpc.interp.runner import RunnerFactory
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType
from fpc.quant.data_free.natural_images import natural_image
from fpc.quant.data_free.normalisation import (
    BRIGHTNESS,
    estimate_normalisation,
    guess_normalisation,
    is_image,
)

Prepare: TypeAlias = Callable[[NDArray[np.uint8]], Array]
"""From RGB pixels [height, width, 3] to a float32 network input, [channels, height, width]."""


@dataclass(frozen=True)
class SyntheticSamples:
    """Samples made of dead-leaves images where an input looks like one, else of normal noise.

    The same seed gives the same samples on every walk. Each is made when it is first asked for, so
    that a runtime may be busy with the one before, and kept.
    """

    inputs: tuple[TensorType, ...]
    prepare: Prepare
    count: int
    seed: int = 0
    _made: dict[int, tuple[Array, ...]] = field(
        default_factory=dict[int, tuple[Array, ...]], init=False, repr=False, compare=False
    )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> tuple[Array, ...]:
        if not 0 <= position < self.count:
            raise IndexError(position)
        if position not in self._made:
            rng = np.random.default_rng((self.seed, position))
            self._made[position] = tuple(self._array(tensor, rng) for tensor in self.inputs)
        return self._made[position]

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return map(self.__getitem__, range(self.count))

    def _array(self, tensor: TensorType, rng: np.random.Generator) -> Array:
        if not is_image(tensor):
            return rng.standard_normal(tensor.shape).astype(np.float32)
        sides = tensor.shape[2], tensor.shape[3]
        images = [self.prepare(natural_image(*sides, rng)) for _ in range(tensor.shape[0])]
        return np.stack([_fitted(image, tensor) for image in images])


def synthetic_samples(
    graph: Graph,
    prepare: Prepare | None = None,
    *,
    make_runner: RunnerFactory | None = None,
    count: int = 64,
    seed: int = 0,
) -> SyntheticSamples:
    """Synthetic calibration samples for `graph`.

    prepare: the network's preprocessing of RGB pixels, where known; without it the normalisation is
    estimated (`estimate_normalisation`), or guessed where the graph gives no hint, the better with
    `make_runner`. `QuantError` when an input is no float32.
    """
    for value in graph.inputs:
        if value.type.dtype is not DType.F32:
            raise QuantError(
                "no-synthetic-input",
                f"no samples can be made up for input %{value.name} of type {value.type}",
                help="give calibration samples with --calib",
            )
    if prepare is None:
        prepare = estimate_normalisation(graph) or guess_normalisation(graph, make_runner)
    return SyntheticSamples(tuple(v.type for v in graph.inputs), prepare, count, seed)


def _fitted(image: Array, tensor: TensorType) -> Array:
    values = np.asarray(image, np.float32)
    if tensor.shape[1] == 1 and len(values) == 3:
        values = np.tensordot(BRIGHTNESS, values, axes=1)
    elif tensor.shape[1] == 3 and len(values) == 1:
        values = np.repeat(values, 3, axis=0)
    return values.reshape(tensor.shape[1:])
