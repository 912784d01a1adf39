"""fit, evaluate, predict and the steps, with the smallest layer, loss and optimizer there can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pronghorn
from pronghorn import config, ops
from pronghorn.layer import Layer
from pronghorn.loss import Loss
from pronghorn.metric import Mean
from pronghorn.optimizer import Optimizer
from pronghorn.requirement import require
from pronghorn.saving.registry import CustomObjectScope
from pronghorn.training.callback import Callback


class Dense(Layer):
    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        return ops.matmul(inputs, self.kernel) + self.bias


class SGD(Optimizer):
    def __init__(self, learning_rate: float = 0.1, **options: Any) -> None:
        super().__init__(learning_rate, **options)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        variable.assign(variable - learning_rate * gradient)


class SquaredError(Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


def absolute_error(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


X = np.random.default_rng(0).normal(size=(70, 5))
Y = X @ np.random.default_rng(1).normal(size=(5, 3)) + 1
QUIET: dict[str, Any] = {"verbose": 0}


def linear(**options: Any) -> Any:
    """A compiled linear model whose weights are always the same."""
    model = pronghorn.Sequential([pronghorn.Input((5,)), Dense(3)])
    model.set_weights([np.full((5, 3), 0.5), np.zeros(3)])
    model.compile(**{"optimizer": SGD(), "loss": SquaredError(), "metrics": [absolute_error]} | options)
    return model


def losses_by_hand(batch_size: int, epochs: int, weights: Any = None) -> list[float]:
    """What `fit` without shuffling must log: gradient descent on the squared error in NumPy."""
    kernel, bias = np.full((5, 3), 0.5), np.zeros(3)
    weights = np.ones(len(X)) if weights is None else weights
    logged = []
    for _ in range(epochs):
        total = 0.0
        for k in range(0, len(X), batch_size):
            x, y, w = X[k : k + batch_size], Y[k : k + batch_size], weights[k : k + batch_size, None]
            error = x @ kernel + bias - y
            total += float((w * error**2).sum() / 3)
            gradient = 2 * w * error / error.size
            kernel, bias = kernel - 0.1 * x.T @ gradient, bias - 0.1 * gradient.sum(0)
        logged.append(total / len(X))
    return logged


# ---------------------------------------------------------------------------------------------- fit


def test_arrays_of_a_nested_batch_may_have_lengths_of_their_own() -> None:
    class Both(pronghorn.Model):
        def call(self, inputs: Any) -> Any:
            return inputs[0] + ops.sum(inputs[1])

    model = Both()
    model.compile(SGD(), SquaredError())
    x, y = (np.ones((4, 1), "float32"), np.ones((2, 3), "float32")), np.full((4, 1), 8.0)
    np.testing.assert_array_equal(model.predict_on_batch(x), np.full((4, 1), 7.0))
    assert model.test_on_batch(x, y) == 1


def test_a_loss_that_is_not_reduced_counts_by_its_mean() -> None:
    for loss in (SquaredError(reduction=None), SquaredError(reduction="none")):
        assert linear(loss=loss).evaluate(X, Y, **QUIET) == pytest.approx(linear().evaluate(X, Y, **QUIET))


@pytest.mark.parametrize("eagerly", [False, True])
def test_fit_is_gradient_descent_and_logs_the_mean_over_samples(eagerly: bool) -> None:
    history = linear(run_eagerly=eagerly).fit(X, Y, batch_size=32, epochs=3, shuffle=False, **QUIET)
    np.testing.assert_allclose(history.history["loss"], losses_by_hand(32, 3), rtol=1e-5)
    assert list(history.history) == ["absolute_error", "loss"]
    assert all(type(value) is float for value in history.history["loss"])
    assert history.epoch == [0, 1, 2]
    assert history.params == {"verbose": 0, "epochs": 3, "steps": 3}


def test_shuffling_is_reproduced_by_numpys_seed_and_runs_eagerly_alike() -> None:
    runs = []
    for eagerly in (False, True):
        np.random.seed(4)
        runs.append(linear(run_eagerly=eagerly).fit(X, Y, epochs=2, **QUIET).history)
    assert runs[0] == runs[1]
    assert runs[0]["loss"] != linear().fit(X, Y, epochs=2, shuffle=False, **QUIET).history["loss"]


def test_sample_weights_weigh_the_loss() -> None:
    weights = np.linspace(0, 2, len(X))
    history = linear().fit(X, Y, 32, 2, shuffle=False, sample_weight=weights, **QUIET).history
    np.testing.assert_allclose(history["loss"], losses_by_hand(32, 2, weights), rtol=1e-5)


def test_the_last_rows_are_for_validation() -> None:
    split = linear().fit(X, Y, shuffle=False, validation_split=0.2, **QUIET).history
    given = linear().fit(X[:56], Y[:56], shuffle=False, validation_data=(X[56:], Y[56:]), **QUIET).history
    assert split == given
    assert list(split) == ["absolute_error", "loss", "val_absolute_error", "val_loss"]


def test_validation_frequency() -> None:
    model = linear()
    assert len(model.fit(X, Y, epochs=5, validation_split=0.2, validation_freq=2, **QUIET).history["val_loss"]) == 2
    chosen = model.fit(X, Y, epochs=5, validation_split=0.2, validation_freq=[1, 4, 5], **QUIET)
    assert len(chosen.history["val_loss"]) == 3


def test_numbers_from_r_are_accepted() -> None:
    history = linear().fit(X, Y, batch_size=35.0, epochs=2.0, initial_epoch=1.0, **QUIET)
    assert history.epoch == [1]
    assert history.params["steps"] == 2


def test_arrays_begin_again_within_an_epoch_of_many_steps() -> None:
    history = linear().fit(X, Y, batch_size=35, epochs=2, steps_per_epoch=3, shuffle=False, **QUIET)
    assert len(history.history["loss"]) == 2
    assert linear().fit(X, Y, steps_per_epoch=2, **QUIET).params["steps"] == 2


def test_several_steps_per_execution_are_the_same_training() -> None:
    seen: list[int] = []

    class Batches(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    one = linear().fit(X, Y, 10, 2, shuffle=False, **QUIET).history
    three = linear(steps_per_execution=3).fit(X, Y, 10, 2, shuffle=False, callbacks=[Batches()], **QUIET).history
    assert one == three
    assert seen == [2, 5, 6] * 2


@pytest.mark.parametrize("batch_size", [4, 10, 70])
def test_steps_that_no_callback_looks_at_are_the_same_training(batch_size: int) -> None:
    """They are handed to the accelerator several at once; the last batch is smaller."""
    seen: list[int] = []

    class Batches(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    def trained(callbacks: list[Callback]) -> tuple[Any, Any, Any]:
        np.random.seed(3)
        model = linear()
        history = model.fit(X, Y, batch_size, 3, callbacks=callbacks, **QUIET).history
        return history, model.evaluate(X, Y, batch_size, **QUIET), model.get_weights()

    (history, scores, weights), (others, other_scores, other_weights) = trained([]), trained([Batches()])
    assert seen == list(range(-(-len(X) // batch_size))) * 3
    assert history == others
    assert scores == other_scores
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loss_that_is_lost_names_the_switch_and_the_switch_the_operation() -> None:
    x = np.full((4, 5), 1e30)
    with (
        pytest.warns(UserWarning, match="the loss is inf in epoch 1; .*set_trace_nans"),
        np.errstate(all="ignore"),
    ):
        linear().fit(x, x[:, :3], epochs=3, **QUIET)
    config.set_trace_nans(True)
    try:
        with pytest.raises(FloatingPointError, match="operation 'square'"):
            linear().fit(x, x[:, :3], **QUIET)
    finally:
        config.set_trace_nans(False)


def test_ctrl_c_stops_at_once_and_leaves_a_usable_model() -> None:
    class Interrupt(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                raise KeyboardInterrupt

    model = linear()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 10, shuffle=False, callbacks=[Interrupt()], **QUIET)
    assert int(model.optimizer.iterations) == 2
    assert model.fit(X, Y, **QUIET).history["loss"][0] < losses_by_hand(32, 1)[0]


def test_stopping_early_and_training_again_traces_nothing_new() -> None:
    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = True

    model = linear()
    history = model.fit(X, Y, 35, epochs=5, callbacks=Stop(), **QUIET)
    assert history.epoch == [0]
    assert int(model.optimizer.iterations) == 1
    plans = list(model.train_program._plans.values())
    model.fit(X, Y, 35, epochs=2, **QUIET)
    assert list(model.train_program._plans.values()) == plans


def test_freezing_a_layer_takes_effect_without_compiling_again() -> None:
    model = linear()
    model.fit(X, Y, **QUIET)
    model.layers[0].kernel.trainable = False
    before = model.get_weights()
    model.fit(X, Y, **QUIET)
    kernel, bias = model.get_weights()
    assert np.array_equal(kernel, before[0])
    assert not np.array_equal(bias, before[1])


# ---------------------------------------------------------------------------------------------- evaluate, predict


def test_evaluate_gives_a_list_in_the_order_of_the_metrics_or_a_dict() -> None:
    model = linear()
    error = X @ np.full((5, 3), 0.5) - Y
    expected = [np.square(error).mean(), np.abs(error).mean()]
    np.testing.assert_allclose(model.evaluate(X, Y, **QUIET), expected, rtol=1e-5)
    logs = model.evaluate(X, Y, return_dict=True, **QUIET)
    np.testing.assert_allclose([logs["loss"], logs["absolute_error"]], expected, rtol=1e-5)
    np.testing.assert_allclose(linear(metrics=None).evaluate(X, Y, **QUIET), expected[0], rtol=1e-5)
    assert model.metrics_names == ["loss", "compile_metrics"]


@pytest.mark.parametrize("batch_size", [None, 1, 33, 70, 1000])
def test_predict_joins_the_batches(batch_size: int | None) -> None:
    outputs = linear().predict(X, batch_size, **QUIET)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, X @ np.full((5, 3), 0.5), rtol=1e-4, atol=1e-6)


def test_predict_hands_out_memory_of_its_own() -> None:
    model = linear()
    first = model.predict(X[:1], **QUIET)
    kept = first.copy()
    model.predict(X[1:2], **QUIET)
    assert np.array_equal(first, kept)
    first[:] = 0
    assert np.array_equal(model.predict(X[:1], **QUIET), kept)


def test_evaluate_and_predict_leave_seeds_and_weights_alone() -> None:
    class Noise(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seed = pronghorn.random.SeedGenerator(7)

        def call(self, inputs: Any) -> Any:
            return inputs + pronghorn.random.normal(ops.shape(inputs), seed=self.seed)

    model = pronghorn.Sequential([pronghorn.Input((5,)), Noise(), Dense(3)])
    model.compile(SGD(), SquaredError())
    state, weights = model.layers[0].seed.state.numpy(), model.get_weights()
    assert model.evaluate(X, Y, **QUIET) == model.evaluate(X, Y, **QUIET)
    assert np.array_equal(model.predict(X, **QUIET), model.predict(X, **QUIET))
    assert np.array_equal(model.layers[0].seed.state.numpy(), state)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    model.fit(X, Y, **QUIET)
    assert not np.array_equal(model.layers[0].seed.state.numpy(), state)


def test_single_batches() -> None:
    model = linear()
    loss, error = model.train_on_batch(X[:10], Y[:10])
    again = linear().fit(X[:10], Y[:10], shuffle=False, **QUIET).history
    assert [loss, error] == [again["loss"][0], again["absolute_error"][0]]
    assert model.test_on_batch(X[:10], Y[:10], return_dict=True)["loss"] < loss
    np.testing.assert_array_equal(model.predict_on_batch(X[:10]), model.predict(X[:10], **QUIET))


def test_a_model_without_input_is_built_for_any_batch_size() -> None:
    model = pronghorn.Sequential([Dense(3)])
    assert model.predict(X[:7], **QUIET).shape == (7, 3)
    assert model.output_shape == (None, 3)
    model = pronghorn.Sequential([Dense(3)])
    model.compile(SGD(), SquaredError())
    model.fit(X, Y, **QUIET)
    assert model.predict(X[:9], **QUIET).shape == (9, 3)


# ---------------------------------------------------------------------------------------------- own steps


class OwnStep(pronghorn.Model):
    """As in Keras's guides: two metrics of its own, no compiled loss."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = Dense(3)
        self.tracker = Mean(name="loss")

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    @property
    def metrics(self) -> list[Any]:
        return [self.tracker]

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with pronghorn.GradientTape() as tape:
            loss = ops.mean(ops.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result(), "norm": {"first": ops.sum(ops.square(gradients[0]))}}


