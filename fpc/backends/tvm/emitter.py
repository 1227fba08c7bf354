"""An NHWC graph as the files of a compiled network."""

from __future__ import annotations

from collections.abc import Mapping

from fpc.backends.tvm.artifact import MANIFEST, WEIGHTS, manifest_of
from fpc.backends.tvm.build import build
from fpc.backends.tvm.build_program import LIBRARY
from fpc.backends.tvm.deployment.files import deployment_files
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.library_cache import LibraryCache
from fpc.backends.tvm.linking import linker
from fpc.backends.tvm.memory import packed
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.requirements import require_tvm
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.ir.graph import Graph


def emit(
    graph: Graph,
    isa: Isa,
    provenance: Mapping[str, str] | None = None,
    tiles: TileTable | None = None,
) -> dict[str, bytes]:
    """The files that run `graph` on processors with `isa`, by name; `tiles` as for `plan`.

    `MissingBackendError` where TVM or a linker is not installed, `UnsupportedOpError` for a node
    without a kernel, `BackendError` when TVM fails.
    """
    require_tvm()
    linker(isa)
    planned = plan(graph, isa, tiles)
    manifest = manifest_of(graph, planned, dict(provenance or {}))
    return {
        LIBRARY: LibraryCache.of_user().library(planned.program, build),
        WEIGHTS: packed(planned.parameters).tobytes(),
        MANIFEST: manifest.model_dump_json(indent=2).encode(),
        **deployment_files(),
    }
