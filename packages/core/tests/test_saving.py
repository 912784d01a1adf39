"""Files: round trips, the layout that Keras reads, atomic writing, and what a file that does not fit is told."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn import ops
from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.random import SeedGenerator, uniform
from pronghorn.saving import (
    CustomObjectScope,
    ModelFileError,
    load_model,
    load_weights,
    model_from_json,
    register_keras_serializable,
    save_model,
    save_weights,
)
from pronghorn.saving.files import replacing
from pronghorn.sequential import Sequential
from pronghorn.testing.layers import Affine, Momentum

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(8, 2)).astype("float32")


class Noise(Layer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs + uniform(inputs.shape, seed=self.seed_generator) if training else inputs


class Block(Layer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = [Affine(2), [Affine(2)], {"any": Affine(2)}]
        self._hidden = Affine(2)
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, inputs: Any) -> Any:
        x = self.parts[2]["any"](self.parts[1][0](self.parts[0](inputs)))  # type: ignore[index]
        return self._hidden(x) * self.scale


class Net(Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zebra = Affine(3)
        self.block = Block()

    def call(self, inputs: Any) -> Any:
        return self.block(self.zebra(inputs))


def squared(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@pytest.fixture(autouse=True)
def custom_objects() -> Iterator[None]:
    known = (Affine, Block, Momentum, Net, Noise, squared)
    with CustomObjectScope({item.__name__: item for item in known}):
        yield


def stack() -> Model:
    return Sequential([Input((3,)), Noise(), Affine(4), Affine(2)], name="stack")


def diamond() -> Model:
    """Two inputs, two outputs, a shared layer, a model in it, and ops."""
    left, right = Input((3,), name="left"), Input((3,), name="right")
    shared, inner = Affine(4), Sequential([Input((4,)), Affine(2)], name="inner")
    a, b = shared(left), shared(right)
    return Model([left, right], [inner(a + b * 2.0), Affine(2)(a)], name="diamond")


def net() -> Model:
    model = Net(name="net")
    model(X)
    return model


def inputs_of(model: Model) -> Any:
    return [X, X[::-1].copy()] if model.name == "diamond" else X


def outputs(model: Model) -> list[Any]:
    found = model.predict(inputs_of(model), verbose=0)
    return found if isinstance(found, list) else [found]


def assert_same(one: Model, other: Model) -> None:
    for left, right in zip(outputs(one), outputs(other), strict=True):
        np.testing.assert_array_equal(left, right)


def tree(path: Path) -> list[str]:
    found: list[str] = []
    with h5py.File(path) as file:
        file.visit(found.append)
    return found


# ------------------------------------------------------------------------------------------------ round trips


@pytest.mark.parametrize("make", [stack, diamond, net])
def test_models_and_weights_come_back(make: Any, tmp_path: Path) -> None:
    model = make()
    save_model(model, tmp_path / "m.keras")
    save_weights(model, tmp_path / "m.weights.h5")
    assert sorted(os.listdir(tmp_path)) == ["m.keras", "m.weights.h5"]
    again = load_model(tmp_path / "m.keras")
    assert type(again) is type(model) and again.name == model.name
    assert_same(again, model)
    for name in ("m.weights.h5", "m.keras"):
        other = make()
        load_weights(other, tmp_path / name)
        assert_same(other, model)


@pytest.mark.parametrize("make", [stack, diamond, net])
def test_training_goes_on_bit_for_bit(make: Any, tmp_path: Path) -> None:
    if make is diamond:
        pytest.importorskip("pronghorn_objectives", reason="training of several outputs is pronghorn-objectives'")

    def train(model: Model) -> None:
        targets = [Y, Y] if model.name == "diamond" else Y
        model.fit(inputs_of(model), targets, epochs=2, batch_size=4, shuffle=False, verbose=0)

    model = make()
    model.compile(Momentum(0.05), squared)
    train(model)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert int(again.optimizer.iterations) == 4 and again.loss is squared
    for one in (model, again):
        train(one)
    for left, right in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    with CustomObjectScope({"squared": None}):  # not known
        with pytest.raises(ModelFileError, match="unknown function 'squared'"):
            load_model(tmp_path / "m.keras")
        assert not load_model(tmp_path / "m.keras", compile=False).compiled


def test_json_has_the_structure_without_the_weights() -> None:
    again = model_from_json(diamond().to_json())
    assert [v.shape for v in again.weights] == [v.shape for v in diamond().weights]


def test_a_registered_layer_needs_no_custom_objects(tmp_path: Path) -> None:
    @register_keras_serializable("my_package")
    class Twice(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 2.0

    model = Sequential([Input((3,)), Twice()], name="stack")
    model.save(tmp_path / "m.keras")
    assert_same(load_model(tmp_path / "m.keras"), model)


# ------------------------------------------------------------------------------------------------ the layout


def test_the_archive_is_what_keras_writes(tmp_path: Path) -> None:
    stack().save(tmp_path / "m.keras")
    diamond().save(tmp_path / "without_seeds.keras")
    members = ["metadata.json", "config.json", "model.weights.h5"]
    with zipfile.ZipFile(tmp_path / "without_seeds.keras") as archive:
        assert archive.namelist() == members  # from four members on, Keras looks for assets
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == [*members, "pronghorn.json"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {"keras_version", "date_saved"} <= json.loads(archive.read("metadata.json")).keys()
        assert list(json.loads(archive.read("pronghorn.json"))["seeds"]) == ["layers/noise"]


def test_layers_are_found_by_class_and_number(tmp_path: Path) -> None:
    model = diamond()
    model.compile(Momentum(0.1), squared)
    model.optimizer.build(model.trainable_variables)
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert file["layers/affine/vars"].attrs["name"] == model.layers[2].name
        assert file["layers/affine/vars/0"].shape == (3, 4)
        assert file["layers/sequential/layers/affine/vars/0"].shape == (4, 2)
        assert sorted(file["optimizer/vars"]) == [str(i) for i in range(8)]
        assert "vars" in file and "layers/input_layer_1/vars" in file


def test_attributes_are_walked_by_name_and_private_ones_last(tmp_path: Path) -> None:
    net().save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert [file[f"block/vars/{i}"].shape for i in range(2)] == [(), ()]
    assert [path for path in tree(tmp_path / "m.weights.h5") if path.endswith("vars")] == [
        "block/_hidden/vars",
        "block/parts/affine/vars",
        "block/parts/container/affine/vars",
        "block/parts/container_1/affine/vars",
        "block/vars",
        "layers/affine/vars",  # `layers` comes before `zebra`
        "vars",
    ]


def test_an_attribute_of_an_earlier_version_is_found(tmp_path: Path) -> None:
    class Pair(Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self._inner = Affine(2)

        def call(self, inputs: Any) -> Any:
            return self._inner(inputs)

    class PairToday(Pair):
        @property
        def inner(self) -> Any:
            return self._inner

    old, new = Pair(), PairToday()
    for layer in (old, new):
        layer(X)
    save_weights(old, tmp_path / "m.weights.h5")
    load_weights(new, tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(new(X).numpy(), old(X).numpy())


# ------------------------------------------------------------------------------------------------ what does not fit


def test_weights_that_do_not_fit_are_shown_in_a_table(tmp_path: Path) -> None:
    model = stack()
    model.save_weights(tmp_path / "m.weights.h5")
    wider = Sequential([Input((3,)), Affine(5), Affine(2), Affine(2)], name="wider")
    before = wider.get_weights()
    with pytest.raises(ModelFileError, match="do not fit the model 'wider'") as caught:
        wider.load_weights(tmp_path / "m.weights.h5")
    rows = str(caught.value).splitlines()
    assert rows[1].split() == "object the file has the model wants".split()
    assert rows[2].split()[:5] == ["layers/affine", "(3,", "4)", "(4,)", "(3,"]
    assert any(row.split()[:2] == ["layers/affine_2", "nothing"] for row in rows)
    for old, new in zip(before, wider.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.warns(UserWarning, match="do not fit"):
        wider.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)


def test_weights_that_nothing_wants_are_an_error(tmp_path: Path) -> None:
    stack().save_weights(tmp_path / "m.weights.h5")
    shorter = Sequential([Input((3,)), Affine(4)])
    with pytest.raises(ModelFileError, match=r"layers/affine_1 +\(4, 2\) \(2,\) +nothing"):
        shorter.load_weights(tmp_path / "m.weights.h5")


def test_a_model_that_is_not_built_says_so(tmp_path: Path) -> None:
    stack().save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ModelFileError, match="not built yet"):
        Sequential([Affine(4), Affine(2)]).load_weights(tmp_path / "m.weights.h5")
    with pytest.warns(UserWarning, match="before it is built"):
        Sequential([Affine(4)]).save(tmp_path / "m.keras")


def test_lost_seed_states_are_a_warning(tmp_path: Path) -> None:
    model = stack()
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "lost.keras", "w") as new:
        for name in old.namelist()[:3]:
            new.writestr(name, old.read(name))
    with pytest.warns(UserWarning, match="seeds are not restored"):
        assert_same(load_model(tmp_path / "lost.keras"), model)


def test_a_class_of_a_distribution_that_is_missing(tmp_path: Path) -> None:
    config = json.loads(stack().to_json())
    config["config"]["layers"][1] |= {
        "module": "keras.layers",
        "class_name": "Swash",
        "registered_name": "pronghorn-swash>Swash",
    }
    with pytest.raises(ModelFileError, match=r"layers\[1\]: unknown class 'Swash'.* pip install pronghorn-swash"):
        model_from_json(json.dumps(config))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x89HDF\r\n\x1a\n cut off", b"\x80\x04K\x01."])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"m\.keras"):
        load_model(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"m\.keras"):
        stack().load_weights(tmp_path / "m.keras")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.keras")


def test_names_of_files(tmp_path: Path) -> None:
    model = stack()
    with pytest.raises(ValueError, match="no installed distribution offers the format 'pkl'"):
        model.save(tmp_path / "m.pkl")
    with pytest.raises(ValueError, match=r"weights in \.weights\.h5"):
        model.save_weights(tmp_path / "m.pkl")
    with pytest.raises(NotImplementedError, match="zipped=False"):
        model.save(tmp_path / "m.keras", zipped=False)
    with pytest.raises(NotImplementedError, match="max_shard_size"):
        model.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)
    model.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "m.keras", overwrite=False)


def test_a_file_cannot_keep_its_reader_busy_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    text = diamond().to_json()
    monkeypatch.setattr("pronghorn.saving.load._MOST_TRACED", 5)
    with pytest.raises(ModelFileError, match="more operations than any model has"):
        model_from_json(text)


# ------------------------------------------------------------------------------------------------ atomic writing


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with pytest.raises(OSError, match="disk full"), replacing(path) as file:
        file.write(b"ne")
        raise OSError("disk full")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_bytes(b"precious")
    link.symlink_to(victim)
    with replacing(link) as file:
        file.write(b"new")
    assert victim.read_bytes() == b"precious" and not link.is_symlink() and link.read_bytes() == b"new"


def test_saving_does_not_change_the_model_or_warn(tmp_path: Path) -> None:
    model = stack()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save(tmp_path / "a.keras")
        model.save(tmp_path / "b.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as a, zipfile.ZipFile(tmp_path / "b.keras") as b:
        for name in ("config.json", "model.weights.h5", "pronghorn.json"):
            assert a.read(name) == b.read(name)
