"""What a re-implementation of Keras's layers gets wrong, fact by fact; numbers are in test_values_of_layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import initializers, layers
from pronghorn.initializer import compute_fans
from pronghorn.layer import Layer
from pronghorn.random import SeedGenerator

MASKING: dict[bool, dict[str, tuple[Any, ...]]] = {
    True: {
        "ActivityRegularization": (), "Activation": ("relu",), "Add": (), "AdditiveAttention": (),
        "AlphaDropout": (0.5,), "Attention": (), "Average": (), "BatchNormalization": (), "Concatenate": (),
        "ConvLSTM2D": (2, 2), "Dense": (2,),
        "Dot": (1,), "Dropout": (0.5,), "ELU": (), "GRU": (2,), "GaussianDropout": (0.5,), "GaussianNoise": (0.5,),
        "GlobalAveragePooling1D": (), "GroupNormalization": (), "GroupQueryAttention": (2, 2, 1), "Identity": (),
        "LSTM": (2,), "LayerNormalization": (), "LeakyReLU": (), "Masking": (), "Maximum": (), "Minimum": (),
        "MultiHeadAttention": (1, 2), "Multiply": (), "Normalization": (), "PReLU": (), "ReLU": (), "Rescaling": (1,),
        "SimpleRNN": (2,), "Softmax": (), "SpatialDropout1D": (0.5,), "Subtract": (), "UnitNormalization": (),
    },
    False: {
        "Conv1D": (2, 2), "Conv2D": (2, 2), "Cropping1D": (), "EinsumDense": ("ab,bc->ac", 2), "Embedding": (2, 2),
        "Flatten": (), "GlobalMaxPooling1D": (), "Lambda": (abs,), "MaxPooling1D": (), "Permute": ((1,),),
        "RMSNormalization": (), "RepeatVector": (2,), "Reshape": ((1,),), "Resizing": (2, 2), "UpSampling1D": (),
        "ZeroPadding1D": (),
    },
}  # fmt: skip


@pytest.mark.parametrize("supports", MASKING)
def test_which_layers_pass_masks_on(supports: bool) -> None:
    found = {name: getattr(layers, name)(*args).supports_masking for name, args in MASKING[supports].items()}
    assert found == dict.fromkeys(found, supports)
    dense, cell = layers.Dense(2), layers.LSTMCell(2)
    around = [layers.TimeDistributed(dense), layers.Bidirectional(layers.LSTM(2)), layers.RNN(cell)]
    assert all(layer.supports_masking for layer in around)
    assert not layers.SpectralNormalization(layers.Dense(2)).supports_masking


PARTS = ("query", "key", "value", "attention_output")
HEADS = " ".join(f"{part}/{weight}" for part in PARTS for weight in ("kernel", "bias"))
WEIGHTS: dict[str, tuple[Any, Any, str]] = {
    "Dense": (lambda: layers.Dense(2), (1, 3), "kernel bias"),
    "Conv2D": (lambda: layers.Conv2D(2, 2), (1, 3, 3, 2), "kernel bias"),
    "BatchNormalization": (lambda: layers.BatchNormalization(), (1, 3), "gamma beta moving_mean moving_variance"),
    "LSTM": (lambda: layers.LSTM(2), (1, 3, 2), "lstm_cell/kernel lstm_cell/recurrent_kernel lstm_cell/bias"),
    "GRU": (lambda: layers.GRU(2), (1, 3, 2), "gru_cell/kernel gru_cell/recurrent_kernel gru_cell/bias"),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(2), (1, 3, 3, 2), "kernel bias"),
    "SeparableConv2D": (
        lambda: layers.SeparableConv2D(2, 2), (1, 3, 3, 2), "depthwise_kernel pointwise_kernel bias"),
    "LayerNormalization": (lambda: layers.LayerNormalization(), (1, 3), "gamma beta"),
    "RMSNormalization": (lambda: layers.RMSNormalization(), (1, 3), "scale"),
    "PReLU": (lambda: layers.PReLU(), (1, 3), "alpha"),
    "Normalization": (lambda: layers.Normalization(), (1, 3), "mean variance count"),
    "MultiHeadAttention": (lambda: layers.MultiHeadAttention(1, 2), ((1, 3, 2), (1, 3, 2)), HEADS),
    "Attention": (
        lambda: layers.Attention(use_scale=True, score_mode="concat"), [(1, 3, 2), (1, 3, 2)],
        "scale concat_score_weight"),
    "AdditiveAttention": (lambda: layers.AdditiveAttention(), [(1, 3, 2), (1, 3, 2)], "scale"),
    "Bidirectional": (
        lambda: layers.Bidirectional(layers.SimpleRNN(2, use_bias=False), name="b"), (1, 3, 2),
        "forward kernel forward recurrent_kernel backward kernel backward recurrent_kernel"),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_order_and_names_of_weights(name: str) -> None:
    make, shapes, expected = WEIGHTS[name]
    layer: Layer = make()
    several = isinstance(shapes[0], tuple)
    arrays = [np.ones(shape, "float32") for shape in (shapes if several else [shapes])]
    layer(*arrays) if isinstance(shapes, tuple) else layer(arrays)
    found = [variable.path.partition("/")[2] for variable in layer.weights]
    if name == "Bidirectional":
        found = [f"{path.split('_')[0]} {path.rpartition('/')[2]}" for path in found]
    assert " ".join(found) == expected


# ------------------------------------------------------------------------------------------------ initializers


def test_fans() -> None:
    """A number for each rank; of a depthwise kernel fan_in counts all channels, of a transposed one the outputs."""
    shapes: dict[tuple[int, ...], tuple[int, int]] = {
        (): (1, 1), (5,): (5, 5), (3, 4): (3, 4), (2, 3, 4): (6, 8), (3, 3, 5, 7): (45, 63), (3, 3, 5, 1): (45, 9),
    }  # fmt: skip
    assert {shape: compute_fans(shape) for shape in shapes} == shapes


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("glorot_uniform", (6 / (200 + 300)) ** 0.5),
        ("he_uniform", (6 / 200) ** 0.5),
        ("lecun_uniform", (3 / 200) ** 0.5),
        ("uniform", 0.05),
    ],
)
def test_limits_of_uniform_initializers(name: str, limit: float) -> None:
    drawn = initializers.get(name)((200, 300)).numpy()
    assert 0.999 * limit < drawn.max() <= limit and -limit <= drawn.min() < -0.999 * limit


@pytest.mark.parametrize(
    ("name", "deviation"), [("glorot_normal", (2 / 500) ** 0.5), ("he_normal", 0.1), ("lecun_normal", 200**-0.5)]
)
def test_deviations_of_normal_initializers(name: str, deviation: float) -> None:
    """That of what is left after truncation at two deviations of the normal drawn from."""
    drawn = initializers.get(name)((200, 300)).numpy()
    assert abs(drawn.std() / deviation - 1) < 0.02
    assert 1.99 < np.abs(drawn).max() * 0.87962566 / deviation <= 2.0
    wide = initializers.VarianceScaling(distribution="untruncated_normal")((200, 300)).numpy()
    assert np.abs(wide).max() > 3 * 200**-0.5


def test_an_einsum_kernel_has_the_fans_of_its_axes() -> None:
    """Heads of attention: (dim, heads, key_dim) has dim inputs and heads * key_dim outputs."""
    layer = layers.EinsumDense("abc,cde->abde", (None, 8, 16))
    layer.build((None, 5, 64))
    limit = (6 / (64 + 8 * 16)) ** 0.5
    assert 0.99 * limit < np.abs(layer.kernel.numpy()).max() <= limit


def test_an_initializer_with_a_seed_repeats_itself() -> None:
    for seed in (3, None):
        initializer = initializers.RandomNormal(seed=seed)
        np.testing.assert_array_equal(initializer((4,)).numpy(), initializer((4,)).numpy())
    advancing = initializers.RandomNormal(seed=SeedGenerator(3))
    assert not np.array_equal(advancing((4,)).numpy(), advancing((4,)).numpy())
    one = initializers.GlorotUniform(seed=1)
    pair = layers.SimpleRNN(3, kernel_initializer=one, recurrent_initializer=one)
    pair.build((None, 2, 3))
    np.testing.assert_array_equal(pair.get_weights()[0], pair.get_weights()[1])


def test_default_initializers() -> None:
    assert initializers.RandomNormal().stddev == initializers.TruncatedNormal().stddev == 0.05
    lstm = layers.LSTM(2)
    lstm.build((None, 3, 2))
    kernel, recurrent, bias = lstm.get_weights()
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(2), atol=1e-6)
    np.testing.assert_array_equal(bias, [0, 0, 1, 1, 0, 0, 0, 0])  # of i, f, c, o
    table = layers.Embedding(400, 50)
    table.build((None, 2))
    assert 0.049 < np.abs(table.get_weights()[0]).max() <= 0.05


# ------------------------------------------------------------------------------------------------ formulas


def test_same_padding_has_the_odd_cell_at_the_end() -> None:
    layer = layers.Conv1D(1, 3, strides=2, padding="same", use_bias=False, kernel_initializer="ones")
    found = layer(np.arange(1.0, 7.0, dtype="float32").reshape(1, 6, 1)).numpy().ravel()
    np.testing.assert_array_equal(found, [6, 12, 11])  # pads (0, 1)


def test_a_transposed_convolution_is_the_gradient_of_one() -> None:
    layer = layers.Conv1DTranspose(1, 3, strides=2, padding="same", use_bias=False, kernel_initializer="ones")
    found = layer(np.arange(1.0, 6.0, dtype="float32").reshape(1, 5, 1)).numpy().ravel()
    np.testing.assert_array_equal(found, [1, 1, 3, 2, 5, 3, 7, 4, 9, 5])


def test_pooling_divides_by_the_cells_that_there_are() -> None:
    x = np.arange(1.0, 6.0, dtype="float32").reshape(1, 5, 1)
    average = layers.AveragePooling1D(3, strides=2, padding="same")(x).numpy().ravel()
    np.testing.assert_allclose(average, [1.5, 3, 4.5])
    largest = layers.MaxPooling1D(3, strides=2, padding="same")(-x).numpy().ravel()
    np.testing.assert_array_equal(largest, [-1, -2, -4])


def test_batch_normalization_keeps_the_biased_variance_and_is_still_when_frozen() -> None:
    x = np.random.RandomState(0).normal(3, 2, (8, 1)).astype("float32")
    layer = layers.BatchNormalization(momentum=0.9)
    layer(x, training=True)
    _, _, mean, variance = layer.get_weights()
    np.testing.assert_allclose([mean[0], variance[0]], [0.1 * x.mean(), 0.9 + 0.1 * x.var()], rtol=1e-5)
    layer.trainable = False
    before = layer.get_weights()
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-5)
    np.testing.assert_array_equal(before[2:], layer.get_weights()[2:])


def test_penalties_on_outputs_are_divided_by_the_batch_size() -> None:
    for batch in (1, 4):
        layer = layers.Activation("linear", activity_regularizer="l2")
        layer(np.ones((batch, 3), "float32"))
        assert float(layer.losses[0]) == pytest.approx(0.01 * 3)


def test_what_dropout_does() -> None:
    x = np.ones((50, 40), "float32")
    dropped = layers.Dropout(0.25, noise_shape=(None, 1), seed=1)(x, training=True).numpy()
    assert np.allclose(np.unique(dropped), [0, 4 / 3]) and (dropped == dropped[:, :1]).all()
    noise = layers.GaussianDropout(0.2, seed=1)(x, training=True).numpy()
    assert abs(noise.std() - 0.5) < 0.03 and abs(noise.mean() - 1) < 0.03
    normal = np.random.RandomState(0).normal(size=(400, 50)).astype("float32")
    kept = layers.AlphaDropout(0.3, seed=1)(normal, training=True).numpy()
    assert abs(kept.mean()) < 0.03 and abs(kept.std() - 1) < 0.03
    for layer in (layers.Dropout(0.5), layers.AlphaDropout(0.5), layers.GaussianNoise(1.0)):
        np.testing.assert_array_equal(layer(x).numpy(), x)


def test_a_softmax_gives_what_is_masked_nothing() -> None:
    """Also where all of a row is masked."""
    mask = np.array([[True, True, False], [False, False, False]])
    found = layers.Softmax()(np.zeros((2, 3), "float32"), mask=mask).numpy()
    np.testing.assert_array_equal(found, [[0.5, 0.5, 0], [0, 0, 0]])


def test_sparsemax_is_a_projection_on_the_simplex() -> None:
    """Rows sum to one whatever their order; those that Keras 3.15 gives for unsorted rows do not."""
    x = np.random.RandomState(0).normal(size=(20, 7)).astype("float32")
    found = layers.Activation("sparsemax")(x).numpy()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    threshold = np.where(found > 0, x - found, np.nan)
    np.testing.assert_allclose(np.nanmax(threshold, 1), np.nanmin(threshold, 1), atol=1e-6)
    assert (x <= np.nanmax(threshold, 1, keepdims=True) + 1e-6)[found == 0].all()
