"""The first half of the road: a model file becomes an optimised float graph for a target."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from fpc.diagnostics.errors import FpcError, UsageError
from fpc.driver.artifact import digest
from fpc.driver.phases.watch import NumericWatcher
from fpc.frontends.onnx import Imported
from fpc.frontends.onnx import load as load_onnx
from fpc.ir.graph import Graph
from fpc.passes.presets import pipeline_of
from fpc.rewrite.pipeline import PassRecord, Pipeline
from fpc.targets.description import Target

if TYPE_CHECKING:
    from fpc.frontends.onnx.model_file import ModelSource

_NO_SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType({})


@dataclass(frozen=True)
class Stage:
    """A float NCHW graph on its way, and the passes that brought it there.

    The graph is the stage's own: earlier stages are not changed by later ones.
    """

    graph: Graph
    pipeline: Pipeline
    records: tuple[PassRecord, ...]

    def then(self, text: str, *, verify: bool = False) -> Stage:
        """The stage after the passes that `text` names.

        With `verify` the graph is verified and run after every pass; `PassError` names a culprit.
        """
        graph = self.graph.clone()
        pipeline = pipeline_of(text)
        records = pipeline.run(graph, NumericWatcher(graph) if verify else None)
        return Stage(
            graph,
            Pipeline((*self.pipeline.passes, *pipeline.passes)),
            (*self.records, *records),
        )


def imported_from(
    model: Graph | ModelSource,
    input_shapes: Mapping[str, tuple[int, ...]] = _NO_SHAPES,
    *,
    simplify: bool = True,
) -> Imported:
    """An ONNX model imported, or a graph as if it had been; see `fpc.frontends.onnx.load`."""
    if not isinstance(model, Graph):
        if not isinstance(model, str | Path | bytes) and not hasattr(model, "SerializeToString"):
            raise UsageError(
                "model-type",
                f"cannot take a model from an object of type {type(model).__name__}",
                help="give a path, the bytes of an ONNX file, an onnx.ModelProto or an fpc.Graph",
            )
        return load_onnx(model, input_shapes=input_shapes, simplify=simplify)
    return Imported(
        graph=model,
        notes=(),
        opset=0,
        producer="fpc graph",
        sha256=digest(model.to_text().encode()),
        input_names=tuple(value.name for value in model.inputs),
        output_names=tuple(value.name for value in model.outputs),
    )


def describe_source(model: Graph | ModelSource) -> str:
    """What messages and reports call the model: its path where it has one."""
    match model:
        case Path() | str():
            return str(model)
        case Graph():
            return f"@{model.name}"
        case _:
            return "<model>"


@contextmanager
def naming(model: Graph | ModelSource) -> Generator[None]:
    """Any `FpcError` of the body names the model."""
    try:
        yield
    except FpcError as error:
        if error.model is None:
            error.model = describe_source(model)
        raise


def start(graph: Graph) -> Stage:
    """A graph that no pass has touched."""
    return Stage(graph, Pipeline(()), ())


def prepare(imported: Imported, target: Target, *, verify: bool = False) -> Stage:
    """The imported model optimised and legalised for `target`."""
    optimised = start(imported.graph).then(target.pipelines.optimise, verify=verify)
    return optimised.then(target.pipelines.legalise, verify=verify)
