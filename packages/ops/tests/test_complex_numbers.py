"""Sizes, spreads and products of complex numbers: NumPy's values, at once and traced, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.program import jit

rng = np.random.default_rng(0)
PARTS = rng.normal(size=(3, 2, 2))
Z = PARTS[..., 0] + 1j * PARTS[..., 1]
HOLES = np.where([[True, False], [True, True], [True, True]], Z, np.nan)
HERMITIAN = Z @ Z.conj().T


def normalized(z: Any, order: int) -> Any:
    return z / np.linalg.norm(z, order, axis=-1, keepdims=True)


# name -> ours and NumPy's function, and the array
CASES: dict[str, tuple[Any, Any, Any]] = {
    "abs": (ops.abs, np.abs, Z),
    "absolute": (lambda z: abs(ops.convert_to_tensor(z)), np.absolute, Z),
    "var": (ops.var, np.var, Z),
    "var of an axis": (lambda z: ops.var(z, 0, True), lambda z: z.var(0, keepdims=True), Z),
    "std": (lambda z: ops.std(z, 1), lambda z: z.std(1), Z),
    "nanvar": (lambda z: ops.nanvar(z, 0), lambda z: np.nanvar(z, 0), HOLES),
    "nanstd": (ops.nanstd, np.nanstd, HOLES),
    "moments": (lambda z: ops.moments(z, [0])[1], lambda z: z.var(0), Z),
    "corrcoef": (ops.corrcoef, np.corrcoef, np.concatenate([Z, Z[::-1] ** 2], 1)),
    "vdot": (lambda z: ops.vdot(z, z * 1j + 1), lambda z: np.vdot(z, z * 1j + 1), Z),
    "pinv": (ops.pinv, np.linalg.pinv, Z),
    "normalize": (ops.normalize, lambda z: normalized(z, 2), Z),
    "normalize by sums": (lambda z: ops.normalize(z, -1, 1), lambda z: normalized(z, 1), Z),
    "norm": (ops.norm, np.linalg.norm, Z),
    "nuclear norm": (lambda z: ops.norm(z, "nuc"), lambda z: np.linalg.norm(z, "nuc"), Z),
    "norm of columns": (lambda z: ops.norm(z, 1), lambda z: np.linalg.norm(z, 1), Z),
    "eigh": (lambda z: ops.eigh(z)[0], lambda z: np.linalg.eigh(z)[0], HERMITIAN),
    "matrix_rank": (ops.matrix_rank, np.linalg.matrix_rank, HERMITIAN),
} | {
    f"norm of rows, {order}": (lambda z, n=order: ops.norm(z, n, 1), lambda z, n=order: np.linalg.norm(z, n, 1), Z)
    for order in (None, 0, 1, 3, np.inf)
}


@pytest.mark.parametrize("name", CASES)
def test_equal_to_numpy_at_once_and_traced(name: str) -> None:
    function, reference, z = CASES[name]
    expected = reference(z)
    for found in (function(z), jit(function)(z)):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
        assert found.shape == expected.shape
    single = function(z.astype("complex64"))
    wanted = {"c": "complex64", "f": "float32", "i": "int32"}[expected.dtype.kind]
    assert single.dtype == jit(function)(z.astype("complex64")).dtype == wanted
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-5)


def real_parts(x: Any) -> Any:
    return ops.view_as_real(x) if x.dtype == "complex128" else x


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"pinv", "nuclear norm", "eigh", "matrix_rank"}))
def test_gradients(name: str) -> None:
    function, _, z = CASES[name]
    parts = np.stack([z.real, z.imag], -1)[:, :3] if name == "corrcoef" else PARTS
    check_gradients(lambda x: real_parts(function(ops.view_as_complex(x))), [parts], rtol=1e-4, atol=1e-6)


def test_absolute_values_have_no_slope_at_zero() -> None:
    check = lambda x: ops.abs(ops.view_as_complex(x)) ** 2  # noqa: E731
    check_gradients(check, [np.zeros((2, 2))])


@pytest.mark.parametrize("function", [ops.pinv, lambda z: ops.eigh(z[:2])[1], lambda z: ops.norm(z, 2)])
def test_matrices_without_gradients(function: Any) -> None:
    with pytest.raises(NotImplementedError, match="matrices of complex numbers have no gradient"):
        check_gradients(lambda x: real_parts(function(ops.view_as_complex(x))), [PARTS])
