"""Operator versions: those of LiteRT's op_version.cc, and a known release for each."""

import pytest

from fpc.backends.tflite.emitter import lower
from fpc.backends.tflite.model import Operator
from fpc.backends.tflite.releases import has_release, minimum_runtime
from fpc.ir.dtype import DType
from tests.backends.tflite.integer_cases import cases
from tests.backends.tflite.test_float import CASES as FLOAT_CASES

CASES = {
    "f32": FLOAT_CASES,
    "i8": cases(DType.I8),
    "i16": cases(DType.I16),
}

# (precision, case, operator): version, read off GetBuiltinOperatorVersion.
EXPECTED = {
    ("f32", "conv same", "CONV_2D"): 1,
    ("i8", "conv", "CONV_2D"): 3,
    ("i16", "conv", "CONV_2D"): 4,
    ("f32", "conv grouped", "CONV_2D"): 6,
    ("i8", "conv grouped", "CONV_2D"): 6,
    ("f32", "depthwise", "DEPTHWISE_CONV_2D"): 1,
    ("f32", "depthwise dilated", "DEPTHWISE_CONV_2D"): 2,
    ("i8", "depthwise", "DEPTHWISE_CONV_2D"): 3,
    ("i16", "depthwise", "DEPTHWISE_CONV_2D"): 5,
    ("f32", "deconv valid", "TRANSPOSE_CONV"): 3,
    ("i8", "deconv cropped", "TRANSPOSE_CONV"): 4,
    ("f32", "dense", "FULLY_CONNECTED"): 1,
    ("f32", "dense rank 3", "FULLY_CONNECTED"): 5,
    ("i8", "dense per tensor", "FULLY_CONNECTED"): 4,
    ("i16", "dense per tensor", "FULLY_CONNECTED"): 7,
    ("i8", "matmul", "BATCH_MATMUL"): 2,
    ("i16", "matmul", "BATCH_MATMUL"): 3,
    ("f32", "add", "ADD"): 1,
    ("i8", "add", "ADD"): 2,
    ("i16", "add", "ADD"): 3,
    ("i16", "sub", "SUB"): 5,
    ("f32", "sub rank 6", "SUB"): 3,
    ("i8", "mul", "MUL"): 2,
    ("i16", "mul", "MUL"): 4,
    ("i16", "maximum", "MAXIMUM"): 4,
    ("i8", "global avg pool", "MEAN"): 2,
    ("i16", "relu", "RELU"): 3,
    ("i16", "leaky relu", "LEAKY_RELU"): 2,
    ("i8", "leaky relu", "LEAKY_RELU"): 1,
    ("f32", "bilinear asymmetric", "RESIZE_BILINEAR"): 1,
    ("f32", "bilinear half pixel", "RESIZE_BILINEAR"): 3,
    ("i8", "bilinear align_corners", "RESIZE_BILINEAR"): 2,
    ("f32", "nearest corners", "RESIZE_NEAREST_NEIGHBOR"): 3,
    ("f32", "transpose rank 6", "TRANSPOSE"): 6,
    ("i16", "transpose", "TRANSPOSE"): 5,
    ("i8", "pad", "PAD"): 2,
    ("i16", "pad", "PAD"): 3,
    ("i8", "requantize", "QUANTIZE"): 1,
    ("i8", "to int16", "QUANTIZE"): 2,
    ("i8", "dequantize", "DEQUANTIZE"): 2,
    ("i16", "dequantize", "DEQUANTIZE"): 3,
    ("i8", "gelu", "GELU"): 2,
    ("i8", "split", "STRIDED_SLICE"): 2,
}


@pytest.mark.parametrize("use", EXPECTED, ids=" ".join)
def test_versions_are_as_low_as_the_use_allows(use: tuple[str, str, str]) -> None:
    precision, name, code = use
    operators = lower(CASES[precision][name].graph).main.operators
    assert {op.version for op in operators if op.code == code} == {EXPECTED[use]}


def test_every_version_written_has_a_release() -> None:
    used = {
        (operator.code, operator.version)
        for named in CASES.values()
        for case in named.values()
        for operator in lower(case.graph).main.operators
    }
    assert {use for use in used if not has_release(*use)} == set()


def test_the_newest_operator_decides() -> None:
    def operator(code: str, version: int) -> Operator:
        return Operator(code, (), (), version=version)

    assert minimum_runtime([]) == "1.5.0"
    assert minimum_runtime([operator("CONV_2D", 3)]) == "1.14.0"
    both = [operator("TRANSPOSE_CONV", 4), operator("CONV_2D", 6)]
    assert minimum_runtime(both) == "2.13.0"
