"""What a user can ask of one compilation."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import suggest
from fpc.frontends.samples import Preprocessing

SampleSource: TypeAlias = str | Path | Iterable[Any]
"""A folder of images, a .npy or .npz file, or an iterable of arrays."""

IoType = Literal["int8", "uint8", "float32", "int16"]
IoLayout = Literal["nhwc", "nchw"]
BackendName = Literal["tflite", "tvm"]


class Precision(enum.Enum):
    """The number format a model is compiled to."""

    FLOAT32 = "float32"
    INT8 = "int8"
    INT16 = "int16"
    """16-bit activations; weights of 8 bits, or of up to 16 where the back end tvm compiles."""

    @classmethod
    def named(cls, name: str) -> Precision:
        """The precision called `name`; `UsageError` when there is none."""
        names = [precision.value for precision in cls]
        if name not in names:
            raise UsageError(
                "precision",
                f"there is no precision `{name}`",
                help=suggest(name, names, what="precisions"),
            )
        return cls(name)


@dataclass(frozen=True)
class CompileOptions:
    """Everything about a compilation but the model and the place the result goes.

    `calibration` and `evaluation` name samples; without calibration the quantisation is data-free.
    `io_type` None means the precision's own type. `swap_activations` names the nodes (or `all`)
    whose hard-swish or SiLU becomes ReLU6, which changes what the network computes.
    """

    target: str = "rpi4-arm"
    backend: BackendName | None = None
    """What makes the artifact; None means the target's own back end."""
    precision: Precision = Precision.FLOAT32
    calibration: SampleSource | None = None
    calibration_limit: int | None = None
    evaluation: SampleSource | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    recipe: str = "auto"
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    input_type: IoType | None = None
    output_type: IoType | None = None
    io_layout: IoLayout = "nhwc"
    image_input: bool = False
    swap_activations: tuple[str, ...] = ()
    simplify: bool = True
    verify: bool = False
    """Check the graph and its numbers after every pass, and the artifact bit for bit."""
    allow_degraded: bool = False
    tiles: Path | None = None
    """A table of tuned tiles for the back end tvm; what it lacks comes from fpc's own."""

    def __post_init__(self) -> None:
        self._require_choices()
        if self.precision is Precision.FLOAT32:
            for name, given in (
                ("--calib", self.calibration),
                ("--input-type", self.input_type not in (None, "float32")),
                ("--output-type", self.output_type not in (None, "float32")),
            ):
                if given is not None and given is not False:
                    raise UsageError(
                        "needs-quantisation",
                        f"{name} has no meaning for a float model",
                        help="add --int8 (or --int16), or leave the option out",
                    )

    def _require_choices(self) -> None:
        for name, value, choices in (
            ("--input-type", self.input_type, get_args(IoType)),
            ("--output-type", self.output_type, get_args(IoType)),
            ("--io-layout", self.io_layout, get_args(IoLayout)),
            ("--backend", self.backend, get_args(BackendName)),
        ):
            if value is not None and value not in choices:
                raise UsageError(
                    name.removeprefix("--"),
                    f"{name} cannot be `{value}`",
                    help=suggest(value, choices, what="choices"),
                )

    def with_lasting_samples(self) -> CompileOptions:
        """These options with samples that can be read more than once: iterators are read out."""
        return replace(
            self,
            calibration=_lasting(self.calibration),
            evaluation=_lasting(self.evaluation),
        )

    @property
    def is_quantised(self) -> bool:
        """Whether the result is an integer model."""
        return self.precision is not Precision.FLOAT32


def _lasting(source: SampleSource | None) -> SampleSource | None:
    return tuple(source) if isinstance(source, Iterator) else source
