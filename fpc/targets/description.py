"""The schema of a target file, and where a target runs each operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fpc.ir.graph import Node
from fpc.ir.op import Op
from fpc.ir.ops import OPS_BY_MNEMONIC
from fpc.targets.rules import RULES, Violation, describe, judge

Effect = Literal["slow", "leaves", "refused"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Hardware(_Data):
    """What the device is."""

    processor: str
    instruction_set: str
    cores: int = Field(ge=1)
    clock_ghz: float | None = None
    notes: tuple[str, ...] = ()


class Runtime(_Data):
    """What executes the compiled network."""

    backend: Literal["tflite", "tvm"]
    numerics: Literal["tflite-reference", "tflite-xnnpack", "pow2"]
    fast_unit: str
    """The unit whose kernels are the fast path (`xnnpack`)."""
    other_unit: str
    """Where the operators run that the fast path does not take."""
    tvm_isa: str | None = None
    """The instruction set that the back end tvm compiles for, `native` for that of the machine fpc
    runs on; None where it has no kernels for the device."""


class QuantisationRules(_Data):
    """The number formats of the integer path (TFLite quantization_spec).

    With `power_of_two`, scales are powers of two and zero points 0, and weights have one scale a
    tensor.
    """

    activations: tuple[Literal["i8", "i16"], ...]
    per_axis_weights: bool
    symmetric_weights: bool = True
    power_of_two: bool = False
    per_tensor_ops: tuple[str, ...] = ()
    """Mnemonics of the operators whose weights have one scale even so."""
    integer_ops: tuple[str, ...]
    """Mnemonics of the operators that have an int8 form; others stay float between conversions."""
    int16_ops: tuple[str, ...] = ()

    @field_validator("per_tensor_ops", "integer_ops", "int16_ops")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known_ops(names)


class Limit(_Data):
    """A rule of the target on some operators, and what breaking it costs."""

    ops: tuple[str, ...]
    rule: str
    effect: Effect
    reason: str
    remedy: str
    numbers: Mapping[str, float] = Field(default_factory=dict[str, float])

    @field_validator("ops")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known_ops(names)

    @model_validator(mode="after")
    def _rule_fits(self) -> Limit:
        if self.rule not in RULES:
            raise ValueError(f"unknown rule `{self.rule}`; known rules: {', '.join(sorted(RULES))}")
        try:
            describe(self.rule, self.numbers)
        except KeyError as missing:
            raise ValueError(f"rule `{self.rule}` needs the number {missing}") from None
        return self


class OffPath(_Data):
    """Operators that never run on the fast path at int8, why, and what to do about it."""

    ops: tuple[str, ...]
    reason: str
    remedy: str

    @field_validator("ops")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _known_ops(names)


class Pipelines(_Data):
    """Passes for this target, as pipeline text."""

    optimise: str = "optimise"
    legalise: str
    tvm_legalise: str | None = None
    """What stands for `legalise` where the back end tvm compiles; None where that does for both."""


@dataclass(frozen=True)
class Placement:
    """Where one node runs, and why it is not the fast path if it is not."""

    unit: str
    is_fast: bool
    is_integer: bool
    effect: Effect | None = None
    reason: str | None = None
    remedy: str | None = None
    violation: Violation | None = None


class Target(_Data):
    """One device with one runtime: everything fpc needs to know, read from a TOML file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    evidence: Literal["measured", "replayed", "simulated", "predicted"]
    """The best evidence fpc has for a latency on this target."""
    cost_model: str | None = None
    """The file with this target's own prices, beside the file of the target; None where those that
    come with fpc are meant."""
    hardware: Hardware
    runtime: Runtime
    quantisation: QuantisationRules
    pipelines: Pipelines
    off_path: tuple[OffPath, ...] = ()
    limits: tuple[Limit, ...] = ()
    sources: tuple[str, ...]

    def compiled_by(self, backend: Literal["tflite", "tvm"] | None) -> Target:
        """This target with the artifact made by `backend`, itself for None.

        The target's rules are those of its own back end. Kernels of tvm are fpc's: every operator
        that has one is on the fast path.
        """
        if backend in (None, self.runtime.backend):
            return self
        units = {"fast_unit": backend, "other_unit": backend}
        runtime = self.runtime.model_copy(update={"backend": backend, **units})
        legalise = self.pipelines.tvm_legalise or self.pipelines.legalise
        pipelines = self.pipelines.model_copy(update={"legalise": legalise})
        rules = {"off_path": (), "limits": ()}
        return self.model_copy(update={"runtime": runtime, "pipelines": pipelines, **rules})

    def place(self, node: Node[Op], *, int16: bool = False) -> Placement:
        """Where `node` runs once the graph is quantised for this target."""
        mnemonic = node.op.mnemonic
        numbers = self.quantisation
        integer = mnemonic in (numbers.int16_ops if int16 else numbers.integer_ops)
        group = next((group for group in self.off_path if mnemonic in group.ops), None)
        if not integer:
            return Placement(
                self.runtime.other_unit,
                is_fast=False,
                is_integer=False,
                effect="leaves",
                reason=group.reason
                if group is not None
                else f"{mnemonic} has no {'int16' if int16 else 'int8'} kernel; it runs in "
                "float32 between a dequantize and a quantize",
                remedy=group.remedy
                if group is not None
                else "replace the operator, or keep it out of the part that must be fast",
            )
        for limit in self.limits:
            if mnemonic in limit.ops:
                violation = judge(limit.rule, node, limit.numbers)
                if violation is not None:
                    fast = limit.effect == "slow"
                    unit = self.runtime.fast_unit if fast else self.runtime.other_unit
                    return Placement(
                        unit, fast, True, limit.effect, limit.reason, limit.remedy, violation
                    )
        if group is not None:
            return Placement(
                self.runtime.other_unit, False, True, "leaves", group.reason, group.remedy
            )
        if int16 and self.runtime.backend == "tflite":
            return Placement(
                self.runtime.other_unit,
                is_fast=False,
                is_integer=True,
                effect="leaves",
                reason="16-bit activations run in TFLite's reference kernels only",
                remedy="use int8 unless the accuracy is worth the latency",
            )
        return Placement(self.runtime.fast_unit, is_fast=True, is_integer=True)


def multiply_adds(node: Node[Op]) -> int:
    """The multiply-adds of one node: output size times filter taps for convolutions and dense."""
    match node.op.mnemonic:
        case "conv2d" | "dense":
            weight = node.input(1).type
            return node.output.type.size * (weight.size // weight.shape[0])
        case "conv_transpose2d":
            weight = node.input(1).type
            return node.input(0).type.size * (weight.size // node.input(0).type.shape[1])
        case "matmul":
            return node.output.type.size * node.input(0).type.shape[-1]
        case _:
            return 0


def _known_ops(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in OPS_BY_MNEMONIC]
    if unknown:
        raise ValueError(f"unknown operators: {', '.join(unknown)}")
    return names
