"""The rows that this package adds to the elementwise table against NumPy, at the edges of each dtype."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from pronghorn import dtypes, ops
from pronghorn.autodiff import GradientTape, check_gradients
from pronghorn.op import Elementwise
from pronghorn_ops import activations, bits, functions

FLOAT = ("float16", "float32", "float64")
INTEGER = ("int8", "uint8", "int16", "int32", "int64")


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


def erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)


def sigmoid(x: Any) -> Any:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)))


def gelu_tanh_slope(x: Any) -> Any:
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * x * (1 + 0.044715 * x * x))
    return 0.5 * (1 + t) + 0.5 * c * x * (1 + 3 * 0.044715 * x * x) * (1 - t * t)


def gelu_erf_slope(x: Any) -> Any:
    return 0.5 * (1 + erf(x / math.sqrt(2))) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def selu(x: Any) -> Any:
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))


# row -> (function in NumPy, dtypes, whether it is only equal to rounding)
UNARY: dict[str, tuple[Any, tuple[str, ...], bool]] = {
    "log2": (np.log2, FLOAT, True),
    "log10": (np.log10, FLOAT, True),
    "exp2": (np.exp2, FLOAT, True),
    "erf": (erf, FLOAT, True),
    "tan": (np.tan, FLOAT, True),
    "arcsin": (np.arcsin, FLOAT, True),
    "arccos": (np.arccos, FLOAT, True),
    "arctan": (np.arctan, FLOAT, True),
    "sinh": (np.sinh, FLOAT, True),
    "cosh": (np.cosh, FLOAT, True),
    "arcsinh": (np.arcsinh, FLOAT, True),
    "arccosh": (np.arccosh, FLOAT, True),
    "arctanh": (np.arctanh, FLOAT, True),
    "trunc": (np.trunc, FLOAT, False),
    "rint": (np.rint, FLOAT, False),
    "isnan": (np.isnan, FLOAT, False),
    "isinf": (np.isinf, FLOAT, False),
    "bitwise_not": (np.bitwise_not, (*INTEGER, "bool"), False),
    "relu6": (lambda x: np.minimum(np.maximum(x, 0), 6), FLOAT, False),
    "log_sigmoid": (lambda x: -np.logaddexp(0, -x), FLOAT, True),
    "silu": (lambda x: x * sigmoid(x), FLOAT, True),
    "softsign": (lambda x: x / (1 + np.abs(x)), FLOAT, True),
    "hard_sigmoid": (lambda x: np.clip(x + 3, 0, 6) / 6, FLOAT, True),
    "hard_tanh": (lambda x: np.where(np.abs(x.astype("float64")) < 1, x, np.sign(x)), (*FLOAT, *INTEGER), False),
    "tanh_shrink": (lambda x: x - np.tanh(x), FLOAT, True),
    "selu": (selu, FLOAT, True),
    "gelu_erf": (lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))), FLOAT, True),
    "gelu_tanh": (gelu_tanh, FLOAT, True),
    "silu_slope": (lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))), FLOAT, True),
    "gelu_erf_slope": (gelu_erf_slope, FLOAT, True),
    "gelu_tanh_slope": (gelu_tanh_slope, FLOAT, True),
}
BINARY: dict[str, tuple[Any, tuple[str, ...], bool]] = {
    "bitwise_and": (np.bitwise_and, (*INTEGER, "bool"), False),
    "bitwise_or": (np.bitwise_or, (*INTEGER, "bool"), False),
    "bitwise_xor": (np.bitwise_xor, (*INTEGER, "bool"), False),
    "logaddexp": (np.logaddexp, FLOAT, True),
    "arctan2": (np.arctan2, FLOAT, True),
    "leaky_relu": (lambda x, y: np.where(x < 0, y * x, x), FLOAT, False),
    "elu": (lambda x, y: np.where(x > 0, x, y * np.expm1(x)), FLOAT, True),
}
SHIFTS = {"bitwise_left_shift", "bitwise_right_shift"}

ROWS = {
    value.name: value
    for module in (activations, bits, functions)
    for value in vars(module).values()
    if isinstance(value, Elementwise)
}


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
    assert {*UNARY, *BINARY, *SHIFTS} == set(ROWS)


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


@pytest.mark.parametrize("dtype", INTEGER)
def test_shifts(dtype: str) -> None:
    x = edges(dtype)
    for by in (0, 1, 3):
        shift = np.array(by, dtype)
        np.testing.assert_array_equal(ops.left_shift(x, shift), np.left_shift(x, shift))
        np.testing.assert_array_equal(ops.right_shift(x, shift), np.right_shift(x, shift))


def test_extremes_do_not_overflow() -> None:
    x = np.array([-1e4, -100.0, 0.0, 100.0, 1e4], "float32")
    np.testing.assert_allclose(ops.log_sigmoid(x), [-1e4, -100, -math.log(2), 0, 0], atol=1e-37, rtol=1e-6)
    np.testing.assert_allclose(ops.logaddexp(x, x), x + math.log(2), rtol=1e-6)


def test_names_and_dtypes() -> None:
    np.testing.assert_array_equal(ops.bitwise_and(x=6, y=3), 2)
    assert ops.relu6(np.ones(2, "int32")).dtype == "float32"


# ---------------------------------------------------------------------- gradients

SMOOTH = [-2.3, -0.7, 0.4, 1.9]
DOMAIN = {
    **dict.fromkeys(["log2", "log10"], [0.2, 0.7, 1.3, 4.0]),
    **dict.fromkeys(["arcsin", "arccos", "arctanh"], [-0.8, -0.1, 0.3, 0.9]),
    "arccosh": [1.1, 1.7, 3.0, 8.0],
}
STEPS = {"trunc", "rint", "isnan", "isinf", "bitwise_not"}


@pytest.mark.parametrize("name", [name for name in UNARY if name not in STEPS])
def test_gradients_to_second_order(name: str) -> None:
    check_gradients(ROWS[name], [DOMAIN.get(name, SMOOTH)], order=2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["logaddexp", "arctan2", "leaky_relu", "elu"])
def test_binary_gradients_and_broadcasting(name: str) -> None:
    x, y = np.array([[-2.3], [0.4], [1.9]]), np.array([0.7, 1.6])
    check_gradients(ROWS[name], [x, y], order=2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["trunc", "rint"])
def test_steps_have_no_gradient(name: str) -> None:
    x = ops.convert_to_tensor(np.array([0.3, 1.7]))
    with GradientTape() as tape:
        tape.watch(x)
        result = ROWS[name](x)
    assert tape.gradient(result, x) is None


# ---------------------------------------------------------------------- composed of rows


def test_rounding_to_places() -> None:
    np.testing.assert_allclose(ops.round(np.array([1.25, -0.35]), 1), [1.2, -0.4])
    np.testing.assert_array_equal(ops.round(np.array([1250.0]), -2), [1200.0])
    np.testing.assert_array_equal(ops.round(np.array([0.5, 1.5, 2.5])), [0, 2, 2])
    assert ops.round(np.array([3], "int8")).dtype == "int8"


def test_activations_with_defaults() -> None:
    x = np.array([-2.0, 0.5])
    np.testing.assert_allclose(ops.leaky_relu(x), [-0.4, 0.5])
    np.testing.assert_allclose(ops.elu(x, 0.5), [0.5 * math.expm1(-2), 0.5])
    np.testing.assert_allclose(ops.gelu(x), gelu_tanh(x))
    np.testing.assert_allclose(ops.gelu(x, approximate=False), 0.5 * x * (1 + erf(x / math.sqrt(2))))
    np.testing.assert_allclose(ops.hard_silu(x), x * np.clip(x + 3, 0, 6) / 6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_erfinv_inverts_erf(dtype: str, tolerance: float) -> None:
    y = np.linspace(-2, 2, 41).astype(dtype)
    np.testing.assert_allclose(ops.erfinv(ops.erf(y)), y, rtol=20 * tolerance, atol=tolerance)
    np.testing.assert_array_equal(ops.erfinv(np.array([-1.0, 1.0])), [-np.inf, np.inf])
    assert np.isnan(ops.erfinv(np.array([1.5])).numpy()).all()
    check_gradients(ops.erfinv, [[-0.9, 0.1, 0.6]], rtol=1e-4)
