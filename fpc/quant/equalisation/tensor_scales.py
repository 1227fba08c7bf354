"""How much to scale each channel where one scale serves a whole weight.

With one scale a tensor, a layer rounds all its weights in steps that the greatest of them dictates,
and its biases (where those have few bits) in steps that the greatest bias dictates. Multiplying
channel c by s_c between the layers that make it and those that read it moves both: for given steps
the noise of channel c in its own units is

    (activation + made weights + bias) / s_c^2 + read weights * s_c^2 + what clipping loses,

all terms uniform rounding noise (step^2 / 12) counted by what arrives at the outputs, and every s_c
is bounded by the steps: the weights and the bias that make the channel must not exceed the greatest
integer, nor the weights that read it. So each channel is on its own once the steps are fixed, and
steps are tried around the present ones by factors of two. Nagel et al. (ICCV 2019) equalise ranges
instead, which is the optimum where weights are all that is rounded and all channels count alike.

A clamp at a fixed bound, a ReLU6 say, is replaced by saturation: the greatest integer stands for
`limit` of the channel in its own units, and what lies between it and the clamp's bound is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from fpc.quant.equalisation.channel_samples import ChannelSample
from fpc.quant.equalisation.channel_spread import Reals
from fpc.quant.scheme import Scheme

CLIPPING_WEIGHT = 20.0
"""How much worse a squared error by clipping is than one by rounding: it is no noise that averages
out over pixels and channels, but always of one sign, and strikes the strongest features."""
ROUNDING_WEIGHT = 0.3
"""What optimised rounding leaves of the noise of weights."""
_HEADROOM = 1.1
"""How far a channel must be able to go past what samples showed: nothing clips what they did not,
and there are thousands of channels for some image to surprise."""
_LIMITS = _HEADROOM * 2.0 ** np.concatenate([np.arange(-1, 8) / 4, np.arange(4, 31) / 2])
_LEAST_REACH = 1.0 / 256.0
_STEPS = (0.25, 0.5, 1.0, 2.0)
_BIAS_STEPS = (0.5, 1.0, 2.0)
_SLACK = 1.0 + 1e-6
_TINY = 1e-30


@dataclass(frozen=True)
class Maker:
    """A layer that makes the channels, as it is with factors of 1.

    largest: the greatest weight of each channel; biases: their magnitudes. weight_noise and
    bias_noise: what arrives at the outputs of a mean squared error of 1 in each of its weights, and
    in its bias.
    """

    largest: Reals
    biases: Reals
    weight_noise: Reals
    bias_noise: Reals


@dataclass(frozen=True)
class Reader:
    """A layer that weighs the channels, as it is with factors of 1.

    largest, weight_noise: as a maker's, for the weights that meet each channel; others: the
    greatest weight that meets none of them.
    """

    largest: Reals
    weight_noise: Reals
    others: float


@dataclass(frozen=True)
class Channels:
    """What may be done to the channels.

    limits: [channels, choices], what the greatest integer may stand for; lost: what clipping there
    does to the outputs; noise: what arrives there of an error of 1 in the channel. greatest: the
    real that the greatest integer stands for, after scaling.
    """

    limits: Reals
    lost: Reals
    noise: Reals
    greatest: float


def channels_of(sample: ChannelSample, gain: Reals, greatest: float) -> Channels:
    """The choices for channels that one layer makes, where clipping is allowed."""
    limits = _limits(sample.reach, greatest)
    bounded = _HEADROOM * sample.reach >= sample.upper
    if bounded.any():
        nearest = np.abs(np.log(limits / sample.upper)).argmin(axis=1)
        limits[bounded, nearest[bounded]] = sample.upper
    magnitudes = sample.magnitudes
    wanted = np.minimum(magnitudes, np.float32(sample.upper))
    lost = np.empty_like(limits)
    for choice, limit in enumerate(limits.T.astype(np.float32)):
        error = np.minimum(magnitudes, limit[:, None]) - wanted
        lost[:, choice] = np.square(error, out=error).mean(axis=1)
    lost *= CLIPPING_WEIGHT * gain[:, None]
    lost[limits < np.minimum(_HEADROOM * sample.reach, sample.upper)[:, None] / _SLACK] = np.inf
    return Channels(limits, lost, gain * sample.active, greatest)


def channels_of_sum(own: Sequence[tuple[ChannelSample, Reals]], greatest: float) -> Channels:
    """The choices for channels that run through sums: nothing is clipped there.

    own: the values that hold them, and what arrives at the outputs of an error in each.
    """
    reach = np.max([sample.reach for sample, _ in own], axis=0)
    limits = _limits(reach, greatest)
    lost = np.where(limits >= _HEADROOM * reach[:, None] / _SLACK, 0.0, np.inf)
    noise = np.sum([gain * sample.active for sample, gain in own], axis=0)
    return Channels(limits, lost, noise, greatest)


def _limits(reach: Reals, greatest: float) -> Reals:
    """The limits to try for channels of so great a reach; those always at zero may grow as well."""
    return np.maximum(reach, greatest * _LEAST_REACH)[:, None] * _LIMITS


def choose_factors(
    channels: Channels,
    makers: Sequence[Maker],
    readers: Sequence[Reader],
    factors: Reals,
    scheme: Scheme,
) -> Reals | None:
    """The factors of least modelled noise, steps being near those of `factors`; None without any.

    `scheme` has one scale a weight.
    """
    factors_of = channels.greatest / channels.limits
    rounding = channels.noise[:, None] * _uniform(channels.limits / scheme.highest)
    fixed = channels.lost + rounding
    least, best = np.inf, None
    read = [
        sum((_read(reader, factors, factors_of, scheme, step) for reader in readers), np.zeros(()))
        for step in _STEPS
    ]
    for made in _made(makers, factors, factors_of, scheme):
        for by_readers in read:
            noise = fixed + made + by_readers
            choice = noise.argmin(axis=1)[:, None]
            total = float(np.take_along_axis(noise, choice, axis=1).sum())
            if total < least:
                least, best = total, np.take_along_axis(factors_of, choice, axis=1)[:, 0]
    return best


def _made(
    makers: Sequence[Maker], factors: Reals, factors_of: Reals, scheme: Scheme
) -> Iterator[Reals]:
    """The noise that the makers add, for every pair of a step of weights and one of biases."""
    shares = 1.0 / np.square(factors_of)
    bias_steps = _BIAS_STEPS if scheme.bias_bits is not None else (1.0,)
    for relative_steps in product(_STEPS, bias_steps):
        noise = np.zeros(())
        for maker in makers:
            each, most = _made_by(maker, factors, scheme, *relative_steps)
            allowed = factors_of <= most[:, None] * _SLACK
            noise = noise + np.where(allowed, each[:, None] * shares, np.inf)
        yield noise


def _made_by(
    maker: Maker, factors: Reals, scheme: Scheme, weight_step: float, bias_step: float
) -> tuple[Reals, Reals]:
    """What the maker's rounding does to each channel, and the factor that its integers allow.

    weight_step, bias_step: the steps, in parts of those that `factors` make necessary.
    """
    step = weight_step * _step(maker.largest * factors, scheme.weight_limit, scheme)
    noise = ROUNDING_WEIGHT * maker.weight_noise * _uniform(step)
    most = _most(maker.largest, scheme.weight_limit * step)
    if scheme.bias_bits is None:
        return noise, most
    limit = 2 ** (scheme.bias_bits - 1) - 1
    step = bias_step * _step(maker.biases * factors, limit, scheme)
    noise = noise + maker.bias_noise * _uniform(step)
    return noise, np.minimum(most, _most(maker.biases, limit * step))


def _read(
    reader: Reader, factors: Reals, factors_of: Reals, scheme: Scheme, relative_step: float
) -> Reals:
    """The noise that the reader's weights add, infinite where they exceed the greatest integer."""
    magnitudes = np.append(reader.largest / factors, reader.others)
    step = relative_step * _step(magnitudes, scheme.weight_limit, scheme)
    if reader.others > scheme.weight_limit * step * _SLACK:
        return np.full(factors_of.shape, np.inf)
    each = ROUNDING_WEIGHT * reader.weight_noise * _uniform(step)
    allowed = reader.largest[:, None] <= factors_of * scheme.weight_limit * step * _SLACK
    return np.where(allowed, each[:, None] * np.square(factors_of), np.inf)


def _step(magnitudes: Reals, limit: int, scheme: Scheme) -> float:
    """The step in which `limit` stands for the greatest of these magnitudes."""
    return scheme.scale_from(max(float(magnitudes.max()) / limit, _TINY))


def _most(largest: Reals, limit: float) -> Reals:
    """The factors that bring magnitudes to a limit."""
    return limit / np.maximum(largest, _TINY)


def _uniform(step: Reals | float) -> Reals:
    return np.square(step) / 12.0
