"""The elementwise table: one row for each scalar function, from which every kernel and every gradient comes.

A row gives a name, an expression over x, y, z (and c for a condition), and the gradient, in other rows.
Gradients are summed over broadcast dimensions by the engine. At a kink the gradient is the one of Keras.
"""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import builtins
from typing import Any

from pronghorn import dtypes
from pronghorn.op import cast_op, composed, elementwise
from pronghorn.tensor import Tensor, constant, convert_to_tensor

__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "cast", "ceil", "clip", "cos", "cosh", "divide", "elu",
    "equal", "erf", "erfinv", "exp", "exp2", "expm1", "floor", "floor_divide", "gelu", "greater",
    "greater_equal", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "isfinite", "isinf",
    "isnan", "leaky_relu", "left_shift", "less", "less_equal", "log", "log10", "log1p", "log2",
    "log_sigmoid", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
    "minimum", "mod", "multiply", "negative", "not_equal", "power", "reciprocal", "relu", "relu6",
    "right_shift", "rint", "round", "rsqrt", "selu", "sigmoid", "sign", "silu", "sin", "sinh",
    "softplus", "softsign", "sqrt", "square", "subtract", "swish", "tan", "tanh", "tanh_shrink",
    "true_divide", "trunc", "where",
]  # fmt: skip


def _flat(*_: Any) -> tuple[None]:
    """The gradient of a step function of one operand: none."""
    return (None,)


def _flat2(*_: Any) -> tuple[None, None]:
    return (None, None)


# ---------------------------------------------------------------------- arithmetic

add = elementwise("add", "x + y", lambda g, out, x, y: (g, g))
subtract = elementwise("subtract", "x - y", lambda g, out, x, y: (g, negative(g)), operands="number")
multiply = elementwise("multiply", "x * y", lambda g, out, x, y: (g * y, g * x))
true_divide = elementwise(
    "true_divide", "x / y", lambda g, out, x, y: (g / y, negative(g * out / y)), operands="float"
)
divide = true_divide
floor_divide = elementwise("floor_divide", "floor_divide(x, y)", _flat2, operands="number")
mod = elementwise(
    "mod", "mod(x, y)", lambda g, out, x, y: (g, negative(g * floor_divide(x, y))), operands="number"
)
negative = elementwise("negative", "-x", lambda g, out, x: negative(g), operands="number")
absolute = elementwise("absolute", "abs(x)", lambda g, out, x: g * sign(x))
abs = absolute
sign = elementwise("sign", "sign(x)", _flat)
square = elementwise("square", "x * x", lambda g, out, x: 2 * g * x, operands="number")
reciprocal = elementwise("reciprocal", "1 / x", lambda g, out, x: negative(g * out * out), operands="float")
sqrt = elementwise("sqrt", "sqrt(x)", lambda g, out, x: 0.5 * g / out, operands="float")
rsqrt = elementwise("rsqrt", "rsqrt(x)", lambda g, out, x: -0.5 * g * out / x, operands="float")


