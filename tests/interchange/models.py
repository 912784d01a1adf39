"""Models that Pronghorn and real Keras build from one source, to be saved by one and opened by the other.

    python models.py {keras,pronghorn} {save,open} FOLDER [MODEL ...]

`save` builds and trains each model, saves it, notes its outputs, and trains it further. `open` loads what was saved,
whole and weights alone, expects the same outputs, metrics and number of steps, and after the same further training
the same outputs again.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

TOLERANCE = {"rtol": 5e-5, "atol": 5e-5}
"""Rounding differs, and training adds it up."""


NO_H5 = ("net", "graph", "recurrent", "attention", "merged", "normalized")
"""Models that Keras cannot save as .h5 (subclassed ones), or cannot read back (ops between layers, several axes)."""


def builders(keras: Any) -> dict[str, Callable[[], Any]]:
    """Name -> a function that makes the compiled model."""
    layers = keras.layers

    @keras.saving.register_keras_serializable("interchange")
    class Scale(layers.Layer):  # type: ignore[misc,name-defined]
        def __init__(self, factor: float = 2.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale * self.factor

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factor": self.factor}

    @keras.saving.register_keras_serializable("interchange")
    class Net(keras.Model):  # type: ignore[misc,name-defined]
        def __init__(self, units: int = 3, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.zed = layers.Dense(units)
            self.blocks = [layers.Dense(4, activation="tanh"), [layers.Dense(4)], {"key": layers.Dense(5)}]
            self.above = Scale()

        def call(self, inputs: Any) -> Any:
            first, (second,), third = self.blocks
            return self.above(self.zed(third["key"](second(first(inputs)))))

        def get_config(self) -> dict[str, Any]:
            return {"units": self.units}

    def stack() -> Any:
        regular = {"kernel_regularizer": keras.regularizers.L1L2(1e-4, 2e-4), "bias_initializer": "ones"}
        model = keras.Sequential(
            [
                keras.Input((5,)),
                layers.Dense(8, activation="relu", kernel_constraint=keras.constraints.MaxNorm(2.0), **regular),
                layers.Dropout(0.0),
                layers.Dense(4, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def graph() -> Any:
        left, right = keras.Input((3,), name="left"), keras.Input((5,), name="right")
        shared = layers.Dense(4)
        merged = layers.Add()([shared(left), shared(layers.Dense(3)(right))])
        p = layers.Dense(2, name="p")(layers.Concatenate()([merged, right]))
        model = keras.Model([left, right], [p, layers.Dense(1, name="q")(merged * 2.0 + 1.0)])
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)
        losses, weights = {"p": "mse", "q": "mae"}, {"p": 1.0, "q": 0.5}
        model.compile(optimizer, losses, loss_weights=weights, metrics={"p": ["mae"], "q": ["mse"]})
        return model

    def nested() -> Any:
        start = keras.Input((6,))
        hidden = layers.Dense(4, activation="relu")(start)
        two = keras.Model(start, [hidden, layers.Dense(2)(hidden)], name="two")
        one = keras.Sequential([keras.Input((4,)), layers.Dense(3), Scale(1.5)], name="one")
        x = keras.Input((6,))
        u, v = two(x)
        y = layers.Flatten()(layers.Reshape((1, 5))(layers.Concatenate()([one(u), v])))
        model = keras.Model(x, Scale()(y))
        model.compile("rmsprop", "mse")
        return model

    def net() -> Any:
        model = Net()
        model(np.zeros((2, 5), "float32"))
        model.compile(keras.optimizers.RMSprop(0.01, momentum=0.5), "mse")
        return model

    def recurrent() -> Any:
        ids = keras.Input((6,), dtype="int32")
        x = layers.Embedding(12, 4, mask_zero=True)(ids)
        x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
        x = layers.SpatialDropout1D(0.0)(layers.GRU(4, return_sequences=True)(x))
        x = layers.TimeDistributed(layers.Dense(3))(layers.SimpleRNN(3, return_sequences=True)(x))
        model = keras.Model(ids, layers.Dense(2)(layers.Flatten()(x)))
        model.compile("adam", "mse")
        return model

    def attention() -> Any:
        ids = keras.Input((6,), dtype="int32")
        x = layers.Embedding(12, 4)(ids)
        y = layers.MultiHeadAttention(2, 3)(x, x)
        x = layers.LayerNormalization()(x + y)
        x = keras.ops.concatenate([keras.ops.relu(x), keras.ops.square(x)[:, :, 1:]], axis=-1)
        model = keras.Model(ids, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))
        model.compile(keras.optimizers.AdamW(1e-3), "mse")
        return model

    def image() -> Any:
        shape = (8, 8, 2)
        x = first = keras.Input(shape)
        for strides in (1, 2):
            x = layers.Conv2D(4, 3, strides, "same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.SeparableConv2D(3, 2)(layers.MaxPooling2D(2, 1)(x))
        model = keras.Model(first, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)))
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
        return model

    def cells() -> Any:
        x = keras.Input((4, 6))
        stacked = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True)(x)
        both = layers.Bidirectional(layers.GRU(2), backward_layer=layers.LSTM(2, go_backwards=True))(stacked)
        _, *state = layers.LSTM(3, return_state=True)(x)
        decoded = layers.LSTM(3, return_sequences=True)(stacked, initial_state=state)
        images = layers.Reshape((4, 3, 2, 1))(x)
        filtered = layers.Flatten()(layers.ConvLSTM2D(2, 2, padding="same")(images))
        parts = [both, layers.GlobalMaxPooling1D()(decoded), filtered]
        model = keras.Model(x, layers.Dense(2)(layers.Concatenate()(parts)))
        model.compile(keras.optimizers.Adam(1e-3), keras.losses.Huber(), metrics=[keras.metrics.RootMeanSquaredError()])
        return model

    def normalized() -> Any:
        x = keras.Input((4, 6))
        y = layers.Normalization(mean=[0.1] * 6, variance=[1.5] * 6)(x)
        for layer in (
            layers.LayerNormalization(axis=[1, 2]),
            layers.GroupNormalization(3),
            layers.RMSNormalization(),
            layers.UnitNormalization(),
            layers.BatchNormalization(scale=False),
            layers.PReLU(shared_axes=[1]),
            layers.EinsumDense("abc,cd->abd", (4, 6), bias_axes="d"),
            layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=2),
            layers.Conv1DTranspose(6, 2),
            layers.DepthwiseConv1D(2),
        ):
            y = layer(y)
        buckets = layers.CategoryEncoding(4, "count")(layers.Flatten()(layers.Discretization([-1.0, 0.0, 1.0])(x)))
        model = keras.Model(x, layers.Dense(2)(layers.Concatenate()([layers.Flatten()(y), buckets])))
        model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), "mse", metrics=["mae"])
        return model

    def merged() -> Any:
        x = keras.Input((4, 6))
        a, b = layers.Dense(6, "tanh")(x), layers.Dense(6, "gelu")(x)
        grouped = layers.GroupQueryAttention(2, 4, 2)(a, b)
        weighed = layers.AdditiveAttention()([a, b]) + layers.Attention(use_scale=True)([b, a])
        kinds = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
        parts = [kind()([a, b]) for kind in kinds]
        parts += [layers.Dot(axes=2, normalize=True)([a, b]), grouped, weighed, keras.ops.layer_normalization(a)]
        model = keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(layers.Concatenate()(parts))))
        model.compile(keras.optimizers.Lion(1e-3), "mse")
        return model

    def trained_by(optimizer: Callable[[], Any]) -> Callable[[], Any]:
        def small() -> Any:
            model = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="tanh"), layers.Dense(3)])
            model.compile(optimizer(), "mse")
            return model

        return small

    o = keras.optimizers
    rules: dict[str, Callable[[], Any]] = {
        "adadelta": lambda: o.Adadelta(0.1),
        "adafactor": lambda: o.Adafactor(0.01),
        "adagrad": lambda: o.Adagrad(0.01),
        "adam amsgrad": lambda: o.Adam(1e-3, amsgrad=True, clipnorm=1.0),
        "adamax": lambda: o.Adamax(1e-3),
        "average": lambda: o.SGD(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3),
        "accumulated": lambda: o.Adam(1e-3, gradient_accumulation_steps=2, global_clipnorm=1.0),
        "ftrl": lambda: o.Ftrl(0.01),
        "lamb": lambda: o.Lamb(1e-3),
        "lion": lambda: o.Lion(1e-3),
        "nadam": lambda: o.Nadam(1e-3),
        "rmsprop centered": lambda: o.RMSprop(1e-3, momentum=0.5, centered=True),
        "scaled": lambda: o.LossScaleOptimizer(o.Adam(1e-3)),
        "schedule": lambda: o.SGD(o.schedules.CosineDecay(0.05, 20, warmup_target=0.1, warmup_steps=4)),
        "weight decay": lambda: o.SGD(0.05, weight_decay=1e-3),
    }
    made = {"stack": stack, "graph": graph, "nested": nested, "net": net}
    made |= {"recurrent": recurrent, "attention": attention, "image": image}
    made |= {"cells": cells, "normalized": normalized, "merged": merged}
    return made | {f"optimizer {name}": trained_by(rule) for name, rule in rules.items()}


def data(name: str) -> tuple[Any, Any]:
    """Inputs and targets of a model."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        return rng.normal(size=shape).astype("float32")

    if name == "stack":
        return normal(32, 5), rng.integers(0, 4, 32)
    if name == "graph":
        return [normal(32, 3), normal(32, 5)], [normal(32, 2), normal(32, 1)]
    if name in ("recurrent", "attention"):
        return rng.integers(0, 12, (32, 6)).astype("int32"), normal(32, 2)
    if name in ("cells", "normalized", "merged"):
        return normal(32, 4, 6), normal(32, 2)
    if name == "image":
        return normal(32, 8, 8, 2), normal(32, 2)
    return (normal(32, 6), normal(32, 5)) if name == "nested" else (normal(32, 5), normal(32, 3))


