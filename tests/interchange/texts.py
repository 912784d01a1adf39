"""Models of strings that Pronghorn and real Keras build from one source, to be saved by one and opened by the other.

    python texts.py {keras,pronghorn} {save,open} FOLDER

Keras needs TensorFlow for these layers: `KERAS_BACKEND=tensorflow python texts.py keras save FOLDER`, which is how
`tests/fixtures/keras_texts` was made.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TEXTS = ["The cat sat on the mat.", "A dog? A dog!", "the dog's mat", "no cat", "Élan vital, vital", "cat and dog"]
CITIES = ["rome", "oslo", "rome", "bern", "-", "oslo"]
CODES = [3, 500, 3, 77, -1, 500]
NUMBERS = ("size", "price", "depth", "age")


def builders(keras: Any) -> dict[str, Callable[[], Any]]:
    """Name -> a function that makes the model."""
    layers = keras.layers

    def sequence() -> Any:
        vectorize = layers.TextVectorization(max_tokens=12, output_sequence_length=5)
        vectorize.adapt(np.array(TEXTS))
        text = keras.Input((1,), dtype="string", name="text")
        x = layers.Embedding(12, 3, mask_zero=True)(vectorize(text))
        return keras.Model([text], layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))

    def features() -> Any:
        text = keras.Input((), dtype="string", name="text")
        city = keras.Input((1,), dtype="string", name="city")
        code = keras.Input((1,), dtype="int64", name="code")
        words = layers.TextVectorization(max_tokens=20, output_mode="tf_idf", ngrams=2)
        words.adapt(np.array(TEXTS))
        cities = layers.StringLookup(output_mode="one_hot", num_oov_indices=2)
        cities.adapt(np.array(CITIES))
        known = layers.StringLookup(vocabulary=["bern", "oslo"], mask_token="-", output_mode="count")
        codes = layers.IntegerLookup(output_mode="multi_hot", max_tokens=6, pad_to_max_tokens=True)
        codes.adapt(np.array(CODES))
        hashed = layers.Hashing(5, mask_value="-", output_mode="one_hot")
        crossed = layers.HashedCrossing(7, output_mode="one_hot")
        vectors = [words(text), cities(city), known(city), codes(code), hashed(city), crossed([city, code])]
        joined = layers.Concatenate()([layers.Rescaling(1.0)(vector) for vector in vectors])
        return keras.Model([text, city, code], [layers.Dense(2)(joined), joined])

    def space() -> Any:
        feature_space = keras.utils.FeatureSpace
        columns = {
            "size": "float",
            "price": "float_normalized",
            "depth": feature_space.float_rescaled(2.0, 1.0),
            "age": feature_space.float_discretized(3),
            "city": "string_categorical",
            "code": feature_space.integer_categorical(max_tokens=4, num_oov_indices=2),
            "shop": feature_space.string_hashed(5),
            "item": feature_space.integer_hashed(4),
        }
        space = feature_space(columns, crosses=[("city", "code")], crossing_dim=6)
        space.adapt(table())
        return space

    return {"sequence": sequence, "features": features, "space": space}


def table() -> dict[str, Any]:
    """Columns for the FeatureSpace."""
    numbers = {name: np.linspace(0.0, 1.0 + i, 6, dtype="float32") for i, name in enumerate(NUMBERS)}
    return {**numbers, "city": np.array(CITIES), "code": np.array(CODES), "shop": np.array(TEXTS), "item": np.arange(6)}


def outputs(keras: Any, model: Any) -> dict[str, Any]:
    """What a model makes of the data, and of words it never saw."""
    if not hasattr(model, "predict"):
        return {"output": np.asarray(model(table()))}
    texts, cities = [*TEXTS, "unknown cat"], [*CITIES, "nowhere"]
    data = [np.array(texts), np.array(cities)[:, None], np.array([*CODES, 12345])[:, None]]
    if keras.__name__ == "keras":
        convert = importlib.import_module("tensorflow").constant
        data = [convert(x) for x in data]
    found = model.predict(data[: len(model.inputs)], verbose=0)
    return {f"output {i}": x for i, x in enumerate(found if isinstance(found, list) else [found])}


def save_models(keras: Any, folder: Path) -> None:
    """Files and outputs of all models."""
    for name, build in builders(keras).items():
        model = build()
        model.save(folder / f"{name}.keras")
        np.savez_compressed(folder / f"{name}.npz", **outputs(keras, model))


def open_models(keras: Any, folder: Path) -> None:
    """Compares the outputs that were noted with those of the models that are read."""
    for name in builders(keras):
        expected = np.load(folder / f"{name}.npz")
        for key, value in outputs(keras, keras.models.load_model(folder / f"{name}.keras")).items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-5, atol=1e-6, err_msg=f"{name} {key}")


if __name__ == "__main__":
    module, what, where = sys.argv[1:]
    {"save": save_models, "open": open_models}[what](importlib.import_module(module), Path(where))
