"""A call of every op, from which programs, models and the table of kernels are made.

Inputs, by name: x, y, z floats (4, 6) between 0.1 and 0.9; i, j integers (4, 6); b bools (4, 6); v, w vectors; t a
batch of sequences (4, 5, 6); m, n symmetric positive matrices (4, 3, 3); p, q images (2, 8, 8, 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

rng = np.random.default_rng(0)


def _floats(*shape: int) -> Any:
    return rng.uniform(0.1, 0.9, shape).astype("float32")


_factors = _floats(2, 4, 3, 3)
INPUTS: dict[str, Any] = {
    **{name: _floats(4, 6) for name in "xyz"},
    **{name: rng.integers(0, 6, (4, 6)).astype("int32") for name in "ij"},
    "b": rng.uniform(size=(4, 6)) < 0.5,
    "v": np.sort(_floats(6)),
    "w": _floats(3),
    "t": _floats(4, 5, 6),
    **dict(zip("mn", _factors @ _factors.swapaxes(-1, -2) + np.eye(3, dtype="float32"), strict=True)),
    **{name: _floats(2, 8, 8, 3) for name in "pq"},
}

_ALIKE = {
    "x": """
        abs absolute all amax amin angle any arccos arcsin arcsinh arctan arctanh argmax argmin argsort cast cbrt ceil
        celu conj conjugate convert_to_tensor copy corrcoef cos cosh count_nonzero cumprod cumsum deg2rad diagflat diff
        elu empty_like erf erfc erfinv exp exp2 expm1 fabs flip fliplr flipud floor gelu glu hard_shrink hard_sigmoid
        hard_silu hard_swish hard_tanh i0 identity imag isfinite isinf isnan isneginf isposinf isreal leaky_relu log
        log10 log1p log2 log_sigmoid log_softmax logsumexp max mean median min nan_to_num nanargmax nanargmin nancumprod
        nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar negative normalize ones_like prod ptp
        rad2deg ravel real reciprocal relu relu6 rfft rms_normalization rot90 round rsqrt selu sigmoid sign signbit silu
        sin sinc sinh soft_shrink softmax softplus softsign sort sparse_plus sparse_sigmoid sparsemax sqrt square
        squareplus squeeze std stop_gradient sum swish tan tanh tanh_shrink trace transpose trapezoid tril triu trunc
        unstack var zeros_like layer_normalization average diagonal norm diag view
    """,
    "x, y": """
        add allclose append arctan2 cdist divide divide_no_nan equal floor_divide fmax fmin fmod greater
        greater_equal heaviside hypot inner isclose isin kron less less_equal logaddexp logaddexp2 maximum minimum mod
        multiply nextafter not_equal outer polar power subtract true_divide vdot binary_crossentropy
        categorical_crossentropy
    """,
    "i, j": """
        bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor gcd lcm left_shift right_shift
    """,
    "i": "bitwise_invert bitwise_not nonzero unique",
    "b": "logical_not",
    "b, b": "logical_and logical_or logical_xor",
    "m": "cholesky cholesky_inverse det eig eigh inv logdet lu_factor matrix_rank pinv qr slogdet svd",
    "m, n": "lstsq matmul solve solve_triangular",
    "[x, y]": "dstack hstack vstack stack concatenate",
    "(x, y)": "fft fft2 ifft2 irfft",
    "5": "bartlett blackman hamming hanning arange eye tri",
    "(2, 3)": "empty ones zeros",
    "p": """
        image.gaussian_blur image.hsv_to_rgb image.rgb_to_grayscale image.rgb_to_hsv image.sobel_edges
    """,
}

CALLS = {name: arguments for arguments, names in _ALIKE.items() for name in names.split()} | {
    "adaptive_average_pool": "p, 3",
    "adaptive_max_pool": "p, 4",
    "arccosh": "x + 1",
    "argpartition": "x, 2",
    "array": "x",
    "array_split": "x, 4, 1",
    "associative_scan": "ops.add, x",
    "average_pool": "p, 3, 2, 'same'",
    "batch_normalization": "p, w, w, -1, w, w",
    "bincount": "i, minlength=6",
    "broadcast_to": "v, (4, 6)",
    "cast": "x, 'float64'",
    "clip": "x, 0.2, 0.7",
    "cond": "x[0, 0] > 0.5, lambda: x * 2, lambda: x + 1",
    "conv": "p, kernel",
    "conv_transpose": "p, transposed_kernel, 2, 'same'",
    "convert_to_numpy": "known",
    "correlate": "v, w",
    "cross": "x[:, :3], y[:, :3]",
    "ctc_decode": "t, lengths",
    "ctc_loss": "labels, t, label_lengths, lengths",
    "custom_gradient": None,
    "depth_to_space": "p[..., :1] * ops.ones(4), 2",
    "depthwise_conv": "p, depthwise_kernel",
    "digitize": "x, [0.2, 0.5, 0.7]",
    "dot": "x, ops.transpose(y)",
    "dot_product_attention": "ops.expand_dims(t, 2), ops.expand_dims(t, 2), ops.expand_dims(t, 2)",
    "dsplit": "t, 3",
    "dtype": "x",
    "einsum": "'ij,kj->ik', x, y",
    "expand_dims": "x, 1",
    "extract_sequences": "x, 3, 2",
    "fold": "t[:, :4], (3, 4), 2",
    "fori_loop": "0, 3, lambda k, a: a * 2 + ops.cast(k, 'float32'), x",
    "full": "(2, 3), 7",
    "full_like": "x, 7",
    "geomspace": "x, y, 5",
    "get_item": "x, (slice(1, 3), 2)",
    "histogram": "x, 5",
    "hsplit": "x, 3",
    "identity": "3",
    "in_top_k": "i[:, 0], x, 2",
    "is_tensor": "x",
    "istft": "(t, t), 8, 4, 10",
    "jvp": "ops.sin, (x,), (y,)",
    "kaiser": "5, 3.0",
    "ldexp": "x, i",
    "linspace": "x, y, 5",
    "logspace": "x, y, 5",
    "map": "lambda row: row * 2, x",
    "max_pool": "p, 2",
    "meshgrid": "v, w",
    "moments": "x, 0",
    "moveaxis": "t, 1, 2",
    "multi_hot": "i, 6",
    "nanpercentile": "x, 30, 1",
    "nanquantile": "x, 0.3, 1",
    "ndim": "x",
    "one_hot": "i, 6",
    "pad": "x, ((1, 2), (0, 1))",
    "percentile": "x, 30, 1",
    "psnr": "x, y, 1.0",
    "quantile": "x, 0.3, 1",
    "rearrange": "t, 'a b (c d) -> a c (b d)', c=2",
    "repeat": "x, 2, 1",
    "reshape": "x, (-1, 3)",
    "roll": "x, 2, 1",
    "saturate_cast": "x * 300, 'uint8'",
    "scan": "lambda carry, row: (carry + row, carry * row), v, x",
    "scatter": "i[:, :1], x, (6, 6)",
    "scatter_update": "x, [[0, 1], [2, 3]], [5.0, 6.0]",
    "searchsorted": "v, x",
    "segment_max": "x, [0, 2, 0, 1], 3",
    "segment_min": "x, [0, 2, 0, 1], 3",
    "segment_prod": "x, [0, 2, 0, 1], 3",
    "segment_sum": "x, [0, 2, 0, 1], 3",
    "select": "[b, x > 0.5], [x, y], z",
    "separable_conv": "p, depthwise_kernel, pointwise_kernel",
    "shape": "x",
    "size": "x",
    "slice": "x, (i[0, 0], 1), (2, 3)",
    "slice_update": "x, (i[0, 0], 1), y[:2, :3]",
    "space_to_depth": "p, 2",
    "sparse_categorical_crossentropy": "i[:, 0], x",
    "split": "x, 3, 1",
    "stft": "x, 4, 2, 4",
    "swapaxes": "t, 1, 2",
    "switch": "i[0, 0], [lambda a: a, lambda a: a * 2], x",
    "take": "x, [0, 2, 2], 1",
    "take_along_axis": "x, i, 1",
    "tensordot": "x, y, [[1], [1]]",
    "threshold": "x, 0.5, 0.0",
    "tile": "x, (2, 1)",
    "top_k": "x, 2",
    "unfold": "ops.moveaxis(p, -1, 1), 2",
    "unravel_index": "i, (2, 3)",
    "vander": "v, 3",
    "vectorize": None,
    "vectorized_map": "lambda row: row * 2, x",
    "view": "x, 'int32'",
    "view_as_complex": "x[:, :2]",
    "view_as_real": "x",
    "vsplit": "x, 2",
    "where": "b, x, y",
    "while_loop": "lambda a: ops.sum(a) < 100, lambda a: (a * 2,), (x,)",
    "image.affine_transform": "p, [1.0, 0.2, 0.5, 0.1, 1.0, 0.3, 0, 0]",
    "image.crop_images": "p, 1, 2, target_height=4, target_width=5",
    "image.elastic_transform": "p, 2.0, 1.0, seed=1",
    "image.extract_patches": "p, 2",
    "image.extract_patches_3d": "ops.expand_dims(p, -1), 2",
    "image.map_coordinates": "x, ops.stack([x * 3, y * 5]), 1",
    "image.pad_images": "p, 1, 2, 3, 4",
    "image.perspective_transform": "p, corners, corners + 0.5",
    "image.resize": "p, (5, 11)",
    "image.scale_and_translate": "p, (2, 5, 8, 3), [0.6], [0.1], [1], 'linear'",
    "image.ssim": "p, q, filter_size=5",
    "random.beta": "(2, 3), 2.0, 3.0, seed=1",
    "random.binomial": "(2, 3), 5, 0.3, seed=1",
    "random.categorical": "x, 3, seed=1",
    "random.dropout": "x, 0.5, seed=1",
    "random.gamma": "(2, 3), 2.0, seed=1",
    "random.normal": "(2, 3), seed=1",
    "random.randint": "(2, 3), 0, 9, seed=1",
    "random.shuffle": "p, seed=1",
    "random.truncated_normal": "(2, 3), seed=1",
    "random.uniform": "(2, 3), seed=1",
}
"""Name in keras.ops, keras.ops.image or keras.random -> the arguments, in Python; None for makers of functions."""

CONSTANTS: dict[str, Any] = {
    "kernel": _floats(3, 3, 3, 4),
    "transposed_kernel": _floats(3, 3, 4, 3),
    "depthwise_kernel": _floats(3, 3, 3, 2),
    "pointwise_kernel": _floats(1, 1, 6, 4),
    "lengths": np.array([5, 5, 4, 5], "int32"),
    "labels": np.array([[1, 2], [3, 0], [2, 2], [4, 0]], "int32"),
    "label_lengths": np.array([2, 1, 2, 1], "int32"),
    "corners": np.array([[0, 0], [7, 0], [0, 7], [7, 7]], "float32"),
    "known": np.ones(3, "float32"),
}


def function(name: str) -> Any:
    """The op of a name."""
    from pronghorn import ops, random

    home, _, last = name.rpartition(".")
    return getattr({"": ops, "image": getattr(ops, "image"), "random": random}[home], last)  # noqa: B009


def call(name: str, op: Any = None, **inputs: Any) -> Any:
    """What the op `name`, or another in its place, gives for its call in the table, on these inputs.

    Among them `ops` may be another module than Pronghorn's.
    """
    if "ops" not in inputs:
        from pronghorn import ops

        inputs["ops"] = ops
    code = f"call_it({CALLS[name]})"
    return eval(code, {"call_it": op or function(name), **CONSTANTS, **inputs})  # the table's own Python


def names_in(name: str) -> list[str]:
    """The inputs that a call reads."""
    code = compile(f"f({CALLS[name]})", name, "eval")
    used = set(code.co_names)
    for constant in code.co_consts:
        used |= set(getattr(constant, "co_names", ()))
    return [key for key in INPUTS if key in used]
