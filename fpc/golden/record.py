"""Recording what a graph computes, layer by layer, as JSON that reviewers can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fpc.diagnostics.errors import ParseError, UsageError
from fpc.diagnostics.validation import problems
from fpc.golden.noise import noise_inputs
from fpc.interp.executor import trace
from fpc.interp.numerics import Numerics
from fpc.interp.runner import Runner
from fpc.ir.constant import Array
from fpc.ir.graph import Graph, Value
from fpc.ir.printer import digest, print_type

FORMAT = 1
FULL_ELEMENTS = 1024
"""Outputs of up to so many elements are recorded whole, so that a difference can be measured."""

_DIGEST_HEX_DIGITS = 16


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FloatSummary(_Frozen):
    """Floats by what survives another machine's order of summation."""

    low: float
    high: float
    mean: float
    rms: float


class TensorRecord(_Frozen):
    """One value over all samples: integers by digest of their bytes, floats by summary."""

    name: str
    type: str
    digest: str | None = None
    summary: FloatSummary | None = None


class LayerRecord(TensorRecord):
    """A value a node computes; `source` names the model's nodes it stands for."""

    op: str
    source: tuple[str, ...] = ()


class OutputRecord(TensorRecord):
    """An output; `elements` are those of every sample, in order, when they are few."""

    elements: tuple[int | float, ...] | None = None


class GoldenRecord(_Frozen):
    """What a graph computed on inputs made from a seed.

    `options` is for whoever made the graph: what to make it with again (`fpc golden` keeps the
    options of the compilation there).
    """

    format: Literal[1] = FORMAT
    graph: str
    numerics: Numerics
    seed: int
    samples: int
    stages: dict[str, str]
    inputs: tuple[TensorRecord, ...]
    layers: tuple[LayerRecord, ...]
    outputs: tuple[OutputRecord, ...]
    options: dict[str, str] = Field(default_factory=dict[str, str])

    def save(self, path: Path) -> None:
        """Write the record as JSON, a layer a line, so that a difference reads well."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json())

    def to_json(self) -> str:
        """The record as JSON."""
        entries = [
            f"{json.dumps(name)}: {_one_a_line(entry)}"
            for name, entry in self.model_dump(mode="json", exclude_none=True).items()
        ]
        return "{\n" + ",\n".join(entries) + "\n}\n"

    @classmethod
    def load(cls, path: Path) -> GoldenRecord:
        """Read a record; `UsageError` when there is none, `ParseError` when it is malformed."""
        try:
            text = path.read_text()
        except OSError as error:
            raise UsageError(
                "golden-file", f"cannot read the golden record {path}: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            raise ParseError("golden", f"{path} is not text") from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first, *_ = problems(error, "the file")
            raise ParseError(
                "golden",
                f"{path} is not a golden record: {first}",
                help="record it again with this version of fpc",
            ) from None


def _one_a_line(entry: object) -> str:
    if not isinstance(entry, list):
        return json.dumps(entry)
    return "[\n  " + ",\n  ".join(map(json.dumps, cast("list[object]", entry))) + "\n]"


def record(
    graph: Graph,
    *,
    seed: int = 0,
    samples: int = 1,
    numerics: Numerics = Numerics.TFLITE_REFERENCE,
    stages: Mapping[str, Graph] | None = None,
    runner: Runner | None = None,
) -> GoldenRecord:
    """Run `graph` on `samples` inputs made from `seed` and note what every layer computes.

    `stages` are earlier forms of the graph by name, in order: their texts' digests tell later at
    which stage of compilation a change came in. Outputs are those of `runner`, where one is given,
    else, like the layers, those of the interpreter under `numerics`.
    """
    if samples < 1:
        raise UsageError("samples", f"a record needs at least one sample, not {samples}")
    seen: dict[Value, _Observation] = {}
    results = [_Observation() for _ in graph.outputs]
    for sample in range(samples):
        inputs = noise_inputs(graph, seed, sample)
        computed: dict[Value, Array] = {}
        for value, array in trace(graph, inputs, numerics):
            seen.setdefault(value, _Observation()).add(array)
            if value.is_graph_output:
                computed[value] = array
        outputs = [computed[value] for value in graph.outputs] if runner is None else runner(inputs)
        for observation, array in zip(results, outputs, strict=True):
            observation.add(array, keep=True)
    return GoldenRecord(
        graph=graph.name,
        numerics=numerics,
        seed=seed,
        samples=samples,
        stages={name: digest(stage) for name, stage in (stages or {}).items()}
        | {"final": digest(graph)},
        inputs=tuple(
            TensorRecord(
                name=value.name,
                type=print_type(value.type),
                digest=seen[value].digest,
                summary=seen[value].summary,
            )
            for value in graph.inputs
        ),
        layers=tuple(
            LayerRecord(
                name=value.name,
                type=print_type(value.type),
                op=node.op.mnemonic,
                source=node.location.names,
                digest=seen[value].digest,
                summary=seen[value].summary,
            )
            for node in graph
            for value in node.outputs
        ),
        outputs=tuple(
            OutputRecord(
                name=value.name,
                type=print_type(value.type),
                elements=observation.elements,
                digest=observation.digest,
                summary=observation.summary,
            )
            for value, observation in zip(graph.outputs, results, strict=True)
        ),
    )


class _Observation:
    """What is noted of the arrays of one value, one a sample."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._is_float = False
        self._low, self._high = np.inf, -np.inf
        self._sum = self._square_sum = 0.0
        self._count = 0
        self._kept: list[Array] = []

    def add(self, array: Array, *, keep: bool = False) -> None:
        self._is_float = bool(np.issubdtype(array.dtype, np.floating))
        self._count += array.size
        if keep:
            self._kept.append(array)
        if not self._is_float:
            little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
            self._hash.update(f"{array.dtype.name}{list(array.shape)}".encode())
            self._hash.update(np.ascontiguousarray(little_endian).tobytes())
        elif array.size:
            wide = array.astype(np.float64)
            self._low, self._high = min(self._low, wide.min()), max(self._high, wide.max())
            self._sum += float(wide.sum())
            self._square_sum += float(np.square(wide).sum())

    @property
    def digest(self) -> str | None:
        return None if self._is_float else self._hash.hexdigest()[:_DIGEST_HEX_DIGITS]

    @property
    def summary(self) -> FloatSummary | None:
        if not self._is_float:
            return None
        count = max(self._count, 1)
        return FloatSummary(
            low=float(self._low),
            high=float(self._high),
            mean=self._sum / count,
            rms=float(np.sqrt(self._square_sum / count)),
        )

    @property
    def elements(self) -> tuple[int | float, ...] | None:
        if self._count > FULL_ELEMENTS:
            return None
        return tuple(element for array in self._kept for element in array.ravel().tolist())
