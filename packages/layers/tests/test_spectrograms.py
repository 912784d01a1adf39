"""Spectrograms, their windows and kernels: the values of real Keras, the contract, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import initializers, layers
from pronghorn.testing import LayerContract
from pronghorn_layers.spectrograms import MelSpectrogram, STFTSpectrogram
from pronghorn_layers.windows import NAMES

FIXTURES = dict(np.load(Path(__file__).with_name("fixtures") / "spectrograms.npz"))
CASES = json.loads(str(FIXTURES["cases"]))


@pytest.mark.parametrize("name", CASES)
def test_values_shapes_and_configs_are_those_of_keras(name: str) -> None:
    kind, arguments, _ = CASES[name]
    x, expected = FIXTURES[f"{name}_x"], FIXTURES[f"{name}_y"]
    layer = getattr(layers, kind)(**arguments)
    # Keras takes the angles of its kernels, and the edges of its bands, in float32
    rough = {"rtol": 2e-3, "atol": 2e-2} if kind == "MelSpectrogram" else {"rtol": 1e-3, "atol": 2e-3}
    np.testing.assert_allclose(layer(x).numpy(), expected, **rough)
    symbol = layer(keras.Input(x.shape[1:])) if x.ndim > 1 else None
    assert symbol is None or symbol.shape == (None, *expected.shape[1:])
    config = {key: value for key, value in layer.get_config().items() if key not in ("name", "dtype")}
    assert json.loads(json.dumps(config)) == json.loads(str(FIXTURES[f"{name}_config"]))
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(x).numpy(), layer(x).numpy())
    assert layer(x.astype("float64")).dtype == "float32"


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("window", NAMES)
def test_windows_are_those_of_scipy(window: str, periodic: bool) -> None:
    kernel = initializers.STFT("real", window, "spectrum", periodic)((11, 1, 9), "float32").numpy()
    np.testing.assert_allclose(kernel, FIXTURES[f"window_{window}_{periodic}"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
def test_kernels(side: str, scaling: str | None) -> None:
    kernel = initializers.get({"class_name": "STFT", "config": {"side": side, "scaling": scaling}})((16, 1, 17))
    np.testing.assert_allclose(kernel.numpy(), FIXTURES[f"kernel_{side}_{scaling}"], rtol=1e-4, atol=1e-5)
    window = np.hanning(16)
    given = initializers.STFTInitializer(side, window, scaling)((16, 1, 17), "float64").numpy()
    np.testing.assert_allclose(given, kernel.numpy(), rtol=1e-5, atol=1e-7)
    assert initializers.serialize(initializers.stft("imag")) == json.loads(str(FIXTURES["serialized"]))


def test_bands() -> None:
    matrix = layers.MelSpectrogram().linear_to_mel_weight_matrix().numpy()
    np.testing.assert_allclose(matrix, FIXTURES["matrix"], rtol=1e-3, atol=1e-4)
    assert matrix.dtype == "float32"


def test_decibels_end_below_the_loudest_of_the_batch() -> None:
    x = np.stack([np.sin(np.arange(600.0)), np.zeros(600)]).astype("float32")
    y = layers.MelSpectrogram(fft_length=256, top_db=30.0)(x).numpy()
    assert y.max() - y.min() == pytest.approx(30, rel=1e-5)
    assert np.all(y[1] == y.min())


def test_a_spectrogram_at_the_head_of_a_model_is_trained_and_saved(tmp_path: Path) -> None:
    inputs = keras.Input((120, 1))
    x = layers.STFTSpectrogram(frame_length=16, expand_dims=True)(inputs)
    model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))
    signal = np.random.default_rng(0).normal(size=(4, 120, 1)).astype("float32")
    y = model.predict(signal, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(signal, verbose=0), y)
    assert [w.name for w in model.layers[1].trainable_weights] == ["real_kernel", "imag_kernel"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: layers.MelSpectrogram(fft_length=8, sequence_length=9), "`fft_length` 8 must be at least"),
        (lambda: layers.STFTSpectrogram(mode="power"), "`mode` must be one of log"),
        (lambda: layers.STFTSpectrogram(padding="causal"), "`padding` must be 'valid' or 'same'"),
        (lambda: layers.STFTSpectrogram(scaling="l2"), "`scaling` must be"),
        (lambda: layers.STFTSpectrogram(window="kaiser"), "unknown window 'kaiser'; expected one of bartlett"),
        (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9), "`frame_step` 9 must not exceed"),
        (lambda: layers.STFTSpectrogram(frame_length=8, fft_length=4), "`fft_length` 4 must be at least"),
        (lambda: layers.STFTSpectrogram(autocast=False)(np.ones((1, 300, 1), "int32")), "signals must be floats"),
        (lambda: initializers.STFT("left"), "`side` must be"),
        (lambda: initializers.STFT()((16, 2, 9)), r"kernels of the shape \(frame_length, 1, frequencies\)"),
        (lambda: initializers.STFT(window=np.ones(4))((16, 1, 9)), r"has the shape \(4,\), frames need \(16,\)"),
    ],
)
def test_mistakes_are_named(wrong: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        wrong()


def test_other_lengths_than_powers_of_two_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="`fft_length` 20 would better be a power of two"):
        layers.STFTSpectrogram(frame_length=16, fft_length=20)


class TestSTFTSpectrogram(LayerContract):
    input_shape = (2, 20, 2)
    unknown = (1,)

    def make(self, **options: Any) -> Any:
        return STFTSpectrogram("magnitude", frame_length=8, **options)


@pytest.mark.filterwarnings("ignore:operation 'fourier'")
class TestMelSpectrogram(LayerContract):
    input_shape = (2, 100)

    def make(self, **options: Any) -> Any:
        return MelSpectrogram(fft_length=32, sequence_stride=16, num_mel_bins=6, power_to_db=False, **options)
