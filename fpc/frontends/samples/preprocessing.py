"""From an image's bytes to a network's input."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fpc.diagnostics.errors import UsageError
from fpc.ir.constant import Array


class Resampling(enum.Enum):
    """How `--resize` treats an image whose sides are not those wanted."""

    SHORT_SIDE = "short-side"
    """Scale the shorter side to the size, keep the aspect ratio."""
    STRETCH = "stretch"
    """Scale both sides, whatever the aspect ratio."""


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become inputs: resize, crop, order channels, then (pixel * scale - mean) / std.

    `scale` multiplies the 0..255 values first (1/255 for networks trained on 0..1). `mean` and
    `std` have one entry, or one a channel in the order the network takes them. `resize` is a side
    in pixels (0: the network's own), `crop` the side of the centre crop (0: the network's own).
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    channel_order: Literal["rgb", "bgr"] = "rgb"
    resize: int = 0
    crop: int = 0
    resampling: Resampling = Resampling.SHORT_SIDE

    def __post_init__(self) -> None:
        if any(value == 0.0 for value in self.std):
            raise UsageError("std", "a standard deviation of 0 would divide by zero")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if not values:
                raise UsageError(name, f"--{name} needs one value, or one for every channel")

    @property
    def is_identity(self) -> bool:
        """Whether pixel values reach the network as they are."""
        return (
            not any(self.mean)
            and all(value == 1.0 for value in self.std)
            and self.scale == 1.0
            and self.channel_order == "rgb"
        )

    def normalise(self, pixels: Array) -> Array:
        """Float32 NCHW (or CHW) values for pixels of the same layout, RGB first."""
        channel_axis = pixels.ndim - 3
        values = pixels.astype(np.float32)
        channels = values.shape[channel_axis]
        if self.channel_order == "bgr" and channels == 3:
            values = np.flip(values, axis=channel_axis)
        mean = self._by_channel("mean", self.mean, channels)
        std = self._by_channel("std", self.std, channels)
        values = np.ascontiguousarray(values)
        values *= np.float32(self.scale)
        values -= mean
        values /= std
        return values

    def _by_channel(self, name: str, values: tuple[float, ...], channels: int) -> Array:
        if len(values) not in (1, channels):
            raise UsageError(
                name,
                f"--{name} has {len(values)} values for an input of {channels} channels",
                help="give one value, or one for every channel",
            )
        return np.asarray(values, np.float32).reshape(-1, 1, 1)
