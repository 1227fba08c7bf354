"""`fpc golden`: record what a compiled model computes, and find out the day a bit changes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.console import print_document, progress_bars
from fpc.cli.options import (
    Calibration,
    ChannelOrder,
    Crop,
    InputShapes,
    Json,
    Mean,
    Model,
    Resize,
    Scale,
    Std,
    TargetName,
    parse_input_shapes,
    preprocessing_of,
)

app = typer.Typer(no_args_is_help=True, help="Record what a model computes; check it later.")

RecordFile = Annotated[Path, typer.Argument(help="The golden record, a JSON file.")]


@app.command("record")
def record(
    model: Model,
    golden: RecordFile,
    target: TargetName = "rpi4-arm",
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to 8-bit integers.")] = False,
    calibration: Calibration = None,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = 1.0,
    channel_order: ChannelOrder = "rgb",
    resize: Resize = 0,
    crop: Crop = 0,
    recipe: Annotated[str, typer.Option(help="How to quantise.")] = "auto",
    input_shape: InputShapes = None,
    seed: Annotated[int, typer.Option(help="Seed of the inputs.")] = 0,
    samples: Annotated[int, typer.Option(help="How many inputs.", min=1)] = 2,
) -> None:
    """Compile MODEL, run it on inputs made from a seed, and record every layer and output."""
    from fpc.driver.golden import record_model
    from fpc.driver.options import CompileOptions, Precision

    options = CompileOptions(
        target=target,
        precision=Precision.INT8 if int8 else Precision.FLOAT32,
        calibration=calibration,
        preprocessing=preprocessing_of(mean, std, scale, channel_order, resize, crop),
        recipe=recipe,
        input_shapes=parse_input_shapes(input_shape),
        allow_degraded=True,
    )
    with progress_bars(enabled=True) as progress:
        made = record_model(model, options, golden, seed=seed, samples=samples, progress=progress)
    typer.echo(
        f"recorded {len(made.layers)} layers and {len(made.outputs)} outputs on {samples} inputs "
        f"in {golden}"
    )


@app.command("check")
def check(
    model: Model,
    golden: RecordFile,
    calibration: Calibration = None,
    json: Json = False,
) -> None:
    """Compile MODEL as the record says and compare: exits with 1 and names what changed first."""
    from fpc.driver.golden import check_model

    with progress_bars(enabled=not json) as progress:
        report = check_model(model, golden, calibration=calibration, progress=progress)
    if json:
        print_document({"unchanged": report.is_unchanged, **asdict(report)})
    else:
        typer.echo(str(report))
    if not report.is_unchanged:
        raise typer.Exit(1)
