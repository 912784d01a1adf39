"""Complex numbers: their parts, and tensors made of them.

The gradient of a real result with respect to z = a + bi is (its gradient for a) - i (that for b), so that rules of
holomorphic functions are those of real ones.
"""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive, promote
from pronghorn.tensor import Tensor, convert_to_tensor

Array = np.ndarray[Any, Any]


def _real_spec(x: Spec, *_: Spec) -> Spec:
    return Spec(x.shape, dtypes.COMPLEX[x.dtype])


def _complex_spec(x: Spec, *_: Spec) -> Spec:
    return Spec(x.shape, "complex128" if x.dtype == "float64" else "complex64")


@primitive(_real_spec, lambda g, out, x: (of_parts(g, ops.zeros_like(g)),))
def real_part(x: Array) -> Array:
    """The real part of a complex array."""
    return x.real.copy()


@primitive(_real_spec, lambda g, out, x: (of_parts(ops.zeros_like(g), ops.negative(g)),))
def imaginary_part(x: Array) -> Array:
    """The imaginary part of a complex array."""
    return x.imag.copy()


@primitive(_complex_spec, lambda g, out, a, b: (real_part(g), ops.negative(imaginary_part(g))))
def of_parts(a: Array, b: Array) -> Array:
    """a + bi."""
    return np.asarray(a + b * np.complex64(1j)).astype(np.complex128 if a.dtype == np.float64 else np.complex64)


def _is_complex(x: Tensor) -> bool:
    return x.dtype in dtypes.COMPLEX


def _parts(x: Tensor) -> tuple[Any, Any]:
    if _is_complex(x):
        return real_part(x), imaginary_part(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    return x, ops.zeros_like(x)


def squared_size(x: Tensor) -> Any:
    """|x|², real also of complex numbers."""
    return ops.square(real_part(x)) + ops.square(imaginary_part(x)) if _is_complex(x) else ops.square(x)


@composed
def real(x: Any) -> Any:
    """The real part; real numbers stay as they are."""
    x = convert_to_tensor(x)
    return real_part(x) if _is_complex(x) else x


@composed
def imag(x: Any) -> Any:
    """The imaginary part; zeros of real numbers."""
    x = convert_to_tensor(x)
    return imaginary_part(x) if _is_complex(x) else ops.zeros_like(x)


@composed
def conj(x: Any) -> Any:
    """The complex conjugate; real numbers stay as they are."""
    x = convert_to_tensor(x)
    return of_parts(real_part(x), ops.negative(imaginary_part(x))) if _is_complex(x) else x


conjugate = conj


@composed
def angle(x: Any) -> Any:
    """The angle of complex numbers, in radians from -pi to pi."""
    a, b = _parts(convert_to_tensor(x))
    return ops.arctan2(b, a)


@composed
def polar(abs_: Any, angle: Any) -> Any:
    """The complex numbers of these absolute values and angles (radians)."""
    length, direction = promote([abs_, angle], "float")
    return of_parts(length * ops.cos(direction), length * ops.sin(direction))


@composed
def view_as_complex(x: Any) -> Any:
    """Complex numbers of pairs (real, imaginary) along the last axis."""
    x = convert_to_tensor(x)
    if not x.shape or x.shape[-1] != 2 or not dtypes.is_float(x.dtype):
        raise ValueError(f"view_as_complex: expected floats (…, 2), got shape {x.shape} and dtype {x.dtype}")
    return of_parts(x[..., 0], x[..., 1])


@composed
def view_as_real(x: Any) -> Any:
    """Pairs (real, imaginary) along a new last axis."""
    return ops.stack(_parts(convert_to_tensor(x)), axis=-1)


@composed
def isreal(x: Any) -> Any:
    """Whether the imaginary part is 0."""
    x = convert_to_tensor(x)
    return ops.equal(imaginary_part(x), 0) if _is_complex(x) else ops.ones_like(x, "bool")