def test_a_train_step_of_ones_own() -> None:
    runs = []
    for eagerly in (False, True):
        model = OwnStep()
        model.compile(SGD(), run_eagerly=eagerly)
        model.build((None, 5))
        model.set_weights([np.full((5, 3), 0.5), np.zeros(3)])
        runs.append(model.fit(X, Y, epochs=2, shuffle=False, **QUIET).history)
    assert runs[0] == runs[1]
    assert list(runs[0]) == ["first", "loss"]


def test_logs_that_are_no_dict_are_refused() -> None:
    class NoDict(OwnStep):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)["loss"]

    model = NoDict()
    model.compile(SGD())
    with pytest.raises(TypeError, match="must return a dict of logs"):
        model.fit(X, Y, **QUIET)


def test_compute_loss_may_be_overridden_as_before_keras_3_3() -> None:
    class Doubled(pronghorn.Model):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            return 2.0 * super().compute_loss(x, y, y_pred, sample_weight)

    inputs = pronghorn.Input((5,))
    model = Doubled(inputs, Dense(3)(inputs))
    model.set_weights([np.full((5, 3), 0.5), np.zeros(3)])
    model.compile(SGD(), SquaredError())
    np.testing.assert_allclose(model.evaluate(X, Y, **QUIET), 2 * linear().evaluate(X, Y, **QUIET)[0], rtol=1e-6)


