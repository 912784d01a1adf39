"""Programs: effects, versions of variables, signatures."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from pronghorn import ops, random
from pronghorn.autodiff import GradientTape
from pronghorn.graph import collections_held
from pronghorn.interpreter import current
from pronghorn.program import Program, Rows, batch_rows, jit
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor, Variable, constant


def test_a_variable_read_assigned_and_read_again() -> None:
    v = Variable(np.float64(3.0))

    def function(x: Tensor) -> Any:
        with GradientTape() as tape:
            first = v * x
            v.assign(v * 2.0)
            second = v * x
            loss = first + second * second
        return loss, tape.gradient(loss, v), v.value

    x = constant(2.0, "float64")
    eager = [float(t) for t in function(x)]
    v.assign(3.0)
    traced = [float(t) for t in jit(function)(x)]
    assert eager == traced
    assert eager[0] == 6.0 + 144.0
    assert eager[1] == 2.0 + 2 * 12.0 * 2.0  # both versions read; the assignment is no gradient path
    assert float(v) == 6.0


def test_a_value_read_keeps_its_value() -> None:
    v = Variable(np.ones(3))
    before = v.value
    jit(lambda: v.assign(v + 1.0).value)()
    v.assign(v * 5.0)
    np.testing.assert_array_equal(before.numpy(), [1, 1, 1])
    array = v.numpy()
    array[:] = 0
    np.testing.assert_array_equal(v.numpy(), [10, 10, 10])


def gan_step(generator: Variable, discriminator: Variable) -> Any:
    """The discriminator is updated before the generator's loss is computed with it."""

    def step(noise: Tensor, real: Tensor) -> Any:
        with GradientTape() as tape:
            fake = ops.tanh(ops.matmul(noise, generator))
            d_loss = ops.mean(ops.square(ops.matmul(real, discriminator) - 1.0)) + ops.mean(
                ops.square(ops.matmul(fake, discriminator))
            )
        discriminator.assign_sub(0.5 * tape.gradient(d_loss, discriminator))
        with GradientTape() as tape:
            fake = ops.tanh(ops.matmul(noise, generator))
            g_loss = ops.mean(ops.square(ops.matmul(fake, discriminator) - 1.0))
        generator.assign_sub(0.5 * tape.gradient(g_loss, generator))
        return d_loss, g_loss

    return step


def test_gan_step_with_two_tapes_equals_eager() -> None:
    rng = np.random.default_rng(1)
    start = rng.standard_normal((3, 4)), rng.standard_normal((4, 1))
    noise, real = constant(rng.standard_normal((6, 3)), "float64"), constant(rng.standard_normal((6, 4)), "float64")
    results = []
    for compiled in (False, True):
        variables = Variable(start[0]), Variable(start[1])
        step = gan_step(*variables)
        step = jit(step) if compiled else step
        losses = [[float(t) for t in step(noise, real)] for _ in range(3)]
        results.append((losses, *(v.numpy() for v in variables)))
    for eager, traced in zip(*results, strict=True):
        np.testing.assert_allclose(eager, traced, rtol=1e-12)


def test_second_derivative_of_a_compiled_function() -> None:
    def third(x: Tensor) -> Any:
        with GradientTape() as outer:
            outer.watch(x)
            with GradientTape() as inner:
                inner.watch(x)
                y = x * x * x
            first = inner.gradient(y, x)
        return outer.gradient(first, x)

    assert float(jit(third)(constant(2.0, "float64"))) == 12.0


class TestSymbols:
    def test_numpy_on_a_symbol_names_the_op(self) -> None:
        with pytest.raises(TypeError, match=r"ops\.sum for np\.sum.*run_eagerly=True"):
            jit(lambda x: np.sum(x))(constant([1.0], "float64"))

    def test_python_control_flow_names_cond(self) -> None:
        with pytest.raises(TypeError, match=r"ops\.cond"):
            jit(lambda x: x if x > 0 else -x)(constant(1.0, "float64"))

    def test_what_follows_from_sizes_alone_has_a_value(self) -> None:
        """As where a user tiles by a tensor of sizes; a value that depends on an argument stays an error."""

        def tiled(x: Tensor) -> Tensor:
            sizes = ops.concatenate([ops.expand_dims(ops.shape(x)[0], 0), ops.full((1,), 2, "int32")])
            if ops.max(sizes) > 2:
                return ops.broadcast_to(ops.sum(x), sizes) + float(ops.sum(sizes))
            return x

        np.testing.assert_array_equal(jit(tiled)(constant([1.0, 2.0, 3.0], "float64")).numpy(), np.full((3, 2), 11.0))

    def test_a_leaked_symbol_is_explained(self) -> None:
        kept: list[Tensor] = []
        jit(lambda x: kept.append(x) or x * 1.5)(constant(1.0, "float64"))
        with pytest.raises(TypeError, match="a trace that has ended"):
            ops.sin(kept[0])


def test_shapes_make_plans_and_static_arguments_are_part_of_the_signature() -> None:
    traced = []

    def function(x: Tensor, power: int) -> Tensor:
        traced.append((x.shape, power))
        return x**power

    program = jit(function)
    for shape in ((2,), (3,), (2,)):
        for power in (2, 3):
            np.testing.assert_array_equal(program(np.full(shape, 2.0), power).numpy(), np.full(shape, 2.0**power))
    assert len(traced) == 4


def test_rows_are_gathered_from_any_number_of_rows_and_layout() -> None:
    program = jit(lambda source, indices: batch_rows(source, indices, "float32") * 2.0)
    indices = np.array([4, 0, 2])
    base = np.arange(60, dtype=np.float64).reshape(10, 6)
    for source in (
        base,
        base[:5],
        base[::2],
        np.asfortranarray(base),
        base.astype(">f8"),
        base.astype(np.uint8),
        base[:, ::2],
    ):
        np.testing.assert_array_equal(program(Rows(source), indices).numpy(), 2.0 * source[indices].astype(np.float32))


def test_advance_false_leaves_seed_states_alone() -> None:
    generator = SeedGenerator(3)
    program = Program(lambda: random.uniform((4,), seed=generator), advance=False)
    np.testing.assert_array_equal(program().numpy(), program().numpy())
    assert generator.state.numpy().tolist() == [3, 0, 0]


def test_results_of_any_structure() -> None:
    v = Variable(np.float64(0.0))
    x = constant(2.0, "float64")
    assert jit(lambda x: [v.assign(x), None][1])(x) is None
    assert float(v) == 2.0
    result = jit(lambda x: {"b": (x, None), "a": [x * 2.0]})(x)
    assert list(result) == ["b", "a"]
    assert result["b"][1] is None
    assert float(result["a"][0]) == 4.0


def test_a_change_of_trainable_retraces() -> None:
    v = Variable(np.float64(2.0))
    count = []

    def function() -> Tensor:
        count.append(v.trainable)
        return v * 2.0

    program = jit(function)
    program()
    program()
    v.trainable = False
    program()
    assert count == [True, False]


def test_collections_are_held_off_while_a_program_is_traced_and_let_happen_where_asked() -> None:
    seen = []
    jit(lambda x: seen.append(gc.isenabled()) or x)(constant(1.0, "float32"))
    with collections_held():
        with collections_held(), collections_held(False):
            seen.append(gc.isenabled())
        seen.append(gc.isenabled())
    assert seen == [False, True, False] and gc.isenabled()
    gc.disable()
    try:
        with collections_held(), collections_held(False):
            assert not gc.isenabled()  # whoever switched them off wants that
    finally:
        gc.enable()


def test_eager_is_the_default() -> None:
    assert current().tracer is None
