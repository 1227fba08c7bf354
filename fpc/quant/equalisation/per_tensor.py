"""Equalisation for layers whose weights have one scale a tensor.

A few outsized filters, those of depthwise layers above all, then leave two or three bits to all
others. Factors of channels are chosen by `fpc.quant.equalisation.tensor_scales`, one spread of
channels after the other, in a few sweeps, because each choice changes the weights that its
neighbours see. They pass through residual sums, whose operands get the same factors, and through
ReLU6: with factors of its own a channel's clamp would be at another place than the next one's, so
saturation clamps instead, at the greatest integer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from fpc.ir import ops
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.quant.equalisation.channel_samples import ChannelSample
from fpc.quant.equalisation.channel_spread import (
    Reals,
    Spread,
    bounded,
    by_input,
    by_output,
    divide_outputs,
    groups_of,
    has_weights,
    multiply_inputs,
    spread_of,
    unmovable,
)
from fpc.quant.equalisation.cross_layer import Equalised
from fpc.quant.equalisation.noise_gains import noise_gains
from fpc.quant.equalisation.tensor_scales import (
    Channels,
    Maker,
    Reader,
    channels_of,
    channels_of_sum,
    choose_factors,
)
from fpc.quant.scheme import Scheme
from fpc.rewrite.rewriter import Rewriter

_SWEEPS = 3


def equalise_tensors(
    graph: Graph, samples: Mapping[Value, ChannelSample], scheme: Scheme
) -> Equalised:
    """Move factors between layers so that one scale a weight does least harm.

    samples: of the activations of the float NCHW `graph`. The result computes what `graph` does but
    for ReLU6, whose bound is moved a little where that helps more than it harms.
    """
    spreads: list[Spread] = []
    skipped: list[str] = []
    for node, spread in _spreads(graph):
        if isinstance(spread, str):
            skipped.append(f"{node.location}: {spread}")
        elif all(value in samples for value in spread.values):
            spreads.append(spread)
    search = _Search(graph, samples, scheme)
    choices = [search.choices(spread) for spread in spreads]
    for _ in range(_SWEEPS):
        for spread, channels in zip(spreads, choices, strict=True):
            search.improve(spread, channels)
    return _rescaled(
        graph,
        [
            (spread, search.factors(spread), channels.greatest)
            for spread, channels in zip(spreads, choices, strict=True)
        ],
        tuple(skipped),
    )


def tensor_equalisable_share(graph: Graph) -> float:
    """The share of layers whose results' channels can be rescaled, whether it helps or not."""
    layers = sum(map(has_weights, graph))
    movable = sum(len(spread.makers) for _, spread in _spreads(graph) if isinstance(spread, Spread))
    return movable / max(layers, 1)


def _spreads(graph: Graph) -> Iterator[tuple[Node[Op], Spread | str]]:
    """The spreads of all layers' results, each with its first layer, or why there is none."""
    found: set[Node[Op]] = set()
    for node in graph:
        if not has_weights(node) or node in found:
            continue
        spread = unmovable(node) or spread_of(node, through_sums=True)
        if isinstance(spread, Spread):
            found.update(spread.makers)
            spread = _clamp_in_the_way(spread) or spread
        yield node, spread


def _clamp_in_the_way(spread: Spread) -> str | None:
    """Why saturation cannot stand for the clamp of a maker."""
    activation = fused_activation(spread.makers[0].op)
    if activation is Activation.RELU6 and len(spread.makers) == 1:
        return None
    return bounded(spread.makers[0])


class _Layer:
    """A layer's weights by channel, and the factors of what it reads and makes so far."""

    def __init__(
        self, node: Node[Op], samples: Mapping[Value, ChannelSample], gain: Reals | None
    ) -> None:
        weights = np.abs(by_input(node).astype(np.float64))
        bias = node.optional_input(2)
        groups = groups_of(node)
        count = len(weights)
        read = samples.get(node.input(0))
        self._node = node
        self._taps = weights.shape[2]
        self._largest = weights.max(axis=2)
        self._biases = np.zeros(count) if bias is None else np.abs(bias.data.astype(np.float64))
        self._variance = np.ones(groups * weights.shape[1]) if read is None else read.variance
        made = samples.get(node.output)
        self._gain = np.zeros(count) if gain is None or made is None else gain * made.passing
        self.read = np.ones(groups * weights.shape[1])
        self.made = np.ones(count)

    def as_maker(self) -> Maker:
        """What its rounding does to the channels that it makes."""
        variance = by_output(self._node, self._variance * np.square(self.read))
        return Maker(
            largest=(self._largest / by_output(self._node, self.read)).max(axis=1),
            biases=self._biases,
            weight_noise=self._gain * self._taps * variance.sum(axis=1),
            bias_noise=self._gain,
        )

    def as_reader(self, offset: int, channels: int) -> Reader:
        """What its rounding does for channels from `offset` on of those that it reads."""
        those = slice(offset, offset + channels)
        largest = self._largest * self.made[:, None]
        gain = self._gain / np.square(self.made)
        groups = len(self.read) // largest.shape[1]
        others = np.delete(largest / by_output(self._node, self.read), those, axis=1)
        by_group = largest.reshape(groups, -1, largest.shape[1]).max(axis=1).ravel()
        heard = np.repeat(gain.reshape(groups, -1).sum(axis=1), largest.shape[1])
        return Reader(
            largest=by_group[those],
            weight_noise=(self._taps * self._variance * heard)[those],
            others=float(others.max(initial=0.0)) if groups == 1 else 0.0,
        )


