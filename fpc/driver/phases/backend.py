"""Back ends as the road uses them: a graph becomes files, files are verified and run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from fpc.diagnostics.errors import BackendError, MissingBackendError, UsageError
from fpc.driver.phases.lower import emit_tflite, taking_floats, tflite_runner
from fpc.driver.phases.verify import Unverified, verify_exactly, verify_file
from fpc.interp.numerics import Numerics
from fpc.interp.runner import Runner
from fpc.ir.graph import Graph
from fpc.measure.emulation.emulator import TVM, ArmEmulator
from fpc.measure.process.exchange import Plan
from fpc.measure.protocol import MeasureConfig
from fpc.report.schema import VerificationPart
from fpc.targets.description import Target

if TYPE_CHECKING:
    from fpc.backends.tvm.isa.description import Isa
    from fpc.backends.tvm.tuning.tile_table import TileTable

MODEL_FILE = "model.tflite"
_OUTPUTS = Plan(MeasureConfig(), is_timed=False)


@dataclass(frozen=True)
class Emitted:
    """The files of an artifact by name, and the bytes that a measuring runner takes for them."""

    files: Mapping[str, bytes]
    content: bytes


Verify: TypeAlias = Callable[[Emitted, Graph, Numerics], VerificationPart | Unverified]
"""How an artifact's outputs compare with the graph's; `BackendError` when they do not."""


class Backend(Protocol):
    """One way to make an artifact. Graphs are NHWC where they are emitted and verified."""

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose versions a report states."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know of the way artifacts are made."""
        ...

    def emit(self, graph: Graph, provenance: Mapping[str, str]) -> Emitted:
        """The artifact that computes `graph`."""
        ...

    def verifying(self) -> AbstractContextManager[Verify]:
        """What verifies artifacts within the body, where what it needs is being made ready."""
        ...

    def runner(self, graph: Graph) -> Runner:
        """Runs an NCHW graph as an artifact would, taking and giving float NCHW arrays."""
        ...


def backend_for(target: Target, tiles: Path | None = None) -> Backend:
    """The back end that the target names; `tiles` is a table of tuned tiles for it.

    `MissingBackendError` where its library is not installed, `BackendError` where it does not know
    the target, `UsageError` for tiles that it does not take.
    """
    if target.runtime.backend == "tflite":
        if tiles is not None:
            raise UsageError(
                "tiles",
                f"{tiles} has tiles for the back end tvm, and the target {target.name} has another",
                help="add --backend tvm, or leave --tiles out",
            )
        return TfliteBackend()
    from fpc.backends.tvm.requirements import require_tvm
    from fpc.backends.tvm.tuning.tables import filled_tiles_of_file, notes_on, shipped_tiles

    require_tvm()
    isa = isa_of(target)
    own = shipped_tiles(isa)
    if tiles is None:
        return TvmBackend(isa, own)
    table = filled_tiles_of_file(tiles, isa)
    return TvmBackend(isa, table.over(own), notes_on(table, isa, tiles, target.name))


@dataclass(frozen=True)
class TfliteBackend:
    """A .tflite file, run by LiteRT."""

    libraries: tuple[str, ...] = ("ai-edge-litert", "tflite")
    notes: tuple[str, ...] = ()

    def emit(self, graph: Graph, provenance: Mapping[str, str]) -> Emitted:
        """The .tflite file."""
        content = emit_tflite(graph, provenance)
        return Emitted({MODEL_FILE: content}, content)

    def verifying(self) -> AbstractContextManager[Verify]:
        """See `verify_file`."""
        return nullcontext(_verified_by_litert)

    def runner(self, graph: Graph) -> Runner:
        """LiteRT."""
        return tflite_runner(graph)


@dataclass(frozen=True)
class TvmBackend:
    """A library of fpc's own kernels for an instruction set, compiled and run by TVM."""

    isa: Isa
    tiles: TileTable | None = None
    notes: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ("apache-tvm", "apache-tvm-ffi")

    def emit(self, graph: Graph, provenance: Mapping[str, str]) -> Emitted:
        """Library, parameters and manifest."""
        from fpc.backends.tvm.emitter import emit

        files = emit(graph, self.isa, provenance, self.tiles)
        return Emitted(files, archive(files))

    @contextmanager
    def verifying(self) -> Generator[Verify]:
        """Every bit must be that of the kernels' own numerics, whatever the target's.

        Artifacts for another machine are run under emulation, where it is at hand. A process for
        one artifact of this machine is started at once: it takes its time to load TVM.
        """
        from fpc.backends.tvm.isa.table import runs_here
        from fpc.measure.tvm.runner import TvmRunner

        if not runs_here(self.isa):
            yield self._verified_by_emulation
            return
        with TvmRunner().waiting() as program:

            def verify(emitted: Emitted, graph: Graph, numerics: Numerics) -> VerificationPart:
                del numerics
                return self._verified(
                    lambda inputs: program.run(emitted.content, inputs, _OUTPUTS)[0], graph
                )

            yield verify

    def _verified_by_emulation(
        self, emitted: Emitted, graph: Graph, numerics: Numerics
    ) -> VerificationPart | Unverified:
        del numerics
        emulator = ArmEmulator.at_hand(str(self.isa.target["mcpu"]))
        try:
            emulator.require(TVM)
        except MissingBackendError as error:
            return Unverified(f"{error.message} ({error.help})")
        return self._verified(
            lambda inputs: emulator.run(TVM, emitted.content, inputs, _OUTPUTS)[0],
            graph,
            f" on an emulated {emulator.processor}",
        )

    def _verified(self, run: Runner, graph: Graph, where: str = "") -> VerificationPart:
        from fpc.backends.tvm.artifact import NUMERICS

        runtime = f"TVM kernels for {self.isa.name}{where}"
        return verify_exactly(run, graph, NUMERICS, runtime)

    def runner(self, graph: Graph) -> Runner:
        """The artifact for this machine, whose bits are those for any other, in this process."""
        from fpc.backends.tvm.isa.table import isa_of_this_machine, runs_here
        from fpc.measure.tvm.model import TvmModel

        here = self if runs_here(self.isa) else TvmBackend(isa_of_this_machine())
        return TvmModel(here.emit(taking_floats(graph), {}).content)


def _verified_by_litert(emitted: Emitted, graph: Graph, numerics: Numerics) -> VerificationPart:
    return verify_file(emitted.content, graph, numerics)


def isa_of(target: Target) -> Isa:
    """The instruction set of the target's kernels; `BackendError` without one that is known."""
    from fpc.backends.tvm.isa.table import ISAS, isa_of_this_machine

    match target.runtime.tvm_isa:
        case None:
            raise BackendError(
                "tvm-target",
                f"the back end tvm has no kernels for the target {target.name}",
                help="compile for --target host, rpi4-arm or sd855-cpu, or leave --backend out",
            )
        case "native":
            return isa_of_this_machine()
        case name if name in ISAS:
            return ISAS[name]
        case name:
            raise BackendError(
                "tvm-target",
                f"the target {target.name} names the instruction set {name}, which the back end "
                "tvm does not know",
                help=f"let its `tvm_isa` be native or one of {', '.join(ISAS)}",
            )


def archive(files: Mapping[str, bytes]) -> bytes:
    """The files of an artifact as a zip archive, which runners take."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
