"""`fpc fit`: a cost model from measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.console import print_document, print_table, standard_output
from fpc.cli.options import Json


def run(
    target: Annotated[str, typer.Option("--target", "-t", help="What the model is a model of.")],
    database: Annotated[
        Path, typer.Option("--from", help="Sample database that `fpc measure --db` wrote.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: TARGET.json).")
    ] = None,
    features: Annotated[str, typer.Option(help="Feature family: cpu or dpu.")] = "cpu",
    runtime: Annotated[str | None, typer.Option(help="Only samples of this runtime.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Only samples with so many threads.", min=1)
    ] = None,
    float32: Annotated[bool, typer.Option("--float", help="The float32 samples.")] = False,
    json: Json = False,
) -> None:
    """Fit a cost model to measured networks; `fpc predict --cost-model FILE` uses it."""
    from fpc.costmodel.library import Wanted
    from fpc.driver.artifact import write_file
    from fpc.driver.fit import fit_database

    wanted = Wanted("float32" if float32 else "int8", runtime, threads)
    model = fit_database(database, target, features, wanted).model
    path = output or Path(f"{target}.json")
    write_file(path, model.to_json().encode())
    origin = model.provenance
    if json:
        print_document(
            {
                "file": str(path),
                "condition": str(model.condition),
                "rows": origin.rows,
                "evidence": origin.evidence,
                "mape_percent": origin.mape_percent,
                "half_width_percent": 100.0 * model.half_width,
            }
        )
        return
    console = standard_output()
    console.print(f"{path}: {origin.rows} networks ({origin.evidence}), {model.condition}")
    console.print(
        f"mean absolute error out of fold {origin.mape_percent:.1f} %, "
        f"90 % interval +-{100.0 * model.half_width:.1f} % for networks like those"
    )
    print_table(
        ("feature", "ns apiece", "from"),
        [
            (price.feature, f"{price.ns:.4g}", "samples" if price.seen else "roofline")
            for price in model.prices
        ],
    )
