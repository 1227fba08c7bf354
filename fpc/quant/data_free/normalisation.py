"""How a network wants its images normalised, told by what its first batch norm has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpc.interp import executor
from fpc.interp.runner import RunnerFactory
from fpc.interp.two_at_once import two_at_once
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Op
from fpc.ir.types import TensorType
from fpc.quant.data_free.natural_images import natural_image

BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 luma of RGB."""
_IMAGES = 16
_MOST_ELEMENTS = 4096
_GUESSING_IMAGES = 6
_MORE_VARIATION = 2.0
_AFFINE_IN_ONE = (ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Conv2d)
_MOVING = (ops.Pad, ops.Slice, ops.Concat, ops.Transpose, ops.Reshape, ops.DepthToSpace)


@dataclass(frozen=True)
class Normalisation:
    """How unit-range RGB becomes a network's input: scale * colour + offset[channel]."""

    scale: float
    offset: tuple[float, ...]

    def __call__(self, pixels: NDArray[np.uint8]) -> Array:
        """The network input [channels, height, width] of RGB pixels [height, width, 3]."""
        channels = unit_planes(pixels, len(self.offset))
        offset = np.array(self.offset, np.float32)[:, None, None]
        return (channels * np.float32(self.scale) + offset).astype(np.float32)

    def __str__(self) -> str:
        offsets = ", ".join(f"{offset:.3g}" for offset in self.offset)
        return f"{self.scale / 255.0:.3g} * pixel + ({offsets})"


COMMON_NORMALISATION = Normalisation(1.0 / 0.226, (-2.1179, -2.0357, -1.8044))
"""That of ImageNet training: mean 0.485, 0.456, 0.406 and deviation 0.226. It spans [-1, 1] too."""
BYTE_NORMALISATION = Normalisation(383.0, (-128.0, -128.0, -128.0))
"""Pixels as bytes: spans those from 0 to 255 and those around zero."""


def guess_normalisation(graph: Graph, make_runner: RunnerFactory | None = None) -> Normalisation:
    """A normalisation for a graph that gives no hint, whose first input is an image.

    Networks made for bytes hardly tell images of a few units apart: their biases outweigh them. So
    bytes are guessed where outputs vary from image to image several times more than with
    `COMMON_NORMALISATION`, relative to their mean. Without a runner the guess is the common one.
    """
    images = [value.type for value in graph.inputs if is_image(value.type)]
    grey = bool(images) and images[0].shape[1] == 1
    common, as_bytes = (
        replace(guess, offset=guess.offset[1:2]) if grey else guess
        for guess in (COMMON_NORMALISATION, BYTE_NORMALISATION)
    )
    if make_runner is None or len(graph.inputs) != 1 or not images:
        return common
    runner, shape = make_runner(graph), images[0].shape

    def run(seen: tuple[NDArray[np.uint8], Normalisation]) -> tuple[Array, ...]:
        pixels, guess = seen
        return runner([np.broadcast_to(guess(pixels), shape).copy()])

    rng = np.random.default_rng(0)
    pictures = (natural_image(shape[2], shape[3], rng) for _ in range(_GUESSING_IMAGES))
    guesses = common, as_bytes
    runs = list(two_at_once(run, ((pixels, guess) for pixels in pictures for guess in guesses)))
    few, many = (_variation(runs[place :: len(guesses)]) for place in range(len(guesses)))
    return as_bytes if many > _MORE_VARIATION * few else common


def _variation(runs: Sequence[tuple[Array, ...]]) -> float:
    """How much outputs vary from run to run, in parts of their mean: the median output's."""
    ratios: list[float] = []
    for arrays in zip(*runs, strict=True):
        stacked = np.stack(arrays).astype(np.float64)
        if np.isfinite(stacked).all():
            level = float(np.sqrt(np.square(stacked.mean(axis=0)).mean()))
            ratios.append(float(np.sqrt(stacked.var(axis=0).mean())) / max(level, 1e-30))
    return float(np.median(ratios)) if ratios else 0.0


def is_image(tensor: TensorType) -> bool:
    """Whether an NCHW input of this type can be a grey or colour image."""
    return tensor.rank == 4 and tensor.shape[1] in (1, 3) and min(tensor.shape[2:]) >= 8


