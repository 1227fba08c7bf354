"""Bias correction: removing the mean error that quantisation leaves in every output channel.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019),
section 4.2: the error of a channel's mean response is systematic and can be subtracted from its
bias. *Empirically* the mean is taken over calibration samples, in the float network and in the
integer one whose earlier layers are already corrected; *analytically* from the float network alone.

A layer is linear, so its mean response follows from its mean input: only the mean over samples of
what it reads is needed, never its responses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fpc.interp import executor
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import Conv2d, Dense
from fpc.ir.types import QuantParams
from fpc.quant.planning.weights import channel_scales
from fpc.quant.refinement.layerwise import Layer

Reals = NDArray[np.float64]

_BYTES_IN_INT16 = 128
"""How many bytes add up to 16 bits at most, signed or not."""


def mean_response(node: Node[Op], mean_input: Array, weight: Array) -> Reals:
    """The mean over pixels of the response to `mean_input`, by output channel, without the bias.

    mean_input: the mean over samples of the float graph's operand 0, NCHW; weight: real values in
    the shape of operand 1.
    """
    match node.op:
        case Conv2d() as op:
            group_size = len(weight) // op.groups
            patch = _mean_patch(op, mean_input, weight.shape[2:])
            by_group = patch.reshape(op.groups, 1, -1)
            filters = weight.reshape(op.groups, group_size, -1)
            return (filters * by_group).sum(axis=2, dtype=np.float64).ravel()
        case Dense():
            rows = mean_input.reshape(-1, mean_input.shape[-1])
            return weight.astype(np.float64) @ rows.mean(axis=0, dtype=np.float64)
        case _:
            operands = [mean_input.astype(np.float32), weight.astype(np.float32), None]
            (response,) = executor.apply(node, operands, Numerics.TFLITE_REFERENCE)
            return response.mean(axis=(0, 2, 3), dtype=np.float64)


def _mean_patch(op: Conv2d, image: Array, kernel: tuple[int, ...]) -> Reals:
    """The mean of all patches of an NCHW image that the filters of `op` see: [C, height, width]."""
    top, left, bottom, right = op.pads
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    rows, columns = (
        (padded.shape[2 + axis] - op.dilations[axis] * (kernel[axis] - 1) - 1) // op.strides[axis]
        for axis in (0, 1)
    )
    patch = np.empty((image.shape[1], *kernel))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            y, x = i * op.dilations[0], j * op.dilations[1]
            seen = padded[
                :,
                :,
                y : y + rows * op.strides[0] + 1 : op.strides[0],
                x : x + columns * op.strides[1] + 1 : op.strides[1],
            ]
            patch[:, i, j] = seen.mean(axis=(0, 2, 3))
    return patch


def mean_of_integers(layer: Layer, inputs: Sequence[Array]) -> Reals:
    """The mean, in reals, of the integers that a layer reads of each sample: [1, ...]."""
    x = layer.node.input(0).type.quantisation
    are_few_bytes = inputs[0].itemsize == 1 and len(inputs) <= _BYTES_IN_INT16
    total = np.zeros(inputs[0].shape, np.int16 if are_few_bytes else np.int32)
    for array in inputs:
        total += array
    count = len(inputs) * len(total)
    return (total.sum(axis=0, keepdims=True, dtype=np.int32) / count - x.zero_point) * x.scale


def corrected_bias(layer: Layer, reference: Reals, mean_input: Reals, weights: Array) -> Reals:
    """The bias with which the integer layer has the mean response `reference` ([O], reals).

    mean_input: the mean of what the integer layer reads; weights: the integers of its weights.
    """
    real_weights = weight_reals(weights, layer.node.input(1).type.quantisation)
    return reference - mean_response(layer.float_node, mean_input, real_weights)


def weight_reals(weights: Array, params: QuantParams) -> Reals:
    """The reals that the integers of a weight stand for."""
    return weights * channel_scales(params, weights.ndim)


def analytic_bias(layer: Layer, mean_input: Array, weights: Array) -> Reals:
    """The bias that makes up for the rounding of weights alone, from the float graph's mean input.

    mean_input: of the float layer, NCHW; weights: the integers of its weights. What earlier layers
    do wrong is not known here.
    """
    rounded = weight_reals(weights, layer.node.input(1).type.quantisation)
    return layer.bias - mean_response(layer.float_node, mean_input, rounded - layer.weight.data)
