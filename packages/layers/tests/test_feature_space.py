"""FeatureSpace: columns of tables, one by one and together. What Keras makes of them is in tests/test_text_files.py."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import layers
from pronghorn.model import Model
from pronghorn.saving import ModelFileError, load_model
from pronghorn.testing.layers import Descent, squared_error
from pronghorn.utils import FeatureSpace

TABLE = {"age": [0.0, 1.0, 2.0, 3.0], "city": ["oslo", "rome", "oslo", "bern"], "code": [0, 1, 0, 7]}


def space(**options: Any) -> FeatureSpace:
    kinds = {"age": "float_normalized", "city": "string_categorical", "code": "integer_categorical"}
    found = FeatureSpace(kinds, crosses=[("city", "code")], crossing_dim=4, **options)
    found.adapt(TABLE)
    return found


def test_one_vector_of_all_columns() -> None:
    found = space()(TABLE).numpy()
    assert found.shape == (4, 1 + 4 + 4 + 4)
    np.testing.assert_allclose(found[:, 0], (np.arange(4) - 1.5) / np.std(np.arange(4)), rtol=1e-6)
    np.testing.assert_array_equal(found[:, 1:5].argmax(1), [1, 2, 1, 3])  # oslo is the most frequent, then rome
    np.testing.assert_array_equal(found[:, 5:9].argmax(1), [1, 3, 1, 2])
    assert (found[:, 9:].sum(1) == 1).all() and (found[0, 9:] == found[2, 9:]).all()


def test_a_dict_of_all_columns_and_a_single_row() -> None:
    found = space(output_mode="dict")(TABLE)
    assert {name: x.shape for name, x in found.items()} == {
        "age": (4, 1),
        "city": (4, 4),
        "code": (4, 4),
        "city_X_code": (4, 4),
    }
    row = {name: values[1] for name, values in TABLE.items()}
    for name, x in space(output_mode="dict")(row).items():
        np.testing.assert_array_equal(x.numpy(), found[name].numpy()[1])
    np.testing.assert_array_equal(space()(row).numpy(), space()(TABLE).numpy()[1])


def test_features_of_each_kind() -> None:
    kinds = {
        "a": FeatureSpace.float_rescaled(2.0, 1.0),
        "b": FeatureSpace.float_discretized(None, bin_boundaries=[0.5, 1.5]),
        "c": FeatureSpace.string_hashed(3, output_mode="int"),
        "d": FeatureSpace.feature("string", layers.TextVectorization(output_mode="count", vocabulary=["x"]), "float"),
        "e": FeatureSpace.integer_categorical(max_tokens=3, num_oov_indices=2, output_mode="int"),
        "f": "float",
    }
    found = FeatureSpace(kinds, output_mode="dict", crosses=[FeatureSpace.cross(("c", "e"), 9, "int")])
    found.adapt({"a": [0.0, 1.0], "b": [0.0, 1.0], "c": ["u", "v"], "d": ["x", "x y"], "e": [5, 5], "f": [0.0, 0.5]})
    outputs = found({"a": [1.0], "b": [1.0], "c": ["u"], "d": ["x y z x"], "e": [5], "f": [0.25]})
    values = {name: x.numpy().tolist() for name, x in outputs.items()}
    assert values["a"] == [[3.0]] and values["b"] == [[0.0, 1.0, 0.0]] and values["d"] == [[2.0, 2.0]]
    assert values["e"] == [[2]] and values["f"] == [[0.25]] and 0 <= values["c_X_e"][0][0] < 9


SOURCES: dict[str, Callable[[], Any]] = {
    "rows": lambda: [{name: values[i] for name, values in TABLE.items()} for i in range(4)],
    "batches": lambda: [{name: np.array(values[i : i + 2]) for name, values in TABLE.items()} for i in (0, 2)],
    "batches with labels": lambda: [({name: np.array(values) for name, values in TABLE.items()}, np.zeros(4))],
    "a generator": lambda: ({name: values[i] for name, values in TABLE.items()} for i in range(4)),
}


@pytest.mark.parametrize("source", SOURCES)
def test_adapt_reads(source: str) -> None:
    found = FeatureSpace({"age": "float_normalized", "city": "string_categorical", "code": "integer_categorical"})
    found.adapt(SOURCES[source]())
    np.testing.assert_allclose(found(TABLE).numpy(), space()(TABLE).numpy()[:, :9], rtol=1e-6)


def test_in_a_model_and_in_files(tmp_path: Path) -> None:
    prepared = space()
    model = Model(prepared.get_inputs(), layers.Dense(1)(prepared.get_encoded_features()))
    model.compile(Descent(0.1), squared_error)
    data = {name: np.array(values) for name, values in TABLE.items()}
    losses = model.fit(data, np.arange(4.0), epochs=5, verbose=0).history["loss"]  # type: ignore[union-attr]
    assert losses[-1] < losses[0]
    numbers = layers.Dense(1)
    numbers.build((None, 13))
    numbers.set_weights(model.get_weights()[-2:])
    np.testing.assert_allclose(model.predict(data, verbose=0), numbers(prepared(TABLE)).numpy(), rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras", {"Descent": Descent, "squared_error": squared_error})
    np.testing.assert_array_equal(again.predict(data, verbose=0), model.predict(data, verbose=0))
    prepared.save(tmp_path / "space.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "space.keras")(TABLE).numpy(), prepared(TABLE).numpy())


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no columns": (lambda: FeatureSpace({}), "`features` must name at least one"),
    "an unknown kind": (lambda: FeatureSpace({"a": "floats"}), "column 'a' must be one of 'float', "),
    "an unknown mode": (lambda: FeatureSpace({"a": "float"}, output_mode="list"), "`output_mode` must be"),
    "an unknown column": (lambda: FeatureSpace({"a": "float"}, crosses=[("a", "b")]), r"names \['b'\]"),
    "no adapt": (lambda: FeatureSpace({"a": "float_normalized"})({"a": [1.0]}), r"call adapt\(data\) first"),
    "no dict": (lambda: FeatureSpace({"a": "float"})([1.0]), "takes a dict of values by column"),
    "a column that is missing": (
        lambda: FeatureSpace({"a": "float"})({"b": [1.0]}),
        r"no values for the columns \['a'\]",
    ),
    "adapting without a column": (lambda: FeatureSpace({"a": "float_normalized"}).adapt([{"b": 1}]), "the column 'a'"),
    "columns of two lengths": (
        lambda: FeatureSpace({"a": "float_normalized"}).adapt({"a": [1.0], "b": [1, 2]}),
        "columns of one length",
    ),
    "a number among vectors": (
        lambda: FeatureSpace({"a": FeatureSpace.integer_hashed(3, output_mode="int")})({"a": [1]}),
        "cannot be joined to a vector",
    ),
    "vectors of nothing known": (
        lambda: FeatureSpace({"a": FeatureSpace.feature("float32", layers.Dense(2), "one_hot")})({"a": [1.0]}),
        "does not return integers of a known number",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_layer_in_its_place_is_refused(tmp_path: Path) -> None:
    """A file may describe a model or a FeatureSpace, nothing else."""
    space().save(tmp_path / "space.keras")
    with zipfile.ZipFile(tmp_path / "space.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    feature = json.loads(members["config.json"])["config"]["features"]["city"]
    members |= {"config.json": json.dumps(feature).encode(), "metadata.json": b"{}"}
    with zipfile.ZipFile(tmp_path / "feature.keras", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ModelFileError, match="describes no model, but 'Feature'"):
        load_model(tmp_path / "feature.keras")
