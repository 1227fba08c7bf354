"""The ONNX operators that fpc imports, in the forms that exporters write."""

from __future__ import annotations

import itertools

import numpy as np

from tests.backends.onnx.models import Case, floats, integers, normal, scalar

MAP = (1, 4, 9, 7)


def convolutions() -> list[Case]:
    w, b = normal(6, 4, 3, 3), normal(6)
    cases = [
        Case("conv", "Conv", [MAP, w, b], {"pads": [1, 1, 1, 1]}),
        Case("conv-no-bias", "Conv", [MAP, w]),
        Case("conv-asymmetric-pads", "Conv", [MAP, w, b], {"pads": [0, 1, 2, 0]}),
        Case("conv-grouped", "Conv", [MAP, normal(6, 2, 3, 3), b], {"group": 2}),
        Case("conv-depthwise", "Conv", [MAP, normal(4, 1, 3, 3)], {"group": 4, "strides": [2, 2]}),
        Case("conv-dilated", "Conv", [MAP, w], {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
        Case("conv-1d", "Conv", [(2, 4, 11), normal(6, 4, 3), b], {"strides": [2], "pads": [1, 0]}),
        Case("conv-opset-7", "Conv", [MAP, w, b], {"kernel_shape": [3, 3]}, opset=7),
    ]
    for mode, stride in itertools.product(("SAME_UPPER", "SAME_LOWER", "VALID"), (1, 2, 3)):
        attributes = {"auto_pad": mode, "strides": [stride, stride]}
        cases.append(Case(f"conv-{mode.lower()}-{stride}", "Conv", [MAP, w, b], attributes))
    t = normal(4, 5, 3, 3)
    bias = normal(5)
    transposed = {
        "plain": {"strides": [2, 2]},
        "pads": {"strides": [2, 3], "pads": [1, 0, 0, 1]},
        "output-padding": {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        "dilated": {"dilations": [2, 1]},
        "output-shape": {"strides": [2, 2], "output_shape": [18, 14]},
        "output-shape-upper": {
            "strides": [2, 2],
            "output_shape": [18, 14],
            "auto_pad": "SAME_UPPER",
        },
        "same-upper": {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        "same-lower": {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
    }
    cases += [
        *(
            Case(f"conv-transpose-{name}", "ConvTranspose", [MAP, t, bias], attributes)
            for name, attributes in transposed.items()
        ),
        Case("conv-transpose-grouped", "ConvTranspose", [MAP, normal(4, 3, 2, 2)], {"group": 2}),
        Case("conv-transpose-1d", "ConvTranspose", [(1, 4, 6), normal(4, 3, 4)], {"strides": [2]}),
    ]
    return cases


def pools() -> list[Case]:
    cases: list[Case] = []
    for op_type in ("MaxPool", "AveragePool"):
        forms = {
            "plain": {"kernel_shape": [2, 3]},
            "strides": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1]},
            "ceil": {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1},
            "ceil-pads": {
                "kernel_shape": [3, 3],
                "strides": [2, 2],
                "pads": [1, 1, 1, 1],
                "ceil_mode": 1,
            },
            "ceil-overhang": {
                "kernel_shape": [2, 2],
                "strides": [3, 3],
                "pads": [1, 1, 1, 1],
                "ceil_mode": 1,
            },
            "same-upper": {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
            "same-lower": {"kernel_shape": [2, 2], "strides": [1, 1], "auto_pad": "SAME_LOWER"},
        }
        for name, attributes in forms.items():
            cases.append(Case(f"{op_type.lower()}-{name}", op_type, [MAP], attributes))
        cases.append(Case(f"{op_type.lower()}-1d", op_type, [(1, 3, 8)], {"kernel_shape": [3]}))
    counted = {"kernel_shape": [3, 3], "strides": [2, 2], "count_include_pad": 1}
    cases += [
        Case("averagepool-counted", "AveragePool", [MAP], {**counted, "pads": [1, 1, 1, 1]}),
        Case(
            "averagepool-counted-ceil",
            "AveragePool",
            [(1, 2, 8, 8)],
            {**counted, "pads": [1, 1, 0, 0], "ceil_mode": 1},
            opset=19,
        ),
        Case("maxpool-dilated", "MaxPool", [MAP], {"kernel_shape": [2, 2], "dilations": [2, 2]}),
        Case("global-average", "GlobalAveragePool", [MAP]),
        Case("global-average-1d", "GlobalAveragePool", [(1, 3, 8)]),
        Case("global-max", "GlobalMaxPool", [MAP]),
        Case("global-max-1d", "GlobalMaxPool", [(1, 3, 8)]),
    ]
    return cases


def products() -> list[Case]:
    a, b = (3, 5), normal(5, 6)
    return [
        Case("gemm", "Gemm", [a, b, normal(6)]),
        Case("gemm-no-bias", "Gemm", [a, b]),
        Case("gemm-transposed", "Gemm", [a, normal(6, 5), normal(6)], {"transB": 1}),
        Case("gemm-scaled", "Gemm", [a, b, normal(6)], {"alpha": 0.5, "beta": 2.0}),
        Case("gemm-transposed-a", "Gemm", [(5, 3), b, normal(6)], {"transA": 1}),
        Case("gemm-scalar-bias", "Gemm", [a, b, floats(0.7)]),
        Case("gemm-row-bias", "Gemm", [a, b, normal(1, 6)]),
        Case("gemm-matrix-bias", "Gemm", [a, b, normal(3, 6)], {"beta": 0.5}),
        Case("gemm-dynamic", "Gemm", [a, (5, 6), (6,)], {"alpha": 2.0, "beta": 0.5}),
        Case("gemm-dynamic-transposed", "Gemm", [a, (6, 5)], {"transB": 1}),
        Case("gemm-opset-7", "Gemm", [a, b, normal(6)], opset=7),
        Case("matmul", "MatMul", [a, b]),
        Case("matmul-batched", "MatMul", [(2, 3, 5), b]),
        Case("matmul-batched-constant", "MatMul", [(2, 3, 5), normal(2, 5, 4)]),
        Case("matmul-dynamic", "MatMul", [(2, 3, 5), (2, 5, 4)]),
        Case("matmul-vector-matrix", "MatMul", [(5,), b]),
        Case("matmul-matrix-vector", "MatMul", [a, normal(5)]),
        Case("matmul-dynamic-vector", "MatMul", [a, (5,)]),
        Case("matmul-vector-batch", "MatMul", [(5,), (2, 5, 4)]),
        Case("matmul-constant-left", "MatMul", [normal(4, 3), a]),
    ]


def activations() -> list[Case]:
    plain = ["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Softplus", "Softsign"]
    plain += ["Elu", "Selu", "Celu", "Neg", "Abs", "Exp", "Erf", "Floor", "Ceil", "HardSwish"]
    cases = [Case(op_type.lower(), op_type, [MAP]) for op_type in plain]
    cases += [
        Case("swish", "Swish", [MAP], opset=24),
        Case("swish-alpha", "Swish", [MAP], {"alpha": 1.5}, opset=24),
        Case("mish", "Mish", [MAP], opset=18),
        Case("gelu", "Gelu", [MAP], opset=20),
        Case("gelu-tanh", "Gelu", [MAP], {"approximate": "tanh"}, opset=20),
        Case("gelu-microsoft", "Gelu", [MAP], domain="com.microsoft"),
        Case("fast-gelu", "FastGelu", [(2, 6), normal(6)], domain="com.microsoft"),
        Case("bias-gelu", "BiasGelu", [(2, 6), normal(6)], domain="com.microsoft"),
        Case("quick-gelu", "QuickGelu", [MAP], domain="com.microsoft"),
        Case("elu-alpha", "Elu", [MAP], {"alpha": 0.3}),
        Case("selu-parameters", "Selu", [MAP], {"alpha": 1.5, "gamma": 0.9}),
        Case("celu-alpha", "Celu", [MAP], {"alpha": 2.0}),
        Case("leaky-relu-alpha", "LeakyRelu", [MAP], {"alpha": 0.2}),
        Case("hard-sigmoid-parameters", "HardSigmoid", [MAP], {"alpha": 0.3, "beta": 0.4}),
        Case("prelu", "PRelu", [MAP, normal(4, 1, 1)]),
        Case("prelu-scalar", "PRelu", [MAP, floats(0.25)]),
        Case("clip", "Clip", [MAP, scalar(-0.5), scalar(0.5)]),
        Case("clip-low", "Clip", [MAP, scalar(-0.5)]),
        Case("clip-high", "Clip", [MAP, None, scalar(0.5)]),
        Case("clip-open", "Clip", [MAP]),
        Case("clip-relu6", "Clip", [MAP, scalar(0.0), scalar(6.0)]),
        Case("clip-opset-9", "Clip", [MAP], {"min": 0.0, "max": 0.5}, opset=9),
        Case("clip-dynamic", "Clip", [MAP, ()]),
        Case("log", "Log", [MAP], positive=True),
        Case("sqrt", "Sqrt", [MAP], positive=True),
        Case("reciprocal", "Reciprocal", [MAP], positive=True),
        Case("softmax", "Softmax", [(2, 3, 4)]),
        Case("softmax-axis", "Softmax", [(2, 3, 4)], {"axis": 1}),
        Case("softmax-opset-11", "Softmax", [(2, 3, 4)], {"axis": 1}, opset=11),
        Case("softmax-opset-11-default", "Softmax", [(2, 3, 4)], opset=11),
        Case("softmax-opset-11-last", "Softmax", [(2, 3, 4)], {"axis": 2}, opset=11),
        Case("log-softmax", "LogSoftmax", [(2, 5)]),
        Case("log-softmax-channels", "LogSoftmax", [MAP], {"axis": 1}),
    ]
    return cases


def arithmetic() -> list[Case]:
    cases = [
        Case(f"{op_type.lower()}-{name}", op_type, [MAP, other], positive=op_type == "Div")
        for op_type in ("Add", "Sub", "Mul", "Div")
        for name, other in (
            ("same", MAP),
            ("channel", np.abs(normal(4, 1, 1)) + 0.5),
            ("scalar", scalar(1.5)),
            ("gate", (1, 4, 1, 1)),
        )
    ]
    for op_type in ("Sum", "Max", "Min", "Mean"):
        cases.append(Case(f"{op_type.lower()}-three", op_type, [MAP, MAP, MAP]))
        cases.append(Case(f"{op_type.lower()}-constant", op_type, [MAP, normal(1, 4, 1, 1)]))
    exponents = (-1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0)
    cases.extend(Case(f"pow-{e}", "Pow", [MAP, scalar(e)], positive=True) for e in exponents)
    cases.append(Case("pow-of-base", "Pow", [scalar(2.0), MAP]))
    mask = normal(1, 4, 1, 1) > 0
    cases.append(Case("where-mixed", "Where", [mask, MAP, normal(1)]))
    cases.append(Case("where-true", "Where", [np.ones((1, 1, 1, 1), bool), MAP, normal(1)]))
    return cases


def reductions() -> list[Case]:
    cases: list[Case] = []
    for op_type in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"):
        since = 13 if op_type == "ReduceSum" else 18
        old = {"axes": [2, 3], "keepdims": 0}
        cases += [
            Case(f"{op_type.lower()}-old", op_type, [MAP], old, opset=11),
            Case(f"{op_type.lower()}-all-old", op_type, [MAP], {"keepdims": 1}, opset=11),
            Case(f"{op_type.lower()}-new", op_type, [MAP, integers(-1, 2)], opset=since),
            Case(f"{op_type.lower()}-channel", op_type, [MAP, integers(1)], opset=since),
            Case(
                f"{op_type.lower()}-dropped",
                op_type,
                [(2, 5, 3), integers(1)],
                {"keepdims": 0},
                opset=since,
            ),
        ]
    cases.append(Case("reducesum-noop", "ReduceSum", [MAP], {"noop_with_empty_axes": 1}, opset=13))
    cases.append(Case("reduce-sum-square", "ReduceSumSquare", [MAP], {"axes": [1]}, opset=13))
    return cases


def normalisations() -> list[Case]:
    four = [normal(4), normal(4, seed=4), normal(4, seed=5), np.abs(normal(4, seed=6)) + 0.1]
    return [
        Case("batch-norm", "BatchNormalization", [MAP, *four], {"epsilon": 1e-3}),
        Case("batch-norm-opset-7", "BatchNormalization", [MAP, *four], opset=7),
        Case("batch-norm-2d", "BatchNormalization", [(3, 4), *four]),
        Case("lrn", "LRN", [MAP], {"size": 3, "alpha": 0.1, "beta": 0.5, "bias": 2.0}),
        Case("instance-norm", "InstanceNormalization", [MAP, normal(4), normal(4)]),
        Case("layer-norm", "LayerNormalization", [(2, 3, 5), normal(5), normal(5)]),
        Case("layer-norm-no-bias", "LayerNormalization", [(2, 3, 5), normal(5)]),
        Case("layer-norm-axis", "LayerNormalization", [(2, 3, 5), normal(3, 5)], {"axis": 1}),
        Case(
            "group-norm",
            "GroupNormalization",
            [MAP, normal(4), normal(4)],
            {"num_groups": 2},
            opset=21,
        ),
        Case("mean-variance", "MeanVarianceNormalization", [MAP], opset=13),
        Case("rms-norm", "RMSNormalization", [(2, 3, 5), normal(5)], opset=23),
        Case("lp-norm", "LpNormalization", [MAP], {"axis": 1}),
    ]


def bounds(start: int, end: int, axis: int, step: int) -> list[np.ndarray]:
    return [integers(start), integers(end), integers(axis), integers(step)]


def movements() -> list[Case]:
    return [
        Case("reshape", "Reshape", [MAP, integers(0, -1)]),
        Case("reshape-opset-7", "Reshape", [MAP, integers(1, 4, -1)], opset=7),
        Case("flatten", "Flatten", [MAP]),
        Case("flatten-axis", "Flatten", [MAP], {"axis": 2}),
        Case("flatten-negative", "Flatten", [MAP], {"axis": -1}),
        Case("flatten-zero", "Flatten", [MAP], {"axis": 0}),
        Case("squeeze", "Squeeze", [(1, 3, 1, 1), integers(2, 3)]),
        Case("squeeze-all", "Squeeze", [(1, 3, 1, 1)]),
        Case("squeeze-opset-11", "Squeeze", [(1, 3, 1, 1)], {"axes": [0]}, opset=11),
        Case("unsqueeze", "Unsqueeze", [(3, 4), integers(0, -1)]),
        Case("unsqueeze-opset-11", "Unsqueeze", [(3, 4)], {"axes": [1]}, opset=11),
        Case("transpose", "Transpose", [MAP], {"perm": [0, 2, 3, 1]}),
        Case("transpose-reversed", "Transpose", [MAP]),
        Case("concat", "Concat", [MAP, MAP], {"axis": 1}),
        Case("concat-constant", "Concat", [MAP, normal(1, 2, 9, 7)], {"axis": -3}),
        Case("split", "Split", [MAP], {"axis": 1}, opset=13, outputs=2),
        Case("split-attribute", "Split", [MAP], {"axis": 1, "split": [1, 3]}, opset=11, outputs=2),
        Case("split-operand", "Split", [MAP, integers(3, 1)], {"axis": 1}, opset=13, outputs=2),
        Case("split-uneven", "Split", [MAP], {"axis": 2, "num_outputs": 2}, opset=18, outputs=2),
        Case("slice", "Slice", [MAP, integers(1, 2), integers(4, 100), integers(1, 2)]),
        Case("slice-negative", "Slice", [MAP, integers(-3), integers(-1), integers(-1)]),
        Case("slice-steps", "Slice", [MAP, *bounds(0, 9, 2, 2)]),
        Case("slice-backwards", "Slice", [MAP, *bounds(-1, -100, 2, -1)]),
        Case("slice-backwards-by-2", "Slice", [MAP, *bounds(7, 0, 2, -2)]),
        Case("slice-opset-9", "Slice", [MAP], {"starts": [1], "ends": [3], "axes": [1]}, opset=9),
        Case("gather-scalar", "Gather", [MAP, np.array(2)], {"axis": 1}),
        Case("gather-negative", "Gather", [MAP, np.array(-1)], {"axis": 1}),
        Case("gather-run", "Gather", [MAP, integers(1, 2, 3)], {"axis": 2}),
        Case("gather-even", "Gather", [MAP, integers(0, 2, 4)], {"axis": 2}),
        Case("gather-shuffled", "Gather", [MAP, integers(3, 1, 0, 2)], {"axis": 1}),
        Case("gather-matrix", "Gather", [MAP, np.array([[0, 1], [2, 3]])], {"axis": 1}),
        Case("pad", "Pad", [MAP, integers(0, 0, 1, 2, 0, 0, 3, 0)]),
        Case("pad-value", "Pad", [MAP, integers(0, 0, 1, 2, 0, 0, 3, 0), scalar(0.5)]),
        Case("pad-negative", "Pad", [MAP, integers(0, 0, -1, 2, 0, 0, 0, -2)]),
        Case("pad-reflect", "Pad", [MAP, integers(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "reflect"}),
        Case("pad-edge", "Pad", [MAP, integers(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "edge"}),
        Case("pad-axes", "Pad", [MAP, integers(1, 2), scalar(0.0), integers(-1)], opset=18),
        Case(
            "pad-opset-10", "Pad", [MAP], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "value": 1.0}, opset=10
        ),
        Case("expand-map", "Expand", [(1, 4, 1, 1), integers(1, 4, 3, 5)]),
        Case("expand-rank", "Expand", [(3, 1), integers(2, 3, 4)]),
        Case("expand-large", "Expand", [(3, 1), integers(3, 100)]),
        Case("expand-nothing", "Expand", [MAP, integers(1, 1)]),
        Case("tile", "Tile", [(2, 3), integers(2, 3)]),
        Case("depth-to-space", "DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2}),
        Case("depth-to-space-crd", "DepthToSpace", [(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"}),
        Case("space-to-depth", "SpaceToDepth", [(1, 2, 4, 6)], {"blocksize": 2}),
        Case("identity", "Identity", [MAP]),
        Case("dropout", "Dropout", [MAP]),
        Case("cast", "Cast", [MAP], {"to": 1}),
    ]


def resizes() -> list[Case]:
    cases: list[Case] = []
    sizes = {"double": (18, 14), "shrink": (5, 4), "odd": (13, 10)}
    coordinates = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    roundings = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    for (name, size), coordinate in itertools.product(sizes.items(), coordinates):
        operands = [MAP, None, None, integers(1, 4, *size)]
        mode = {"coordinate_transformation_mode": coordinate}
        cases.append(
            Case(
                f"resize-linear-{coordinate}-{name}", "Resize", operands, {**mode, "mode": "linear"}
            )
        )
        for rounding in roundings:
            if (coordinate, rounding, name) == ("asymmetric", "round_prefer_ceil", "shrink"):
                continue  # 2 * 7 / 4 is a tie that onnxruntime's float32 arithmetic misses
            attributes = {**mode, "mode": "nearest", "nearest_mode": rounding}
            identifier = f"resize-nearest-{coordinate}-{rounding}-{name}"
            cases.append(Case(identifier, "Resize", operands, attributes))
    scales = floats(1.0, 1.0, 2.0, 3.0)
    cases += [
        Case("resize-scales", "Resize", [MAP, None, scales], {"mode": "linear"}, opset=13),
        Case("resize-opset-10", "Resize", [MAP, scales], {"mode": "nearest"}, opset=10),
        Case("resize-opset-10-linear", "Resize", [MAP, scales], {"mode": "linear"}, opset=10),
        Case("resize-opset-11", "Resize", [MAP, floats(), scales], {"mode": "nearest"}, opset=11),
        Case(
            "resize-tf-nearest",
            "Resize",
            [MAP, floats(), scales],
            {
                "mode": "nearest",
                "coordinate_transformation_mode": "tf_half_pixel_for_nn",
                "nearest_mode": "floor",
            },
            opset=11,
        ),
        Case(
            "resize-axes",
            "Resize",
            [MAP, None, None, integers(18, 14)],
            {"mode": "linear", "axes": [2, 3]},
            opset=18,
        ),
        Case("resize-1d", "Resize", [(1, 3, 8), None, floats(1, 1, 2)], {"mode": "nearest"}),
        Case("resize-nothing", "Resize", [MAP, None, floats(1, 1, 1, 1)]),
        Case("upsample-7", "Upsample", [MAP], {"scales": [1.0, 1.0, 2.0, 2.0]}, opset=7),
        Case("upsample-9", "Upsample", [MAP, floats(1, 1, 2, 2)], opset=9),
        Case("upsample-9-linear", "Upsample", [MAP, floats(1, 1, 2, 2)], {"mode": "linear"}, 9),
    ]
    return cases


CASES = (
    *convolutions(),
    *pools(),
    *products(),
    *activations(),
    *arithmetic(),
    *reductions(),
    *normalisations(),
    *movements(),
    *resizes(),
)
