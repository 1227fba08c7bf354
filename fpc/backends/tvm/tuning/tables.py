"""Where tables of tiles come from: fpc ships one file an instruction set, users tune their own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.tuning.tile_space import tile_space
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.diagnostics.errors import BackendError, UsageError

_SHIPPED = Path(__file__).parents[1] / "tiles"


def shipped_tiles(isa: Isa) -> TileTable:
    """The table for `isa`, empty where nobody has tuned kernels for it."""
    return _shipped(isa.name)


def tiles_of_file(file: Path, isa: Isa) -> TileTable:
    """The table in `file`.

    `UsageError` (`usage.tiles`) when there is none or it is for another instruction set,
    `BackendError` (`backend.tiles`) for what cannot be read and for tiles that kernels do not have.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            "tiles", f"cannot read {file}: {error.strerror or error}", help="`fpc tune` writes one"
        ) from None
    table = TileTable.from_json(text, str(file))
    if table.isa != isa.name:
        raise UsageError(
            "tiles",
            f"{file} has tiles for {table.isa}, and the target has {isa.name}",
            help="leave it out, or tune on a machine like the target",
        )
    for tuning in table.tunings:
        for one in tuning.kernels:
            _require_known(one.kernel, isa, file)
    return table


def filled_tiles_of_file(file: Path, isa: Isa) -> TileTable:
    """As `tiles_of_file`; `UsageError` (`usage.tiles`) for a table without kernels, too."""
    table = tiles_of_file(file, isa)
    if not any(tuning.kernels for tuning in table.tunings):
        raise UsageError(
            "tiles",
            f"{file} has no tiles",
            help=f"`fpc tune MODEL.onnx -o {file}` fills it; or leave it out",
        )
    return table


def _require_known(kernel: AnyKernel, isa: Isa, file: Path) -> None:
    if kernel in tile_space(kernel, isa):
        return
    raise BackendError(
        "tiles",
        f"{file} has a tile that this version of fpc does not know",
        notes=[f"{getattr(kernel, 'tile', None)} of a {kernel.family} kernel for {isa.name}"],
        help="tune again into another file",
    )


@cache
def _shipped(isa: str) -> TileTable:
    file = _SHIPPED / f"{isa}.json"
    if not file.is_file():
        return TileTable(isa)
    return TileTable.from_json(file.read_text(encoding="utf-8"), file.name)
