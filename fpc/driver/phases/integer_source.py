"""Models that hold integers already: what can be asked of them, and what cannot."""

from __future__ import annotations

from fpc.diagnostics.errors import ModelError, UsageError
from fpc.driver.options import CompileOptions, Precision
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph


def integer_precision(graph: Graph) -> Precision | None:
    """The precision of an integer graph by its activations, None for a float one."""
    found = {
        value.type.dtype for node in graph for value in node.outputs if value.type.is_quantised
    }
    if not found:
        return None
    return Precision.INT16 if DType.I16 in found else Precision.INT8


def require_possible(graph: Graph, options: CompileOptions) -> None:
    """`FpcError` when the integers of `graph`, or what is asked of them, are no back end's."""
    _require_no_float_network(options)
    _require_symmetric_int16(graph)


def _require_no_float_network(options: CompileOptions) -> None:
    """`UsageError` when an option needs the float network that a quantised model does not hold."""
    for option, given in (
        ("--eval", options.evaluation is not None),
        ("--image-input", options.image_input),
        ("--swap-activation", bool(options.swap_activations)),
    ):
        if given:
            raise UsageError(
                "no-float-model",
                f"{option} needs the float network, and this model is quantised already",
                help="give the float model; `fpc compare` measures how far two files are apart",
            )


def _require_symmetric_int16(graph: Graph) -> None:
    """`ModelError` when 16-bit activations have zero points, which no back end computes with."""
    for node in graph:
        for value in (*node.operands, *node.outputs):
            quant = value.type.quant
            if value.type.dtype is DType.I16 and quant is not None and not quant.is_symmetric:
                raise ModelError(
                    "zero-point",
                    f"%{value.name} has 16 bits and the zero point {quant.zero_points[0]}: kernels "
                    "of TensorFlow Lite and of fpc take 16-bit activations around 0 only",
                    location=node.location,
                    help="quantise with symmetric activations (ActivationSymmetric=True for "
                    "onnxruntime's quantize_static), or give the float model and --int16",
                )


def notes_on_integers(options: CompileOptions) -> list[str]:
    """What the user asked for in vain."""
    if not options.is_quantised:
        return []
    unused = "" if options.calibration is None else "; the calibration samples are not used"
    return [f"the model is quantised already: its own integers are kept{unused}"]
