"""The parts of a network of inverted residuals, as Once-for-All and ProxylessNAS list them.

Facts: once-for-all, ofa/nas/efficiency_predictor/latency_lookup_table.py.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Role(enum.Enum):
    """The parts of a network, by the names the tables give them."""

    STEM = "Conv"
    """The first convolution, 3x3 with stride 2."""
    BLOCK = "expanded_conv"
    """1x1 to the channels inside, depthwise, squeeze-excite, 1x1 back, shortcut."""
    LAST_MAP = "Conv_1"
    """The 1x1 convolution of the last map."""
    POOL = "AvgPool2D"
    """The mean of each channel's map."""
    FEATURES = "Conv_2"
    """A 1x1 convolution of means."""
    CLASSIFIER = "Logits"
    """The fully connected layer, with the mean before it where nothing is between them."""
    OTHER = "other"
    """What no table knows."""


@dataclass(frozen=True)
class NetworkPart:
    """A part with its sizes: `in_shape` and `out_shape` are height, width and channels.

    `operator` is what a part that no table knows consists of.
    """

    role: Role
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    middle: int = 0
    kernel: int = 1
    stride: int = 1
    has_shortcut: bool = False
    squeezes: bool = False
    hard_swish: bool = False
    operator: str = ""

    @property
    def kind(self) -> str:
        """The role."""
        return self.role.value

    @property
    def numbers(self) -> tuple[int, ...]:
        """Everything that is a number."""
        inside = (self.middle, self.kernel, self.stride)
        flags = (self.has_shortcut, self.squeezes, self.hard_swish)
        return (*self.in_shape, *self.out_shape, *inside, *map(int, flags))

    def __str__(self) -> str:
        shapes = " to ".join("x".join(map(str, s)) for s in (self.in_shape, self.out_shape))
        words = [f"{self.operator or self.role.value} of {shapes}"]
        if self.role is Role.BLOCK:
            words.append(f"{self.middle} channels inside")
        if self.kernel > 1:
            words.append(f"{self.kernel}x{self.kernel} with stride {self.stride}")
        for is_so, word in (
            (self.has_shortcut, "shortcut"),
            (self.squeezes, "squeeze-excite"),
            (self.hard_swish, "hard-swish"),
        ):
            words += [word] if is_so else []
        return ", ".join(words)
