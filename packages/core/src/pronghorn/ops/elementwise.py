"""The elementwise table: one row for each scalar function, from which every kernel and every gradient comes.

A row gives a name, an expression over x, y, z (and c for a condition), and the gradient, in other rows.
Gradients are summed over broadcast dimensions by the engine. At a kink the gradient is the one of Keras.
Other packages add rows in the same way.
"""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from functools import partial
from typing import Any

from pronghorn import dtypes
from pronghorn.op import Elementwise, cast_op, composed, elementwise
from pronghorn.tensor import Tensor, constant, convert_to_tensor

__all__ = [
    "abs", "absolute", "add", "cast", "ceil", "clip", "cos", "divide", "equal", "exp", "expm1", "floor",
    "floor_divide", "greater", "greater_equal", "isfinite", "less", "less_equal", "log", "log1p", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply", "negative", "not_equal",
    "power", "reciprocal", "relu", "rsqrt", "sigmoid", "sign", "sin", "softplus", "sqrt", "square", "subtract",
    "tanh", "true_divide", "where",
]  # fmt: skip

number = partial(elementwise, operands="number")
real = partial(elementwise, operands="float")
comparison = partial(elementwise, result="bool")
logical = partial(elementwise, result="bool", operands="bool")


def flat(g: Any, out: Any, *operands: Any) -> tuple[None, ...]:
    """The gradient of a step function: none."""
    return (None,) * len(operands)


# ---------------------------------------------------------------------- arithmetic

add = elementwise("add", "x + y", lambda g, out, x, y: (g, g))
subtract = number("subtract", "x - y", lambda g, out, x, y: (g, negative(g)))
multiply = elementwise("multiply", "x * y", lambda g, out, x, y: (g * y, g * x))
true_divide = divide = real("true_divide", "x / y", lambda g, out, x, y: (g / y, negative(g * out / y)))
floor_divide = number("floor_divide", "floor_divide(x, y)", flat)
mod = number("mod", "mod(x, y)", lambda g, out, x, y: (g, negative(g * floor_divide(x, y))))
negative = number("negative", "-x", lambda g, out, x: negative(g))


def _absolute_gradient(g: Any, out: Any, x: Any) -> Any:
    return g * (out / choose(equal(x, 0), 1, x) if x.dtype in dtypes.COMPLEX else sign(x))


absolute = abs = elementwise("absolute", "abs(x)", _absolute_gradient, result="real")
sign = elementwise("sign", "sign(x)", flat)
square = number("square", "x * x", lambda g, out, x: 2 * g * x)
reciprocal = real("reciprocal", "1 / x", lambda g, out, x: negative(g * out * out))
sqrt = real("sqrt", "sqrt(x)", lambda g, out, x: 0.5 * g / out)
rsqrt = real("rsqrt", "rsqrt(x)", lambda g, out, x: -0.5 * g * out / x)
floor = real("floor", "floor(x)", flat)
ceil = real("ceil", "ceil(x)", flat)


def _power_gradient(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    # 0 ** (y - 1) is infinite for y = 0, where the slope is 0; log(x) has no value for x <= 0.
    slope = choose(equal(y, 0), 0, y * power(x, choose(equal(y, 0), 1, y - 1)))
    positive = greater(x, 0)
    return g * slope, g * choose(positive, out * log(choose(positive, x, 1)), 0)


power = number("power", "pow(x, y)", _power_gradient)


def _extremum(name: str, before: str) -> Elementwise:
    """The operand that comes `before` the other; NaN wins, a tie gives half of the gradient to each."""
    share = elementwise(
        f"{name}_gradient",
        f"z if x {before} y or x != x else (0.5 * z if x == y else 0)",
        lambda g, out, x, y, z: (None, None, share(x, y, g)),
    )
    chosen = f"x if x {before} y or x != x else y"
    return elementwise(name, chosen, lambda g, out, x, y: (share(x, y, g), share(y, x, g)))


maximum = _extremum("maximum", ">")
minimum = _extremum("minimum", "<")


def _clip_gradient(g: Any, out: Any, x: Any, low: Any, high: Any) -> tuple[Any, Any, Any]:
    under, over = less(x, low), greater(x, high)
    return choose(logical_or(under, over), 0, g), choose(under, g, 0), choose(over, g, 0)


clip_to = number("clip", "y if x < y else (z if x > z else x)", _clip_gradient)

# ---------------------------------------------------------------------- choice and comparison

choose = elementwise(
    "where", "x if c else y", lambda g, out, c, x, y: (None, choose(c, g, 0), choose(c, 0, g)), operands="condition"
)
equal = comparison("equal", "x == y")
not_equal = comparison("not_equal", "x != y")
less = comparison("less", "x < y")
less_equal = comparison("less_equal", "x <= y")
greater = comparison("greater", "x > y")
greater_equal = comparison("greater_equal", "x >= y")
logical_and = logical("logical_and", "x and y")
logical_or = logical("logical_or", "x or y")
logical_xor = logical("logical_xor", "x != y")
logical_not = logical("logical_not", "not x")
isfinite = comparison("isfinite", "isfinite(x)", operands="float")

# ---------------------------------------------------------------------- functions

exp = real("exp", "exp(x)", lambda g, out, x: g * out)
expm1 = real("expm1", "expm1(x)", lambda g, out, x: g * (out + 1))
log = real("log", "log(x)", lambda g, out, x: g / x)
log1p = real("log1p", "log1p(x)", lambda g, out, x: g / (1 + x))
sin = real("sin", "sin(x)", lambda g, out, x: g * cos(x))
cos = real("cos", "cos(x)", lambda g, out, x: negative(g * sin(x)))
tanh = real("tanh", "tanh(x)", lambda g, out, x: g * (1 - square(out)))
relu = number("relu", "0 if x <= 0 else x", lambda g, out, x: choose(greater(out, 0), g, 0))
sigmoid = real("sigmoid", "1 / (1 + exp(-x))", lambda g, out, x: g * (out * (1 - out)))
softplus = real("softplus", "(x if x > 0 else 0) + log1p(exp(-abs(x)))", lambda g, out, x: g * sigmoid(x))


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
