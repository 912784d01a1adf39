"""Random draws: the counter's mapping, independence, moments, and what advances a generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import random
from pronghorn.interpreter import Tracer, using
from pronghorn.ops.random import philox_bits

COUNT = 50_000


def value(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(x)


def test_philox_gives_the_published_numbers() -> None:
    # Random123's known answers for a counter and a key of zeros; word w of lane 0 is element 16 * w.
    expected = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox_bits(0, 0, 0, 64)[::16].tolist() == expected


def test_a_draw_depends_on_its_place_only() -> None:
    long, short = (value(random.uniform((n,), seed=7)) for n in (1000, 100))
    np.testing.assert_array_equal(long[:100], short)
    np.testing.assert_array_equal(value(random.uniform((10, 100), seed=7)).ravel(), long)
    assert (value(random.uniform((100,), seed=8)) != short).any()
    assert (value(random.uniform((100,), seed=7 + 2**32)) != short).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments(dtype: str) -> None:
    u = value(random.uniform((COUNT,), -1, 3, dtype=dtype, seed=1))
    assert u.dtype == dtype and u.min() >= -1 and u.max() < 3
    np.testing.assert_allclose([u.mean(), u.var()], [1, 16 / 12], atol=0.03)
    n = value(random.normal((COUNT,), 2, 0.5, dtype=dtype, seed=2))
    np.testing.assert_allclose([n.mean(), n.std()], [2, 0.5], atol=0.02)


def test_float16_draws_are_rounded() -> None:
    assert random.normal((3,), dtype="float16", seed=1).dtype == "float16"
    with pytest.raises(ValueError, match="random.uniform: argument `dtype` must be a float dtype"):
        random.uniform((3,), dtype="int32")


# ---------------------------------------------------------------------- generators


def test_a_generator_moves_on_with_each_draw() -> None:
    generator = random.SeedGenerator(5)
    first, second = (value(random.uniform((9,), seed=generator)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(generator.state.numpy(), [5, 0, 2])
    again = random.SeedGenerator.from_config(generator.get_config())
    np.testing.assert_array_equal(random.uniform((9,), seed=again), first)
    np.testing.assert_array_equal(random.uniform((9,), seed=again.next()), second)


def test_an_integer_seed_gives_the_same_draw_each_time() -> None:
    np.testing.assert_array_equal(random.normal((9,), seed=3), random.normal((9,), seed=3))


def test_the_global_seed_makes_everything_reproducible() -> None:
    def draws() -> list[Any]:
        random.set_global_seed(11)
        generators = [random.SeedGenerator(), random.SeedGenerator()]
        return [value(random.uniform((4,), seed=s)) for s in (*generators, None, None)]

    first, second = draws(), draws()
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) == 16


def test_bad_seeds() -> None:
    with pytest.raises(ValueError, match="argument `seed` must be an integer, got 'x'"):
        random.SeedGenerator("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be an integer"):
        random.uniform((2,), seed=0.5)


def test_a_trace_numbers_its_draws_and_advances_the_state_once() -> None:
    generator = random.SeedGenerator(5)
    tracer = Tracer()
    with using(tracer):
        draws = [random.uniform((2,), seed=generator) for _ in range(3)]
    graph = tracer.finish(draws)
    assert [node.attrs["call"] for node in graph.nodes if node.op.name == "random_uniform"] == [0, 1, 2]
    assert list(graph.writes) == [generator.state]
    np.testing.assert_array_equal(generator.state.numpy(), [5, 0, 0])


def test_traced_and_eager_draws_are_equal() -> None:
    from pronghorn import accelerator

    traced, eager = random.SeedGenerator(5), random.SeedGenerator(5)
    tracer = Tracer()
    with using(tracer):
        graph = tracer.finish([random.normal((8,), seed=traced), random.uniform((8,), seed=traced)])
    program = accelerator.current().compile(graph)
    for _ in range(2):
        for found, draw in zip(program([]), (random.normal, random.uniform), strict=True):
            np.testing.assert_array_equal(found, draw((8,), seed=eager))
    np.testing.assert_array_equal(traced.state.numpy(), eager.state.numpy())
