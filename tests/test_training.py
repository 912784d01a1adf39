"""Training as a whole on the CPU accelerator: bits, plans, and agreement with eager code and NumPy."""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import config
from pronghorn_cpu import cache
from pronghorn_cpu.lowered import LoweredGraph
from pronghorn_cpu.runner import set_threads

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array]
Make = Callable[..., Any]
QUIET: dict[str, Any] = {"verbose": 0}


@pytest.fixture(autouse=True)
def on_the_cpu(settings_are_put_back: None) -> Iterator[None]:
    config.set_accelerator("cpu")
    yield


def fingerprint(model: Any) -> str:
    """Of all weights, bit for bit."""
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


def optimizers() -> dict[str, Any]:
    return {
        "rmsprop": "rmsprop",
        "adam": "adam",
        "sgd": keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    }


# ------------------------------------------------------------------------------------------------ the same bits


@pytest.mark.parametrize("name", ["rmsprop", "adam", "sgd"])
def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads(classifier: Make, digits: Data, name: str) -> None:
    found = set()
    for threads in (1, 2, 4, 1):
        set_threads(threads)
        model = classifier(optimizer=optimizers()[name])
        history = model.fit(*digits, batch_size=128, epochs=2, validation_split=0.1, **QUIET).history
        predicted = model.predict(digits[0], batch_size=77, **QUIET)
        found.add((fingerprint(model), predicted.tobytes(), repr(history)))
    assert len(found) == 1


def test_another_seed_gives_other_bits(classifier: Make, digits: Data) -> None:
    models = [classifier(seed) for seed in (0, 1)]
    for model in models:
        model.fit(*digits, **QUIET)
    assert fingerprint(models[0]) != fingerprint(models[1])


FIT = """
import gc
import hashlib
import numpy as np
import pronghorn as keras
from pronghorn_cpu import cache

rng = np.random.default_rng(0)
x, y = rng.random((40, 20)), np.eye(4)[rng.integers(0, 4, 40)]
keras.utils.set_random_seed(3)
model = keras.Sequential([keras.Input((20,))])
model.add(keras.layers.Dense(16, activation="relu"))
model.add(keras.layers.Dropout(0.4))
model.add(keras.layers.Dense(4, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x, y, batch_size=16, epochs=2, verbose=0)
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest(), cache.compiled_count())
"""


def test_cold_and_warm_processes_give_the_same_bits(run_python: Any, tmp_path: Path) -> None:
    """Cold by helper processes, cold by this process alone, and warm, with other numbers of threads.

    A cold one says on standard error that it compiles, in one line, and a warm one nothing.
    """
    setups = [("a", "2"), ("a", "1"), ("b", "1"), ("b", "4")]
    results = [
        run_python(FIT, PRONGHORN_CACHE=str(tmp_path / where), PRONGHORN_NUM_THREADS=threads, PRONGHORN_QUIET=None)
        for where, threads in setups
    ]
    assert [result.returncode for result in results] == [0] * 4, results
    assert results[1].stderr == results[3].stderr == ""
    for cold in (results[0], results[2]):
        assert re.fullmatch(r"Compiling kernels for this machine: \d+/\d+ \.\.\.\n", cold.stderr)
    bits, compiled = zip(*(result.stdout.split() for result in results), strict=True)
    assert len(set(bits)) == 1
    assert [int(count) > 0 for count in compiled] == [True, False, True, False]


def test_dropout_does_not_depend_on_models_made_before(digits: Data) -> None:
    """What a model draws follows from the seed and from the generator's place in the model."""

    def trained(others: int) -> str:
        keras.utils.set_random_seed(7)
        for _ in range(others):
            keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
        model = keras.Sequential([keras.Input((784,))])
        for width in (32, 32, 10):
            model.add(keras.layers.Dense(width, kernel_initializer=keras.initializers.GlorotUniform(seed=width)))
            model.add(keras.layers.Dropout(0.5))
        model.compile("sgd", "mse")
        model.fit(*digits, batch_size=100, shuffle=False, **QUIET)
        return fingerprint(model)

    assert trained(others=0) == trained(others=3)