def _power_gradient(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # 0 ** (y - 1) is infinite for y = 0, where the slope is 0; log(x) has no value for x <= 0.
    slope = choose(equal(y, 0), 0, y * power(x, choose(equal(y, 0), 1, y - 1)))
    positive = greater(x, 0)
    return g * slope, g * choose(positive, out * log(choose(positive, x, 1)), 0)


power = elementwise("power", "pow(x, y)", _power_gradient, operands="number")

maximum_gradient = elementwise(
    "maximum_gradient",
    "z if x > y or x != x else (0.5 * z if x == y else 0)",
    lambda g, out, x, y, z: (None, None, maximum_gradient(x, y, g)),
)
minimum_gradient = elementwise(
    "minimum_gradient",
    "z if x < y or x != x else (0.5 * z if x == y else 0)",
    lambda g, out, x, y, z: (None, None, minimum_gradient(x, y, g)),
)
maximum = elementwise(
    "maximum",
    "x if x > y or x != x else y",
    lambda g, out, x, y: (maximum_gradient(x, y, g), maximum_gradient(y, x, g)),
)
minimum = elementwise(
    "minimum",
    "x if x < y or x != x else y",
    lambda g, out, x, y: (minimum_gradient(x, y, g), minimum_gradient(y, x, g)),
)
clip_to = elementwise(
    "clip",
    "y if x < y else (z if x > z else x)",
    lambda g, out, x, y, z: (
        choose(logical_and(greater_equal(x, y), less_equal(x, z)), g, 0),
        choose(less(x, y), g, 0),
        choose(greater(x, z), g, 0),
    ),
    operands="number",
)

# ---------------------------------------------------------------------- choice and comparison

choose = elementwise(
    "where",
    "x if c else y",
    lambda g, out, c, x, y: (None, choose(c, g, 0), choose(c, 0, g)),
    operands="condition",
)
equal = elementwise("equal", "x == y", result="bool")
not_equal = elementwise("not_equal", "x != y", result="bool")
less = elementwise("less", "x < y", result="bool")
less_equal = elementwise("less_equal", "x <= y", result="bool")
greater = elementwise("greater", "x > y", result="bool")
greater_equal = elementwise("greater_equal", "x >= y", result="bool")
logical_and = elementwise("logical_and", "x and y", result="bool", operands="bool")
logical_or = elementwise("logical_or", "x or y", result="bool", operands="bool")
logical_xor = elementwise("logical_xor", "x != y", result="bool", operands="bool")
logical_not = elementwise("logical_not", "not x", result="bool", operands="bool")
isnan = elementwise("isnan", "x != x", result="bool", operands="float")
isinf = elementwise("isinf", "isinf(x)", result="bool", operands="float")
isfinite = elementwise("isfinite", "isfinite(x)", result="bool", operands="float")

# ---------------------------------------------------------------------- rounding and bits

floor = elementwise("floor", "floor(x)", _flat, operands="float")
ceil = elementwise("ceil", "ceil(x)", _flat, operands="float")
trunc = elementwise("trunc", "trunc(x)", _flat, operands="float")
rint = elementwise("rint", "rint(x)", _flat, operands="float")
bitwise_and = elementwise("bitwise_and", "bit_and(x, y)", names=("x", "y"))
bitwise_or = elementwise("bitwise_or", "bit_or(x, y)", names=("x", "y"))
bitwise_xor = elementwise("bitwise_xor", "bit_xor(x, y)", names=("x", "y"))
bitwise_not = elementwise("bitwise_not", "bit_not(x)")
bitwise_invert = bitwise_not
bitwise_left_shift = elementwise(
    "bitwise_left_shift", "shift_left(x, y)", operands="number", names=("x", "y")
)
left_shift = bitwise_left_shift
bitwise_right_shift = elementwise(
    "bitwise_right_shift", "shift_right(x, y)", operands="number", names=("x", "y")
)
right_shift = bitwise_right_shift

# ---------------------------------------------------------------------- exponentials

exp = elementwise("exp", "exp(x)", lambda g, out, x: g * out, operands="float")
expm1 = elementwise("expm1", "expm1(x)", lambda g, out, x: g * (out + 1), operands="float")
log = elementwise("log", "log(x)", lambda g, out, x: g / x, operands="float")
log1p = elementwise("log1p", "log1p(x)", lambda g, out, x: g / (1 + x), operands="float")
log2 = elementwise(
    "log2", "log(x) / 0.6931471805599453", lambda g, out, x: g / (0.6931471805599453 * x), operands="float"
)
log10 = elementwise(
    "log10", "log(x) / 2.302585092994046", lambda g, out, x: g / (2.302585092994046 * x), operands="float"
)
exp2 = elementwise("exp2", "pow(2, x)", lambda g, out, x: 0.6931471805599453 * g * out, operands="float")
logaddexp = elementwise(
    "logaddexp",
    "x + 0.6931471805599453 if x == y else (x if x > y else y) + log1p(exp(-abs(x - y)))",
    lambda g, out, x, y: (g * sigmoid(x - y), g * sigmoid(y - x)),
    operands="float",
)
erf = elementwise(
    "erf", "erf(x)", lambda g, out, x: 1.1283791670955126 * g * exp(negative(square(x))), operands="float"
)

# ---------------------------------------------------------------------- trigonometry

sin = elementwise("sin", "sin(x)", lambda g, out, x: g * cos(x), operands="float")
cos = elementwise("cos", "cos(x)", lambda g, out, x: negative(g * sin(x)), operands="float")
tan = elementwise("tan", "tan(x)", lambda g, out, x: g * (1 + square(out)), operands="float")
arcsin = elementwise("arcsin", "asin(x)", lambda g, out, x: g * rsqrt((1 - x) * (1 + x)), operands="float")
arccos = elementwise(
    "arccos", "acos(x)", lambda g, out, x: negative(g * rsqrt((1 - x) * (1 + x))), operands="float"
)
arctan = elementwise("arctan", "atan(x)", lambda g, out, x: g / (1 + square(x)), operands="float")
arctan2 = elementwise(
    "arctan2",
    "atan2(x, y)",
    lambda g, out, x, y: (g * y / (square(x) + square(y)), negative(g * x / (square(x) + square(y)))),
    operands="float",
)
sinh = elementwise("sinh", "sinh(x)", lambda g, out, x: g * cosh(x), operands="float")
cosh = elementwise("cosh", "cosh(x)", lambda g, out, x: g * sinh(x), operands="float")
tanh = elementwise("tanh", "tanh(x)", lambda g, out, x: g * (1 - square(out)), operands="float")
arcsinh = elementwise("arcsinh", "asinh(x)", lambda g, out, x: g * rsqrt(square(x) + 1), operands="float")
arccosh = elementwise("arccosh", "acosh(x)", lambda g, out, x: g * rsqrt((x - 1) * (x + 1)), operands="float")
arctanh = elementwise("arctanh", "atanh(x)", lambda g, out, x: g / ((1 - x) * (1 + x)), operands="float")

# ---------------------------------------------------------------------- activations

relu = elementwise(
    "relu", "0 if x <= 0 else x", lambda g, out, x: choose(greater(out, 0), g, 0), operands="number"
)
relu6 = elementwise(
    "relu6",
    "0 if x <= 0 else (6 if x >= 6 else x)",
    lambda g, out, x: choose(logical_and(greater(out, 0), less(out, 6)), g, 0),
    operands="float",
)
sigmoid = elementwise(
    "sigmoid", "1 / (1 + exp(-x))", lambda g, out, x: g * (out * (1 - out)), operands="float"
)
log_sigmoid = elementwise(
    "log_sigmoid",
    "(x if x < 0 else 0) - log1p(exp(-abs(x)))",
    lambda g, out, x: g * sigmoid(negative(x)),
    operands="float",
)
softplus = elementwise(
    "softplus",
    "(x if x > 0 else 0) + log1p(exp(-abs(x)))",
    lambda g, out, x: g * sigmoid(x),
    operands="float",
)
softsign = elementwise(
    "softsign", "x / (1 + abs(x))", lambda g, out, x: g / square(1 + absolute(x)), operands="float"
)


def _silu_gradient(g: Any, out: Any, x: Any) -> Any:
    gate = sigmoid(x)
    return g * (gate + out * (1 - gate))


silu = elementwise("silu", "x / (1 + exp(-x))", _silu_gradient, operands="float")
swish = silu
hard_sigmoid = elementwise(
    "hard_sigmoid",
    "0 if x <= -3 else (1 if x >= 3 else x / 6 + 0.5)",
    lambda g, out, x: choose(logical_and(greater(out, 0), less(out, 1)), g / 6, 0),
    operands="float",
)
hard_tanh = elementwise(
    "hard_tanh",
    "-1 if x <= -1 else (1 if x >= 1 else x)",
    lambda g, out, x: choose(less(absolute(x), 1), g, 0),
    operands="float",
)
tanh_shrink = elementwise(
    "tanh_shrink", "x - tanh(x)", lambda g, out, x: g * square(tanh(x)), operands="float"
)
selu = elementwise(
    "selu",
    "1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * expm1(x))",
    lambda g, out, x: g * choose(greater(x, 0), 1.0507009873554805, 1.7580993408473766 * exp(minimum(x, 0))),
    operands="float",
)
gelu_erf = elementwise(
    "gelu_erf",
    "0.5 * x * (1 + erf(x * 0.7071067811865476))",
    lambda g, out, x: (
        g * (0.5 * (1 + erf(x * 0.7071067811865476)) + 0.3989422804014327 * x * exp(-0.5 * square(x)))
    ),
    operands="float",
)


def _gelu_tanh_gradient(g: Any, out: Any, x: Any) -> Any:
    gate = tanh(0.7978845608028654 * x * (1 + 0.044715 * square(x)))
    slope = 0.7978845608028654 * (1 + 0.134145 * square(x))
    return g * (0.5 * (1 + gate) + 0.5 * x * (1 - square(gate)) * slope)


gelu_tanh = elementwise(
    "gelu_tanh",
    "0.5 * x * (1 + tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x)))",
    _gelu_tanh_gradient,
    operands="float",
)
leaky_relu_slope = elementwise(
    "leaky_relu",
    "y * x if x < 0 else x",
    lambda g, out, x, y: (choose(less(x, 0), g * y, g), choose(less(x, 0), g * x, 0)),
    operands="float",
)
elu_alpha = elementwise(
    "elu",
    "x if x > 0 else y * expm1(x)",
    lambda g, out, x, y: (
        g * choose(greater(x, 0), 1, y * exp(minimum(x, 0))),
        g * choose(greater(x, 0), 0, expm1(minimum(x, 0))),
    ),
    operands="float",
)

# ---------------------------------------------------------------------- with defaults


@composed
def cast(x: Any, dtype: Any) -> Tensor:
    """`x` converted to `dtype`; floats are truncated to integers, anything but 0 is True."""
    name = dtypes.standardize(dtype)
    if dtypes.weak(x) is not None:
        return constant(x, name)
    x = convert_to_tensor(x)
    return x if x.dtype == name else cast_op(x, dtype=name)


@composed
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Elements of `x1` where `condition` holds, else of `x2`; without them, indices of true elements."""
    if (x1 is None) != (x2 is None):
        raise ValueError("where: give both `x1` and `x2`, or neither of them")
    if x1 is None:
        from pronghorn.ops.shape import nonzero

        return nonzero(condition)
    return choose(condition, x1, x2)


@composed
def clip(x: Any, x_min: Any, x_max: Any) -> Tensor:
    """`x` limited to [x_min, x_max]; a limit of None is no limit. NaN stays NaN."""
    if x_min is None or x_max is None:
        x = x if x_min is None else maximum(x, x_min)
        return convert_to_tensor(x) if x_max is None else minimum(x, x_max)
    return clip_to(x, x_min, x_max)


@composed
def round(x: Any, decimals: int = 0) -> Tensor:
    """`x` rounded to `decimals` places, halves to even; integers stay as they are."""
    x = convert_to_tensor(x)
    if not dtypes.is_float(x.dtype):
        return x
    if decimals == 0:
        return rint(x)
    scale = 10.0 ** builtins.abs(decimals)
    return rint(x * scale) / scale if decimals > 0 else rint(x / scale) * scale


_ERFINV_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_ERFINV_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


@composed
def erfinv(x: Any) -> Tensor:
    """The inverse of erf, by the polynomials of Giles, "Approximating the erfinv function" (2010).

    float64 gets two of Newton's steps more.
    """
    x = convert_to_tensor(x)
    x = cast(x, dtypes.floating(x.dtype))
    edge = equal(absolute(x), 1)
    inside = choose(edge, 0, x)
    w = negative(log1p(negative(square(inside))))
    centre, tail = w - 2.5, sqrt(maximum(w, 5)) - 3
    y = inside * choose(less(w, 5), _polynomial(_ERFINV_CENTRE, centre), _polynomial(_ERFINV_TAIL, tail))
    if x.dtype == "float64":
        for _ in range(2):
            y = y - (erf(y) - inside) * 0.886226925452758 * exp(square(y))
    return choose(edge, sign(x) * float("inf"), y)


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    total: Any = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


@composed
def leaky_relu(x: Any, negative_slope: Any = 0.2) -> Tensor:
    """x where x >= 0, else negative_slope * x."""
    return leaky_relu_slope(x, negative_slope)


@composed
def elu(x: Any, alpha: Any = 1.0) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    return elu_alpha(x, alpha)


@composed
def gelu(x: Any, approximate: bool = True) -> Tensor:
    """x * P(X <= x) for a standard normal X, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    return gelu_tanh(x) if approximate else gelu_erf(x)


@composed
def hard_silu(x: Any) -> Tensor:
    """x * hard_sigmoid(x)."""
    x = convert_to_tensor(x)
    return multiply(x, hard_sigmoid(x))


hard_swish = hard_silu
