"""Ids and indices that point at nothing: what a compiled step does with them, and every op that takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import ops
from pronghorn.utils import PyDataset

GOOD = np.random.default_rng(0).integers(0, 10, (70, 5))
LABELS = np.random.default_rng(1).integers(0, 3, 70)
BAD = GOOD.copy()
BAD[41, 2] = 10
MESSAGE = r"layer '.*' \(Embedding\): id 10 in row 41 is not one of 0 to 9, the ids below `input_dim`"
QUIET: dict[str, Any] = {"verbose": 0}


class Batches(PyDataset):
    def __init__(self, *batches: Any, **options: Any) -> None:
        super().__init__(**options)
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


def classifier(dtype: str = "int32", ids: Callable[[Any], Any] = lambda x: x, **options: Any) -> Any:
    x = keras.Input((5,), dtype=dtype)
    outputs = keras.layers.Flatten()(keras.layers.Embedding(10, 4)(ids(x)))
    model = keras.Model(x, keras.layers.Dense(3, activation="softmax")(outputs))
    model.compile("sgd", "sparse_categorical_crossentropy", **options)
    return model


def refused(call: Callable[[], Any], message: str = MESSAGE) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_arrays(dtype: str) -> None:
    model = classifier(dtype)
    weights = model.get_weights()
    for bad in (BAD, BAD.astype("float64"), np.asfortranarray(BAD), BAD.tolist()):
        refused(lambda bad=bad: model.fit(bad, LABELS, **QUIET))
    refused(lambda: model.fit(GOOD, LABELS, validation_data=(BAD, LABELS), **QUIET))
    refused(lambda: model.fit(BAD, LABELS, validation_split=0.5, **QUIET))
    refused(lambda: model.evaluate(BAD, LABELS, **QUIET))
    refused(lambda: model.predict(BAD, **QUIET))
    refused(lambda: model.predict(BAD, batch_size=70, **QUIET))
    refused(lambda: model.predict_on_batch(BAD))
    refused(lambda: model.train_on_batch(BAD, LABELS))
    refused(lambda: model.test_on_batch(BAD, LABELS))
    refused(lambda: model(BAD))
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    model.fit(GOOD, LABELS, validation_split=0.5, **QUIET)


def test_batches_as_they_come(tmp_path: Any) -> None:
    model = classifier()
    good, bad = (GOOD, LABELS), (BAD, LABELS)
    refused(lambda: model.fit(iter([good, bad]), **QUIET))
    refused(lambda: model.fit(Batches(good, bad), **QUIET))
    refused(lambda: model.fit(Batches(good, bad, workers=2), **QUIET))
    refused(lambda: model.evaluate(iter([good, bad]), **QUIET))
    refused(lambda: model.predict(iter([GOOD, BAD]), **QUIET))
    file = np.memmap(tmp_path / "ids", "int64", "w+", shape=BAD.shape)
    file[:] = BAD
    refused(lambda: model.fit(file, LABELS, batch_size=10, **QUIET), r"id 10 in row \d is not one of")
    refused(lambda: model.predict(file, batch_size=10, **QUIET), "id 10 in row 1 is not one of")


def test_operation_by_operation() -> None:
    for options in ({"run_eagerly": True}, {"jit_compile": False}):
        model = classifier(**options)
        refused(lambda model=model: model.fit(BAD, LABELS, batch_size=70, shuffle=False, **QUIET))


def test_ids_of_one_input_of_several() -> None:
    first, second = keras.Input((5,), name="first", dtype="int64"), keras.Input((5,), name="second", dtype="int64")
    embedded = [keras.layers.Embedding(10, 4, name="narrow")(first), keras.layers.Embedding(11, 4)(second)]
    model = keras.Model({"second": second, "first": first}, keras.layers.Add()(embedded))
    model.predict({"first": GOOD, "second": BAD}, **QUIET)
    refused(lambda: model.predict({"first": BAD, "second": GOOD}, **QUIET), "layer 'narrow'")


def test_ids_made_by_arithmetic_and_slicing() -> None:
    model = classifier(ids=lambda x: x + 1)
    model.fit(np.minimum(GOOD, 8), LABELS, **QUIET)
    refused(lambda: model.predict(GOOD[:20], **QUIET), r"id 10 in row \d+ is not one of 0 to 9")
    refused(lambda: model.fit(GOOD, LABELS, **QUIET), r"id 10 in row \d+ is not one of 0 to 9")
    model = classifier(ids=lambda x: x[:, :2])
    model.predict(BAD, **QUIET)  # the wrong one is cut off


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [
        (lambda: keras.layers.Hashing(30), "id (1|2)[0-9] in row"),
        (lambda: keras.layers.IntegerLookup(vocabulary=list(range(10))), "id 10 in row"),
    ],
)
def test_ids_of_preprocessing_layers(ids: Callable[[], Any], wrong: str) -> None:
    refused(lambda: classifier("int64", ids()).fit(GOOD, LABELS, **QUIET), wrong)


def test_ids_of_strings() -> None:
    words = np.array([["a", "b", "c", "d", "e"]] * 4)
    lookup = keras.layers.StringLookup(vocabulary=["a", "b", "c", "d", *"fghijk"])  # 10 words and the unknown one
    model = classifier("string", lookup)
    model.predict(words, **QUIET)
    words[2, 3] = "k"
    refused(lambda: model.predict(words, **QUIET), "id 10 in row 2 is not one of")


def test_labels() -> None:
    labels = LABELS.copy()
    labels[7] = 3
    message = "sparse_categorical_crossentropy: label 3 in row 7 is not one of 0 to 2"
    model = classifier(metrics=["accuracy"])
    for wrong in (labels, labels[:, None], labels.astype("float32")):
        refused(lambda wrong=wrong: model.fit(GOOD, wrong, **QUIET), message)
        refused(lambda wrong=wrong: model.evaluate(GOOD, wrong, **QUIET), message)
        refused(lambda wrong=wrong: model.train_on_batch(GOOD, wrong), message)
        refused(lambda wrong=wrong: model.fit(GOOD, LABELS, validation_data=(GOOD, wrong), **QUIET), message)
        refused(lambda wrong=wrong: model.fit(iter([(GOOD, LABELS), (GOOD, wrong)]), **QUIET), message)
    ignoring = keras.losses.SparseCategoricalCrossentropy(ignore_class=3)
    model.compile("sgd", ignoring)
    model.fit(GOOD, labels, **QUIET)


def test_labels_of_one_output_of_several() -> None:
    x = keras.Input((5,))
    model = keras.Model(x, {"a": keras.layers.Dense(3)(x), "b": keras.layers.Dense(4)(x)})
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = LABELS.copy()
    labels[7] = 3
    model.fit(GOOD, {"a": LABELS, "b": labels}, **QUIET)
    refused(lambda: model.fit(GOOD, {"a": labels, "b": LABELS}, **QUIET), "label 3 in row 7 is not one of 0 to 2")


X = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.mark.parametrize(
    ("op", "indices", "nearest"),
    [
        (lambda i: ops.take(X, i, axis=1), [-4, 5, -1], [[0, 2, 2], [3, 5, 5]]),
        (lambda i: ops.take(X, i), [-7, 6], [0, 5]),
        (lambda i: ops.take_along_axis(X, i, axis=1), [[-4, 5], [3, -4]], [[0, 2], [5, 3]]),
        (lambda i: ops.convert_to_tensor(X)[i, i], [0, 2], [0, 5]),
        (lambda i: ops.convert_to_tensor(X)[:, i], [0, 3], [[0, 2], [3, 5]]),
    ],
)
def test_indices_beyond_an_axis(op: Callable[[Any], Any], indices: list[Any], nearest: list[Any]) -> None:
    """Eagerly an error as in NumPy; in a program no foreign memory and no other row, but the nearest place."""
    with pytest.raises(IndexError, match="is out of range for axis"):
        op(ops.convert_to_tensor(np.array(indices)))
    np.testing.assert_array_equal(keras.jit(op)(np.array(indices)).numpy(), nearest)


@pytest.mark.parametrize(
    ("op", "zeros"),
    [
        (lambda i: ops.one_hot(i, 3), [[0, 0, 0], [0, 0, 0], [0, 1, 0]]),
        (lambda i: ops.multi_hot(i, 3), [0, 1, 0]),
        (lambda i: keras.layers.CategoryEncoding(3)(i), [0, 1, 0]),
        (lambda i: keras.layers.CategoryEncoding(3, "count")(i), [0, 1, 0]),
        (lambda i: keras.layers.CategoryEncoding(3, "one_hot")(i), [[0, 0, 0], [0, 0, 0], [0, 1, 0]]),
        (lambda i: ops.segment_sum(np.ones((3, 1), "float32"), i, 3), [[0], [1], [0]]),
        (lambda i: ops.sparse_categorical_crossentropy(i, np.ones((3, 3), "float32"), from_logits=True)[:2], [0, 0]),
        (lambda i: ops.sparse_categorical_crossentropy(i, np.ones((3, 3), "float32"))[:2], [0, 0]),
        (lambda i: keras.metrics.sparse_categorical_accuracy(i, np.eye(3, dtype="float32"))[:2], [0, 0]),
        (lambda i: keras.metrics.sparse_top_k_categorical_accuracy(i, np.eye(3, dtype="float32"), k=3), [0, 0, 1]),
    ],
)
def test_classes_beyond_the_last_count_for_nothing(op: Callable[[Any], Any], zeros: list[Any]) -> None:
    indices = np.array([-1, 3, 1])
    for call in (op, keras.jit(op)):
        np.testing.assert_array_equal(call(indices).numpy(), zeros)


def test_no_id_is_looked_at_within_a_loop() -> None:
    layer = keras.layers.Embedding(3, 1, embeddings_initializer="ones")
    layer.build()
    layer.set_weights([np.arange(3.0)[:, None]])
    scanned = keras.jit(lambda ids: ops.scan(lambda carry, i: (carry, layer(i)), 0, ids)[1])
    assert scanned(np.array([[-5], [1], [9]])).numpy().ravel().tolist() == [0, 1, 2]


def test_places_up_to_an_unknown_size_are_not_asked_for_before_it_is_known() -> None:
    """While shapes are inferred, a number stands in for an unknown size, which is no id of anybody's."""

    class Places(keras.layers.Layer):
        def __init__(self, most: int) -> None:
            super().__init__()
            self.table = keras.layers.Embedding(most, 4)

        def call(self, x: Any) -> Any:
            return self.table(keras.ops.arange(keras.ops.shape(x)[-1]))

    inputs = keras.Input((None,))
    model = keras.Model(inputs, Places(10)(inputs))
    assert model.predict(np.zeros((2, 10), "float32"), **QUIET).shape == (10, 4)
    refused(lambda: model.predict(np.zeros((2, 11), "float32"), **QUIET), "id 10 in row 10 is not one of 0 to 9")
