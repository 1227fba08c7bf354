"""Which TFLite release first had each version of an operator.

From runtime_version.cc of LiteRT (tflite/converter/tools/versioning), for what fpc writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fpc.backends.tflite.model import Operator

_FIRST_RELEASE = (1, 5, 0)


def minimum_runtime(operators: Sequence[Operator]) -> str:
    """The first TFLite release that knows every operator in the versions used."""
    known = [op for op in operators if has_release(op.code, op.version)]
    releases = [_RELEASES[op.code][op.version] for op in known]
    return ".".join(map(str, max(releases, default=_FIRST_RELEASE)))


def has_release(code: str, version: int) -> bool:
    """Whether the release that brought this version of `code` is on record."""
    return version in _RELEASES.get(code, {})


_RELEASES: Mapping[str, Mapping[int, tuple[int, int, int]]] = MappingProxyType(
    {
        "ABS": {1: (1, 13, 0), 2: (2, 4, 0), 3: (2, 5, 0), 5: (2, 12, 0)},
        "ADD": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 4, 0), 4: (2, 6, 0)},
        "AVERAGE_POOL_2D": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 3, 0)},
        "BATCH_MATMUL": {1: (2, 3, 0), 2: (2, 3, 0), 3: (2, 4, 0)},
        "CAST": {1: (1, 5, 0), 3: (2, 8, 0), 5: (2, 12, 0)},
        "CONCATENATION": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 3, 0)},
        "CONV_2D": {1: (1, 5, 0), 3: (1, 14, 0), 4: (2, 3, 0), 6: (2, 9, 0)},
        "DEPTHWISE_CONV_2D": {1: (1, 5, 0), 2: (1, 12, 0), 3: (1, 14, 0), 5: (2, 3, 0)},
        "DEPTH_TO_SPACE": {1: (2, 1, 0)},
        "DEQUANTIZE": {1: (1, 13, 1), 2: (1, 14, 0), 3: (1, 15, 0), 5: (2, 7, 0)},
        "DIV": {1: (1, 6, 0), 2: (2, 3, 0)},
        "EXP": {1: (1, 7, 0), 2: (2, 12, 0)},
        "FLOOR": {1: (1, 9, 0)},
        "FULLY_CONNECTED": {
            1: (1, 5, 0),
            4: (1, 14, 0),
            5: (2, 0, 0),
            7: (2, 3, 0),
            12: (2, 17, 0),
        },
        "GATHER": {1: (1, 6, 0), 2: (1, 14, 0), 3: (1, 15, 0), 4: (2, 4, 0)},
        "GELU": {1: (2, 9, 0), 2: (2, 9, 0)},
        "HARD_SWISH": {1: (1, 15, 0)},
        "LEAKY_RELU": {1: (1, 13, 1), 2: (2, 3, 0)},
        "LOCAL_RESPONSE_NORMALIZATION": {1: (1, 5, 0)},
        "LOG": {1: (1, 14, 0), 2: (2, 15, 0)},
        "LOGISTIC": {1: (1, 14, 0), 2: (1, 14, 0), 3: (2, 3, 0)},
        "MAXIMUM": {1: (1, 14, 0), 2: (1, 14, 0), 3: (2, 3, 0), 4: (2, 3, 0)},
        "MAX_POOL_2D": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 3, 0)},
        "MEAN": {1: (1, 6, 0), 2: (1, 14, 0), 3: (2, 4, 0)},
        "MINIMUM": {1: (1, 14, 0), 2: (1, 14, 0), 3: (2, 3, 0), 4: (2, 3, 0)},
        "MIRROR_PAD": {1: (1, 13, 1), 2: (2, 3, 0), 3: (2, 12, 0)},
        "MUL": {
            1: (1, 5, 0),
            2: (1, 14, 0),
            3: (1, 15, 0),
            4: (2, 3, 0),
            5: (2, 6, 0),
            7: (2, 13, 0),
        },
        "NEG": {1: (1, 9, 0)},
        "PAD": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 4, 0), 4: (2, 6, 0), 5: (2, 20, 0)},
        "PADV2": {1: (1, 9, 0), 2: (1, 14, 0), 3: (2, 4, 0), 4: (2, 6, 0), 5: (2, 20, 0)},
        "PRELU": {1: (1, 8, 0)},
        "QUANTIZE": {1: (1, 14, 0), 2: (1, 15, 0)},
        "RELU": {1: (1, 5, 0), 2: (2, 1, 0), 3: (2, 5, 0)},
        "RELU6": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 5, 0)},
        "RELU_N1_TO_1": {1: (1, 5, 0)},
        "RESHAPE": {1: (1, 5, 0)},
        "RESIZE_BILINEAR": {1: (1, 7, 0), 2: (1, 14, 0), 3: (2, 2, 0), 4: (2, 5, 0)},
        "RESIZE_NEAREST_NEIGHBOR": {1: (1, 13, 1), 2: (1, 14, 0), 3: (2, 3, 0), 4: (2, 4, 0)},
        "SOFTMAX": {1: (1, 5, 0), 2: (1, 14, 0), 3: (2, 3, 0)},
        "SQRT": {1: (1, 10, 0), 2: (2, 21, 0)},
        "STRIDED_SLICE": {1: (1, 6, 0), 2: (1, 14, 0), 3: (2, 1, 0), 4: (2, 2, 0)},
        "SUB": {1: (1, 6, 0), 2: (1, 14, 0), 3: (2, 3, 0), 4: (2, 4, 0), 5: (2, 4, 0)},
        "TANH": {1: (1, 14, 0), 2: (1, 14, 0), 3: (2, 3, 0)},
        "TRANSPOSE": {
            1: (1, 6, 0),
            2: (1, 14, 0),
            3: (1, 15, 0),
            4: (2, 3, 0),
            5: (2, 4, 0),
            6: (2, 12, 0),
        },
        "TRANSPOSE_CONV": {1: (1, 9, 0), 2: (2, 2, 0), 3: (2, 3, 0), 4: (2, 13, 0)},
    }
)
