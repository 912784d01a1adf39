"""Recurrent layers and the embedding: Keras's numbers (fixtures/recurrent.npz), masks, states, wrappers."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops, tree
from pronghorn.autodiff import GradientTape, check_gradients
from pronghorn.layer import Layer, get_mask, set_mask
from pronghorn.program import jit
from pronghorn.tensor import convert_to_tensor
from pronghorn.testing import LayerContract
from pronghorn.testing.kernels import accelerators, using_accelerator
from pronghorn.testing.layers import Descent, squared_error

KERAS = dict(np.load(Path(__file__).with_name("fixtures") / "recurrent.npz"))
X, MASK, STATE = KERAS["x"], KERAS["mask"], KERAS["state"]
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "sequences": {"return_sequences": True, "return_state": True},
    "backwards": {"go_backwards": True, "return_sequences": True},
    "unroll": {"unroll": True, "return_state": True},
    "zero": {"zero_output_for_mask": True, "return_sequences": True},
    "zero_last": {"zero_output_for_mask": True},
    "activations": {"activation": "softsign", "use_bias": False},
}
KINDS = {"SimpleRNN": {}, "LSTM": {}, "GRU": {}, "GRU:before": {"reset_after": False}}


def close(found: Any, case: str, rtol: float = 2e-5) -> None:
    values = tree.flatten(found)
    assert len(values) == len([key for key in KERAS if key.rpartition("/")[0] == case])
    for k, value in enumerate(values):
        np.testing.assert_allclose(value.numpy(), KERAS[f"{case}/{k}"], rtol=rtol, atol=2e-6, err_msg=f"{case}/{k}")


def with_weights(layer: Layer, case: str) -> Layer:
    layer.build(X.shape)
    layer.set_weights([KERAS[f"weights/{case}/{k}"] for k in range(len(layer.weights))])
    return layer


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_values(kind: str, option: str) -> None:
    layer: Any = getattr(layers, kind.split(":")[0])(4, **KINDS[kind], **OPTIONS[option])
    with_weights(layer, f"{kind}/{option}")
    state = [STATE] * len(layer.get_initial_state(1))
    for calls in (layer, jit(layer)):
        close(calls(X), f"plain/{kind}/{option}")
        close(calls(X, mask=MASK), f"masked/{kind}/{option}")
        close(calls(X, initial_state=state), f"state/{kind}/{option}")
        if option != "unroll":  # there Keras begins with 0 instead of the state
            close(calls(X, initial_state=state, mask=MASK), f"masked_state/{kind}/{option}")


@pytest.mark.parametrize(
    "layer",
    [
        layers.SimpleRNN(4, activation="relu"),
        layers.LSTM(4, activation="elu", recurrent_activation="hard_sigmoid"),
        layers.GRU(4, activation=None, recurrent_activation="softplus"),
    ],
)
def test_sequences_at_once_are_as_step_by_step(layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def values() -> list[Any]:
        with GradientTape() as tape:
            y = layer(X, mask=MASK)
            loss = ops.sum(ops.square(y))
        return [y, *tape.gradient(loss, layer.trainable_variables)]

    assert layer.cell.recurrence() is not None
    at_once = values()
    monkeypatch.setattr(type(layer.cell), "recurrence", lambda cell: None)
    for a, b in zip(at_once, values(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("per_gate", [False, True])
def test_dropped_states_at_once_are_as_step_by_step(
    kind: str, masked: bool, per_gate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer: Any = getattr(layers, kind)(4, return_sequences=True, dropout=0.3, recurrent_dropout=0.4, seed=1)
    layer.cell.noise_per_gate = per_gate
    layer.build(X.shape)
    seed = layer.cell.seed_generator.state
    first = seed.numpy()

    def gradients() -> list[Any]:
        x = convert_to_tensor(X)
        with GradientTape() as tape:
            tape.watch(x)
            y = layer(x, mask=MASK if masked else None, training=True)
            loss = ops.sum(ops.square(y))
        return [y, *tape.gradient(loss, [x, *layer.trainable_variables])]

    def values() -> tuple[set[str], list[Any]]:
        seed.assign(first)
        program = jit(gradients)
        results = [*program(), seed]
        return {node.op.name for node in program.executable.graph.nodes}, [t.numpy() for t in results]

    ops_at_once, at_once = values()
    monkeypatch.setattr(type(layer.cell), "recurrence", lambda cell: None)
    ops_by_step, by_step = values()
    assert ops_at_once - ops_by_step >= {"recurrence", "recurrence_gradient"} and "scan" in ops_by_step - ops_at_once
    for a, b in zip(at_once, by_step, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_function_of_ones_own_is_not_taken_for_the_activation_of_its_name() -> None:
    def relu(x: Any) -> Any:
        return ops.sin(x)

    assert layers.SimpleRNN(4, activation=relu).cell.recurrence() is None


@pytest.mark.parametrize("mode", ["concat", "sum", "ave", "mul", None])
def test_bidirectional_values(mode: str | None) -> None:
    inner = layers.LSTM(4, return_sequences=True, return_state=True)
    layer = with_weights(layers.Bidirectional(inner, merge_mode=mode), f"Bidirectional/{mode}")
    close(layer(X), f"plain/Bidirectional/{mode}")
    close(layer(X, mask=MASK), f"masked/Bidirectional/{mode}")


def test_stacked_cells_values() -> None:
    cells = [layers.LSTMCell(3), layers.GRUCell(4), layers.SimpleRNNCell(2)]
    layer = with_weights(layers.RNN(cells, return_state=True), "RNN/")
    close(layer(X), "plain/RNN/")
    close(layer(X, mask=MASK), "masked/RNN/")


# ------------------------------------------------------------------------------------------------ the contract


class Accumulate(Layer):
    """A cell that adds up its inputs."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def call(self, inputs: Any, states: Any) -> Any:
        total = states[0] + ops.matmul(inputs, self.kernel)
        return ops.sin(total), [total]


