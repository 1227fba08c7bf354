"""What to tell the user about operators that fpc does not import."""

from __future__ import annotations

from types import MappingProxyType

from fpc.frontends.onnx.context import Unsupported

CUT_THE_MODEL = (
    "rewrite the model without it, or cut the model in front of it with "
    "`onnx.utils.extract_model` and run the rest outside the network"
)
_GIVE_FLOAT = "give the float model instead: fpc quantises it itself"
_RECURRENT = "fpc compiles feed-forward networks; unroll the recurrence before exporting"
_DECIDE_STATICALLY = "export the model so that nothing in it depends on the values of its input"

_REMEDIES = MappingProxyType(
    {
        **dict.fromkeys(
            ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "com.microsoft.MatMulNBits"),
            ("it computes quantisation parameters at run time", _GIVE_FLOAT),
        ),
        **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan"), ("it is a recurrence", _RECURRENT)),
        **dict.fromkeys(
            ("NonMaxSuppression", "TopK", "NonZero", "Unique", "Compress"),
            ("the size or order of its result depends on the input", CUT_THE_MODEL),
        ),
        **dict.fromkeys(
            ("ArgMax", "ArgMin"),
            ("it gives indices; fpc ends networks at the scores", CUT_THE_MODEL),
        ),
        **dict.fromkeys(
            ("SequenceAt", "SequenceConstruct", "SplitToSequence", "ConcatFromSequence"),
            ("it works on a sequence of tensors", _DECIDE_STATICALLY),
        ),
    }
)


def unknown_operator(op_name: str) -> Unsupported:
    """Why `op_name` has no form in the IR, and what to do."""
    reason, remedy = _REMEDIES.get(op_name, ("fpc does not know this operator", CUT_THE_MODEL))
    return Unsupported(reason, remedy)
