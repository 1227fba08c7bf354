"""Synthetic images with the statistics of natural ones, for calibration without data.

Dead leaves (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001): opaque
discs of power-law sizes occlude each other, which gives the sharp edges, the flat regions and the
scale invariance of photographs. Each leaf carries a texture of 1/f amplitude (Field, JOSA A 4,
1987) and a shading gradient; colours vary mostly in brightness and little in hue (Ruderman, Cronin
and Chiao, JOSA A 15, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Reals = NDArray[np.float64]

_SMALLEST_RADIUS = 0.03
_LARGEST_RADIUS = 0.6
_LEAVES = 300
_OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-0.5, 1.0, -0.5]])
"""Rows: brightness, blue-yellow and red-green directions of RGB."""
_COLOUR_DEVIATION = np.array([0.25, 0.09, 0.05])
_MEAN_BRIGHTNESS = 0.46


def natural_image(height: int, width: int, rng: Rng) -> NDArray[np.uint8]:
    """One RGB image [height, width, 3]."""
    size = max(height, width)
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    texture = pink_noise(size, rng)
    leaves = _Leaves.scatter(_LEAVES, rng)
    visible = np.zeros((size, size), np.intp)
    for index in range(1, _LEAVES):
        top, bottom = _span(leaves.row[index], leaves.radius[index], size)
        left, right = _span(leaves.column[index], leaves.radius[index], size)
        if top < bottom and left < right:
            covered = leaves.covers(index, axis[top:bottom], axis[left:right])
            np.putmask(visible[top:bottom, left:right], covered, index)
    image = leaves.surface(visible, axis, texture)
    contrast = rng.uniform(0.6, 1.3)
    offset = rng.normal(0.0, 0.08)
    exposed = (image - _MEAN_BRIGHTNESS) * contrast + _MEAN_BRIGHTNESS + offset
    top, left = (size - height) // 2, (size - width) // 2
    cropped = exposed[top : top + height, left : left + width]
    return np.rint(np.clip(cropped, 0.0, 1.0) * 255.0).astype(np.uint8)


def pink_noise(size: int, rng: Rng) -> NDArray[np.float32]:
    """Noise [size, size] of mean 0 and deviation 1 whose amplitude falls as 1 / frequency."""
    vertical = np.fft.fftfreq(size)[:, None]
    horizontal = np.fft.rfftfreq(size)[None, :]
    frequency = np.hypot(vertical, horizontal)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / frequency
    noise = np.fft.irfft2(spectrum, (size, size))
    return (noise / max(float(noise.std()), 1e-12)).astype(np.float32)


@dataclass(frozen=True)
class _Leaves:
    """Leaves in the order in which they fall; lengths in units of the image's side.

    A leaf is an ellipse, or a rectangle, turned by `angle`; the first one covers everything.
    """

    row: Reals
    column: Reals
    radius: Reals
    angle: Reals
    stretch: Reals
    is_rectangle: NDArray[np.bool_]
    colour: Reals
    slope: Reals
    grain: Reals

    @classmethod
    def scatter(cls, count: int, rng: Rng) -> _Leaves:
        """Leaves of random place, size, shape and surface."""
        row, column = rng.uniform(-0.1, 1.1, (2, count))
        radius = _radii(count, rng)
        row[0], column[0], radius[0] = 0.5, 0.5, 4.0
        return cls(
            row,
            column,
            radius,
            rng.uniform(0.0, np.pi, count),
            rng.uniform(0.3, 1.0, count),
            rng.uniform(size=count) < 0.3,
            _MEAN_BRIGHTNESS + (rng.normal(size=(count, 3)) * _COLOUR_DEVIATION) @ _OPPONENT,
            rng.normal(0.0, 0.15, (count, 2)),
            np.abs(rng.normal(0.0, 0.06, count)),
        )

    def covers(
        self, index: int, rows: NDArray[np.float32], columns: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Which places at `rows` and `columns` leaf `index` covers."""
        y = (rows - np.float32(self.row[index]))[:, None]
        x = (columns - np.float32(self.column[index]))[None, :]
        sine, cosine = np.float32(np.sin(self.angle[index])), np.float32(np.cos(self.angle[index]))
        stretch = np.float32(self.stretch[index])
        along, across = y * sine + x * cosine, (y * cosine - x * sine) / stretch
        radius = self.radius[index]
        if self.is_rectangle[index]:
            return np.maximum(np.abs(along), np.abs(across)) < 0.7 * radius
        return along * along + across * across < radius * radius

    def surface(
        self, visible: NDArray[np.intp], axis: NDArray[np.float32], texture: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The RGB image of the leaf that is `visible` at each place of a square."""
        slope, grain = self.slope.astype(np.float32), self.grain.astype(np.float32)
        shading = slope[visible, 0] * (axis - 0.5)[:, None]
        shading += slope[visible, 1] * (axis - 0.5)[None, :]
        shading += grain[visible] * texture
        return shading[..., None] + self.colour.astype(np.float32)[visible]


def _radii(count: int, rng: Rng) -> Reals:
    """Radii of density r^-3 between the two limits, by inversion of the distribution."""
    smallest, largest = _SMALLEST_RADIUS**-2, _LARGEST_RADIUS**-2
    return (smallest - rng.uniform(size=count) * (smallest - largest)) ** -0.5


def _span(centre: float, radius: float, size: int) -> tuple[int, int]:
    return max(0, int((centre - radius) * size)), min(size, int((centre + radius) * size) + 2)