def unit_planes(pixels: NDArray[np.uint8], channels: int) -> NDArray[np.float32]:
    """RGB pixels [height, width, 3] as values in [0, 1], [3, h, w] or (brightness) [1, h, w]."""
    values = pixels.astype(np.float32) / np.float32(255.0)
    return (values @ BRIGHTNESS)[None] if channels == 1 else values.transpose(2, 0, 1)


def estimate_normalisation(graph: Graph) -> Normalisation | None:
    """The normalisation under which synthetic images give the first batch norm its statistics.

    `graph` still has its batch norms. What the first one reads is an affine function of the image,
    so its statistics for normalised images follow from those for images in [0, 1]. The scale is
    the median ratio of the stored deviations to these; the offsets solve for the stored means by
    least squares, each channel weighted by its deviation. None without such a batch norm.
    """
    if len(graph.inputs) != 1 or not is_image(graph.inputs[0].type):
        return None
    norm = _first_batch_norm(graph)
    if norm is None:
        return None
    tensor, seen_by_norm = graph.inputs[0].type, norm.input(0)
    channels = tensor.shape[1]
    rng = np.random.default_rng(0)
    sides = tensor.shape[2], tensor.shape[3]
    images = [unit_planes(natural_image(*sides, rng), channels) for _ in range(_IMAGES)]
    zero = np.zeros(tensor.shape[1:], np.float32)
    base = _response(graph, zero, seen_by_norm, norm.op.axis)
    seen = [_response(graph, image, seen_by_norm, norm.op.axis) - base for image in images]
    responses = np.concatenate(seen, axis=1)
    gains = np.stack(
        [
            (_response(graph, _lit(zero, c), seen_by_norm, norm.op.axis) - base).mean(axis=1)
            for c in range(channels)
        ],
        axis=1,
    )
    mean = norm.input(3).data.astype(np.float64)
    deviation = np.sqrt(norm.input(4).data.astype(np.float64))
    sound = (responses.std(axis=1) > 1e-6) & (deviation > 1e-6)
    if sound.sum() < channels:
        return None
    scale = float(np.median(deviation[sound] / responses.std(axis=1)[sound]))
    rest = mean - base.mean(axis=1) - scale * responses.mean(axis=1)
    trust = 1.0 / deviation[sound]
    offset = np.linalg.pinv(gains[sound] * trust[:, None], rcond=1e-3) @ (rest[sound] * trust)
    return Normalisation(scale, tuple(offset.tolist()))


def _first_batch_norm(graph: Graph) -> Node[ops.BatchNorm] | None:
    """The first batch norm with known parameters that reads an affine function of the input."""
    affine = set(graph.inputs)
    for node in graph:
        known = all(value in affine or value.is_constant for value in node.operands)
        if known and not affine.isdisjoint(node.operands) and _is_affine(node, affine):
            affine.update(node.outputs)
    for norm in graph.nodes_of(ops.BatchNorm):
        if norm.input(0) in affine and all(value.is_constant for value in norm.operands[1:]):
            return norm
    return None


def _is_affine(node: Node[Op], affine: set[Value]) -> bool:
    """Whether the results of `node` are affine functions of operands that are, or constant."""
    if isinstance(node.op, _MOVING):
        return True
    if not isinstance(node.op, _AFFINE_IN_ONE) or node.op.activation is not Activation.NONE:
        return False
    match node.op:
        case ops.Add() | ops.Sub():
            return True
        case ops.Mul():
            return sum(value in affine for value in node.operands) == 1
        case _:
            return all(value.is_constant for value in node.operands[1:])


def _response(graph: Graph, image: Array, wanted: Value, axis: int) -> NDArray[np.float64]:
    """Elements of `wanted` for an image [channels, height, width]: [channels of wanted, some]."""
    source = graph.inputs[0]
    batch = np.broadcast_to(image, source.type.shape)
    found = next(array for value, array in executor.trace(graph, [batch]) if value is wanted)
    rows = np.moveaxis(found, axis, 0).reshape(found.shape[axis], -1)
    return rows[:, :: -(-rows.shape[1] // _MOST_ELEMENTS)].astype(np.float64)


def _lit(zero: Array, channel: int) -> Array:
    """An image of one in `channel` and zero elsewhere."""
    image = zero.copy()
    image[channel] = 1.0
    return image
