"""Is the written file what the graph says? Run it in the target's runtime and compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpc.diagnostics.errors import BackendError
from fpc.driver.phases.lower import run_file
from fpc.driver.phases.watch import random_inputs
from fpc.interp import executor
from fpc.interp.numerics import Numerics
from fpc.interp.runner import Runner
from fpc.interp.two_at_once import both
from fpc.ir.constant import Array
from fpc.ir.graph import Graph
from fpc.report.schema import VerificationPart

_FLOAT_TOLERANCE = 1e-3
_FLOAT_ROUNDING = 1e-6
_SQNR_FLOOR_DB = 20.0


@dataclass(frozen=True)
class Unverified:
    """Why an artifact was not run: it is for another machine, and nothing here can be one."""

    reason: str


def verify_file(
    content: bytes, graph: Graph, numerics: Numerics, inputs: tuple[Array, ...] | None = None
) -> VerificationPart:
    """Run the file and the graph on the same inputs.

    Under `tflite-reference` an integer graph must give the same bits. Under `tflite-xnnpack` most
    kernels are exact and the rest may differ by one step, which later layers carry on: outputs must
    stay within noise of each other. What `pow2` says no runtime here computes: that the file is
    what the graph says is shown under `tflite-reference` then. Float graphs must agree to a
    thousandth of the output's range. `BackendError` when they do not: the artifact is not written.
    """
    if numerics is Numerics.TFLITE_XNNPACK:
        claim = _Claim("LiteRT default kernels", numerics, is_exact=False)
    else:
        claim = _Claim("LiteRT reference kernels", Numerics.TFLITE_REFERENCE, is_exact=True)
    kernels = "default" if numerics is Numerics.TFLITE_XNNPACK else "reference"
    return _verify(lambda feeds: run_file(content, feeds, kernels), graph, claim, inputs)


def verify_exactly(run: Runner, graph: Graph, numerics: Numerics, runtime: str) -> VerificationPart:
    """Run an artifact and the graph on the same inputs.

    `BackendError` unless every element of an integer graph's outputs has the same bits. Floats may
    be summed in another order: outputs of float graphs must agree to a thousandth of their range,
    those of integer graphs with float operators stay within noise of each other.
    """
    return _verify(run, graph, _Claim(runtime, numerics, not _computes_floats(graph)), None)


def _computes_floats(graph: Graph) -> bool:
    """Whether some operator takes and gives floats."""
    return any(
        any(x.type.dtype.is_float for x in node.operands)
        and any(y.type.dtype.is_float for y in node.outputs)
        for node in graph
    )


@dataclass(frozen=True)
class _Claim:
    """What is said of an artifact: whose kernels run it, to which numerics, to the bit or not."""

    runtime: str
    numerics: Numerics
    is_exact: bool


def _verify(
    run: Runner, graph: Graph, claim: _Claim, inputs: tuple[Array, ...] | None
) -> VerificationPart:
    if inputs is None:
        inputs = random_inputs(graph)
    feeds = inputs
    expected, actual = both(lambda: executor.run(graph, feeds, claim.numerics), lambda: run(feeds))
    different, largest, elements = 0, 0.0, 0
    for value, want, got in zip(graph.outputs, expected, actual, strict=True):
        error = np.abs(np.asarray(want, np.float64) - np.asarray(got, np.float64))
        different += int((error > 0).sum())
        elements += error.size
        largest = max(largest, float(error.max(initial=0.0)))
        _judge(graph, value.name, want, got, claim)
    return VerificationPart(
        runtime=claim.runtime,
        numerics=claim.numerics.value,
        samples=1,
        elements=elements,
        different=different,
        largest_difference=largest,
        exact=different == 0,
    )


def _judge(graph: Graph, output: str, want: Array, got: Array, claim: _Claim) -> None:
    wide, other = np.asarray(want, np.float64), np.asarray(got, np.float64)
    quantised = any(value.type.is_quantised for value in graph.values())
    if quantised and claim.is_exact:
        # Floats after the integers may round otherwise; one integer more is a thousand times that.
        slack = _FLOAT_ROUNDING * float(np.abs(wide).max(initial=0.0))
        is_float = np.asarray(want).dtype.kind == "f"
        fits = bool(np.abs(wide - other).max(initial=0.0) <= (slack if is_float else 0.0))
    elif quantised:
        signal = float(np.square(wide - wide.mean()).sum())
        noise = float(np.square(wide - other).sum())
        steps = float(np.abs(wide - other).max(initial=0.0))
        fits = steps <= 1.0 or noise == 0.0 or 10 * np.log10(signal / noise) >= _SQNR_FLOOR_DB
    else:
        spread = max(float(np.abs(wide).max(initial=0.0)), 1e-6)
        fits = bool(np.abs(wide - other).max(initial=0.0) <= _FLOAT_TOLERANCE * spread)
    if not fits:
        raise BackendError(
            "mismatch",
            f"output `{output}` of the written file is not what the graph computes "
            f"(largest difference {np.abs(wide - other).max():g})",
            notes=[f"compared under {claim.numerics.value} numerics on random inputs"],
            help="this is a defect of fpc's back end; please report the model",
        )
