"""Spaces of networks as data: what every network shares, and what each stage may choose.

A network of a space is a stem, stages of blocks, and a head. The resolution and the width hold for
the whole network; everything else is chosen stage by stage, so that cost adds up over stages.
"""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from fpc.zoo.builder import Affine, Nonlinearity, Padding, round_channels

Scaling: TypeAlias = Literal["always", "up", "never"]
"""Whether a layer's channels follow the width: always, only when it is above 1, or never."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Block(NamedTuple):
    """What one block chooses: its expansion, depthwise kernel, and whether it has SE."""

    expansion: float
    kernel: int
    excites: bool = False


class Setting(NamedTuple):
    """What holds for a whole network: pixels a side and the factor of all channels."""

    resolution: int
    width: float = 1.0


class ConvLayer(_Data):
    """A convolution of the stem or head, with its batch norm and activation."""

    layer: Literal["conv"]
    channels: PositiveInt
    kernel: PositiveInt = 1
    stride: PositiveInt = 1
    activation: Nonlinearity | None = Field(default=None, description="None: the space's own")
    affine: Affine = Affine.BATCH_NORM
    scaling: Scaling = "always"


class BlockLayer(_Data):
    """An inverted residual that every network of the space has."""

    layer: Literal["inverted-residual"]
    channels: PositiveInt
    kernel: PositiveInt = 3
    stride: PositiveInt = 1
    expansion: PositiveFloat = 1.0
    activation: Nonlinearity | None = None


class DenseLayer(_Data):
    """A fully connected layer."""

    layer: Literal["dense"]
    units: PositiveInt


class PlainLayer(_Data):
    """A layer without attributes; `pool` is the mean of each channel."""

    layer: Literal["pool", "flatten", "softmax"]


MapLayer: TypeAlias = Annotated[ConvLayer | BlockLayer, Field(discriminator="layer")]
Layer: TypeAlias = Annotated[
    ConvLayer | BlockLayer | DenseLayer | PlainLayer, Field(discriminator="layer")
]


class Excitation(_Data):
    """Squeeze-excite: a quarter of the channels of a block's `of`, and its two activations."""

    of: Literal["middle", "input"] = "middle"
    """`middle` is rounded to a multiple of 8, `input` is not."""
    activation: Nonlinearity = Nonlinearity.RELU
    gate: Nonlinearity = Nonlinearity.HARD_SIGMOID


def _ascending(given: tuple[float, ...]) -> tuple[float, ...]:
    if list(given) != sorted(set(given)):
        raise ValueError("give each value once, in ascending order")
    return given


class Stage(_Data):
    """Blocks of the same channels, and what each of them may be.

    `channels` has several values where a stage may choose. The first block has the `stride`. With
    `is_uniform` all blocks of a stage are alike; otherwise each chooses for itself, and the order
    of those after the first, which changes neither their cost nor what a regression knows of
    them, is ascending.
    """

    block: Literal["inverted-residual", "partial-convolution"] = "inverted-residual"
    """A stage of partial convolutions begins with a patch-merging convolution of its `stride`."""
    channels: tuple[PositiveInt, ...] = Field(min_length=1)
    stride: PositiveInt = 1
    depths: tuple[PositiveInt, ...] = Field(min_length=1)
    expansions: tuple[PositiveFloat, ...] = Field(min_length=1)
    kernels: tuple[PositiveInt, ...] = Field(min_length=1)
    excites: tuple[bool, ...] = Field(default=(False,), min_length=1)
    activation: Nonlinearity | None = None
    is_uniform: bool = False

    @field_validator("channels", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        return (given,) if isinstance(given, int) else given

    @field_validator("channels", "depths", "expansions", "kernels", "excites")
    @classmethod
    def _each_once(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        return _ascending(given)

    @field_validator("kernels")
    @classmethod
    def _odd(cls, kernels: tuple[int, ...]) -> tuple[int, ...]:
        if not all(kernel % 2 for kernel in kernels):
            raise ValueError("kernels are odd, so that maps keep their extents")
        return kernels

    @model_validator(mode="after")
    def _has_quarters(self) -> Stage:
        if self.block == "partial-convolution" and any(count % 4 for count in self.channels):
            raise ValueError("partial convolutions take a quarter of the channels")
        return self

    @property
    def options(self) -> tuple[Block, ...]:
        """What one block may be, in ascending order."""
        return tuple(
            Block(*choice) for choice in product(self.expansions, self.kernels, self.excites)
        )


class Space(_Data):
    """A space of networks."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str
    source: str
    resolutions: tuple[PositiveInt, ...] = Field(min_length=1)
    widths: tuple[PositiveFloat, ...] = Field(default=(1.0,), min_length=1)
    padding: Padding = Padding.SYMMETRIC
    batch_norm_epsilon: PositiveFloat = 1e-5
    batch_norm_momentum: PositiveFloat = 0.1
    """The weight of a batch in the running statistics, as PyTorch counts it."""
    activation: Nonlinearity = Nonlinearity.RELU6
    excitation: Excitation = Excitation()
    stem: tuple[MapLayer, ...]
    stages: tuple[Stage, ...] = Field(alias="stage")
    head: tuple[Layer, ...] = Field(min_length=1)

    @field_validator("resolutions", "widths")
    @classmethod
    def _each_once(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        return _ascending(given)

    @field_validator("head")
    @classmethod
    def _flat_at_the_end(cls, head: tuple[Layer, ...]) -> tuple[Layer, ...]:
        layers = [layer.layer for layer in head]
        place = layers.index("flatten") if "flatten" in layers else len(layers)
        before, after = layers[:place], layers[place + 1 :]
        if "dense" in before or not set(after) <= {"dense", "softmax"}:
            raise ValueError("`dense` stands after `flatten`, and only `softmax` beside it")
        return head

    @model_validator(mode="after")
    def _has_stages(self) -> Space:
        if not self.stages:
            raise ValueError("a space has one [[stage]] or more")
        if not self.stem and self.stages[0].block == "inverted-residual":
            raise ValueError("inverted residuals need a stem before them")
        return self

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every resolution at every width."""
        return tuple(Setting(*pair) for pair in product(self.resolutions, self.widths))


class StageChoice(NamedTuple):
    """One stage of one network: channels at width 1, and its blocks."""

    channels: int
    blocks: tuple[Block, ...]

    @property
    def canonical(self) -> StageChoice:
        """The same with the blocks after the first in ascending order."""
        return StageChoice(self.channels, (self.blocks[0], *sorted(self.blocks[1:])))


class Subnet(NamedTuple):
    """A network of a space."""

    setting: Setting
    stages: tuple[StageChoice, ...]


def scaled(channels: int, width: float, scaling: Scaling = "always") -> int:
    """`channels` times `width`, as a multiple of 8 where that changes them."""
    factor = {"always": width, "up": max(1.0, width), "never": 1.0}[scaling]
    return channels if factor == 1.0 else round_channels(channels * factor)
