"""Kernels for x86 processors without AVX512, to the bit: forced where the machine has it."""

from __future__ import annotations

import pytest

from fpc.backends.tvm.isa.table import runs_here
from fpc.backends.tvm.isa.x86_avx2 import X86_AVX2, X86_AVX_VNNI
from tests.backends.tvm_families import assert_every_family_agrees


@pytest.mark.parametrize("isa", [X86_AVX2, X86_AVX_VNNI], ids=lambda isa: isa.name)
def test_every_kernel_family_to_the_bit(isa):
    """Extremes among them: sums of two products of bytes then exceed int16."""
    if not runs_here(isa):
        pytest.skip(f"this processor lacks {', '.join(sorted(isa.features))}")
    assert_every_family_agrees(isa)
