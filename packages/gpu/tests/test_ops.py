"""Ops without a contract of their own, against their reference on the host, in every dtype that they take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import dtypes, plugins
from pronghorn.op import Elementwise
from pronghorn.ops import elementwise, random
from pronghorn.ops.linear import product
from pronghorn.ops.reduction import reduce_max, reduce_sum
from pronghorn.ops.shape import gather, permute, scatter_rows
from pronghorn.program import Program
from pronghorn_ops.primitives.recurrent import GRU, LSTM, SIMPLE, activated, recurrence, recurrence_gradient

sys.path.insert(0, str(Path(__file__).parent))
from primitives import primitives  # noqa: E402

pytestmark = pytest.mark.gpu

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
HALVES = ["float16"]
try:
    dtypes.numpy_dtype("bfloat16")
    HALVES.append("bfloat16")
except ImportError:
    pass
RNG = np.random.default_rng(0)


def values(shape: Any, dtype: str = "float32", low: float = -3, high: float = 3) -> Any:
    if dtype == "bool":
        return RNG.random(shape) < 0.5
    if dtype in INTEGERS:
        return RNG.integers(0 if dtype[0] == "u" else -9, 9, shape).astype(dtype)
    return RNG.uniform(low, high, shape).astype(dtypes.numpy_dtype(dtype))


def check(op: Any, arrays: Any, rtol: float = 1e-5, **attrs: Any) -> None:
    """The op in a program, twice (the second time from a captured step), against its reference."""
    program = Program(lambda *tensors: op(*tensors, **attrs))
    want = op.reference(*arrays, **attrs)
    for _ in range(3):
        got = program(*arrays)
    assert [i.kind for i in program.instructions()].count("host") == 0, op.name
    for g, w in zip(
        got if isinstance(got, (tuple, list)) else [got], want if isinstance(want, tuple) else [want], strict=True
    ):
        w = np.asarray(w)
        assert g.shape == w.shape and g.dtype == w.dtype.name
        g, w = (x.astype(np.float64) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x for x in (g.numpy(), w))
        np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol * max(1, np.max(np.abs(w), initial=0)), err_msg=op.name)


def test_every_row_of_the_elementwise_table_at_edges() -> None:
    rows = {name: op for name, op in primitives().items() if isinstance(op, Elementwise)}
    specials = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 1e-40, 3e38, 0.5, 7.0]
    for op in rows.values():
        count = len(op.parameters)
        grid = np.meshgrid(*[specials] * min(count, 2), indexing="ij")
        arrays = [g.ravel().astype(np.float32) for g in grid] + [values(13**2)] * max(count - 2, 0)
        if "c" in op.parameters:
            arrays = [values(13 * 13, "bool"), *arrays[:2]]
        if op.operands == "bool":
            arrays = [a > 0 for a in arrays]
        elif op.name.startswith(("bitwise", "left", "right")):
            arrays = [values(13, "int32") % 5 for _ in range(count)]
        check(op, arrays, rtol=2e-6)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: str) -> None:
    x, y = values(20, dtype), np.concatenate([values(17, dtype), np.zeros(3, dtype)])
    largest = np.full(20, np.iinfo(dtype).max, dtype)
    for op in (elementwise.add, elementwise.subtract, elementwise.multiply, elementwise.floor_divide, elementwise.mod):
        check(op, (x, y), 0)
        check(op, (largest, x), 0)
    for op in (elementwise.negative, elementwise.absolute, elementwise.sign, elementwise.square):
        check(op, (x,), 0)
    check(elementwise.power, (x, np.abs(x) % 4), 0)
    check(product, (values((3, 4), dtype), values((4, 5), dtype)), 0, transpose_a=False, transpose_b=False)
    check(reduce_sum, (values((3, 9), dtype),), 0, axis=(1,), keepdims=False)


@pytest.mark.parametrize("dtype", HALVES)
def test_halves_round_once_for_each_step(dtype: str) -> None:
    x, y = values((4, 6), dtype), values((4, 6), dtype)
    for op in (elementwise.add, elementwise.multiply, elementwise.true_divide):
        check(op, (x, y), 0)
    check(elementwise.exp, (x,), 1e-2)
    check(product, (x, values((6, 3), dtype)), 1e-2, transpose_a=False, transpose_b=False)
    check(reduce_sum, (values((4, 50), dtype),), 1e-2, axis=(1,), keepdims=True)
    check(reduce_max, (x,), 0, axis=(0,), keepdims=False)
    check(permute, (x,), 0, axes=(1, 0))


def test_casts() -> None:
    names = [
        d for d in ("bool", *INTEGERS, "float32", "float64", "float16", "bfloat16") if d != "bfloat16" or d in HALVES
    ]
    for source in names:
        x = values(9, source) if source not in ("float32", "float64", *HALVES) else values(9, source, 0, 9)
        for target in names:
            check(elementwise.cast_op, (x,), 0, dtype=target)


def test_sums_of_many_elements_are_cut_into_parts() -> None:
    check(reduce_sum, (values((3, 700)),), axis=(1,), keepdims=False)
    check(reduce_sum, (values((700, 3)),), axis=(0,), keepdims=False)
    check(reduce_max, (values((2, 300, 2)),), 0, axis=(1,), keepdims=False)


@pytest.mark.parametrize("axes", ((0, 1), (1, 2), (2,)))
def test_moments(axes: tuple[int, ...]) -> None:
    for dtype in ("float32", "float64"):
        check(primitives()["moments"], (values((4, 40, 3), dtype),), axes=axes)


def test_layer_normalization() -> None:
    for shape in ((3, 5), (2, 70, 3), (40, 33)):
        for dtype in ("float32", "float64"):
            x, g = values(shape, dtype), values(shape, dtype)[::-1].copy()
            gamma, beta = values(shape[-1:], dtype), values(shape[-1:], dtype)
            check(primitives()["normalized_rows"], (x, gamma, beta), epsilon=1e-3)
            check(primitives()["normalized_rows_gradient"], (g, x, gamma), epsilon=1e-3)


def test_products_of_deep_matrices_are_cut_into_parts() -> None:
    check(product, (values((3, 90)), values((90, 5))), transpose_a=False, transpose_b=False)
    check(product, (values((2, 90, 3)), values((5, 90))), transpose_a=True, transpose_b=True)


@pytest.mark.parametrize("index", ("int32", "int64"))
def test_gather_and_scatter(index: str) -> None:
    indices = np.array([[3, -1, 0], [2, 2, 1]], index)
    for dtype in ("float32", "uint8", "float64"):
        check(gather, (values((2, 4, 3), dtype), indices), 0, axis=1)
    rows = np.array([3, -1, 0, 3, 3, 2, 4, 0, 1, 3, 3], index)
    for dtype in ("float32", "float64", "int32"):
        check(scatter_rows, (values((11, 2), dtype), rows), 1e-6, rows=5)
    check(scatter_rows, (values((0, 2)), rows[:0]), 0, rows=3)


def test_order() -> None:
    x = values((3, 7, 2))
    x[0, 2, 0] = np.nan
    x[1, 3:5] = x[1, 0]
    order, running = plugins.load("ops", "argsort"), plugins.load("ops", "cumsum")
    for axis in (0, 1, -1):
        program = Program(lambda t, axis=axis: (order(t, axis), running(t, axis)))
        got = program(x)
        np.testing.assert_array_equal(got[0].numpy(), np.argsort(x, axis, kind="stable"))
        np.testing.assert_allclose(got[1].numpy(), np.cumsum(x, axis), rtol=1e-5)
    top = Program(lambda t: plugins.load("ops", "top_k")(t, 3))(x[2].T.copy())
    np.testing.assert_array_equal(top[0].numpy(), np.sort(x[2].T)[:, :-4:-1])
    places = Program(lambda s, v: plugins.load("ops", "searchsorted")(s, v, side="right"))
    sorted_ = np.array([0.0, 1, 1, 2, np.inf], np.float32)
    np.testing.assert_array_equal(places(sorted_, x[2]).numpy(), np.searchsorted(sorted_, x[2], side="right"))
    argmax, argmin = plugins.load("ops", "argmax"), plugins.load("ops", "argmin")
    got = Program(lambda t: (argmax(t, 1), argmin(t, 0), argmax(t)))(x)
    for g, want in zip(got, (np.argmax(x, 1), np.argmin(x, 0), np.argmax(x)), strict=True):
        np.testing.assert_array_equal(g.numpy(), want)


def test_blocks_at_places_that_tensors_name() -> None:
    slice_, update = plugins.load("ops", "slice"), plugins.load("ops", "slice_update")
    x, part, start = values((4, 5)), values((2, 2)), np.array([3, 1], np.int32)
    got = Program(lambda x, part, start: (slice_(x, start, (2, 2)), update(x, start, part)))(x, part, start)
    np.testing.assert_array_equal(got[0].numpy(), x[2:4, 1:3])
    want = x.copy()
    want[2:4, 1:3] = part
    np.testing.assert_array_equal(got[1].numpy(), want)


def test_rows_of_cross_entropies() -> None:
    logits, labels = values((5, 7)), np.array([0, 6, -1, 3, 9], np.int32)
    weights, g = np.abs(values((5, 7))), values(5)
    shares = np.abs(values((5, 7))) + 0.01
    op = primitives()
    check(op["softmax_crossentropy"], (logits, weights))
    check(op["softmax_crossentropy_gradient"], (logits, weights, g))
    check(op["sparse_softmax_crossentropy"], (logits, labels))
    check(op["sparse_softmax_crossentropy_gradient"], (logits, labels, g))
    check(op["probability_crossentropy"], (weights, shares), epsilon=1e-7)
    check(op["probability_crossentropy_gradient"], (weights, shares, g), epsilon=1e-7)
    check(op["log_softmax"], (logits,))
    check(op["log_softmax_gradient"], (logits, weights))


@pytest.mark.parametrize("name", ("bits", "uniform", "normal"))
def test_draws_have_the_bits_of_the_reference(name: str) -> None:
    op = getattr(random, f"random_{name}")
    state = np.array([2**40 + 17, 5, 2**33 + 3], np.int64)
    exact = 1e-6 if name == "normal" else 0
    for dtype in ({},) if name == "bits" else ({"dtype": "float32"}, {"dtype": "float64"}):
        check(op, (state,), exact, shape=(3, 50), call=2, **dtype)


@pytest.mark.parametrize("cell", (SIMPLE, LSTM, GRU, activated("lstm", "elu", "hard_sigmoid")))
@pytest.mark.parametrize("masked", (False, True))
@pytest.mark.parametrize("noisy", (False, True))
def test_recurrences(cell: Any, masked: bool, noisy: bool) -> None:
    steps, batch, units = 3, 2, 3
    x, kernel = values((steps, batch, cell.gates * units)), values((units, cell.gates * units), "float32", -1, 1)
    bias = [values(cell.gates * units)] * cell.bias
    before = [values((batch, units)) for _ in cell.states]
    mask = [np.array([[True, False], [True, True], [False, True]])] * masked
    noise = [values((cell.gates, batch, units))] * noisy
    operands, attrs = (x, kernel, *bias, *before, *mask, *noise), {"cell": cell, "masked": masked, "noisy": noisy}
    check(recurrence, operands, **attrs)
    after = recurrence.reference(*operands, **attrs)
    after = after if isinstance(after, tuple) else (after,)
    gradients = [values((steps, batch, units)) for _ in cell.states]
    check(recurrence_gradient, (kernel, *before, *after, *mask, *noise, *gradients), **attrs)


def test_small_maps_are_cut_into_more_chunks() -> None:
    from pronghorn_gpu.elementwise import CHUNKS, ENOUGH_CHUNKS

    sizes = [1, CHUNKS[-1] + 1, CHUNKS[0] * (ENOUGH_CHUNKS - 1) - 1, CHUNKS[0] * ENOUGH_CHUNKS + 5]
    for size in sizes if CHUNKS[0] < 100 else [*sizes, 1 << 20]:
        check(elementwise.add, (values(size), values(size)), 0)
    found = [_length_of(size) for size in (1, CHUNKS[0] * (ENOUGH_CHUNKS - 1), CHUNKS[0] * ENOUGH_CHUNKS)]
    assert found == [CHUNKS[-1], CHUNKS[1], CHUNKS[0]]


def _length_of(size: int) -> Any:
    from pronghorn.body import Body
    from pronghorn_gpu.elementwise import plan_map
    from pronghorn_gpu.spaces import dense

    (launch,) = plan_map(Body(("float32",), (), (0,)), [dense((size,), [(size,)], 1)])
    return launch.slots[2]
