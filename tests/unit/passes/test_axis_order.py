"""Orders of axes against numpy's own transpose and reshape."""

import itertools

import numpy as np
import pytest

from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams, TensorType
from fpc.passes.axis_order import (
    carry_reshape,
    identity,
    moves_data,
    permutation,
    relabel,
    shuffle_of_last_axis,
    store,
    store_type,
)

RESHAPES = [
    ((2, 6, 4, 5), (2, 6, 20)),
    ((2, 6, 4, 5), (2, 2, 3, 4, 5)),
    ((2, 6, 4, 5), (2, 120)),
    ((2, 6, 4, 5), (240,)),
    ((1, 6, 1, 1), (1, 6)),
    ((1, 6), (1, 6, 1, 1)),
    ((2, 6, 4, 5), (12, 4, 5)),
    ((1, 6, 4, 5), (3, 2, 20)),
    ((1, 1, 4, 5), (4, 5)),
    ((2, 6, 4, 5), (2, 4, 6, 5)),
    ((1, 4, 1, 5), (1, 2, 2, 5)),
    ((2, 0, 3, 1), (0, 7, 1)),
]


@pytest.mark.parametrize(("before", "after"), RESHAPES)
def test_carried_reshapes(before, after):
    """Storing, reshaping as said, and reading back is reshaping; in every order of storage."""
    x = np.arange(np.prod(before)).reshape(before)
    for order in itertools.permutations(range(len(before))):
        carried = carry_reshape(before, after, order)
        assert sorted(carried.operand) == list(range(len(before)))
        stored = x.transpose(carried.operand)
        reshaped = stored.reshape(store(after, carried.result))
        back = reshaped.transpose(np.argsort(carried.result))
        np.testing.assert_array_equal(back, x.reshape(after))


@pytest.mark.parametrize(
    ("before", "after", "order", "moves"),
    [
        ((1, 6, 4, 5), (1, 6, 20), (0, 2, 3, 1), False),
        ((1, 6, 4, 5), (1, 2, 3, 4, 5), (0, 2, 3, 1), False),
        ((1, 6, 1, 1), (1, 6), (0, 2, 3, 1), False),
        ((1, 6, 4, 5), (1, 120), (0, 2, 3, 1), True),
        ((1, 6, 4, 5), (1, 24, 5), (0, 2, 3, 1), True),
    ],
)
def test_data_moves_only_where_axes_are_joined_across(before, after, order, moves):
    carried = carry_reshape(before, after, order)
    assert moves_data(before, order, carried.operand) == moves
    assert moves or carried.operand == order


def test_permutation_and_relabel():
    x = np.arange(120).reshape(2, 3, 4, 5)
    for have, want in itertools.product(itertools.permutations(range(4)), repeat=2):
        stored = x.transpose(have)
        np.testing.assert_array_equal(stored.transpose(permutation(have, want)), x.transpose(want))
        moved = relabel(have, want)
        np.testing.assert_array_equal(stored, x.transpose(want).transpose(moved))


def test_store_type_moves_the_axis_of_quantisation():
    kind = TensorType(DType.I8, (2, 3, 4, 5), QuantParams.per_axis((1.0, 2.0, 3.0), 1))
    stored = store_type(kind, (0, 2, 3, 1))
    assert stored.shape == (2, 4, 5, 3)
    assert stored.quantisation.axis == 3
    plain = TensorType(DType.F32, (2, 3))
    assert store_type(plain, identity(2)) == plain


def test_shuffle_of_last_axis():
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    shuffle = shuffle_of_last_axis(x.shape, (2, 60), (0, 2, 3, 1))
    assert shuffle is not None
    flat = x.transpose(0, 2, 3, 1).reshape(2, 60)
    np.testing.assert_array_equal(flat, shuffle.apply(x.reshape(2, 60)))
    assert shuffle_of_last_axis(x.shape, (6, 20), (0, 2, 3, 1)) is None
    assert shuffle_of_last_axis(x.shape, (2, 60), (2, 0, 3, 1)) is None
    assert shuffle_of_last_axis((4,), (2, 2), (0,)) is None
