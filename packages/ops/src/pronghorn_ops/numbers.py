"""Functions of integers, and of the bits of floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.graph import Spec
from pronghorn.op import Op, composed, promote
from pronghorn.tensor import Tensor, convert_to_tensor

Array = np.ndarray[Any, Any]


def _of_pairs(name: str, function: Callable[..., Any]) -> Op:
    """A primitive of two arrays of one shape and dtype, without gradient."""
    return Op(name, lambda x, y: np.asarray(function(x, y), x.dtype), lambda x, y: x)


greatest_divisor = _of_pairs("gcd", np.gcd)
least_multiple = _of_pairs("lcm", np.lcm)
next_number = _of_pairs("nextafter", np.nextafter)
sign_bits = Op("signbit", lambda x: np.signbit(x), lambda x: Spec(x.shape, "bool"))


def _pair(op: str, x1: Any, x2: Any, integers: bool) -> list[Any]:
    a, b = promote([x1, x2], "any" if integers else "float")
    if integers and not dtypes.is_integer(a.dtype):
        raise ValueError(f"{op}: the operands must be integers, got dtype {a.dtype}")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"{op}: the operands' shapes {a.shape} and {b.shape} do not broadcast") from None
    return [ops.broadcast_to(t, shape) for t in (a, b)]


@composed
def gcd(x1: Any, x2: Any) -> Tensor:
    """The greatest common divisor of integers."""
    return greatest_divisor(*_pair("gcd", x1, x2, True))  # type: ignore[no-any-return]


@composed
def lcm(x1: Any, x2: Any) -> Tensor:
    """The least common multiple of integers."""
    return least_multiple(*_pair("lcm", x1, x2, True))  # type: ignore[no-any-return]


@composed
def nextafter(x1: Any, x2: Any) -> Tensor:
    """The float next to `x1` in the direction of `x2`."""
    return next_number(*_pair("nextafter", x1, x2, False))  # type: ignore[no-any-return]


@composed
def signbit(x: Any) -> Tensor:
    """Whether a number has the sign bit: negative ones, and -0."""
    x = convert_to_tensor(x)
    if not dtypes.is_float(x.dtype):
        return ops.less(x, 0) if x.dtype != "bool" else ops.zeros_like(x)
    return sign_bits(x)  # type: ignore[no-any-return]


@composed
def ldexp(x1: Any, x2: Any) -> Any:
    """x1 * 2 ** x2, for integers `x2`."""
    exponent = convert_to_tensor(x2)
    if dtypes.is_float(exponent.dtype):
        raise ValueError(f"ldexp: `x2` must be integers, got dtype {exponent.dtype}")
    x = convert_to_tensor(x1)
    x = ops.cast(x, dtypes.floating(dtypes.result_type(x.dtype, exponent.dtype)))
    return ops.multiply(x, ops.exp2(ops.cast(exponent, x.dtype)))
