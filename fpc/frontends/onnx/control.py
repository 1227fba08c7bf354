"""Control flow that static shapes decide at import."""

from __future__ import annotations

from types import MappingProxyType

from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx.context import Handler, NodeContext, Operand


def if_node(node: NodeContext) -> tuple[Operand | None, ...]:
    """If with a known condition: the branch taken, in place."""
    condition = node.require_known(0, "condition")
    name = "then_branch" if condition.reshape(-1)[:1].any() else "else_branch"
    branch = node.attributes.graph(name)
    if branch is None:
        raise ModelError("bad-attribute", f"If has no {name}", location=node.location)
    return node.subgraph_importer(branch)


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType({"If": if_node})
