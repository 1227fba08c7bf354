"""Once-for-All subnets from the authors' `net.config` files (JSON), layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)

from fpc.diagnostics.errors import ModelError
from fpc.diagnostics.validation import problems
from fpc.ir.graph import Graph, Value
from fpc.zoo.builder import Affine, NetworkBuilder, Nonlinearity, round_channels
from fpc.zoo.inverted_residual import InvertedResidual

_RESOLUTION = 224
ACTIVATIONS: Mapping[str | None, Nonlinearity] = MappingProxyType(
    {
        None: Nonlinearity.NONE,
        "relu": Nonlinearity.RELU,
        "relu6": Nonlinearity.RELU6,
        "h_swish": Nonlinearity.HARD_SWISH,
    }
)
"""Activations by the names that the files have for them."""

_Activation = Literal["relu", "relu6", "h_swish"] | None


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Conv(_Part):
    in_channels: PositiveInt
    out_channels: PositiveInt
    kernel_size: PositiveInt
    stride: PositiveInt
    bias: bool
    use_bn: bool
    act_func: _Activation

    def apply(self, b: NetworkBuilder, x: Value) -> Value:
        act = ACTIVATIONS[self.act_func]
        affine = {
            (False, False): Affine.NONE,
            (False, True): Affine.BATCH_NORM,
            (True, False): Affine.BIAS,
            (True, True): Affine.BIAS_AND_BATCH_NORM,
        }[self.bias, self.use_bn]
        return b.conv(
            x, self.out_channels, self.kernel_size, stride=self.stride, act=act, affine=affine
        )


class _Inverted(_Part):
    in_channels: PositiveInt
    out_channels: PositiveInt
    kernel_size: PositiveInt
    stride: PositiveInt
    expand_ratio: float
    mid_channels: PositiveInt | None
    act_func: _Activation
    use_se: bool

    def block(self) -> InvertedResidual:
        middle = self.mid_channels or round(self.in_channels * self.expand_ratio)
        return InvertedResidual(
            self.out_channels,
            middle,
            self.kernel_size,
            self.stride,
            ACTIVATIONS[self.act_func],
            squeezed=round_channels(middle // 4) if self.use_se else None,
        )


class _Shortcut(_Part):
    name: Literal["IdentityLayer"]


class _Block(_Part):
    mobile_inverted_conv: _Inverted = Field(
        validation_alias=AliasChoices("mobile_inverted_conv", "conv")
    )
    shortcut: _Shortcut | None

    @model_validator(mode="after")
    def _shortcut_follows_from_shapes(self) -> _Block:
        inverted = self.mobile_inverted_conv
        allowed = inverted.stride == 1 and inverted.in_channels == inverted.out_channels
        if allowed != (self.shortcut is not None):
            raise ValueError("a block has a shortcut where its shapes allow one, and only there")
        return self


class _Linear(_Part):
    out_features: PositiveInt


class _BatchNorm(_Part):
    eps: float


class _Network(_Part):
    """MobileNetV3 pools before `feature_mix_layer`; ProxylessNAS, which expands no more, after."""

    name: Literal["MobileNetV3", "ProxylessNASNets"]
    bn: _BatchNorm
    first_conv: _Conv
    blocks: tuple[_Block, ...]
    final_expand_layer: _Conv | None = None
    feature_mix_layer: _Conv
    classifier: _Linear

    @model_validator(mode="after")
    def _layers_follow_each_other(self) -> _Network:
        inverted = (block.mobile_inverted_conv for block in self.blocks)
        last = (self.final_expand_layer, self.feature_mix_layer)
        before = self.first_conv.out_channels
        for layer in (*inverted, *(conv for conv in last if conv is not None)):
            if layer.in_channels != before:
                raise ValueError(
                    f"a layer takes {layer.in_channels} channels where {before} arrive"
                )
            before = layer.out_channels
        return self


class _Run(_Part):
    image_size: PositiveInt


def load(path: Path, *, resolution: int | None = None, seed: int | None = None) -> Graph:
    """The network of a `net.config` file, with shapes only unless there is a `seed`.

    Without a `resolution` it is that of the `run.config` file beside it, else 224 pixels.
    `ModelError` for a file that cannot be read or holds something else.
    """
    config = _read(path, _Network)
    resolution = _resolution(path) if resolution is None else resolution
    b = NetworkBuilder(path.name.removesuffix(".net.config"), seed=seed, epsilon=config.bn.eps)
    x = config.first_conv.apply(b, b.input(3, resolution, resolution))
    for block in config.blocks:
        x = block.mobile_inverted_conv.block().apply(b, x)
    if config.final_expand_layer is None:
        x = b.global_pool(config.feature_mix_layer.apply(b, x))
    else:
        x = b.global_pool(config.final_expand_layer.apply(b, x))
        x = config.feature_mix_layer.apply(b, x)
    return b.finish(b.dense(b.flatten(x), config.classifier.out_features))


def blocks(path: Path) -> tuple[int, tuple[tuple[int, InvertedResidual], ...]]:
    """The resolution, as `load` finds it, and each block with the channels that it gets."""
    inverted = [block.mobile_inverted_conv for block in _read(path, _Network).blocks]
    return _resolution(path), tuple((each.in_channels, each.block()) for each in inverted)


def _resolution(path: Path) -> int:
    beside = path.with_name(path.name.replace("net.config", "run.config"))
    has_run = beside != path and beside.is_file()
    return _read(beside, _Run).image_size if has_run else _RESOLUTION


_PartT = TypeVar("_PartT", bound=_Part)


def _read(path: Path, kind: type[_PartT]) -> _PartT:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(
            "unreadable", f"cannot read {path}: {error.strerror or error}", model=str(path)
        ) from None
    except ValidationError as error:
        raise ModelError(
            "net-config",
            f"{path} is no configuration of an Once-for-All network",
            model=str(path),
            notes=problems(error, "the file")[:3],
            help="give a net.config file as the Once-for-All authors publish them",
        ) from None
