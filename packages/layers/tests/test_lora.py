"""LoRA: values and files of real Keras, what is trained, and what is refused."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops
from pronghorn.saving.files import ModelFileError
from pronghorn.testing.layers import Descent, squared_error

HERE = Path(__file__).with_name("fixtures")
FIXTURES = dict(np.load(HERE / "lora.npz"))
CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = runpy.run_path(str(HERE / "lora_cases.py"))["CASES"]


def made(name: str, **options: Any) -> Any:
    arguments, shape = CASES[name]
    layer = getattr(layers, name)(**arguments, **options)
    layer.build(shape)
    return layer


def of(name: str, what: str) -> list[Any]:
    return [FIXTURES[key] for key in sorted(FIXTURES) if key.startswith(f"{name}_{what}_")]


@pytest.mark.parametrize("name", CASES)
def test_values_weights_and_files_are_those_of_keras(name: str) -> None:
    layer = made(name)
    layer.enable_lora(2, lora_alpha=3)
    assert [w.name for w in layer.weights] == FIXTURES[f"{name}_names"].tolist()
    layer.set_weights(of(name, "weight"))
    x, y = FIXTURES[f"{name}_x"], FIXTURES[f"{name}_y"]
    np.testing.assert_allclose(layer(x).numpy(), y, rtol=1e-5, atol=1e-5)
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    assert list(store) == [str(i) for i in range(len(of(name, "saved")))]
    for key, expected in zip(store, of(name, "saved"), strict=True):
        np.testing.assert_allclose(store[key], expected, rtol=1e-5, atol=1e-6)
    for other in (made(name), made(name, lora_rank=3)):
        other.load_own_variables(store)
        np.testing.assert_allclose(other(x).numpy(), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_the_factors_are_trained_and_the_weight_is_not(name: str) -> None:
    inputs = keras.Input(CASES[name][1][1:], dtype="int32" if name == "Embedding" else None)
    layer = getattr(layers, name)(**CASES[name][0], lora_rank=2, lora_alpha=4.0)
    model = keras.Model(inputs, layer(inputs))
    model.compile(Descent(0.1), squared_error)
    x = FIXTURES[f"{name}_x"]
    before = model.predict(x, verbose=0)
    weights = {w.name: w.numpy() for w in layer.weights}
    np.testing.assert_allclose(before, made_with(name, weights)(x).numpy(), rtol=1e-5, atol=1e-6)  # B begins with zeros
    model.fit(x, before + 1, epochs=2, verbose=0)
    after = {w.name: w.numpy() for w in layer.weights}
    changed = {key for key in weights if not np.array_equal(weights[key], after[key])}
    main = layer.adapted
    assert changed == weights.keys() - {main}
    a, b = after[f"lora_{main}_a"], after[f"lora_{main}_b"]
    np.testing.assert_allclose(np.asarray(getattr(layer, main)), after[main] + 2 * a @ b, rtol=1e-6, atol=1e-6)
    trained = model.predict(x, verbose=0)
    assert not np.array_equal(before, trained)


def test_a_frozen_weight_stays_frozen() -> None:
    layer = made("Dense", lora_rank=2)
    for value, names in ((False, []), (True, ["bias", "lora_kernel_a", "lora_kernel_b"])):
        layer.trainable = value
        assert [v.name for v in layer.trainable_variables] == names


def made_with(name: str, weights: dict[str, Any]) -> Any:
    layer = made(name)
    layer.set_weights([weights[w.name] for w in layer.weights])
    return layer


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_files(tmp_path: Path, suffix: str) -> None:
    inputs = keras.Input((5,))
    model = keras.Model(inputs, layers.Dense(3, name="last")(layers.Dense(4, name="first")(inputs)))
    model.get_layer("first").enable_lora(2, lora_alpha=8)
    model.get_layer("first").lora_kernel_b.assign(np.ones((2, 4)))
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    y = model.predict(x, verbose=0)
    path = tmp_path / f"model{suffix}"
    if suffix == ".keras":
        model.save(path)
        again = keras.models.load_model(path)
        first = again.get_layer("first")
        assert (first.lora_rank, first.lora_alpha, first.lora_enabled) == (2, 8, True)
        assert not first._kernel.trainable
    else:
        model.save_weights(path)
        again = keras.Model(inputs, layers.Dense(3)(layers.Dense(4)(inputs)))
        again.load_weights(path)
        wrong = keras.Model(inputs, layers.Dense(3)(layers.Dense(7)(inputs)))
        with pytest.raises(ModelFileError, match=r"\(5, 4\) \(4,\) +\(5, 7\) \(7,\)"):
            wrong.load_weights(path)
    np.testing.assert_allclose(again.predict(x, verbose=0), y, rtol=1e-5, atol=1e-6)
    if suffix == ".keras":  # the factors can be trained on, which two of zeros could not
        again.compile(Descent(0.1), squared_error)
        again.fit(x, y + 1, verbose=0)
        assert np.any(again.get_layer("first").lora_kernel_b.numpy())


def test_factors_are_float32_whatever_the_policy() -> None:
    layer = made("Dense", dtype="mixed_float16", lora_rank=2)
    assert layer.lora_kernel_a.dtype == layer.lora_kernel_b.dtype == "float32"
    layer = made("Dense", dtype="float16", lora_rank=2)
    assert layer.lora_kernel_a.dtype == "float32"
    assert layer(np.ones((2, 5))).dtype == layer.kernel.dtype == "float16"
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    assert store["0"].dtype == "float16"


def test_the_other_direction_of_an_embedding_is_adapted_too() -> None:
    layer = layers.ReversibleEmbedding(6, 3)
    layer.build()
    layer.enable_lora(2)
    layer.lora_embeddings_b.assign(np.ones((2, 3)))
    vectors = ops.convert_to_tensor(np.eye(3, dtype="float32"))
    np.testing.assert_allclose(layer(vectors, reverse=True).numpy(), layer.embeddings.numpy().T, rtol=1e-6)


def test_config() -> None:
    assert "lora_rank" not in made("Dense").get_config()
    config = made("Conv2D", lora_rank=2).get_config()
    assert (config["lora_rank"], config["lora_alpha"]) == (2, 2)
    again = layers.Conv2D.from_config(config)
    again.build((2, 4, 4, 2))
    assert again.lora_enabled


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: layers.Dense(3).enable_lora(2), "enable_lora needs a layer that is built"),
        (lambda: made("Dense", lora_rank=2).enable_lora(2), "enable_lora was called before"),
        (lambda: made("Dense", kernel_constraint="non_neg").enable_lora(2), "`kernel_constraint` exclude each other"),
        (lambda: made("Dense", lora_rank=0), "argument `lora_rank`"),
        (lambda: made("Dense", lora_alpha=2), "give `lora_rank` too"),
        (lambda: made("Dense").enable_lora(0), "argument `rank`"),
    ],
)
def test_mistakes_are_named(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_weights_are_there_once_the_layer_is_built() -> None:
    with pytest.raises(AttributeError, match="no `kernel` before it is built"):
        _ = layers.Dense(3).kernel
