"""Broken model files end in a coded diagnostic, whatever is broken."""

from __future__ import annotations

import resource
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fpc.diagnostics.errors import FpcError, ModelError
from fpc.diagnostics.render import render
from fpc.frontends.onnx import load
from tests.backends.onnx.models import integers, model_of, normal
from tests.backends.onnx.mutations import mutations
from tests.backends.onnx.test_quantised import network

MUTATIONS = 2000
EXAMPLE = Path(__file__).parents[3] / "examples" / "digits" / "digits.onnx"


def failure(model: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(model, simplify=False)
    return caught.value


def small(op_type: str = "Conv", **changes: Any) -> onnx.ModelProto:
    weight = changes.pop("weight", normal(3, 2, 1, 1))
    shape = changes.pop("shape", [1, 2, 4, 4])
    opset = changes.pop("opset", 17)
    node = helper.make_node(op_type, ["x", "w"], ["y"], name="the_node", **changes)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    return model_of([node], [x], ["y"], [numpy_helper.from_array(weight, "w")], opset)


def test_missing_file(tmp_path: Path) -> None:
    error = failure(tmp_path / "absent.onnx")

    assert (error.code, error.model) == ("model.unreadable", str(tmp_path / "absent.onnx"))


def test_folder(tmp_path: Path) -> None:
    assert failure(tmp_path).code == "model.unreadable"


def test_empty_file(golden: Any) -> None:
    assert render(failure(b"")) == golden


@pytest.mark.parametrize("content", [b"\x00" * 64, b"PK\x03\x04 not a model", b"hello\n" * 100])
def test_something_else(content: bytes) -> None:
    assert failure(content).code == "model.not-onnx"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated(share: float) -> None:
    content = EXAMPLE.read_bytes()

    assert failure(content[: int(len(content) * share)]).code == "model.not-onnx"


def test_old_opset(golden: Any) -> None:
    assert render(failure(small(opset=6))) == golden


@pytest.mark.parametrize(("number", "kind"), [(np.nan, "NaN"), (np.inf, "infinite values")])
def test_weights_that_are_not_finite(number: float, kind: str) -> None:
    weight = normal(3, 2, 1, 1)
    weight[1, 1] = number

    error = failure(small(weight=weight))

    assert error.code == "model.non-finite"
    assert error.message == f"tensor 'w' contains {kind}"


def test_missing_external_data(tmp_path: Path) -> None:
    onnx.save(
        small(), tmp_path / "m.onnx", save_as_external_data=True, location="d", size_threshold=0
    )
    (tmp_path / "d").unlink()

    assert failure(tmp_path / "m.onnx").code == "model.external-data"


def test_external_data_cut_short(tmp_path: Path) -> None:
    onnx.save(
        small(), tmp_path / "m.onnx", save_as_external_data=True, location="d", size_threshold=0
    )
    (tmp_path / "d").write_bytes(b"1234")

    assert failure(tmp_path / "m.onnx").code in ("model.external-data", "model.tensor-data")


def test_external_data_without_a_folder(tmp_path: Path) -> None:
    onnx.save(
        small(), tmp_path / "m.onnx", save_as_external_data=True, location="d", size_threshold=0
    )

    assert failure((tmp_path / "m.onnx").read_bytes()).code == "model.external-data"


def test_external_data_elsewhere(tmp_path: Path) -> None:
    model = small()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())

    assert failure(tmp_path / "m.onnx").code == "model.external-data"


def test_missing_initializer(golden: Any) -> None:
    model = small()
    del model.graph.initializer[:]

    assert render(failure(model)) == golden


def test_cycle(golden: Any) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"], name="one"),
        helper.make_node("Relu", ["a"], ["b"], name="two"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])

    assert render(failure(model_of(nodes, [x], ["b"]))) == golden


def test_duplicate_result() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])

    assert failure(model_of(nodes, [x], ["y"])).code == "model.duplicate-tensor"


def test_duplicate_initializer() -> None:
    model = small()
    model.graph.initializer.append(model.graph.initializer[0])

    assert failure(model).code == "model.duplicate-tensor"


def test_output_that_nothing_makes() -> None:
    model = small()
    model.graph.output[0].name = "nowhere"

    assert failure(model).code == "model.undefined-tensor"


def test_weights_that_do_not_fit(golden: Any) -> None:
    assert render(failure(small(weight=normal(3, 5, 1, 1)))) == golden


def test_weights_of_text() -> None:
    model = small()
    tensor = helper.make_tensor("w", TensorProto.STRING, [1], [b"word"])
    model.graph.initializer[0].CopyFrom(tensor)

    assert failure(model).code == "model.tensor-type"


def test_attribute_of_another_type() -> None:
    assert failure(small(strides=2)).code == "model.bad-attribute"


def test_absurd_input_shape() -> None:
    assert failure(small(shape=[1, 2, 1 << 20, 1 << 20])).code == "model.tensor-shape"


def test_absurd_declared_weight_shape() -> None:
    model = small()
    model.graph.initializer[0].dims[:] = [1 << 30, 1 << 30]

    assert failure(model).code == "model.tensor-shape"


def test_weights_shorter_than_declared() -> None:
    model = small()
    model.graph.initializer[0].dims[:] = [1 << 10, 1 << 10]

    assert failure(model).code == "model.tensor-data"


def test_constants_that_would_fill_the_memory() -> None:
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["y"])]
    shape = numpy_helper.from_array(integers((1 << 29) + 1), "s")

    assert failure(model_of(nodes, [], ["y"], [shape])).code == "model.constants-too-large"


def many(start: int, limit: int) -> list[onnx.NodeProto]:
    """`r`, the known integers from `start` to `limit`."""
    nodes = [
        helper.make_node("Constant", [], [name], value_int=number)
        for name, number in (("from", start), ("to", limit), ("by", 1))
    ]
    return [*nodes, helper.make_node("Range", ["from", "to", "by"], ["r"])]


BOMBS = {
    "range": many(0, 1 << 40),
    "indices": [*many(0, 1 << 22), helper.make_node("Gather", ["x", "r"], ["y"])],
    "expansion": [
        helper.make_node("Constant", [], ["s"], value_ints=[1 << 15, 1 << 15, 2]),
        helper.make_node("Expand", ["x", "s"], ["y"]),
    ],
    "pieces": [helper.make_node("Split", ["x"], ["y"], num_outputs=1 << 40)],
    "doubling": [
        *many(0, 1 << 20),
        *(
            helper.make_node("Concat", [f"r{n or ''}"] * 2, [f"r{n + 1}"], axis=0)
            for n in range(30)
        ),
    ],
    "repeats": [
        helper.make_node("Constant", [], ["s"], value_ints=[1 << 40]),
        helper.make_node("Tile", ["x", "s"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_file_that_asks_for_much(name: str) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    model = model_of(BOMBS[name], [x], ["y"], opset=18)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failure(model)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 3 << 20


def test_no_graph() -> None:
    assert failure(onnx.ModelProto().SerializeToString() or b"\x08\x08").code == "model.not-onnx"


def test_mutations_end_in_a_diagnostic_or_a_graph() -> None:
    contents = [EXAMPLE.read_bytes(), network().SerializeToString()]
    outcomes: Counter[str] = Counter()

    for model in mutations(contents, MUTATIONS, seed=1):
        try:
            load(model, simplify=False)
        except FpcError as error:
            outcomes[error.code] += 1
        else:
            outcomes["imported"] += 1

    assert outcomes.total() == MUTATIONS
    assert len(outcomes) > 10, outcomes  # the damage reached many places, not the parser alone
