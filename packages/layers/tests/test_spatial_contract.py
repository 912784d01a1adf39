"""Convolution, pooling and padding layers keep the contract."""

from __future__ import annotations

from typing import Any

from pronghorn import layers
from pronghorn.layer import Layer
from pronghorn.testing import LayerContract

SHAPES = {1: (2, 7, 4), 2: (2, 6, 5, 4), 3: (2, 4, 5, 3, 2)}

CASES: list[tuple[str, dict[str, Any]]] = [
    # class, arguments
    ("Conv1D", {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    ("Conv2D", {"filters": 6, "kernel_size": (3, 2), "strides": 2, "groups": 2, "activation": "tanh"}),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "same", "data_format": "channels_first"}),
    ("Conv3D", {"filters": 3, "kernel_size": 2, "use_bias": False}),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "strides": 2}),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same"}),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 2, "depth_multiplier": 2}),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 2, "padding": "same"}),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1}),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2}),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
    ("MaxPooling2D", {}),
    ("MaxPooling3D", {}),
    ("AveragePooling1D", {"pool_size": 2}),
    ("AveragePooling2D", {"padding": "same", "data_format": "channels_first"}),
    ("AveragePooling3D", {}),
    ("AdaptiveAveragePooling1D", {"output_size": 3}),
    ("AdaptiveAveragePooling2D", {"output_size": (3, 2)}),
    ("AdaptiveAveragePooling3D", {"output_size": 2}),
    ("AdaptiveMaxPooling1D", {"output_size": 3}),
    ("AdaptiveMaxPooling2D", {"output_size": (3, 2)}),
    ("AdaptiveMaxPooling3D", {"output_size": 2}),
    ("GlobalMaxPooling1D", {}),
    ("GlobalMaxPooling2D", {"keepdims": True}),
    ("GlobalMaxPooling3D", {}),
    ("GlobalAveragePooling1D", {}),
    ("GlobalAveragePooling2D", {"data_format": "channels_first"}),
    ("GlobalAveragePooling3D", {"keepdims": True}),
    ("ZeroPadding1D", {"padding": (1, 2)}),
    ("ZeroPadding2D", {"padding": ((1, 0), (0, 2)), "data_format": "channels_first"}),
    ("ZeroPadding3D", {}),
    ("Cropping1D", {"cropping": (1, 2)}),
    ("Cropping2D", {"cropping": (1, 2), "data_format": "channels_last"}),
    ("Cropping3D", {"cropping": ((1, 0), (0, 2), (1, 1))}),
    ("UpSampling1D", {}),
    ("UpSampling2D", {"interpolation": "bilinear", "size": (2, 3)}),
    ("UpSampling2D", {"data_format": "channels_first"}),
    ("UpSampling3D", {}),
]


def contract(name: str, options: dict[str, Any]) -> type[LayerContract]:
    rank = next(int(character) for character in name if character.isdigit())
    first = 2 if options.get("data_format") == "channels_first" else 1

    def make(self: Any, **common: Any) -> Layer:
        return getattr(layers, name)(**options, **common)  # type: ignore[no-any-return]

    members = {"input_shape": SHAPES[rank], "unknown": tuple(range(first, first + rank)), "make": make}
    return type(f"Test{name}", (LayerContract,), members)


for number, case in enumerate(CASES):
    globals()[f"Test{case[0]}{number}"] = contract(*case)
