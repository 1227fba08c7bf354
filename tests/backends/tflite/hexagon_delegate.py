"""What TensorFlow Lite's Hexagon delegate takes of a file, written down from its source.

tensorflow/lite/delegates/hexagon/utils.cc (`CheckOpVersion`, `IsNodeSupportedByHexagon`) and, for
the rows of depthwise filters, its README. It sees the file alone: nothing of fpc's targets.
"""

from __future__ import annotations

from fpc.backends.tflite.model import FusedActivation, Operator, Options, Subgraph

_GREATEST_VERSION = {
    **dict.fromkeys(
        (
            "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN",
            "MINIMUM", "MIRROR_PAD", "MUL", "PAD", "QUANTIZE", "RELU", "RELU6", "RESIZE_BILINEAR",
            "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SOFTMAX", "SPLIT", "STRIDED_SLICE", "SUB", "TANH",
            "TRANSPOSE", "TRANSPOSE_CONV",
        ),
        2,
    ),
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "DEPTH_TO_SPACE": 1,
    "HARD_SWISH": 1,
    "RESHAPE": 1,
}  # fmt: skip
_BYTES = ("int8", "uint8")
_FUSED = (
    FusedActivation.NONE,
    FusedActivation.RELU,
    FusedActivation.RELU6,
    FusedActivation.RELU_N1_TO_1,
)
_NO_OPTIONS = Options("")


def refusals(graph: Subgraph) -> list[str]:
    """The operators that stay on the CPU."""
    return [operator.code for operator in graph.operators if not _takes(graph, operator)]


def _takes(graph: Subgraph, operator: Operator) -> bool:
    version = _GREATEST_VERSION.get(operator.code)
    if version is None or operator.version > version:
        return False
    operands, results = graph.operands(operator), graph.results(operator)
    tensors = [tensor for tensor in (*operands, *results) if tensor is not None]
    if any(len(tensor.shape) > 4 for tensor in tensors):
        return False
    data = [operands[1] if operator.code == "TRANSPOSE_CONV" else operands[0], *results]
    if any(tensor is None or tensor.dtype not in _BYTES for tensor in data):
        return False
    options = operator.options or _NO_OPTIONS
    if options.get("fused_activation_function", FusedActivation.NONE) not in _FUSED:
        return False
    if max(options.get("stride_w", 1), options.get("stride_h", 1)) > 3 and "CONV" in operator.code:
        return False
    dilated = (options.get("dilation_w_factor", 1), options.get("dilation_h_factor", 1)) != (1, 1)
    match operator.code:
        case "CONV_2D":
            return not dilated
        case "DEPTHWISE_CONV_2D":
            strides = options.get("stride_w", 1), options.get("stride_h", 1)
            return (
                not (dilated and strides != (1, 1))
                and options.get("depth_multiplier", 1) == 1
                and tensors[1].shape[1] >= 2
            )
        case "FULLY_CONNECTED":
            return not options.get("keep_num_dims", 0)
        case "MAX_POOL_2D" | "AVERAGE_POOL_2D":
            fused = options.get("fused_activation_function", FusedActivation.NONE)
            return fused == FusedActivation.NONE
        case "RESIZE_BILINEAR":
            return max(results[0].shape[1:3]) < 66
        case "TRANSPOSE_CONV":
            return len(operands) == 3
        case _:
            return True
