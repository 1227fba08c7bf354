"""The inverted residual block (Sandler et al. 2018), as MobileNet's descendants vary it."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.ir.graph import Value
from fpc.zoo.builder import NetworkBuilder, Nonlinearity


@dataclass(frozen=True)
class InvertedResidual:
    """1x1 to `middle`, depthwise, squeeze-excite, 1x1 to `channels`; a shortcut where shapes allow.

    The first 1x1 is left out where the input has `middle` channels already, squeeze-excite where
    `squeezed`, the channels inside it, is None. The last 1x1 is linear. The shortcut needs stride 1
    and `channels` channels at the input.
    """

    channels: int
    middle: int
    kernel: int = 3
    stride: int = 1
    act: Nonlinearity = Nonlinearity.RELU6
    squeezed: int | None = None
    squeeze_act: Nonlinearity = Nonlinearity.RELU
    gate: Nonlinearity = Nonlinearity.HARD_SIGMOID

    def apply(self, b: NetworkBuilder, x: Value) -> Value:
        """The block on a map x."""
        channels = x.type.shape[1]
        y = x if self.middle == channels else b.conv(x, self.middle, act=self.act)
        y = b.depthwise(y, self.kernel, stride=self.stride, act=self.act)
        if self.squeezed is not None:
            y = b.squeeze_excite(y, self.squeezed, act=self.squeeze_act, gate=self.gate)
        y = b.conv(y, self.channels)
        return b.add(x, y) if self.stride == 1 and channels == self.channels else y
