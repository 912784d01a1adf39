"""Normalizations, attention and layers of numbers: Keras's values (fixtures/normalization.npz, which
fixtures/make_normalization.py wrote with real Keras), errors, and what `adapt` takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops, tree
from pronghorn.layer import get_mask, set_mask
from pronghorn.tensor import convert_to_tensor
from pronghorn.testing import Descent
from pronghorn.testing.layers import squared_error

FIXTURES = Path(__file__).with_name("fixtures")
KERAS = dict(np.load(FIXTURES / "normalization.npz"))
CASES = json.loads((FIXTURES / "normalization.json").read_text())
X, VALUE, MASK, VALUE_MASK = (KERAS[name] for name in ("x", "value", "mask", "value_mask"))
RTOL = {"half": 2e-3}
"""Of cases whose names end so: the outputs are rounded to 11 bits."""


def expected(case: str, what: str) -> list[Any]:
    return [KERAS[f"{case}/{what}/{i}"] for i in range(20) if f"{case}/{what}/{i}" in KERAS]


def compare(case: str, layer: Any, outputs: Any, rows: Any = ...) -> None:
    """`rows` of the outputs, and the weights afterwards."""
    rtol = RTOL.get(case.split()[-1], 2e-5)
    for what, found, chosen in (("outputs", tree.flatten(outputs), rows), ("after", layer.weights, ...)):
        for a, b in zip(found, expected(case, what), strict=True):
            a = ops.cast(a, str(b.dtype)).numpy()
            assert a.shape == b.shape
            if chosen is not ... and a.ndim == 4:  # scores of heads
                a, b = a.swapaxes(1, 2), b.swapaxes(1, 2)
            np.testing.assert_allclose(a[chosen], b[chosen], rtol=rtol, atol=rtol / 2, err_msg=what)


@pytest.mark.parametrize("case", CASES["normalization"])
def test_normalization(case: str) -> None:
    name, options, call = CASES["normalization"][case]
    if name == "SpectralNormalization":
        options = {**options, "layer": layers.Dense(3)}
    layer = getattr(layers, name)(**options)
    layer.build(X.shape)
    layer.set_weights(expected(case, "weights"))
    masked = {"mask": convert_to_tensor(MASK)} if call.get("masked") else {}
    compare(case, layer, layer(X, **{k: v for k, v in call.items() if k != "masked"}, **masked))


@pytest.mark.parametrize("case", CASES["attention"])
def test_attention(case: str) -> None:
    name, options, call = CASES["attention"][case]
    layer = getattr(layers, name)(**options)
    heads = "num_heads" in options or "head_dim" in options
    x, value = convert_to_tensor(X), convert_to_tensor(VALUE)
    inputs: Any = (x, value) if heads else ([x, value],)
    layer(*inputs)
    layer.set_weights(expected(case, "weights"))
    if call.get("masked"):
        set_mask(x, convert_to_tensor(MASK))
        set_mask(value, convert_to_tensor(VALUE_MASK))
    outputs = layer(*inputs, **{k: v for k, v in call.items() if k != "masked"})
    # Of heads, Keras gives masked rows zeros or whatever there was; they count nowhere.
    compare(case, layer, outputs, MASK if heads and call.get("masked") else ...)
    assert get_mask(tree.flatten(outputs)[0]) is get_mask(x)


@pytest.mark.parametrize("case", CASES["numbers"])
def test_numbers(case: str) -> None:
    name, options, inputs = CASES["numbers"][case]
    layer = getattr(layers, name)(**options)
    if "num_bins" in options or (name == "Normalization" and "mean" not in options):
        layer.adapt(X)
    compare(case, layer, layer(X if inputs is None else np.array(inputs)))


def test_moving_statistics_in_fit_and_evaluate() -> None:
    """They follow the batches in training, and nothing moves them in evaluate and predict, or when frozen."""
    x = np.random.default_rng(0).normal(3, 2, (64, 4)).astype("float32")
    layer = layers.BatchNormalization(momentum=0.5)
    model = keras.Sequential([layer, layers.Dense(1)])
    model.compile(Descent(0.01), squared_error)
    model.fit(x, x[:, :1], batch_size=32, epochs=20, verbose=0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), x.mean(0), atol=0.6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), x.var(0), rtol=0.4)
    before = [v.numpy() for v in (layer.moving_mean, layer.moving_variance)]
    model.evaluate(x, x[:, :1], verbose=0)
    model.predict(x, verbose=0)
    layer.trainable = False
    model.compile(Descent(0.01), squared_error)
    model.fit(x, x[:, :1], verbose=0)
    for value, variable in zip(before, (layer.moving_mean, layer.moving_variance), strict=True):
        np.testing.assert_array_equal(value, variable.numpy())


def test_statistics_of_a_masked_batch_are_those_of_its_steps() -> None:
    masked, trimmed = layers.BatchNormalization(), layers.BatchNormalization()
    outputs = masked(X, mask=convert_to_tensor(np.arange(4) < np.full((3, 1), 2)), training=True)
    wanted = trimmed(X[:, :2], training=True)
    np.testing.assert_allclose(outputs.numpy()[:, :2], wanted.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(masked.moving_variance.numpy(), trimmed.moving_variance.numpy(), rtol=1e-5)
    nothing = masked(X, mask=convert_to_tensor(np.zeros((3, 4), bool)), training=True)
    assert np.isfinite(nothing.numpy()).all()


def test_large_means_do_not_cost_the_variance() -> None:
    x = (X + 10_000).astype("float32")
    found = layers.LayerNormalization(epsilon=1e-6)(x).numpy()
    wide = x.astype("float64")
    wanted = (wide - wide.mean(-1, keepdims=True)) / wide.std(-1, keepdims=True)
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_attention_over_two_axes() -> None:
    """As over one that has all places, with a mask of places."""
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    both = layers.MultiHeadAttention(2, 3)
    outputs, weights = both(x, x, return_attention_scores=True)
    assert weights.shape == (2, 2, 2, 3, 2, 3)
    flat = layers.MultiHeadAttention(2, 3)
    flat.build((2, 6, 4), (2, 6, 4))
    flat.set_weights(both.get_weights())
    np.testing.assert_allclose(
        outputs.numpy().reshape(2, 6, 4), flat(x.reshape(2, 6, 4), x.reshape(2, 6, 4)).numpy(), rtol=1e-5, atol=1e-6
    )
    allowed = np.random.default_rng(1).random((2, 6, 6)) < 0.7
    found = both(x, x, attention_mask=allowed.reshape(2, 2, 3, 2, 3)).numpy().reshape(2, 6, 4)
    wanted = flat(x.reshape(2, 6, 4), x.reshape(2, 6, 4), attention_mask=allowed).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_names_and_files(tmp_path: Path) -> None:
    """Paths of variables are Keras's, and a file brings everything back."""
    query, value = keras.Input((4, 6)), keras.Input((5, 6))
    attended = layers.MultiHeadAttention(2, 3, name="mha")(query, value)
    grouped = layers.GroupQueryAttention(3, 4, 2, name="gqa")(query, value, use_causal_mask=True)
    mixed = layers.Attention(use_scale=True)([layers.LayerNormalization()(attended), grouped])
    normal = layers.Normalization()
    normal.adapt(X)
    bins = layers.Discretization(num_bins=3, output_mode="one_hot")
    bins.adapt(X)
    spectral = layers.SpectralNormalization(layers.Dense(2, name="inner"))
    model = keras.Model([query, value], [spectral(layers.BatchNormalization()(mixed)), normal(query), bins(query)])
    for layer in ("mha", "gqa"):
        paths = [v.path for v in model.get_layer(layer).weights]
        names = ("query", "key", "value", "attention_output")
        assert paths == [f"{layer}/{name}/{kind}" for name in names for kind in ("kernel", "bias")]
    assert [v.name for v in normal.weights] == ["mean", "variance", "count"]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for found, wanted in zip(again([X, VALUE]), model([X, VALUE]), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


@pytest.mark.parametrize(
    "data",
    [
        lambda: X,
        lambda: convert_to_tensor(X),
        lambda: [X[:1], X[1:]],
        lambda: iter([X[:2], X[2:]]),
        lambda: [(X[:1], np.zeros(1)), (X[1:], np.zeros(2))],
    ],
)
def test_adapt_takes_arrays_and_iterables(data: Callable[[], Any]) -> None:
    layer = layers.Normalization()
    layer.adapt(data())
    np.testing.assert_allclose(layer.mean.numpy().ravel(), X.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(layer.variance.numpy().ravel(), X.var((0, 1)), rtol=1e-5)
    bins = layers.Discretization(num_bins=4)
    bins.adapt(data())
    np.testing.assert_allclose(bins.bin_boundaries, np.quantile(X, [0.25, 0.5, 0.75]), atol=0.2)


def test_a_program_sees_what_adapt_found() -> None:
    layer = layers.Normalization()
    model = keras.Sequential([keras.Input((6,)), layer])
    before = model.predict(X[0], verbose=0)
    layer.adapt(X[0] * 2)
    assert not np.allclose(model.predict(X[0], verbose=0), before)


def test_rescaling_of_channels_first() -> None:
    images = np.ones((1, 2, 3, 3), "uint8")
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        outputs = layers.Rescaling([1.0, 2.0])(images)
    finally:
        keras.config.set_image_data_format(before)
    np.testing.assert_array_equal(outputs.numpy()[0, :, 0, 0], [1, 2])


def test_nan_falls_into_the_last_bin() -> None:
    np.testing.assert_array_equal(layers.Discretization([0.0, 1.0])(np.array([np.nan, -1, 0, 1])).numpy(), [2, 0, 1, 2])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: layers.BatchNormalization(axis="c"), "`axis` must be a whole number, got 'c'"),
        (lambda: layers.BatchNormalization(axis=4)(X), "axis 4 does not exist in inputs of shape"),
        (lambda: layers.BatchNormalization()(keras.Input((None,))), "axis -1 has no known size"),
        (lambda: layers.BatchNormalization()(X, mask=convert_to_tensor(MASK[:, :3]), training=True), "does not fit"),
        (lambda: layers.LayerNormalization(axis=[1, 5])(X), "axis 5 does not exist"),
        (lambda: layers.GroupNormalization(4)(X), "must divide the number of channels, got 4 for inputs with 6"),
        (lambda: layers.GroupNormalization(0), "`groups`: expected a whole number of at least 1, got 0"),
        (lambda: layers.SpectralNormalization(layers.Dense(2), power_iterations=0), "`power_iterations`"),
        (lambda: layers.SpectralNormalization(layers.ReLU())(X), "ReLU has neither `kernel` nor `embeddings`"),
        (lambda: layers.EinsumDense("ab->b", 2)(X), "must have the form"),
        (lambda: layers.EinsumDense("ab,bc->ac", 2)(X), r"the inputs' shape \(3, 4, 6\) does not fit"),
        (lambda: layers.EinsumDense("abc,cd->abd", (5, 2))(X), "label 'b' has size 4 in the inputs and 5"),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, None))(X), "the size of 'd' in the kernel is not known"),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 2), bias_axes="x")(X), "must name labels of the outputs"),
        (lambda: layers.Attention(score_mode="product"), "`score_mode` must be 'dot' or 'concat'"),
        (lambda: layers.Attention()(X), r"takes \[query, value\] or \[query, value, key\]"),
        (lambda: layers.MultiHeadAttention(0, 2), "`num_heads`: expected a whole number"),
        (lambda: layers.MultiHeadAttention(2, 2)(X, X, VALUE), "value and key must have the same sizes"),
        (lambda: layers.MultiHeadAttention(2, 2)(X, X, attention_mask=MASK), r"a mask of shape \(3, 4\)"),
        (lambda: layers.MultiHeadAttention(2, 2)(X[0], X[0]), r"query and value must be \(batch, steps, features\)"),
        (lambda: layers.GroupQueryAttention(2, 3, 2), "`num_query_heads` must be a multiple"),
        (lambda: layers.Normalization(mean=1.0), "give both `mean` and `variance`"),
        (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(X), "adapt has nothing to do"),
        (lambda: layers.Normalization().adapt([]), "adapt got no batches"),
        (lambda: layers.Normalization().adapt([X, X[..., :3]]), "it was built for"),
        (lambda: layers.Normalization()(keras.Input((None,))), "must be known"),
        (lambda: layers.CategoryEncoding(), "`num_tokens`: expected a whole number of at least 1, got None"),
        (lambda: layers.CategoryEncoding(3, "hot"), "`output_mode` must be one of 'multi_hot', 'one_hot', 'count'"),
        (lambda: layers.CategoryEncoding(3)(np.array([1]), count_weights=np.ones(1)), "is for output_mode='count'"),
        (lambda: layers.Discretization(), "give either `bin_boundaries` or `num_bins`"),
        (lambda: layers.Discretization(num_bins=2)(X), "has no boundaries yet"),
        (lambda: layers.Discretization([1.0]).adapt(X), "adapt has nothing to do"),
    ],
)
def test_bad_arguments(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        wrong()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: layers.BatchNormalization(renorm=True),
        lambda: layers.BatchNormalization(synchronized=True),
        lambda: layers.MultiHeadAttention(2, 2, flash_attention=True),
        lambda: layers.EinsumDense("ab,bc->ac", 2, gptq_unpacked_column_size=2),
        lambda: layers.CategoryEncoding(3, sparse=True),
    ],
)
def test_what_is_not_supported_says_so(wrong: Callable[[], Any]) -> None:
    with pytest.raises(NotImplementedError, match="supported"):
        wrong()


