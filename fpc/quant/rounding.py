"""Optimised rounding: integers for weights that keep a layer's responses, not its weights.

Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"
(ICLR 2023), after Hassibi and Stork's optimal brain surgeon: the weights of an output channel are
rounded one after the other, and the error of each is made up for by those still to be rounded, as
the second moments of the inputs (the Hessian of the squared error of the responses) tell. The
moments are taken of the integers that the layer will read, about their mean, because bias
correction takes care of the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d, Dense
from fpc.ir.types import QuantParams
from fpc.quant.scheme import Scheme
from fpc.quant.weights import channel_scales

Reals = NDArray[np.float64]
_Over = Callable[[Callable[[Reals], Reals], Iterable[Reals]], Iterable[Reals]]

_BLOCK = 64
_LARGEST_HESSIAN = 2048
_PATCH_ELEMENTS = 4 << 20
_PATCHES_ENOUGH = 64


@dataclass(frozen=True)
class Rounding:
    """How hard to try.

    samples_per_weight: patches for every weight of a filter, between `fewest` and `most` in all.
    damping: part of the mean second moment added to each, against directions never seen.
    """

    samples_per_weight: float = 4.0
    fewest: int = 2048
    most: int = 4096
    damping: float = 0.05
    seed: int = 0

    def patch_count(self, features: int, groups: int) -> int:
        """How many patches to take for `groups` groups of filters with `features` weights each.

        Fewer where filters are so small that no more are needed, and where the patches of all
        groups would not fit a small buffer.
        """
        wanted = int(np.clip(self.samples_per_weight * features, self.fewest, self.most))
        wanted = min(wanted, _PATCHES_ENOUGH * features)
        return min(wanted, max(_PATCH_ELEMENTS // (features * groups), 1))


def can_round(node: Node[Op]) -> bool:
    """Whether the weights of `node` can be rounded here: no transposed convolution, no sharing."""
    return isinstance(node.op, (Conv2d, Dense)) and node.input(1).has_one_use


def round_weights(
    node: Node[Op],
    inputs: Array,
    zero_point: int,
    params: QuantParams,
    scheme: Scheme,
    settings: Rounding,
) -> NDArray[np.int8]:
    """Integers in `params` for the weights of the float convolution or dense layer `node`.

    inputs: the integers it reads, [samples, ...]; `zero_point` is theirs. Their scale does not
    matter.
    """
    weight = node.input(1).data
    groups = node.op.groups if isinstance(node.op, Conv2d) else 1
    features = weight[0].size
    generator = np.random.default_rng(settings.seed)
    count = settings.patch_count(features, groups)
    patches = _patches(node, inputs, zero_point, count, generator)
    steps = (weight / channel_scales(params, weight.ndim)).reshape(groups, -1, features)
    rounded = np.empty(steps.shape, np.int8)
    for start in range(0, features, _LARGEST_HESSIAN):
        part = slice(start, start + _LARGEST_HESSIAN)
        moments = second_moments(patches[:, :, part])
        rounded[:, :, part] = round_jointly(
            steps[:, :, part], moments, scheme.weight_limit, settings.damping
        )
    return rounded.reshape(weight.shape)


def second_moments(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Covariances of patches [groups, samples, features]: [groups, features, features]."""
    samples = int(patches.shape[1])
    mean = patches.mean(axis=1, keepdims=True)

    def products(part: slice) -> NDArray[np.float32]:
        centred = patches[:, part] - mean
        return np.matmul(centred.transpose(0, 2, 1), centred)

    halves = slice(samples // 2), slice(samples // 2, samples)
    first, second = two_at_once(products, halves)
    return (first + second) / np.float32(samples)


def round_jointly(steps: Reals, moments: Array, limit: int, damping: float) -> NDArray[np.int8]:
    """Integers near `steps` that minimise the squared error of sums weighted by the inputs.

    steps: weights in units of their scales, [groups, filters, features]; moments: second moments of
    the inputs, [groups, features, features]. Features of greater moment are rounded first; integers
    stay in [-limit, limit].
    """
    groups, features = int(steps.shape[0]), int(steps.shape[2])
    damped = moments.astype(np.float64)
    indices = np.arange(features)
    diagonal = damped[:, indices, indices]
    mean = np.maximum(diagonal.mean(axis=1, keepdims=True), 1e-12)
    never_seen = diagonal <= 1e-9 * mean
    diagonal += mean * (damping + never_seen)
    damped[:, indices, indices] = diagonal
    order = np.argsort(-diagonal, axis=1, kind="stable")
    rows = np.arange(groups)[:, None]
    damped = damped[rows[:, :, None], order[:, :, None], order[:, None, :]]
    upper = _inverse_root(damped).astype(np.float32)
    # Features come first: each step then works on rows that are contiguous in memory.
    remaining = np.ascontiguousarray(steps.swapaxes(1, 2), np.float32)
    remaining = np.take_along_axis(remaining, order[:, :, None], axis=1)
    rounded = np.empty_like(remaining)
    for start in range(0, features, _BLOCK):
        stop = min(start + _BLOCK, features)
        errors = np.empty((groups, stop - start, remaining.shape[2]), np.float32)
        for j in range(start, stop):
            wanted = remaining[:, j]
            chosen = rounded[:, j]
            np.rint(wanted, out=chosen)
            np.maximum(chosen, -limit, out=chosen)
            np.minimum(chosen, limit, out=chosen)
            error = (wanted - chosen) / upper[:, j, j, None]
            errors[:, j - start] = error
            remaining[:, j + 1 : stop] -= upper[:, j, j + 1 : stop, None] * error[:, None, :]
        remaining[:, stop:] -= np.matmul(upper[:, start:stop, stop:].swapaxes(1, 2), errors)
    result = np.empty(rounded.shape, np.int8)
    np.put_along_axis(result, order[:, :, None], rounded.astype(np.int8), axis=1)
    return np.ascontiguousarray(result.swapaxes(1, 2))


def _inverse_root(matrices: Reals) -> Reals:
    """Upper triangular U with U^T U = inverse, of symmetric positive definite [groups, n, n]."""
    lower = np.asarray(np.linalg.cholesky(matrices[:, ::-1, ::-1]), np.float64)
    return _inverse_of_lower(lower, two_at_once)[:, ::-1, ::-1]


def _inverse_of_lower(matrices: Reals, over: _Over = map) -> Reals:
    """The inverses of lower triangular [groups, n, n], by halves, so that products do the work."""
    size = int(matrices.shape[1])
    if size <= _BLOCK:
        return np.tril(np.asarray(np.linalg.inv(matrices), np.float64))
    half = size // 2
    inverse = np.zeros_like(matrices)
    above, below = over(_inverse_of_lower, (matrices[:, :half, :half], matrices[:, half:, half:]))
    inverse[:, :half, :half] = above
    inverse[:, half:, half:] = below
    inverse[:, half:, :half] = -below @ matrices[:, half:, :half] @ above
    return inverse


def _patches(
    node: Node[Op], inputs: Array, zero_point: int, count: int, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Random patches that the filters see, zero where padded: [groups, about count, features]."""
    if not isinstance(node.op, Conv2d):
        rows = inputs.reshape(-1, inputs.shape[-1])
        if len(rows) > count:
            rows = rows[generator.choice(len(rows), count, replace=False)]
        return (rows.astype(np.float32) - np.float32(zero_point))[None]
    op = node.op
    _, group_channels, kernel_h, kernel_w = node.input(1).type.shape
    # Channels last: numpy then gathers all channels of a pixel in one go.
    pixels = inputs.transpose(0, 2, 3, 1)
    images, height, width, channels = pixels.shape
    _, _, out_h, out_w = node.outputs[0].type.shape
    image = generator.integers(0, images, count)
    y = generator.integers(0, out_h, count) * op.strides[0] - op.pads[0]
    x = generator.integers(0, out_w, count) * op.strides[1] - op.pads[1]
    patches = np.zeros((count, channels, kernel_h * kernel_w), np.float32)
    for tap in range(kernel_h * kernel_w):
        i, j = divmod(tap, kernel_w)
        row, column = y + i * op.dilations[0], x + j * op.dilations[1]
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        seen = pixels[image[inside], row[inside], column[inside]]
        patches[inside, :, tap] = seen.astype(np.float32) - np.float32(zero_point)
    by_group = patches.reshape(count, op.groups, group_channels * kernel_h * kernel_w)
    return np.ascontiguousarray(by_group.transpose(1, 0, 2))
