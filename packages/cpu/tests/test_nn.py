"""Row kernels against their formulas in NumPy, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn_cpu.nn import PROGRAMS
from pronghorn_cpu.rows import RowProgram, plan_rows

Array = np.ndarray[Any, Any]
Execute = Callable[..., None]

LOW, HIGH = 1e-7, 1 - 1e-7


def softmax(x: Array) -> Array:
    return np.asarray(np.exp(log_softmax(x)))


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def one_hot(labels: Array, classes: int) -> Array:
    return np.asarray(labels[:, None] == np.arange(classes), dtype=np.float64)


def softmax_crossentropy_gradient(x: Array, q: Array, g: Array) -> Array:
    return np.asarray(g[:, None] * (softmax(x) * q.sum(-1, keepdims=True) - q))


def sparse_gradient(x: Array, labels: Array, g: Array) -> Array:
    return softmax_crossentropy_gradient(x, one_hot(labels, x.shape[1]), g)


def probability_gradient(target: Array, output: Array, g: Array) -> Array:
    total = output.sum(-1, keepdims=True)
    p = output / total
    slope = np.where((p >= LOW) & (p <= HIGH), -target / p, 0)
    return np.asarray(g[:, None] * (slope - (slope * p).sum(-1, keepdims=True)) / total)


REFERENCES: dict[str, Callable[..., Array]] = {
    "softmax": softmax,
    "softmax_gradient": lambda y, g: y * (g - (g * y).sum(-1, keepdims=True)),
    "log_softmax": log_softmax,
    "log_softmax_gradient": lambda y, g: g - np.exp(y) * g.sum(-1, keepdims=True),
    "softmax_crossentropy": lambda x, q: -(q * log_softmax(x)).sum(-1),
    "softmax_crossentropy_gradient": softmax_crossentropy_gradient,
    "sparse_softmax_crossentropy": lambda x, labels: -(one_hot(labels, x.shape[1]) * log_softmax(x)).sum(-1),
    "sparse_softmax_crossentropy_gradient": sparse_gradient,
    "probability_crossentropy": lambda t, o: -(t * np.log(np.clip(o / o.sum(-1, keepdims=True), LOW, HIGH))).sum(-1),
    "probability_crossentropy_gradient": probability_gradient,
}


def operands(program: RowProgram, shape: tuple[int, int], dtype: str) -> list[Array]:
    rng = np.random.default_rng(0)
    made = []
    for operand in program.inputs:
        name, role = operand.split(": ")
        if role == "label":  # some are no class
            made.append(rng.integers(-1, shape[1] + 1, shape[0]).astype(np.int32))
            continue
        x = rng.standard_normal(shape if role == "row" else shape[0]) * 3
        probabilities = name in ("target", "output", "y") or operand == "labels: row"
        made.append((softmax(x) if probabilities else x).astype(dtype))
    return made


def launch(name: str, arrays: list[Array], out: Array, shape: tuple[int, int]) -> Any:
    program = PROGRAMS[name]
    parameters = (LOW, HIGH) if program.parameters else ()
    (only,) = plan_rows(program, [str(a.dtype) for a in [*arrays, out]], *shape, parameters=parameters)
    return only


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_values(execute: Execute, name: str, dtype: str) -> None:
    for shape in [(128, 10), (1, 1), (7, 16), (5, 17), (0, 4), (3, 1000)]:
        if not shape[0]:
            arrays = [a[:0] for a in operands(PROGRAMS[name], (1, shape[1]), dtype)]
        else:
            arrays = operands(PROGRAMS[name], shape, dtype)
        rows = PROGRAMS[name].outputs[0].endswith("row")
        results = []
        for threads in (1, 2, 4):
            out = np.zeros(shape if rows else shape[0], dtype)
            execute(launch(name, arrays, out, shape), [*arrays, out], threads)
            results.append(out)
        if not shape[0]:
            continue
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
        tolerance = 1e-5 if dtype == "float32" else 1e-13
        assert np.allclose(results[0], REFERENCES[name](*wide), rtol=tolerance, atol=tolerance), shape
        assert len({out.tobytes() for out in results}) == 1


def test_softmax_at_the_edges(execute: Execute) -> None:
    x = np.array([[1e30, 0, 0], [-np.inf, 0, 0], [np.nan, 0, 0], [88, -88, 0], [1e-40, 0, -0.0]], np.float32)
    y = np.zeros_like(x)
    execute(launch("softmax", [x], y, x.shape), [x, y])
    assert np.array_equal(y[0], [1, 0, 0]) and np.array_equal(y[1], [0, 0.5, 0.5]) and np.isnan(y[2]).all()
    assert y[3, 0] == 1 and np.allclose(y[4], 1 / 3)


def test_clipped_probabilities(execute: Execute) -> None:
    output = np.array([[1, 0, 0], [2, 2, 0]], np.float32)
    target = np.array([[0, 1, 0], [0, 0, 1]], np.float32)
    g = np.ones(2, np.float32)
    loss, slope = np.zeros(2, np.float32), np.ones((2, 3), np.float32)
    execute(launch("probability_crossentropy", [target, output], loss, (2, 3)), [target, output, loss])
    execute(
        launch("probability_crossentropy_gradient", [target, output, g], slope, (2, 3)),
        [target, output, g, slope],
    )
    assert np.allclose(loss, -np.log(1e-7))
    assert np.array_equal(slope, np.zeros((2, 3)))


def test_sixteen_bit_rows(execute: Execute) -> None:
    x = np.random.default_rng(0).standard_normal((6, 20)).astype(np.float16)
    y = np.zeros_like(x)
    execute(launch("softmax", [x], y, x.shape), [x, y])
    assert np.allclose(y, softmax(x.astype(np.float64)), rtol=1e-3)