@pytest.mark.parametrize(
    ("layer", "keys"),
    [
        (layers.BatchNormalization, "axis momentum epsilon center scale beta_initializer gamma_initializer "
            "moving_mean_initializer moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint "
            "gamma_constraint synchronized renorm renorm_clipping renorm_momentum"),
        (layers.LayerNormalization, "axis epsilon center scale rms_scaling beta_initializer gamma_initializer "
            "beta_regularizer gamma_regularizer beta_constraint gamma_constraint"),
        (lambda: layers.EinsumDense("ab,bc->ac", 2), "output_shape equation activation bias_axes kernel_initializer "
            "bias_initializer kernel_regularizer bias_regularizer activity_regularizer kernel_constraint "
            "bias_constraint quantization_config"),
        (layers.Attention, "use_scale score_mode dropout seed"),
        (layers.AdditiveAttention, "use_scale dropout seed"),
        (lambda: layers.MultiHeadAttention(2, 3), "num_heads key_dim value_dim dropout use_bias use_gate output_shape "
            "attention_axes sliding_window kernel_initializer bias_initializer kernel_regularizer bias_regularizer "
            "activity_regularizer kernel_constraint bias_constraint seed"),
        (lambda: layers.GroupQueryAttention(3, 4, 2), "head_dim num_query_heads num_key_value_heads use_bias use_gate "
            "sliding_window dropout kernel_initializer bias_initializer kernel_regularizer bias_regularizer "
            "activity_regularizer kernel_constraint bias_constraint seed"),
        (layers.Normalization, "axis invert mean variance"),
        (lambda: layers.CategoryEncoding(3), "num_tokens output_mode"),
        (lambda: layers.Rescaling(2), "scale offset"),
    ],
)  # fmt: skip
def test_config_has_the_keys_of_keras(layer: Callable[[], Any], keys: str) -> None:
    assert set(layer().get_config()) == {"name", "trainable", "dtype", *keys.split()}


