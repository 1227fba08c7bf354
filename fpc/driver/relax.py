"""An integer network as a module of TVM: `fpc.to_relax`."""

from __future__ import annotations

from typing import Any

from fpc.driver.options import IoLayout
from fpc.driver.phases.backend import TvmBackend, backend_for
from fpc.driver.phases.lower import set_layout
from fpc.ir.graph import Graph
from fpc.targets import catalog


def relax_module(graph: Graph, target: str, io_layout: IoLayout) -> Any:
    """`graph` with kernels scheduled for `target`; see `fpc.to_relax`."""
    backend = backend_for(catalog.load(target).compiled_by("tvm"))
    assert isinstance(backend, TvmBackend)
    from fpc.backends.tvm.relax_graph import relax_graph

    lowered = graph.clone()
    set_layout(lowered, io_layout)
    return relax_graph(lowered, backend.isa)
