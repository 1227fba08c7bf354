"""`fpc tune`: the best tiles of kernels, timed or simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import (
    print_document,
    print_note,
    print_table,
    progress_bars,
    standard_output,
)
from fpc.cli.options import InputShapes, Json, TargetName, parse_input_shapes
from fpc.cli.runners import kernel_place

if TYPE_CHECKING:
    from fpc.driver.tune.tiles import Tuned, TunedNetwork
    from fpc.measure.kernels.protocol import CostUnit

_SHOWN: Mapping[CostUnit, tuple[str, float]] = MappingProxyType(
    {"us": ("ms", 1e3), "cycles": ("Mcycles", 1e6), "emulated_us": ("emulated_ms", 1e3)}
)
"""Units of a network's costs, and how many of a kernel's they are."""


def run(
    models: Annotated[
        list[Path], typer.Argument(help="Networks, ONNX files.", metavar="MODEL.onnx")
    ],
    target: TargetName = "host",
    on: Annotated[
        str | None,
        typer.Option(
            help="`host` times kernels here, `tvm-rpc:HOST:PORT/KEY` on boards of that tracker, "
            "`qemu` counts the cycles of a simulated Cortex-A72. [host, or qemu for other "
            "instructions]"
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Begin no further kernel after so many seconds.", min=0.0),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The table, for --tiles; what it has is not compared again."
        ),
    ] = Path("tiles.json"),
    int16: Annotated[bool, typer.Option("--int16", help="Tune kernels of 16 bits.")] = False,
    input_shape: InputShapes = None,
    json: Json = False,
) -> None:
    """Compare the tiles of all kernels of MODELs; other commands' --tiles takes the best ones.

    A tile counts only when its kernel has every bit of the interpreter.
    """
    from fpc.driver.options import Precision
    from fpc.driver.tune.tiles import TuneOptions, tune

    precision = Precision.INT16 if int16 else Precision.INT8
    shapes = parse_input_shapes(input_shape)
    options = TuneOptions(output, target, kernel_place(on), budget, shapes, precision)
    with progress_bars(enabled=not json) as progress:
        tuned = tune(models, options, progress)
    if json:
        print_document({"file": str(output), **asdict(tuned)})
        return
    _print(tuned, output, precision.value)


def _print(tuned: Tuned, output: Path, precision: str) -> None:
    unit, size = _SHOWN[tuned.unit]
    standard_output().print(f"{tuned.evidence}: {tuned.machine}")
    headings = ("network", "kernels", "known", f"{unit} by rules", f"{unit} tuned", "gain")
    print_table(headings, (_row(network, size) for network in tuned.networks))
    for reason in tuned.refused:
        print_note(f"refused: {reason}")
    if tuned.left:
        print_note(
            f"{tuned.left} kernels are left: the same command with another --budget goes on there"
        )
    standard_output().print(
        f"{tuned.compared} kernels for {tuned.isa} compared: "
        f"fpc compile MODEL.onnx --{precision} --backend tvm --tiles {output}"
    )


def _row(network: TunedNetwork, size: float) -> tuple[str, ...]:
    gain = 1 - network.tuned_cost / network.untuned_cost if network.untuned_cost else 0.0
    return (
        network.name,
        str(network.kernels),
        str(network.known),
        f"{network.untuned_cost / size:.3f}",
        f"{network.tuned_cost / size:.3f}",
        f"{gain:.1%}",
    )
