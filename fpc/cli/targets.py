"""`fpc targets`: which devices fpc knows, and what it knows of one."""

from __future__ import annotations

from typing import Annotated

import typer

from fpc.cli.console import print_document, print_json, print_table
from fpc.cli.options import Json
from fpc.diagnostics.errors import UsageError


def run(
    name: Annotated[str | None, typer.Argument(help="Show this target in full.")] = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the target's own file, to start a new one from.")
    ] = False,
    json: Json = False,
) -> None:
    """List the targets, or show one."""
    from fpc.targets import catalog
    from fpc.targets.manual import describe_target

    if name is None and toml:
        raise UsageError(
            "target-name",
            "--toml prints the file of one target, and none is named",
            help="name one: fpc targets rpi4-arm --toml",
        )
    if name is None:
        _list(json=json)
        return
    target = catalog.load(name)
    if json:
        print_json(target.model_dump_json(indent=2))
    elif toml:
        typer.echo(catalog.source(name), nl=False)
    else:
        typer.echo(describe_target(target))


def _list(*, json: bool) -> None:
    from fpc.targets import catalog

    targets = [catalog.load(name) for name in catalog.names()]
    if json:
        print_document([target.model_dump(mode="json") for target in targets])
        return
    print_table(
        ("target", "what", "back end", "numerics", "latency evidence"),
        [
            (
                target.name,
                target.title,
                target.runtime.backend,
                target.runtime.numerics,
                target.evidence,
            )
            for target in targets
        ],
        text=5,
    )