def state(model: Any, name: str) -> dict[str, Array]:
    """Outputs, metrics and number of steps."""
    x, y = data(name)
    outputs = model.predict(x, verbose=0)
    found = {f"output {i}": a for i, a in enumerate(outputs if isinstance(outputs, list) else [outputs])}
    metrics = model.evaluate(x, y, batch_size=32, verbose=0, return_dict=True)
    found |= {f"metric {key}": np.asarray(value) for key, value in metrics.items()}
    return found | {"steps": np.asarray(model.optimizer.iterations)}


def train(model: Any, name: str) -> None:
    """Two epochs in the order of the rows."""
    x, y = data(name)
    model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)


def chosen(keras: Any, names: list[str]) -> dict[str, Callable[[], Any]]:
    """The models of some names, or all."""
    made = builders(keras)
    return {name: made[name] for name in names or made}


def save_models(keras: Any, folder: Path, names: list[str]) -> None:
    """Files and states of all models."""
    for name, build in chosen(keras, names).items():
        if (keras.__name__, name) == ("keras", "optimizer average"):
            continue  # Keras 3.15 on JAX raises in the second fit with use_ema=True
        model = build()
        train(model, name)
        model.save(folder / f"{name}.keras")
        model.save_weights(folder / f"{name}.weights.h5")
        if name not in NO_H5:
            model.save(folder / f"{name}.h5")
        (folder / f"{name}.json").write_text(model.to_json())
        np.savez(folder / f"{name}-saved.npz", **state(model, name))
        train(model, name)
        np.savez(folder / f"{name}-later.npz", **state(model, name))


