"""Invokes a TFLite model on recorded inputs: runs here and, unchanged, on the emulated ARM.

    invoke.py MODEL.tflite INPUTS.npz OUTPUTS.npz {default,reference}

INPUTS holds one array per model input, `0`, `1`, ..., with a leading axis of samples; OUTPUTS gets
one per model output in the same form. `default` uses the kernels LiteRT chooses for the machine
(XNNPACK), `reference` its portable ones. Only numpy and LiteRT are imported: the ARM root has
nothing else.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def invoke(model: str, inputs: list[np.ndarray], kernels: str) -> list[np.ndarray]:
    """One array per output, [samples, ...], of running the model once per sample."""
    resolver = {
        "default": OpResolverType.BUILTIN,
        "reference": OpResolverType.BUILTIN_REF,
    }[kernels]
    interpreter = Interpreter(
        model_path=model, num_threads=1, experimental_op_resolver_type=resolver
    )
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()
    output_details = interpreter.get_output_details()
    outputs: list[list[np.ndarray]] = [[] for _ in output_details]
    for sample in zip(*inputs, strict=True):
        for detail, value in zip(input_details, sample, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
        for results, detail in zip(outputs, output_details, strict=True):
            results.append(interpreter.get_tensor(detail["index"]))
    return [np.stack(results) for results in outputs]


def main() -> None:
    """Read the inputs, invoke the model, write the outputs."""
    model, inputs_path, outputs_path, kernels = sys.argv[1:]
    with np.load(inputs_path) as archive:
        inputs = [archive[str(index)] for index in range(len(archive.files))]
    outputs = invoke(model, inputs, kernels)
    np.savez(outputs_path, **{str(index): value for index, value in enumerate(outputs)})


if __name__ == "__main__":
    main()
