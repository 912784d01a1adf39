"""What all optimizers accept: clipping, accumulation over steps, a moving average."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn.functional import Input
from pronghorn.program import jit
from pronghorn.sequential import Sequential
from pronghorn.tensor import Variable, convert_to_tensor
from pronghorn.testing.layers import Affine, Descent, squared_error
from pronghorn_optimizers.adam import Adam


def weights(*values: Any) -> list[Variable]:
    return [Variable(np.array(v, "float32"), name=f"w{k}") for k, v in enumerate(values)]


def test_variables_are_in_the_order_of_files() -> None:
    optimizer = Adam(name="rule", use_ema=True, gradient_accumulation_steps=2)
    optimizer.build(weights([1.0], [2.0, 3.0]))
    assert [v.path for v in optimizer.variables] == [
        "rule/iteration",
        "rule/learning_rate",
        "rule/w0_average",
        "rule/w1_average",
        "rule/w0_gradient_accumulator",
        "rule/w1_gradient_accumulator",
        "rule/w0_momentum",
        "rule/w0_velocity",
        "rule/w1_momentum",
        "rule/w1_velocity",
    ]


def test_clipping() -> None:
    for options, expected in (
        ({"clipvalue": 0.5}, [[-0.5, 0.5], [0.25]]),
        ({"clipnorm": 2.5}, [[-1.5, 2.0], [0.25]]),
        ({"global_clipnorm": 2.5}, [[-1.5, 2.0], [0.125]]),
    ):
        variables = weights([0.0, 0.0], [0.0])
        optimizer = Descent(1.0, **options)  # type: ignore[arg-type]
        grads = [np.array([3.0, -4.0], "float32"), np.array([-0.25], "float32")]
        optimizer.apply(map(convert_to_tensor, grads), variables)  # type: ignore[arg-type]
        for v, value in zip(variables, expected, strict=True):
            np.testing.assert_allclose(v.numpy(), value, rtol=2e-3)


def test_moving_average_replaces_variables_at_the_end() -> None:
    (w,) = weights(0.0)
    optimizer = Descent(1.0, use_ema=True, ema_momentum=0.5)
    for _ in range(3):
        optimizer.apply_gradients([(convert_to_tensor(-1.0), w)])
    assert float(w) == 3
    optimizer.finalize_variable_values([w])
    assert float(w) == 2.25  # the average starts at 1, and is 1.5 and 2.25 after the weights 2 and 3


def test_gradients_are_accumulated() -> None:
    (w,) = weights(0.0)
    optimizer = Descent(1.0, gradient_accumulation_steps=3)
    step = jit(lambda g: optimizer.apply_gradients([(g, w)]))
    seen = []
    for g in (1.0, 2.0, 6.0, 3.0, 3.0, 3.0):
        step(np.float32(g).reshape(()))
        seen.append(float(w))
    np.testing.assert_allclose(seen, [0, 0, -3, -3, -3, -6], rtol=1e-6)
    assert int(optimizer.iterations) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "only one of clipnorm, clipvalue and global_clipnorm"),
        ({"clipnorm": -1.0}, "clipnorm must be above 0"),
        ({"use_ema": True, "ema_momentum": 2.0}, "ema_momentum must be from 0 to 1"),
        (
            {"gradient_accumulation_steps": 1},
            "gradient_accumulation_steps must be None or a whole number of at least 2",
        ),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Descent(1.0, **options)


def test_fit_ends_with_the_moving_averages() -> None:
    x = np.random.default_rng(0).normal(size=(70, 5)).astype("float32")
    found = []
    for options in ({}, {"use_ema": True, "ema_momentum": 0.5}):
        model = Sequential([Input((5,)), Affine(3)])
        model.set_weights([np.full((5, 3), 0.5), np.zeros(3)])
        model.compile(Descent(0.1, **options), squared_error)
        model.fit(x, x[:, :3], epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights()[0])
    assert not np.allclose(*found, rtol=1e-6)
