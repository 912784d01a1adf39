"""The text of `summary()` is Keras's, character by character."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.sequential import Sequential
from pronghorn.testing.layers import Affine


class Join(Layer):
    def call(self, inputs: Any) -> Any:
        return inputs[0] + inputs[1]


def text(model: Any, **options: Any) -> str:
    found: list[str] = []
    model.summary(print_fn=found.append, **options)
    assert len(found) == 1
    return found[0]


def test_a_chain() -> None:
    model = Sequential([Input((28,)), Affine(256, name="first"), Affine(10, name="second")], name="mnist")
    assert text(model, line_length=60) == (
        'Model: "mnist"\n'
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━┓\n"
        "┃ Layer (type)             ┃ Output Shape      ┃   Param # ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━┩\n"
        "│ first (Affine)           │ (None, 256)       │     7,424 │\n"
        "├──────────────────────────┼───────────────────┼───────────┤\n"
        "│ second (Affine)          │ (None, 10)        │     2,570 │\n"
        "└──────────────────────────┴───────────────────┴───────────┘\n"
        " Total params: 9,994 (39.04 KB)\n"
        " Trainable params: 9,994 (39.04 KB)\n"
        " Non-trainable params: 0 (0.00 B)\n"
    )


def test_a_graph_nested_with_trainable_column() -> None:
    a, b = Input((4,), name="a"), Input((4,), name="b")
    inner = Sequential([Affine(3, name="a_rather_long_name_of_a_layer")], name="inner")
    joined = Join(name="join")([inner(a), inner(b)])
    inner.trainable = False
    model = Model([a, b], Affine(1, name="out")(joined * 2), name="fun")
    assert text(model, line_length=100, expand_nested=True, show_trainable=True) == (
        'Model: "fun"\n'
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓\n"
        "┃ Layer (type)             ┃ Output Shape         ┃       Param # ┃ Connected to         ┃ Traina… ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩\n"
        "│ a (InputLayer)           │ (None, 4)            │             0 │ -                    │    -    │\n"
        "├──────────────────────────┼──────────────────────┼───────────────┼──────────────────────┼─────────┤\n"
        "│ b (InputLayer)           │ (None, 4)            │             0 │ -                    │    -    │\n"
        "├──────────────────────────┼──────────────────────┼───────────────┼──────────────────────┼─────────┤\n"
        "│ inner (Sequential)       │ (None, 3)            │            15 │ a[0][0], b[0][0]     │    N    │\n"
        "├──────────────────────────┼──────────────────────┼───────────────┼──────────────────────┼─────────┤\n"
        "│    └                     │ (None, 3)            │            15 │ -                    │    N    │\n"
        "│ a_rather_long_name_of_a… │                      │               │                      │         │\n"
        "│ (Affine)                 │                      │               │                      │         │\n"
        "├──────────────────────────┼──────────────────────┼───────────────┼──────────────────────┼─────────┤\n"
        "│ join (Join)              │ (None, 3)            │             0 │ inner[0][0],         │    -    │\n"
        "│                          │                      │               │ inner[1][0]          │         │\n"
        "├──────────────────────────┼──────────────────────┼───────────────┼──────────────────────┼─────────┤\n"
        "│ multiply (Multiply)      │ (None, 3)            │             0 │ join[0][0]           │    -    │\n"
        "├──────────────────────────┼──────────────────────┼───────────────┼──────────────────────┼─────────┤\n"
        "│ out (Affine)             │ (None, 1)            │             4 │ multiply[0][0]       │    Y    │\n"
        "└──────────────────────────┴──────────────────────┴───────────────┴──────────────────────┴─────────┘\n"
        " Total params: 19 (76.00 B)\n"
        " Trainable params: 4 (16.00 B)\n"
        " Non-trainable params: 15 (60.00 B)\n"
    )


def test_an_unbuilt_model_and_one_built_by_a_call() -> None:
    class Net(Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.inner = Affine(3, name="inner")

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    model = Net()
    assert "│ inner (Affine)                  │ ?                      │   0 (unbuilt) │" in text(model, line_length=76)
    model(np.ones((1, 2)))
    assert "│ inner (Affine)                  │ (1, 3)                 │             9 │" in text(model, line_length=76)


def test_the_optimizer_counts_once_it_is_built() -> None:
    from pronghorn.testing.layers import Descent

    model = Sequential([Input((2,)), Affine(1)])
    model.compile(Descent(0.1), loss=lambda y, p: p)
    model.optimizer.build(model.trainable_variables)
    assert text(model).splitlines()[-4:] == [
        " Total params: 5 (24.00 B)",
        " Trainable params: 3 (12.00 B)",
        " Non-trainable params: 0 (0.00 B)",
        " Optimizer params: 2 (12.00 B)",
    ]


def test_layer_range_and_errors() -> None:
    model = Sequential([Input((2,)), *(Affine(1, name=f"layer_{i}") for i in range(4))])
    shown = text(model, layer_range=("layer_1", "layer_[12]"))
    assert "layer_1" in shown and "layer_2" in shown and "layer_0" not in shown and "layer_3" not in shown
    with pytest.raises(ValueError, match="matches no layer at one end"):
        text(model, layer_range=("x", "y"))
    with pytest.raises(ValueError, match="leaves columns of"):
        text(model, line_length=10)
