"""What is printed, byte for byte: summaries and progress bars, the durations in these aside."""

from __future__ import annotations

import contextlib
import io
import re
from typing import Any

import numpy as np
from training_scenarios import SUM, X, dense, scenario


class Terminal(io.StringIO):
    """A stream that takes escapes."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


TIMES = re.compile(r"\d+(us|ms|s)(?=/(step|row))|(?<=\x1b\[1m)\d+(:\d+)*s?(?=\x1b\[0m)|(?<= - )\d+s(?= - )")


def printed(function: Any) -> str:
    """What a call prints, TIME for durations, without what shows nothing: steps back, empty colors, blanks at ends."""
    text = Terminal()
    with contextlib.redirect_stdout(text):
        function()
    return re.sub("\b+|\x1b\\[37m\x1b\\[0m| +(?=\n|$)", "", TIMES.sub("TIME", text.getvalue()))


def models(keras: Any) -> dict[str, Any]:
    L = keras.layers
    keras.utils.clear_session()
    found: dict[str, Any] = {}
    stack = [L.Conv2D(32, 3), L.MaxPooling2D(), L.Flatten(), L.Dropout(0.5), L.Dense(10)]
    found["sequential"] = keras.Sequential([keras.Input((28, 28, 1)), *stack], name="mnist")
    found["unbuilt"] = keras.Sequential(
        [L.Dense(3), L.Dense(4, name="a_name_that_is_much_longer_than_the_column_is_wide_" * 2)]
    )
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization()], name="inner")
    out = L.Dense(1, trainable=False, name="out")(L.concatenate([inner(a), inner(b)]))
    found["nested"] = keras.Model([a, b], out, name="fun")
    outer = keras.Model(a, L.Dense(2000)(keras.Model(a, inner(a), name="middle")(a)), name="outer")
    found["nested twice"] = outer
    i = keras.Input((7,), dtype="int32")
    x = L.LSTM(4, return_sequences=True)(L.Embedding(20000, 128, mask_zero=True)(i))
    found["masked"] = keras.Model(i, keras.ops.mean(L.Bidirectional(L.GRU(3))(x), axis=0) * 2.0, name="m")

    y, *states = L.Bidirectional(L.LSTM(3, return_state=True))(x)
    found["states"] = keras.Model(i, [*L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_state=True)(x), *states], name="s")

    class Parts(keras.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return {"half": x / 2, "twice": x * 2}

    found["a dict"] = keras.Model(a, Parts(name="parts")(a), name="d")

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, second: Any = None) -> None:
            super().__init__(name="own")
            self.first, self.second = L.Dense(3), second or L.Dense(2)

        def call(self, x: Any) -> Any:
            return self.second(self.first(x))

    found["subclass"] = Own()
    found["subclass, built"] = Own()
    found["subclass, built"](np.zeros((1, 5), "float32"))
    found["subclass, traced"] = Own(keras.Sequential([L.Dense(2)], name="inner"))
    found["subclass, traced"](a)
    found["compiled"] = dense(keras)
    found["compiled"].compile("adam", "mse")
    return found


@scenario
def summaries(keras: Any) -> Any:
    found: dict[str, Any] = {}
    for name, model in models(keras).items():
        for options in (
            {"line_length": 88}, {"line_length": 60}, {"line_length": 100},
            {"line_length": 120, "expand_nested": True, "show_trainable": True},
        ):  # fmt: skip
            lines: list[str] = []
            model.summary(print_fn=lambda text, **_: lines.append(text), **options)  # noqa: B023
            found[f"{name} {options}"] = lines
    return found


@scenario
def progress_bars(keras: Any) -> Any:
    """Of one step each, since which steps are drawn depends on the time they take."""
    found: dict[str, Any] = {}
    model = dense(keras)
    model.compile(keras.optimizers.SGD(0.01), "mse", metrics=["mae"])
    data = {"batch_size": 22, "shuffle": False}
    for verbose in (1, 2, "auto"):
        found[f"fit, verbose={verbose}"] = printed(lambda verbose=verbose: model.fit(X, SUM, verbose=verbose, **data))
        found[f"several epochs, validated, verbose={verbose}"] = printed(
            lambda verbose=verbose: model.fit(X, SUM, epochs=2, validation_data=(X, SUM), verbose=verbose, **data)
        )
        found[f"evaluate, verbose={verbose}"] = printed(
            lambda verbose=verbose: model.evaluate(X, SUM, batch_size=22, verbose=verbose)
        )
        found[f"predict, verbose={verbose}"] = printed(
            lambda verbose=verbose: model.predict(X, batch_size=22, verbose=verbose)
        )
    found["many steps, verbose=2"] = printed(lambda: model.fit(X, SUM, batch_size=2, shuffle=False, verbose=2))
    found["small and large values"] = printed(lambda: model.evaluate(X, X.sum(1, keepdims=True) * 1e-8, batch_size=22))
    found["verbose=0"] = printed(lambda: model.fit(X, SUM, verbose=0))

    def drawn(target: int | None, steps: tuple[int, ...], **options: Any) -> Any:
        bar = keras.utils.Progbar(target, interval=0, **options)
        for n in steps:
            bar.update(n, [("v", n / 7), ("k", 1e-5 * n)])

    found["Progbar"] = printed(lambda: drawn(10, (1, 5, 10), stateful_metrics=["k"]))
    found["Progbar of unknown length"] = printed(lambda: drawn(None, (1, 12), unit_name="row"))
    return found