def test_dropout_layers_of_one_model_draw_differently() -> None:
    layers = [keras.layers.Dropout(0.5, seed=seed) for seed in (None, None, 1, 1)]
    inputs = keras.Input((64,))
    model = keras.Model(inputs, [layer(inputs) for layer in layers])

    class Masks(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def train_step(self, data: Any) -> Any:
            outputs = self.inner(data, training=True)
            places = keras.ops.arange(64, dtype="float32")
            return {f"mask {k}": keras.ops.sum(y * places) for k, y in enumerate(outputs)}

    wrapper: Any = Masks()
    wrapper.compile()
    logs = wrapper.fit(np.ones((8, 64)), batch_size=8, **QUIET).history
    assert len({values[0] for values in logs.values()}) == len(layers)


# ------------------------------------------------------------------------------------------------ other ways to run


@pytest.mark.parametrize("name", ["rmsprop", "adam", "sgd"])
@pytest.mark.parametrize("other", ["eager", "numpy"])
def test_eager_code_and_the_numpy_accelerator_agree(classifier: Make, digits: Data, name: str, other: str) -> None:
    def trained(**options: Any) -> tuple[list[Array], list[float]]:
        model = classifier(widths=(32, 16), optimizer=optimizers()[name], **options)
        history = model.fit(*digits, batch_size=100, epochs=2, **QUIET).history
        return model.get_weights(), history["loss"]

    weights, losses = trained()
    if other == "numpy":
        config.set_accelerator("numpy")
    expected, expected_losses = trained(run_eagerly=other == "eager")
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


# ------------------------------------------------------------------------------------------------ programs


def test_other_batch_sizes_compile_no_kernel(classifier: Make, digits: Data) -> None:
    x, y = digits
    model = classifier()
    model.fit(x[:128], y[:128], batch_size=128, **QUIET)
    model.predict(x[:128], batch_size=128, **QUIET)
    known = set(cache._kernels)
    for batch in (96, 1, 7):
        model.fit(x[: 2 * batch], y[: 2 * batch], batch_size=batch, **QUIET)
        model.predict(x[: 2 * batch], batch_size=batch, **QUIET)
        model.predict(x[:batch], **QUIET)
    assert set(cache._kernels) == known


def test_plans_leave_nothing_to_the_garbage_collector_and_keep_few_objects(classifier: Make, digits: Data) -> None:
    x, y = digits
    model = classifier()
    for batch in (64, 64, 32):
        model.train_on_batch(x[:batch], y[:batch])
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for batch in range(40, 50):
            model.train_on_batch(x[:batch], y[:batch])
        assert gc.collect() == 0
        assert len(gc.get_objects()) - before < 10 * 60
    finally:
        gc.enable()


def test_the_tutorials_step_is_few_kernels_in_little_memory(classifier: Make, digits: Data) -> None:
    model = classifier(widths=(256, 128))
    model.fit(digits[0][:256], digits[1][:256], batch_size=128, **QUIET)
    instructions = model.train_program.instructions()
    assert len(instructions) <= 25
    assert {instruction.kind for instruction in instructions} == {"kernel"}
    executable = model.train_program.executable
    plan = LoweredGraph(executable.graph).plan
    assert executable.activation_bytes == plan.size
    assert plan.bound <= plan.size <= 1.1 * plan.bound
    listing = str(model.train_program)
    for layer in model.layers:
        assert f"({model.name}/{layer.name})" in listing or "dropout" in layer.name  # fused into the Dense before it


def test_a_profile_has_a_line_for_each_instruction_and_changes_nothing(classifier: Make, digits: Data) -> None:
    model = classifier()
    model.fit(digits[0][:128], digits[1][:128], batch_size=128, **QUIET)
    before = fingerprint(model)
    text = str(model.train_program.profile(repeats=3))
    assert fingerprint(model) == before
    assert len(text.splitlines()) > len(model.train_program.instructions())


def test_a_model_learns(classifier: Make, digits: Data) -> None:
    model = classifier(optimizer="adam")
    losses = model.fit(*digits, epochs=30, batch_size=32, **QUIET).history["loss"]
    assert losses[-1] < losses[0] / 2
    assert model.evaluate(*digits, return_dict=True, **QUIET)["accuracy"] > 0.8


# ------------------------------------------------------------------------------------------------ what R sends


def test_fortran_ordered_float64_trains_like_float32(classifier: Make, digits: Data) -> None:
    results = []
    for convert in (np.ascontiguousarray, lambda a: np.asfortranarray(a, np.float64)):
        model = classifier()
        model.fit(convert(digits[0]), convert(digits[1]), batch_size=50.0, epochs=2.0, **QUIET)
        results.append((fingerprint(model), model.predict(convert(digits[0]), **QUIET).tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("dtype", ["float16", ">f2"])
def test_half_floats_train_like_the_same_numbers_in_float32(classifier: Make, digits: Data, dtype: str) -> None:
    results = []
    for convert in (np.asarray, lambda a: a.astype("float32")):
        x, y = (convert(a.astype(dtype)) for a in digits)
        model = classifier()
        model.fit(x, y, sample_weight=x[:, 0], shuffle=False, **QUIET)
        results.append((fingerprint(model), model.evaluate(x, y, **QUIET)))
    assert results[0] == results[1]


class Batches:
    """An iterator as reticulate makes it of a generator function: `__next__` and nothing else."""

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y, self.position = x, y, 0

    def __next__(self) -> list[Array]:
        start = self.position % len(self.x)
        self.position += 50
        return [self.x[start : start + 50], self.y[start : start + 50]]


def test_an_iterator_of_batches_as_lists(classifier: Make, digits: Data) -> None:
    streamed, direct = classifier(), classifier()
    streamed.fit(Batches(*digits), steps_per_epoch=6.0, epochs=2.0, validation_data=list(digits), **QUIET)
    direct.fit(*digits, batch_size=50, epochs=2, shuffle=False, **QUIET)
    assert fingerprint(streamed) == fingerprint(direct)


def test_numbers_as_floats_and_shapes_as_lists(digits: Data) -> None:
    model: Any = keras.Sequential(
        [
            keras.Input([28.0, 28.0]),
            keras.layers.Reshape([784.0]),
            keras.layers.Dense(units=16.0, activation="relu"),
            keras.layers.Dense(10.0, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics="accuracy")
    history = model.fit(digits[0].reshape(300, 28, 28).tolist(), digits[1].tolist(), epochs=1.0, **QUIET)
    assert sorted(history.history) == ["accuracy", "loss"]
    assert model.output_shape == (None, 10)
