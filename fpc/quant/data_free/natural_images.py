"""Synthetic images with the statistics of natural ones, for calibration without data.

Dead leaves (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001): opaque
discs of power-law sizes occlude each other, which gives the sharp edges, the flat regions and the
scale invariance of photographs. Each leaf carries a texture of 1/f amplitude (Field, JOSA A 4,
1987) and a shading gradient; colours vary mostly in brightness and little in hue (Ruderman, Cronin
and Chiao, JOSA A 15, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Reals = NDArray[np.float64]

_SMALLEST_RADIUS = 0.03
_LARGEST_RADIUS = 0.6
_LEAVES = 300
_OUTSIDE = 0.1
"""How far from the image's sides the middle of a leaf may fall."""
_HALF_SIDE = 0.7
"""That of a square leaf of radius one."""
_SIDE_STEP = 8
_OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-0.5, 1.0, -0.5]])
"""Rows: brightness, blue-yellow and red-green directions of RGB."""
_COLOUR_DEVIATION = np.array([0.25, 0.09, 0.05])
_MEAN_BRIGHTNESS = 0.46


def natural_image(height: int, width: int, rng: Rng) -> NDArray[np.uint8]:
    """One RGB image [height, width, 3]."""
    size = max(height, width)
    axis = _places(np.arange(size), size)
    texture = pink_noise(size, rng)
    leaves = _Leaves.scatter(_LEAVES, rng)
    image = leaves.surface(leaves.on_top(size), axis, texture)
    contrast = rng.uniform(0.6, 1.3)
    offset = rng.normal(0.0, 0.08)
    exposed = (image - _MEAN_BRIGHTNESS) * contrast + _MEAN_BRIGHTNESS + offset
    top, left = (size - height) // 2, (size - width) // 2
    cropped = exposed[top : top + height, left : left + width]
    return np.rint(np.clip(cropped, 0.0, 1.0) * 255.0).astype(np.uint8)


def pink_noise(size: int, rng: Rng) -> NDArray[np.float32]:
    """Noise [size, size] of mean 0 and deviation 1 whose amplitude falls as 1 / frequency."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) / _frequencies(size)
    noise = np.fft.irfft2(spectrum, (size, size))
    return (noise / max(float(noise.std()), 1e-12)).astype(np.float32)


@cache
def _frequencies(size: int) -> Reals:
    """Those of `numpy.fft.rfft2` of a square, infinite for its mean."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    return frequency


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
        row, column = rng.uniform(-_OUTSIDE, 1.0 + _OUTSIDE, (2, count))
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

    def on_top(self, size: int) -> NDArray[np.intp]:
        """Which leaf one sees at each of `size` x `size` places: of all that cover it the last.

        Leaves whose squares are equally large are drawn at once: most cover few places, and there
        numpy takes longer to be called than to compute.
        """
        reach = self._reach()
        sides = _rounded_up(np.ceil(2.0 * reach * size).astype(np.intp) + 2)[1:]
        margin = int(sides.max()) + int(np.ceil(_OUTSIDE * size))
        top = np.floor((self.row - reach) * size).astype(np.intp) + margin
        left = np.floor((self.column - reach) * size).astype(np.intp) + margin
        axis = _places(np.arange(-margin, size + margin), size)
        seen = np.zeros((len(axis), len(axis)), np.int16)
        for side in np.unique(sides).tolist():
            for is_rectangle in (False, True):
                alike = (sides == side) & (self.is_rectangle[1:] == is_rectangle)
                some = 1 + np.flatnonzero(alike)
                rows = axis[top[some, None] + np.arange(side)]
                columns = axis[left[some, None] + np.arange(side)]
                covered = self._covered(some, rows, columns, is_rectangle=is_rectangle)
                numbered = covered * some.astype(np.int16)[:, None, None]
                for row, column, square in zip(top[some], left[some], numbered, strict=True):
                    place = seen[row : row + side, column : column + side]
                    np.maximum(place, square, out=place)
        return seen[margin : margin + size, margin : margin + size].astype(np.intp)

    def _reach(self) -> Reals:
        """How far each leaf reaches from its centre along the image's axes, at most."""
        sine, cosine = np.abs(np.sin(self.angle)), np.abs(np.cos(self.angle))
        long = np.where(self.is_rectangle, _HALF_SIDE, 1.0) * self.radius
        wide = long * self.stretch
        down, across = (
            np.where(self.is_rectangle, x + y, np.hypot(x, y))
            for x, y in ((long * sine, wide * cosine), (long * cosine, wide * sine))
        )
        return np.maximum(down, across)

    def _covered(
        self,
        some: NDArray[np.intp],
        rows: NDArray[np.float32],
        columns: NDArray[np.float32],
        *,
        is_rectangle: bool,
    ) -> NDArray[np.bool_]:
        """Which places each of `some` leaves of one shape covers: [leaves, rows, columns].

        rows, columns: where the places lie, for each leaf.
        """
        row, column, sine, cosine, stretch = (
            each[some, None].astype(np.float32)
            for each in (
                self.row,
                self.column,
                np.sin(self.angle),
                np.cos(self.angle),
                self.stretch,
            )
        )
        y, x = rows - row, columns - column
        along = (y * sine)[:, :, None] + (x * cosine)[:, None, :]
        across = (y * cosine)[:, :, None] - (x * sine)[:, None, :]
        across /= stretch[:, :, None]
        radius = self.radius[some, None, None]
        if is_rectangle:
            return np.maximum(np.abs(along), np.abs(across)) < _HALF_SIDE * radius
        return along * along + across * across < radius * radius

    def surface(
        self, visible: NDArray[np.intp], axis: NDArray[np.float32], texture: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The RGB image of the leaf that is `visible` at each place of a square."""
        down, right = self.slope.T.astype(np.float32)
        shading = down.take(visible) * (axis - 0.5)[:, None]
        shading += right.take(visible) * (axis - 0.5)[None, :]
        shading += self.grain.astype(np.float32).take(visible) * texture
        return shading[..., None] + self.colour.astype(np.float32).take(visible, axis=0)


def _radii(count: int, rng: Rng) -> Reals:
    """Radii of density r^-3 between the two limits, by inversion of the distribution."""
    smallest, largest = _SMALLEST_RADIUS**-2, _LARGEST_RADIUS**-2
    return (smallest - rng.uniform(size=count) * (smallest - largest)) ** -0.5


def _places(pixels: NDArray[np.intp], size: int) -> NDArray[np.float32]:
    """The middles of `pixels`, in parts of the image's side."""
    return ((pixels + 0.5) / size).astype(np.float32)


def _rounded_up(sides: NDArray[np.intp]) -> NDArray[np.intp]:
    return -(-sides // _SIDE_STEP) * _SIDE_STEP
