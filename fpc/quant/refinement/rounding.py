"""Optimised rounding: integers for weights that keep a layer's responses, not its weights.

Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"
(ICLR 2023), after Hassibi and Stork's optimal brain surgeon: the weights of an output channel are
rounded one after the other, and the error of each is made up for by those still to be rounded, as
the second moments of the inputs (the Hessian of the squared error of the responses) tell. The
moments are taken of the integers that the layer will read, about their mean, because bias
correction takes care of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.interp.two_at_once import two_at_once
from fpc.ir.constant import Array
from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d, Dense
from fpc.ir.types import QuantParams
from fpc.quant.planning.weights import channel_scales
from fpc.quant.scheme import Scheme

Reals = NDArray[np.float64]
Singles = NDArray[np.float32]
Indices = NDArray[np.int64]

_BLOCK = 64
_FEW = 8
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
    inputs: Sequence[Array],
    zero_point: int,
    params: QuantParams,
    scheme: Scheme,
    settings: Rounding,
) -> Array:
    """Integers in `params` for the weights of the float convolution or dense layer `node`.

    inputs: the integers it reads of each sample; `zero_point` is theirs. Their scale does not
    matter.
    """
    weight = node.input(1).data
    groups = node.op.groups if isinstance(node.op, Conv2d) else 1
    features = weight[0].size
    generator = np.random.default_rng(settings.seed)
    count = settings.patch_count(features, groups)
    patches = _patches(node, inputs, zero_point, count, generator)
    steps = (weight / channel_scales(params, weight.ndim)).reshape(groups, -1, features)
    rounded = np.empty(steps.shape, scheme.weight_dtype.numpy)
    for start in range(0, features, _LARGEST_HESSIAN):
        part = slice(start, start + _LARGEST_HESSIAN)
        moments = second_moments(patches[:, part], zero_point)
        rounded[:, :, part] = round_jointly(
            steps[:, :, part], moments, scheme.weight_limit, settings.damping
        )
    return rounded.reshape(weight.shape)


def second_moments(patches: Array, origin: int = 0) -> NDArray[np.float32]:
    """Covariances of patches [groups, features, samples]: [groups, features, features].

    Sums are formed about `origin`, which matters to their precision alone.
    """
    samples = int(patches.shape[2])

    def sums(part: slice) -> tuple[Singles, Singles]:
        shifted = patches[:, :, part].astype(np.float32)
        shifted -= np.float32(origin)
        return np.matmul(shifted, shifted.transpose(0, 2, 1)), shifted.sum(axis=2)

    halves = slice(samples // 2), slice(samples // 2, samples)
    (squares, total), (more_squares, more) = two_at_once(sums, halves)
    count = np.float32(samples)
    mean = (total + more) / count
    return (squares + more_squares) / count - np.matmul(mean[:, :, None], mean[:, None, :])


def round_jointly(steps: Reals, moments: Array, limit: int, damping: float) -> Singles:
    """Integers near `steps` that minimise the squared error of sums weighted by the inputs.

    steps: weights in units of their scales, [groups, filters, features]; moments: second moments of
    the inputs, [groups, features, features]. Features of greater moment are rounded first; integers
    stay in [-limit, limit].
    """
    features = int(steps.shape[2])
    damped = moments.astype(np.float32)
    indices = np.arange(features)
    diagonal = damped[:, indices, indices]
    mean = np.maximum(diagonal.mean(axis=1, keepdims=True), np.float32(1e-12))
    never_seen = diagonal <= np.float32(1e-9) * mean
    diagonal += mean * (np.float32(damping) + never_seen)
    damped[:, indices, indices] = diagonal
    order = np.argsort(diagonal, axis=1, kind="stable")
    rows = np.arange(len(order))[:, None]
    ordered = _ordered(damped, order)
    root = _inverse_root_damped(ordered, mean * np.float32(damping))
    root /= root[:, indices, indices, None]
    # Features come first: each step then works on rows that are contiguous in memory.
    remaining = np.ascontiguousarray(steps.swapaxes(1, 2), np.float32)[rows, order]
    rounded = np.empty_like(remaining)
    _round_from_last(remaining, rounded, root, np.float32(limit))
    result = np.empty_like(rounded)
    result[rows, order] = rounded
    return np.ascontiguousarray(result.swapaxes(1, 2))


def _ordered(matrices: Singles, order: Indices) -> Singles:
    """Symmetric matrices [groups, n, n] with rows and columns in `order` [groups, n]."""
    if len(order) == 1:  # numpy takes much faster than it picks
        return matrices[0].take(order[0], axis=0).take(order[0], axis=1)[None]
    rows = np.arange(len(order))[:, None, None]
    return matrices[rows, order[:, :, None], order[:, None, :]]


def _round_from_last(
    remaining: Singles, rounded: Singles, root: Singles, limit: np.float32
) -> None:
    """Round `remaining` into `rounded`, both [groups, features, filters], from the last feature on.

    By halves, so that products of matrices carry most of the errors to the features still to come.
    In the end `remaining` holds the errors.
    """
    features = int(remaining.shape[1])
    if features > _FEW:
        half = features // 2
        _round_from_last(remaining[:, half:], rounded[:, half:], root[:, half:, half:], limit)
        carried = root[:, half:, :half].swapaxes(1, 2)
        remaining[:, :half] -= np.matmul(carried, remaining[:, half:])
        _round_from_last(remaining[:, :half], rounded[:, :half], root[:, :half, :half], limit)
        return
    for feature in reversed(range(features)):
        error, chosen = remaining[:, feature], rounded[:, feature]
        np.rint(error, out=chosen)
        np.maximum(chosen, -limit, out=chosen)
        np.minimum(chosen, limit, out=chosen)
        error -= chosen
        remaining[:, :feature] -= root[:, feature, :feature, None] * error[:, None, :]


def _inverse_root_damped(matrices: Singles, damping: Singles) -> Singles:
    """`_inverse_root` of matrices, with more than `damping` [groups, 1] on diagonals if need be.

    Moments in float32 of features that go together are not always positive definite.
    """
    indices = np.arange(int(matrices.shape[1]))
    while True:
        try:
            return _inverse_root(matrices)
        except np.linalg.LinAlgError:
            damping = np.float32(10) * damping
            matrices[:, indices, indices] += damping


def _inverse_root(matrices: Singles) -> Singles:
    """Lower triangular R with R^T R = inverse, of symmetric positive definite [groups, n, n].

    R inverts the Cholesky factor; by halves, so that products of matrices do the work.
    """
    size = int(matrices.shape[1])
    if size <= _BLOCK:
        return np.tril(np.linalg.inv(np.linalg.cholesky(matrices)))
    half = size // 2
    root = np.zeros_like(matrices)
    first = root[:, :half, :half] = _inverse_root(matrices[:, :half, :half])
    below = np.matmul(matrices[:, half:, :half], first.swapaxes(1, 2))
    schur = matrices[:, half:, half:] - np.matmul(below, below.swapaxes(1, 2))
    last = root[:, half:, half:] = _inverse_root(schur)
    root[:, half:, :half] = -np.matmul(last, np.matmul(below, first))
    return root


def _patches(
    node: Node[Op],
    inputs: Sequence[Array],
    zero_point: int,
    count: int,
    generator: np.random.Generator,
) -> Array:
    """Random patches that the filters see, `zero_point` where padded: [groups, features, samples].

    About `count` samples, in the integers of `inputs`.
    """
    if not isinstance(node.op, Conv2d):
        rows = np.concatenate(inputs).reshape(-1, inputs[0].shape[-1])
        if len(rows) > count:
            rows = rows[generator.choice(len(rows), count, replace=False)]
        return rows.T[None]
    images = [image for batch in inputs for image in batch]
    _, _, out_h, out_w = node.outputs[0].type.shape
    number = generator.integers(0, len(images), count)
    y, x = generator.integers(0, out_h, count), generator.integers(0, out_w, count)
    by_image = np.argsort(number, kind="stable")
    index, outside = _seen(node, y[by_image], x[by_image])
    ends = np.cumsum(np.bincount(number, minlength=len(images)))
    parts = np.split(index, ends[:-1], axis=1)
    seen = [
        image.reshape(len(image), -1).take(part, axis=1, mode="clip")
        for image, part in zip(images, parts, strict=True)
    ]
    patches = np.concatenate(seen, axis=2)
    if outside.any():
        patches[:, outside] = zero_point
    return patches.reshape(node.op.groups, -1, count)


def _seen(node: Node[Op], y: Indices, x: Indices) -> tuple[Indices, NDArray[np.bool_]]:
    """What the filters of a convolution see for its results at rows `y` and columns `x`.

    Indices into the pixels of a channel, and whether they are outside: [kernel, results].
    """
    op = node.op
    assert isinstance(op, Conv2d)
    _, _, height, width = node.input(0).type.shape
    _, _, kernel_h, kernel_w = node.input(1).type.shape
    i, j = np.divmod(np.arange(kernel_h * kernel_w)[:, None], kernel_w)
    row = y * op.strides[0] - op.pads[0] + i * op.dilations[0]
    column = x * op.strides[1] - op.pads[1] + j * op.dilations[1]
    outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
    return row * width + column, outside