def open_models(keras: Any, folder: Path, names: list[str]) -> None:
    """Compares what was saved with what is read."""
    for name, build in chosen(keras, names).items():
        if not (folder / f"{name}.keras").exists():
            continue
        model = keras.models.load_model(folder / f"{name}.keras")
        saved, later = (np.load(folder / f"{name}-{when}.npz") for when in ("saved", "later"))
        compare(state(model, name), saved)
        train(model, name)
        compare(state(model, name), later)
        weights = build()
        weights.load_weights(folder / f"{name}.weights.h5")
        compare({key: value for key, value in state(weights, name).items() if key != "steps"}, saved)
        if name not in NO_H5:
            old = keras.models.load_model(folder / f"{name}.h5", compile=False)
            x, _ = data(name)
            found = old.predict(x, verbose=0)
            found = {f"output {i}": a for i, a in enumerate(found if isinstance(found, list) else [found])}
            compare(found, saved)
        again = keras.models.model_from_json((folder / f"{name}.json").read_text())
        shapes = [tuple(v.shape) for v in again.weights]
        assert shapes == [tuple(v.shape) for v in model.weights], (name, shapes)
        print(json.dumps({"model": name, "values": len(saved.files)}))


def compare(found: dict[str, Array], expected: Any) -> None:
    """All values of `found` are those expected."""
    for key, value in found.items():
        np.testing.assert_allclose(value, expected[key], err_msg=key, **TOLERANCE)  # type: ignore[arg-type]


if __name__ == "__main__":
    module, what, where, *models = sys.argv[1:]
    {"save": save_models, "open": open_models}[what](importlib.import_module(module), Path(where), models)
