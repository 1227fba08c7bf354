"""`fpc explain`: what the passes do to a model, and where a bad result comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_document, print_table, progress_bars, standard_output
from fpc.cli.options import (
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
    parse_input_shapes,
    preprocessing_of,
)
from fpc.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from fpc.driver.explain import Verdict
    from fpc.report.schema import LayerPart
    from fpc.rewrite.pipeline import PassRecord


def run(
    model: Model,
    target: TargetName = "rpi4-arm",
    after: Annotated[
        str | None,
        typer.Option(
            help="Print the IR after this pass (`dce#2`: the second of several; `import`: before "
            "any; `all`: after the last)."
        ),
    ] = None,
    declined: Annotated[
        bool, typer.Option("--declined", help="List rewrites that were recognised and refused.")
    ] = False,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Run the graph after every pass; name the guilty one.")
    ] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Quantise to int8 and print every layer's SQNR.")
    ] = False,
    passes: Annotated[
        str | None, typer.Option(help="A pipeline of your own instead of the target's.")
    ] = None,
    calibration: Calibration = None,
    mean: Mean = None,
    std: Std = None,
    scale: Scale = 1.0,
    channel_order: ChannelOrder = "rgb",
    resize: Resize = 0,
    crop: Crop = 0,
    recipe: Annotated[str, typer.Option(help="Recipe for --layers.")] = "auto",
    input_shape: InputShapes = None,
    simplify: Simplify = True,
    json: Json = False,
) -> None:
    """Show the IR after a pass, why rewrites declined, which pass is guilty, which layer is bad."""
    from fpc.driver.explain import blame, graph_after, pipeline_for, records_of
    from fpc.driver.phases.prepare import imported_from, naming
    from fpc.targets import catalog

    _at_most_one(
        {"--after": bool(after), "--declined": declined, "--bisect": bisect, "--layers": layers}
    )
    description = catalog.load(target)
    if layers:
        from fpc.driver.compile import compile_model
        from fpc.driver.options import CompileOptions, Precision

        options = CompileOptions(
            target=target,
            precision=Precision.INT8,
            calibration=calibration,
            preprocessing=preprocessing_of(mean, std, scale, channel_order, resize, crop),
            recipe=recipe,
            input_shapes=parse_input_shapes(input_shape),
            simplify=simplify,
            allow_degraded=True,
        )
        with progress_bars(enabled=not json) as progress:
            quantisation = compile_model(model, options, progress).report.quantisation
        if quantisation is None:
            raise UsageError(
                "no-float-model",
                "--layers needs the float network, and this model is quantised already",
                model=str(model),
                help="give the float model; `fpc compare` measures how far two files are apart",
            )
        _print_layers(quantisation.layers, json=json)
        return
    pipeline = pipeline_for(description, passes)
    with naming(model):
        graph = imported_from(model, parse_input_shapes(input_shape), simplify=simplify).graph
        if after is not None:
            shown = (
                graph
                if after == "import"
                else graph_after(graph, pipeline, None if after == "all" else after)
            )
            text = shown.to_text()
            print_document({"ir": text}) if json else typer.echo(text, nl=False)
        elif bisect:
            _print_blame(blame(graph, pipeline), json=json)
        else:
            _print_records(records_of(graph, pipeline), declined=declined, json=json)


def _at_most_one(modes: dict[str, bool]) -> None:
    asked = [name for name, given in modes.items() if given]
    if len(asked) > 1:
        raise UsageError(
            "modes",
            f"{' and '.join(asked)} are different views",
            help="ask for one at a time",
        )


def _print_records(records: tuple[PassRecord, ...], *, declined: bool, json: bool) -> None:
    if json:
        rows = [
            {
                "pass": record.text,
                "modified": record.modified,
                "edits": record.edits,
                "nodes": record.node_count,
                "duration_ms": record.duration_ms,
                "declined": [
                    {"where": str(d.location), "reason": d.reason} for d in record.declined
                ],
            }
            for record in records
        ]
        print_document(rows)
        return
    if declined:
        console = standard_output()
        refusals = [(record.text, d) for record in records for d in record.declined]
        for name, refusal in refusals:
            console.print(f"{name}: {refusal.location}: {refusal.reason}")
        if not refusals:
            console.print("no rewrite was declined")
        return
    print_table(
        ("pass", "edits", "nodes after", "declined", "ms"),
        [
            (
                record.text,
                str(record.edits) if record.modified else "-",
                str(record.node_count),
                str(len(record.declined) or "-"),
                f"{record.duration_ms:.1f}",
            )
            for record in records
        ],
    )


def _print_blame(verdicts: tuple[Verdict, ...], *, json: bool) -> None:
    guilty = next((verdict for verdict in verdicts if verdict.is_guilty), None)
    if json:
        print_document([vars(verdict) for verdict in verdicts])
    else:
        console = standard_output()
        for verdict in verdicts:
            mark = "GUILTY" if verdict.is_guilty else "ok" if verdict.modified else "no change"
            console.print(f"{mark:<10} {verdict.relative_error:9.2e}  {verdict.text}")
        if guilty is None:
            console.print("no pass changed what the network computes")
        else:
            console.print(f"{guilty.text}: {guilty.problem}")
    if guilty is not None:
        raise typer.Exit(1)


def _print_layers(layers: tuple[LayerPart, ...], *, json: bool) -> None:
    if json:
        rows = [layer.model_dump(mode="json") for layer in layers]
        print_document(rows)
        return
    print_table(
        ("layer", "op", "SQNR dB", "own SQNR dB", "cosine"),
        [
            (
                layer.name,
                layer.op,
                f"{layer.sqnr_db:z.1f}",
                "-" if layer.own_sqnr_db is None else f"{layer.own_sqnr_db:z.1f}",
                "-" if layer.cosine is None else f"{layer.cosine:z.5f}",
            )
            for layer in layers
        ],
        text=2,
    )
