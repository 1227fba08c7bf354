"""Every op that integers can flow through has an integer rule; the others say so."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.interp.executor import run
from fpc.interp.integer.table import INTEGER_RULES
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, TensorType

FLOAT_ONLY = {ops.BatchNorm, ops.LocalResponseNorm}


def test_every_op_has_an_integer_rule_or_none():
    assert set(INTEGER_RULES) == set(ops.ALL_OPS) - FLOAT_ONLY


def test_an_op_without_integer_form_is_an_error():
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.I8, (1, 3, 2, 2), QuantParams.per_tensor(0.1)))
    graph.set_outputs([graph.add(ops.LocalResponseNorm(), x).output])
    with pytest.raises(QuantError, match="local_response_norm has no meaning"):
        run(graph, [np.zeros((1, 3, 2, 2), np.int8)])
