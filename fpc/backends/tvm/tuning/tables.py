"""Where tables of tiles come from: fpc ships one file an instruction set, users tune their own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.sources import kernel_versions
from fpc.backends.tvm.tuning.tile_space import tile_space
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.diagnostics.errors import UsageError

_SHIPPED = Path(__file__).parents[1] / "tiles"


def shipped_tiles(isa: Isa) -> TileTable:
    """The table for `isa`, empty where nobody has tuned kernels for it."""
    return _shipped(isa.name)


def tiles_of_file(file: Path, isa: Isa) -> TileTable:
    """The table in `file`.

    `UsageError` (`usage.tiles`) when there is none or it is for another instruction set,
    `BackendError` (`backend.tiles`) for what cannot be read.
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


def notes_on(table: TileTable, isa: Isa, file: Path, target: str) -> tuple[str, ...]:
    """What there is to know of a user's `table` before its tiles are taken for `target`.

    fpc's own tables get no notes: a test sees to it that kernels still have their tiles, and users
    cannot better them but with tables of their own.
    """
    tilings = [(tuning, one) for tuning in table.tunings for one in tuning.kernels]
    others = sum(not tuning.circumstances.are_of(kernel_versions()) for tuning, _ in tilings)
    gone = sum(one.kernel not in tile_space(one.kernel, isa) for _, one in tilings)
    notes: list[str] = []
    if others:
        notes.append(
            f"{others} of {len(tilings)} tiles in {file} were found with other versions of fpc's "
            "kernels or of TVM: results are right with them all the same, but others may be faster "
            f"now. `fpc tune MODEL.onnx --target {target} -o {file}` compares them again"
        )
    if gone:
        notes.append(
            f"{gone} of {len(tilings)} tiles in {file} are none that kernels of this version may "
            "have: tiles by rules take their place"
        )
    return tuple(notes)


@cache
def _shipped(isa: str) -> TileTable:
    file = _SHIPPED / f"{isa}.json"
    if not file.is_file():
        return TileTable(isa)
    return TileTable.from_json(file.read_text(encoding="utf-8"), file.name)
