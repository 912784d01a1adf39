"""Programs of the long tail of ops: equal to the reference."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pronghorn_ops.primitives
from pronghorn import ops, program
from pronghorn.op import Elementwise, Op
from pronghorn.passes.fuse import REDUCTIONS
from pronghorn.passes.memory import VIEWS
from pronghorn_cpu.executable import KINDS
from pronghorn_cpu.lowering import LOWERINGS

pytestmark = pytest.mark.usefixtures("on_cpu")

HOST_OPS = set(
    """
    nextafter solve triangular_solve det slogdet cholesky qr lu_factor eigh eig svd fourier modified_bessel
    ctc_beam_search real_part imaginary_part of_parts
    """.split()
)
"""Primitives that run on the host in a CPU program. None of them is in the train step of a dense network."""

RNG = np.random.default_rng(1)
IMAGES, KERNEL, DEPTHWISE = (RNG.standard_normal(s) for s in ((3, 7, 8, 5), (3, 3, 18, 5), (3, 3, 5, 1)))
A, P = RNG.standard_normal((6, 7, 5)), RNG.dirichlet(np.ones(5), (6, 7))

LONG = np.where(RNG.uniform(size=(300, 2)) < 0.1, np.nan, RNG.integers(0, 40, (300, 2)).astype("float64"))
EDGES = np.sort(RNG.standard_normal(9))

PROGRAMS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "places of extremes": (lambda a: (ops.argmax(a, -1), ops.argmin(a, 0)), [A]),
    "products": (lambda a: ops.prod(a, 1), [A]),
    "log softmax": (lambda a: ops.log_softmax(a, axis=1), [A]),
    "crossentropy": (lambda y, a: ops.categorical_crossentropy(y, a, from_logits=True), [P, A]),
    "crossentropy of probabilities": (lambda y, p: ops.categorical_crossentropy(y, p), [P, P[::-1]]),
    "one hot": (lambda i: ops.one_hot(i, 7), [np.array([0, 6, 2], "int32")]),
    "depthwise": (lambda x, k: ops.relu(ops.depthwise_conv(x, k) + k[0, 0, :, 0]), [IMAGES, DEPTHWISE]),
    "transposed convolution": (lambda x, k: ops.conv_transpose(x, k, 2, "same"), [IMAGES, KERNEL]),
    "pooling": (lambda x: (ops.max_pool(x, 2), ops.average_pool(x, 3, 2, "same")), [IMAGES]),
    "running sums": (
        lambda a: (ops.cumsum(a, 0), ops.cumsum(a, 1), ops.flip(ops.cumsum(ops.flip(a, -1), -1), -1)),
        [A],
    ),
    "order": (lambda a: [(ops.argsort(a, k), *ops.top_k(ops.round(a), 3)) for k in (0, 1, -1)], [A * 2]),
    "long lines in order": (lambda a: (ops.argsort(a, 0), ops.argsort(-a, 0)), [LONG]),
    "integers in order": (lambda i: (ops.sort(i), ops.top_k(i, 5), ops.cumsum(i)), [np.tile(np.arange(20) % 7, 4)]),
    "insertion points": (lambda a, b: [ops.searchsorted(a, b, side=s) for s in ("left", "right")], [EDGES, A * 2]),
    "moving blocks": (lambda a, i: ops.slice(a, (i, 1, i - 2), (3, 2, 4)), [A, np.array(2, "int32")]),
    "moving updates": (lambda a, i: ops.slice_update(a, (i, 1, i - 2), a[:2, :3, :2]), [A, np.array(3, "int32")]),
    "scattered": (
        lambda a, i: [ops.scatter_update(a, i, a[:5], reduction=r) for r in (None, "add", "max", "min", "mul")],
        [A, np.array([[2], [0], [-1], [2], [0]], "int32")],
    ),
    "segments": (
        lambda a, i: [f(a, i, 4) for f in (ops.segment_sum, ops.segment_max, ops.segment_min, ops.segment_prod)],
        [A, np.array([2, 0, 9, 2, -1, 1], "int32")],
    ),
    "counted": (lambda a: ops.histogram(a, 7), [A]),
    "counts of integers": (lambda i, j: ops.segment_sum(i, j, 5), [np.arange(8), np.arange(8) % 3]),
    "divisors": (lambda i, j: (ops.gcd(i, j), ops.lcm(i, j)), [np.arange(-9, 9), np.full(18, 12)]),
    "signs": (lambda a: (ops.signbit(a), ops.signbit(-a * 0), ops.view(ops.cast(a, "float32"), "uint8")), [A]),
    "bits": (lambda i, j: ops.bitwise_and(i, j), [np.arange(-9, 9), np.full(18, 4)]),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_programs_equal_the_reference(name: str, dtype: str, compare: Callable[..., None]) -> None:
    compare(*PROGRAMS[name], dtype)


def test_the_list_of_host_ops_is_complete() -> None:
    """Every primitive of core and of the long tail is lowered, fused away, control flow, or listed here."""
    homes = (ops, pronghorn_ops, pronghorn_ops.primitives)
    names = [f"{home.__name__}.{m.name}" for home in homes for m in pkgutil.iter_modules(home.__path__)]
    modules = [importlib.import_module(name) for name in names]
    primitives = [x for m in (*modules, program) for x in vars(m).values() if isinstance(x, Op)]
    found = {x.name for x in primitives if not isinstance(x, Elementwise)}
    known = {*LOWERINGS, *REDUCTIONS, *VIEWS, *KINDS, "cast", "broadcast_to"}
    assert found - known == HOST_OPS
