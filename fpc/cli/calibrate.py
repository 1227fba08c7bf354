"""`fpc calibrate-target`: a target of one's own from measurements on the device itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_document, print_note, progress_bars, standard_output
from fpc.cli.fit import Plot, fitted_document, plot_fitted, print_fitted
from fpc.cli.options import Json
from fpc.cli.runners import BoardPython, clock, interrupted, require_runner
from fpc.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from fpc.driver.measure.calibrate import Calibrated, CalibrateOptions
    from fpc.driver.measure.models import Prepare
    from fpc.measure.protocol import MeasureConfig, Runner


def run(
    name: Annotated[str, typer.Argument(help="What the new target is called.")],
    on: Annotated[
        str,
        typer.Option(
            help="`host` measures on this machine, `ssh:USER@HOST:PORT` on a board; `replay` "
            "takes what --db holds."
        ),
    ],
    like: Annotated[
        str,
        typer.Option(help="The target whose operators and number formats the new one has."),
    ] = "host",
    networks: Annotated[int, typer.Option(help="How many networks to draw and measure.")] = 48,
    rounds: Annotated[
        int, typer.Option(help="Measure all networks so many times, in turn.", min=1)
    ] = 4,
    threads: Annotated[int, typer.Option(help="Threads of one interpreter.")] = 1,
    features: Annotated[
        str, typer.Option(help="Feature family; `auto` is the one for CPUs that predicts best.")
    ] = "auto",
    timeout: Annotated[
        float, typer.Option(help="Give a network up after so many seconds without an answer.")
    ] = 120.0,
    database: Annotated[
        Path | None,
        typer.Option(
            "--db",
            "--database",
            help="Sample database, where an interrupted calibration goes on (default: NAME.db).",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for NAME.toml and NAME.json.")
    ] = Path(),
    plot: Plot = None,
    board_python: BoardPython = "python3",
    json: Json = False,
) -> None:
    """Learn what a device's kernels cost: `fpc predict MODEL --target NAME.toml` then knows."""
    from fpc.costmodel.families import candidates
    from fpc.driver.measure.calibrate import CalibrateOptions, calibration_config
    from fpc.report.plots import require_plots

    require_runner(on, "replay")
    require_plots(plot)
    candidates(features)
    options = CalibrateOptions(
        name=name,
        folder=output,
        database=database,
        like=like,
        networks=networks,
        rounds=1 if on == "replay" else rounds,
        features=features,
    )
    config = calibration_config(threads, timeout)
    runner, prepare = _measuring(on, options, config, board_python)
    done = _calibrate(options, prepare, runner, config, quiet=json)
    if plot is not None:
        plot_fitted(plot, done.fitted)
    if json:
        print_document(
            {
                "target": str(options.target_file),
                **fitted_document(options.model_file, done.fitted.model),
                "samples": str(options.samples_file),
                "failures": {failure.name: failure.error.message for failure in done.failures},
            }
        )
        return
    print_fitted(options.model_file, done.fitted.model)
    for failure in done.failures:
        print_note(f"{failure.name} was not measured: {failure.error.message}")
    standard_output().print(f"fpc predict MODEL.onnx --target {options.target_file}")


def _measuring(
    on: str, options: CalibrateOptions, config: MeasureConfig, board_python: str
) -> tuple[Runner, Prepare]:
    """The runner, and what makes a request for it of a network."""
    from fpc.driver.measure.models import MeasureOptions, known_as, prepare_request
    from fpc.measure.samples.replay import ReplayRunner

    measuring = MeasureOptions(target=options.like, quick=True)
    if on != "replay":
        return clock(on, board_python), lambda model: prepare_request(model, measuring, config)
    if not options.samples_file.is_file():
        raise UsageError(
            "db",
            f"--on replay takes samples from {options.samples_file}, which is not there",
            help="name the sample database of an earlier calibration with --db",
        )
    return ReplayRunner(()), lambda model: known_as(model, measuring)


def _calibrate(
    options: CalibrateOptions,
    prepare: Prepare,
    runner: Runner,
    config: MeasureConfig,
    *,
    quiet: bool,
) -> Calibrated:
    from fpc.driver.measure.calibrate import calibrate
    from fpc.measure.samples.database import SampleDatabase

    try:
        with progress_bars(enabled=not quiet) as progress:
            return calibrate(options, prepare, runner, config, progress)
    except KeyboardInterrupt:
        if not options.samples_file.is_file():
            raise
        with SampleDatabase(options.samples_file, create=True) as database:
            samples = len(database)
        raise interrupted(
            samples, options.samples_file, "run the same command again: it goes on from there"
        ) from None
