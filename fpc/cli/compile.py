"""`fpc compile`: an ONNX model in, an artifact for a device out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fpc.cli.console import print_json, print_note, progress_bars, standard_output
from fpc.cli.options import (
    Backend,
    Calibration,
    ChannelOrder,
    Crop,
    InputShapes,
    Json,
    Mean,
    Model,
    Resize,
    Scale,
    Simplify,
    Std,
    TargetName,
    Tiles,
    Verbose,
    backend_named,
    one_of,
    parse_input_shapes,
    preprocessing_of,
)
from fpc.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from fpc.driver.options import IoType

_IO_TYPES: tuple[IoType, ...] = ("int8", "uint8", "float32", "int16")


def run(
    model: Model,
    target: TargetName = "rpi4-arm",
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to 8-bit integers.")] = False,
    int16: Annotated[
        bool, typer.Option("--int16", help="16-bit activations; weights 8-bit, wider on tvm.")
    ] = False,
    backend: Backend = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Directory of the artifact [NAME-TARGET]."),
    ] = None,
    calibration: Calibration = None,
    calibration_limit: Annotated[
        int | None, typer.Option("--calib-limit", help="Use so many samples at most.", min=1)
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option("--eval", help="Labelled images: folder or .npz file.")
    ] = None,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = 1.0,
    channel_order: ChannelOrder = "rgb",
    resize: Resize = 0,
    crop: Crop = 0,
    recipe: Annotated[
        str, typer.Option(help="How to quantise: `auto`, or steps such as `mse+bias-correct`.")
    ] = "auto",
    input_shape: InputShapes = None,
    input_type: Annotated[
        str | None, typer.Option(help="Element type of inputs: int8, uint8, float32, int16.")
    ] = None,
    output_type: Annotated[
        str | None, typer.Option(help="Element type of outputs: int8, uint8, float32, int16.")
    ] = None,
    io_layout: Annotated[
        str, typer.Option(help="Layout of 4-D inputs and outputs: nhwc or nchw.")
    ] = "nhwc",
    image_input: Annotated[
        bool,
        typer.Option("--image-input", help="Take raw image bytes: --mean, --std are built in."),
    ] = False,
    swap_activation: Annotated[
        list[str] | None,
        typer.Option(
            help="Turn hard-swish and SiLU into ReLU6: a node's name, or `all`. Changes the "
            "function; meant for networks that are retrained."
        ),
    ] = None,
    tiles: Tiles = None,
    simplify: Simplify = True,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the graph and its numbers after every pass.")
    ] = False,
    allow_degraded: Annotated[
        bool, typer.Option("--allow-degraded", help="Accept a poor integer model.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Compile MODEL for a device: optimise, quantise, verify, and write an artifact."""
    from fpc.driver.artifact import check_writable, default_directory
    from fpc.driver.compile import compile_model
    from fpc.driver.options import CompileOptions, Precision
    from fpc.report.summary import print_summary

    if int8 and int16:
        raise UsageError("precision", "--int8 and --int16 exclude each other")
    options = CompileOptions(
        target=target,
        backend=backend_named(backend),
        precision=Precision.INT8 if int8 else Precision.INT16 if int16 else Precision.FLOAT32,
        calibration=calibration,
        calibration_limit=calibration_limit,
        evaluation=evaluation,
        preprocessing=preprocessing_of(mean, std, scale, channel_order, resize, crop),
        recipe=recipe,
        input_shapes=parse_input_shapes(input_shape),
        input_type=_io_type("input-type", input_type),
        output_type=_io_type("output-type", output_type),
        io_layout=one_of("io-layout", io_layout, ("nhwc", "nchw")),
        image_input=image_input,
        swap_activations=tuple(swap_activation or ()),
        simplify=simplify,
        verify=verify,
        allow_degraded=allow_degraded,
        tiles=tiles,
    )
    directory = output if output is not None else default_directory(model, Path(target).stem)
    check_writable(directory)
    with progress_bars(enabled=not json) as progress:
        compiled = compile_model(model, options, progress)
        compiled.write(directory)
    if json:
        print_json(compiled.report.to_json())
    else:
        print_summary(compiled.report, directory, standard_output(), verbose=verbose)
        for note in compiled.report.notes:
            print_note(note)


def _io_type(option: str, name: str | None) -> IoType | None:
    return None if name is None else cast("IoType", one_of(option, name, _IO_TYPES))