def test_losses_of_layers_are_enough_to_train() -> None:
    class Penalty(Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(ops.mean(ops.square(inputs)))
            return inputs

    inputs = pronghorn.Input((5,))
    model = pronghorn.Model(inputs, Penalty()(Dense(3)(inputs)))
    model.compile(SGD())
    first, second = model.fit(X, epochs=2, **QUIET).history["loss"]
    assert second < first


# ---------------------------------------------------------------------------------------------- compile


def test_the_program_can_be_looked_at_after_fit() -> None:
    model = linear()
    with pytest.raises(RuntimeError, match="call fit first"):
        _ = model.train_program
    model.fit(X, Y, **QUIET)
    assert any("matmul" in each.name for each in model.train_program.instructions())


def test_compile_config_round_trip() -> None:
    model = linear(loss_weights=[1.0], steps_per_execution=2, metrics=None)
    again = linear()
    with CustomObjectScope({"SGD": SGD, "SquaredError": SquaredError}):
        again.compile_from_config(model.get_compile_config())
    assert isinstance(again.optimizer, SGD)
    assert isinstance(again.loss, SquaredError)
    assert again.optimizer.built
    assert again.steps_per_execution == 2


def test_a_lambda_as_loss_trains_but_is_not_saved() -> None:
    model = linear(loss=lambda y, p: ops.mean(ops.square(y - p), axis=-1))
    model.fit(X, Y, **QUIET)
    with pytest.warns(UserWarning, match="arguments of compile.. are not saved"):
        assert model.get_compile_config() is None


def test_without_jit_the_steps_run_operation_by_operation() -> None:
    model = linear(jit_compile=False)
    history = model.fit(X, Y, shuffle=False, **QUIET).history
    assert history == linear().fit(X, Y, shuffle=False, **QUIET).history
    with pytest.raises(RuntimeError, match="no compiled train step"):
        _ = model.train_program
    with pytest.warns(UserWarning, match="has no effect"):
        linear(jit_compile=True, run_eagerly=True)


# ---------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y[:3]}, r"x has 70 rows and y has 3 \(shapes \(70, 5\) and \(3, 3\)\)"),
        ({"x": X[:0], "y": Y[:0]}, r"x has no rows \(shape \(0, 5\)\); pass at least one sample"),
        ({"x": None, "y": None}, "x: expected an array, a generator or a data set, got None"),
        ({"y": None}, "compiled with a loss, but there are no targets: pass y"),
        ({"x": 3.0}, "x: expected an array with one row per sample, got the scalar 3.0"),
        ({"x": [[1, 2], [3]], "y": [1, 2]}, "x: the rows of the list have different lengths"),
        ({"x": lambda: X}, "x: expected arrays, a PyDataset, or an iterable of batches, got function"),
        ({"y": iter([Y])}, "y: expected arrays like x, got list_iterator"),
        ({"x": iter([X])}, "y: must not be passed where x is a list_iterator"),
        ({"epochs": -1}, "epochs: expected a whole number of at least 0, got -1"),
        ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size: expected a whole number of at least 1, got 2.5"),
        ({"epochs": "3"}, "epochs: expected a whole number of at least 0, got '3'"),
        ({"validation_split": 1.5}, "validation_split: expected a fraction between 0 and 1, got 1.5"),
        ({"validation_split": 0.999}, "both need at least one"),
        ({"shuffle": "rows"}, "shuffle: expected True, False or 'batch', got 'rows'"),
        ({"verbose": 3}, "verbose: expected 'auto', 0"),
        (
            {"class_weight": {0: 1.0}, "sample_weight": np.ones(70)},
            "class_weight and sample_weight exclude each other",
        ),
        ({"validation_freq": 0}, "validation_freq: expected a whole number of at least 1, got 0"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear().fit(**{"x": X, "y": Y, "verbose": 0} | arguments)


def test_nan_labels_are_refused_where_the_loss_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SquaredError, "__module__", "pronghorn_objectives.regression")
    y = Y.copy()
    y[3] = np.nan
    with pytest.raises(ValueError, match="y holds NaN, first in row 3, which makes the loss NaN"):
        linear(metrics=None).fit(X, y, **QUIET)


def test_nan_labels_are_left_to_losses_of_ones_own() -> None:
    def skipping(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(ops.where(y_true == y_true, y_true - y_pred, 0.0)), axis=-1)

    y = Y.copy()
    y[3] = np.nan
    assert np.isfinite(linear(loss=skipping, metrics=None).fit(X, y, **QUIET).history["loss"][0])


def test_compile_is_asked_for() -> None:
    model = pronghorn.Sequential([Dense(3)])
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="is not compiled; call compile"):
            call(X, Y)


