"""Compiles one program and leaves: `python -m fpc.backends.tvm.build_program FOLDER`.

The folder holds `program.json`; the library `model.so` is put beside it. LLVM ends the process on
what it takes for its own errors, so it has one to itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from fpc.backends.tvm.isa.table import ISAS
from fpc.backends.tvm.library import Library
from fpc.backends.tvm.linking import linker
from fpc.backends.tvm.program import Program
from fpc.backends.tvm.relax_program import kernels_module, relax_module

PROGRAM, LIBRARY = "program.json", "model.so"


def main() -> None:
    """Compile what the folder holds."""
    folder = Path(sys.argv[1])
    modules: dict[str, Any] = sys.modules
    modules["torch"] = None  # TVM would import it where it finds it, which takes a second
    program = Program.from_json((folder / PROGRAM).read_text(encoding="utf-8"))
    isa, library = ISAS[program.isa], Library.load()
    if program.calls:
        compiled = library.executable(relax_module(program, library, isa), isa.target)
    else:
        compiled = library.compiled(kernels_module(program, library, isa), isa.target)

    def link(output: str, objects: list[str], **_: object) -> None:
        subprocess.run([linker(isa), "-shared", "-s", "-o", output, *objects], check=True)

    compiled.export_library(str(folder / LIBRARY), fcompile=link)


if __name__ == "__main__":
    main()
