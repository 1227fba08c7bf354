"""Shape inference of every operator, and every way operands can fail to fit."""

from __future__ import annotations

import pytest

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.location import Location
from fpc.ir.inference import infer_types
from fpc.ir.op import OperandSpec, operand_spec
from fpc.ir.ops import ALL_OPS, OPS_BY_MNEMONIC, BatchNorm, Concat, Conv2d, Relu
from fpc.ir.types import f32
from tests.unit.ir.operators import EXAMPLES, MISFITS


def identifier(case):
    operands = ",".join(map(str, case.operands))
    return f"{case.op.mnemonic}({operands})"


def test_every_operator_has_an_example():
    assert {type(example.op) for example in EXAMPLES} == set(ALL_OPS)
    assert len(OPS_BY_MNEMONIC) == len(ALL_OPS)


@pytest.mark.parametrize("example", EXAMPLES, ids=identifier)
def test_result_types(example):
    assert infer_types(example.op, example.operands) == example.results


@pytest.mark.parametrize("misfit", MISFITS, ids=identifier)
def test_operands_that_do_not_fit(misfit):
    with pytest.raises(VerifyError) as raised:
        infer_types(misfit.op, misfit.operands, Location.of("layer3"))
    assert misfit.message in raised.value.message
    assert misfit.op.mnemonic in raised.value.message
    assert raised.value.location == Location.of("layer3")


@pytest.mark.parametrize("op_class", ALL_OPS, ids=lambda op_class: op_class.__name__)
def test_operands_are_counted(op_class):
    """An operator without its last required operand says what it takes."""
    op = next(example.op for example in EXAMPLES if type(example.op) is op_class)
    spec = operand_spec(op_class)
    few = (f32(1),) * (spec.required - 1)
    missing = f"{op_class.mnemonic} needs the operand `{spec.name(spec.required - 1)}`"
    with pytest.raises(VerifyError, match=missing) as raised:
        infer_types(op, few)
    assert raised.value.code == "verify.operand-count"
    if not spec.variadic:
        with pytest.raises(VerifyError, match="takes operands"):
            infer_types(op, (f32(1),) * (len(spec.names) + 1))


def test_operands_are_read_from_infer():
    assert operand_spec(Conv2d) == OperandSpec(("x", "w", "b"), 2, variadic=False)
    assert operand_spec(Concat) == OperandSpec(("xs",), 1, variadic=True)
    assert operand_spec(BatchNorm).names == ("x", "scale", "bias", "mean", "variance")
    assert operand_spec(Concat).name(2) == "xs[2]"
    assert operand_spec(Relu).name(0) == "x"


@pytest.mark.parametrize("op_class", ALL_OPS, ids=lambda op_class: op_class.__name__)
def test_operators_are_documented_and_hashable(op_class):
    assert op_class.__doc__
    op = next(example.op for example in EXAMPLES if type(example.op) is op_class)
    assert {op: 1}[op] == 1
