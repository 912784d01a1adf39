"""Every argument of every op that has a default changes what the op gives, or says that it is not supported.

The calls are those of op_calls.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pronghorn_ops")

from op_calls import CALLS, INPUTS, call, function  # noqa: E402

from pronghorn import ops, tree  # noqa: E402
from pronghorn.tensor import Tensor  # noqa: E402

VALUES: dict[str, Any] = {
    "dtype": "float64", "data_format": "channels_first", "seed": 7, "padding": "same", "strides": 2, "method": "lower",
    "interpolation": "nearest", "fill_mode": "nearest", "weights": None, "M": 5, "mode": "full", "axes": (0, 1),
    "initial": 2.0, "window": "hamming", "length": 7, "fft_length": 16, "size": 3, "rcond": 0.5, "tol": 0.5,
    "order": 1, "ord": 1, "reduction": "sum", "strategy": "beam_search", "side": "right", "range": (0.2, 0.6),
}  # fmt: skip
"""Argument -> another value than the default, where that cannot be guessed from it."""


def other(argument: str, default: Any) -> Any:
    if argument == "axis":
        return 0 if default in (None, -1, 1) else 1
    if argument in VALUES:
        return VALUES[argument]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    if isinstance(default, float):
        return default * 0.5 + 0.1
    raise KeyError(f"{argument} = {default!r} needs a value")


def seen(name: str, code: str | None, **changed: Any) -> Any:
    from pronghorn import random

    op = function(name)
    random.set_global_seed(0)

    def run(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(op).bind(*args, **kwargs)
        given = {**bound.arguments}
        spread = [p for p in inspect.signature(op).parameters.values() if p.kind == p.VAR_POSITIONAL]
        if spread:
            return op(*args, **{**kwargs, **changed})
        return op(**{**given, **changed})

    inputs = {key: ops.convert_to_tensor(value) for key, value in INPUTS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CALLS, name, code or CALLS[name])
        result = call(name, run, **inputs)
    return [
        [x.shape, x.dtype, np.asarray(x.numpy(), "complex128").tolist()] if isinstance(x, Tensor) else repr(x)
        for x in tree.flatten(result)
    ]


def walk() -> list[tuple[str, str]]:
    return [
        (name, parameter.name)
        for name, arguments in sorted(CALLS.items())
        if arguments is not None
        for parameter in inspect.signature(function(name)).parameters.values()
        if parameter.default is not parameter.empty
    ]


CROP = "p, 1, 1, target_height=5, target_width=5"
PAD = "p, 1, 1, target_height=12, target_width=12"
BESIDE: dict[str, tuple[str | None, Any]] = {
    **{f"allclose.{key}": ("x, x + 0.01", 0.1) for key in ("rtol", "atol")},
    **{f"isclose.{key}": ("x, x + 0.01", 0.1) for key in ("rtol", "atol")},
    **{f"{name}.equal_nan": ("x / (x * 0) * 0, x / (x * 0) * 0", True) for name in ("allclose", "isclose")},
    "arange.stop": (None, 9), "arange.step": ("1, 5", 2), "array_split.axis": ("t, 2", 1), "split.axis": ("t, 2", 2),
    "average.weights": (None, INPUTS["y"]), "average_pool.strides": ("p, 2", 3), "max_pool.strides": ("p, 2", 3),
    "average_pool.padding": ("p, 3, 2", "same"), "max_pool.padding": ("p, 3, 2", "same"),
    "batch_normalization.offset": ("p, w, w, -1", np.ones(3, "float32")),
    "batch_normalization.scale": ("p, w, w, -1", 2 * np.ones(3, "float32")),
    "bincount.weights": ("i[0]", INPUTS["x"][0]), "bincount.minlength": ("i[0]", 9),
    **{f"{name}.alpha": ("x - 0.5", 0.5) for name in ("celu", "elu")}, "leaky_relu.negative_slope": ("x - 0.5", 0.5),
    "cholesky_inverse.upper": ("ops.cholesky(m)", True),
    **{f"{name}.data_format": ("p[:, :3, :, :], kernel", "channels_first") for name in ("conv",)},
    "conv_transpose.data_format": ("p[:, :3, :, :], transposed_kernel", "channels_first"),
    "depthwise_conv.data_format": ("p[:, :3, :, :], depthwise_kernel", "channels_first"),
    "separable_conv.data_format": ("p[:, :3, :, :], depthwise_kernel, pointwise_kernel", "channels_first"),
    "conv_transpose.strides": ("p, transposed_kernel", 2),
    "conv_transpose.padding": ("p, transposed_kernel, 2", "same"),
    "conv_transpose.output_padding": ("p, transposed_kernel, 2, 'same'", 0),
    "cross.axisa": ("x[:3, :3], y[:3, :3]", 0), "cross.axisb": ("x[:3, :3], y[:3, :3]", 0),
    "cross.axisc": ("x[:3, :3], y[:3, :3]", 0), "cross.axis": ("x[:3, :3], y[:3, :3]", 0),
    "ctc_decode.top_paths": ("t, lengths, 'beam_search'", 2),
    **{f"{name}.{axis}": ("t", 2 if axis == "axis1" else 2) for name in ("diagonal", "trace") for axis in ("axis2",)},
    **{f"{name}.axis1": ("t", 2) for name in ("diagonal", "trace")},
    **{f"dot_product_attention.{key}": (None, value) for key, value in {
        "bias": np.linspace(0, 1, 25).reshape(1, 1, 5, 5).astype("float32"), "mask": np.eye(5, dtype=bool)[None, None],
        "scale": 3.0, "flash_attention": True, "attn_logits_soft_cap": 0.1}.items()},
    "fold.dilation": ("t[:, :4, :4], (5, 5), 2, 1, 0, 2", 2), "fold.stride": ("t[:, :4, :4], (5, 5), 2, 1, 0, 2", 3),
    "fold.padding": ("t[:, :4, :4], (5, 5), 2, 1, 0, 3", 1),
    **{f"image.crop_images.{key}": (CROP, 2) for key in ("top_cropping", "left_cropping")},
    **{f"image.crop_images.{side}_cropping": ("p, 1, 1, 1, 1", 2) for side in ("bottom", "right")},
    "image.crop_images.target_height": (CROP, 4), "image.crop_images.target_width": (CROP, 4),
    "image.crop_images.data_format": ("t[None], 1, 1, 1, 1", "channels_first"),
    **{f"image.pad_images.{key}": (PAD, 2) for key in ("top_padding", "left_padding")},
    **{f"image.pad_images.{side}_padding": ("p, 1, 1, 1, 1", 2) for side in ("bottom", "right")},
    "image.pad_images.target_height": (PAD, 13), "image.pad_images.target_width": (PAD, 13),
    "image.elastic_transform.fill_mode": ("p, 30.0, 1.0, seed=1", "nearest"),
    "image.elastic_transform.fill_value": ("p, 30.0, 1.0, fill_mode='constant', seed=1", 0.5),
    "image.extract_patches.strides": ("p, 2", 3), "image.extract_patches.padding": ("p, 3", "same"),
    "image.extract_patches_3d.strides": ("p[:, None], (1, 2, 2)", 1),
    "image.extract_patches_3d.padding": ("p[:, None], (1, 3, 3)", "same"),
    "image.extract_patches_3d.data_format": ("p[:, None], (1, 2, 2)", "channels_first"),
    "image.gaussian_blur.kernel_size": (None, (5, 5)), "image.gaussian_blur.sigma": (None, (2.0, 2.0)),
    **{f"image.{name}.data_format": ("p[:, :3, :, :3]", "channels_first") for name in (
        "hsv_to_rgb", "rgb_to_hsv", "rgb_to_grayscale")},
    "image.map_coordinates.fill_mode": ("x, (ops.stack([v * 9 - 2] * 2)), 1", "nearest"),
    "image.map_coordinates.fill_value": ("x, (ops.stack([v * 9 - 2] * 2)), 1", 0.5),
    "image.resize.fill_value": ("p, (4, 6), pad_to_aspect_ratio=True", 0.5),
    "image.ssim.filter_size": (None, 3), "image.ssim.data_format": ("p, q, 1.0, filter_size=3", "channels_first"),
    "layer_normalization.gamma": (None, np.arange(6, dtype="float32")), "layer_normalization.epsilon": (None, 0.5),
    "layer_normalization.beta": (None, np.arange(6, dtype="float32")), "matrix_rank.tol": (None, 100.0),
    "meshgrid.indexing": (None, "ij"), "min.initial": (None, 0.0), "multi_hot.num_classes": (None, 9),
    "nan_to_num.nan": ("x / (x * 0) * 0", 2.0), "nan_to_num.posinf": ("x / 0", 2.0),
    "nan_to_num.neginf": ("-x / 0", 2.0),
    "normalize.epsilon": (None, 9.0), "pad.mode": (None, "edge"), "pad.constant_values": (None, 3.0),
    "qr.mode": ("ops.transpose(t, (0, 2, 1))", "complete"), "svd.full_matrices": ("t", False),
    "random.shuffle.seed": ("v", 7),
    "random.dropout.noise_shape": (None, (1, 6)),
    "random.randint.dtype": (None, "int64"), "rms_normalization.scale": (None, np.arange(6, dtype="float32")),
    "rms_normalization.epsilon": (None, 0.5), "rot90.axes": (None, (1, 0)), "scan.xs": (None, INPUTS["y"]),
    "scan.length": ("lambda carry, row: (carry + 1, carry), v, None, 3", 4),
    "scatter_update.reduction": (None, "add"), "searchsorted.side": ("v, v", "right"),
    **{f"segment_{name}.num_segments": (None, 9) for name in ("max", "min", "prod", "sum")},
    "space_to_depth.data_format": ("p[..., :2], 2", "channels_first"),
    "sparse_categorical_crossentropy.axis": ("i[:, 0] % 4, x[:, :4]", 0), "squeeze.axis": ("x[None, :, None]", 0),
    "take_along_axis.axis": ("x, i % 4", 0), "tensordot.axes": ("x, ops.transpose(y), 1", [[0, 1], [1, 0]]),
    "trapezoid.x": (None, INPUTS["y"]), "unfold.padding": (None, 1), "unique.fill_value": ("i, size=9", 7),
    "vander.N": (None, 2), "while_loop.maximum_iterations": (None, 1), "tri.M": (None, 7), "eye.M": (None, 7),
}  # fmt: skip
"""Op and argument -> a call in which it counts (None: that of the table), and its other value."""
EXPLAINED: dict[str, str] = {
    **dict.fromkeys(("convert_to_tensor.sparse", "convert_to_tensor.ragged"), "True is refused; tested in core"),
    **{f"segment_{name}.sorted": "says what is known of the ids" for name in ("max", "min", "prod", "sum")},
    "ctc_decode.beam_width": "more beams find the same path",
    "image.resize.fill_mode": "there is one, others are refused",
    "isin.assume_unique": "says what is known of the values", "jvp.has_aux": "the function must return two",
    "scan.unroll": "the numbers are the same", "scan.recompute": "the numbers are the same",
    "top_k.sorted": "False allows any order", "unique.sorted": "False allows any order",
    "unstack.num": "it is the size, or an error", "where.x1": "comes with x2", "where.x2": "comes with x1",
}  # fmt: skip


@pytest.mark.parametrize(("name", "argument"), walk())
def test_no_argument_is_ignored(name: str, argument: str) -> None:
    if f"{name}.{argument}" in EXPLAINED:
        return
    default = inspect.signature(function(name)).parameters[argument].default
    code, value = BESIDE.get(f"{name}.{argument}", (None, None))
    value = other(argument, default) if value is None else value
    try:
        after = seen(name, code, **{argument: value})
    except NotImplementedError as error:
        assert argument in str(error)
        return
    assert after != seen(name, code), f"{argument}={value!r} changed nothing"
