"""`fpc zoo`: the field's networks, listed, and written as ONNX files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.console import print_document, print_table
from fpc.cli.options import Json

app = typer.Typer(no_args_is_help=True, help="The field's networks, to try a target with.")


@app.command("list")
def list_networks(json: Json = False) -> None:
    """List the networks, with their size as deployed."""
    from fpc.driver.zoo import networks

    found = networks()
    if json:
        print_document([asdict(network) for network in found])
        return
    print_table(
        ("network", "takes", "pixels", "M multiply-adds", "M parameters"),
        [
            (
                network.name,
                ", ".join(network.options),
                str(network.resolution),
                f"{network.multiply_adds / 1e6:.1f}",
                f"{network.parameters / 1e6:.2f}",
            )
            for network in found
        ],
        text=2,
    )


@app.command("build")
def build(
    name: Annotated[
        str, typer.Argument(help="A network of `fpc zoo list`, or an OFA net.config file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the ONNX file.")],
    resolution: Annotated[
        int | None, typer.Option(help="Pixels a side (default: the network's own).")
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="Channels as a multiple, for networks that take a width.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and statistics.", min=0)] = 0,
    json: Json = False,
) -> None:
    """Write the network NAME as it comes from training, with drawn weights."""
    from fpc.driver.zoo import build_network

    made = build_network(name, output, resolution=resolution, width=width, seed=seed)
    if json:
        print_document({**asdict(made), "file": str(output), "seed": seed})
        return
    typer.echo(
        f"{made.name}, {made.resolution} pixels, {made.multiply_adds / 1e6:.1f} M multiply-adds, "
        f"{made.parameters / 1e6:.2f} M parameters: {output}"
    )
