"""SpectralNormalization: a wrapper that bounds how much a layer can stretch its inputs."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.arguments import as_integer
from pronghorn.initializers import get as initializer
from pronghorn.layer import InputSpec, Layer
from pronghorn.tensor import Tensor
from pronghorn_layers.wrappers import Wrapper


class SpectralNormalization(Wrapper):
    """In training, divides the kernel of a layer by its largest singular value (Miyato et al., 2018).

    The kernel itself is changed, before the layer is called; a kernel of zeros stays as it is. The singular value is
    estimated by power iteration, which goes on from step to step. That is what Keras does on TensorFlow and PyTorch; on
    JAX its `fit` forgets the change of the kernel.

    Args:
        layer: with a `kernel` or `embeddings`.
        power_iterations: in each step.
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        where = f"layer {self.name!r} (SpectralNormalization): argument `power_iterations`"
        self.power_iterations = as_integer(power_iterations, where)

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        kernel = getattr(self.layer, "kernel", getattr(self.layer, "embeddings", None))
        if kernel is None:
            raise ValueError(
                f"layer {self.name!r} (SpectralNormalization): {type(self.layer).__name__} has neither `kernel` nor "
                f"`embeddings`; wrap a layer such as Dense or Conv2D"
            )
        self.kernel = kernel
        self.vector_u = self.add_weight(
            shape=(1, kernel.shape[-1]),
            initializer=initializer({"class_name": "TruncatedNormal", "config": {"stddev": 0.02}}),
            dtype=kernel.dtype,
            trainable=False,
            name="vector_u",
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training:
            self._normalize()
        outputs = self.layer(inputs)
        return ops.cast(outputs, inputs.dtype)

    def _normalize(self) -> None:
        """One step of power iteration, and the kernel divided by the estimate."""
        kernel = self.kernel.value
        u: Any = self.vector_u.value
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        for _ in range(self.power_iterations):
            v = ops.normalize(ops.matmul(u, ops.transpose(matrix)), axis=None)
            u = ops.normalize(ops.matmul(v, matrix), axis=None)
        sigma = ops.reshape(ops.matmul(ops.matmul(v, matrix), ops.transpose(u)), ())
        some = ops.any(ops.not_equal(kernel, 0))
        self.vector_u.assign(ops.where(some, u, self.vector_u.value))
        self.kernel.assign(ops.where(some, kernel / sigma, kernel))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)
