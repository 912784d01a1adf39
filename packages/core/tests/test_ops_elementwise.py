"""Every row of the elementwise table against NumPy, at the edges of each dtype, and its gradients."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from pronghorn import dtypes, ops
from pronghorn.autodiff import GradientTape, check_gradients
from pronghorn.op import Elementwise
from pronghorn.ops import elementwise as rows

FLOAT = ("float16", "float32", "float64")
INTEGER = ("int8", "uint8", "int16", "int32", "int64")
NUMBER = FLOAT + INTEGER


def edges(dtype: str) -> np.ndarray[Any, Any]:
    """NaN, infinities, zeros, subnormals, extremes and ordinary values of a dtype."""
    if dtype == "bool":
        return np.array([False, True])
    if dtypes.is_integer(dtype):
        info = np.iinfo(dtype)
        values = [info.min, info.max, 0, 1, 2, 3, 7] + ([-1, -2, -7] if info.min else [])
        return np.array(values, dtype)
    limits = np.finfo(dtype)
    tiny = [limits.smallest_subnormal, limits.tiny, limits.max, limits.eps]
    ordinary = [0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 6.0, 20.0, 90.0]
    positive = np.array([0.0, np.inf, *tiny, *ordinary])
    return np.concatenate([[np.nan], positive, -positive]).astype(dtype)


def sigmoid(x: Any) -> Any:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


# row -> (function in NumPy, dtypes, whether it is only equal to rounding)
UNARY: dict[str, tuple[Any, tuple[str, ...], bool]] = {
    "negative": (np.negative, NUMBER, False),
    "absolute": (np.abs, (*NUMBER, "bool"), False),
    "sign": (np.sign, NUMBER, False),
    "square": (np.square, NUMBER, False),
    "reciprocal": (lambda x: 1 / x, FLOAT, False),
    "sqrt": (np.sqrt, FLOAT, False),
    "rsqrt": (lambda x: 1 / np.sqrt(x), FLOAT, True),
    "exp": (np.exp, FLOAT, True),
    "expm1": (np.expm1, FLOAT, True),
    "log": (np.log, FLOAT, True),
    "log1p": (np.log1p, FLOAT, True),
    "sin": (np.sin, FLOAT, True),
    "cos": (np.cos, FLOAT, True),
    "tanh": (np.tanh, FLOAT, True),
    "floor": (np.floor, FLOAT, False),
    "ceil": (np.ceil, FLOAT, False),
    "isfinite": (np.isfinite, FLOAT, False),
    "logical_not": (np.logical_not, ("bool", "int32", "float32"), False),
    "relu": (lambda x: np.maximum(x, 0), NUMBER, False),
    "sigmoid": (sigmoid, FLOAT, True),
    "softplus": (lambda x: np.logaddexp(0, x), FLOAT, True),
}
BINARY: dict[str, tuple[Any, tuple[str, ...], bool]] = {
    "add": (np.add, NUMBER, False),
    "subtract": (np.subtract, NUMBER, False),
    "multiply": (np.multiply, NUMBER, False),
    "true_divide": (np.true_divide, FLOAT, False),
    "floor_divide": (np.floor_divide, NUMBER, False),
    "mod": (np.mod, NUMBER, False),
    "power": (np.power, FLOAT, True),
    "maximum": (np.maximum, NUMBER, False),
    "minimum": (np.minimum, NUMBER, False),
    "equal": (np.equal, (*NUMBER, "bool"), False),
    "not_equal": (np.not_equal, (*NUMBER, "bool"), False),
    "less": (np.less, NUMBER, False),
    "less_equal": (np.less_equal, NUMBER, False),
    "greater": (np.greater, NUMBER, False),
    "greater_equal": (np.greater_equal, NUMBER, False),
    "logical_and": (np.logical_and, ("bool", "int32"), False),
    "logical_or": (np.logical_or, ("bool", "int32"), False),
    "logical_xor": (np.logical_xor, ("bool", "int32"), False),
}
TERNARY: dict[str, tuple[Any, tuple[str, ...], bool]] = {
    "clip": (lambda x, y, z: np.where(x < y, y, np.where(x > z, z, x)), NUMBER, False),
}
ELSEWHERE = {"where"}

ROWS = {value.name: value for value in vars(rows).values() if isinstance(value, Elementwise)}


def check(name: str, numpy_function: Any, dtype: str, operands: list[Any], rounded: bool) -> None:
    # A row rounds float16 once, at its end; NumPy is asked in float32, since it rounds after each step.
    wide = [a.astype(np.float32) if dtype == "float16" else a for a in operands]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.asarray(numpy_function(*wide))
        expected = expected.astype(dtype) if dtype == "float16" and expected.dtype.kind == "f" else expected
    found = ROWS[name](*operands)
    assert found.dtype == expected.dtype.name, name
    if rounded:
        # exp and its kin lose relative accuracy where results are subnormal.
        limits = np.finfo(dtype)
        np.testing.assert_allclose(found.numpy(), expected, rtol=8 * float(limits.eps), atol=64 * float(limits.tiny))
    else:
        np.testing.assert_array_equal(found.numpy(), expected)


def test_every_row_is_compared_with_numpy() -> None:
    assert {*UNARY, *BINARY, *TERNARY, *ELSEWHERE} == set(ROWS)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    function, kinds, rounded = UNARY[name]
    for dtype in kinds:
        check(name, function, dtype, [edges(dtype)], rounded)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    function, kinds, rounded = BINARY[name]
    for dtype in kinds:
        check(name, function, dtype, [edges(dtype)[:, None], edges(dtype)[None, :]], rounded)


@pytest.mark.parametrize("name", TERNARY)
def test_ternary(name: str) -> None:
    function, kinds, rounded = TERNARY[name]
    for dtype in kinds:
        values = edges(dtype)
        check(
            name,
            function,
            dtype,
            [values[:, None, None], values[None, :, None], values[None, None, :6]],
            rounded,
        )


def test_integer_powers_are_integers() -> None:
    found = ops.power(np.array([-3, 0, 2], "int32"), 3)
    assert found.dtype == "int32"
    np.testing.assert_array_equal(found, [-27, 0, 8])


def test_extremes_do_not_overflow() -> None:
    x = np.array([-1e4, -100.0, 0.0, 100.0, 1e4], "float32")
    np.testing.assert_allclose(ops.sigmoid(x), [0, 0, 0.5, 1, 1], atol=1e-37)
    np.testing.assert_allclose(ops.softplus(x), [0, 0, math.log(2), 100, 1e4], atol=1e-37, rtol=1e-6)


# ---------------------------------------------------------------------- gradients

SMOOTH = [-2.3, -0.7, 0.4, 1.9]
DOMAIN = dict.fromkeys(["sqrt", "rsqrt", "log", "log1p"], [0.2, 0.7, 1.3, 4.0])
DIFFERENTIABLE = (
    "negative absolute square reciprocal sqrt rsqrt exp expm1 log log1p sin cos tanh relu sigmoid softplus"
).split()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_to_second_order(name: str) -> None:
    check_gradients(ROWS[name], [DOMAIN.get(name, SMOOTH)], order=2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", "add subtract multiply true_divide mod maximum minimum".split())
def test_binary_gradients_and_broadcasting(name: str) -> None:
    x, y = np.array([[-2.3], [0.4], [1.9]]), np.array([0.7, 1.6])
    check_gradients(ROWS[name], [x, y], order=2, rtol=1e-4, atol=1e-6)


def test_power_gradients() -> None:
    check_gradients(ops.power, [[0.3, 1.2, 2.0], [2.5, -1.3, 0.6]], order=2, rtol=1e-4, atol=1e-6)
    x, y = (ops.convert_to_tensor(np.array(v)) for v in ([0.0, 0.0, 0.0, -2.0], [0.0, 1.0, 2.0, 3.0]))
    with GradientTape() as tape:
        tape.watch([x, y])
        result = ops.power(x, y)
    dx, dy = tape.gradient(result, [x, y])
    np.testing.assert_array_equal(dx, [0.0, 1.0, 0.0, 12.0])
    np.testing.assert_array_equal(dy, [0.0, 0.0, 0.0, 0.0])


def test_select_and_clip_gradients() -> None:
    condition = np.array([True, False, True])
    check_gradients(lambda x, y: ops.where(condition, x, y), [[1.0, 2.0, 3.0], [4.0]])
    check_gradients(ops.clip, [[-2.0, 0.3, 5.0], [-1.0], [1.0]])


@pytest.mark.parametrize("op", [ops.maximum, ops.minimum])
def test_a_tie_gives_half_the_gradient_to_each(op: Any) -> None:
    x, y = (ops.convert_to_tensor(np.array(v)) for v in ([1.0, 2.0], [1.0, 2.0]))
    with GradientTape() as tape:
        tape.watch([x, y])
        result = op(x, y)
    for gradient in tape.gradient(result, [x, y]):
        np.testing.assert_array_equal(gradient, [0.5, 0.5])


@pytest.mark.parametrize("name", ["floor", "ceil", "sign"])
def test_steps_have_no_gradient(name: str) -> None:
    x = ops.convert_to_tensor(np.array([0.3, 1.7]))
    with GradientTape() as tape:
        tape.watch(x)
        result = ROWS[name](x)
    assert tape.gradient(result, x) is None


# ---------------------------------------------------------------------- dtypes and arguments

PROMOTED = """
          bool     int8     uint8    int16    uint16   int32    uint32   int64    float16  float32  float64  int      float