class _Search:
    """The factors found so far, and what choosing better ones needs."""

    def __init__(
        self, graph: Graph, samples: Mapping[Value, ChannelSample], scheme: Scheme
    ) -> None:
        self._samples = samples
        self._scheme = scheme
        self._gains = noise_gains(graph, samples)
        self._layers = {
            node: _Layer(node, samples, self._gains.get(node.output))
            for node in filter(has_weights, graph)
        }

    def factors(self, spread: Spread) -> Reals:
        """The factors of the channels of `spread`."""
        return self._layers[spread.makers[0]].made

    def choices(self, spread: Spread) -> Channels:
        """What may be done to the channels of `spread`."""
        samples = [self._samples[value] for value in spread.values]
        reach = max(float(sample.reach.max()) for sample in samples)
        scale = self._scheme.activation_params(-reach, reach).scale
        greatest = self._scheme.highest * scale
        if len(spread.makers) == 1:
            value = spread.makers[0].output
            return channels_of(self._samples[value], self._gain(value), greatest)
        own = [(self._samples[value], self._gain(value)) for value in spread.own]
        return channels_of_sum(own, greatest)

    def improve(self, spread: Spread, channels: Channels) -> None:
        """Choose the factors of `spread` anew, all others being as they are."""
        makers = [self._layers[maker] for maker in spread.makers]
        readers = [(self._layers[reader], offset) for reader, offset in spread.readers]
        count = len(channels.limits)
        factors = choose_factors(
            channels,
            [maker.as_maker() for maker in makers],
            [reader.as_reader(offset, count) for reader, offset in readers],
            makers[0].made,
            self._scheme,
        )
        if factors is None:
            return
        for maker in makers:
            maker.made = factors
        for reader, offset in readers:
            reader.read[offset : offset + count] = factors

    def _gain(self, value: Value) -> Reals:
        return self._gains.get(value, np.zeros(len(self._samples[value].values)))


def _rescaled(
    graph: Graph, chosen: Sequence[tuple[Spread, Reals, float]], skipped: tuple[str, ...]
) -> Equalised:
    """`graph` with channels multiplied by factors, and limited where one layer makes them."""
    copy, values = graph.clone_with_values()
    nodes = dict(zip(graph, copy, strict=True))
    rewriter = Rewriter(copy)
    moved = [entry for entry in chosen if not np.all(entry[1] == 1.0)]
    for spread, factors, _ in moved:
        for maker in spread.makers:
            divide_outputs(rewriter, nodes[maker], 1.0 / factors)
        for reader, offset in spread.readers:
            multiply_inputs(rewriter, nodes[reader], offset, 1.0 / factors)
    for spread, _, greatest in moved:
        if len(spread.makers) == 1:
            maker = spread.makers[0]
            nodes[maker], values[maker.output] = _limit(rewriter, nodes[maker], greatest)
    return Equalised(
        graph=copy,
        values=values,
        nodes=nodes,
        rescaled=frozenset(values[value] for spread, _, _ in moved for value in spread.values),
        skipped=skipped,
    )


def _limit(rewriter: Rewriter, node: Node[Op], greatest: float) -> tuple[Node[Op], Value]:
    """Let what `node` makes end at `greatest`, as its integers will; the node and what it makes."""
    if fused_activation(node.op) is Activation.NONE:
        op, limit = node.op, ops.Clip(-greatest, greatest)
    else:
        op = replace(node.op, activation=Activation.RELU)  # pyright: ignore[reportCallIssue]
        limit = ops.Clip(None, greatest)
    made = rewriter.insert(op, *node.inputs, before=node)
    return made, rewriter.replace(node, limit, made.output).output
