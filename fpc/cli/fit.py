"""`fpc fit`: a cost model from measurements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_document, print_table, standard_output
from fpc.cli.options import Json

if TYPE_CHECKING:
    from fpc.costmodel.model import CostModel
    from fpc.driver.measure.fit import Fitted

Plot = Annotated[
    Path | None,
    typer.Option(help="Draw predicted against measured latencies: a .png, .svg or .pdf file."),
]


def run(
    target: Annotated[str, typer.Option("--target", "-t", help="What the model is a model of.")],
    database: Annotated[
        Path, typer.Option("--from", help="Sample database that `fpc measure --db` wrote.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: TARGET.json).")
    ] = None,
    features: Annotated[
        str, typer.Option(help="Feature family; `auto` is the one for CPUs that predicts best.")
    ] = "cpu",
    runtime: Annotated[str | None, typer.Option(help="Only samples of this runtime.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Only samples with so many threads.", min=1)
    ] = None,
    float32: Annotated[bool, typer.Option("--float", help="The float32 samples.")] = False,
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Fit a cost model to measured networks; `fpc predict --cost-model FILE` uses it."""
    from fpc.costmodel.library import Wanted
    from fpc.driver.artifact import write_file
    from fpc.driver.measure.fit import fit_database
    from fpc.report.plots import require_plots

    require_plots(plot)
    wanted = Wanted("float32" if float32 else "int8", runtime, threads)
    fitted = fit_database(database, target, features, wanted)
    path = output or Path(f"{target}.json")
    write_file(path, fitted.model.to_json().encode())
    if plot is not None:
        plot_fitted(plot, fitted)
    if json:
        print_document(fitted_document(path, fitted.model))
    else:
        print_fitted(path, fitted.model)


def fitted_document(file: Path, model: CostModel) -> dict[str, object]:
    """What `--json` says of a cost model written to `file`."""
    origin = model.provenance
    return {
        "file": str(file),
        "condition": str(model.condition),
        "features": model.features,
        "rows": origin.rows,
        "evidence": origin.evidence,
        "mape_percent": origin.mape_percent,
        "half_width_percent": 100.0 * model.half_width,
    }


def print_fitted(file: Path, model: CostModel) -> None:
    """What a user sees of a cost model written to `file`."""
    origin = model.provenance
    console = standard_output()
    console.print(f"{file}: {origin.rows} networks ({origin.evidence}), {model.condition}")
    console.print(
        f"mean absolute error out of fold {origin.mape_percent:.1f} %, "
        f"90 % interval +-{100.0 * model.half_width:.1f} % for networks like those"
    )
    print_table(
        (f"feature ({model.features})", "ns apiece", "from"),
        [
            (price.feature, f"{price.ns:.4g}", "samples" if price.seen else "roofline")
            for price in model.prices
        ],
    )


def plot_fitted(file: Path, fitted: Fitted) -> None:
    """Draw what the folds predict of each other beside what was measured."""
    from fpc.driver.artifact import write_file
    from fpc.report.plots import plot_fit

    model = fitted.model
    title = f"{model.target}: {model.provenance.mape_percent:.1f} % mean error out of fold"
    picture = plot_fit(
        file, title, fitted.out_of_fold_ms().tolist(), fitted.networks.latency_ms.tolist()
    )
    write_file(file, picture)