bool      bool     int8     uint8    int16    uint16   int32    uint32   int64    float16  float32  float64  int32    float32
int8      int8     int8     int16    int16    int32    int32    int64    int64    float16  float32  float64  int8     float32
uint8     uint8    int16    uint8    int16    uint16   int32    uint32   int64    float16  float32  float64  uint8    float32
int16     int16    int16    int16    int16    int32    int32    int64    int64    float16  float32  float64  int16    float32
uint16    uint16   int32    uint16   int32    uint16   int32    uint32   int64    float16  float32  float64  uint16   float32
int32     int32    int32    int32    int32    int32    int32    int64    int64    float16  float32  float64  int32    float32
uint32    uint32   int64    uint32   int64    uint32   int64    uint32   int64    float16  float32  float64  uint32   float32
int64     int64    int64    int64    int64    int64    int64    int64    int64    float16  float32  float64  int64    float32
float16   float16  float16  float16  float16  float16  float16  float16  float16  float16  float32  float64  float16  float16
float32   float32  float32  float32  float32  float32  float32  float32  float32  float32  float32  float64  float32  float32
float64   float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64  float64
int       int32    int8     uint8    int16    uint16   int32    uint32   int64    float16  float32  float64  int32    float32
float     float32  float32  float32  float32  float32  float32  float32  float32  float16  float32  float64  float32  float32
"""  # noqa: E501  (what Keras 3.15.1 gives on its TensorFlow backend; "int" and "float" are Python scalars)


def test_promotion_equals_keras() -> None:
    header, *lines = (line.split() for line in PROMOTED.strip("\n").splitlines())
    examples = {name: np.ones((), name) for name in header if name not in ("int", "float")}
    examples |= {"int": 1, "float": 1.0}
    for left, *expected in lines:
        for right, dtype in zip(header, expected, strict=True):
            assert ops.add(examples[left], examples[right]).dtype == dtype, (left, right)


@pytest.mark.parametrize(
    ("op", "given", "expected"),
    [
        (ops.true_divide, "int64", "float32"),
        (ops.exp, "bool", "float32"),
        (ops.sqrt, "int8", "float32"),
        (ops.subtract, "bool", "int32"),
        (ops.mod, "uint8", "uint8"),
        (ops.floor_divide, "bool", "int32"),
        (ops.square, "bool", "int32"),
        (ops.relu, "bool", "int32"),
        (ops.floor, "int32", "float32"),
        (ops.equal, "float16", "bool"),
        (ops.exp, "float16", "float16"),
    ],
)
def test_dtype_rules(op: Any, given: str, expected: str) -> None:
    x = np.ones(2, given)
    assert op(*[x] * len(op.parameters)).dtype == expected


def test_names_of_arguments_are_those_of_keras() -> None:
    np.testing.assert_array_equal(ops.subtract(x2=1, x1=np.array([3])), [2])
    np.testing.assert_array_equal(ops.where(condition=[True, False], x1=1, x2=2), [1, 2])
    with pytest.raises(TypeError, match="multiple values|unexpected keyword"):
        ops.exp(1.0, y=2.0)


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(ValueError, match=r"add: .*\(2, 3\) and \(2,\)"):
        ops.add(np.ones((2, 3)), np.ones(2))


def test_cast_and_clip() -> None:
    np.testing.assert_array_equal(ops.cast([-1.7, 0.0, 2.9], "int32"), [-1, 0, 2])
    assert ops.cast(True, "float16").dtype == "float16"
    np.testing.assert_array_equal(ops.clip(np.array([-2, 5]), None, 3), [-2, 3])
    np.testing.assert_array_equal(ops.clip(np.array([-2, 5]), 0, None), [0, 5])


def test_where_without_values_gives_indices() -> None:
    rows_found, columns = ops.where(np.array([[1, 0], [0, 2]]))
    np.testing.assert_array_equal(rows_found, [0, 1])
    np.testing.assert_array_equal(columns, [0, 1])
    with pytest.raises(ValueError, match="both `x1` and `x2`"):
        ops.where([True], 1)
