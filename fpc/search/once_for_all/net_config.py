"""Subnets as `net.config` files of Once-for-All, which the authors' code and `fpc zoo` build."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fpc.search.space.description import DenseLayer, Layer, Space, Stage, Subnet
from fpc.search.space.layers import BLOCKS, Convolution, layers_of
from fpc.zoo.builder import Nonlinearity
from fpc.zoo.inverted_residual import InvertedResidual
from fpc.zoo.ofa_config import ACTIVATIONS

_NAMES: Mapping[Nonlinearity, str | None] = MappingProxyType(
    {activation: name for name, activation in ACTIVATIONS.items()}
)
_STEM = ["conv", "inverted-residual"]
_LAYER = MappingProxyType({"dropout_rate": 0, "ops_order": "weight_bn_act"})


def net_config(space: Space, subnet: Subnet) -> str | None:
    """The file's text; None for a space whose networks once-for-all has no class for."""
    name = network_class(space)
    if name is None:
        return None
    document: dict[str, Any] = {
        "name": name,
        "bn": {"momentum": space.batch_norm_momentum, "eps": space.batch_norm_epsilon},
    }
    for placed in layers_of(space, subnet):
        match placed.layer:
            case Convolution() as conv:
                document[placed.name] = _conv(conv, placed.in_channels)
            case InvertedResidual() as block:
                document.setdefault(BLOCKS, []).append(_block(block, placed.in_channels))
            case DenseLayer(units=units):
                document[placed.name] = _classifier(units, placed.in_channels)
            case _:
                pass
    return json.dumps(document, indent=1) + "\n"


def network_class(space: Space) -> str | None:
    """What once-for-all calls networks of the space; None where it has no class for them.

    It has MobileNetV3, which pools before its last 1x1, and ProxylessNASNets, which has one 1x1.
    """
    if not _is_expressible(space) or [layer.layer for layer in space.stem] != _STEM:
        return None
    match [layer.layer for layer in space.head]:
        case ["conv", "pool", "conv", "flatten", "dense"]:
            return "MobileNetV3"
        case ["conv", "pool", "flatten", "dense"]:
            return "ProxylessNASNets"
        case _:
            return None


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


def _conv(conv: Convolution, in_channels: int) -> dict[str, Any]:
    return _LAYER | {
        "name": "ConvLayer",
        "kernel_size": conv.kernel,
        "stride": conv.stride,
        "dilation": 1,
        "groups": 1,
        "bias": conv.affine.has_bias,
        "has_shuffle": False,
        "in_channels": in_channels,
        "out_channels": conv.channels,
        "use_bn": conv.affine.normalises,
        "act_func": _NAMES[conv.act],
    }


def _classifier(units: int, in_features: int) -> dict[str, Any]:
    return _LAYER | {
        "name": "LinearLayer",
        "in_features": in_features,
        "out_features": units,
        "bias": True,
        "use_bn": False,
        "act_func": None,
    }


def _block(block: InvertedResidual, in_channels: int) -> dict[str, Any]:
    return {
        "name": "MobileInvertedResidualBlock",
        "mobile_inverted_conv": {
            "name": "MBInvertedConvLayer",
            "in_channels": in_channels,
            "out_channels": block.channels,
            "kernel_size": block.kernel,
            "stride": block.stride,
            "expand_ratio": block.middle / in_channels,
            "mid_channels": None if block.middle == in_channels else block.middle,
            "act_func": _NAMES[block.act],
            "use_se": block.squeezed is not None,
        },
        "shortcut": _LAYER
        | {
            "name": "IdentityLayer",
            "in_channels": [in_channels],
            "out_channels": [in_channels],
            "use_bn": False,
            "act_func": None,
        }
        if block.has_shortcut(in_channels)
        else None,
    }
