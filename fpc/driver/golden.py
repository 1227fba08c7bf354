"""Golden records of compiled models: compile, run on inputs made from a seed, remember."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fpc.diagnostics.errors import ParseError
from fpc.diagnostics.progress import Progress
from fpc.driver.compile import Compiled, compile_model
from fpc.driver.options import CompileOptions, Precision
from fpc.frontends.samples import Preprocessing
from fpc.golden.check import GoldenReport, check
from fpc.golden.record import GoldenRecord, record
from fpc.interp.numerics import Numerics
from fpc.ir.graph import Graph


class _Kept(BaseModel):
    """The options that decide what a model is compiled to."""

    model_config = ConfigDict(extra="forbid")

    target: str
    precision: Precision
    recipe: str
    calibration: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    channel_order: str
    resize: int
    crop: int
    input_shapes: dict[str, tuple[int, ...]]


def record_model(
    model: Path,
    options: CompileOptions,
    path: Path,
    *,
    seed: int,
    samples: int,
    progress: Progress,
) -> GoldenRecord:
    """Compile `model`, run the result and write the record to `path`.

    The calibration data is remembered by its path relative to the record.
    """
    compiled = compile_model(model, options, progress)
    made = record(
        compiled.graph,
        seed=seed,
        samples=samples,
        numerics=Numerics.TFLITE_REFERENCE,
        stages=_stages(compiled),
    )
    kept = _Kept(
        target=options.target,
        precision=options.precision,
        recipe=options.recipe,
        calibration=_relative(options.calibration, path),
        mean=options.preprocessing.mean,
        std=options.preprocessing.std,
        scale=options.preprocessing.scale,
        channel_order=options.preprocessing.channel_order,
        resize=options.preprocessing.resize,
        crop=options.preprocessing.crop,
        input_shapes=dict(options.input_shapes),
    )
    made = made.model_copy(update={"options": {"compile": kept.model_dump_json()}})
    made.save(path)
    return made


def check_model(
    model: Path, path: Path, *, calibration: Path | None, progress: Progress
) -> GoldenReport:
    """Compile `model` as the record at `path` says, and compare what it computes.

    `calibration` stands in for the recorded data where that has moved. `ParseError` when the file
    is no record of `fpc golden record`.
    """
    golden = GoldenRecord.load(path)
    options = _options(golden, path)
    if calibration is not None:
        options = replace(options, calibration=calibration)
    compiled = compile_model(model, options, progress)
    return check(golden, compiled.graph, stages=_stages(compiled))


def _stages(compiled: Compiled) -> dict[str, Graph]:
    return {"imported": compiled.source, "optimised": compiled.float_graph}


def _relative(calibration: object, record_path: Path) -> str | None:
    if not isinstance(calibration, str | Path):
        return None
    return os.path.relpath(calibration, record_path.parent)


def _options(golden: GoldenRecord, path: Path) -> CompileOptions:
    try:
        kept = _Kept.model_validate_json(golden.options.get("compile", ""))
    except ValidationError:
        raise ParseError(
            "golden",
            f"{path} does not say how its model was compiled",
            help="make it with `fpc golden record`",
        ) from None
    return CompileOptions(
        target=kept.target,
        precision=kept.precision,
        recipe=kept.recipe,
        calibration=None if kept.calibration is None else path.parent / kept.calibration,
        preprocessing=Preprocessing(
            mean=kept.mean,
            std=kept.std,
            scale=kept.scale,
            channel_order="bgr" if kept.channel_order == "bgr" else "rgb",
            resize=kept.resize,
            crop=kept.crop,
        ),
        input_shapes=kept.input_shapes,
        allow_degraded=True,
    )