class RecurrentContract(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)


class TestSimpleRNN(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.SimpleRNN(4, dropout=0.2, seed=1, **options)

    def test_training_step(self) -> None:  # dropout draws differ between the twins
        assert self.make()(self.arrays(), training=True).shape == (2, 4)


class TestLSTM(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.LSTM(4, return_sequences=True, return_state=True, **options)


class TestLSTMLast(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.LSTM(4, kernel_regularizer="l2", activation="softsign", go_backwards=True, **options)


class TestGRU(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.GRU(4, return_sequences=True, bias_initializer="glorot_uniform", **options)


class TestGRUResetBefore(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.GRU(4, reset_after=False, **options)


class TestRNNOverStackedCells(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        dtype = options.get("dtype")
        return layers.RNN(
            [layers.LSTMCell(3, dtype=dtype), layers.GRUCell(4, dtype=dtype)], return_state=True, **options
        )


class TestBidirectional(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.Bidirectional(layers.GRU(3, return_sequences=True), **options)

    def test_dtype_policies(self) -> None:  # the inner layer has a policy of its own
        inner = layers.GRU(3, dtype="mixed_float16")
        assert layers.Bidirectional(inner, dtype="mixed_float16")(self.arrays()).dtype == "float16"

    def test_gradients(self) -> None:
        layer = layers.Bidirectional(layers.GRU(3, dtype="float64"), dtype="float64")
        check_gradients(layer, [self.arrays("float64")])


class TestTimeDistributed(RecurrentContract):
    def make(self, **options: Any) -> Layer:
        return layers.TimeDistributed(layers.Dense(4, activation="tanh", dtype=options.get("dtype")), **options)


class TestEmbedding(LayerContract):
    input_shape = (3, 5)
    input_dtype = "int32"
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return layers.Embedding(4, 3, mask_zero=True, embeddings_constraint="non_neg", **options)


class TestReversibleEmbedding(TestEmbedding):
    def make(self, **options: Any) -> Layer:
        return layers.ReversibleEmbedding(4, 3, mask_zero=True, **options)


def test_an_embedding_reversed() -> None:
    """Ids to vectors and vectors to scores, with one table or two."""
    ids = np.array([[1, 2, 0]])
    for tied in (True, False):
        layer = layers.ReversibleEmbedding(4, 3, tie_weights=tied, mask_zero=True)
        vectors = layer(ids)
        table = layer.get_weights()[-1].T if tied else layer.get_weights()[-1]
        scores = layer(vectors, reverse=True)
        np.testing.assert_allclose(scores.numpy(), vectors.numpy() @ table, rtol=1e-6)
        np.testing.assert_array_equal(get_mask(vectors).numpy(), ids != 0)
        assert len(layer.weights) == (1 if tied else 2) and get_mask(scores) is None
        symbol = layer(keras.Input((3, 3)), reverse=True)
        assert (symbol.shape, symbol.dtype) == ((None, 3, 4), "float32")
    capped = layers.ReversibleEmbedding(4, 3, logit_soft_cap=0.5, reverse_dtype="float64", weights=np.ones((4, 3)))
    scores = capped(np.ones((2, 3), "float32"), reverse=True)
    assert scores.dtype == "float64"
    np.testing.assert_allclose(scores.numpy(), 0.5 * np.tanh(3 / 0.5))


# ------------------------------------------------------------------------------------------------ masks and states


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "Bidirectional"])
def test_a_masked_batch_equals_the_trimmed_one(kind: str) -> None:
    """Outputs, loss and gradients, for padding on the right."""
    inner: Any = layers.LSTM(4) if kind == "Bidirectional" else getattr(layers, kind)(4)
    layer = layers.Bidirectional(inner) if kind == "Bidirectional" else inner
    embedding = layers.Embedding(7, 3, mask_zero=True)
    trimmed = np.array([[1, 2, 3], [4, 5, 6]])
    padded = np.concatenate([trimmed, np.zeros((2, 4), int)], axis=1)

    def run(ids: Any) -> list[Any]:
        with GradientTape() as tape:
            loss = ops.sum(ops.sin(layer(embedding(ids))))
        return [loss, *tape.gradient(loss, [*embedding.weights, *layer.weights])]

    embedding.build((2, 3))
    layer.build((2, 3, 3))
    expected = run(trimmed)
    for calls in (run, jit(run)):
        for a, b in zip(expected, calls(padded), strict=True):
            np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-5, atol=1e-6)


def test_second_derivatives_with_a_mask() -> None:
    for kind in ("LSTM", "GRU"):
        layer = getattr(layers, kind)(2, return_sequences=True, dtype="float64")
        mask = np.array([[True, False, True]])
        x = np.random.default_rng(1).normal(size=(1, 3, 2))
        layer(x)
        check_gradients(lambda x, layer=layer, mask=mask: layer(x, mask=mask), [x], order=2, rtol=1e-4, atol=1e-6)


def test_mask_goes_on_with_sequences_only() -> None:
    inputs = convert_to_tensor(X)
    set_mask(inputs, convert_to_tensor(MASK))
    assert get_mask(layers.LSTM(2)(inputs)) is None
    outputs, state = layers.GRU(2, return_sequences=True, return_state=True)(inputs)
    np.testing.assert_array_equal(get_mask(outputs), MASK)
    assert get_mask(state) is None


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_what_is_masked_may_be_nan(kind: str) -> None:
    layer = getattr(layers, kind)(3)
    x = np.where(MASK[..., None], X, np.nan)
    layer.build(X.shape)

    def run(x: Any) -> Any:
        x = convert_to_tensor(x)
        with GradientTape() as tape:
            tape.watch(x)
            outputs = ops.sum(layer(x, mask=MASK))
        return outputs, tape.gradient(outputs, x)

    for calls in (run, jit(run)):
        outputs, gradient = calls(x)
        assert np.isfinite(outputs.numpy())
        assert np.all(gradient.numpy()[~MASK] == 0)


def test_a_mask_of_the_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"the mask must have the shape \(batch, steps\) = \(3, 5\), got \(3, 4\)"):
        layers.LSTM(2)(X, mask=MASK[:, :4])


def test_stateful() -> None:
    layer = layers.LSTM(3, stateful=True)
    plain = layers.LSTM(3)
    layer.build(X.shape)
    plain.build(X.shape)
    plain.set_weights(layer.get_weights())
    whole = plain(X).numpy()
    layer(X[:, :2])
    np.testing.assert_allclose(layer(X[:, 2:]).numpy(), whole, rtol=1e-5, atol=1e-6)
    layer.reset_states()
    np.testing.assert_allclose(layer(X).numpy(), whole, rtol=1e-5, atol=1e-6)
    layer.reset_state()
    program = jit(layer)
    program(X[:, :2])
    np.testing.assert_allclose(program(X[:, 2:]).numpy()[0], whole[0], rtol=1e-5, atol=1e-6)
    assert len(layer.weights) == 3
    with pytest.raises(ValueError, match="was built for batches of 3 sequences, got 2"):
        layer(X[:2])
    with pytest.raises(ValueError, match="stateful=True needs to know the batch size"):
        layers.LSTM(3, stateful=True)(keras.Input((4, 2)))


def test_stateful_in_fit() -> None:
    model = keras.Sequential([keras.Input(batch_shape=(4, 3, 2)), layers.GRU(3, stateful=True), layers.Dense(1)])
    model.compile(Descent(0.01), squared_error)
    x, y = np.ones((8, 3, 2), "float32"), np.ones((8, 1), "float32")
    model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
    states = model.layers[0].states
    assert np.any(states[0].numpy() != 0)
    assert all(v is not states[0] for v in model.weights)


def test_sequence_to_sequence_survives_a_file(tmp_path: Path) -> None:
    source, target = keras.Input((None, 3)), keras.Input((None, 2))
    _, h, c = layers.LSTM(5, return_state=True)(source)
    outputs, *_ = layers.LSTM(5, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    model = keras.Model([source, target], layers.Dense(2)(outputs))
    model.compile(Descent(0.01), squared_error)
    inputs = [np.ones((4, 6, 3), "float32"), np.ones((4, 5, 2), "float32")]
    model.fit(inputs, np.zeros((4, 5, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(again.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


def test_stacked_cells_with_states_of_their_own() -> None:
    layer = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_state=True, stateful=True)
    outputs, (h, c), state = layer(X)
    assert (outputs.shape, h.shape, c.shape, state[0].shape) == ((3, 4), (3, 3), (3, 3), (3, 4))
    np.testing.assert_array_equal(layer.states[0][1].numpy(), c.numpy())
    layer.reset_states()
    np.testing.assert_array_equal(layer(X)[0].numpy(), outputs.numpy())


def test_return_state_continues() -> None:
    layer = layers.GRU(3, return_sequences=True, return_state=True)
    whole, last = layer(X)
    head, state = layer(X[:, :3])
    tail, end = layer(X[:, 3:], initial_state=state)
    np.testing.assert_allclose(np.concatenate([head, tail], 1), whole.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(end.numpy(), last.numpy(), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------ cells and dropout


def test_a_custom_cell_on_every_accelerator() -> None:
    layer = layers.RNN(Accumulate(3), return_sequences=True)
    expected = np.sin(np.cumsum(X @ _kernel(layer), axis=1))
    for name in accelerators():
        with using_accelerator(name):
            np.testing.assert_allclose(jit(layer)(X).numpy(), expected, rtol=1e-5, atol=1e-6)
    x = keras.Input((None, 2))
    assert layer(x).shape == (None, None, 3)


def _kernel(layer: Any) -> Any:
    layer.build(X.shape)
    return layer.cell.kernel.numpy()


def test_an_rnn_over_a_cell_is_the_layer() -> None:
    layer, over = layers.LSTM(4), layers.RNN(layers.LSTMCell(4))
    layer.build(X.shape)
    over.build(X.shape)
    over.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer.get_weights()[2], np.repeat([0, 1, 0, 0], 4))
    np.testing.assert_allclose(over(X).numpy(), layer(X).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_dropout_is_the_same_in_all_steps(kind: str) -> None:
    """With an identity recurrence of zero weight the outputs of equal steps are equal, but not those of two calls."""
    for options in ({"dropout": 0.5}, {"recurrent_dropout": 0.5}):
        layer: Any = getattr(layers, kind)(4, return_sequences=True, seed=3, **options)
        x = np.ones((2, 4, 6), "float32")
        plain = layer(x).numpy()
        np.testing.assert_array_equal(plain, layer(x).numpy())
        first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
        assert not np.array_equal(first, second)
        assert not np.allclose(first, plain)
        if "dropout" in options:
            kernel = layer.cell.recurrent_kernel
            kernel.assign(np.zeros(kernel.shape))
            if kind == "SimpleRNN":
                steps = layer(x, training=True).numpy()
                np.testing.assert_allclose(steps, np.repeat(steps[:, :1], 4, axis=1), rtol=1e-6)


def test_time_distributed_mask_and_values() -> None:
    dense = layers.Dense(3)
    layer = layers.TimeDistributed(dense)
    np.testing.assert_allclose(layer(X).numpy(), dense(X).numpy(), rtol=1e-6)
    inner = layers.TimeDistributed(layers.LSTM(2))
    assert inner(np.ones((2, 3, 4, 5), "float32")).shape == (2, 3, 2)
    assert [v.path for v in inner.weights][0].endswith("/lstm_cell/kernel") or inner.weights
    with pytest.raises(ValueError, match=r"expected inputs of the shape \(batch, steps, …\), got \(2, 3\)"):
        layers.TimeDistributed(layers.Dense(3))(np.ones((2, 3), "float32"))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="a cell needs call"):
        layers.RNN(3)
    with pytest.raises(ValueError, match="argument `units`: expected a whole number of at least 1, got 0"):
        layers.LSTM(0)
    with pytest.raises(ValueError, match="argument `merge_mode` must be"):
        layers.Bidirectional(layers.LSTM(2), merge_mode="max")
    with pytest.raises(ValueError, match="different values of `go_backwards`"):
        layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2))
    with pytest.raises(NotImplementedError, match="use_cudnn=True"):
        layers.GRU(2, use_cudnn=True)
    with pytest.raises(ValueError, match="of at least one step, got the shape"):
        layers.LSTM(2)(X[:, :0])
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        layers.LSTM(2)(X[0])


# ------------------------------------------------------------------------------------------------ embedding


def test_embedding() -> None:
    layer = layers.Embedding(5, 3, weights=np.arange(15.0).reshape(5, 3), mask_zero=True)
    outputs = layer(np.array([[0, 4], [1, 1]]))
    np.testing.assert_array_equal(outputs.numpy()[0, 1], [12, 13, 14])
    np.testing.assert_array_equal(get_mask(outputs), [[False, True], [True, True]])
    with GradientTape() as tape:
        total = ops.sum(layer(np.array([[0, 4], [1, 1]])))
    np.testing.assert_array_equal(
        tape.gradient(total, layer.embeddings), np.array([[1], [2], [0], [0], [1]]) * np.ones(3)
    )
    assert layer.get_config()["mask_zero"] is True
    assert "weights" not in layer.get_config()


def test_masks_are_nodes_of_a_model() -> None:
    x = keras.Input((None,), dtype="int32")
    y = layers.LSTM(3)(layers.Embedding(5, 2, mask_zero=True)(x))
    model = keras.Model(x, y)
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    np.testing.assert_allclose(model(ids).numpy()[1], model(ids[:, :1]).numpy()[1], rtol=1e-6)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(ids).numpy(), model(ids).numpy())


def test_a_train_step_has_no_host_instruction() -> None:
    ids = np.random.default_rng(0).integers(0, 9, (8, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for inner in (layers.LSTM(5), layers.GRU(5), layers.Bidirectional(layers.SimpleRNN(5))):
            model = keras.Sequential(
                [keras.Input((6,), dtype="int32"), layers.Embedding(9, 4, mask_zero=True), inner, layers.Dense(1)]
            )
            model.compile(Descent(0.01), squared_error)
            model.fit(ids, ids[:, :1].astype("float32"), batch_size=4, verbose=0)


def test_the_layers_inside_of_a_cell_without_build_are_built() -> None:
    class Mixing(Layer):
        state_size = [3, 2]
        output_size = 3

        def __init__(self) -> None:
            super().__init__()
            self.inner, self.read = layers.Dense(3), layers.Dense(2)

        def call(self, inputs: Any, states: Any) -> Any:
            whole = self.inner(ops.concatenate([inputs, *states], axis=-1))
            return whole, [whole, self.read(whole)]

    layer = layers.RNN(Mixing(), return_sequences=True)
    assert layer(keras.Input((None, 4))).shape == (None, None, 3)
    assert [weight.shape for weight in layer.weights] == [(9, 3), (3,), (3, 2), (2,)]
