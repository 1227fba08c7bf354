"""The report's account of models, passes and placements."""

from __future__ import annotations

from fpc.driver.options import Precision
from fpc.frontends.onnx import Imported
from fpc.ir.graph import Graph, Node
from fpc.ir.op import Op
from fpc.quant.analysis.saturation import saturating_clamps
from fpc.report.schema import DeclinedPart, ModelPart, PassPart, PlacedPart, PlacementPart
from fpc.rewrite.pipeline import PassRecord
from fpc.targets.description import Target, multiply_adds


def describe_model(name: str, imported: Imported, graph: Graph) -> ModelPart:
    """What was compiled: the file's facts, and the size of the optimised network."""
    return ModelPart(
        name=name,
        sha256=imported.sha256,
        producer=imported.producer,
        opset=imported.opset,
        inputs={value.name: str(value.type) for value in graph.inputs},
        outputs={value.name: str(value.type) for value in graph.outputs},
        nodes=len(graph),
        multiply_adds=sum(map(multiply_adds, graph)),
        parameters=sum(value.type.size for value in graph.constants),
    )


def describe_passes(records: tuple[PassRecord, ...]) -> tuple[PassPart, ...]:
    """What every pass did and refused."""
    return tuple(
        PassPart(
            text=record.text,
            modified=record.modified,
            edits=record.edits,
            nodes=record.node_count,
            duration_ms=record.duration_ms,
            declined=tuple(
                DeclinedPart(where=str(declined.location), reason=declined.reason)
                for declined in record.declined
            ),
        )
        for record in records
    )


def describe_placement(graph: Graph, target: Target, precision: Precision) -> PlacementPart:
    """Where the nodes of a float graph run on `target` in the precision asked for."""
    if precision is not Precision.FLOAT32:
        return place(graph, target, int16=precision is Precision.INT16)
    return PlacementPart(
        fast_unit=target.runtime.fast_unit,
        nodes=tuple(
            PlacedPart(
                node=node_name(node),
                op=node.op.mnemonic,
                unit=target.runtime.fast_unit,
                is_fast=True,
                multiply_adds=multiply_adds(node),
            )
            for node in graph
        ),
    )


def place(graph: Graph, target: Target, *, int16: bool = False) -> PlacementPart:
    """Where the nodes of a float graph run once it is quantised for `target`.

    Clamps that are nothing but the saturation of integers run nowhere.
    """
    gone = saturating_clamps(graph, frozenset(graph))
    return PlacementPart(
        fast_unit=target.runtime.fast_unit,
        nodes=tuple(_placed(node, target, int16=int16) for node in graph if node not in gone),
    )


def node_name(node: Node[Op]) -> str:
    """What users call a node: its names in the model, or its result's name."""
    return str(node.location) if node.location else node.outputs[0].name


def _placed(node: Node[Op], target: Target, *, int16: bool) -> PlacedPart:
    placement = target.place(node, int16=int16)
    return PlacedPart(
        node=node_name(node),
        op=node.op.mnemonic,
        unit=placement.unit,
        is_fast=placement.is_fast,
        multiply_adds=multiply_adds(node),
        effect=placement.effect,
        reason=placement.reason or "",
        found=placement.violation.found if placement.violation else "",
        remedy=placement.remedy or "",
    )
