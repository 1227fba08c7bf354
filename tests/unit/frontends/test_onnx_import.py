"""How a model file becomes a graph: shapes, names, constants, and what the user is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fpc.diagnostics.errors import FpcError, UsageError
from fpc.diagnostics.render import render
from fpc.frontends.onnx import load
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from tests.backends.onnx.models import integers, model_of, normal, run_onnxruntime

FLOAT = TensorProto.FLOAT


def info(name: str, shape: Any, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def stored(**arrays: np.ndarray) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def relu_model(shape: Any, name: str = "x") -> onnx.ModelProto:
    return model_of(
        [helper.make_node("Relu", [name], ["y"], name="act")], [info(name, shape)], ["y"]
    )


def failure(model: Any, **options: Any) -> FpcError:
    with pytest.raises(FpcError) as caught:
        load(model, **options)
    return caught.value


class TestShapes:
    def test_unknown_batch_becomes_one_and_the_user_is_told(self) -> None:
        imported = load(relu_model(["N", 3, 8, 8]))

        assert imported.graph.inputs[0].type.shape == (1, 3, 8, 8)
        assert imported.notes == ("input 'x': batch 'N' set to 1",)

    def test_fixed_batch_is_kept(self) -> None:
        assert load(relu_model([4, 3, 8, 8])).graph.inputs[0].type.shape == (4, 3, 8, 8)

    def test_given_shape_fixes_unknown_extents(self) -> None:
        graph = load(relu_model(["N", 3, "h", "w"]), input_shapes={"x": (2, 3, 4, 5)}).graph

        assert graph.inputs[0].type.shape == (2, 3, 4, 5)

    def test_shape_without_a_name_is_for_every_input(self) -> None:
        graph = load(relu_model(["N", 3, "h", "w"]), input_shapes={"": (1, 3, 4, 5)}).graph

        assert graph.inputs[0].type.shape == (1, 3, 4, 5)

    def test_given_shape_may_override_a_declared_one(self) -> None:
        imported = load(relu_model([1, 3, 8, 8]), input_shapes={"x": (1, 3, 4, 5)})

        assert imported.graph.inputs[0].type.shape == (1, 3, 4, 5)
        assert "overridden" in imported.notes[0]

    def test_unknown_extents_are_asked_for(self, golden: Any) -> None:
        error = failure(relu_model(["N", 3, "height", "width"], "input.1"))

        assert error.code == "model.dynamic-shape"
        assert render(error) == golden

    def test_every_input_is_asked_for_at_once(self, golden: Any) -> None:
        nodes = [helper.make_node("Add", ["a", "b"], ["c"])]
        inputs = [info("a", ["n", "c"]), info("d", [1, 2]), info("b", None)]

        assert render(failure(model_of(nodes, inputs, ["c"]))) == golden

    def test_unknown_rank_is_asked_for(self, golden: Any) -> None:
        assert render(failure(relu_model(None))) == golden

    def test_shape_for_no_input(self, golden: Any) -> None:
        error = failure(relu_model([1, 3]), input_shapes={"xx": (1, 3)})

        assert isinstance(error, UsageError)
        assert render(error) == golden

    def test_shape_of_another_rank(self, golden: Any) -> None:
        assert render(failure(relu_model(["N", 3]), input_shapes={"x": (1, 3, 8)})) == golden


class TestConstants:
    def test_shape_arithmetic_leaves_nothing_behind(self) -> None:
        nodes = [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
            helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
            helper.make_node("Constant", [], ["rest"], value_ints=[-1]),
            helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
            helper.make_node("Reshape", ["x", "target"], ["y"]),
        ]
        constants = stored(zero=np.array(0), axis=integers(0))

        graph = load(model_of(nodes, [info("x", ["N", 3, 4])], ["y"], constants)).graph

        assert [node.op for node in graph] == [ops.Reshape((1, 12))]
        assert not graph.constants

    def test_initializers_listed_as_inputs_are_no_inputs(self) -> None:
        nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
        inputs = [info("x", [1, 2, 4, 4]), info("w", [3, 2, 1, 1])]

        imported = load(model_of(nodes, inputs, ["y"], stored(w=normal(3, 2, 1, 1))))

        assert imported.input_names == ("x",)
        assert imported.graph.constants[0].name == "w"

    def test_half_precision_becomes_float32(self) -> None:
        nodes = [helper.make_node("Conv", ["x", "w"], ["h"])]
        nodes.append(helper.make_node("Cast", ["h"], ["y"], to=FLOAT))
        weights = stored(w=normal(3, 2, 1, 1).astype(np.float16))
        model = model_of(nodes, [info("x", [1, 2, 4, 4], TensorProto.FLOAT16)], ["y"], weights)

        imported = load(model)

        assert {value.type.dtype for value in imported.graph.values()} == {DType.F32}
        assert len(imported.graph) == 1
        assert imported.notes == ("input 'x' is float16 in the model and float32 in fpc",)

    def test_external_data(self, tmp_path: Path) -> None:
        nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
        weight = normal(8, 8, 5, 5)
        model = model_of(nodes, [info("x", [1, 8, 9, 9])], ["y"], stored(w=weight))
        onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0)

        graph = load(tmp_path / "m.onnx").graph

        np.testing.assert_array_equal(graph.constants[0].data, weight)

    def test_branch_with_a_known_condition(self) -> None:
        branches = [
            helper.make_graph(
                [helper.make_node(op_type, ["x"], [result])],
                op_type,
                [],
                [helper.make_tensor_value_info(result, FLOAT, None)],
            )
            for op_type, result in (("Relu", "a"), ("Tanh", "b"))
        ]
        nodes = [
            helper.make_node("Size", ["x"], ["size"]),
            helper.make_node("Equal", ["size", "six"], ["condition"]),
            helper.make_node(
                "If", ["condition"], ["y"], then_branch=branches[0], else_branch=branches[1]
            ),
        ]

        def mnemonics(extent: int) -> list[str]:
            model = model_of(nodes, [info("x", [2, extent])], ["y"], stored(six=np.array(6)))
            return [node.op.mnemonic for node in load(model).graph]

        assert mnemonics(3) == ["relu"]
        assert mnemonics(4) == ["tanh"]

    def test_functions_of_the_model_are_put_in_place(self) -> None:
        function = helper.make_function(
            "custom",
            "Gate",
            ["v"],
            ["w"],
            [
                helper.make_node("Sigmoid", ["v"], ["g"]),
                helper.make_node("Mul", ["v", "g"], ["w"]),
            ],
            [helper.make_opsetid("", 17)],
        )
        node = helper.make_node("Gate", ["x"], ["y"], domain="custom")
        model = model_of([node], [info("x", [2, 3])], ["y"])
        model.functions.append(function)
        model.opset_import.append(helper.make_opsetid("custom", 1))

        assert [node.op.mnemonic for node in load(model).graph] == ["sigmoid", "mul"]


class TestNames:
    def test_nodes_are_located_by_name_or_first_result(self) -> None:
        nodes = [
            helper.make_node("Relu", ["x"], ["a"], name="first"),
            helper.make_node("Tanh", ["a"], ["b"]),
        ]

        graph = load(model_of(nodes, [info("x", [2])], ["b"])).graph

        assert [str(node.location) for node in graph] == ["first", "b"]

    def test_own_spellings_are_reported(self) -> None:
        node = helper.make_node("Relu", ["in/put:0"], ["out put"])

        imported = load(model_of([node], [info("in/put:0", [2])], ["out put"]))

        assert imported.input_names == ("in/put:0",)
        assert imported.output_names == ("out put",)
        assert imported.graph.inputs[0].name == "in_put_0"

    def test_provenance(self, tmp_path: Path) -> None:
        model = relu_model([2])
        model.producer_name, model.producer_version = "tool", "1.2"
        onnx.save(model, tmp_path / "m.onnx")

        imported = load(tmp_path / "m.onnx")

        assert (imported.opset, imported.producer) == (17, "tool 1.2")
        assert imported.sha256 == load((tmp_path / "m.onnx").read_bytes()).sha256

    def test_nodes_in_any_order(self) -> None:
        nodes = [
            helper.make_node("Tanh", ["a"], ["b"]),
            helper.make_node("Relu", ["x"], ["a"]),
        ]

        graph = load(model_of(nodes, [info("x", [2])], ["b"])).graph

        assert [node.op.mnemonic for node in graph] == ["relu", "tanh"]

    def test_outputs_that_no_node_makes(self) -> None:
        nodes = [helper.make_node("Identity", ["x"], ["y"])]
        model = model_of(nodes, [info("x", [2])], ["y", "w", "y"], stored(w=normal(3)))

        imported = load(model)

        assert imported.output_names == ("y", "w", "y")
        x = normal(2)
        for got, wanted in zip(run(imported.graph, [x]), (x, normal(3), x), strict=True):
            np.testing.assert_array_equal(got, wanted)


class TestUnsupported:
    def model(self) -> onnx.ModelProto:
        nodes = [
            helper.make_node("NonMaxSuppression", ["x", "s"], ["n"], name="nms"),
            helper.make_node("Cast", ["n"], ["nf"], to=FLOAT),
            helper.make_node("TopK", ["nf", "k"], ["t", "i"], name="top"),
            helper.make_node("Resize", ["x4", "", "scales"], ["r"], name="cubic", mode="cubic"),
            helper.make_node("Relu", ["x4"], ["a"]),
        ]
        inputs = [info("x", [1, 6, 4]), info("s", [1, 1, 6]), info("x4", [1, 2, 4, 4])]
        constants = stored(k=integers(3), scales=np.array([1, 1, 2, 2], np.float32))
        return model_of(nodes, inputs, ["t", "r", "a"], constants)

    def test_every_node_is_listed(self, golden: Any) -> None:
        error = failure(self.model(), simplify=False)

        assert error.code == "model.unsupported-op"
        assert error.location.names == ("nms", "top", "cubic")
        assert render(error) == golden

    def test_onnxsim_is_tried(self) -> None:
        assert "onnxsim was tried" in failure(self.model()).notes[-1]

    def test_onnxsim_folds_what_fpc_does_not_compute(self) -> None:
        nodes = [
            helper.make_node("CumSum", ["ones", "axis"], ["sums"]),
            helper.make_node("Reshape", ["x", "sums"], ["y"]),
        ]
        constants = stored(ones=integers(2, 1, 1), axis=np.array(0))
        model = model_of(nodes, [info("x", ["N", 24])], ["y"], constants)

        assert "computed from" not in str(failure(model, simplify=False))
        imported = load(model)

        assert [node.op for node in imported.graph] == [ops.Reshape((2, 3, 4))]
        assert "onnxsim folded constants of the model" in imported.notes

    def test_unknown_domain(self) -> None:
        node = helper.make_node("Relu", ["x"], ["y"], domain="somebody.else", name="theirs")

        error = failure(model_of([node], [info("x", [2])], ["y"]), simplify=False)

        assert "theirs" in error.message


def test_spelt_out_gelu_survives() -> None:
    nodes = [
        helper.make_node("Div", ["x", "root"], ["a"]),
        helper.make_node("Erf", ["a"], ["b"]),
        helper.make_node("Add", ["b", "one"], ["c"]),
        helper.make_node("Mul", ["x", "c"], ["d"]),
        helper.make_node("Mul", ["d", "half"], ["e"]),
        helper.make_node("MatMul", ["e", "w"], ["y"]),
    ]
    numbers = {"root": np.sqrt(2.0), "one": 1.0, "half": 0.5}
    constants = stored(**{n: np.array(v, np.float32) for n, v in numbers.items()}, w=normal(4, 3))
    model = model_of(nodes, [info("x", [2, 4])], ["y"], constants)

    graph = load(model).graph

    assert [node.op.mnemonic for node in graph] == ["div", "unary", "add", "mul", "mul", "dense"]
    x = normal(2, 4)
    np.testing.assert_allclose(run(graph, [x])[0], run_onnxruntime(model, [x])[0], atol=1e-6)
