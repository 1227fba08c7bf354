"""Kernels for x86 processors without AVX512, to the bit: forced where the machine has it."""

from __future__ import annotations

import pytest

from fpc.backends.tvm.isa.table import runs_here
from fpc.backends.tvm.isa.x86_avx2 import X86_AVX2, X86_AVX_VNNI
from fpc.diagnostics.errors import BackendError
from fpc.driver.phases.backend import isa_of
from fpc.targets import catalog
from fpc.targets.description import Target
from tests.backends.tvm.families import assert_every_family_agrees


@pytest.mark.parametrize("isa", [X86_AVX2, X86_AVX_VNNI], ids=lambda isa: isa.name)
def test_every_kernel_family_to_the_bit(isa):
    """Extremes among them: sums of two products of bytes then exceed int16."""
    if not runs_here(isa):
        pytest.skip(f"this processor lacks {', '.join(sorted(isa.features))}")
    assert_every_family_agrees(isa)


def test_a_target_names_its_instruction_set():
    assert isa_of(_host_with("x86-avx2")) is X86_AVX2
    with pytest.raises(BackendError, match="x86-avx3") as caught:
        isa_of(_host_with("x86-avx3"))
    assert "x86-avx2" in (caught.value.help or "")


def _host_with(isa: str) -> Target:
    host = catalog.load("host")
    return host.model_copy(update={"runtime": host.runtime.model_copy(update={"tvm_isa": isa})})
