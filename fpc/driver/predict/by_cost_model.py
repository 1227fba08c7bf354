"""The latency of a model on a target, predicted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fpc.costmodel.kernels import kernels_of
from fpc.costmodel.library import select, shipped
from fpc.costmodel.model import CostModel, read_model
from fpc.costmodel.prediction import Prediction
from fpc.diagnostics.errors import CostModelError
from fpc.driver.phases.describe import place
from fpc.driver.phases.prepare import imported_from, naming, prepare
from fpc.ir.graph import Graph
from fpc.measure.device import device_name
from fpc.report.schema import KernelPart, PlacementPart, PredictionPart
from fpc.targets.description import Target

_NO_PREDICTION = ("cost.no-model", "cost.unknown-kernel", "cost.nothing-to-predict")
_THIS_MACHINE = "host"
"""The target that is another device wherever fpc runs."""


def predict_model(
    model: Path,
    target: Target,
    cost_model: CostModel,
    input_shapes: Mapping[str, tuple[int, ...]],
    *,
    simplify: bool = True,
) -> PredictionPart:
    """The latency of an ONNX model after `target`'s pipelines. Errors name the model."""
    with naming(model):
        imported = imported_from(model, input_shapes, simplify=simplify)
        graph = prepare(imported, target).graph
        placement = place(graph, target) if cost_model.condition.precision == "int8" else None
        return predict_graph(graph, cost_model, placement)


def predict_graph(
    graph: Graph, cost_model: CostModel, placement: PlacementPart | None
) -> PredictionPart:
    """The latency of an optimised graph; notes say what the number does not know."""
    found = cost_model.predict(kernels_of(graph))
    origin = cost_model.provenance
    return PredictionPart(
        latency_ms=found.latency_ms,
        interval_ms=found.interval_ms,
        extrapolates=found.extrapolates,
        condition=str(cost_model.condition),
        fitted_on=f"{origin.rows} {origin.networks} ({origin.evidence}): {origin.source}",
        notes=tuple(_notes(found, cost_model, placement)),
        kernels=tuple(
            KernelPart(
                node=(*share.kernel.location.names, share.kernel.name)[0],
                op=share.kernel.operator,
                latency_ms=share.latency_ms,
                evidence="simulated" if share.is_simulated else "predicted",
            )
            for share in found.costliest
        ),
        constant_ms=found.constant_ms,
        simulated_ms=found.simulated_ms,
    )


def cost_model_for(
    target: Target,
    *,
    precision: str,
    runtime: str | None = None,
    threads: int | None = None,
    file: Path | None = None,
) -> CostModel:
    """The model in `file`; else the target's own, or a shipped one, of the condition asked for."""
    if file is not None:
        return read_model(file)
    own = target.cost_model
    known = shipped(target.name) if own is None else (read_model(Path(own)),)
    return select(known, target.name, precision=precision, runtime=runtime, threads=threads)


def predict_compiled(
    graph: Graph, target: Target, precision: str, placement: PlacementPart
) -> PredictionPart | None:
    """What a report says of the latency; None where fpc has nothing to say it with, or of.

    Cost models are fitted on networks that LiteRT ran: they know nothing of tvm's kernels.
    """
    if target.runtime.backend == "tvm":
        return None
    try:
        cost_model = cost_model_for(target, precision=precision)
        return predict_graph(graph, cost_model, placement)
    except CostModelError as error:
        if error.code in _NO_PREDICTION:
            return None
        raise


def _notes(found: Prediction, cost_model: CostModel, placement: PlacementPart | None) -> list[str]:
    notes: list[str] = []
    if found.extrapolates:
        notes.append(
            f"extrapolates: the network is unlike the {cost_model.provenance.networks} that the "
            "cost model was fitted on; the interval holds for networks like those"
        )
    if found.unseen:
        notes.append(
            f"no measured network had {', '.join(found.unseen)}: priced relative to what was "
            "measured"
        )
    simulated = [share.kernel for share in found.kernels if share.is_simulated]
    if simulated:
        kinds = ", ".join(sorted({kernel.work.kind.value for kernel in simulated}))
        notes.append(
            f"{found.simulated_ms:.2f} ms are simulated: nobody measured {kinds} kernels "
            f"({len(simulated)} here), priced by the instructions that fpc's own kernels execute "
            "under emulation and what an instruction took in measured convolutions; the interval "
            "lets each be off by half"
        )
    if cost_model.target == _THIS_MACHINE and cost_model.condition.device != device_name():
        notes.append(
            f"prices are those of {cost_model.condition.device}, and this machine is "
            f"{device_name()}: `fpc calibrate-target NAME --on host` learns its own"
        )
    breaks = placement.off_path if placement is not None else ()
    leaving = [node for node in breaks if node.effect != "slow"]
    if leaving:
        kinds = ", ".join(sorted({node.op for node in leaving}))
        notes.append(
            f"{len(leaving)} nodes leave the fast path ({kinds}): `fpc check` says what to do"
        )
    return notes
