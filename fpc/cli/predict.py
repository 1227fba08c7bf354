"""`fpc predict`: the latency of a model on a target, before the device is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_json, print_note, print_table, standard_output
from fpc.cli.options import InputShapes, Json, Model, Simplify, TargetName, parse_input_shapes
from fpc.diagnostics.errors import UsageError

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
    table: Annotated[
        Path | None,
        typer.Option(
            help="Look the parts of the network up instead: a .yaml table of Once-for-All or "
            "ProxylessNAS, or a .json table of FBNet's operators."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List every kernel.")] = False,
    input_shape: InputShapes = None,
    simplify: Simplify = True,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the costliest kernels as bars: a .png, .svg or .pdf file."),
    ] = None,
    json: Json = False,
) -> None:
    """Predict MODEL's latency on a target, kernel by kernel, with a 90 % interval."""
    from fpc.costmodel.tables.reader import read_table
    from fpc.driver.predict.by_cost_model import cost_model_for, predict_model
    from fpc.driver.predict.by_table import predict_model_by_table
    from fpc.report.plots import require_plots
    from fpc.targets import catalog

    require_plots(plot)
    description = catalog.load(target)
    shapes = parse_input_shapes(input_shape)
    precision = "float32" if float32 else "int8"
    if table is None:
        prices = cost_model_for(
            description, precision=precision, runtime=runtime, threads=threads, file=cost_model
        )
        found = predict_model(model, description, prices, shapes, simplify=simplify)
    else:
        _require_absent(runtime, threads, cost_model)
        prices = read_table(table, precision=precision)
        found = predict_model_by_table(model, description, prices, shapes, simplify=simplify)
    if plot is not None:
        _draw(plot, f"{model.stem} on {description.name}", found)
    if json:
        print_json(found.model_dump_json(indent=2))
    else:
        _print(found, every=every)


def _draw(file: Path, title: str, found: PredictionPart) -> None:
    from fpc.driver.artifact import write_file
    from fpc.report.plots import plot_kernels

    write_file(file, plot_kernels(file, f"{title}: {found.latency_ms:.2f} ms", found))


def _require_absent(*options: object) -> None:
    if any(option is not None for option in options):
        raise UsageError(
            "table",
            "--table excludes --runtime, --threads and --cost-model",
            help="a table holds for the one condition that it was measured under",
        )


def _print(found: PredictionPart, *, every: bool) -> None:
    from fpc.report.summary import interval_text

    console = standard_output()
    console.print(
        f"{found.latency_ms:.2f} ms {found.evidence}, {interval_text(found, decimals=2)}"
        + (", extrapolates" if found.extrapolates else "")
    )
    console.print(f"condition  {found.condition}")
    console.print(f"fitted on  {found.fitted_on}")
    if found.constant_ms > 0.0:
        console.print(f"constant   {found.constant_ms:.2f} ms an inference beyond its kernels")
    shown = found.kernels if every else found.kernels[:_COSTLIEST]
    print_table(
        ("kernel", "op", "ms predicted", "share"),
        [
            (
                kernel.node,
                f"{kernel.op}, simulated" if kernel.evidence == "simulated" else kernel.op,
                f"{kernel.latency_ms:.3f}",
                f"{100 * kernel.latency_ms / found.latency_ms:.1f} %",
            )
            for kernel in shown
        ],
        text=2,
    )
    for note in found.notes:
        print_note(note)
