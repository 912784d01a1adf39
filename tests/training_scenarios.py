"""Small trainings that run on Pronghorn and on Keras alike: each returns what a user sees of it, as plain values.

Weights are set, data are not shuffled, so that the numbers can be compared.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(22, 4)).astype("float32")
Z = rng.normal(size=(22, 3)).astype("float32")
SUM = X.sum(1, keepdims=True)
CLASSES = rng.integers(0, 3, 22)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
YES = rng.integers(0, 2, (22, 1)).astype("float32")
WEIGHTS = rng.uniform(0, 2, 22).astype("float32")
WORDS = np.where(np.arange(6) < 4, rng.integers(0, 7, (10, 6)), 0)
TAGS = rng.integers(0, 2, (10, 6))
ROWS: dict[str, Any] = {"batch_size": 8, "shuffle": False, "verbose": 0}

SCENARIOS: dict[str, Callable[[Any], Any]] = {}
MODULES = [
    "training_scenarios",
    *(f"semantics_of_{what}" for what in ("layers", "training", "names", "configs", "texts")),
]
"""Where there are some, each beside a JSON file of what Keras gives for them."""


def scenario(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENARIOS[function.__name__] = function
    return function


def plain(value: Any) -> Any:
    """Numbers of five places, arrays as lists."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool)):
        return value
    return np.round(np.asarray(value, "float64"), 5).tolist()


def error_of(function: Callable[[], Any]) -> str:
    """The kind of error that a call ends with; "none" if it does not."""
    try:
        function()
    except Exception as error:
        return type(error).__name__
    return "none"


def fixed(model: Any) -> Any:
    """The model with weights that are always the same."""
    draw = np.random.default_rng(1)
    model.set_weights([0.3 * draw.normal(size=w.shape) for w in model.get_weights()])
    return model


def dense(keras: Any, units: int = 1, activation: str | None = None) -> Any:
    layers = keras.layers
    stack = [keras.Input((4,)), layers.Dense(5, activation="tanh"), layers.Dense(units, activation=activation)]
    return fixed(keras.Sequential(stack))


def two_outputs(keras: Any, by_name: bool) -> Any:
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    joined = keras.layers.Concatenate()([a, b])
    p = keras.layers.Dense(1, name="p")(joined)
    q = keras.layers.Dense(3, activation="softmax", name="q")(joined)
    return fixed(keras.Model({"a": a, "b": b}, {"p": p, "q": q}) if by_name else keras.Model([a, b], [p, q]))


def history_of(run: Any) -> dict[str, Any]:
    return {"history": run.history, "keys": list(run.history), "epoch": run.epoch, "params": run.params}


@scenario
def outputs_by_name(keras: Any) -> Any:
    model = two_outputs(keras, by_name=True)
    model.compile(
        "sgd",
        {"p": "mse", "q": "sparse_categorical_crossentropy"},
        loss_weights={"p": 0.5, "q": 2.0},
        metrics={"p": ["mae", "mse"], "q": "accuracy"},
        weighted_metrics={"q": ["accuracy"]},
    )
    data = {"a": X, "b": Z}, {"p": SUM, "q": CLASSES}
    run = model.fit(*data, epochs=2, validation_data=data, sample_weight={"p": WEIGHTS, "q": 2 * WEIGHTS}, **ROWS)
    predicted = model.predict({"a": X, "b": Z}, batch_size=5, verbose=0)
    return [
        history_of(run),
        model.evaluate(*data, verbose=0),
        model.evaluate(*data, verbose=0, return_dict=True),
        [model.metrics_names, [metric.name for metric in model.metrics]],
        [type(predicted).__name__, {key: value[:3] for key, value in predicted.items()}],
    ]


@scenario
def outputs_in_a_list(keras: Any) -> Any:
    model = two_outputs(keras, by_name=False)
    losses = ["mse", "categorical_crossentropy"]
    metrics = [["mae"], ["accuracy", "categorical_crossentropy"]]
    model.compile("adam", losses, loss_weights=[1.0, 0.3], metrics=metrics)
    x, y, weights = [X, Z], [SUM, ONE_HOT], [WEIGHTS, WEIGHTS[::-1].copy()]
    return [
        history_of(model.fit(x, y, epochs=2, sample_weight=weights, **ROWS)),
        model.evaluate(x, y, sample_weight=weights, verbose=0),
        model.train_on_batch(x, y, return_dict=True),
        model.test_on_batch(x, y),
        [type(model.predict(x, verbose=0)).__name__, model.predict_on_batch(x)[0][:2]],
    ]


@scenario
def one_loss_for_all_and_none_for_one(keras: Any) -> Any:
    found = []
    for loss, metrics in (("mse", None), ([None, "mse"], [None, "mae"])):
        model = two_outputs(keras, by_name=False)
        model.compile("sgd", loss, metrics=metrics)
        found.append(history_of(model.fit([X, Z], [SUM, ONE_HOT], **ROWS)))
    return found


