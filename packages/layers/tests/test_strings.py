"""Vocabularies: where they come from, what is refused, and how they are saved."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops
from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.program import jit
from pronghorn.saving import ModelFileError, load_model, register_keras_serializable
from pronghorn.sequential import Sequential
from pronghorn.tensor import convert_to_tensor
from pronghorn.testing.layers import Descent, squared_error

TEXTS = np.array(["a b c", "b c", "c"])


# ------------------------------------------------------------------------------------------------ adapt


def data_set() -> Any:
    """Each text as a batch, with a label."""
    pytest.importorskip("pronghorn_utils")

    class Texts(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(TEXTS)

        def __getitem__(self, index: int) -> Any:
            return TEXTS[index : index + 1], np.zeros(1)

    return Texts()


SOURCES: dict[str, Callable[[], Any]] = {
    "an array": lambda: TEXTS,
    "a column": lambda: TEXTS[:, None],
    "objects": lambda: TEXTS.astype(object),
    "bytes": lambda: TEXTS.astype("S"),
    "a list": TEXTS.tolist,
    "a tuple": lambda: tuple(TEXTS.tolist()),
    "a tensor": lambda: convert_to_tensor(TEXTS),
    "batches": lambda: iter([TEXTS[:2], TEXTS[2:]]),
    "batches of lists": lambda: iter([TEXTS[:2].tolist(), ["c"]]),
    "batches with labels": lambda: iter([(TEXTS[:2], np.zeros(2)), (TEXTS[2:], np.zeros(1))]),
    "a PyDataset": data_set,
}


@pytest.mark.parametrize("source", SOURCES)
def test_adapt_reads(source: str) -> None:
    layer = layers.TextVectorization()
    layer.adapt(SOURCES[source]())
    assert layer.get_vocabulary() == ["", "[UNK]", "c", "b", "a"]
    words = layers.StringLookup()
    words.adapt(SOURCES[source]())
    assert words.get_vocabulary(include_special_tokens=False) == ["c", "b c", "a b c"]


def test_adapt_reads_as_many_batches_as_it_is_told() -> None:
    layer = layers.TextVectorization()
    layer.adapt(iter(["c c a"] for _ in iter(int, 1)), steps=3)
    assert layer.get_vocabulary() == ["", "[UNK]", "c", "a"]
    layer.adapt(TEXTS, batch_size=1, steps=2)
    assert layer.get_vocabulary() == ["", "[UNK]", "c", "b", "a"]
    integers = layers.IntegerLookup()
    integers.adapt([[3, 3], [5, 7]], steps=1)
    assert integers.get_vocabulary() == [-1, 3, 7, 5]


def test_adapt_begins_anew_and_a_program_notices() -> None:
    layer = layers.TextVectorization(output_sequence_length=2)
    program = jit(layer)
    layer.adapt(["a a b"])
    assert program(np.array(["a b"])).numpy().tolist() == [[2, 3]]
    layer.adapt(["b b a"])
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "a"]
    assert program(np.array(["a b"])).numpy().tolist() == [[3, 2]]


# ------------------------------------------------------------------------------------------------ files and functions


def test_a_vocabulary_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("é\nb b\n", encoding="latin-1")
    for name in (path, str(path)):
        layer = layers.StringLookup(vocabulary=name, encoding="latin-1")
        assert layer.get_vocabulary() == ["[UNK]", "é", "b b"]
        assert layer.get_config()["vocabulary"] is None
    (tmp_path / "numbers.txt").write_text("12\n-3")
    assert layers.IntegerLookup(vocabulary=tmp_path / "numbers.txt")([12, -3, 0]).numpy().tolist() == [1, 2, 0]
    text = layers.TextVectorization()
    text.set_vocabulary(path.rename(tmp_path / "other.txt").write_text("x\ny") and str(tmp_path / "other.txt"))
    assert text(["y x z"]).numpy().tolist() == [[3, 2, 1]]


@register_keras_serializable("tests")
def shouted(texts: Any) -> Any:
    return np.char.upper(texts)


@register_keras_serializable("tests")
def by_comma(texts: Any) -> Any:
    return [text.split(",") for text in texts]


def test_functions_that_standardize_and_split(tmp_path: Path) -> None:
    layer = layers.TextVectorization(standardize=shouted, split=by_comma, output_sequence_length=3)
    layer.adapt(["a b,c", "c,é"])
    assert layer.get_vocabulary() == ["", "[UNK]", "C", "É", "A B"]
    assert layer([["c,a b,x"]]).numpy().tolist() == [[2, 4, 1]]
    path = tmp_path / "m.keras"
    Sequential([Input((1,), dtype="string"), layer]).save(path)
    assert load_model(path).predict(["é,é"], verbose=0).tolist() == [[3, 3, 0]]


def test_functions_that_return_something_else() -> None:
    with pytest.raises(ValueError, match="standardize.*1 strings of 2 texts"):
        layers.TextVectorization(standardize=lambda x: x[:1], vocabulary=["a"])(["a", "b"])
    with pytest.raises(ValueError, match="split.*1 lists of words for 2 texts"):
        layers.TextVectorization(split=lambda x: [["a"]], vocabulary=["a"])(["a", "b"])


# ------------------------------------------------------------------------------------------------ what is refused

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "an unknown mode": (lambda: layers.StringLookup(output_mode="ints"), "output_mode`: must be one of 'int'"),
    "padding to nothing": (lambda: layers.StringLookup(pad_to_max_tokens=True), "needs `max_tokens`"),
    "no room": (lambda: layers.StringLookup(max_tokens=1), "max_tokens`: expected a whole number of at least 2"),
    "vectors back": (lambda: layers.StringLookup(invert=True, output_mode="count"), "invert`: works with"),
    "weights for numbers": (lambda: layers.StringLookup(idf_weights=[1.0]), "idf_weights`: is for"),
    "no weights": (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), "idf_weights`: must be given"),
    "other weights": (
        lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf", idf_weights=[1.0, 2.0]),
        "expected 1 numbers",
    ),
    "a word twice": (lambda: layers.StringLookup(vocabulary=["a", "b", "a"]), r"holds \['a'\] more than once"),
    "no words": (lambda: layers.StringLookup(vocabulary=[]), "vocabulary`: is empty"),
    "too many words": (lambda: layers.StringLookup(vocabulary=["a", "b"], max_tokens=2), "has 3 tokens"),
    "the mask among the words": (
        lambda: layers.StringLookup(vocabulary=["a", "m"], mask_token="m"),
        "'m', the mask_token, is at index 1",
    ),
    "numbers for words": (lambda: layers.StringLookup(vocabulary=[1, 2]), "expected strings, got 1"),
    "words for numbers": (lambda: layers.IntegerLookup(vocabulary=["a"]), "expected integers, got 'a'"),
    "a file that is not there": (lambda: layers.StringLookup(vocabulary="/no/such"), "'/no/such' cannot be read"),
    "a salt of three": (lambda: layers.Hashing(3, salt=[1, 2, 3]), "salt`: expected an integer or two"),
    "a salt without its hash": (lambda: layers.IntegerLookup(salt=3), "`salt` needs oov_method='farmhash'"),
    "no bins": (lambda: layers.Hashing(0), "num_bins`: expected a whole number of at least 1"),
    "an unknown standard": (lambda: layers.TextVectorization(standardize="upper"), "standardize`: must be a function"),
    "an unknown split": (lambda: layers.TextVectorization(split="words"), "split`: must be a function"),
    "a length of vectors": (
        lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3),
        "output_sequence_length`: is for",
    ),
    "a word that is unknown": (
        lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["a", "z"]),
        r"met \['z'\], which the vocabulary does not have",
    ),
    "no vocabulary": (
        lambda: layers.StringLookup(name="s")(["a"]),
        r"layer 's' \(StringLookup\) has no vocabulary yet",
    ),
    "no vocabulary for texts": (lambda: layers.TextVectorization()(["a"]), "has no vocabulary yet; call adapt"),
    "no vocabulary for vectors": (
        lambda: layers.StringLookup(output_mode="count")(Input((1,), dtype="string")),
        "has no vocabulary yet",
    ),
    "adapting what was given": (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), "adapt has nothing to do"),
    "adapting to nothing": (lambda: layers.TextVectorization().adapt(iter([])), "adapt got no data"),
    "adapting to numbers": (lambda: layers.TextVectorization().adapt([1, 2]), "adapt takes string, got a batch of int"),
    "numbers as texts": (lambda: layers.TextVectorization(vocabulary=["a"])([1]), "takes strings, got int32"),
    "numbers as words": (lambda: layers.StringLookup(vocabulary=["a"])([1]), "takes strings, got int32"),
    "fractions as integers": (lambda: layers.IntegerLookup(vocabulary=[1])(np.ones(2)), "takes integers, got float"),
    "texts in two columns": (
        lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]),
        r"must have the shape \(batch,\) or \(batch, 1\)",
    ),
    "a single feature": (lambda: layers.HashedCrossing(3)(["a"]), "a list of at least two inputs"),
    "features of two lengths": (lambda: layers.HashedCrossing(3)([["a"], ["b", "c"]]), "inputs must have one shape"),
    "fractions crossed": (lambda: layers.HashedCrossing(3)([["a"], [0.5]]), "got float32; use Discretization"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_sparse_and_ragged_are_not_there(name: str) -> None:
    with pytest.raises(NotImplementedError, match="sparse tensors are not supported"):
        getattr(layers, name)(sparse=True, output_mode="multi_hot")
    with pytest.raises(NotImplementedError, match="ragged tensors are not supported"):
        layers.TextVectorization(ragged=True)


def test_vectors_in_a_model_keep_their_length() -> None:
    for layer in (layers.StringLookup(output_mode="count"), layers.TextVectorization(output_mode="count")):
        layer.adapt(["a", "b"])
        model = Sequential([Input((1,), dtype="string"), layer])
        layer.adapt(["c", "d"])
        assert model.predict(["d"], verbose=0).tolist() == [[0, 1, 0]]
        with pytest.raises(ValueError, match="has 4 tokens in place of 3, but the layer is in a model"):
            layer.adapt(["a", "b", "c"])


# ------------------------------------------------------------------------------------------------ models


def classifier(vectorize: Layer) -> Model:
    model = Sequential(
        [Input((1,), dtype="string"), vectorize, layers.Embedding(8, 4), layers.Flatten(), layers.Dense(1)]
    )
    model.compile(Descent(0.5), squared_error)
    return model


def test_a_model_of_texts_is_that_of_their_numbers(tmp_path: Path) -> None:
    vectorize = layers.TextVectorization(max_tokens=8, output_sequence_length=3)
    vectorize.adapt(TEXTS)
    model = classifier(vectorize)
    texts, y = np.tile(TEXTS, 5), np.arange(15.0)[:, None]
    numbers = Sequential([Input((3,), dtype="int64"), layers.Embedding(8, 4), layers.Flatten(), layers.Dense(1)])
    numbers.compile(Descent(0.5), squared_error)
    numbers.set_weights(model.get_weights())
    ids = vectorize(texts).numpy()
    theirs = numbers.fit(ids, y / 15, batch_size=4, epochs=3, shuffle=False, verbose=0)
    ours = model.fit(texts, y / 15, batch_size=4, epochs=3, shuffle=False, verbose=0)
    assert ours.history == theirs.history  # type: ignore[union-attr]
    kinds = [each.kind for each in model.train_program.instructions()]
    assert kinds[0] == "host" and kinds == sorted(kinds)  # no kernel waits for the host
    np.testing.assert_array_equal(model.predict(texts, verbose=0), numbers.predict(ids, verbose=0))
    assert model.evaluate(texts, y, verbose=0) == numbers.evaluate(ids, y, verbose=0)
    np.testing.assert_array_equal(model.predict("c, b", verbose=0), model.predict(["c b"], verbose=0))
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", {"Descent": Descent, "squared_error": squared_error})
    np.testing.assert_array_equal(again.predict(texts, verbose=0), model.predict(texts, verbose=0))
    np.testing.assert_array_equal(again(TEXTS).numpy(), model(TEXTS).numpy())


def test_labels_as_outputs() -> None:
    x = Input((3,))
    names = layers.StringLookup(vocabulary=["cat", "dog", "bird"], num_oov_indices=0, invert=True)
    model = Model(x, names(ops.argmax(x, axis=-1)))
    assert model.predict(np.eye(3)[[2, 0]], verbose=0).tolist() == ["bird", "cat"]


def test_a_clone_needs_a_vocabulary_of_its_own() -> None:
    cloning = pytest.importorskip("pronghorn_utils.cloning", reason="clone_model is in pronghorn-utils")
    vectorize = layers.TextVectorization(output_mode="multi_hot")
    vectorize.adapt(TEXTS)
    clone = cloning.clone_model(Sequential([Input((1,), dtype="string"), vectorize]))
    assert clone.output_shape == (None, 4)
    with pytest.raises(ValueError, match="has no vocabulary yet"):
        clone.predict(["a"], verbose=0)
    clone.layers[0].set_vocabulary(vectorize.get_vocabulary())
    assert clone.predict(["a c"], verbose=0).tolist() == [[0, 1, 0, 1]]


# ------------------------------------------------------------------------------------------------ saving


def adapted() -> Iterator[Layer]:
    words = layers.StringLookup(num_oov_indices=2, mask_token="")
    words.adapt(TEXTS)
    weighted = layers.TextVectorization(output_mode="tf_idf", max_tokens=9, pad_to_max_tokens=True)
    weighted.adapt(TEXTS)
    yield from (words, weighted, layers.StringLookup(vocabulary=["é", "[UNK]", "x\u2028y"], output_mode="one_hot"))


def test_assets_are_files_in_the_archive(tmp_path: Path) -> None:
    x = Input((1,), dtype="string")
    model = Model(x, [layer(x) for layer in adapted()])
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        files = {n: archive.read(n).decode() for n in archive.namelist() if n.startswith("assets/")}
    assert files == {
        "assets/layers/string_lookup/vocabulary.txt": "\n[UNK]\n[UNK]\nc\nb c\na b c",
        "assets/layers/text_vectorization/vocabulary.txt": "[UNK]\nc\nb\na",
        "assets/layers/text_vectorization/_lookup_layer/vocabulary.txt": "[UNK]\nc\nb\na",
    }
    texts = np.array(["c", "a b c", "é", "x\u2028y", ""])
    for found, want in zip(load_model(tmp_path / "m.keras")(texts), model(texts), strict=True):
        np.testing.assert_array_equal(found.numpy(), want.numpy())


def test_strange_words_in_a_file(tmp_path: Path) -> None:
    """An empty one at the end, and characters that some take for line breaks; real ones are refused."""
    layer = layers.StringLookup()
    layer.adapt(["x\u2028y", "\x0b", ""])
    assert layer.get_vocabulary() == ["[UNK]", "x\u2028y", "\x0b", ""]
    model = Sequential([Input((1,), dtype="string"), layer])
    model.save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").layers[0].get_vocabulary() == layer.get_vocabulary()
    layer.adapt(["two\nlines"])
    with pytest.raises(ValueError, match="holds a line break"):
        model.save(tmp_path / "m.keras")


def test_a_layer_writes_and_reads_a_folder_as_in_keras(tmp_path: Path) -> None:
    layer = layers.StringLookup()
    layer.adapt(TEXTS)
    layer.save_assets(tmp_path)
    again = layers.StringLookup()
    again.load_assets(tmp_path)
    assert again.get_vocabulary() == layer.get_vocabulary()


@register_keras_serializable("tests")
class Noted(Layer):
    """A layer with a file of its own, written for Keras."""

    note = ""

    def call(self, inputs: Any) -> Any:
        return inputs

    def save_assets(self, dir_path: str) -> None:
        (Path(dir_path) / "deep").mkdir()
        (Path(dir_path) / "deep" / "note.txt").write_text(self.note)

    def load_assets(self, dir_path: str) -> None:
        self.note = (Path(dir_path) / "deep" / "note.txt").read_text()


def test_assets_of_a_layer_that_was_written_for_keras(tmp_path: Path) -> None:
    layer = Noted()
    layer.note = "hello"
    Sequential([Input((2,)), layer]).save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").layers[0].note == "hello"


def changed(path: Path, change: Callable[[dict[str, bytes]], Any]) -> Path:
    """A model with an adapted layer, its file changed."""
    layer = layers.StringLookup(output_mode="tf_idf")
    layer.adapt(TEXTS)
    Sequential([Input((1,), dtype="string"), layer]).save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = b"{}"  # without digests, as in files of Keras
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


VOCABULARY = "assets/layers/string_lookup/vocabulary.txt"


def configured(**fields: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        config["config"]["layers"][1]["config"].update(fields)
        members["config.json"] = json.dumps(config).encode()

    return change


ATTACKS: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "a file in the config": (configured(vocabulary="/etc/passwd"), "names? no file|name no file"),
    "an address in the config": (configured(vocabulary="http://localhost/words"), "name no file"),
    "a vocabulary that is a number": (configured(vocabulary=7), "vocabulary"),
    "a vocabulary of objects": (configured(vocabulary=[{"a": 1}], idf_weights=[1.0]), "expected strings"),
    "more words than the config has": (
        lambda m: m.update({VOCABULARY: b"[UNK]\na\nb\nc\nd"}),
        "5 tokens in place of 4",
    ),
    "a word twice": (lambda m: m.update({VOCABULARY: b"[UNK]\na\nb\na"}), "more than once"),
    "a vocabulary that is no text": (lambda m: m.update({VOCABULARY: b"\xff\xfe"}), "utf-8"),
    "a vocabulary elsewhere": (lambda m: m.update({"assets/../../words.txt": b"a"}), "leads elsewhere"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_file_is_refused_and_opens_nothing(attack: str, tmp_path: Path) -> None:
    change, message = ATTACKS[attack]
    path = changed(tmp_path / "m.keras", change)
    with opened() as files, pytest.raises(ModelFileError, match=message):
        load_model(path)
    assert [name for name in files if name != str(path)] == []


def test_a_good_file_opens_nothing_either(tmp_path: Path) -> None:
    path = changed(tmp_path / "m.keras", lambda members: None)
    with opened() as files:
        assert load_model(path).layers[0].get_vocabulary() == ["[UNK]", "c", "b c", "a b c"]
    assert [name for name in files if name != str(path)] == []


def test_a_file_without_its_vocabulary_says_so_when_it_is_needed(tmp_path: Path) -> None:
    model = load_model(changed(tmp_path / "m.keras", lambda members: members.pop(VOCABULARY)))
    with pytest.raises(ValueError, match=r"\(StringLookup\) has no vocabulary yet"):
        model.predict(["a"], verbose=0)


class opened:
    """Inside, the names of all files that are opened."""

    watched: list[str] | None = None

    def __enter__(self) -> list[str]:
        opened.watched = []
        return opened.watched

    def __exit__(self, *details: object) -> None:
        opened.watched = None


def _hook(event: str, arguments: Any) -> None:
    if event == "open" and opened.watched is not None and not str(arguments[0]).endswith((".py", ".pyc")):
        opened.watched.append(str(arguments[0]))


sys.addaudithook(_hook)
