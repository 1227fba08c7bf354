"""Every instruction set that kernels are scheduled for, and the one of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.neon_dot import NEON_DOT
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.x86_avx2 import X86_AVX2, X86_AVX_VNNI
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI

_FASTEST_FIRST = (X86_AVX512_VNNI, X86_AVX_VNNI, X86_AVX2, NEON_DOT, NEON_MLAL, PLAIN)

ISAS: Mapping[str, Isa] = MappingProxyType({isa.name: isa for isa in _FASTEST_FIRST})

_CPU_INFO = Path("/proc/cpuinfo")


def isa_of_this_machine() -> Isa:
    """The fastest instruction set that this machine's processor has."""
    return fastest(_features())


def runs_here(isa: Isa) -> bool:
    """Whether this machine's processor executes the instruction set."""
    return isa.is_native and isa.features <= _features()


def fastest(features: frozenset[str]) -> Isa:
    """The fastest instruction set among those that need no more than `features`."""
    return next(isa for isa in _FASTEST_FIRST if isa.features <= features)


@cache
def _features() -> frozenset[str]:
    """What Linux says the processor has; nothing where it says nothing."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), ":")
    return frozenset(flags.split(":", 1)[1].split())