@scenario
def weights_by_class(keras: Any) -> Any:
    model = dense(keras, 3, "softmax")
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["acc"], weighted_metrics=["accuracy"])
    weights = {0: 0.3, 1: 5.0}
    run = model.fit(
        X,
        CLASSES,
        epochs=3,
        class_weight=weights,
        validation_split=0.3,
        validation_freq=2,
        validation_batch_size=3,
        **ROWS,
    )
    return [history_of(run), model.evaluate(X, CLASSES, sample_weight=WEIGHTS, verbose=0, return_dict=True)]


@scenario
def weights_by_sample(keras: Any) -> Any:
    model = dense(keras)
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae", "mse"])
    held_out = (X, SUM, WEIGHTS)
    run = model.fit(
        X, SUM[:, 0], epochs=3, sample_weight=WEIGHTS, validation_data=held_out, validation_freq=[1, 3], **ROWS
    )
    return history_of(run)


@scenario
def single_batches(keras: Any) -> Any:
    model = dense(keras, 3, "softmax")
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return [
        [model.train_on_batch(X[:7], ONE_HOT[:7]) for _ in range(3)],
        model.train_on_batch(X[:5], ONE_HOT[:5], sample_weight=WEIGHTS[:5], return_dict=True),
        model.test_on_batch(X, ONE_HOT),
        model.train_on_batch(X[:7], ONE_HOT[:7], class_weight={0: 2.0}),
    ]


@scenario
def regularizers_enter_the_loss(keras: Any) -> Any:
    regularized = keras.layers.Dense(5, kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.01))
    model = fixed(keras.Sequential([keras.Input((4,)), regularized, keras.layers.Dense(1)]))
    model.compile("sgd", "mse", metrics=["mae"])
    run = model.fit(X, SUM, epochs=2, validation_data=(X, SUM), **ROWS)
    return [history_of(run), model.evaluate(X, SUM, verbose=0)]


def recorder(keras: Any) -> Any:
    """A callback that writes down its calls: hook, numbers, keys of the logs."""
    calls: list[Any] = []

    def hook(name: str) -> Any:
        def record(self: Any, *arguments: Any, **named: Any) -> None:
            logs = named.get("logs", arguments[-1] if arguments and not isinstance(arguments[-1], int) else None)
            calls.append([name, *(n for n in arguments if isinstance(n, int)), None if logs is None else sorted(logs)])

        return record

    aliases = ("on_batch_begin", "on_batch_end")
    names = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_") and name not in aliases]
    made = type("Recorder", (keras.callbacks.Callback,), {name: hook(name) for name in names})()
    made.calls = calls
    return made


@scenario
def calls_of_callbacks(keras: Any) -> Any:
    model, calls = dense(keras), recorder(keras)
    model.compile("sgd", "mse", metrics=["mae"])
    run = model.fit(X, SUM, epochs=3, initial_epoch=1, callbacks=[calls], validation_split=0.2, **ROWS)
    in_fit = dict(calls.params)
    model.evaluate(X, SUM, callbacks=[calls], verbose=0)
    model.predict(X, batch_size=9, callbacks=[calls], verbose=0)
    return [history_of(run), calls.calls, in_fit, calls.params]


@scenario
def several_steps_per_execution(keras: Any) -> Any:
    model, calls = dense(keras), recorder(keras)
    model.compile("sgd", "mse", steps_per_execution=3)
    run = model.fit(X, SUM, epochs=2, batch_size=4, shuffle=False, verbose=0, callbacks=[calls])
    return [history_of(run), calls.calls]


def batches(count: int) -> Iterator[Any]:
    for i in range(count):
        start = 4 * i % 20
        yield X[start : start + 4], SUM[start : start + 4]


@scenario
def generators(keras: Any) -> Any:
    found = []
    for count, options in ((10, {"epochs": 2, "steps_per_epoch": 5}), (3, {})):
        model = dense(keras)
        model.compile("sgd", "mse")
        found.append(history_of(model.fit(batches(count), verbose=0, **options)))
        found.append(history_of(model.fit(X, SUM, validation_data=batches(5), **ROWS)))
    return found


@scenario
def numbers_of_steps(keras: Any) -> Any:
    model = dense(keras)
    model.compile("sgd", "mse")
    return [
        history_of(model.fit(X, SUM, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0)),
        history_of(model.fit(X, SUM, epochs=3, steps_per_epoch=2, batch_size=4, shuffle=False, verbose=0)),
        model.evaluate(X, SUM, steps=2, batch_size=4, verbose=0),
        [model.predict(X, steps=2, verbose=0, **options).shape for options in ({}, {"batch_size": 4})],
        history_of(model.fit(X, SUM, epochs=0, verbose=0)),
    ]


