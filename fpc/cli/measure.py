"""`fpc measure`: how long models take, on a clock or from a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import (
    print_document,
    print_note,
    print_table,
    progress_bars,
    standard_error,
    standard_output,
)
from fpc.cli.options import (
    Backend,
    InputShapes,
    Json,
    TargetName,
    Tiles,
    backend_named,
    parse_input_shapes,
)
from fpc.cli.runners import (
    TVM_RPC,
    BoardPython,
    backend_on,
    clock,
    interrupted,
    require_runner,
)
from fpc.diagnostics.errors import UsageError
from fpc.diagnostics.render import render

if TYPE_CHECKING:
    from fpc.driver.measure.models import MeasureOptions
    from fpc.measure.protocol import Failure, MeasureConfig, Runner
    from fpc.measure.samples.sample import Sample


def run(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Networks (.onnx, compiled first) and compiled files (.tflite); none to export "
            "--db as --csv.",
            metavar="MODEL...",
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            help="`host` runs them here, `ssh:USER@HOST:PORT` in LiteRT on a board, "
            "`tvm-rpc:HOST:PORT/KEY` in TVM on a board of that tracker, `qemu` counts instructions "
            "of an emulated Cortex-A72, `replay` looks them up in --db."
        ),
    ] = "host",
    target: TargetName = "host",
    backend: Backend = None,
    float32: Annotated[
        bool, typer.Option("--float", help="Compile to float32 instead of int8.")
    ] = False,
    int16: Annotated[bool, typer.Option("--int16", help="Compile to 16-bit activations.")] = False,
    threads: Annotated[int, typer.Option(help="Threads of one interpreter.")] = 1,
    workers: Annotated[
        int, typer.Option(help="Interpreters side by side, for frames per second.")
    ] = 1,
    pin: Annotated[
        str | None, typer.Option(help="Run on these processors only: `0,1`.", metavar="CPUS")
    ] = None,
    rounds: Annotated[
        int, typer.Option(help="Measure all models so many times, in turn.", min=1)
    ] = 1,
    warm_up: Annotated[int, typer.Option(help="The fewest runs before the first that counts.")] = 5,
    repeats: Annotated[int, typer.Option(help="The fewest runs that count.")] = 20,
    interval: Annotated[
        float,
        typer.Option(help="Repeat until the median is known within so many percent."),
    ] = 1.0,
    time_limit: Annotated[
        float, typer.Option(help="Stop repeating after so many seconds a model.")
    ] = 10.0,
    timeout: Annotated[
        float, typer.Option(help="Give a model up after so many seconds without an answer.")
    ] = 120.0,
    database: Annotated[
        Path | None,
        typer.Option("--db", help="Sample database: finished samples are added at once."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the samples as CSV when all are done.")
    ] = None,
    arm_root: Annotated[
        Path,
        typer.Option(
            help="Unpacked arm64 Debian with LiteRT and TVM for `qemu`.", envvar="FPC_ARM_ROOTFS"
        ),
    ] = Path(".cache/arm-rootfs"),
    board_python: BoardPython = "python3",
    tiles: Tiles = None,
    input_shape: InputShapes = None,
    json: Json = False,
) -> None:
    """Measure models: outputs checked, medians with 95 % intervals, samples kept."""
    from fpc.driver.measure.models import MeasureOptions, notes_on_compiling
    from fpc.driver.model_file import require_model_files
    from fpc.driver.options import Precision
    from fpc.measure.protocol import MeasureConfig

    require_runner(on, TVM_RPC, "qemu", "replay", backend=backend)
    backend = backend_on(on, backend)
    if float32 and int16:
        raise UsageError("precision", "--float and --int16 exclude each other")
    config = MeasureConfig(
        threads=threads,
        workers=workers,
        warm_up=warm_up,
        least_repeats=repeats,
        relative_interval=interval / 100.0,
        time_limit_s=time_limit,
        timeout_s=timeout,
        processors=_processors(pin),
    )
    options = MeasureOptions(
        target=target,
        backend=backend_named(backend),
        precision=Precision.FLOAT32 if float32 else Precision.INT16 if int16 else Precision.INT8,
        input_shapes=parse_input_shapes(input_shape),
        tiles=tiles,
    )
    paths = tuple(models or ())
    if not paths and (database is None or csv is None):
        raise UsageError(
            "model-missing",
            "there is no model to measure",
            help="name .onnx or .tflite files; --db and --csv alone export the samples of a file",
        )
    require_model_files(paths, "measure")
    if csv is not None and not csv.absolute().parent.is_dir():
        raise UsageError("output", f"there is no folder {csv.parent}", help="make it first")
    notes: tuple[str, ...] = ()
    if not paths:
        samples, failures = _recorded(database), ()
    elif on == "replay":
        samples, failures = _replay(paths, options, config, database)
    else:
        if tiles is not None:
            notes = notes_on_compiling(options)
        runner = _qemu(arm_root, backend) if on == "qemu" else clock(on, board_python, backend)
        samples, failures = _measure(runner, paths, options, config, rounds, database, quiet=json)
    if csv is not None:
        _write_csv(csv, samples)
    if json:
        _print_json(samples, failures, notes)
    else:
        _print_tables(samples)
        for note in notes:
            print_note(note)
    for failure in failures:
        standard_error().print(render(failure.error))
    if failures:
        raise typer.Exit(failures[0].error.exit_status)


def _qemu(arm_root: Path, backend: str | None) -> Runner:
    from fpc.measure.emulation.emulator import LITERT, TVM
    from fpc.measure.emulation.runner import QemuRunner

    return QemuRunner(arm_root.absolute(), program=TVM if backend == "tvm" else LITERT)


def _measure(
    runner: Runner,
    models: Sequence[Path],
    options: MeasureOptions,
    config: MeasureConfig,
    rounds: int,
    path: Path | None,
    *,
    quiet: bool,
) -> tuple[Sequence[Sample], Sequence[Failure]]:
    from contextlib import nullcontext

    from fpc.driver.measure.models import measure_models, prepare_request
    from fpc.measure.samples.database import SampleDatabase

    answers: list[Sample | Failure] = []
    opened = SampleDatabase(path, create=True) if path is not None else nullcontext()
    try:
        with opened as database, progress_bars(enabled=not quiet) as progress:
            answers.extend(
                measure_models(
                    models,
                    lambda model: prepare_request(model, options, config),
                    runner,
                    config,
                    rounds=rounds,
                    database=database,
                    progress=progress,
                )
            )
    except KeyboardInterrupt:
        samples, _ = _apart(answers)
        if path is None or not samples:
            raise
        raise interrupted(
            len(samples), path, "measure the other models into the same file"
        ) from None
    return _apart(answers)


def _replay(
    models: Sequence[Path], options: MeasureOptions, config: MeasureConfig, path: Path | None
) -> tuple[Sequence[Sample], Sequence[Failure]]:
    from fpc.driver.measure.models import known_as, measure_models
    from fpc.measure.samples.replay import ReplayRunner

    runner = ReplayRunner(tuple(_recorded(path)))
    return _apart(measure_models(models, lambda model: known_as(model, options), runner, config))


def _apart(answers: Iterable[Sample | Failure]) -> tuple[Sequence[Sample], Sequence[Failure]]:
    from fpc.measure.protocol import Failure

    samples: list[Sample] = []
    failures: list[Failure] = []
    for answer in answers:
        if isinstance(answer, Failure):
            failures.append(answer)
        else:
            samples.append(answer)
    return samples, failures


def _recorded(path: Path | None) -> Sequence[Sample]:
    from fpc.measure.samples.csv import read_csv
    from fpc.measure.samples.database import SampleDatabase

    if path is None:
        raise UsageError(
            "db", "--on replay needs samples to replay", help="name their file with --db"
        )
    if path.suffix == ".csv":
        return read_csv(path)
    with SampleDatabase(path) as database:
        return database.samples()


def _write_csv(path: Path, samples: Sequence[Sample]) -> None:
    from fpc.measure.samples.csv import print_csv

    try:
        path.write_text(print_csv(samples), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            "output", f"cannot write {path}: {error.strerror}", help="name another file with --csv"
        ) from None


def _print_tables(samples: Sequence[Sample]) -> None:
    """One table for each kind of evidence and condition: their figures do not compare."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        timing = sample.timing
        groups.setdefault((timing.evidence, str(timing.condition)), []).append(sample)
    for (evidence, condition), members in groups.items():
        standard_output().print(f"{evidence}: {condition}")
        headings = ("model", "precision", f"median {members[0].timing.unit}", "95 % interval")
        print_table((*headings, "runs", "frames/s"), map(_cells, members), text=2)


