"""Expressions in vector IR: values, edges and conversions against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn.body import Body
from pronghorn_cpu.elementwise import plan_map
from pronghorn_cpu.emit import supports
from pronghorn_cpu.spaces import Space

Array = np.ndarray[Any, Any]
Execute = Callable[..., None]
MakeBody = Callable[..., Body]

_erf = np.vectorize(math.erf, otypes=[np.float64])
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "exp": (np.exp, -80, 80),
    "expm1": (np.expm1, -20, 20),
    "log": (np.log, 1e-3, 100),
    "log1p": (np.log1p, -0.9, 10),
    "tanh": (np.tanh, -8, 8),
    "sinh": (np.sinh, -20, 20),
    "cosh": (np.cosh, -20, 20),
    "erf": (_erf, -5, 5),
    "sin": (np.sin, -1000, 1000),
    "cos": (np.cos, -1000, 1000),
    "tan": (np.tan, -1.5, 1.5),
    "asin": (np.arcsin, -1, 1),
    "acos": (np.arccos, -1, 1),
    "atan": (np.arctan, -10, 10),
    "asinh": (np.arcsinh, -100, 100),
    "acosh": (np.arccosh, 1, 100),
    "atanh": (np.arctanh, -1, 1),
    "sqrt": (np.sqrt, 0, 100),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 1e-3, 100),
}
EXACT: dict[str, Callable[[Any], Any]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "rint": np.rint,
    "trunc": np.trunc,
    "sign": np.sign,
    "abs": np.abs,
}
FLOATS = ["float32", "float64"]
INTEGERS = ["int8", "int32", "int64", "uint8", "uint32"]


@pytest.fixture
def evaluate(execute: Execute) -> Callable[..., list[Array]]:
    """The outputs of a body on vectors."""

    def run(body: Body, *inputs: Array) -> list[Array]:
        outputs = [np.zeros(inputs[0].shape, body.dtype(k)) for k in body.outputs]
        space = Space(inputs[0].shape, ((1,),) * len(inputs))
        execute(plan_map(body, [space]), [*inputs, *outputs])
        return outputs

    return run


def edges(dtype: str) -> Array:
    info = np.finfo(dtype)
    some = np.array([0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 9.0, 100.0, 1e6, 1e12, np.inf], dtype)
    ends = np.array([info.max, info.tiny, info.tiny / 4, info.eps], dtype)
    return np.concatenate([some, ends, -some, -ends, np.array([np.nan], dtype)])


def assert_same(got: Array, expected: Array, name: str, ulp: float = 0) -> None:
    """Equal values, NaN where NaN, and the same sign of zero; finite values within `ulp` units in the last
    place.
    """
    with np.errstate(all="ignore"):
        near = np.abs(got - expected) <= ulp * np.spacing(np.abs(expected))
    same = ((got == expected) & (np.signbit(got) == np.signbit(expected))) | (np.isnan(got) & np.isnan(expected))
    wrong = ~(same | (near & (expected != 0)))
    assert not wrong.any(), (name, got[wrong], expected[wrong])


@pytest.mark.parametrize("dtype", FLOATS)
def test_elementary_functions(evaluate: Callable[..., list[Array]], make_body: MakeBody, dtype: str) -> None:
    rng = np.random.default_rng(0)
    count = len(FUNCTIONS)
    body = make_body(
        [dtype] * count,
        *((f"{name}(x)", [k], dtype) for k, name in enumerate(FUNCTIONS)),
        outputs=range(count, 2 * count),
    )
    inputs = [rng.uniform(low, high, 4001).astype(dtype) for _, low, high in FUNCTIONS.values()]
    wide = np.float64 if dtype == "float32" else np.longdouble
    for (name, (reference, *_)), x, got in zip(FUNCTIONS.items(), inputs, evaluate(body, *inputs), strict=True):
        expected = reference(x.astype(wide)).astype(dtype)
        assert_same(got, expected, name, ulp=4)
    with np.errstate(all="ignore"):
        for (name, (reference, *_)), got in zip(
            FUNCTIONS.items(), evaluate(body, *[edges(dtype)] * count), strict=True
        ):
            assert_same(got, reference(edges(dtype)).astype(dtype), name, ulp=4)


@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_functions(evaluate: Callable[..., list[Array]], make_body: MakeBody, dtype: str) -> None:
    body = make_body([dtype], *((f"{n}(x)", [0], dtype) for n in EXACT), outputs=range(1, 1 + len(EXACT)))
    with np.errstate(all="ignore"):
        for (name, reference), got in zip(EXACT.items(), evaluate(body, edges(dtype)), strict=True):
            assert np.array_equal(got, reference(edges(dtype)), equal_nan=True), name


@pytest.mark.parametrize("dtype", FLOATS)
def test_binary_functions(evaluate: Callable[..., list[Array]], make_body: MakeBody, dtype: str) -> None:
    names = {
        "pow": np.power,
        "atan2": np.arctan2,
        "mod": np.mod,
        "floor_divide": np.floor_divide,
        "minimum": np.minimum,
        "maximum": np.maximum,
    }
    body = make_body([dtype, dtype], *((f"{n}(x, y)", [0, 1], dtype) for n in names), outputs=range(2, 2 + len(names)))
    x, y = (m.ravel() for m in np.meshgrid(edges(dtype), edges(dtype)))
    with np.errstate(all="ignore"):
        for (name, reference), got in zip(names.items(), evaluate(body, x, y), strict=True):
            expected = reference(x, y)
            if name in ("minimum", "maximum"):  # which zero wins is not specified
                got, expected = got + 0, expected + 0
            assert_same(got, expected, name, ulp=4)


def test_pow_is_accurate(evaluate: Callable[..., list[Array]], make_body: MakeBody) -> None:
    rng = np.random.default_rng(0)
    for dtype, bound in (("float32", 80), ("float64", 700)):
        x = np.exp(rng.uniform(-10, 10, 4000)).astype(dtype)
        y = (rng.uniform(-bound, bound, 4000) / np.log(x)).astype(dtype)
        [got] = evaluate(make_body([dtype, dtype], ("pow(x, y)", [0, 1], dtype)), x, y)
        wide = np.float64 if dtype == "float32" else np.longdouble
        assert_same(got, (x.astype(wide) ** y.astype(wide)).astype(dtype), dtype, ulp=2)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(evaluate: Callable[..., list[Array]], make_body: MakeBody, dtype: str) -> None:
    info = np.iinfo(dtype)
    values = np.array([0, 1, 2, 3, 7, info.min, info.max, info.max // 3, info.max - 1], dtype)
    if info.min < 0:
        values = np.concatenate([values, np.array([-1, -2, -7], dtype)])
    x, y = (m.ravel() for m in np.meshgrid(values, values))
    cases = {
        "x + y": np.add,
        "x - y": np.subtract,
        "x * y": np.multiply,
        "floor_divide(x, y)": np.floor_divide,
        "mod(x, y)": np.mod,
        "minimum(x, y)": np.minimum,
        "maximum(x, y)": np.maximum,
        "bit_and(x, y)": np.bitwise_and,
        "bit_or(x, y)": np.bitwise_or,
        "bit_xor(x, y)": np.bitwise_xor,
        "shift_left(x, y)": np.left_shift,
        "shift_right(x, y)": np.right_shift,
    }
    body = make_body([dtype, dtype], *((source, [0, 1], dtype) for source in cases), outputs=range(2, 2 + len(cases)))
    with np.errstate(all="ignore"):
        for (source, reference), got in zip(cases.items(), evaluate(body, x, y), strict=True):
            assert np.array_equal(got, reference(x, y)), source
    unary = {"abs(x)": np.abs, "sign(x)": np.sign, "bit_not(x)": np.invert, "-x": np.negative}
    body = make_body([dtype], *((source, [0], dtype) for source in unary), outputs=range(1, 1 + len(unary)))
    for (source, operation), got in zip(unary.items(), evaluate(body, values), strict=True):
        assert np.array_equal(got, operation(values)), source


def test_comparisons_and_conditions(evaluate: Callable[..., list[Array]], make_body: MakeBody) -> None:
    x, y = (m.ravel() for m in np.meshgrid(edges("float32"), edges("float32")))
    sources = [
        "x < y",
        "x <= y",
        "x > y",
        "x >= y",
        "x == y",
        "x != y",
        "isnan(x)",
        "isinf(x)",
        "isfinite(x)",
    ]
    sources += ["x < y and not (y < 1 or x > 2)", "0 < x <= y"]
    parameters = [[0] if source.startswith("is") else [0, 1] for source in sources]
    rows = [(source, which, "bool") for source, which in zip(sources, parameters, strict=True)]
    body = make_body(["float32"] * 2, *rows, outputs=range(2, 2 + len(rows)))
    expected = [x < y, x <= y, x > y, x >= y, x == y, x != y, np.isnan(x), np.isinf(x), np.isfinite(x)]
    expected += [(x < y) & ~((y < 1) | (x > 2)), (x > 0) & (x <= y)]
    for source, got, wanted in zip(sources, evaluate(body, x, y), expected, strict=True):
        assert np.array_equal(got, wanted), source
    [picked] = evaluate(make_body(["bool", "float32"], ("y if x else 0.5", [0, 1], "float32")), x < y, y)
    assert np.array_equal(picked, np.where(x < y, y, np.float32(0.5)), equal_nan=True)


@pytest.mark.parametrize("source", ["float32", "float64", "int32", "int64", "uint8", "bool", "float16"])
def test_casts(evaluate: Callable[..., list[Array]], make_body: MakeBody, source: str) -> None:
    numbers = [
        0,
        1,
        -1,
        2.7,
        -2.7,
        127,
        128,
        300,
        -129,
        70000,
        2**31 - 1,
        2**31,
        2**53 + 1,
        2**63,
        -1e20,
        np.inf,
    ]
    numbers += [-np.inf, np.nan, 65504, 65520, 1e-8, 6e-8, 2049, 2051.5, 1.0009765625 + 1e-9]
    targets = ["float32", "float64", "float16", "int8", "int32", "int64", "uint8", "bool"]
    body = make_body([source], *(("cast(x)", [0], t) for t in targets), outputs=range(1, 1 + len(targets)))
    with np.errstate(all="ignore"):
        x = np.array(numbers).astype(source)
        for target, got in zip(targets, evaluate(body, x), strict=True):
            assert np.array_equal(got, x.astype(target), equal_nan=target.startswith("float")), target


def test_sixteen_bit_floats_round_after_every_step(evaluate: Callable[..., list[Array]], make_body: MakeBody) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(1000).astype(np.float16) for _ in range(2))
    body = make_body(["float16"] * 2, ("x * y", [0, 1], "float16"), ("x + y", [2, 0], "float16"))
    assert np.array_equal(evaluate(body, x, y)[0], x * y + x)


def test_bfloat16_rounds_to_nearest_even(execute: Execute, make_body: MakeBody) -> None:
    x = np.array([1.0, 1.00390625, 1.01171875, -3.3895314e38, np.inf, np.nan, 1e-40], np.float32)
    held = np.zeros(x.shape, np.uint16)
    back = np.zeros_like(x)
    space = Space(x.shape, ((1,),))
    execute(plan_map(make_body(["float32"], ("cast(x)", [0], "bfloat16")), [space]), [x, held])
    execute(plan_map(make_body(["bfloat16"], ("cast(x)", [0], "float32")), [space]), [held, back])
    expected = np.array([1.0, 1.0, 1.015625, -3.3895314e38, np.inf, np.nan, 1e-40], np.float32)
    assert np.array_equal(back[:6], expected[:6], equal_nan=True)
    assert abs(back[6] - 1e-40) < 2.0**-134


def test_supports(make_body: MakeBody) -> None:
    assert supports(make_body(["float32"], ("exp(x)", [0], "float32")))
    assert not supports(make_body(["complex64"], ("x + x", [0], "complex64")))
    assert not supports(make_body(["int32", "int32"], ("pow(x, y)", [0, 1], "int32")))
    assert not supports(make_body(["float32"], ("gamma(x)", [0], "float32")))
