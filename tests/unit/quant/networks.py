"""Small networks and samples that the quantisation tests share."""

import numpy as np

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import f32
from fpc.quant.runners import Runners


def numpy_runner(graph):
    """Exact types in and out, by the interpreter."""
    return lambda inputs: run(graph, list(inputs))


RUNNERS = Runners(floating=numpy_runner, integer=numpy_runner)


class Builder:
    """Layers with random weights, one after the other."""

    def __init__(self, shape=(1, 3, 12, 12), seed=0):
        self.graph = Graph()
        self.rng = np.random.default_rng(seed)
        self.value = self.graph.add_input("x", f32(*shape))

    def constant(self, *shape, scale=1.0):
        data = self.rng.normal(size=shape) * scale
        return self.graph.constant(data.astype(np.float32))

    def conv(self, channels, kernel=3, groups=1, activation=Activation.NONE, gains=None, **options):
        inputs = self.value.type.shape[1] // groups
        scale = 1.0 / np.sqrt(inputs * kernel * kernel)
        data = self.rng.normal(size=(channels, inputs, kernel, kernel)) * scale
        if gains is not None:
            data *= gains.reshape(-1, 1, 1, 1)
        w = self.graph.constant(data.astype(np.float32))
        b = self.constant(channels, scale=0.1)
        options.setdefault("pads", (kernel // 2,) * 4)
        op = ops.Conv2d(groups=groups, activation=activation, **options)
        return self.then(op, w, b)

    def depthwise(self, **options):
        channels = self.value.type.shape[1]
        return self.conv(channels, groups=channels, **options)

    def then(self, op, *operands):
        self.value = self.graph.add(op, self.value, *operands, name=op.mnemonic).output
        return self

    def dense(self, units):
        features = self.value.type.shape[-1]
        return self.then(
            ops.Dense(), self.constant(units, features, scale=features**-0.5), self.constant(units)
        )

    def classifier(self, classes=10):
        channels = self.value.type.shape[1]
        self.then(ops.GlobalAvgPool()).then(ops.Reshape((1, channels)))
        return self.dense(classes)

    def done(self):
        self.graph.set_outputs([self.value])
        return self.graph


def samples_of(graph, count=10, seed=1):
    rng = np.random.default_rng(seed)
    return [
        tuple(rng.normal(size=v.type.shape).astype(np.float32) for v in graph.inputs)
        for _ in range(count)
    ]


def leaky_network(seed=0):
    """Depthwise-separable, its channels of very different ranges, before a leaky relu each."""
    gains = np.exp(np.random.default_rng(5).normal(size=16) * 1.5)
    build = Builder(seed=seed).conv(16, gains=gains).then(ops.LeakyRelu(0.1))
    build.depthwise(gains=1.0 / gains).then(ops.LeakyRelu(0.1))
    build.conv(24, kernel=1, activation=Activation.RELU)
    return build.classifier().done()
