"""What tests count in a network of the zoo."""

from __future__ import annotations

import re

from fpc.driver.phases.prepare import start
from fpc.ir.graph import Graph
from fpc.ir.ops import BatchNorm
from fpc.targets import description
from fpc.zoo.catalog import build

_NAMES = re.compile(r"%[\w.]+|@\S+")


def mega_multiply_adds(name: str) -> float:
    """Millions of multiply-adds of one image."""
    return multiply_adds(build(name)) / 1e6


def multiply_adds(network: Graph) -> int:
    """Multiply-adds of one image."""
    return sum(map(description.multiply_adds, network))


def mega_parameters(name: str) -> float:
    """Millions of trained numbers."""
    return parameters(build(name, seed=0)) / 1e6


def parameters(seeded: Graph) -> int:
    """The trained numbers: all constants but the running statistics of batch norms."""
    statistics = {value for node in seeded.nodes_of(BatchNorm) for value in node.operands[3:]}
    return sum(value.type.size for value in set(seeded.constants) - statistics)


def operators(graph: Graph) -> list[str]:
    """Every operator in order, with attributes and types; values are numbered as they appear."""
    lines = [line for line in graph.to_text().splitlines() if " const " not in line]
    numbers: dict[str, str] = {}
    return [
        _NAMES.sub(lambda found: numbers.setdefault(found[0], f"%{len(numbers)}"), line)
        for line in lines
    ]


def assert_forms_agree(shapes_only: Graph, seeded: Graph) -> None:
    """The shape-only graph is what `optimise` makes of the seeded one."""
    optimised = start(seeded).then("optimise").graph
    assert operators(shapes_only) == operators(optimised)
