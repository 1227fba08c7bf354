"""An NHWC graph as a program of kernels, without TVM."""

from __future__ import annotations

from fpc.backends.tvm.assembler import Assembler, Plan
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.planning.choice import planner_of
from fpc.backends.tvm.planning.site import Site
from fpc.backends.tvm.tuning.tables import shipped_tiles
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.diagnostics.errors import BackendError
from fpc.ir.graph import Graph
from fpc.ir.op import Layout


def plan(graph: Graph, isa: Isa, tiles: TileTable | None = None) -> Plan:
    """Kernels, tiles, storage and packed weights for `graph`; equal graphs give equal plans.

    Tiles are those of `tiles`, by itself the table that comes with fpc; kernels that it lacks get
    tiles by rules. Spatial operators must be NHWC. `UnsupportedOpError` for a node that has no
    kernel, `BackendError` for a graph in another layout.
    """
    assembler = Assembler(graph, isa, shipped_tiles(isa) if tiles is None else tiles)
    for node in graph:
        if getattr(node.op, "layout", Layout.NHWC) is not Layout.NHWC:
            raise BackendError(
                "layout",
                f"{node.op.mnemonic} %{node.outputs[0].name} is NCHW, kernels compute in NHWC",
                location=node.location,
                help="run the pass `set-layout{nhwc}` first",
            )
        site = Site(node, assembler)
        planner = planner_of(node)
        if planner is None:
            raise site.unsupported(
                "it has no kernel for this operator", "use --backend tflite for this model"
            )
        planner(site)
    return assembler.finish()
