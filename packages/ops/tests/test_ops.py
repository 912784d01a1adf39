"""The long tail against NumPy, and how it is reached."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from pronghorn import ops, plugins, random
from pronghorn.autodiff import check_gradients

rng = np.random.default_rng(0)
X = rng.normal(size=(2, 3, 4))
M = rng.normal(size=(4, 5))


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, (list, tuple)):
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
        assert found.shape == np.shape(expected)


# name -> (arguments, keyword arguments) with which Pronghorn and NumPy are called alike
ALIKE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "eye": [((3,), {}), ((2, 4), {"k": 1})],
    "identity": [((3,), {})],
    "tri": [((3, 4, -1), {})],
    "tril": [((X,), {"k": 1})],
    "triu": [((X,), {"k": -1})],
    "linspace": [
        ((np.float64(1.0), np.float64(3.0), 5), {}),
        ((X[0], X[1], 4), {"endpoint": False, "axis": -1}),
    ],
    "logspace": [((np.float64(0.0), np.float64(2.0), 5), {})],
    "meshgrid": [((M[0], M[:, 0]), {}), ((M[0], M[:, 0], M[1]), {"indexing": "ij"})],
    "tile": [((X, (2, 1)), {}), ((X, (2, 1, 1, 3)), {})],
    "repeat": [((X, 2), {}), ((X, 3), {"axis": 1}), ((X, [1, 0, 2]), {"axis": 1})],
    "roll": [((X, 5), {}), ((X, -1, 1), {}), ((X, (1, 2), (0, 2)), {})],
    "rot90": [((X,), {"k": k, "axes": (0, 2)}) for k in range(-1, 4)],
    "fliplr": [((X,), {})],
    "flipud": [((X,), {})],
    "append": [((X, X), {}), ((X, X), {"axis": 1})],
    "hstack": [(([X, X],), {}), (([M[0], M[1]],), {})],
    "vstack": [(([M[0], M],), {})],
    "dstack": [(([M, M],), {}), (([M[0], M[1]],), {})],
    "array_split": [((X, 3, -1), {}), ((X, [1], 1), {})],
    "diagonal": [((X, 1, 2, 0), {}), ((M, -1), {})],
    "diag": [((M, -2), {}), ((M[0], 1), {}), ((M[0], -1), {})],
    "trace": [((M,), {"offset": 1})],
    "diff": [((X,), {"n": 2}), ((X, 1, 1), {}), ((X > 0,), {})],
    "searchsorted": [((np.sort(M[0]), X), {}), (([1, 2, 2, 3], [2, 0, 9]), {"side": "right"})],
    "digitize": [((X, np.sort(M[0])), {})],
    "isin": [(([1, 2, 3], [3, 1]), {}), (([1, 2, 3], [3, 1]), {"invert": True})],
    "bincount": [(([1, 1, 4],), {"minlength": 7}), (([1, 1, 4],), {"weights": np.array([0.5, 2.0, 3.0])})],
    "count_nonzero": [((X > 0, 1), {})],
    "inner": [((X, M.T), {}), ((2.0, M), {})],
    "vdot": [((M, M + 1), {})],
    "outer": [((M[0], X), {})],
    "kron": [((M, X), {}), ((M[0], M[1]), {})],
    "cross": [((X[:, :, 0], X[:, :, 1]), {}), ((X, X[::-1]), {"axis": 1})],
    "average": [((X, 1), {}), ((X, 1, [1.0, 2.0, 3.0]), {}), ((X,), {"weights": np.abs(X)})],
    "ptp": [((X, (0, 2)), {})],
    "median": [((X,), {"axis": 1}), ((X,), {"axis": (0, 2), "keepdims": True})],
    "quantile": [
        ((X, [0.1, 0.5]), {"axis": 1}),
        ((X, 0.3), {"method": "nearest"}),
        ((X, 0.3), {"method": "lower"}),
    ],
    "percentile": [((X, 30), {"axis": 0, "method": "higher"})],
    "trapezoid": [
        ((X,), {"dx": 0.5}),
        ((X, M[:, 0]), {}),
        ((X, X[:1, :, :1] * 0 + M[0, :3, None]), {"axis": 1}),
    ],
    "fabs": [((X,), {})],
    "deg2rad": [((X,), {})],
    "rad2deg": [((X,), {})],
    "cbrt": [((X,), {})],
    "hypot": [((X, 1e200 * X), {}), ((np.array([0.0, np.inf]), np.array([0.0, 1.0])), {})],
    "logaddexp2": [((X, 1000 * X), {})],
    "fmod": [((X, 0.3), {}), (([-7, 7], [3, -3]), {})],
    "heaviside": [((np.array([-1.0, 0.0, 2.0, np.nan]), 0.5), {})],
    "fmax": [((np.array([np.nan, 1.0, 2.0]), np.array([0.0, np.nan, 3.0])), {})],
    "fmin": [((np.array([np.nan, 1.0, 2.0]), np.array([0.0, np.nan, 3.0])), {})],
    "sinc": [((np.array([0.0, 0.5, -2.0]),), {})],
    "isposinf": [((np.array([np.inf, -np.inf, 1.0]),), {})],
    "isneginf": [((np.array([np.inf, -np.inf, 1.0]),), {})],
    "isclose": [
        ((X, X + 1e-9), {}),
        ((np.array([np.nan, np.inf]), np.array([np.nan, np.inf])), {"equal_nan": True}),
    ],
    "allclose": [((X, X + 1e-9), {}), ((X, X + 1), {})],
    "nan_to_num": [
        ((np.array([np.nan, np.inf, -np.inf, 1.0]),), {}),
        ((np.array([np.nan, np.inf]),), {"posinf": 3.0}),
    ],
    "unique": [((np.array([[3, 1], [3, 2]]),), {}), ((np.array([[3, 1], [3, 1]]),), {"axis": 0})],
}


@pytest.mark.parametrize("name", ALIKE)
def test_equal_to_numpy(name: str) -> None:
    reference = getattr(np, name, None) or np.trapz  # type: ignore[attr-defined,unused-ignore]
    for arguments, settings in ALIKE[name]:
        same(getattr(ops, name)(*arguments, **settings), reference(*arguments, **settings))


@pytest.mark.parametrize(
    "subscripts",
    [
        "ij,jk->ik",
        "bij,bjk",
        "...ij,jk->...ik",
        "abc,cd->abd",
        "abc,cde->abde",
        "aecd,abcd->acbe",
        "i,j->ij",
        "ij->ji",
    ]
    + ["ijk->", "ij,ij->", "...i,...i->...", "ij,jk,kl->il", "bhqd,bhkd->bhqk", "i,ij,j", "ij,k->jk"]
    + ["ii", "ii->i", "iib->b", "iib,b->ib", "bii,i->b", "iii->i", "...ii->...i"],
)
def test_einsum(subscripts: str) -> None:
    sizes = dict.fromkeys("abcdehijklq", 3) | {"a": 2, "c": 4, "j": 4, "k": 2}
    terms = subscripts.split("->")[0].split(",")
    operands = [rng.normal(size=[*((2, 3) if "..." in t else ()), *(sizes[c] for c in t if c != ".")]) for t in terms]
    same(ops.einsum(subscripts, *operands), np.einsum(subscripts, *operands))


def test_einsum_gradients() -> None:
    a, b = rng.normal(size=(2, 2, 3)), rng.normal(size=(2, 3, 2))
    check_gradients(lambda x, y: ops.einsum("bij,bjk->bik", x, y), [a, b], order=2, rtol=1e-4)


def test_einsum_errors() -> None:
    with pytest.raises(ValueError, match="label 'j' of 'ij,jk' has sizes 5 and 4"):
        ops.einsum("ij,jk", M, M)
    with pytest.raises(ValueError, match="is for 2 operands, got 1"):
        ops.einsum("ij,jk", M)
    with pytest.raises(ValueError, match="label 'i' of 'ii' has sizes 4 and 3"):
        ops.einsum("ii", np.ones((4, 3)))
    with pytest.raises(ValueError, match="has 3 labels for an operand of 2 axes"):
        ops.einsum("ijk->i", M)


@pytest.mark.parametrize("keepdims", [False, True])
def test_norms(keepdims: bool) -> None:
    for order in (None, 2, 1, 0, 3, np.inf, -np.inf):
        same(ops.norm(X, order, 1, keepdims), np.linalg.norm(X, order, 1, keepdims))
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        same(ops.norm(X, order, (2, 0), keepdims), np.linalg.norm(X, order, (2, 0), keepdims))
    same(ops.norm(X), np.linalg.norm(X))


def test_normalize() -> None:
    same(ops.normalize(M), M / np.linalg.norm(M, axis=-1, keepdims=True))
    same(ops.normalize(M, 0, 1), M / np.abs(M).sum(0))
    same(ops.normalize(np.zeros(3)), np.zeros(3))


def test_activations() -> None:
    x = np.array([-2.0, -0.7, -0.2, 0.0, 0.3, 1.0, 4.0])
    same(ops.celu(x, 0.5), np.maximum(x, 0) + np.minimum(0, 0.5 * np.expm1(x / 0.5)))
    same(ops.glu(x[:6]), x[:3] / (1 + np.exp(-x[3:6])))
    same(ops.hard_shrink(x), np.where(np.abs(x) > 0.5, x, 0))
    same(ops.soft_shrink(x), np.sign(x) * np.maximum(np.abs(x) - 0.5, 0))
    same(ops.threshold(x, 0.2, 9.0), np.where(x > 0.2, x, 9))
    same(ops.squareplus(x), (x + np.sqrt(x * x + 4)) / 2)
    same(ops.sparse_plus(x), np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)))
    same(ops.sparse_sigmoid(x), np.clip((x + 1) / 2, 0, 1))
    same(ops.sparsemax(np.array([[0.1, 1.1, 0.2], [3.0, 0.0, 0.0]])), [[0, 0.95, 0.05], [1, 0, 0]])
    with pytest.raises(ValueError, match="cannot be halved"):
        ops.glu(x)


def test_labels() -> None:
    same(ops.multi_hot([[0, 1], [2, 2]], 3), [[1, 1, 0], [0, 0, 1]])
    same(ops.in_top_k([2, 0], np.array([[0.1, 0.5, 0.4], [0.3, 0.4, 0.3]]), 1), [False, False])
    same(ops.in_top_k([2, 0], np.array([[0.1, 0.5, 0.4], [0.3, 0.4, 0.3]]), 2), [True, True])


def test_segments_and_scattering() -> None:
    data, ids = M, [2, 0, 2, 3]
    same(ops.segment_sum(data, ids, 5), [M[1], 0 * M[0], M[0] + M[2], M[3], 0 * M[0]])
    same(ops.segment_max(data, ids), [M[1], np.full(5, -np.inf), np.maximum(M[0], M[2]), M[3]])
    expected = np.zeros((3, 4))
    np.add.at(expected, ([0, 2, 0], [1, 3, 1]), [1.0, 2.0, 4.0])
    same(ops.scatter([[0, 1], [2, 3], [0, 1]], np.array([1.0, 2.0, 4.0]), (3, 4)), expected)


def test_unique_of_a_fixed_size() -> None:
    x = np.array([5, 1, 5, 3])
    values, index, inverse, counts = ops.unique(x, True, True, True, True, size=5, fill_value=-1)
    same(values, [1, 3, 5, -1, -1])
    same(index, [1, 3, 0, 1, 1])
    same(inverse, [2, 0, 2, 1])
    same(counts, [1, 1, 2, 0, 0])
    same(ops.unique(x, size=2), [1, 3])


def test_numbers_without_numpy_counterpart() -> None:
    same(ops.erfc(np.array([0.0, 0.5])), [1.0, math.erfc(0.5)])
    same(ops.divide_no_nan(np.array([1.0, 0.0, 3.0]), np.array([0.0, 0.0, 2.0])), [0, 0, 1.5])
    check_gradients(ops.divide_no_nan, [[1.0, 3.0], [-0.5, 2.0]], order=2, rtol=1e-4)
    same(ops.saturate_cast(np.array([-5.0, 100.7, 300.0]), "uint8"), [0, 100, 255])
    same(ops.saturate_cast(np.array([-5, 300], "int32"), "int8"), [-5, 127])


@pytest.mark.parametrize(
    ("draw", "mean", "variance"),
    [
        (lambda n: random.gamma(n, 0.5, seed=1), 0.5, 0.5),
        (lambda n: random.gamma(n, 4.0, dtype="float64", seed=1), 4.0, 4.0),
        (lambda n: random.beta(n, 2.0, 3.0, seed=1), 0.4, 0.04),
        (lambda n: random.binomial(n, 10, 0.3, seed=1), 3.0, 2.1),
        (lambda n: random.binomial(n, 500, 0.8, seed=1), 400.0, 80.0),
    ],
)
def test_distributions(draw: Any, mean: float, variance: float) -> None:
    x = draw((20_000,)).numpy()
    np.testing.assert_allclose([x.mean(), x.var()], [mean, variance], rtol=0.05)


def test_every_function_is_reached_by_its_name_and_documented() -> None:
    for name, reference in plugins.references("ops").items():
        if reference.dist == "pronghorn-ops":
            function = plugins.load("ops", name)
            assert inspect.getdoc(function), name
            assert name.startswith("random.") or name in dir(ops), name
    with pytest.raises(AttributeError):
        ops.no_such_function  # noqa: B018
