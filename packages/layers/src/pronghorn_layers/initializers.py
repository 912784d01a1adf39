"""Initializers: constants, draws from a distribution, and draws scaled by the number of inputs and outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from pronghorn import ops, random
from pronghorn.dtypes import numpy_dtype, standardize
from pronghorn.initializer import Initializer, RandomInitializer, compute_fans
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_layers import windows


class Constant(Initializer):
    """`value` everywhere: a number, or an array that broadcasts to the shape."""

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        value = np.asarray(self.value, numpy_dtype(standardize(dtype)))
        try:
            return convert_to_tensor(np.broadcast_to(value, tuple(shape)), standardize(dtype))
        except ValueError:
            raise ValueError(
                f"initializer Constant: the value has shape {value.shape}, the weight {tuple(shape)}; give it a value "
                f"that broadcasts to that"
            ) from None


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, zero elsewhere."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if len(shape) != 2:
            raise ValueError(f"initializer Identity: makes matrices only, got the shape {tuple(shape)}; use Orthogonal")
        return convert_to_tensor(self.gain * np.eye(shape[0], shape[1]), standardize(dtype))


class RandomNormal(RandomInitializer):
    """Normal draws."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return random.normal(shape, self.mean, self.stddev, standardize(dtype), self._seed)


class TruncatedNormal(RandomInitializer):
    """Normal draws within two standard deviations of the mean."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return random.truncated_normal(shape, self.mean, self.stddev, standardize(dtype), self._seed)  # type: ignore[no-any-return]


class RandomUniform(RandomInitializer):
    """Uniform draws from [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return random.uniform(shape, self.minval, self.maxval, standardize(dtype), self._seed)


class VarianceScaling(RandomInitializer):
    """Draws whose variance is `scale` / n, n the number of inputs, of outputs, or their mean.

    Args:
        scale: positive.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (at two standard deviations, the variance being that after it),
            "untruncated_normal" or "uniform".
        seed: see `RandomInitializer`.
        input_axes, output_axes: the axes of the shape that make the fans; by default see `compute_fans`.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        if scale <= 0:
            raise ValueError(f"initializer {type(self).__name__}: argument `scale` must be positive, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"initializer {type(self).__name__}: `mode` must be fan_in, fan_out or fan_avg, got {mode!r}"
            )
        if distribution == "normal":
            distribution = "truncated_normal"
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                f"initializer {type(self).__name__}: `distribution` must be truncated_normal, untruncated_normal "
                "or uniform, "
                f"got {distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, n))
        kind = standardize(dtype)
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev
            return random.uniform(shape, -limit, limit, kind, self._seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, stddev, kind, self._seed)
        return random.truncated_normal(shape, 0.0, stddev / _TRUNCATED_STDDEV, kind, self._seed)  # type: ignore[no-any-return]


_TRUNCATED_STDDEV = 0.87962566103423978
"""The standard deviation of a standard normal variable truncated at two."""


class _Scaled(VarianceScaling):
    """A `VarianceScaling` whose parameters its name stands for."""

    parameters: tuple[float, Literal["fan_in", "fan_out", "fan_avg"], str]

    def __init__(
        self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:
        super().__init__(*self.parameters, seed, input_axes, output_axes)


class GlorotNormal(_Scaled):
    """Truncated normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    parameters = (1.0, "fan_avg", "truncated_normal")


class HeNormal(_Scaled):
    """Truncated normal with variance 2 / fan_in (He et al., 2015)."""

    parameters = (2.0, "fan_in", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform with variance 2 / fan_in (He et al., 2015)."""

    parameters = (2.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal with variance 1 / fan_in (LeCun et al., 1998)."""

    parameters = (1.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform with variance 1 / fan_in (LeCun et al., 1998)."""

    parameters = (1.0, "fan_in", "uniform")


class Orthogonal(RandomInitializer):
    """`gain` times a matrix with orthonormal rows or columns, whichever are fewer (Saxe et al., 2014).

    A shape of more than two dimensions is that of a matrix of its last dimension and the product of the others.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if len(shape) < 2:
            raise ValueError(f"initializer Orthogonal: needs two dimensions or more, got the shape {tuple(shape)}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = random.normal((max(rows, columns), min(rows, columns)), dtype="float64", seed=self._seed)
        q, r = np.linalg.qr(drawn.numpy())
        q *= np.sign(np.diag(r))  # makes the decomposition unique, and q uniformly distributed
        matrix = q if rows >= columns else q.T
        return ops.cast(convert_to_tensor(self.gain * matrix.reshape(shape)), standardize(dtype))


class STFT(Initializer):
    """Kernels whose convolution with a signal is the real, or the imaginary, part of its short-time Fourier transform.

    A shape (frame_length, 1, fft_length // 2 + 1): one frequency each, times a window.

    Args:
        side: "real" or "imag".
        window: a name ("hann", "hamming", "blackman", …), the values (frame_length,), or None for none.
        scaling: "density" divides the window by the root of the sum of its squares, "spectrum" by its sum, None by 1.
        periodic: whether the window repeats seamlessly, or is symmetric.
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"initializer STFT: `side` must be 'real' or 'imag', got {side!r}")
        if scaling not in ("density", "spectrum", None):
            raise ValueError(f"initializer STFT: `scaling` must be 'density', 'spectrum' or None, got {scaling!r}")
        if isinstance(window, str):
            windows.window(window, 1, False)
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if len(shape) != 3 or shape[1] != 1:
            raise ValueError(
                f"initializer STFT: makes kernels of the shape (frame_length, 1, frequencies), got {tuple(shape)}"
            )
        length, _, frequencies = shape
        turns = np.arange(length)[:, None] * np.arange(frequencies) / (2 * (frequencies - 1))
        kernel = np.cos(2 * np.pi * turns) if self.side == "real" else -np.sin(2 * np.pi * turns)
        if self.window is not None:
            kernel *= self._weights(length)[:, None]
        return convert_to_tensor(kernel[:, None].astype(numpy_dtype(standardize(dtype))))

    def _weights(self, length: int) -> np.ndarray[Any, Any]:
        """The window, scaled."""
        named = isinstance(self.window, str)
        values = windows.window(self.window, length, self.periodic) if named else np.asarray(self.window, np.float64)
        if values.shape != (length,):
            raise ValueError(f"initializer STFT: the window has the shape {values.shape}, frames need ({length},)")
        scale = {"density": np.sqrt(np.sum(values**2)), "spectrum": np.sum(np.abs(values)), None: 1.0}
        return values / scale[self.scaling]  # type: ignore[no-any-return]