def test_config_of_discretization() -> None:
    config = layers.Discretization([1.0], name="d").get_config()
    assert config == {
        "bin_boundaries": [1.0],
        "num_bins": None,
        "epsilon": 0.01,
        "output_mode": "int",
        "sparse": False,
        "name": "d",
        "dtype": "float32",
    }


def test_normalization_ops() -> None:
    """The public ops are what the layers compute."""
    np.testing.assert_allclose(
        ops.layer_normalization(X, axis=-1, epsilon=1e-3).numpy(), layers.LayerNormalization()(X).numpy(), rtol=1e-6
    )
    np.testing.assert_allclose(
        ops.rms_normalization(X, scale=np.full(6, 2.0), epsilon=0.1).numpy(),
        2 * X / np.sqrt((X**2).mean(-1, keepdims=True) + 0.1),
        rtol=1e-5,
    )
    moments = [m.numpy() for m in ops.moments(X, (0, 2))]
    found = ops.batch_normalization(X, *moments, axis=1, offset=np.ones(4), epsilon=0.0)
    np.testing.assert_allclose(found.numpy().mean((0, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(found.numpy().std((0, 2)), 1, rtol=1e-4)


def test_moments_of_all_axes_fit_every_input() -> None:
    """Adapted to a column of a table, called on a batch of it, as in Keras."""
    column = np.arange(6, dtype="float32")
    layer = layers.Normalization(axis=None)
    layer.adapt(column)
    assert layer.mean.shape == (1,)
    for shape in ((6,), (6, 1), (1, 2, 3)):
        x = column.reshape(shape)
        np.testing.assert_allclose(layer(x).numpy(), (x - 2.5) / column.std(), rtol=1e-6)
    assert keras.Sequential([layer, layers.Dense(1)]).predict(column[:, None], verbose=0).shape == (6, 1)


def test_nested_lists_of_numbers_are_one_array() -> None:
    layer = layers.Normalization()
    layer.adapt([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(layer.mean.numpy(), [[2, 3]])
