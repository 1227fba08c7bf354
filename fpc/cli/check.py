"""`fpc check`: where a model would run on a target, op by op, and what to do about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.console import print_json, print_table, standard_output
from fpc.cli.options import InputShapes, Json, Model, Simplify, TargetName, parse_input_shapes

if TYPE_CHECKING:
    from fpc.report.schema import PlacedPart, PlacementPart


def run(
    model: Model,
    target: TargetName = "rpi4-arm",
    int16: Annotated[bool, typer.Option("--int16", help="Check the 16-bit form.")] = False,
    every: Annotated[bool, typer.Option("--all", help="List every node.")] = False,
    input_shape: InputShapes = None,
    simplify: Simplify = True,
    json: Json = False,
) -> None:
    """Say op by op where MODEL will run at int8, what leaves the fast path, and what to do."""
    from fpc.driver.check import check_model
    from fpc.targets import catalog

    description = catalog.load(target)
    placement = check_model(
        model, description, parse_input_shapes(input_shape), int16=int16, simplify=simplify
    )
    if json:
        print_json(placement.model_dump_json(indent=2))
    else:
        _print(placement, description.title, every=every)


def _print(placement: PlacementPart, title: str, *, every: bool) -> None:
    console = standard_output()
    console.print(title)
    console.print(
        f"{placement.fast_nodes} of {len(placement.nodes)} nodes and {placement.fast_share:.1f} % "
        f"of the multiply-adds on {placement.fast_unit}"
    )
    kinds: dict[tuple[str, str], list[PlacedPart]] = {}
    for node in placement.nodes:
        kinds.setdefault((node.op, node.unit), []).append(node)
    print_table(
        ("op", "runs on", "nodes", "M multiply-adds"),
        [
            (op, unit, str(len(nodes)), _millions(sum(node.multiply_adds for node in nodes)))
            for (op, unit), nodes in sorted(kinds.items(), key=lambda item: -len(item[1]))
        ],
        text=2,
    )
    if every:
        for node in placement.nodes:
            console.print(f"{node.unit:<10} {node.op:<18} {node.node}")
    if not placement.off_path:
        console.print("everything runs on the fast path")
    causes: dict[tuple[str, str, str], list[PlacedPart]] = {}
    for node in placement.off_path:
        causes.setdefault((node.op, node.reason, node.remedy), []).append(node)
    for (op, reason, remedy), nodes in causes.items():
        console.print(f"\n{op}, {len(nodes)} on {nodes[0].unit}: {reason}")
        console.print(f"  do: {remedy}")
        for node in nodes:
            console.print(f"  at {node.node}" + (f" ({node.found})" if node.found else ""))


def _millions(count: int) -> str:
    return f"{count / 1e6:.3g}" if count else "-"
