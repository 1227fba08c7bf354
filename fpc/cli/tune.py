"""`fpc tune`: the fastest tiles of kernels, found on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
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

if TYPE_CHECKING:
    from fpc.driver.tune import Tuned, TunedNetwork


def run(
    models: Annotated[
        list[Path], typer.Argument(help="Networks, ONNX files.", metavar="MODEL.onnx")
    ],
    target: TargetName = "host",
    budget: Annotated[
        float | None,
        typer.Option(help="Begin no further kernel after so many seconds.", min=0.0),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The table, for --tiles; what it has is not measured again."
        ),
    ] = Path("tiles.json"),
    input_shape: InputShapes = None,
    json: Json = False,
) -> None:
    """Measure the tiles of all kernels of MODELs; `fpc compile --tiles` takes the best ones."""
    from fpc.driver.tune import TuneOptions, tune

    options = TuneOptions(output, target, budget, parse_input_shapes(input_shape))
    with progress_bars(enabled=not json) as progress:
        tuned = tune(models, options, progress)
    if json:
        print_document({"file": str(output), **asdict(tuned)})
        return
    _print(tuned, output)


def _print(tuned: Tuned, output: Path) -> None:
    headings = ("network", "kernels", "known", "ms by rules", "ms tuned", "gain")
    print_table(headings, map(_row, tuned.networks))
    for reason in tuned.refused:
        print_note(f"refused: {reason}")
    if tuned.left:
        print_note(
            f"{tuned.left} kernels are left: the same command with another --budget goes on there"
        )
    standard_output().print(
        f"{tuned.measured} kernels for {tuned.isa} measured: "
        f"fpc compile MODEL.onnx --int8 --backend tvm --tiles {output}"
    )


def _row(network: TunedNetwork) -> tuple[str, ...]:
    gain = 1 - network.tuned_ms / network.untuned_ms if network.untuned_ms else 0.0
    return (
        network.name,
        str(network.kernels),
        str(network.known),
        f"{network.untuned_ms:.3f}",
        f"{network.tuned_ms:.3f}",
        f"{gain:.1%}",
    )
