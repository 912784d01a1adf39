"""Layers train on the CPU accelerator without a call of the host in a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers

LAYERS: dict[str, Callable[[Any], Any]] = {
    "batch": lambda x: layers.BatchNormalization()(x),
    "batch masked": lambda x: layers.GlobalAveragePooling1D()(layers.BatchNormalization()(layers.Masking()(x))),
    "layer": lambda x: layers.LayerNormalization(axis=[1, 2])(x),
    "group": lambda x: layers.GroupNormalization(2)(x),
    "rms": lambda x: layers.RMSNormalization()(x),
    "unit": lambda x: layers.UnitNormalization()(x),
    "spectral": lambda x: layers.SpectralNormalization(layers.Dense(3))(x),
    "einsum": lambda x: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de")(x),
    "attention": lambda x: layers.Attention(use_scale=True, dropout=0.1)([x, x], use_causal_mask=True),
    "additive": lambda x: layers.AdditiveAttention()([x, x]),
    "heads": lambda x: layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x, use_causal_mask=True),
    "heads masked": lambda x: layers.MultiHeadAttention(2, 3)(x, layers.Masking()(x)),
    "groups": lambda x: layers.GroupQueryAttention(3, 4, 2, use_gate=True)(x, x),
    "numbers": lambda x: layers.Normalization()(layers.Rescaling(2.0)(x)),
    "bins": lambda x: layers.Discretization([0.0, 1.0], output_mode="one_hot")(x),
}


@pytest.mark.parametrize("case", LAYERS)
def test_no_host_call_in_a_train_step(case: str) -> None:
    keras.config.set_accelerator("cpu")
    inputs = keras.Input((4, 6))
    hidden = inputs if case in ("numbers", "bins") else layers.Dense(6)(inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(LAYERS[case](hidden))))
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(8, 4, 6)).astype("float32")
    history = model.fit(x, x[:, 0, :1], batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    listing = str(model.train_program)
    assert " on cpu" in listing and "[host]" not in listing


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
def test_attention_is_an_instruction_in_each_direction(causal: bool, padded: bool) -> None:
    """Whatever the mask; its operations are those of two products, and of five."""
    keras.config.set_accelerator("cpu")
    inputs = keras.Input((6, 8))
    hidden = layers.Dense(8)(layers.Masking()(inputs) if padded else inputs)
    hidden = layers.MultiHeadAttention(2, 3, value_dim=5)(hidden, hidden, use_causal_mask=causal)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(hidden)))
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(4, 6, 8)).astype("float32")
    x[1, 4:] = 0
    model.fit(x, np.ones((4, 1)), batch_size=4, verbose=0)
    found = [i for i in model.train_program.instructions() if i.name.startswith("attention")]
    assert [i.name for i in found] == ["attention", "attention_gradient"]
    scores = 4 * 2 * 6 * 6
    assert [i.flops for i in found] == [2 * scores * (3 + 5), 2 * scores * (3 * 3 + 2 * 5)]