@scenario
def learning_rate_callbacks(keras: Any) -> Any:
    model = dense(keras)
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=10, cooldown=1),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
    ]
    return history_of(model.fit(X, SUM, epochs=6, validation_data=(X[:4], SUM[:4]), callbacks=callbacks, **ROWS))


@scenario
def stopping_early(keras: Any) -> Any:
    model = dense(keras)
    model.compile("sgd", "mse")
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.05, restore_best_weights=True)
    run = model.fit(X, SUM, epochs=10, shuffle=False, verbose=0, callbacks=[stop])
    return [history_of(run), model.get_weights()[0], stop.best_epoch, stop.stopped_epoch]


@scenario
def moving_averages(keras: Any) -> Any:
    model = dense(keras)
    model.compile(keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.5), "mse")
    return [history_of(model.fit(X, SUM, epochs=2, **ROWS)), model.get_weights()[0]]


@scenario
def metrics_of_two_classes(keras: Any) -> Any:
    model = dense(keras, 1, "sigmoid")
    metrics = ["accuracy", "AUC", keras.metrics.Precision(name="p"), keras.metrics.Recall(name="r")]
    model.compile("sgd", "bce", metrics=metrics)
    return history_of(model.fit(X, YES, epochs=2, validation_data=(X, YES), **ROWS))


@scenario
def metrics_of_one_name(keras: Any) -> Any:
    def Distance(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), -1)

    model = dense(keras)
    same = keras.metrics.MeanSquaredError(name="mse")
    model.compile("sgd", "mse", metrics=["mse", "mse", same, lambda t, p: Distance(t, p), Distance])
    return history_of(model.fit(X, SUM, **ROWS))


@scenario
def masks(keras: Any) -> Any:
    layers = keras.layers
    stack = [keras.Input((6,), dtype="int32"), layers.Embedding(7, 4, mask_zero=True)]
    stack += [layers.LSTM(3, return_sequences=True), layers.Dense(2, activation="softmax")]
    model = fixed(keras.Sequential(stack))
    metrics = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    model.compile("sgd", "sparse_categorical_crossentropy", **metrics)
    run = model.fit(WORDS, TAGS, epochs=2, batch_size=4, shuffle=False, verbose=0)
    # On JAX the metrics of `fit` do not see the mask, which is lost on the way out of the gradient: the loss and
    # `evaluate` do.
    return [run.history["loss"], model.evaluate(WORDS, TAGS, verbose=0, return_dict=True)]


@scenario
def data_sets_in_python(keras: Any) -> Any:
    class Data(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 5

        def __getitem__(self, index: int) -> Any:
            rows = slice(4 * index, 4 * index + 4)
            return X[rows], SUM[rows], WEIGHTS[rows]

    model = dense(keras)
    model.compile("sgd", "mse", weighted_metrics=["mae"])
    run = model.fit(Data(), epochs=2, shuffle=False, verbose=0, validation_data=Data(), validation_steps=2)
    return [history_of(run), model.evaluate(Data(workers=2), verbose=0), model.predict(Data(), verbose=0).shape]


@scenario
def methods_of_ones_own(keras: Any) -> Any:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.twice = keras.metrics.Mean(name="twice")

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
        ) -> Any:
            loss = keras.ops.mean(keras.ops.abs(y - y_pred))
            self.twice.update_state(2 * loss)
            return loss

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "more": self.twice.result()}

    inputs = keras.Input((4,))
    model = fixed(Own(inputs=inputs, outputs=keras.layers.Dense(1)(inputs)))
    model.compile("sgd", metrics=["mse"])
    run = model.fit(X, SUM, epochs=2, **ROWS)
    return [history_of(run), model.evaluate(X, SUM, verbose=0, return_dict=True), model.evaluate(X, SUM, verbose=0)]


@scenario
def printed_text(keras: Any) -> Any:
    """What is printed, with letters in the place of durations."""
    callbacks = keras.callbacks
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        model = dense(keras)
        model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
        talking = [
            callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate, verbose=1),
            callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=10, verbose=1),
            callbacks.EarlyStopping("loss", patience=2, min_delta=10, restore_best_weights=True, verbose=1),
        ]
        options: dict[str, Any] = {"shuffle": False, "verbose": 2}
        model.fit(X, SUM, epochs=9, batch_size=2, callbacks=talking, validation_data=(X, SUM), **options)
        model.evaluate(X, SUM, verbose=2)
        model.predict(X, batch_size=2, verbose=2)
        model.fit(X, np.full_like(SUM, np.inf), callbacks=[callbacks.TerminateOnNaN()], verbose=0)
    return re.sub(r"\d+(us|ms|s)(?=/step| - )", "TIME", printed.getvalue())
