"""Element types, quantisation parameters, tensor types and constants."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.diagnostics.errors import VerifyError
from fpc.ir.constant import Constant
from fpc.ir.dtype import DType
from fpc.ir.op import Activation, Layout, ShapeMismatch, broadcast
from fpc.ir.types import QuantParams, TensorType, f32


@pytest.mark.parametrize("dtype", DType)
def test_element_types_follow_numpy(dtype):
    assert DType.of(dtype.numpy) is dtype
    assert dtype.bits == dtype.numpy.itemsize * 8
    assert dtype.is_float == np.issubdtype(dtype.numpy, np.floating)
    assert dtype.is_integer == np.issubdtype(dtype.numpy, np.integer)
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        assert (dtype.minimum, dtype.maximum) == (limits.min, limits.max)


def test_element_types_the_ir_does_not_have():
    with pytest.raises(KeyError):
        DType.of(np.complex64)


def test_scales_are_rounded_to_float32():
    assert QuantParams.per_tensor(0.1).scale == float(np.float32(0.1))
    assert QuantParams.per_axis((0.1, 0.2), 1).scales == tuple(
        np.array([0.1, 0.2], np.float32).tolist()
    )


def test_per_axis_quantisation_has_no_single_scale():
    quant = QuantParams.per_axis((0.5, 0.25), 1)
    assert quant.is_symmetric
    assert quant.with_axis(0).axis == 0
    for name in ("scale", "zero_point"):
        with pytest.raises(VerifyError, match="no single scale"):
            getattr(quant, name)


@pytest.mark.parametrize(
    ("scales", "zero_points", "axis", "message"),
    [
        ((), (), None, "differ in number"),
        ((0.5,), (0, 1), 0, "differ in number"),
        ((0.5, 0.5), (0, 0), None, "exactly one scale"),
        ((0.0,), (0,), None, "positive and finite"),
        ((-1.0,), (0,), None, "positive and finite"),
        ((float("nan"),), (0,), None, "positive and finite"),
        ((float("inf"),), (0,), None, "positive and finite"),
    ],
)
def test_impossible_quantisations(scales, zero_points, axis, message):
    with pytest.raises(VerifyError, match=message):
        QuantParams(scales, zero_points, axis)


@pytest.mark.parametrize(
    ("dtype", "shape", "quant", "message"),
    [
        (DType.F32, (1, -2), None, "negative extent"),
        (DType.F32, (1,), QuantParams.per_tensor(1.0), "cannot be quantised"),
        (DType.BOOL, (1,), QuantParams.per_tensor(1.0), "cannot be quantised"),
        (DType.I8, (2, 3), QuantParams.per_axis((1.0, 1.0), 2), "axis 2 outside rank 2"),
        (DType.I8, (2, 3), QuantParams.per_axis((1.0, 1.0), 1), "2 scales for 3 indices"),
    ],
)
def test_impossible_types(dtype, shape, quant, message):
    with pytest.raises(VerifyError, match=message):
        TensorType(dtype, shape, quant)


def test_types_are_values():
    quant = QuantParams.per_tensor(0.5, 3)
    quantised = TensorType(DType.I8, (1, 4, 2), quant)
    assert {quantised: 1}[TensorType(DType.I8, (1, 4, 2), QuantParams.per_tensor(0.5, 3))] == 1
    assert quantised.rank == 3
    assert quantised.size == 8
    assert quantised.quantisation is quant
    assert str(quantised) == "i8[1,4,2]"
    assert quantised.with_shape((8,)).quant is quant
    assert quantised.with_dtype(DType.I16) == TensorType(DType.I16, (1, 4, 2))
    assert not quantised.with_quant(None).is_quantised
    assert f32().size == 1
    with pytest.raises(VerifyError, match="has no quantisation"):
        _ = f32(1).quantisation


def test_constants_are_read_only_and_shared():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    constant = Constant(array)
    assert np.shares_memory(constant.data, array)
    with pytest.raises(ValueError, match="read-only"):
        constant.data[0, 0] = 1.0
    assert array.flags.writeable


def test_digests_tell_constants_apart():
    zeros = np.zeros((2, 3), np.float32)
    alike = [Constant(zeros), Constant(zeros.copy()), Constant(np.zeros((3, 2), np.float32).T)]
    assert len({constant.digest for constant in alike}) == 1
    other = [zeros.reshape(3, 2), zeros.view(np.int32), zeros + 1, -zeros]
    assert len({Constant(array).digest for array in (zeros, *other)}) == 5
    assert len(Constant(zeros).digest) == 16


def test_abstract_constants_have_no_data():
    constant = Constant.abstract()
    assert constant.is_abstract
    assert constant.digest == "shape-only"
    with pytest.raises(VerifyError, match="shape-only"):
        _ = constant.data


def test_layouts_agree_on_the_axes():
    for layout, shape in ((Layout.NCHW, (1, 2, 3, 4)), (Layout.NHWC, (1, 3, 4, 2))):
        assert layout.shape(1, 2, 3, 4) == shape
        assert layout.split(shape) == (1, 2, 3, 4)
        assert shape[layout.channel_axis] == 2
        assert [shape[axis] for axis in layout.spatial_axes] == [3, 4]


def test_activation_bounds():
    assert [activation.bounds for activation in Activation] == [
        (None, None),
        (0.0, None),
        (0.0, 6.0),
        (-1.0, 1.0),
    ]


@pytest.mark.parametrize(
    "shapes",
    [((), (3,)), ((2, 1), (3,)), ((4, 1, 3), (2, 1)), ((0, 1), (1, 5)), ((1,), (1,), (7, 1))],
)
def test_broadcasting_is_that_of_numpy(shapes):
    assert broadcast(*shapes) == np.broadcast_shapes(*shapes)


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ShapeMismatch, match=r"\[2, 3\] and \[3, 2\] do not fit"):
        broadcast((2, 3), (3, 2))
