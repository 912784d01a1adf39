"""`.onnx`: onnxruntime computes what `predict` does, for any batch; what cannot be expressed names its layer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pronghorn import layers, ops, tree
from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.saving import load_model
from pronghorn.sequential import Sequential

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

FOLDER = Path(__file__).parent / "fixtures"
RANDOM = np.random.default_rng(0)


class Scale(Layer):
    """A layer that nobody told the exporter of."""

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((input_shape[-1],), "random_normal", name="scale")

    def call(self, x: Any) -> Any:
        return ops.where(x > 0, x * self.scale, ops.floor_divide(x, 0.5)) / (1 + ops.expm1(ops.abs(x)))


class Mean(Layer):
    """Reads sizes in Python: the batch and the number of steps end up in its program."""

    def call(self, x: Any) -> Any:
        batch, steps = ops.shape(x)[:2]
        flat = ops.reshape(x, (batch * steps, -1))
        return ops.reshape(ops.flip(flat, 1), (batch, steps, -1)) + ops.zeros((batch, steps, 1))


def dense() -> Model:
    stack = [
        layers.Dense(4, activation="gelu"),
        Scale(),
        layers.BatchNormalization(),
        layers.Dense(2, activation="softmax"),
    ]
    return Sequential([Input((3,)), *stack])


def convolution() -> Model:
    x = inputs = Input((9, 8, 2))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.SeparableConv2D(4, 3, padding="same", dilation_rate=2)(x)
    x = layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1)(layers.Add()([x, y]))
    x = layers.Concatenate()(
        [layers.MaxPooling2D(3, 2, padding="same")(x), layers.AveragePooling2D(3, 2, padding="same")(x)]
    )
    x = layers.Cropping2D(((1, 0), (0, 1)))(layers.ZeroPadding2D(1)(layers.UpSampling2D(2)(x)))
    return Model(inputs, layers.GlobalMaxPooling2D()(layers.PReLU(shared_axes=[1, 2])(x)))


def channels_first() -> Model:
    x = inputs = Input((2, 9, 8))
    x = layers.Conv2D(4, 3, groups=2, data_format="channels_first")(x)
    return Model(inputs, layers.DepthwiseConv2D(2, data_format="channels_first")(x))


def recurrent() -> Model:
    tokens = Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(tokens)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    z = layers.RNN([layers.GRUCell(3, reset_after=False), layers.LSTMCell(2)])(y)
    backwards = layers.SimpleRNN(2, go_backwards=True, return_sequences=True)(x)
    return Model(tokens, [z, layers.GRU(3)(y), layers.TimeDistributed(layers.Dense(2))(backwards)])


def attention() -> Model:
    query, value = Input((None, 6)), Input((5, 6))
    x = layers.LayerNormalization()(query + layers.MultiHeadAttention(2, 3)(query, value))
    return Model([query, value], [Mean()(x), layers.Attention()([x, value])])


MAKERS: list[Callable[[], Model]] = [dense, convolution, channels_first, recurrent, attention]


def inputs_of(model: Model, batch: int, steps: int) -> list[Any]:
    shapes = [(batch, *(steps if n is None else n for n in t.shape[1:])) for t in model.inputs]
    return [
        RANDOM.integers(0, 7, shape).astype(t.dtype) if "int" in t.dtype else RANDOM.normal(size=shape).astype(t.dtype)
        for t, shape in zip(model.inputs, shapes, strict=True)
    ]


def check(model: Model, path: Path, sizes: list[tuple[int, int]]) -> None:
    model.save(path)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    assert names == [t.name for t in model.inputs]
    for batch, steps in sizes:
        inputs = inputs_of(model, batch, steps)
        found = session.run(None, dict(zip(names, inputs, strict=True)))
        expected = tree.flatten(model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0))
        for a, b in zip(found, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_onnxruntime_computes_the_same(make: Callable[[], Model], tmp_path: Path) -> None:
    model = make()
    for variable in model.weights:
        variable.assign(RANDOM.uniform(0.1, 0.5, variable.shape))
    check(model, tmp_path / "m.onnx", [(3, 6), (1, 4)])


@pytest.mark.filterwarnings("ignore:Layer 'flatten':UserWarning")
@pytest.mark.parametrize("name", ["graph.h5", "convolution.h5", "recurrent.h5", "keras_3_shared_layers.h5"])
def test_models_of_files(name: str, tmp_path: Path) -> None:
    check(load_model(FOLDER / name), tmp_path / "m.onnx", [(3, 5), (1, 5)])


def test_what_cannot_be_expressed_names_its_layer(tmp_path: Path) -> None:
    class Angle(Layer):
        def call(self, x: Any) -> Any:
            return ops.arctan2(x, x + 1)

    class Dropping(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.LSTM(2, recurrent_dropout=0.5)
            self.inner.cell.draw_noise = lambda batch: SimpleNamespace(inputs=None, state=ops.ones((4, batch, 2)))

        def call(self, x: Any) -> Any:
            return self.inner(x, training=True)

    def saved(*stack: Any) -> None:
        Sequential(stack).save(tmp_path / "m.onnx")

    with pytest.raises(NotImplementedError, match="layer '.*/lstm.*' cannot be exported .* for recurrent dropout"):
        saved(Input(batch_shape=(2, 3, 4)), Dropping())
    with pytest.raises(
        NotImplementedError, match="layer 'sequential.*/angle' cannot be exported to ONNX: the function atan2"
    ):
        saved(Input((2,)), Angle(name="angle"))
    with pytest.raises(NotImplementedError, match="layer '.*sorted' cannot be exported to ONNX: there is no form for"):
        saved(Input((2,)), layers.Lambda(ops.argsort, name="sorted"))
    with pytest.raises(NotImplementedError, match="text"):
        saved(Input((2,), dtype="string"), layers.Identity())
    with pytest.raises(NotImplementedError, match="changes"):
        saved(Input(batch_shape=(2, 3, 4)), layers.LSTM(2, stateful=True))
    with pytest.raises(NotImplementedError, match="no graph of known inputs"):
        saved(layers.Dense(2))
    assert not (tmp_path / "m.onnx").exists()


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn_formats.onnx.builder import package

    package.cache_clear()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        dense().save(tmp_path / "m.onnx")
    package.cache_clear()


def test_export_writes_it_too(tmp_path: Path) -> None:
    model = dense()
    model.export(tmp_path / "m.onnx", format="onnx")
    assert (tmp_path / "m.onnx").stat().st_size > 100
    for options in ({}, {"format": "onnx", "input_signature": []}):
        with pytest.raises(NotImplementedError, match="format='onnx' alone"):
            model.export(tmp_path / "m", **options)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="quantize is not supported"):
        model.quantize("int8")
