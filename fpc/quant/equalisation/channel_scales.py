"""How much to scale each channel of an activation between two layers.

An activation x with one scale for all channels is rounded in steps of (greatest - smallest) / 255,
so channels of small range are coarse. Dividing channel c by s_c and multiplying the weights that
read it by s_c evens the ranges out, but it also spreads the weights: where one scale serves all
input channels of a filter, the rounding of weights grows. Both errors are modelled as uniform noise
(step^2 / 12) at the reader's results and the sum is minimised over a family of exponents between
"leave" and "equal ranges", as Xiao et al. do for transformers (SmoothQuant, ICML 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

_EXPONENTS = (0.25, 0.5, 0.75, 1.0)
_STEPS = 255.0
_WEIGHT_LIMIT = 127.0
_MOST = 64.0


@dataclass(frozen=True)
class ChannelRange:
    """The smallest and the greatest value of every channel of one activation."""

    low: Reals
    high: Reals

    def hull(self, other: ChannelRange) -> ChannelRange:
        """What holds both."""
        return ChannelRange(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    @property
    def reach(self) -> Reals:
        """The greatest magnitude of every channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


@dataclass(frozen=True)
class Reader:
    """A layer that weighs the channels.

    [out channels, channels]: sums of squares, and greatest magnitudes, of its weights over taps.
    Both are None where every channel has weights, and a scale for them, of its own.
    """

    energy: Reals | None
    largest: Reals | None


@dataclass(frozen=True)
class Choice:
    """Positive factors to divide the channels by, and the modelled fall of the error."""

    factors: Reals
    gain_db: float


def choose_scales(ranges: Sequence[ChannelRange], readers: Sequence[Reader]) -> Choice:
    """The best factors for an activation that runs through `ranges` before `readers` weigh it."""
    ones = np.ones(len(ranges[0].low))
    before = _error(ones, ranges, readers)
    best = Choice(ones, 0.0)
    for reach in (ranges[0].reach, ranges[-1].reach):
        for exponent in _EXPONENTS:
            factors = _factors(reach, exponent)
            after = _error(factors, ranges, readers)
            gain = 10.0 * float(np.log10(before / after)) if after > 0.0 else 0.0
            if gain > best.gain_db:
                best = Choice(factors, gain)
    return best


def _factors(reach: Reals, exponent: float) -> Reals:
    """reach^exponent about its geometric mean; channels that are always zero stay as they are."""
    alive = reach > 1e-9 * reach.max()
    if not alive.any():
        return np.ones_like(reach)
    factors = np.ones_like(reach)
    logs = np.log(reach[alive])
    factors[alive] = np.exp(exponent * (logs - logs.mean()))
    return np.clip(factors, 1.0 / _MOST, _MOST)


def _error(factors: Reals, ranges: Sequence[ChannelRange], readers: Sequence[Reader]) -> float:
    """The modelled noise over the reader's own signal, summed over readers and filters.

    The mean square of a channel is taken for a ninth of its greatest magnitude's.
    """
    activation_noise = sum(_noise(r, factors) for r in ranges)
    power = np.square(ranges[-1].reach) / 9.0
    total = 0.0
    for reader in readers:
        if reader.energy is None or reader.largest is None:
            alive = power > 0.0
            share = activation_noise * np.square(factors[alive]) / power[alive]
            total += float(share.mean()) if alive.any() else 0.0
            continue
        signal = reader.energy @ power
        from_activations = activation_noise * (reader.energy @ np.square(factors))
        steps = (reader.largest * factors).max(axis=1) / _WEIGHT_LIMIT
        taps = np.maximum(reader.energy / np.maximum(np.square(reader.largest), 1e-30), 1.0)
        from_weights = np.square(steps) / 12.0 * (taps @ (power / np.square(factors)))
        heard = signal > 0.0
        share = (from_activations[heard] + from_weights[heard]) / signal[heard]
        total += float(share.mean()) if heard.any() else 0.0
    return total


def _noise(channels: ChannelRange, factors: Reals) -> float:
    low = min(float((channels.low / factors).min()), 0.0)
    high = max(float((channels.high / factors).max()), 0.0)
    return ((high - low) / _STEPS) ** 2 / 12.0
