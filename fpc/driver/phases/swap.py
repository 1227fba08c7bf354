"""What it would cost to swap hard-swish and SiLU for ReLU6, and swapping them on request."""

from __future__ import annotations

from itertools import islice

import numpy as np

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import suggest
from fpc.driver.options import CompileOptions
from fpc.driver.phases.describe import node_name
from fpc.driver.phases.lower import float_runner
from fpc.driver.phases.prepare import Stage
from fpc.frontends.samples import Preprocessing, load_samples
from fpc.interp.runner import Runner
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Op
from fpc.ir.ops import Add, HardSwish, Mul, Relu6, Silu, Sub
from fpc.ir.types import f32
from fpc.report.schema import SwapPart
from fpc.rewrite.rewriter import Rewriter

_SAMPLES = 4
_RUNS = 64
"""How many runs of the network all prices together may take, or one a site."""
ALL_SITES = "all"


def swap_activations(
    stage: Stage, options: CompileOptions, preprocessing: Preprocessing
) -> tuple[Stage, tuple[SwapPart, ...]]:
    """Price every site on a few calibration samples, and swap those the user named.

    A price is the SQNR of the network's outputs with that site alone swapped; there are no prices
    without samples. `UsageError` for a name that is not a site.
    """
    sites = [node for node in stage.graph if isinstance(node.op, HardSwish | Silu)]
    names = {node_name(node): node for node in sites}
    wanted = options.swap_activations
    for name in wanted:
        if name != ALL_SITES and name not in names:
            raise UsageError(
                "swap-site",
                f"there is no hard-swish or SiLU called `{name}`",
                help=suggest(name, (*names, ALL_SITES), what="sites"),
            )
    chosen = tuple(names) if ALL_SITES in wanted else wanted
    prices = _prices(stage.graph, names, options, preprocessing)
    parts = tuple(
        SwapPart(where=name, op=node.op.mnemonic, sqnr_db=prices.get(name), applied=name in chosen)
        for name, node in names.items()
    )
    if not chosen:
        return stage, parts
    values = ", ".join(names[name].output.name for name in chosen)
    swapped = stage.then(f"swap-activation{{sites=[{values}]}},fuse-activation")
    return swapped, parts


def _prices(
    graph: Graph,
    sites: dict[str, Node[Op]],
    options: CompileOptions,
    preprocessing: Preprocessing,
) -> dict[str, float]:
    if not sites or options.calibration is None:
        return {}
    count = max(1, min(_SAMPLES, _RUNS // len(sites)))
    samples = tuple(
        islice(load_samples(options.calibration, graph, preprocessing, limit=count), count)
    )
    run = float_runner(_gated(graph, tuple(sites.values())))
    closed = np.zeros((len(sites), 1), np.float32)
    reference = _outputs(run, samples, closed)
    prices: dict[str, float] = {}
    for number, name in enumerate(sites):
        gates = closed.copy()
        gates[number] = 1.0
        noise = float(np.square(_outputs(run, samples, gates) - reference).sum())
        signal = float(np.square(reference).sum())
        prices[name] = 10.0 * float(np.log10(signal / noise)) if noise and signal else float("inf")
    return prices


def _gated(graph: Graph, sites: tuple[Node[Op], ...]) -> Graph:
    """A copy in which one more input a site, 0 or 1, turns its activation into ReLU6.

    One graph serves all prices: preparing a network for running costs more than running it.
    """
    copy, twins = graph.clone_with_values()
    rewriter = Rewriter(copy)
    for site in sites:
        value = twins[site.output]
        readers = value.uses
        node = value.producer
        assert node is not None
        gate = copy.add_input("gate", f32(1))
        following = node.next
        relu6 = rewriter.insert(Relu6(), node.input(0), before=following).output
        change = rewriter.insert(Sub(), relu6, value, before=following).output
        part = rewriter.insert(Mul(), change, gate, before=following).output
        swapped = rewriter.insert(Add(), value, part, before=following).output
        for use in readers:
            rewriter.redirect(use, swapped)
    return copy


def _outputs(run: Runner, samples: tuple[tuple[Array, ...], ...], gates: Array) -> Array:
    return np.concatenate(
        [
            np.ravel(output).astype(np.float64)
            for sample in samples
            for output in run((*sample, *gates))
        ]
    )
