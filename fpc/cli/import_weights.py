"""`fpc import-weights`: a subnet with weights out of a once-for-all supernet, as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.console import print_document, print_note, progress_bars, standard_output
from fpc.cli.options import (
    ChannelOrder,
    Crop,
    Json,
    Mean,
    Resize,
    Scale,
    Std,
    preprocessing_of,
)


def run(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="The supernet's weights, a file of PyTorch's torch.save.", metavar="CHECKPOINT"
        ),
    ],
    subnet: Annotated[
        str,
        typer.Option(help="The subnet: its text, as `fpc search` prints it, or a net.config file."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the ONNX file.")],
    space: Annotated[
        str, typer.Option(help="The supernet's space: ofa-mbv3, ofa-proxyless or a TOML file.")
    ] = "ofa-mbv3",
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calib",
            help="Images that set the statistics of batch norms: a folder, a .npy or a .npz file.",
        ),
    ] = None,
    calibration_limit: Annotated[
        int | None, typer.Option("--calib-limit", help="Use so many images at most.", min=1)
    ] = None,
    batch: Annotated[
        int, typer.Option(help="Take the statistics of so many images at a time.", min=1)
    ] = 32,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = 1.0,
    channel_order: ChannelOrder = "rgb",
    resize: Resize = 0,
    crop: Crop = 0,
    json: Json = False,
) -> None:
    """Cut a subnet's weights out of a trained once-for-all supernet, for `fpc compile`."""
    from fpc.driver.artifact import check_file_writable
    from fpc.driver.import_weights import ImportOptions, import_weights

    check_file_writable(output)
    options = ImportOptions(
        checkpoint=checkpoint,
        subnet=subnet,
        space=space,
        calibration=calibration,
        calibration_limit=calibration_limit,
        preprocessing=preprocessing_of(mean, std, scale, channel_order, resize, crop),
        batch=batch,
    )
    with progress_bars(enabled=not json) as progress:
        imported = import_weights(options, progress)
    imported.write(output)
    if json:
        print_document(
            {
                "file": str(output),
                "space": space,
                "subnet": imported.subnet,
                "checkpoint": str(checkpoint),
                "multiply_adds": imported.multiply_adds,
                "parameters": imported.parameters,
                "calibration_images": imported.images,
                "notes": imported.notes,
            }
        )
        return
    console = standard_output()
    console.print(
        f"{imported.subnet}: {imported.multiply_adds / 1e6:.1f} M multiply-adds, "
        f"{imported.parameters / 1e6:.2f} M parameters"
    )
    console.print(f"weights    {checkpoint}")
    if imported.images:
        console.print(f"statistics {imported.images} images of {calibration}")
    console.print(f"written    {output}")
    for note in imported.notes:
        print_note(note)
