"""Subnets as `net.config` files of Once-for-All, which the authors' code and `fpc zoo` build."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fpc.search.space import (
    BlockLayer,
    ConvLayer,
    DenseLayer,
    Layer,
    Setting,
    Space,
    Stage,
    StageChoice,
    Subnet,
    scaled,
)
from fpc.zoo.builder import Nonlinearity, round_channels
from fpc.zoo.ofa_config import ACTIVATIONS

_NAMES: Mapping[Nonlinearity, str | None] = MappingProxyType(
    {activation: name for name, activation in ACTIVATIONS.items()}
)
_LAYER = MappingProxyType({"dropout_rate": 0, "ops_order": "weight_bn_act"})


def net_config(space: Space, subnet: Subnet) -> str | None:
    """The file's text; None for a space whose networks once-for-all has no class for.

    It has MobileNetV3, which pools before its last 1x1, and ProxylessNASNets, which has one 1x1.
    """
    shape = [layer.layer for layer in space.head]
    match shape, [layer.layer for layer in space.stem]:
        case (["conv", "pool", "conv", "flatten", "dense"], ["conv", "inverted-residual"]):
            name = "MobileNetV3"
        case (["conv", "pool", "flatten", "dense"], ["conv", "inverted-residual"]):
            name = "ProxylessNASNets"
        case _:
            return None
    if not _is_expressible(space):
        return None
    setting = subnet.setting
    first, block = space.stem
    convs = [layer for layer in space.head if isinstance(layer, ConvLayer)]
    (dense,) = (layer for layer in space.head if isinstance(layer, DenseLayer))
    assert isinstance(first, ConvLayer)
    assert isinstance(block, BlockLayer)
    channels = scaled(first.channels, setting.width, first.scaling)
    blocks = [_fixed_block(space, block, channels, setting)]
    channels = scaled(block.channels, setting.width)
    for stage, choice in zip(space.stages, subnet.stages, strict=True):
        blocks += _blocks(space, stage, choice, channels, setting)
        channels = scaled(choice.channels, setting.width)
    document: dict[str, Any] = {
        "name": name,
        "bn": {"momentum": 0.1, "eps": space.batch_norm_epsilon},
        "first_conv": _conv(space, first, 3, setting),
        "blocks": blocks,
    }
    parts = ("final_expand_layer", "feature_mix_layer")[-len(convs) :]
    for part, conv in zip(parts, convs, strict=True):
        document[part] = _conv(space, conv, channels, setting)
        channels = scaled(conv.channels, setting.width, conv.scaling)
    document["classifier"] = _LAYER | {
        "name": "LinearLayer",
        "in_features": channels,
        "out_features": dense.units,
        "bias": True,
        "use_bn": False,
        "act_func": None,
    }
    return json.dumps(document, indent=1) + "\n"


def run_config(subnet: Subnet) -> str:
    """The text of the `run.config` file beside it, which holds the resolution."""
    return json.dumps({"image_size": subnet.setting.resolution}) + "\n"


def _is_expressible(space: Space) -> bool:
    """Whether blocks and activations are those that the authors' layers have."""
    layers: tuple[Layer | Stage, ...] = (*space.stem, *space.stages, *space.head)
    activations = {getattr(layer, "activation", None) or space.activation for layer in layers}
    return (
        activations <= set(_NAMES)
        and space.excitation.of == "middle"
        and space.excitation.activation is Nonlinearity.RELU
        and space.excitation.gate is Nonlinearity.HARD_SIGMOID
        and all(stage.block == "inverted-residual" for stage in space.stages)
    )


def _conv(space: Space, conv: ConvLayer, in_channels: int, setting: Setting) -> dict[str, Any]:
    return _LAYER | {
        "name": "ConvLayer",
        "kernel_size": conv.kernel,
        "stride": conv.stride,
        "dilation": 1,
        "groups": 1,
        "bias": conv.affine.has_bias,
        "has_shuffle": False,
        "in_channels": in_channels,
        "out_channels": scaled(conv.channels, setting.width, conv.scaling),
        "use_bn": conv.affine.normalises,
        "act_func": _NAMES[conv.activation or space.activation],
    }


def _fixed_block(
    space: Space, block: BlockLayer, in_channels: int, setting: Setting
) -> dict[str, Any]:
    return _block(
        in_channels,
        scaled(block.channels, setting.width),
        block.kernel,
        block.stride,
        block.expansion,
        block.activation or space.activation,
        excites=False,
    )


def _blocks(
    space: Space, stage: Stage, choice: StageChoice, in_channels: int, setting: Setting
) -> list[dict[str, Any]]:
    channels = scaled(choice.channels, setting.width)
    return [
        _block(
            channels if index else in_channels,
            channels,
            block.kernel,
            1 if index else stage.stride,
            block.expansion,
            stage.activation or space.activation,
            excites=block.excites,
        )
        for index, block in enumerate(choice.blocks)
    ]


def _block(
    in_channels: int,
    channels: int,
    kernel: int,
    stride: int,
    expansion: float,
    activation: Nonlinearity,
    *,
    excites: bool,
) -> dict[str, Any]:
    middle = round_channels(in_channels * expansion)
    has_shortcut = stride == 1 and in_channels == channels
    return {
        "name": "MobileInvertedResidualBlock",
        "mobile_inverted_conv": {
            "name": "MBInvertedConvLayer",
            "in_channels": in_channels,
            "out_channels": channels,
            "kernel_size": kernel,
            "stride": stride,
            "expand_ratio": expansion,
            "mid_channels": None if middle == in_channels else middle,
            "act_func": _NAMES[activation],
            "use_se": excites,
        },
        "shortcut": _LAYER
        | {
            "name": "IdentityLayer",
            "in_channels": [in_channels],
            "out_channels": [channels],
            "use_bn": False,
            "act_func": None,
        }
        if has_shortcut
        else None,
    }
