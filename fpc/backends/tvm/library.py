"""TVM by names that stay: the only module that knows where this release keeps its parts.

TVM's Python names move from release to release (tir became tirx, its schedules s_tir, struct infos
types). Kernels and the program around them are written against `Library`; a new release of TVM is a
new version of this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from fpc.ir.dtype import DType

if TYPE_CHECKING:
    from fpc.backends.tvm.buffer import Buffer, Parameter
    from fpc.backends.tvm.isa.description import Intrinsic

Expression: TypeAlias = Any
"""A scalar of TVM's tensor expressions."""
Tensor: TypeAlias = Any
"""A tensor of TVM's tensor expressions, indexed by expressions."""
Schedule: TypeAlias = Any
"""A function of loops that can be transformed."""
Block: TypeAlias = Any
"""The computation of one tensor in a schedule."""
Loop: TypeAlias = Any
"""A loop in a schedule."""
Module: TypeAlias = Any
"""Functions, of loops and of graphs."""

RealFunction: TypeAlias = Literal["exp", "log", "sqrt", "abs", "erf", "floor", "tanh"]
"""An elementary function by TVM's name."""

_ROUNDING = 1.5 * 2**23
"""Added to a float32 of magnitude below 2**22 it rounds to an integer, halves to even."""
_LEAST_REAL = -3.0e38
_ROUNDING_BITS = 0x4B400000
"""The bits of `_ROUNDING`: the sum's bits less these are the integer."""

_SHARED = "fpc.shared"
_OPAQUE = 8
"""`relax::OpPatternKind::kOpaque`: a function that is not to be fused with others."""