def test_unknown_names_are_refused_at_once() -> None:
    for arguments in (
        {"loss": "no_such_loss"},
        {"metrics": ["no_such_metric"]},
        {"optimizer": "no_such_optimizer"},
    ):
        with pytest.raises(ValueError, match="no_such_"):
            linear(**arguments)
    with pytest.raises(ValueError, match="jit_compile must be True, False or 'auto', got 'yes'"):
        linear(jit_compile="yes")


def test_functions_of_a_step_are_made_again() -> None:
    model = linear()
    model.make_train_function()
    first = model.train_function
    model.make_train_function()
    assert model.train_function is first
    model.make_train_function(force=True)
    assert model.train_function is not first
    model.make_test_function()
    model.make_predict_function()
    assert model.test_function is not None and model.predict_function is not None


def test_hooks_get_a_dict_where_there_are_no_logs() -> None:
    seen: list[Any] = []

    class Look(Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            seen.append(logs)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            seen.append(logs)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(logs)

    linear().fit(X, Y, batch_size=70, callbacks=[Look()], **QUIET)
    assert seen == [{}, {}, {}]


def test_a_loss_may_require_something_of_labels() -> None:
    asked = []

    def at_most_100(y: Any) -> None:
        asked.append(y.shape)
        if y.max() > 100:
            raise ValueError("a label above 100")

    def demanding(y_true: Any, y_pred: Any) -> Any:
        require(y_true, at_most_100)
        return absolute_error(y_true, y_pred)

    wrong = np.where(np.arange(70)[:, None] == 69, 101.0, Y)
    model = linear(loss=demanding)
    weights = model.get_weights()
    for refused in (
        lambda: model.fit(X, wrong, **QUIET),
        lambda: model.evaluate(X, wrong, **QUIET),
        lambda: model.train_on_batch(X, wrong),
        lambda: model.fit(X, Y, validation_data=(X, wrong), **QUIET),
    ):
        asked.clear()
        with pytest.raises(ValueError, match="a label above 100"):
            refused()
        assert asked == [(70, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    asked.clear()
    model.fit(X, Y, epochs=2, validation_split=0.2, **QUIET)
    assert asked == [(70, 3)] * 2  # the whole array for each of the two sources, once
