"""`fpc compare`: two model files on the same inputs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.console import print_document, print_note, print_table
from fpc.cli.options import (
    ChannelOrder,
    Crop,
    InputShapes,
    Json,
    Mean,
    Resize,
    Scale,
    Std,
    parse_input_shapes,
    preprocessing_of,
)


def run(
    first: Annotated[Path, typer.Argument(help="The reference: .onnx or .tflite.")],
    second: Annotated[Path, typer.Argument(help="The other model: .onnx or .tflite.")],
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", help="Images (folder, .npy, .npz) instead of random inputs."),
    ] = None,
    count: Annotated[int, typer.Option(help="How many inputs.", min=1)] = 8,
    seed: Annotated[int, typer.Option(help="Seed of random inputs.")] = 0,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = 1.0,
    channel_order: ChannelOrder = "rgb",
    resize: Resize = 0,
    crop: Crop = 0,
    input_shape: InputShapes = None,
    json: Json = False,
) -> None:
    """Run two models on the same inputs and compare their outputs."""
    from fpc.driver.compare import compare_files

    differences = compare_files(
        first,
        second,
        samples=inputs,
        preprocessing=preprocessing_of(mean, std, scale, channel_order, resize, crop),
        shapes=parse_input_shapes(input_shape),
        count=count,
        seed=seed,
    )
    if json:
        print_document([asdict(difference) for difference in differences])
        return
    print_table(
        ("output", "SQNR dB", "largest difference", "cosine", "same top-1 %"),
        [
            (
                difference.name,
                f"{difference.sqnr_db:.1f}",
                f"{difference.largest:.4g}",
                f"{difference.cosine:.6f}",
                f"{difference.agreement:.1f}",
            )
            for difference in differences
        ],
    )
    if inputs is None:
        print_note(
            f"compared on {count} inputs of normal noise, which may lie outside the range that an "
            "integer model was calibrated for; --inputs compares on real ones"
        )
