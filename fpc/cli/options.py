"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import suggest

if TYPE_CHECKING:
    from fpc.driver.options import BackendName
    from fpc.frontends.samples import Preprocessing

Model = Annotated[Path, typer.Argument(help="The network, an ONNX file.", metavar="MODEL.onnx")]
TargetName = Annotated[
    str,
    typer.Option("--target", "-t", help="A target's name (see `fpc targets`) or TOML file."),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="What makes the artifact: tflite, or tvm (fpc's own kernels) [the target's]."
    ),
]
Tiles = Annotated[
    Path | None,
    typer.Option(help="Table of tuned tiles for the back end tvm, which `fpc tune` writes."),
]
_BACKENDS: tuple[BackendName, ...] = ("tflite", "tvm")
InputShapes = Annotated[
    list[str] | None,
    typer.Option(
        "--input-shape",
        help="Shape of an input with unknown extents: `1,3,224,224`, or `name=1,3,224,224`.",
        metavar="[NAME=]N,C,H,W",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Simplify = Annotated[
    bool, typer.Option("--simplify/--no-simplify", help="Let onnxsim have a go at the model first.")
]
Mean = Annotated[
    str | None,
    typer.Option(help="Subtracted from pixels, one value or one a channel: `123.7,116.3,103.5`."),
]
Std = Annotated[str | None, typer.Option(help="Divides pixels, one value or one a channel.")]
Scale = Annotated[float, typer.Option(help="Multiplies 0..255 pixels first, such as 0.00392157.")]
ChannelOrder = Annotated[str, typer.Option(help="Channel order the network takes: rgb or bgr.")]
Resize = Annotated[
    int, typer.Option(help="Scale images so that the shorter side has so many pixels.", min=0)
]
Crop = Annotated[int, typer.Option(help="Side of the centre crop (default: the input's).", min=0)]
Calibration = Annotated[
    Path | None,
    typer.Option("--calib", help="Calibration images: a folder, a .npy or a .npz file."),
]


def parse_input_shapes(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]]:
    """Shapes by input name; the key of a shape given without a name is empty."""
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts or ():
        name, _, extents = text.rpartition("=")
        try:
            shape = tuple(int(extent) for extent in extents.split(","))
        except ValueError:
            shape = ()
        if not shape or min(shape) < 1:
            raise UsageError(
                "input-shape",
                f"cannot read the shape `{text}`",
                help="write positive extents separated by commas: --input-shape 1,3,224,224",
            )
        shapes[name] = shape
    return shapes


def parse_numbers(option: str, text: str | None, default: float) -> tuple[float, ...]:
    """Comma-separated numbers."""
    if text is None:
        return (default,)
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            option,
            f"cannot read --{option} {text}",
            help=f"write one number, or one a channel: --{option} 123.7,116.3,103.5",
        ) from None


def preprocessing_of(
    mean: str | None, std: str | None, scale: float, channel_order: str, resize: int, crop: int
) -> Preprocessing:
    """The preprocessing that the options of the same names ask for."""
    from fpc.frontends.samples import Preprocessing

    return Preprocessing(
        mean=parse_numbers("mean", mean, 0.0),
        std=parse_numbers("std", std, 1.0),
        scale=scale,
        channel_order=one_of("channel-order", channel_order, ("rgb", "bgr")),
        resize=resize,
        crop=crop,
    )


def backend_named(name: str | None) -> BackendName | None:
    """The back end of that name, None for the target's own."""
    return None if name is None else cast("BackendName", one_of("backend", name, _BACKENDS))


ChoiceT = TypeVar("ChoiceT", bound=str)


def one_of(option: str, value: str, choices: tuple[ChoiceT, ...]) -> ChoiceT:
    """`value` if it is one of `choices`; `UsageError` with the near misses otherwise."""
    for choice in choices:
        if value == choice:
            return choice
    raise UsageError(
        option,
        f"--{option} cannot be `{value}`",
        help=suggest(value, choices, what="choices"),
    )
