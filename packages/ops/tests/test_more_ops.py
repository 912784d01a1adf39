"""Windows, NaN, integers, cutting, statistics, complex numbers, Fourier and CTC: NumPy's values, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import Input, ops
from pronghorn.autodiff import GradientTape, check_gradients
from pronghorn.program import jit

rng = np.random.default_rng(0)
X = rng.normal(size=(2, 3, 4))
HOLES = np.where(rng.uniform(size=(2, 3, 4)) < 0.4, np.nan, X)
HOLES[0, 1] = np.nan
V, W = rng.normal(size=7), rng.normal(size=3)
INTS = rng.integers(-20, 20, (2, 5)).astype("int32")


def same(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    if isinstance(expected, (list, tuple)):
        for a, b in zip(found, expected, strict=True):
            same(a, b, rtol)
        return
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-13)
    assert found.shape == np.shape(expected)


REDUCTIONS = ["nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd", "nanmedian"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_without_nan(name: str) -> None:
    for axis in (None, 1, (0, 2)):
        for keepdims in (False, True):
            found = getattr(ops, name)(HOLES, axis=axis, keepdims=keepdims)
            same(found, getattr(np, name)(HOLES, axis=axis, keepdims=keepdims))
    assert getattr(ops, name)(INTS).dtype == ("int32" if name in REDUCTIONS[:4] else "float32")
    check_gradients(lambda x: getattr(ops, name)(x, axis=1), [X])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_places_and_shares_without_nan() -> None:
    whole = np.where(np.isnan(HOLES).all(-1, keepdims=True), 1.0, HOLES)
    for name in ("nanargmax", "nanargmin"):
        same(getattr(ops, name)(whole, axis=-1), getattr(np, name)(whole, axis=-1))
        assert (getattr(ops, name)(HOLES, axis=-1).numpy() == -1).sum() == np.isnan(HOLES).all(-1).sum()
        assert getattr(ops, name)(whole, axis=1, keepdims=True).shape == (2, 1, 4)
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        same(ops.nanquantile(HOLES, [0.1, 0.5], 1, method), np.nanquantile(HOLES, [0.1, 0.5], 1, method=method))
    same(ops.nanquantile(HOLES, 0.3, (0, 2), keepdims=True), np.nanquantile(HOLES, 0.3, (0, 2), keepdims=True))
    same(ops.nanpercentile(HOLES, 30, 0), np.nanpercentile(HOLES, 30, 0))
    for name in ("nancumsum", "nancumprod"):
        same(getattr(ops, name)(HOLES, 1), getattr(np, name)(HOLES, 1))
        assert getattr(ops, name)(HOLES, 1, "float32").dtype == "float32"


ALIKE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "gcd": [((INTS, 12), {})],
    "lcm": [((INTS, np.array([[4], [6]], "int32")), {})],
    "nextafter": [((X, 0.0), {}), ((X, X[::-1]), {})],
    "signbit": [((np.array([-0.0, 0.0, -1.0, np.nan]),), {}), ((INTS,), {})],
    "ldexp": [((X, np.arange(4, dtype="int32")), {})],
    "i0": [((np.array([0.0, 0.5, -3.0, 20.0]),), {})],
    "hsplit": [((X, 3), {}), ((V, [2, 5]), {})],
    "vsplit": [((X, 2), {})],
    "dsplit": [((X, [1, 3]), {})],
    "diagflat": [((X[0, :2, :2],), {"k": -1})],
    "vander": [((W,), {}), ((W, 5), {"increasing": True})],
    "select": [(([X > 1, X < 0], [X, 2 * X], 7.0), {})],
    "unravel_index": [((np.array([0, 5, 23], "int32"), (2, 3, 4)), {})],
    "geomspace": [((np.float64(1.0), np.float64(1000.0), 4), {}), ((X[0, 0] ** 2 + 1, 9.0, 3), {"axis": 1})],
    "corrcoef": [((X[0],), {})],
    "correlate": [((V, W, mode), {}) for mode in ("valid", "same", "full")] + [((W, V, "full"), {})],
    "histogram": [((X,), {}), ((X, 5), {"range": (-1.0, 0.5)}), ((np.ones(3), 4), {})],
    "angle": [((X,), {}), ((X + 1j * X[::-1],), {})],
    "conj": [((X + 1j * X[::-1],), {})],
    "real": [((X + 1j,), {}), ((X,), {})],
    "imag": [((X + 2j * X,), {}), ((X,), {})],
    "isreal": [((np.array([1 + 0j, 2j]),), {}), ((X,), {})],
}


@pytest.mark.parametrize("name", ALIKE)
def test_equal_to_numpy(name: str) -> None:
    for arguments, settings in ALIKE[name]:
        same(getattr(ops, name)(*arguments, **settings), getattr(np, name)(*arguments, **settings), 1e-10)


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hanning"])
def test_windows(name: str) -> None:
    for size in (1, 2, 8, 9):
        np.testing.assert_allclose(getattr(ops, name)(size), getattr(np, name)(size), atol=1e-6)
        np.testing.assert_allclose(ops.kaiser(size, 8.6), np.kaiser(size, 8.6), atol=1e-6)


def test_argpartition_puts_the_kth_in_its_place() -> None:
    found = ops.argpartition(X, 1, axis=1).numpy()
    ordered = np.take_along_axis(X, found, 1)
    np.testing.assert_array_equal(ordered[:, 1], np.sort(X, 1)[:, 1])
    with pytest.raises(ValueError, match="`kth` is 4"):
        ops.argpartition(X, 4)


def test_bytes_as_another_dtype() -> None:
    x = X.astype("float32")
    same(ops.view(x, "int32"), x.view("int32"))
    same(ops.view(ops.view(x, "uint8"), "float32"), x)
    assert ops.view(Input((6,), dtype="uint8"), "int16").shape == (None, 3)
    with pytest.raises(ValueError, match="no whole number of int64"):
        ops.view(x[..., :3], "int64")


def test_rearranging() -> None:
    same(ops.rearrange(X, "a b c -> c (a b)"), X.transpose(2, 0, 1).reshape(4, 6))
    same(ops.rearrange(X, "... (c d) -> d ... c", d=2), X.reshape(2, 3, 2, 2).transpose(3, 0, 1, 2))
    same(ops.rearrange(X, "... c -> (...) 1 c"), X.reshape(6, 1, 4))
    check_gradients(lambda x: ops.rearrange(x, "a b (c d) -> (d a) c b", c=2), [X])
    assert ops.rearrange(Input((4, 6)), "b (p q) c -> b p (q c)", p=2).shape == (None, 2, 12)
    for pattern, message in {
        "a b -> b a": "is for 2 axes",
        "a b c -> a b": "the same names",
        "a b c": "has no '->'",
        "a b (c d) -> a b c d": "does not fit its size 4",
        "a b c -> a [b] c": "cannot read",
    }.items():
        with pytest.raises(ValueError, match=message):
            ops.rearrange(X, pattern)
    with pytest.raises(ValueError, match="has no axis q"):
        ops.rearrange(X, "a b c -> c b a", q=3)


GRADIENTS: dict[str, tuple[Any, list[Any]]] = {
    "cdist": (ops.cdist, [X, X[:, :2] + 0.3]),
    "corrcoef": (ops.corrcoef, [X[0]]),
    "correlate": (lambda a, b: ops.correlate(a, b, "same"), [V, W]),
    "i0": (ops.i0, [W]),
    "geomspace": (lambda a: ops.geomspace(a, 9.0, 4), [X[0] ** 2 + 1]),
    "vander": (lambda a: ops.vander(a, 4), [W]),
    "select": (lambda a, b: ops.select([X > 0], [a], b), [X, X]),
    "psnr": (lambda a, b: ops.psnr(a, b, 2.0), [X, X[::-1] + 0.1]),
    "fft": (lambda a, b: ops.fft((a, b)), [X[0], X[1]]),
    "fft2": (lambda a, b: ops.ifft2(ops.fft2((a, b * 2))), [X[0], X[1]]),
    "rfft": (lambda a: ops.rfft(a, 5), [X]),
    "irfft": (lambda a, b: ops.irfft((a, b), 7), [X[0], X[1]]),
    "stft": (lambda a: ops.stft(a, 4, 2, 4), [V]),
    "istft": (lambda a: ops.istft(ops.stft(a, 4, 2, 4), 4, 2, 4), [V]),
    "polar": (lambda a, b: ops.view_as_real(ops.polar(a, b)), [X[0], X[1]]),
    "complex": (lambda x: ops.angle(ops.conj(ops.view_as_complex(x))) + ops.real(ops.view_as_complex(x)), [X[..., :2]]),
    "complex product": (
        lambda x: ops.view_as_real(ops.multiply(ops.view_as_complex(x), ops.view_as_complex(x[::-1]))), [X[..., :2]],
    ),
    "depth_to_space": (lambda x: ops.space_to_depth(ops.depth_to_space(x, 2), 2), [X.reshape(1, 2, 3, 4)]),
    "fold": (lambda x: ops.fold(ops.unfold(x, 2, stride=1), (2, 3), 2, stride=1), [X.reshape(2, 2, 2, 3)]),
    "attention": (
        lambda q, k, v: ops.dot_product_attention(q, k, v, is_causal=True, attn_logits_soft_cap=2.0),
        [rng.normal(size=(1, 3, 2, 2)), rng.normal(size=(1, 3, 1, 2)), rng.normal(size=(1, 3, 1, 2))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    function, inputs = GRADIENTS[name]
    check_gradients(function, inputs, rtol=1e-4, atol=1e-6)


PLACES = np.array([[0, 1], [3, 2], [0, 1]], "int32")


@pytest.mark.parametrize("reduction", [None, "add", "max", "min", "mul"])
def test_gradients_of_scattering(reduction: Any) -> None:
    table, rows = rng.normal(size=(4, 3, 2)), rng.normal(size=(3, 2))
    function: Any = lambda x, r: ops.scatter_update(x, PLACES, r, reduction)  # noqa: E731
    check_gradients(function, [table, rows], rtol=1e-4)
    expected = table.copy()
    at = tuple(PLACES.T)
    {None: lambda: expected.__setitem__(at, rows), "add": lambda: np.add.at(expected, at, rows),
     "max": lambda: np.maximum.at(expected, at, rows), "min": lambda: np.minimum.at(expected, at, rows),
     "mul": lambda: np.multiply.at(expected, at, rows)}[reduction]()  # fmt: skip
    same(function(table, rows), expected)
    same(jit(function)(ops.convert_to_tensor(table), ops.convert_to_tensor(rows)), expected)


@pytest.mark.parametrize("name", ["segment_sum", "segment_max", "segment_min", "segment_prod"])
def test_segments_leave_out_ids_that_are_none(name: str) -> None:
    rows = rng.normal(size=(5, 2))
    found = getattr(ops, name)(rows, [1, -1, 0, 7, 1], 3)
    combine = {"sum": np.sum, "max": np.max, "min": np.min, "prod": np.prod}[name.split("_")[1]]
    empty = {"sum": 0, "max": -np.inf, "min": np.inf, "prod": 1}[name.split("_")[1]]
    same(found, np.stack([rows[2], combine(rows[[0, 4]], axis=0), np.full(2, empty)]))
    check_gradients(lambda x: getattr(ops, name)(x, [1, 0, 0, 7, 1], 2), [rows], rtol=1e-4)


def test_ctc_loss_by_all_alignments() -> None:
    logits = rng.normal(size=(1, 4, 3))
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for labels in ([1, 2], [1, 1], [2]):
        total = 0.0
        for path in np.ndindex(3, 3, 3, 3):
            merged = [c for k, c in enumerate(path) if k == 0 or c != path[k - 1]]
            if [c for c in merged if c != 0] == labels:
                total += np.exp(sum(log_p[0, t, c] for t, c in enumerate(path)))
        padded = np.array([[*labels, 0, 0]])
        same(ops.ctc_loss(padded, logits, [len(labels)], [4]), [-np.log(total)], 1e-9)
        check_gradients(lambda x, y=padded: ops.ctc_loss(y, x, [np.count_nonzero(y)], [4]), [logits], rtol=1e-4)
    with pytest.raises(ValueError, match="ctc_loss: expected `target`"):
        ops.ctc_loss([1, 2], logits, [2], [4])


def test_ctc_decoding_by_search_finds_what_is_most_probable() -> None:
    logits = np.log(np.array([[[0.6, 0.4], [0.6, 0.4]]]))  # blank blank: 0.36; a in some way: 0.64
    (greedy, _), (searched, scores) = (ops.ctc_decode(logits, [2], strategy) for strategy in ("greedy", "beam_search"))
    assert greedy.numpy().tolist() == [[[-1, -1]]] and searched.numpy().tolist() == [[[1, -1]]]
    same(scores, [[np.log(0.64)]], 1e-6)
    with pytest.raises(ValueError, match="`strategy`"):
        ops.ctc_decode(logits, [2], "best")
    with pytest.raises(ValueError, match="`top_paths`"):
        ops.ctc_decode(logits, [2], "beam_search", 1, 2)


def test_a_gradient_of_ones_own() -> None:
    @ops.custom_gradient
    def clipped(x: Any, y: Any) -> Any:
        def grad(*args: Any, upstream: Any = None) -> Any:
            (upstream,) = args if upstream is None else (upstream,)
            return ops.clip(upstream, -1.0, 1.0) * y, None

        return x * y, grad

    def slope(x: Any, y: Any) -> Any:
        with GradientTape() as tape:
            tape.watch([x, y])
            z = clipped(x, y) * 5.0
        return tape.gradient(z, [x, y], unconnected_gradients="zero")

    x, y = ops.convert_to_tensor(W), ops.convert_to_tensor(W[::-1].copy())
    for function in (slope, jit(slope)):
        same(function(x, y), [W[::-1], np.zeros(3)])

    @ops.custom_gradient
    def wrong(x: Any) -> Any:
        return x * 2, lambda g: (g, g)

    with pytest.raises(ValueError, match="gave 2 results for 1 arguments"), GradientTape() as tape:
        tape.watch(x)
        tape.gradient(wrong(x), x)


def test_derivatives_along_a_direction() -> None:
    direction = rng.normal(size=3)
    value, slope = ops.jvp(ops.sin, (W,), (direction,))
    same([value, slope], [np.sin(W), np.cos(W) * direction])
    value, slope, more = ops.jvp(lambda a, b: ((a * b, a), "more"), (W, W), (direction, direction), has_aux=True)
    same(slope, (2 * W * direction, direction))
    assert more == "more"
    same(jit(lambda x, t: ops.jvp(ops.tanh, (x,), (t,))[1])(W, direction), (1 - np.tanh(W) ** 2) * direction)
    with pytest.raises(ValueError, match="a tangent of shape"):
        ops.jvp(ops.sin, (W,), (direction[:2],))


@pytest.mark.parametrize("reverse", [False, True])
def test_scanning_in_parallel(reverse: bool) -> None:
    def add(a: Any, b: Any) -> Any:
        return ops.add(a, b)

    turned = X[:, ::-1] if reverse else X
    expected = np.cumsum(turned, 1)[:, ::-1] if reverse else np.cumsum(turned, 1)
    same(ops.associative_scan(add, X, reverse, axis=1), expected)
    same(jit(lambda x: ops.associative_scan(add, x, reverse, axis=1))(X), expected)
    check_gradients(lambda x: ops.associative_scan(ops.multiply, x, reverse, axis=-1), [X[0]])

    def affine(a: Any, b: Any) -> Any:
        return a[0] * b[0], a[1] * b[0] + b[1]

    state, expected_states = 0.0, []
    for a, b in zip(V, V[::-1], strict=True):
        state = state * a + b
        expected_states.append(state)
    same(ops.associative_scan(affine, (V, V[::-1].copy()))[1], expected_states)
    with pytest.raises(ValueError, match="one size along axis 0"):
        ops.associative_scan(affine, (V, W))


def test_vectorizing() -> None:
    def distance(a: Any, b: Any) -> Any:
        return ops.sum(ops.square(a - b))

    same(ops.vectorize(distance, signature="(n),(n)->()")(X, X[:1, :, ::-1]), ((X - X[:1, :, ::-1]) ** 2).sum(-1))
    same(ops.vectorize(lambda a, k: ops.where(a > k, a, 0.0), excluded={1})(X, 0.3), np.where(X > 0.3, X, 0))
    same(ops.vectorize(lambda m, v: m @ v, signature="(m,n),(n)->(m)")(X, V[:4]), X @ V[:4])
    with pytest.raises(ValueError, match="is for 2 arguments, got 1"):
        ops.vectorize(distance, signature="(n),(n)->()")(X)


def test_attention_errors() -> None:
    q = rng.normal(size=(1, 3, 2, 2))
    with pytest.raises(NotImplementedError, match="flash_attention"):
        ops.dot_product_attention(q, q, q, flash_attention=True)
    with pytest.raises(ValueError, match="3 heads of `query` cannot share 2"):
        ops.dot_product_attention(q.reshape(1, 2, 3, 2), q, q)
    with pytest.raises(ValueError, match=r"expected \(batch, positions, heads, size\)"):
        ops.dot_product_attention(q[0], q, q)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: ops.gcd(1.5, 2), "must be integers"),
    (lambda: ops.ldexp(1.0, 2.0), "must be integers"),
    (lambda: ops.nextafter(X, W), "do not broadcast"),
    (lambda: ops.dsplit(V, 2), "more than 2 axes"),
    (lambda: ops.vander(X), "must be a vector"),
    (lambda: ops.select([X > 0], [X, X]), "1 conditions and 2 choices"),
    (lambda: ops.correlate(V, W, "half"), "argument `mode`"),
    (lambda: ops.correlate(X, W), "two vectors"),
    (lambda: ops.corrcoef(X), "vector or a matrix"),
    (lambda: ops.cdist(X, X[..., :2]), "of one size"),
    (lambda: ops.histogram(X, 0), "argument `bins`"),
    (lambda: ops.histogram(X, 3, (2, 1)), "argument `range`"),
    (lambda: ops.psnr(X, X[0], 1.0), "one shape"),
    (lambda: ops.fft(X), "tuple of two tensors"),
    (lambda: ops.fft2((V, V)), "at least 2 axes"),
    (lambda: ops.stft(V, 4, 2, 3), "must be at least `sequence_length`"),
    (lambda: ops.stft(V, 4, 2, 4, "cosine"), "unknown window 'cosine'"),
    (lambda: ops.stft(V, 4, 2, 4, W), "must have the shape"),
    (lambda: ops.extract_sequences(V, 9, 1), "cannot be cut"),
    (lambda: ops.depth_to_space(X[None], 3), "do not make blocks"),
    (lambda: ops.space_to_depth(X[None], 3), "cannot be cut into blocks"),
    (lambda: ops.unfold(X, 2), "expected images"),
    (lambda: ops.fold(X, (4, 4), 2), "expected columns"),
    (lambda: ops.view_as_complex(X), r"expected floats \(…, 2\)"),
    (lambda: ops.scatter_update(X, [[0, 0, 0, 0]], [1.0]), "name 4 axes"),
    (lambda: ops.scatter_update(X, [[0.5]], [1.0]), "must be integers"),
    (lambda: ops.scatter_update(X, [[0]], [1.0]), "do not fit"),
    (lambda: ops.scatter_update(X, [[0]], X[:1], "mean"), "unknown reduction 'mean'"),
    (lambda: ops.segment_sum(X, [0]), "an id for each row"),
])  # fmt: skip
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
