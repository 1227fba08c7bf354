"""An NHWC graph as a program of kernels, without TVM."""

from __future__ import annotations

from fpc.backends.tvm.assembler import Assembler, Plan
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.planning.choice import planner_of
from fpc.backends.tvm.planning.fused_sum import fused_sums
from fpc.backends.tvm.planning.site import FusedSum, Site
from fpc.backends.tvm.tuning.tables import shipped_tiles
from fpc.backends.tvm.tuning.tile_table import TileTable
from fpc.diagnostics.errors import BackendError
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Layout, Op


def plan(graph: Graph, isa: Isa, tiles: TileTable | None = None) -> Plan:
    """Kernels, tiles, storage and packed weights for `graph`; equal graphs give equal plans.

    Tiles are those of `tiles`, by itself the table that comes with fpc; kernels that it lacks get
    tiles by rules. Spatial operators must be NHWC. `UnsupportedOpError` for a node that has no
    kernel, `BackendError` for a graph in another layout.
    """
    assembler = Assembler(graph, isa, shipped_tiles(isa) if tiles is None else tiles)
    fused: dict[Node[Op], FusedSum] = {each.node: each for each in fused_sums(graph)}
    ended = {each.products for each in fused.values()}
    for node in graph:
        if node not in ended:
            _plan_node(node, assembler, fused.get(node))
    return assembler.finish()


def _plan_node(node: Node[Op], assembler: Assembler, fused: FusedSum | None) -> None:
    """Choose the kernels of a node: of a fused sum, those of what it is fused with."""
    if fused is not None:
        node = fused.products
    if getattr(node.op, "layout", Layout.NHWC) is not Layout.NHWC:
        raise BackendError(
            "layout",
            f"{node.op.mnemonic} %{node.outputs[0].name} is NCHW, kernels compute in NHWC",
            location=node.location,
            help="run the pass `set-layout{nhwc}` first",
        )
    site = Site(node, assembler, fused)
    planner = planner_of(node)
    if planner is None:
        raise site.unsupported(
            "it has no kernel for this operator", "use --backend tflite for this model"
        )
    planner(site)
