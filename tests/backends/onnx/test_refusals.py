"""Forms of operators that fpc does not import are refused by name, with a reason and a remedy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from fpc.diagnostics.errors import ModelError, UnsupportedOpError
from fpc.frontends.onnx import load
from tests.backends.onnx.models import Case, floats, integers, model_of, normal, scalar

MAP = (1, 4, 9, 7)
WINDOW = {"kernel_shape": [2, 2]}
FOUR = [normal(4), normal(4), normal(4), np.abs(normal(4))]

REFUSED = (
    (Case("conv-3d", "Conv", [(1, 2, 4, 4, 4), normal(3, 2, 1, 1, 1)]), "rank 5"),
    (Case("negative-pads", "Conv", [MAP, normal(3, 4, 3, 3)], {"pads": [-1] * 4}), "negative"),
    (Case("transposed-dynamic", "ConvTranspose", [MAP, (4, 3, 2, 2)]), "filter is computed"),
    (
        Case(
            "transposed-far",
            "ConvTranspose",
            [MAP, normal(4, 3, 2, 2)],
            {"strides": [2, 2], "output_shape": [40, 40]},
        ),
        "larger than what the filters reach",
    ),
    (Case("pool-indices", "MaxPool", [MAP], WINDOW, outputs=2), "indices are used"),
    (Case("pool-dilated", "AveragePool", [MAP], {**WINDOW, "dilations": [2, 2]}, 19), "dilated"),
    (Case("pow-odd", "Pow", [MAP, scalar(1.7)]), "exponent is 1.7"),
    (Case("pow-various", "Pow", [MAP, floats(1, 2, 3, 4, 5, 6, 7)]), "differ"),
    (Case("pow-dynamic", "Pow", [MAP, MAP]), "exponent is computed"),
    (Case("where-dynamic", "Where", [MAP, MAP, MAP]), "condition is computed"),
    (Case("reshape-dynamic", "Reshape", [MAP, (2,)]), "shape is computed"),
    (Case("gather-dynamic", "Gather", [MAP, (2,)]), "indices is computed"),
    (
        Case("gather-wild", "Gather", [(200, 2), np.random.default_rng(0).permutation(200)]),
        "jump",
    ),
    (Case("gather-outside", "Gather", [MAP, integers(9)]), "leave the extent"),
    (Case("slice-dynamic", "Slice", [MAP, (1,), (1,)]), "starts is computed"),
    (Case("pad-wrap", "Pad", [MAP, integers(0, 0, 1, 1, 0, 0, 1, 1)], {"mode": "wrap"}), "'wrap'"),
    (Case("tile-much", "Tile", [(1, 2), integers(1, 100)]), "copies"),
    (Case("reduce-apart", "ReduceMax", [MAP, integers(1, 3)], opset=18), "not neighbours"),
    (
        Case("bn-training", "BatchNormalization", [MAP, *FOUR], {"training_mode": 1}, 15),
        "training mode",
    ),
    (Case("lp-norm-1", "LpNormalization", [MAP], {"p": 1}), "Euclidean"),
    (Case("resize-cubic", "Resize", [MAP, None, floats(1, 1, 2, 2)], {"mode": "cubic"}), "cubic"),
    (Case("resize-fraction", "Resize", [MAP, None, floats(1, 1, 1.3, 2)]), "whole number"),
    (Case("resize-channels", "Resize", [MAP, None, floats(1, 2, 2, 2)]), "batch or the channels"),
    (
        Case(
            "resize-crop",
            "Resize",
            [MAP, floats(*[0.0] * 4, *[1.0] * 4), floats(1, 1, 2, 2)],
            {"coordinate_transformation_mode": "tf_crop_and_resize"},
        ),
        "tf_crop_and_resize",
    ),
    (
        Case(
            "resize-antialias",
            "Resize",
            [MAP, None, None, integers(1, 4, 4, 4)],
            {"antialias": 1, "mode": "linear"},
            18,
        ),
        "antialiases",
    ),
    (Case("cast-text", "Cast", [MAP], {"to": TensorProto.STRING}), "element type 8"),
    (Case("lstm", "LSTM", [(2, 1, 3), normal(1, 8, 3), normal(1, 8, 2)]), "recurrence"),
    (Case("arg-max", "ArgMax", [MAP]), "indices"),
    (Case("unknown", "Det", [(2, 2)]), "does not know this operator"),
    (Case("dynamic-quantisation", "DynamicQuantizeLinear", [MAP], outputs=3), "at run time"),
)

BROKEN = (
    (Case("kernel-rank", "MaxPool", [MAP], {"kernel_shape": [2]}), "bad-attribute"),
    (Case("stride-zero", "MaxPool", [MAP], {**WINDOW, "strides": [0, 1]}), "bad-attribute"),
    (Case("auto-pad", "MaxPool", [MAP], {**WINDOW, "auto_pad": "HALF"}), "bad-attribute"),
    (Case("window-too-large", "MaxPool", [MAP], {"kernel_shape": [10, 2]}), "bad-node"),
    (Case("filter-rank", "Conv", [MAP, normal(3, 4, 3)]), "bad-node"),
    (Case("reshape-misfit", "Reshape", [MAP, integers(5, 5)]), "bad-node"),
    (Case("reshape-two-wildcards", "Reshape", [MAP, integers(-1, -1)]), "bad-node"),
    (Case("squeeze-wide", "Squeeze", [MAP, integers(1)]), "bad-node"),
    (Case("split-misfit", "Split", [MAP, integers(1, 1)], {"axis": 1}, outputs=2), "bad-node"),
    (Case("transpose-misfit", "Transpose", [MAP], {"perm": [0, 1]}), "bad-node"),
    (Case("softmax-axis", "Softmax", [MAP], {"axis": 4}), "bad-axis"),
    (Case("add-misfit", "Add", [MAP, (1, 3, 1, 1)]), "bad-node"),
    (Case("concat-nothing", "Concat", [], {"axis": 0}), "bad-node"),
    (Case("missing-weight", "Conv", [MAP]), "missing-operand"),
)


@pytest.mark.parametrize(("case", "reason"), REFUSED, ids=lambda x: getattr(x, "id", ""))
def test_unsupported_form(case: Case, reason: str) -> None:
    with pytest.raises(UnsupportedOpError) as caught:
        load(case.model(), simplify=False)

    error = caught.value
    assert error.code == "model.unsupported-op"
    assert f"{case.op_type} 'the_node' because " in error.message
    assert reason in error.message
    assert error.location.names == ("the_node",)
    assert error.help


@pytest.mark.parametrize(("case", "code"), BROKEN, ids=lambda x: getattr(x, "id", ""))
def test_broken_node(case: Case, code: str) -> None:
    with pytest.raises(ModelError) as caught:
        load(case.model(), simplify=False)

    assert caught.value.code == f"model.{code}"
    assert caught.value.location.names == ("the_node",)


def test_nodes_behind_an_unsupported_one_are_not_blamed() -> None:
    nodes = [
        helper.make_node("Det", ["x"], ["d"], name="first"),
        helper.make_node("Equal", ["d", "d"], ["e"], name="harmless"),
        helper.make_node("Relu", ["d"], ["r"], name="fine"),
        helper.make_node("Det", ["r"], ["y"], name="second"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])

    with pytest.raises(UnsupportedOpError) as caught:
        load(model_of(nodes, [x], ["y"]), simplify=False)

    assert caught.value.location.names == ("first", "second")
