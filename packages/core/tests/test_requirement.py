"""Requirements: looked at before a run for arguments, after it for what is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.program import Program, Rows, batch_rows, jit
from pronghorn.requirement import Within, require
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

BELOW_4 = Within(4, "the test: id", "as it says")


def checked(ids: Tensor) -> Tensor:
    require(ids, BELOW_4)
    return ids * 2


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float32", "float64", ">i4"])
def test_the_first_value_outside_is_named_with_its_row(dtype: str) -> None:
    good = np.array([[0, 3], [1, 2], [3, 0]], dtype)
    BELOW_4(good)
    bad = good.copy()
    bad[1, 1] = bad[2, 0] = 7
    with pytest.raises(ValueError, match="^the test: id 7 in row 1 is not one of 0 to 3, as it says$"):
        BELOW_4(bad)
    Within(4, "id", "", besides=7)(bad)


def test_edges_of_what_is_within() -> None:
    BELOW_4(np.array([-0.5, 3.5]))  # cut to 0 and 3
    BELOW_4(np.zeros((0, 2), "int32"))
    BELOW_4(np.array([True]))
    for value, text in ((-1, "-1"), (np.nan, "nan"), (2**40, "1099511627776")):
        with pytest.raises(ValueError, match=f"id {text} in row 0"):
            BELOW_4(np.array([value]))
    with pytest.raises(ValueError, match="id 4 is not one of"):
        BELOW_4(np.array(4))


def test_values_at_hand_are_looked_at_at_once() -> None:
    assert checked(convert_to_tensor([3])).numpy().tolist() == [6]
    with pytest.raises(ValueError, match="id 4 in row 1"):
        checked(convert_to_tensor([3, 4]))


@pytest.mark.parametrize(
    "unchanged",
    [
        lambda x: x,
        lambda x: ops.cast(x, "float32"),
        lambda x: ops.reshape(x, (-1,)),
        lambda x: ops.cast(ops.expand_dims(ops.transpose(x), 0), "int64"),
        lambda x: ops.stop_gradient(ops.broadcast_to(x, (5, *x.shape))),
    ],
)
def test_arguments_are_looked_at_before_the_run(unchanged: Any) -> None:
    count = Variable(np.zeros((), "int32"))

    @jit
    def function(ids: Tensor) -> Tensor:
        count.assign(count + 1)
        return checked(unchanged(ids))

    function(np.array([[0, 3], [1, 2]]))
    with pytest.raises(ValueError, match="id 5 in row 1"):
        function(np.array([[0, 3], [5, 2]]))
    with pytest.raises(ValueError, match="id -1 in row 0"):
        function(convert_to_tensor([[-1, 3], [5, 2]]))
    assert int(count) == 1


@pytest.mark.parametrize(
    ("computed", "wrong"), [(lambda x: x[:, 1:] + 1, 3), (lambda x: x[:, 1:], 4), (lambda x: ops.minimum(x, 4), 4)]
)
def test_what_is_computed_is_looked_at_after_the_run(computed: Any, wrong: int) -> None:
    @jit
    def function(ids: Tensor) -> dict[str, Tensor]:
        return {"a": checked(computed(ids)), "b": ids}

    assert list(function(np.array([[0, 0], [0, 0]]))) == ["a", "b"]
    with pytest.raises(ValueError, match="id 4 in row 1"):
        function(np.array([[0, 0], [9, wrong]]))


def test_a_variable_is_looked_at() -> None:
    ids = Variable(np.array([1, 2]))
    function = jit(lambda: checked(ids.value))
    function()
    ids.assign([1, 4])
    with pytest.raises(ValueError, match="id 4 in row 1"):
        function()


def test_a_data_set_is_looked_at_once() -> None:
    looks = []

    def look(values: Any) -> None:
        looks.append(values.shape)

    def function(rows: Tensor, indices: Tensor) -> Tensor:
        ids = batch_rows(rows, indices)
        require(ids, look)
        require(ops.cast(ids, "float32"), look)
        return ids

    program, rows = Program(function), Rows(np.arange(12).reshape(6, 2))
    for size in (2, 2, 3):
        program(rows, np.arange(size))
    assert looks == [(6, 2)]
    program.check(Rows(np.arange(8).reshape(4, 2)), np.arange(2))
    assert looks == [(6, 2), (4, 2)]


def test_a_graph_that_is_exported_has_the_outputs_of_its_function() -> None:
    graph = Program(lambda x: checked(x + 1)).trace((np.zeros((2, 2), "int32"),), {})[0]
    assert len(graph.outputs) == 1
