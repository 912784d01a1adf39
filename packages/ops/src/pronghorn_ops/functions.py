"""Further rows of the elementwise table: exponentials, trigonometry, rounding, tests of numbers."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from functools import partial
from typing import Any

from pronghorn import dtypes, ops
from pronghorn.op import composed, elementwise
from pronghorn.ops.elementwise import flat, real
from pronghorn.tensor import convert_to_tensor

LN2 = 0.6931471805599453
LN10 = 2.302585092994046

_test = partial(elementwise, result="bool", operands="float")

# ------------------------------------------------------------------------------ exponentials

log2 = real("log2", f"log(x) / {LN2}", lambda g, out, x: g / (LN2 * x))
log10 = real("log10", f"log(x) / {LN10}", lambda g, out, x: g / (LN10 * x))
exp2 = real("exp2", "pow(2, x)", lambda g, out, x: LN2 * g * out)
logaddexp = real(
    "logaddexp",
    f"x + {LN2} if x == y else (x if x > y else y) + log1p(exp(-abs(x - y)))",
    lambda g, out, x, y: (g * ops.sigmoid(x - y), g * ops.sigmoid(y - x)),
)
erf = real("erf", "erf(x)", lambda g, out, x: 1.1283791670955126 * g * ops.exp(-ops.square(x)))

# ------------------------------------------------------------------------------ trigonometry

tan = real("tan", "tan(x)", lambda g, out, x: g * (1 + ops.square(out)))
arcsin = real("arcsin", "asin(x)", lambda g, out, x: g * ops.rsqrt((1 - x) * (1 + x)))
arccos = real("arccos", "acos(x)", lambda g, out, x: -(g * ops.rsqrt((1 - x) * (1 + x))))
arctan = real("arctan", "atan(x)", lambda g, out, x: g / (1 + ops.square(x)))


def _arctan2_gradient(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    radius = ops.square(x) + ops.square(y)
    return g * y / radius, -(g * x / radius)


arctan2 = real("arctan2", "atan2(x, y)", _arctan2_gradient)
sinh = real("sinh", "sinh(x)", lambda g, out, x: g * cosh(x))
cosh = real("cosh", "cosh(x)", lambda g, out, x: g * sinh(x))
arcsinh = real("arcsinh", "asinh(x)", lambda g, out, x: g * ops.rsqrt(ops.square(x) + 1))
arccosh = real("arccosh", "acosh(x)", lambda g, out, x: g * ops.rsqrt((x - 1) * (x + 1)))
arctanh = real("arctanh", "atanh(x)", lambda g, out, x: g / ((1 - x) * (1 + x)))

# ------------------------------------------------------------------------------ rounding and tests

towards_zero = real("trunc", "trunc(x)", flat)
rint = real("rint", "rint(x)", flat)
isnan = _test("isnan", "x != x")
isinf = _test("isinf", "isinf(x)")


@composed
def trunc(x: Any) -> Any:
    """`x` without its fraction; integers stay as they are."""
    x = convert_to_tensor(x)
    return towards_zero(x) if dtypes.is_float(x.dtype) else x


@composed
def round(x: Any, decimals: int = 0) -> Any:
    """`x` rounded to `decimals` places, halves to even; integers stay as they are."""
    x = convert_to_tensor(x)
    if not dtypes.is_float(x.dtype):
        return x
    if decimals == 0:
        return rint(x)
    scale = 10.0 ** abs(decimals)
    return rint(x * scale) / scale if decimals > 0 else rint(x / scale) * scale


# ------------------------------------------------------------------------------ the inverse of erf

_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


@composed
def erfinv(x: Any) -> Any:
    """The inverse of erf, by the polynomials of Giles, "Approximating the erfinv function" (2010).

    float64 gets two of Newton's steps more.
    """
    x = convert_to_tensor(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    edge = ops.equal(ops.absolute(x), 1)
    inside = ops.where(edge, 0, x)
    w = -ops.log1p(-ops.square(inside))
    centre, tail = _polynomial(_CENTRE, w - 2.5), _polynomial(_TAIL, ops.sqrt(ops.maximum(w, 5)) - 3)
    y = inside * ops.where(ops.less(w, 5), centre, tail)
    if x.dtype == "float64":
        for _ in range(2):
            y = y - (erf(y) - inside) * 0.886226925452758 * ops.exp(ops.square(y))
    return ops.where(edge, ops.sign(x) * float("inf"), y)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    total: Any = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total
