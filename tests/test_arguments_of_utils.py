"""Every argument of utils, preprocessing and data sets that has another value than the one used here changes what they
give or write, or says that it is not supported.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import datasets, layers, tree, utils
from pronghorn.tensor import Tensor

TEXT = "The cat, the dog_the-mouse"
IMAGE = np.random.default_rng(0).integers(0, 200, (6, 4, 3)).astype("float32")
ROWS = np.arange(12.0)
SERIES: dict[str, Any] = {"data": ROWS, "targets": ROWS, "sequence_length": 3}
COLUMNS: dict[str, Any] = {
    "features": {"a": "float", "b": "integer_hashed", "c": "float_discretized"},
    "crosses": [("b", "b")],
}


@dataclass
class Later:
    """A value that is made for each call: models and symbols."""

    make: Callable[[], Any]


def net() -> keras.Model:
    """Two layers, one of them a model, one frozen."""
    keras.utils.clear_session()
    inputs = keras.Input((2,), name="x")
    inner = keras.Sequential([keras.Input((2,)), layers.Dense(2, "relu", name="one")], name="inner")
    found = keras.Model(inputs, layers.Dense(1, name="two", trainable=False)(inner(inputs)), name="net")
    found.set_weights([np.full(w.shape, 0.5, "float32") for w in found.weights])
    return found


def found(value: Any) -> Any:
    """What can be seen of a value."""
    if isinstance(value, keras.Model):
        names = [each.name for each in value._flatten_layers()]
        return [names, [x.name for x in tree.flatten(value.input)], found(value(np.ones((2, value.input_shape[-1]))))]
    if isinstance(value, keras.layers.Layer):
        return value.name
    if isinstance(value, dict):
        return {key: found(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [found(item) for item in value]
    if utils.is_keras_tensor(value):
        return value.name
    if isinstance(value, (np.ndarray, np.generic, Tensor)):
        array = np.asarray(value)
        return [type(value).__name__, str(array.dtype), array.shape, array.tolist()]
    if hasattr(value, "getdata"):
        return [value.mode, value.size, np.asarray(value).tolist()]
    if hasattr(value, "to_string"):
        return value.to_string()
    if hasattr(value, "__iter__") and hasattr(value, "__len__") and not isinstance(value, str):
        return [getattr(value, "class_names", None), found(list(value)), found(list(value))]
    return value if isinstance(value, (str, int, float, type(None))) else str(type(value))


def files() -> Any:
    return {path.as_posix(): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


# ------------------------------------------------------------------------------------------------ how they are called


def tokenizer(**options: Any) -> Any:
    made = utils.Tokenizer(**options)
    made.fit_on_texts([TEXT, "A cat", "the end"])
    return [made.word_index, made.texts_to_sequences([TEXT, "a cat unheard of", "The END"])]


def data_set(**options: Any) -> Any:
    made = utils.PyDataset(**options)
    return [made.workers, made.use_multiprocessing, made.max_queue_size]  # what they change is seen in packages/utils


def saved_picture(path: str, x: Any, **options: Any) -> Any:
    utils.save_img(path, x, **options)


def registered(name: str | None = None, package: str = "Custom") -> str:
    class Part:
        def get_config(self) -> dict[str, Any]:
            return {}

    try:
        return utils.get_registered_name(utils.register_keras_serializable(package, name)(Part))
    finally:
        for key in [key for key in utils.get_custom_objects() if "Part" in key or "Other" in key]:
            del utils.get_custom_objects()[key]


def scope(custom_objects: Any) -> Any:
    with utils.custom_object_scope(custom_objects):
        return utils.get_registered_object("Part")


def state(state_tree: Any, model: Any) -> Any:
    utils.set_state_tree(model, state_tree)
    return model.get_weights()


def seeded(seed: int) -> Any:
    utils.set_random_seed(seed)
    return [random.random(), float(np.random.random()), found(keras.random.normal((2,)))]


def columns(**options: Any) -> Any:
    keras.utils.clear_session()
    space = utils.FeatureSpace(**options)
    space.adapt({"a": ROWS, "b": np.arange(12), "c": ROWS})
    return [space.name, space({"a": [1.0], "b": [3], "c": [5.0]})]


def cached(**options: Any) -> str:
    """Of a file that the site has, and an older one of its name that is here already."""
    origin = Path("site", options.pop("origin", "data.txt")).absolute().as_uri()
    return utils.get_file(**{"origin": origin, **options})


def renamed(layer: Any) -> Any:
    return type(layer).from_config({**layer.get_config(), "name": f"new_{layer.name}"})


CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "CustomObjectScope": (scope, {"custom_objects": {}}),
    "FeatureSpace": (columns, COLUMNS),
    "PyDataset": (data_set, {}),
    "Tokenizer": (tokenizer, {}),
    "array_to_img": (utils.array_to_img, {"x": IMAGE}),
    "clone_model": (utils.clone_model, {"model": Later(net)}),
    "deserialize_keras_object": (utils.deserialize_keras_object, {"config": {}}),
    "get_file": (cached, {"cache_dir": "cache"}),
    "get_registered_name": (utils.get_registered_name, {"obj": layers.Dense}),
    "get_registered_object": (utils.get_registered_object, {"name": "Part"}),
    "get_source_inputs": (utils.get_source_inputs, {"tensor": Later(lambda: keras.Input((2,), name="a"))}),
    "get_state_tree": (utils.get_state_tree, {"model": Later(net)}),
    "audio_dataset_from_directory": (
        utils.audio_dataset_from_directory,
        {"directory": "sounds", "batch_size": 3, "seed": 1, "verbose": False},
    ),
    "Config": (lambda **options: utils.Config(**options).as_dict(), {}),
    "image_dataset_from_directory": (
        utils.image_dataset_from_directory,
        {"directory": "pictures", "image_size": 3, "batch_size": 3, "seed": 1, "verbose": False},
    ),
    "img_to_array": (utils.img_to_array, {"img": IMAGE}),
    "is_keras_tensor": (utils.is_keras_tensor, {"x": 1}),
    "load_img": (utils.load_img, {"path": "pictures/a/0.png"}),
    "model_to_dot": (utils.model_to_dot, {"model": Later(net)}),
    "normalize": (utils.normalize, {"x": IMAGE}),
    "pack_x_y_sample_weight": (utils.pack_x_y_sample_weight, {"x": 1}),
    "pad_sequences": (utils.pad_sequences, {"sequences": [[1], [1, 2, 3]]}),
    "plot_model": (utils.plot_model, {"model": Later(net), "to_file": "net.svg"}),
    "register_keras_serializable": (registered, {}),
    "save_img": (saved_picture, {"path": "picture.png", "x": IMAGE}),
    "serialize_keras_object": (utils.serialize_keras_object, {"obj": 1.0}),
    "set_random_seed": (seeded, {"seed": 1}),
    "set_state_tree": (state, {"model": Later(net), "state_tree": {}}),
    "smart_resize": (utils.smart_resize, {"x": IMAGE, "size": (3, 3)}),
    "split_dataset": (utils.split_dataset, {"dataset": ROWS, "left_size": 0.5}),
    "standardize_dtype": (utils.standardize_dtype, {"dtype": "float32"}),
    "text_dataset_from_directory": (
        utils.text_dataset_from_directory,
        {"directory": "texts", "batch_size": 3, "seed": 1, "verbose": False},
    ),
    "text_to_word_sequence": (utils.text_to_word_sequence, {"input_text": TEXT}),
    "timeseries_dataset_from_array": (utils.timeseries_dataset_from_array, SERIES),
    "to_categorical": (utils.to_categorical, {"x": [0, 2, 1]}),
    "unpack_x_y_sample_weight": (utils.unpack_x_y_sample_weight, {"data": 1}),
}
"""Name -> how it is called, and with what."""

FOLDER: dict[str, tuple[dict[str, Any], Any]] = {
    "directory": ({}, "others"),
    "labels": ({}, None),
    "label_mode": ({}, "categorical"),
    "class_names": ({}, ["b", "a"]),
    "batch_size": ({}, 2),
    "shuffle": ({}, False),
    "seed": ({}, 2),
    "validation_split": ({"subset": "training", "validation_split": 0.3}, 0.6),
    "subset": ({"subset": "training", "validation_split": 0.3}, "validation"),
    "follow_links": ({}, True),
    "format": ({}, "grain"),
    "verbose": ({}, True),
}
DRAWING: dict[str, tuple[dict[str, Any], Any]] = {
    "show_shapes": ({}, True), "show_dtype": ({}, True), "rankdir": ({}, "LR"), "expand_nested": ({}, True),
    "dpi": ({}, 96), "show_layer_activations": ({}, True), "show_trainable": ({}, True), "splines": ({}, "line"),
}  # fmt: skip
CHAIN = Later(lambda: keras.Sequential([keras.Input((3,), name="y"), layers.Dense(2, name="other")], name="other"))
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "name": "a"}, "registered_name": None}
OWN = {"module": None, "class_name": "Part", "config": {"units": 2, "name": "b"}, "registered_name": "Part"}
DIGEST = hashlib.sha256(b"new").hexdigest()

WALK: dict[str, dict[str, tuple[dict[str, Any], Any]]] = {
    "CustomObjectScope": {"custom_objects": ({}, {"Part": layers.Dense})},
    "FeatureSpace": {
        "features": ({}, {**COLUMNS["features"], "a": "float_normalized"}),
        "output_mode": ({}, "dict"),
        "crosses": ({}, None),
        "crossing_dim": ({}, 5),
        "hashing_dim": ({}, 5),
        "num_discretization_bins": ({}, 2),
        "name": ({}, "other"),
    },
    "PyDataset": {"workers": ({}, 2), "use_multiprocessing": ({}, True), "max_queue_size": ({}, 3)},
    "Tokenizer": {
        "num_words": ({}, 2),
        "filters": ({}, ","),
        "lower": ({}, False),
        "split": ({}, "_"),
        "char_level": ({}, True),
        "oov_token": ({}, "?"),
        "analyzer": ({}, list),
    },
    "array_to_img": {
        "x": ({}, -IMAGE),
        "data_format": ({"x": IMAGE[:3]}, "channels_first"),
        "scale": ({}, False),
        "dtype": ({}, "float16"),
    },
    "clone_model": {
        "model": ({}, CHAIN),
        "input_tensors": ({}, Later(lambda: [keras.Input((2,), name="new")])),
        "clone_function": ({}, renamed),
        "call_function": ({}, lambda layer, *args, **kwargs: layer(*args, **kwargs) * 2),
        "recursive": ({"clone_function": renamed}, True),
    },
    "deserialize_keras_object": {
        "config": ({"config": DENSE}, {**DENSE, "config": {"units": 2, "name": "c"}}),
        "custom_objects": ({"config": OWN}, {"Part": layers.Dense}),
        "module_objects": ({"config": OWN}, {"Part": layers.Dense}),
        "kind": ({"config": {"class_name": "MeanSquaredError", "config": {}}, "kind": "losses"}, "metrics"),
    },
    "get_file": {
        "fname": ({}, "other.txt"),
        "origin": ({}, "more.txt"),
        "untar": ({"origin": "data.zip"}, True),
        "md5_hash": ({}, hashlib.md5(b"new").hexdigest()),
        "file_hash": ({}, DIGEST),
        "cache_subdir": ({}, "elsewhere"),
        "hash_algorithm": ({"file_hash": DIGEST}, "md5"),
        "extract": ({"origin": "data.zip"}, True),
        "archive_format": ({"origin": "data.zip", "extract": True}, "tar"),
        "cache_dir": ({}, "home"),
        "force_download": ({}, True),
    },
    "get_registered_name": {"obj": ({}, layers.LSTM)},
    "get_registered_object": {
        "name": ({"custom_objects": {"Part": 1, "Other": 2}}, "Other"),
        "custom_objects": ({}, {"Part": 1}),
        "module_objects": ({}, {"Part": 1}),
    },
    "get_source_inputs": {"tensor": ({}, Later(lambda: keras.Input((2,), name="b") * 2))},
    "get_state_tree": {"model": ({}, CHAIN), "value_format": ({}, "numpy_array")},
    "audio_dataset_from_directory": {
        **FOLDER,
        "sampling_rate": ({}, 4000),
        "output_sequence_length": ({}, 2),
        "ragged": ({}, True),
    },
    "Config": {"kwargs": ({}, {"units": 2})},
    "image_dataset_from_directory": {
        **FOLDER,
        "color_mode": ({}, "grayscale"),
        "image_size": ({}, 4),
        "interpolation": ({}, "nearest"),
        "crop_to_aspect_ratio": ({}, True),
        "pad_to_aspect_ratio": ({}, True),
        "data_format": ({}, "channels_first"),
    },
    "img_to_array": {"img": ({}, -IMAGE), "data_format": ({}, "channels_first"), "dtype": ({}, "uint8")},
    "is_keras_tensor": {"x": ({}, Later(lambda: keras.Input((2,))))},
    "load_img": {
        "path": ({}, "pictures/b/0.png"),
        "color_mode": ({}, "grayscale"),
        "target_size": ({}, (3, 5)),
        "interpolation": ({"target_size": (3, 5)}, "bilinear"),
        "keep_aspect_ratio": ({"target_size": (3, 5)}, True),
    },
    "model_to_dot": {
        **DRAWING,
        "model": ({}, CHAIN),
        "show_layer_names": ({}, False),
        "subgraph": ({}, True),
    },
    "normalize": {"x": ({}, IMAGE + 1), "axis": ({}, 0), "order": ({}, 1)},
    "pack_x_y_sample_weight": {"x": ({}, 2), "y": ({}, 3), "sample_weight": ({"y": 3}, 4)},
    "pad_sequences": {
        "sequences": ({}, [[1], [2]]),
        "maxlen": ({}, 4),
        "dtype": ({}, "float32"),
        "padding": ({}, "post"),
        "truncating": ({"maxlen": 2}, "post"),
        "value": ({}, 7),
    },
    "plot_model": {
        **DRAWING,
        "model": ({}, CHAIN),
        "to_file": ({}, "other.svg"),
        "show_layer_names": ({}, True),
    },
    "register_keras_serializable": {"package": ({}, "mine"), "name": ({}, "Other")},
    "save_img": {
        "path": ({}, "other.png"),
        "x": ({}, -IMAGE),
        "data_format": ({"x": IMAGE[:3]}, "channels_first"),
        "file_format": ({}, "bmp"),
        "scale": ({}, False),
        "kwargs": ({}, {"compress_level": 0}),
    },
    "serialize_keras_object": {"obj": ({}, 2.0)},
    "set_random_seed": {"seed": ({}, 2)},
    "set_state_tree": {
        "model": ({}, CHAIN),
        "state_tree": ({}, {"trainable_variables": {"inner": {"one": {"bias": np.ones(2)}}}}),
    },
    "smart_resize": {
        "x": ({}, -IMAGE),
        "size": ({}, (2, 3)),
        "interpolation": ({}, "nearest"),
        "data_format": ({}, "channels_first"),
    },
    "split_dataset": {
        "dataset": ({}, -ROWS),
        "left_size": ({}, 3),
        "right_size": ({}, 3),
        "shuffle": ({"seed": 1}, True),
        "seed": ({"shuffle": True, "seed": 1}, 2),
        "preferred_backend": ({}, "torch"),
    },
    "standardize_dtype": {"dtype": ({}, "int32")},
    "text_dataset_from_directory": {**FOLDER, "max_length": ({}, 1)},
    "text_to_word_sequence": {
        "input_text": ({}, "other"),
        "filters": ({}, ","),
        "lower": ({}, False),
        "split": ({}, "_"),
    },
    "timeseries_dataset_from_array": {
        "data": ({}, -ROWS),
        "targets": ({}, None),
        "sequence_length": ({}, 4),
        "sequence_stride": ({}, 2),
        "sampling_rate": ({}, 2),
        "batch_size": ({}, 2),
        "shuffle": ({"seed": 1}, True),
        "seed": ({"shuffle": True, "seed": 1}, 2),
        "start_index": ({}, 2),
        "end_index": ({}, 8),
        "format": ({}, "grain"),
    },
    "to_categorical": {"x": ({}, [0, 1, 2]), "num_classes": ({}, 5)},
    "unpack_x_y_sample_weight": {"data": ({}, (1, 2))},
}
"""Name -> argument -> what is passed besides, and another value than the default or that of CALLS."""
EXPLAINED = {
    "deserialize_keras_object.safe_mode": "code in a config is never run",
}
"""What cannot be seen here, and why."""
ELSEWHERE = {
    "Progbar": "test_arguments_of_callbacks.py",
    "Sequence": "the same class as PyDataset",
    "clear_session": "free_memory collects garbage, which changes no result",
    "custom_object_scope": "the same class as CustomObjectScope",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes a folder of texts, pictures, sounds and downloads, and goes there."""
    numbers = iter(range(100))

    def make() -> None:
        here = tmp_path / str(next(numbers))
        for kind in ("texts", "pictures", "sounds", "others"):
            for label in "ab":
                (here / kind / label).mkdir(parents=True)
        monkeypatch.chdir(here)
        for i in range(8):
            for kind in ("texts", "others"):
                Path(kind, "ab"[i % 2], f"{i}.txt").write_text(f"{kind} {i}", encoding="utf-8")
            for kind in ("sounds", "others"):
                with wave.open(f"{kind}/{'ab'[i % 2]}/{i}.wav", "wb") as sound:
                    sound.setparams((1, 2, 8000, 0, "NONE", ""))
                    sound.writeframes(bytes([i, ord(kind[0]), 1, 2, 3, 4]))
            for kind in ("pictures", "others") if pillow else ():
                utils.save_img(f"{kind}/{'ab'[i % 2]}/{i}.png", IMAGE + i * 4 + len(kind), scale=False)
        for kind in ("texts", "pictures", "sounds"):
            Path(kind, "a", "link").symlink_to(here / "others", target_is_directory=True)
        Path("site").mkdir()
        Path("site", "data.txt").write_text("new", encoding="utf-8")
        Path("site", "more.txt").write_text("more", encoding="utf-8")
        with zipfile.ZipFile("site/data.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("inside.txt"), "packed")
        Path("cache", "datasets").mkdir(parents=True)
        Path("cache", "datasets", "data.txt").write_text("old", encoding="utf-8")

    pillow = find_spec("PIL") is not None
    return make


def arguments(function: Any) -> list[str]:
    return list(inspect.signature(function.__init__ if inspect.isclass(function) else function).parameters)


def walk() -> list[tuple[str, str]]:
    names = [name for name in dir(utils) if name[0] != "_" and name not in ELSEWHERE and callable(getattr(utils, name))]
    pairs = [(name, argument) for name in names for argument in arguments(getattr(utils, name))]
    return [(name, argument) for name, argument in pairs if argument != "self"]


def outcome(call: Callable[..., Any], options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Any:
    """What a call gives, prints and writes, or the error."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    given = {key: value.make() if isinstance(value, Later) else value for key, value in options.items()}
    try:
        seen = found(call(**given))
    except (OSError, TypeError, ValueError) as error:
        seen = error
    return [seen, capsys.readouterr().out, files()]


@pytest.mark.parametrize(("name", "argument"), walk())
def test_no_argument_is_ignored(
    name: str, argument: str, folder: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    if f"{name}.{argument}" in EXPLAINED:
        return
    for words, package in (("img image save_", "PIL"), ("dot", "pydot")):
        if any(word in name for word in words.split()):
            pytest.importorskip(package)
    call, always = CALLS[name]
    beside, other = WALK[name][argument]
    folder()
    before = outcome(call, {**always, **beside}, capsys)
    folder()
    changed = {**always, **beside, **(other if argument == "kwargs" else {argument: other})}
    try:
        after = outcome(call, changed, capsys)
    except NotImplementedError as error:
        assert argument in str(error)
        return
    assert repr(before) != repr(after), f"{changed} changed nothing"


def test_calls_are_alike_twice(folder: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Else any argument would seem to change something; and none of the calls is an error."""
    for name, (call, always) in CALLS.items():
        if any(word in name for word in ("img", "image", "dot")):
            continue
        seen = []
        for _ in range(2):
            folder()
            seen.append(outcome(call, always, capsys))
        assert seen[0] == seen[1] and not isinstance(seen[0][0], Exception), name


# ------------------------------------------------------------------------------------------------ data sets

TEXTS = np.empty(6, object)
TEXTS[:] = [[1, 5, 2, 8], [3], [7, 7, 1, 1, 2, 9], [4, 2], [6, 1], [9, 9]]
LIMITED = {"num_words": 9}
READ: dict[str, tuple[dict[str, Any], Any]] = {
    "num_words": ({}, 4),
    "skip_top": ({}, 6),
    "maxlen": ({}, 5),
    "test_split": ({}, 0.5),
    "seed": ({}, 2),
    "start_char": ({}, 20),
    "oov_char": (LIMITED, 30),
    "index_from": ({}, 5),
    "version": ({}, "large"),
}


def read(name: str, **options: Any) -> Any:
    files = {
        "imdb": {"x_train": TEXTS, "y_train": np.arange(6), "x_test": TEXTS[:4], "y_test": np.arange(4)},
        "reuters": {"x": TEXTS, "y": np.arange(6)},
        "california_housing": {"x": np.ones((700, 8)), "y": np.arange(700.0)},
        "boston_housing": {"x": np.ones((8, 13)), "y": np.arange(8.0)},
        "mnist": {f"{key}_{part}": np.ones(3) for key in "xy" for part in ("train", "test")},
    }
    for path, scale in (("one.npz", 1), ("two.npz", 2)):
        np.savez(path, **{key: array * scale if array.dtype != object else array for key, array in files[name].items()})
    given = {"path": "one.npz", **({"version": "small"} if name == "california_housing" else {}), **options}
    return getattr(datasets, name).load_data(**{**given, "path": str(Path(given["path"]).absolute())})


def data_arguments() -> list[tuple[str, str]]:
    names = ("boston_housing", "california_housing", "imdb", "mnist", "reuters")
    return [(name, argument) for name in names for argument in arguments(getattr(datasets, name).load_data)]


@pytest.mark.parametrize(("name", "argument"), data_arguments())
def test_no_argument_of_data_sets_is_ignored(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    beside, other = ({}, "two.npz") if argument == "path" else READ[argument]
    assert found(read(name, **beside)) == found(read(name, **beside))
    assert found(read(name, **beside)) != found(read(name, **{**beside, argument: other}))


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_word_indices_are_read_from_their_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(json.dumps({"the": 1}))
    assert getattr(datasets, name).get_word_index(str(tmp_path / "index.json")) == {"the": 1}
