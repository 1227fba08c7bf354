"""Tiles that were found by measuring, and the document that keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.table import AnyKernel
from fpc.backends.tvm.tuning.tile_space import tile_space, untiled
from fpc.diagnostics.errors import BackendError
from fpc.diagnostics.validation import problems


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Circumstances(_Part):
    """Where, when and with what tiles were compared, and what their costs are.

    `versions` are of all that makes the machine code, TVM and the sources of fpc's kernels, and of
    what simulates the machine.
    """

    machine: str
    date: str
    evidence: Literal["measured", "simulated"]
    unit: Literal["us", "cycles", "emulated_us"]
    versions: dict[str, str]

    def is_as_good_as(self, other: Circumstances) -> bool:
        """Whether measuring under `other` would find the same, whatever the day."""
        return self.model_copy(update={"date": other.date}) == other

    def are_of(self, versions: Mapping[str, str]) -> bool:
        """Whether tiles were compared with all of these `versions`."""
        return versions.items() <= self.versions.items()


class TunedKernel(_Part):
    """A kernel in its best tile, and what a call costs in that and in the one that rules give."""

    kernel: AnyKernel
    cost: float
    untuned_cost: float


class Tuning(_Part):
    """What was found under the same circumstances."""

    circumstances: Circumstances
    kernels: tuple[TunedKernel, ...]


class _Document(_Part):
    format: Literal[2] = 2
    isa: str
    tunings: tuple[Tuning, ...]


@dataclass(frozen=True)
class TileTable:
    """Tuned kernels of one instruction set; of two entries for a kernel, the later one counts."""

    isa: str
    tunings: tuple[Tuning, ...] = ()

    def to_json(self) -> str:
        """The table as a document."""
        return _Document(isa=self.isa, tunings=self.tunings).model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, origin: str) -> Self:
        """What `to_json` wrote; `BackendError` (`backend.tiles`) for anything else in `origin`."""
        try:
            document = _Document.model_validate_json(text)
        except ValidationError as error:
            raise BackendError(
                "tiles",
                f"{origin} is no table of tiles that this version of fpc reads",
                notes=problems(error, "the document")[:1],
                help="`fpc tune` writes one",
            ) from None
        return cls(document.isa, document.tunings)

    def tuned(self, kernel: AnyKernel, isa: Isa) -> AnyKernel:
        """The kernel in its best tile; as it is when the table lacks it, or is of another `isa`."""
        entry = self._entries.get(untiled(kernel)) if isa.name == self.isa else None
        if entry is None:
            return kernel
        return next(
            (one for one in tile_space(kernel, isa) if _has_tile_of(entry.kernel, one)), kernel
        )

    def entry(self, kernel: AnyKernel, circumstances: Circumstances) -> TunedKernel | None:
        """What was found for a kernel under circumstances as good as these."""
        good = (one for one in self.tunings if one.circumstances.is_as_good_as(circumstances))
        return _by_kernel(good).get(untiled(kernel))

    def with_entry(self, found: TunedKernel, circumstances: Circumstances) -> TileTable:
        """This table and one more kernel, which may have been in it."""
        key = untiled(found.kernel)
        kept: list[Tuning] = []
        together = [found]
        for tuning in self.tunings:
            others = [one for one in tuning.kernels if untiled(one.kernel) != key]
            if tuning.circumstances == circumstances:
                together = [*others, found]
            elif others:
                kept.append(Tuning(circumstances=tuning.circumstances, kernels=tuple(others)))
        last = Tuning(circumstances=circumstances, kernels=tuple(together))
        return TileTable(self.isa, (*kept, last))

    def over(self, other: TileTable) -> TileTable:
        """This table, and what only `other` has."""
        return TileTable(self.isa, (*other.tunings, *self.tunings))

    @cached_property
    def _entries(self) -> Mapping[AnyKernel, TunedKernel]:
        return _by_kernel(self.tunings)


def _by_kernel(tunings: Iterable[Tuning]) -> dict[AnyKernel, TunedKernel]:
    return {untiled(one.kernel): one for tuning in tunings for one in tuning.kernels}


def _has_tile_of(entry: AnyKernel, kernel: AnyKernel) -> bool:
    return getattr(entry, "tile", None) == getattr(kernel, "tile", None)
