"""How far an integer network is from its float original, and what that is called."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

import numpy as np

from fpc.diagnostics.location import UNKNOWN, Location
from fpc.ir.constant import Array

EXCELLENT_DB = 30.0
GOOD_DB = 15.0
COLLAPSED_DB = 5.0
"""Thresholds of output SQNR. Uniform noise of n bits on a full-scale signal is about 6 n dB below
it; trained classifiers keep their top-1 accuracy within a point down to about 15 dB, and no network
seen was of use below 5 dB."""
GOOD_AGREEMENT = 85.0
COLLAPSED_AGREEMENT = 50.0
"""Thresholds of top-1 agreement in percent, held against what the number of samples can tell."""
_NINETY_FIVE_PERCENT = 1.96


class Verdict(enum.Enum):
    """What the distance between the integer and the float network means in use."""

    EXCELLENT = "excellent"
    """Differences are smaller than anyone will see."""
    GOOD = "good"
    """Small differences; accuracy is kept within about a point."""
    DEGRADED = "degraded"
    """Some accuracy is lost: measure it before use."""
    COLLAPSED = "collapsed"
    """The integer network does not compute what the float one does."""


@dataclass(frozen=True)
class LayerQuality:
    """One value of the integer network against the float one.

    sqnr_db counts all error up to here; own_sqnr_db only what the layer itself adds when its inputs
    are as exact as their integers allow, None where it was not measured. weight_bits is how many
    bits the greatest weight of a channel takes, the median over channels; None without weights.
    """

    name: str
    op: str
    sqnr_db: float
    cosine: float
    own_sqnr_db: float | None = None
    weight_bits: int | None = None
    location: Location = UNKNOWN


@dataclass(frozen=True)
class Quality:
    """Float against integer network on samples kept out of calibration.

    sqnr_db: 10 log10(sum of squares of the float outputs / of the errors), noise shares averaged
    over outputs; agreement: percent of samples with equal top-1, None unless an output looks like
    scores of classes. layers are in graph order, and empty until measured.
    """

    samples: int
    sqnr_db: float
    cosine: float
    agreement: float | None
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    layers: tuple[LayerQuality, ...] = field(default=(), repr=False)

    @property
    def is_poor(self) -> bool:
        """Whether the network should not be shipped unseen."""
        return self.verdict in (Verdict.DEGRADED, Verdict.COLLAPSED)

    def worst_layers(self, count: int = 5) -> tuple[LayerQuality, ...]:
        """The layers of least SQNR (their own, where measured), worst first."""

        def rank(layer: LayerQuality) -> float:
            return layer.sqnr_db if layer.own_sqnr_db is None else layer.own_sqnr_db

        return tuple(sorted(self.layers, key=rank)[:count])


class Deviation:
    """Running sums of a reference and of what departs from it."""

    def __init__(self) -> None:
        self._signal = self._noise = self._product = self._other = 0.0

    def add(self, reference: Array, other: Array) -> None:
        """Take one more pair of arrays into account."""
        a = np.asarray(reference, np.float32).ravel()
        b = np.asarray(other, np.float32).ravel()
        difference = a - b
        self._signal += _sum_of_products(a, a)
        self._other += _sum_of_products(b, b)
        self._product += _sum_of_products(a, b)
        self._noise += _sum_of_products(difference, difference)

    @property
    def noise_share(self) -> float:
        """The energy of the error in parts of the reference's."""
        if self._noise == 0.0:
            return 0.0
        return self._noise / self._signal if self._signal > 0.0 else math.inf

    @property
    def sqnr_db(self) -> float:
        """Signal to quantisation noise."""
        return decibels(self.noise_share)

    @property
    def cosine(self) -> float:
        """The cosine of the angle between both; 1 when both are zero."""
        length = math.sqrt(self._signal * self._other)
        if length == 0.0:
            return 1.0 if self._signal == self._other else 0.0
        return self._product / length


def _sum_of_products(a: Array, b: Array) -> float:
    """Of float32, in float64 where float32 does not hold it: squares of 2e19 and more."""
    with np.errstate(over="ignore"):
        found = float(np.dot(a, b))
    if math.isfinite(found):
        return found
    return float(np.dot(a.astype(np.float64), b.astype(np.float64)))


def decibels(noise_share: float) -> float:
    """An energy ratio noise / signal as signal-to-noise in dB; infinite without noise."""
    if noise_share == 0.0:
        return math.inf
    return -math.inf if math.isinf(noise_share) else 10.0 * math.log10(1.0 / noise_share)


def judge(samples: int, sqnr_db: float, cosine: float, agreement: float | None) -> Quality:
    """The quality with its verdict, and the reasons for any that is not excellent.

    Agreement speaks only where the number of samples lets it: a bound is broken when even the upper
    end of the 95 % confidence interval (Wilson, 1927) is below it.
    """
    verdict, reasons = Verdict.EXCELLENT, list[str]()
    if sqnr_db < EXCELLENT_DB:
        verdict = Verdict.GOOD
    if not sqnr_db >= GOOD_DB:
        verdict = Verdict.DEGRADED
        reasons.append(f"output SQNR of {sqnr_db:.1f} dB is below {GOOD_DB:g} dB")
    at_most = 100.0 if agreement is None else _upper_bound(agreement, samples)
    if at_most < GOOD_AGREEMENT:
        verdict = Verdict.DEGRADED
        reasons.append(
            f"top-1 agrees with float on {agreement:.0f} % of {samples} samples; "
            f"a sound network is above {GOOD_AGREEMENT:g} %"
        )
    if not sqnr_db >= COLLAPSED_DB or at_most < COLLAPSED_AGREEMENT:
        verdict = Verdict.COLLAPSED
    return Quality(samples, sqnr_db, cosine, agreement, verdict, tuple(reasons))


def _upper_bound(percent: float, samples: int) -> float:
    """The upper end of Wilson's confidence interval of a share, in percent."""
    p, n, z = percent / 100.0, samples, _NINETY_FIVE_PERCENT
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return 100.0 * (centre + spread) / (1 + z * z / n)
