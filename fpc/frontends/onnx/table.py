"""Every ONNX operator that fpc imports, by name; other domains carry theirs in front."""

from __future__ import annotations

from types import MappingProxyType

from fpc.frontends.onnx import (
    activation,
    control,
    convolution,
    elementwise,
    linear,
    movement,
    normalisation,
    pooling,
    qoperator,
    quantisation,
    reduction,
    resize,
)
from fpc.frontends.onnx.context import Handler

HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        **activation.HANDLERS,
        **control.HANDLERS,
        **convolution.HANDLERS,
        **elementwise.HANDLERS,
        **linear.HANDLERS,
        **movement.HANDLERS,
        **normalisation.HANDLERS,
        **pooling.HANDLERS,
        **qoperator.HANDLERS,
        **quantisation.HANDLERS,
        **reduction.HANDLERS,
        **resize.HANDLERS,
    }
)
