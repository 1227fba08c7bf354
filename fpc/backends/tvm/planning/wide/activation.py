"""Functions of one integer where int16 goes in or comes out, by tables the interpreter fills."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.kernels.wide.lookup import WideLookup
from fpc.backends.tvm.planning.site import Site
from fpc.interp.call import Call
from fpc.interp.integer.table import INTEGER_RULES
from fpc.interp.numerics import Numerics
from fpc.ir.op import Op


def function(site: Site[Op]) -> None:
    """Any function of one integer."""
    source, result, x = site.type(), site.node.output.type, site.operand()
    for value in (source, result):
        if not value.is_quantised:
            raise site.unsupported(
                f"it takes or gives {value.dtype.value} that is not quantised",
                "compile with --int16, or use --backend tflite",
            )
    every = np.arange(source.dtype.minimum, source.dtype.maximum + 1).astype(source.dtype.numpy)
    call = Call(site.op, (source,), (result,), Numerics.TFLITE_XNNPACK)
    values = INTEGER_RULES[type(site.op)](call, every)
    assert not isinstance(values, tuple)
    site.emit(WideLookup(x.buffer, site.result), [x], [site.result.elements(values)])
