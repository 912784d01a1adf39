"""Convolution, pooling and padding layers give Keras's numbers (fixtures/spatial.npz, which make_spatial.py wrote)."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import layers, ops
from pronghorn.layer import Layer

HERE = Path(__file__).with_name("fixtures")
CASES = json.loads((HERE / "spatial.json").read_text())
KERAS = dict(np.load(HERE / "spatial.npz"))
cases = pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{name}-{k}" for k, (name, *_) in enumerate(CASES)])


def made(number: int, **options: Any) -> Layer:
    name, given, shape = CASES[number]
    layer: Layer = getattr(layers, name)(**{**given, **options})
    if options.get("data_format") == "channels_first":
        shape = [shape[0], shape[-1], *shape[1:-1]]
    layer.build(tuple(shape))
    layer.set_weights([KERAS[key] for key in KERAS if key.startswith(f"{number}/weight/")])
    return layer


@cases
def test_values(number: int) -> None:
    y = KERAS[f"{number}/y"]
    found = np.asarray(made(number)(KERAS[f"{number}/x"]))
    np.testing.assert_allclose(found, y, rtol=1e-5, atol=3e-6)


@cases
def test_config(number: int) -> None:
    config = made(number).get_config()
    expected = json.loads(str(KERAS[f"{number}/config"]))
    assert json.loads(json.dumps({k: v for k, v in config.items() if k not in ("name", "dtype")})) == expected


@pytest.mark.parametrize("number", [k for k, (name, given, _) in enumerate(CASES) if "data_format" not in given])
def test_channels_first_is_channels_last_transposed(number: int) -> None:
    if CASES[number][0] in ("Cropping1D", "UpSampling1D"):
        return  # no choice there
    x, y = KERAS[f"{number}/x"], KERAS[f"{number}/y"]
    found = np.asarray(made(number, data_format="channels_first")(np.moveaxis(x, -1, 1)))
    np.testing.assert_allclose(found, np.moveaxis(y, -1, 1), rtol=1e-5, atol=3e-6)


def test_global_average_leaves_masked_steps_out() -> None:
    x = np.arange(12.0, dtype="float32").reshape(2, 3, 2)
    masked = layers.Masking(mask_value=-1.0)(
        np.where(np.array([[[1], [0], [1]], [[1], [1], [1]]]), x, -1).astype("float32")
    )
    found = np.asarray(layers.GlobalAveragePooling1D()(masked))
    np.testing.assert_allclose(found, [x[0, [0, 2]].mean(0), x[1].mean(0)])


@pytest.mark.parametrize("make, message", [
    (lambda: layers.Conv2D(0, 3), "`filters`"),
    (lambda: layers.Conv2D(4, 0), "`kernel_size`"),
    (lambda: layers.Conv2D(4, (3, 3, 3)), "`kernel_size`"),
    (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), "strides"),
    (lambda: layers.Conv2D(4, 3, groups=3), "`groups`"),
    (lambda: layers.Conv2D(4, 3, groups=2).build((None, 8, 8, 3)), "groups"),
    (lambda: layers.Conv2D(4, 3, padding="causal"), "`padding`"),
    (lambda: layers.Conv2D(4, 3).build((None, 2, 8, 3)), "smaller than the windows"),
    (lambda: layers.Conv2D(4, 3).build((None, 8, 8, None)), "channels"),
    (lambda: layers.Conv2D(4, 3)(np.zeros((2, 8, 3), "float32")), "ndim|rank"),
    (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2), "`output_padding`"),
    (lambda: layers.MaxPooling2D(padding="causal"), "`padding`"),
    (lambda: layers.MaxPooling2D(9)(np.zeros((1, 8, 8, 3), "float32")), "smaller than the window"),
    (lambda: layers.Cropping1D(4).compute_output_shape((None, 8, 3)), "`cropping`"),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), "`padding`"),
    (lambda: layers.UpSampling2D(interpolation="cubic"), "`interpolation`"),
])  # fmt: skip
def test_bad_arguments_are_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_defaults_are_shown_for_each_dimension() -> None:
    assert inspect.signature(layers.Conv3D).parameters["strides"].default == (1, 1, 1)
    assert inspect.signature(layers.MaxPooling2D).parameters["pool_size"].default == (2, 2)
    assert inspect.signature(layers.Conv1D).parameters["strides"].default == 1


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match="bicubic.*got 'cubic'"):
        layers.UpSampling2D(interpolation="cubic")


def test_a_convolution_is_one_node_of_a_model() -> None:
    from pronghorn import Input, Model

    inputs = Input((8, 8, 3))
    outputs = layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="relu")(inputs))
    model = Model(inputs, outputs)
    assert [layer.name for layer in model.layers][1:] != [] and model.output_shape == (None, 3, 3, 4)
    assert ops.shape(model(np.zeros((2, 8, 8, 3), "float32"))) == (2, 3, 3, 4)
