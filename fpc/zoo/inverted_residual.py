"""The inverted residual block (Sandler et al. 2018), as MobileNet's descendants vary it."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.ir.graph import Value
from fpc.zoo.builder import NetworkBuilder, Nonlinearity, under


@dataclass(frozen=True)
class InvertedResidual:
    """1x1 to `middle`, depthwise, squeeze-excite, 1x1 to `channels`; a shortcut where shapes allow.

    The first 1x1 is left out where the input has `middle` channels already, squeeze-excite where
    `squeezed`, the channels inside it, is None. The last 1x1 is linear. The shortcut needs stride 1
    and `channels` channels at the input. Parts have the names that once-for-all gives them.
    """

    channels: int
    middle: int
    kernel: int = 3
    stride: int = 1
    act: Nonlinearity = Nonlinearity.RELU6
    squeezed: int | None = None
    squeeze_act: Nonlinearity = Nonlinearity.RELU
    gate: Nonlinearity = Nonlinearity.HARD_SIGMOID

    def apply(self, b: NetworkBuilder, x: Value, name: str = "") -> Value:
        """The block on a map x; `name` is that of the module it is."""
        channels = x.type.shape[1]
        y = x
        if self.middle != channels:
            expansion = under(name, "conv.inverted_bottleneck.conv")
            y = b.conv(y, self.middle, act=self.act, name=expansion)
        depthwise = under(name, "conv.depth_conv.conv")
        y = b.depthwise(y, self.kernel, stride=self.stride, act=self.act, name=depthwise)
        if self.squeezed is not None:
            y = b.squeeze_excite(
                y,
                self.squeezed,
                act=self.squeeze_act,
                gate=self.gate,
                name=under(name, "conv.depth_conv.se.fc"),
            )
        y = b.conv(y, self.channels, name=under(name, "conv.point_linear.conv"))
        return b.add(x, y) if self.has_shortcut(channels) else y

    def has_shortcut(self, in_channels: int) -> bool:
        """Whether the block adds its input of so many channels."""
        return self.stride == 1 and in_channels == self.channels
