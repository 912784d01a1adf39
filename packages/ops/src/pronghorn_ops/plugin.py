"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl

MODULES = {
    "activations": """
        celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
        log_sigmoid relu6 selu silu soft_shrink softsign sparse_plus sparse_sigmoid sparsemax
        squareplus swish tanh_shrink threshold
    """,
    "arrays": """
        append arange array array_split bincount convert_to_numpy copy count_nonzero diag diagonal
        diff digitize dstack dtype empty empty_like eye fliplr flipud full_like hstack identity
        in_top_k isin linspace logspace meshgrid ndim repeat roll rot90 searchsorted
        size stack tile trace tri tril triu unique vstack
    """,
    "attention": """
        dot_product_attention
    """,
    "bits": """
        bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
        bitwise_xor left_shift right_shift
    """,
    "blocks": """
        depth_to_space fold space_to_depth unfold
    """,
    "comparisons": """
        cdist corrcoef correlate histogram psnr
    """,
    "complex_numbers": """
        angle conj conjugate imag isreal polar real view_as_complex view_as_real
    """,
    "control": """
        fori_loop map switch vectorized_map
    """,
    "control_flow": """
        cond scan while_loop
    """,
    "convolution": """
        adaptive_average_pool adaptive_max_pool average_pool conv conv_transpose depthwise_conv max_pool separable_conv
    """,
    "crossentropy": """
        binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy
    """,
    "decompositions": """
        cholesky eig eigh lu_factor qr svd
    """,
    "elementwise": """
        allclose cbrt deg2rad divide_no_nan erfc fabs fmax fmin fmod heaviside hypot isclose
        isneginf isposinf logaddexp2 nan_to_num rad2deg saturate_cast sinc
    """,
    "fourier": """
        extract_sequences fft fft2 ifft2 irfft istft rfft stft
    """,
    "functional": """
        associative_scan custom_gradient jvp vectorize
    """,
    "functions": """
        arccos arccosh arcsin arcsinh arctan arctan2 arctanh cosh erf erfinv exp2 isinf
        isnan log10 log2 logaddexp rint round sinh tan trunc
    """,
    "linalg": """
        cross dot einsum inner kron normalize outer tensordot vdot
    """,
    "matrices": """
        cholesky_inverse det inv logdet lstsq matrix_rank norm pinv slogdet solve solve_triangular
    """,
    "nans": """
        nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile
        nanprod nanquantile nanstd nansum nanvar
    """,
    "nn": """
        log_softmax multi_hot one_hot
    """,
    "normalization": """
        batch_normalization layer_normalization rms_normalization
    """,
    "numbers": """
        gcd lcm ldexp nextafter signbit
    """,
    "places": """
        pad slice slice_update split swapaxes take unstack
    """,
    "rearranging": """
        argpartition diagflat dsplit geomspace hsplit rearrange select unravel_index vander view vsplit
    """,
    "primitives.softmax": """
        softmax
    """,
    "running": """
        cumprod cumsum prod
    """,
    "scattering": """
        scatter scatter_update segment_max segment_min segment_prod segment_sum
    """,
    "sorting": """
        argmax argmin argsort sort take_along_axis top_k
    """,
    "statistics": """
        amax amin average logsumexp median moments percentile ptp quantile std trapezoid var
    """,
    "temporal": """
        ctc_decode ctc_loss
    """,
    "windows": """
        bartlett blackman hamming hanning i0 kaiser
    """,
}
"""The functions of each module, under their names in keras.ops."""

DISTRIBUTIONS = ("beta", "binomial", "categorical", "dropout", "gamma", "randint", "shuffle", "truncated_normal")
"""Functions of `random`, offered as "random.gamma" …, which `pronghorn.random` shows."""


PRIMITIVES = {
    "convolution": "convolution place_windows transposed_sizes",
    "recurrent": "ACTIVATIONS activated recurrence",
}
"""What other packages use of the modules of primitives, offered as "primitives.convolution" …"""

NAMESPACES = {
    "image": "pronghorn_ops.image",
    **{name: f"pronghorn_ops.namespaces.{name}" for name in ("linalg", "nn", "numpy")},
}
"""Modules that keras.ops has."""


@hookimpl
def pronghorn_ops() -> dict[str, str]:
    """Name -> "module:attribute"."""
    functions = {name: f"pronghorn_ops.{module}:{name}" for module, names in MODULES.items() for name in names.split()}
    return functions | NAMESPACES | {f"random.{name}": f"pronghorn_ops.random:{name}" for name in DISTRIBUTIONS}


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """What core and other packages use by name, and is no op -> "module:attribute"."""
    primitives = {
        f"primitives.{name}": f"pronghorn_ops.primitives.{module}:{name}"
        for module, names in PRIMITIVES.items()
        for name in names.split()
    }
    return primitives | {
        **{f"host.{name}": f"pronghorn_ops.host:{name}" for name in ("Staged", "known", "results")},
        "image.homography": "pronghorn_ops.image.warping:homography",
        "keras.StatelessScope": "pronghorn_ops.stateless:StatelessScope",
        "keras.stateless_calls": "pronghorn_ops.stateless:run",
        "testing.KernelContract": "pronghorn_ops.kernel_contract:KernelContract",
    }
