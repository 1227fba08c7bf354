"""What a search leaves behind: the network as ONNX, as PyTorch, compiled, report and front."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fpc.backends.onnx.emit import emit_bytes
from fpc.diagnostics.progress import Progress, silent
from fpc.driver.artifact import write_directory
from fpc.driver.compile import IR_FILE, REPORT_FILE, compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.driver.search.best_network import Found
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.report.search_schema import PointPart, SearchReport
from fpc.search.once_for_all.net_config import net_config, run_config
from fpc.search.pytorch.module import swapped_activations, torch_module

ONNX_FILE = "network.onnx"
FRONT_FILE = "front.csv"
CONFIG_FILE, RUN_FILE = "network.net.config", "network.run.config"
"""What once-for-all calls them."""
MODULE_FILE = "network.py"
_RECIPE, _SAMPLES = "min-max", 8
"""Weights that were only drawn deserve no better, nor other samples than drawn ones."""
_UNTRAINED = (
    "the weights are drawn, not trained: the files show latency, size and that the network "
    f"compiles; {MODULE_FILE} is a PyTorch module to train before use"
)


def write_search(
    found: Found,
    directory: Path,
    *,
    seed: int = 0,
    compiled: bool = True,
    swap_activation: bool = True,
    progress: Progress = silent,
) -> SearchReport:
    """Put the network, the front and the report at `directory`, whole or not at all.

    Networks of once-for-all's spaces come with their `net.config`. With `compiled` the network is
    also compiled to int8 for the target. Weights are drawn from `seed`, and the report says so.
    With `swap_activation` the module to be trained has ReLU6 for hard-swish and SiLU.
    """
    network = found.network(seed)
    subnet = found.candidate.subnet
    swapped = swapped_activations(found.space, subnet) if swap_activation else ()
    notes = (*found.report.notes, _UNTRAINED, *_about_swap(swapped))
    report = found.report.model_copy(update={"notes": notes})
    files = {
        ONNX_FILE: emit_bytes(network),
        FRONT_FILE: front_csv(report.front).encode(),
        MODULE_FILE: torch_module(found.space, subnet, swap_activation=swap_activation).encode(),
    }
    config = net_config(found.space, subnet)
    if config is not None:
        files |= {CONFIG_FILE: config.encode(), RUN_FILE: run_config(subnet).encode()}
    if compiled:
        options = CompileOptions(
            target=report.target,
            precision=Precision.INT8,
            recipe=_RECIPE,
            calibration=tuple(_drawn(network, seed)),
            allow_degraded=True,
        )
        result = compile_model(network, options, progress)
        report = report.model_copy(update={"compilation": result.report})
        files |= {**result.files, IR_FILE: result.graph.to_text().encode()}
    write_directory(directory, files | {REPORT_FILE: report.to_json().encode()})
    return report


def _drawn(network: Graph, seed: int) -> Iterator[Array]:
    (image,) = network.inputs
    random = np.random.default_rng(seed)
    for _ in range(_SAMPLES):
        yield random.standard_normal(image.type.shape).astype(np.float32)


def _about_swap(swapped: tuple[str, ...]) -> Iterator[str]:
    if swapped:
        yield (
            f"{MODULE_FILE} has ReLU6 where the network has {' and '.join(swapped)}, which "
            "runtimes do inside of convolutions; --no-swap-activation keeps what the space has"
        )


def front_csv(front: tuple[PointPart, ...]) -> str:
    """The front as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("latency_ms", "top1_percent", "top1_low", "top1_high", "subnet"))
    for point in front:
        ends = point.top1_interval_percent or ()
        writer.writerow(
            (
                f"{point.latency_ms:.3f}",
                f"{point.top1_percent:.3f}",
                *([f"{end:.3f}" for end in ends] or ["", ""]),
                point.subnet,
            )
        )
    return text.getvalue()