@dataclass(frozen=True)
class Library:
    """The parts of TVM that fpc uses."""

    tvm: Any
    te: Any
    tirx: Any
    s_tir: Any
    relax: Any

    @classmethod
    def load(cls) -> Library:
        """TVM, imported."""
        return _load()

    def placeholder(self, buffer: Buffer, name: str) -> Tensor:
        """An argument stored as `buffer`."""
        return self.te.placeholder((buffer.rows, buffer.columns), buffer.dtype_name, name=name)

    def parameter(self, parameter: Parameter, name: str) -> Tensor:
        """An argument that holds constants."""
        return self.te.placeholder(parameter.shape, parameter.dtype_name, name=name)

    def compute(self, shape: Sequence[int], body: Callable[..., Expression], name: str) -> Tensor:
        """The tensor whose element at an index is `body` of it."""
        return self.te.compute(tuple(shape), body, name=name)

    def reduce_axis(self, extent: int, name: str) -> Expression:
        """An index that `sum` and `greatest` run over."""
        return self.te.reduce_axis((0, extent), name=name)

    def sum(self, term: Expression, axes: Sequence[Expression]) -> Expression:
        """The sum of `term` over `axes`."""
        return self.te.sum(term, axis=list(axes))

    def greatest(self, term: Expression, axes: Sequence[Expression]) -> Expression:
        """The greatest `term` over `axes`."""
        return self.te.max(term, axis=list(axes))

    def maximum(self, a: Expression, b: Expression) -> Expression:
        """The greater of two."""
        return self.te.max(a, b)

    def minimum(self, a: Expression, b: Expression) -> Expression:
        """The smaller of two."""
        return self.te.min(a, b)

    def clamped(self, value: Expression, least: Expression, greatest: Expression) -> Expression:
        """The nearest to a value of those from `least` to `greatest`."""
        return self.maximum(self.minimum(value, greatest), least)

    def where(self, condition: Expression, yes: Expression, no: Expression) -> Expression:
        """`yes` where the condition holds, else `no`, of which only the one is computed."""
        return self.tirx.if_then_else(condition, yes, no)

    def choose(self, condition: Expression, yes: Expression, no: Expression) -> Expression:
        """`yes` where the condition holds, else `no`; both are computed."""
        return self.tirx.Select(condition, yes, no)

    def quotient(self, dividend: Expression, divisor: Expression) -> Expression:
        """The quotient of integers, truncated."""
        return self.tirx.truncdiv(dividend, divisor)

    def every(self, conditions: Sequence[Expression]) -> Expression:
        """Whether all conditions hold."""
        return self.tirx.all(*conditions)

    def constant(self, value: float, dtype: DType) -> Expression:
        """A number."""
        return self.tirx.const(value, dtype.numpy.name)

    def i32(self, value: Expression) -> Expression:
        """`value` as int32."""
        return self.cast(value, DType.I32)

    def cast(self, value: Expression, dtype: DType) -> Expression:
        """`value` as another element type; integers lose what does not fit."""
        if isinstance(value, int | float):
            return self.constant(value, dtype)
        return value.astype(dtype.numpy.name)

    def integer_at(self, buffer: Buffer, x: Tensor, row: Expression, column: Expression) -> Any:
        """The integer that an element of a stored tensor stands for, as int32."""
        return self.i32(x[row, column]) - self.i32(buffer.offset)

    def nearest(self, real: Expression) -> Expression:
        """A float32 of magnitude below 2**22 as the nearest int32, halves to even.

        It must not be a bare product, which LLVM would fuse into the addition: see `product`.
        """
        shifted = real + self.constant(_ROUNDING, DType.F32)
        return self.tirx.reinterpret("int32", shifted) - self.i32(_ROUNDING_BITS)

    def least(self, dtype: DType) -> Expression:
        """The least finite number of a type."""
        return self.tirx.min_value(dtype.numpy.name)

    def leading_zeros(self, integer: Expression) -> Expression:
        """How many zero bits an int64 begins with, as int64."""
        return self.tirx.clz(integer).astype("int64")

    def real_function(self, name: RealFunction, real: Expression) -> Expression:
        """An elementary function of a float."""
        return getattr(self.tirx, name)(real)

    def float64(self, value: Expression) -> Expression:
        """`value` as float64."""
        if isinstance(value, int | float):
            return self.tirx.const(value, "float64")
        return value.astype("float64")

    def power(self, base: Expression, exponent: Expression) -> Expression:
        """A float to the power of another one."""
        return self.tirx.pow(base, exponent)

    def float32_of_bits(self, bits: Expression) -> Expression:
        """The float32 that an int32 has the bits of."""
        return self.tirx.reinterpret("float32", bits)

    def float64_of_bits(self, bits: Expression) -> Expression:
        """The float64 that an int64 has the bits of."""
        return self.tirx.reinterpret("float64", bits)

    def rounded_away(self, real: Expression) -> Expression:
        """A float64 as the nearest int32, halves away from zero.

        It must not be a bare product, which LLVM would fuse into the subtraction.
        """
        truncated = self.i32(real)
        rest = real - self.float64(truncated)
        half = self.tirx.const(0.5, "float64")
        one, none = self.constant(1, DType.I32), self.constant(0, DType.I32)
        up, down = self.choose(rest >= half, one, none), self.choose(rest <= -half, one, none)
        return truncated + up - down

    def nearest_by(self, instruction: str, real: Expression) -> Expression:
        """A float32 as int32 by an instruction of the machine that rounds."""
        return self.tirx.call_llvm_pure_intrin("int32", instruction, real)

    def saturated(self, integer: Expression, dtype: DType) -> Expression:
        """An int32 that is not below the least of a narrower type as the nearest of that."""
        if dtype is DType.U8:
            # LLVM knows the instruction that saturates by an unsigned minimum.
            limit = self.tirx.const(dtype.maximum, "uint32")
            return self.minimum(integer.astype("uint32"), limit).astype(dtype.numpy.name)
        return self.cast(self.minimum(integer, self.i32(dtype.maximum)), dtype)

    def narrow(self, integer: Expression, wide: DType, narrow: DType) -> Expression:
        """An integer of a signed type as the nearest one of a narrower type."""
        least, greatest = (self.constant(n, wide) for n in (narrow.minimum, narrow.maximum))
        return self.cast(self.clamped(integer, least, greatest), narrow)

    def product(self, a: Expression, b: Expression) -> Expression:
        """The product of two float32 values, rounded to float32 before it is added to anything.

        TVM allows LLVM to fuse products into sums. A bound that no product exceeds prevents it.
        """
        return self.maximum(a * b, self.constant(_LEAST_REAL, DType.F32))

    def fused(self, a: Expression, b: Expression, c: Expression) -> Expression:
        """The float32 a * b + c, rounded once."""
        return self.tirx.call_llvm_pure_intrin("float32", "llvm.fma", a, b, c)

    def schedule(self, arguments: Sequence[Tensor]) -> Schedule:
        """The function that computes the last of `arguments` from the others, to be scheduled."""
        return self.s_tir.Schedule(self.te.create_prim_func(list(arguments)))

    def register_intrinsic(self, intrinsic: Intrinsic) -> None:
        """Make an instruction known to `Schedule.tensorize` by its name."""
        if self.s_tir.TensorIntrin.get(intrinsic.name, allow_missing=True) is not None:
            return
        functions = map(self._parsed, (intrinsic.description, intrinsic.implementation))
        self.s_tir.TensorIntrin.register(intrinsic.name, *functions)

    def written(self, script: str) -> Schedule:
        """The function that a TVMScript says, to be left as it is."""
        return self.s_tir.Schedule(self._parsed(script))

    def _parsed(self, script: str) -> Any:
        return self.tvm.script.from_source(script, {"T": self.tvm.script.tirx})

    def function(self, schedule: Schedule, name: str, *, threads: bool = False) -> Any:
        """A scheduled function, to be taken as it is under a name of its own.

        With `threads` these share the loops of which `share` was told.
        """
        function = schedule.mod["main"]
        if threads:
            function = function.with_body(self._with_shared_turns(function.body))
        attributes = {"global_symbol": name, "tirx.is_scheduled": True, "op_pattern": _OPAQUE}
        return function.with_attrs(attributes)

    def share(self, schedule: Schedule, loop: Loop) -> None:
        """Let threads share the turns of the outermost loop of a nest."""
        schedule.annotate(loop, _SHARED, 1)

    def _with_shared_turns(self, body: Any) -> Any:
        """`Schedule.parallel` does this too, but not for sums that begin with something."""
        root = body.block
        nests = root.body.seq if isinstance(root.body, self.tirx.SeqStmt) else [root.body]
        parallel = self.tirx.ForKind.PARALLEL
        shared = [
            self.tirx.For(nest.loop_var, nest.min, nest.extent, parallel, nest.body)
            if isinstance(nest, self.tirx.For) and _SHARED in nest.annotations
            else nest
            for nest in nests
        ]
        block = self.s_tir.SBlock(
            root.iter_vars,
            root.reads,
            root.writes,
            root.name_hint,
            self.tirx.SeqStmt(shared) if len(shared) > 1 else shared[0],
            root.init,
            root.alloc_buffers,
            root.match_buffers,
            root.annotations,
        )
        return self.s_tir.SBlockRealize(body.iter_values, body.predicate, block)

    def may_be_shared(self, statement: Any) -> bool:
        """Whether a statement is a loop of turns, not shared yet, that adds nothing up."""
        if not isinstance(statement, self.tirx.For) or _SHARED in statement.annotations:
            return False
        is_serial = statement.kind == self.tirx.ForKind.SERIAL
        return is_serial and not self._sums_over(statement.body, statement.loop_var)

    def steps(self, statement: Any) -> int:
        """How many statements of elements or vectors a nest of loops runs."""
        if isinstance(statement, self.tirx.For):
            at_once = statement.kind == self.tirx.ForKind.VECTORIZED
            return self.steps(statement.body) * (1 if at_once else int(statement.extent))
        if isinstance(statement, self.tirx.SeqStmt):
            return sum(map(self.steps, statement.seq))
        if isinstance(statement, self.s_tir.SBlockRealize):
            return self.steps(statement.block.body)
        return 1

    def _sums_over(self, statement: Any, variable: Any) -> bool:
        """Whether some block inside a statement is a reduction over a loop's variable."""
        if isinstance(statement, self.tirx.For):
            return self._sums_over(statement.body, variable)
        if isinstance(statement, self.tirx.SeqStmt):
            return any(self._sums_over(each, variable) for each in statement.seq)
        if not isinstance(statement, self.s_tir.SBlockRealize):
            return False
        axes = zip(statement.block.iter_vars, statement.iter_values, strict=True)
        return any(
            axis.iter_type == self.tirx.IterVar.CommReduce
            and any(map(variable.same_as, self.tirx.analysis.undefined_vars(value)))
            for axis, value in axes
        )

    def target(self, description: Mapping[str, object]) -> Any:
        """A machine to compile for."""
        return self.tvm.target.Target(dict(description))

    def tensor_type(self, parameter: Parameter | Buffer) -> Any:
        """The type of a tensor in a graph of calls."""
        return self.relax.TensorType(parameter.shape, parameter.dtype_name)

    def compiled(self, module: Module, target: Mapping[str, object]) -> Any:
        """Scheduled functions compiled for a machine, each under its own name."""
        return self.tvm.compile(module, target=self.target(target))

    def empty(self, tensor: Buffer | Parameter) -> Any:
        """A call in a graph that makes a tensor."""
        relax = self.relax
        return relax.op.builtin.alloc_tensor(
            relax.ShapeExpr(tensor.shape), tensor.dtype_name, runtime_device_index=0
        )

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """A call in a graph of a function of loops, which writes some of its arguments."""
        relax = self.relax
        return relax.Call(relax.ExternFunc(name), list(arguments), ty_args=[relax.AnyType()])

    def executable(self, module: Module, target: Mapping[str, object]) -> Any:
        """A graph of calls of scheduled functions, compiled for a machine.

        Nothing is fused or laid out anew: what is scheduled stays.
        """
        transform = self.relax.transform
        passes = (
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        )
        return self.relax.build(
            module,
            target=self.target(target),
            relax_pipeline=self.tvm.transform.Sequential(passes),
            exec_mode="bytecode",
        )


@cache
def _load() -> Library:
    import tvm
    from tvm import relax, s_tir, te, tirx

    return Library(tvm, te, tirx, s_tir, relax)


def hide_read(schedule: Schedule, block: Block, name: str) -> None:
    """Strike an argument out of what a block is said to read, which it does not."""
    reads = [str(region.source.name) for region in schedule.get(block).reads]
    schedule.unsafe_hide_buffer_access(block, "read", [reads.index(name)])
