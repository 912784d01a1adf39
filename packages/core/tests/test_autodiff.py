"""Tapes and gradients: versions of variables, nesting, persistence, and what is no path for gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape, check_gradients, gradients, warn_unused
from pronghorn.interpreter import Tracer, using
from pronghorn.tensor import Variable


def variable(value: Any, **settings: Any) -> Variable:
    return Variable(np.asarray(value, "float64"), dtype="float64", **settings)


def test_gradient_of_variables_in_a_nested_structure() -> None:
    kernel, bias = variable([[1.0, 2.0]]), variable([0.5, 0.5])
    with GradientTape() as tape:
        loss = ops.sum(ops.square(ops.matmul(np.array([[3.0]]), kernel) + bias))
    found = tape.gradient(loss, {"kernel": kernel, "rest": [bias]})
    np.testing.assert_allclose(found["kernel"], [[21.0, 39.0]])
    np.testing.assert_allclose(found["rest"][0], [7.0, 13.0])


def test_a_variable_read_assigned_and_read_again() -> None:
    v = variable(3.0)
    with GradientTape() as tape:
        first = v * v
        v.assign(5.0)
        second = v * 2.0
        total = first + second
    assert float(total) == 19.0
    np.testing.assert_allclose(tape.gradient(total, v), 2 * 3.0 + 2.0)  # the sum over both versions


def test_assigning_is_no_path_for_gradients() -> None:
    v, w = variable(3.0), variable(2.0)
    with GradientTape() as tape:
        w.assign(v * 2.0)
        y = w * 1.0
    assert tape.gradient(y, v) is None


def test_only_what_is_watched_and_trainable_has_a_gradient() -> None:
    frozen, v, constant = variable(2.0, trainable=False), variable(3.0), ops.convert_to_tensor(np.array(4.0))
    with GradientTape() as tape:
        y = frozen * v * constant
    found = tape.gradient(y, [frozen, v, constant])
    assert found[0] is None and found[2] is None
    np.testing.assert_allclose(found[1], 8.0)
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(frozen)
        y = frozen * v
    found = tape.gradient(y, [frozen, v])
    np.testing.assert_allclose(found[0], 3.0)
    assert found[1] is None


def test_unconnected_sources() -> None:
    v, w = variable([1.0, 2.0]), variable(2.0)
    with GradientTape() as tape:
        y = w * 2.0
    np.testing.assert_array_equal(tape.gradient(y, v, unconnected_gradients="zero"), [0.0, 0.0])


def test_a_tape_answers_once_unless_it_is_persistent() -> None:
    x = ops.convert_to_tensor(np.array(2.0))
    with GradientTape() as tape:
        tape.watch(x)
        y = x * x
    tape.gradient(y, x)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, x)
    with GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = y * x
    np.testing.assert_allclose(tape.gradient(y, x), 4.0)
    np.testing.assert_allclose(tape.gradient(z, [x, y])[0], 12.0)


def test_seeds_weigh_the_results() -> None:
    x = ops.convert_to_tensor(np.array([1.0, 2.0]))
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.square(x)
    np.testing.assert_allclose(tape.gradient(y, x, output_gradients=np.array([10.0, 1.0])), [20.0, 4.0])


def test_nested_tapes_give_higher_derivatives() -> None:
    x = ops.convert_to_tensor(np.array(1.5))
    with GradientTape() as third:
        third.watch(x)
        with GradientTape() as second:
            second.watch(x)
            with GradientTape() as first:
                first.watch(x)
                y = ops.power(x, 4.0)
            dy = first.gradient(y, x)
        ddy = second.gradient(dy, x)
    np.testing.assert_allclose(dy, 4 * 1.5**3)
    np.testing.assert_allclose(ddy, 12 * 1.5**2)
    np.testing.assert_allclose(third.gradient(ddy, x), 24 * 1.5)


def test_gradients_in_a_trace_equal_those_of_a_tape() -> None:
    from pronghorn import accelerator

    def loss(x: Any, w: Any) -> Any:
        return ops.sum(ops.tanh(ops.matmul(x, w)))

    x, w = (np.random.default_rng(0).normal(size=s) for s in ((4, 3), (3, 2)))
    tracer = Tracer()
    with using(tracer):
        arguments = [tracer.argument(a.shape, "float64") for a in (x, w)]
        found = gradients(loss(*arguments), arguments)
    program = accelerator.current().compile(tracer.finish([g for g in found if g is not None]))
    tensors = [ops.convert_to_tensor(a) for a in (x, w)]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = loss(*tensors)
    for a, b in zip(program([x, w]), tape.gradient(y, tensors), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_op_without_a_gradient_is_named() -> None:
    from pronghorn.graph import Spec
    from pronghorn.op import primitive

    @primitive(lambda x: Spec(x.shape, x.dtype))
    def mystery(x: Any) -> Any:
        return x.copy()

    x = ops.convert_to_tensor(np.array(2.0))
    with GradientTape() as tape:
        tape.watch(x)
        y = mystery(x)
    with pytest.raises(NotImplementedError, match="no gradient is defined for the operation 'mystery'"):
        tape.gradient(y, x)


def test_bad_input() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        GradientTape().watch(ops.ones(()))
    with GradientTape() as tape:
        with pytest.raises(ValueError, match="float dtype, got int32"):
            tape.watch(ops.ones(3, "int32"))
        with pytest.raises(ValueError, match="expected a Tensor or Variable"):
            tape.watch("x")
        y = ops.ones(())
    with pytest.raises(TypeError, match="`target` must be a Tensor"):
        tape.gradient("y", y)


def test_unused_variables_are_named_in_a_warning() -> None:
    v, w = variable(1.0, name="used"), variable(1.0, name="unused")
    with pytest.warns(UserWarning, match=r"\['unused'\]"):
        warn_unused([v, w], [ops.ones(()), None])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_unused([v], [ops.ones(())])


def test_a_wrong_gradient_is_found() -> None:
    from pronghorn.op import elementwise

    wrong = elementwise("wrong", "x * x", lambda g, out, x: g * x)
    with pytest.raises(AssertionError, match="gradient of input 0"):
        check_gradients(wrong, [[1.0, 2.0]])
