"""`fpc predict`: the latency of a model on a target, before the device is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_json, print_note, print_table, standard_output
from fpc.cli.options import InputShapes, Json, Model, Simplify, TargetName, parse_input_shapes

if TYPE_CHECKING:
    from fpc.report.schema import PredictionPart

_COSTLIEST = 10


def run(
    model: Model,
    target: TargetName = "rpi4-arm",
    runtime: Annotated[
        str | None, typer.Option(help="Runtime of the condition, such as `tflite 2.7`.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the condition.", min=1)] = None,
    float32: Annotated[bool, typer.Option("--float", help="The float32 form.")] = False,
    cost_model: Annotated[
        Path | None, typer.Option(help="A cost model file instead of the shipped ones.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List every kernel.")] = False,
    input_shape: InputShapes = None,
    simplify: Simplify = True,
    json: Json = False,
) -> None:
    """Predict MODEL's latency on a target, kernel by kernel, with a 90 % interval."""
    from fpc.driver.predict import cost_model_for, predict_model
    from fpc.targets import catalog

    description = catalog.load(target)
    prices = cost_model_for(
        description,
        precision="float32" if float32 else "int8",
        runtime=runtime,
        threads=threads,
        file=cost_model,
    )
    found = predict_model(
        model, description, prices, parse_input_shapes(input_shape), simplify=simplify
    )
    if json:
        print_json(found.model_dump_json(indent=2))
    else:
        _print(found, every=every)


def _print(found: PredictionPart, *, every: bool) -> None:
    low, high = found.interval_ms
    console = standard_output()
    console.print(
        f"{found.latency_ms:.2f} ms {found.evidence}, 90 % interval {low:.2f} to {high:.2f} ms"
        + (", extrapolates" if found.extrapolates else "")
    )
    console.print(f"condition  {found.condition}")
    console.print(f"fitted on  {found.fitted_on}")
    shown = found.kernels if every else found.kernels[:_COSTLIEST]
    print_table(
        ("kernel", "op", "ms predicted", "share"),
        [
            (
                kernel.node,
                kernel.op,
                f"{kernel.latency_ms:.3f}",
                f"{100 * kernel.latency_ms / found.latency_ms:.1f} %",
            )
            for kernel in shown
        ],
        text=2,
    )
    for note in found.notes:
        print_note(note)