def _cells(sample: Sample) -> tuple[str, ...]:
    timing = sample.timing
    low, high = timing.interval
    frames = timing.frames_per_second
    return (
        timing.name,
        timing.precision,
        f"{timing.median:.4g}",
        f"{low:.4g} .. {high:.4g}",
        str(len(timing.runs)),
        "-" if frames is None else f"{frames:.4g}",
    )


def _print_json(
    samples: Sequence[Sample], failures: Sequence[Failure], notes: Sequence[str]
) -> None:
    print_document(
        {
            "samples": [_as_document(sample) for sample in samples],
            "failures": [
                {
                    "name": failure.name,
                    "model": failure.error.model,
                    "code": failure.error.code,
                    "message": failure.error.message,
                    "notes": failure.error.notes,
                    "help": failure.error.help,
                }
                for failure in failures
            ],
            "notes": notes,
        }
    )


def _as_document(sample: Sample) -> dict[str, object]:
    timing = sample.timing
    cost = "latency_ms" if timing.unit == "ms" else timing.unit
    return {
        "name": timing.name,
        "model_sha256": timing.model_sha256,
        "precision": timing.precision,
        "multiply_adds": sample.multiply_adds,
        cost: timing.median,
        f"interval_{timing.unit}": timing.interval,
        f"runs_{timing.unit}": timing.runs,
        "frames_per_second": timing.frames_per_second,
        "evidence": timing.evidence,
        "condition": asdict(timing.condition),
        "date": timing.date,
        "fpc": sample.fpc,
    }


def _processors(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            "pin",
            f"cannot read --pin {text}",
            help="write processor numbers separated by commas: --pin 0,1",
        ) from None
