"""Strings in programs: a head and a tail on the host around what is compiled."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.functional import Input
from pronghorn.graph import Spec
from pronghorn.host import HostOp
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.program import jit
from pronghorn.tensor import Tensor, Variable, convert_to_tensor
from pronghorn.testing.kernels import accelerators, using_accelerator
from pronghorn.testing.layers import Affine, Descent, squared_error

Array = np.ndarray[Any, Any]


length = HostOp(
    "length",
    lambda x: np.array([len(s) for s in x.flat], "int64").reshape(x.shape),
    lambda x: Spec(x.shape, "int64"),
)
codes = HostOp(
    "codes",
    lambda x: np.array([[ord(c) for c in s.ljust(max(map(len, x)))] for s in x], "int64"),
    lambda x: Spec((*x.shape, None), "int64"),
)
text = HostOp(
    "text",
    lambda x: np.array([str(n) for n in x.flat], object).reshape(x.shape),
    lambda x: Spec(x.shape, "string"),
)
parity = HostOp("parity", lambda x: x % 2, lambda x: x)


@pytest.mark.parametrize("name", accelerators())
def test_strings_go_in_and_come_out(name: str) -> None:
    v = Variable(np.ones(3, "float32"))

    def function(x: Tensor) -> Any:
        counts: Any = ops.cast(length(ops.expand_dims(x, -1)), "float32")
        product = counts * v
        v.assign(v + 1.0)
        return product, text(ops.cast(ops.sum(product), "int32")), x

    with using_accelerator(name):
        eager = [t.numpy().tolist() for t in function(convert_to_tensor(["a", "bb"]))]
        v.assign(np.ones(3, "float32"))
        traced = [t.numpy().tolist() for t in jit(function)(np.array(["a", "bb"]))]
    assert traced == eager == [[[1.0] * 3, [2.0] * 3], "9", ["a", "bb"]]
    np.testing.assert_array_equal(v.numpy(), [2, 2, 2])


def test_what_is_compiled_has_no_host_call() -> None:
    v = Variable(np.ones(3, "float32"))
    program = jit(lambda x: text(ops.cast(ops.cast(length(x), "float32") * v, "int32")))
    assert program(np.array(["a", "bb", "ccc"])).numpy().tolist() == ["1", "2", "3"]
    kinds = [(i.name, i.kind) for i in program.instructions()]
    assert kinds[0] == ("length", "host") and kinds[-1] == ("text", "host")
    assert {kind for _, kind in kinds[1:-1]} == {"kernel"}


def test_a_variable_that_is_read_after_it_was_written() -> None:
    """The tail sees the value that the trace saw, and what it assigns is stored."""
    v = Variable(np.array([1, 2], "int64"))
    w = Variable(np.array([0, 0], "int64"))

    @jit
    def program(x: Tensor) -> Any:
        old = v.value
        v.assign(v + length(x))
        names = text(old)
        w.assign(length(names))
        return names

    assert program(np.array(["a", "bb"])).numpy().tolist() == ["1", "2"]
    assert program(np.array(["a" * 10, "bb"])).numpy().tolist() == ["2", "4"]
    assert program(np.array(["a", "bb"])).numpy().tolist() == ["12", "6"]
    assert v.numpy().tolist() == [13, 8]
    assert w.numpy().tolist() == [2, 1]


def test_sizes_that_depend_on_the_strings_make_plans_of_their_own() -> None:
    traced: list[Any] = []

    @jit
    def program(x: Tensor) -> Any:
        found: Any = codes(x)
        traced.append(found.shape)
        return ops.sum(found * 2, axis=-1)

    for words in (["a", "bb"], ["a", "cccc"], ["d", "ee"], ["f", "gggg"]):
        expected = [2 * sum(map(ord, word.ljust(max(map(len, words))))) for word in words]
        assert program(np.array(words)).numpy().tolist() == expected
    assert traced == [(2, 2), (2, 4)]


def test_a_size_that_nobody_knows_is_an_error() -> None:
    v = Variable(np.array([1, 22], "int64"))
    with pytest.raises(TypeError, match="codes: the size of its output depends on values"):
        jit(lambda x: codes(text(v + length(x))))(np.array(["a", "bb"]))


def test_an_op_of_numbers_is_at_the_head_too() -> None:
    v = Variable(np.array([3, 4], "int64"))
    program = jit(lambda x: parity(x + 1) * v)
    assert program(np.array([1, 2])).numpy().tolist() == [0, 4]
    assert [i.kind for i in program.instructions()] == ["host", "host", "kernel"]


class Length(Layer):
    """The length of strings, as a float."""

    def call(self, inputs: Any) -> Any:
        return ops.cast(length(inputs), self.compute_dtype)


class Codes(Layer):
    """The characters of strings, as many as the longest has."""

    def call(self, inputs: Any) -> Any:
        return ops.cast(codes(ops.squeeze(inputs, -1)), self.compute_dtype)


def model(layer: Layer) -> Model:
    x = Input((1,), dtype="string")
    return Model(x, Affine(1)(layer(x)))


def test_a_model_of_strings_trains_the_same_as_one_of_numbers() -> None:
    words = np.array(["a", "bb", "ccc", "dddd", "eeeee"] * 4)[:, None]
    y = np.arange(20.0, dtype="float32")[:, None]
    strings, numbers = model(Length()), Model(x := Input((1,)), Affine(1)(x))
    for m in (strings, numbers):
        m.compile(Descent(0.01), squared_error, run_eagerly=False)
        m.set_weights([np.ones((1, 1)), np.zeros(1)])
    data = np.vectorize(len)(words).astype("float32")
    a = strings.fit(words, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    b = numbers.fit(data, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert a.history == b.history  # type: ignore[union-attr]
    assert strings.evaluate(words, y, verbose=0) == numbers.evaluate(data, y, verbose=0)
    expected = numbers.predict(data, verbose=0)
    np.testing.assert_array_equal(strings.predict(words, verbose=0), expected)
    np.testing.assert_array_equal(strings.predict(words.ravel().tolist(), verbose=0), expected)
    np.testing.assert_array_equal(strings.predict("ccc", verbose=0), expected[2:3])
    assert all(i.kind == "host" for i in strings.train_program.instructions() if "length" in i.name)


def test_a_model_whose_sizes_depend_on_the_strings() -> None:
    x = Input((1,), dtype="string")
    read = Codes()(x)
    assert read.shape == (None, None)
    words = np.array(["aa", "b", "cc", "ddd", "e", "ff"])[:, None]
    m = Model(x, ops.mean(read, axis=-1, keepdims=True))
    m.compile(Descent(0.1), squared_error)
    found = m.predict(words, batch_size=2, verbose=0)
    np.testing.assert_allclose(found[:, 0], [97, (98 + 32) / 2, (99 * 2 + 32) / 3, 100, (101 + 32) / 2, 102])
    assert np.isfinite(m.evaluate(words, found, batch_size=2, verbose=0))


def reading_model(read: Any) -> Any:
    """A compiled model whose strings `read` makes numbers of."""
    op = HostOp("read", read, lambda x: Spec((x.shape[0], 1), "float32"))

    class Reading(Layer):
        def call(self, inputs: Any) -> Any:
            return op(ops.squeeze(inputs, -1))

    m = model(Reading())
    m.compile(Descent(0.1), squared_error)
    return m


def test_what_fails_in_a_string_fails_in_its_step() -> None:
    def read(x: Array) -> Array:
        if "bad" in x.tolist():
            raise ValueError("a bad string")
        return np.ones((len(x), 1), "float32")

    m = reading_model(read)
    x = np.array(["good"] * 9 + ["bad"], object)[:, None]
    with pytest.raises(ValueError, match="a bad string"):
        m.fit(x, np.zeros((10, 1)), batch_size=2, shuffle=False, verbose=0)


def test_a_thread_reads_ahead_of_training() -> None:
    pytest.importorskip("pronghorn_utils", reason="the threads are pronghorn-utils'")
    threads: list[str] = []

    def read(x: Array) -> Array:
        threads.append(threading.current_thread().name)
        return np.ones((len(x), 1), "float32")

    m = reading_model(read)
    m.fit(np.array(["word"] * 10, object)[:, None], np.zeros((10, 1)), batch_size=2, epochs=2, verbose=0)
    ahead = [name.startswith("pronghorn-data") for name in threads]
    assert ahead.count(True) == 2 * 4  # all but the first step of each epoch


def test_what_is_wrong_with_a_string_names_the_layer() -> None:
    m = model(Length(name="length"))
    m.predict(np.array([["a"], ["b"]], object), verbose=0)
    with pytest.raises(TypeError, match="NoneType") as caught:
        m.predict_on_batch(np.array([["a"], [None]], object))
    assert caught.value.__notes__[0].startswith("in layer ") and "length" in caught.value.__notes__[0]


@pytest.mark.parametrize("values", [["1", "2"], [1, 2]])
def test_strings_and_numbers_are_not_cast_to_each_other(values: list[Any]) -> None:
    x = convert_to_tensor(values)
    wanted = "int64" if x.dtype == "string" else "string"
    for cast in (ops.cast, jit(ops.cast)):
        with pytest.raises(ValueError, match="cannot cast .* by layers.StringLookup"):
            cast(x, wanted)
