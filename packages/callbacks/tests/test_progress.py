"""The text of the progress bar on a terminal, in a log and in a notebook."""

from __future__ import annotations

import io
import sys
import types
from typing import Any

import pytest

from pronghorn import config
from pronghorn.training.callback import Callback, CallbackList, History
from pronghorn_callbacks import progress
from pronghorn_callbacks.progress import Progbar, ProgbarLogger, resolve_verbose

GREEN, GREY, BOLD, PLAIN = "\x1b[32m", "\x1b[37m", "\x1b[1m", "\x1b[0m"


class Output(io.StringIO):
    """Standard output that counts the writes, on a terminal or not."""

    encoding = "utf-8"

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.writes = 0

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def replace_output(monkeypatch: pytest.MonkeyPatch, output: Any) -> Any:
    """What the progress bar takes for standard output, which pytest has replaced already."""
    monkeypatch.setattr(progress, "sys", types.SimpleNamespace(stdout=output, modules=sys.modules))
    return output


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "perf_counter", clock)
    monkeypatch.setenv("COLUMNS", "200")
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Output:
    return replace_output(monkeypatch, Output(terminal=True))


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Output:
    return replace_output(monkeypatch, Output(terminal=False))


def run(
    logger: ProgbarLogger, clock: Clock, epochs: int = 2, steps: int = 4, seconds: float = 0.5, **params: Any
) -> None:
    """What fit does to the logger."""
    logger.set_params({"verbose": "auto", "epochs": epochs, "steps": steps} | params)
    logger.on_train_begin()
    for epoch in range(epochs):
        logger.on_epoch_begin(epoch)
        for step in range(steps):
            clock.now += seconds
            logger.on_train_batch_end(step, {"loss": 2.0 - step / 10})
        logger.on_epoch_end(epoch, {"loss": 1.5, "val_loss": 0.0005})
    logger.on_train_end()


def test_a_line_per_epoch_where_the_output_is_no_terminal(pipe: Output, clock: Clock) -> None:
    run(ProgbarLogger(), clock)
    line = "4/4 - 2s - 500ms/step - loss: 1.5000 - val_loss: 5.0000e-04\n"
    assert pipe.getvalue() == f"Epoch 1/2\n{line}Epoch 2/2\n{line}"


def test_a_bar_on_a_terminal_as_keras_draws_it(terminal: Output, clock: Clock) -> None:
    run(ProgbarLogger(), clock, epochs=1)
    first, second, *_, last, end = [*terminal.getvalue().split("\r")[1:], ""]
    bar, rate = "━" * 5, "500ms/step"
    begun = f"{BOLD}1/4{PLAIN} {GREEN}{bar}{PLAIN}{GREY}{bar * 3}{PLAIN} {BOLD}1s{PLAIN} {rate} - loss: 2.0000"
    going = f"{BOLD}2/4{PLAIN} {GREEN}{bar * 2}{PLAIN}{GREY}{bar * 2}{PLAIN} {BOLD}1s{PLAIN} {rate} - loss: 1.9000"
    done = f"{BOLD}4/4{PLAIN} {GREEN}{bar * 4}{PLAIN} {BOLD}2s{PLAIN} {rate}"
    assert first.startswith(begun)
    assert second.startswith(going)
    assert last == f"{done} - loss: 1.5000 - val_loss: 5.0000e-04\n"
    assert end == ""


def test_at_most_ten_redraws_a_second(terminal: Output, clock: Clock) -> None:
    run(ProgbarLogger(), clock, epochs=1, steps=5000, seconds=0.001)
    assert terminal.writes <= 5 * 10 + 2


def test_logs_are_not_read_between_redraws(terminal: Output, clock: Clock) -> None:
    class Unread(dict[str, float]):
        def items(self) -> Any:
            raise AssertionError("read")

    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": 100})
    logger.on_epoch_begin(0)
    logger.on_train_batch_end(0, {"loss": 1.0})
    for step in range(1, 100):
        clock.now += 0.0001
        logger.on_train_batch_end(step, Unread(loss=1.0))


def test_a_line_is_cut_to_the_terminal_while_it_is_drawn_over(
    terminal: Output, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": 10})
    logger.on_epoch_begin(0)
    logs = {f"metric_{i}": float(i) for i in range(10)}
    logger.on_train_batch_end(0, logs)
    drawn = terminal.getvalue().replace("\r", "")
    for code in (GREEN, GREY, BOLD, PLAIN):
        drawn = drawn.replace(code, "")
    assert len(drawn) == 59
    logger.on_epoch_end(0, logs)
    assert terminal.getvalue().endswith("metric_9: 9.0000\n")


def test_unknown_length_becomes_known_after_an_epoch(pipe: Output, clock: Clock) -> None:
    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 1, "steps": None})
    logger.on_epoch_begin(0)
    clock.now += 0.2
    logger.on_train_batch_end(0, {})
    assert "      1/Unknown 0s 200ms/step" in pipe.getvalue()
    logger.on_epoch_end(0, {})
    assert "1/1 ━━━━━━━━━━━━━━━━━━━━ 0s 200ms/step\n" in pipe.getvalue()


def test_validation_is_silent_and_evaluate_is_not(pipe: Output, clock: Clock) -> None:
    logger = ProgbarLogger()
    logger.set_params({"verbose": 2, "epochs": 1, "steps": 2})
    logger.on_train_begin()
    logger.on_test_begin()
    logger.on_test_end({"loss": 1.0})
    logger.on_train_end()
    assert pipe.getvalue() == ""
    for prefix in ("test", "predict"):
        getattr(logger, f"on_{prefix}_begin")()
        clock.now += 2
        getattr(logger, f"on_{prefix}_batch_end")(1, {"loss": 1.0})
        getattr(logger, f"on_{prefix}_end")({"loss": 1.0})
    assert pipe.getvalue() == "2/2 - 2s - 1s/step - loss: 1.0000\n2/2 - 2s - 1s/step\n"


def test_a_notebook_has_one_display_that_updates_itself(
    pipe: Output, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, content: dict[str, str], raw: bool) -> None:
            shown[-1] = content["text/plain"]

    def display(content: dict[str, str], raw: bool, display_id: bool) -> Handle:
        shown.append(content["text/plain"])
        return Handle()

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    displays = types.ModuleType("IPython.display")
    displays.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    run(ProgbarLogger(), clock)
    [text] = shown
    line = "4/4 ━━━━━━━━━━━━━━━━━━━━ 2s 500ms/step - loss: 1.5000 - val_loss: 5.0000e-04"
    assert text.splitlines() == ["Epoch 1/2", line, "Epoch 2/2", line]
    assert pipe.getvalue() == ""


def test_progbar_averages_what_is_not_stateful(pipe: Output, clock: Clock) -> None:
    bar = Progbar(3, stateful_metrics=["lr"], interval=0)
    bar.add(1, [("loss", 1.0), ("lr", 0.1)])
    bar.add(1, [("loss", 2.0), ("lr", 0.2)])
    assert pipe.getvalue().endswith("loss: 1.5000 - lr: 0.2000")
    bar.update(3, [("loss", 4.0)])
    assert pipe.getvalue().rstrip(" \n").endswith("loss: 4.0000 - lr: 0.2000")
    with pytest.raises(ValueError, match="not both"):
        Progbar(3, stateful_metrics=[], stateless_metrics=[])


def test_remaining_time_and_rates() -> None:
    assert [progress._eta(s) for s in (0.4, 59.9, 61, 3599, 3661)] == [
        "0s",
        "59s",
        "1:01",
        "59:59",
        "1:01:01",
    ]
    assert [progress._rate(s, "step") for s in (0, 2.6, 0.0125, 345e-6)] == [
        "0s/step",
        "3s/step",
        "12ms/step",
        "345us/step",
    ]


def test_verbose(pipe: Output) -> None:
    assert [resolve_verbose(v) for v in ("auto", True, False, 2.0)] == [2, 1, 0, 2]
    pipe.terminal = True
    assert resolve_verbose("auto") == 1
    with pytest.raises(ValueError, match="verbose: expected 'auto', 0 .silent., 1 .progress bar. or 2 .* got 'loud'"):
        CallbackList(ProgbarLogger(), verbose="loud")


def test_no_standard_output_is_no_error(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_output(monkeypatch, None)
    run(ProgbarLogger(), clock, verbose=1)


def test_a_terminal_without_unicode_gets_a_plain_bar(
    terminal: Output, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Output, "encoding", "ascii")
    run(ProgbarLogger(), clock, epochs=1)
    assert terminal.getvalue().isascii()


def test_a_logger_gets_finished_lines_where_interactive_logging_is_disabled(
    terminal: Output, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    config.disable_interactive_logging()
    try:
        assert not config.is_interactive_logging_enabled()
        with caplog.at_level("INFO", "pronghorn"):
            run(ProgbarLogger(), clock, epochs=2, verbose=2)
            config.say("\nEpoch 2: early stopping")
    finally:
        config.enable_interactive_logging()
    line = "4/4 - 2s - 500ms/step - loss: 1.5000 - val_loss: 5.0000e-04"
    assert caplog.messages == ["Epoch 1/2", line, "Epoch 2/2", line, "Epoch 2: early stopping"]
    assert terminal.getvalue() == ""


def test_it_comes_after_yours_and_after_history() -> None:
    callbacks = CallbackList([[Callback()]], add_history=True, add_progbar=True, verbose=0)
    assert [type(c) for c in callbacks.callbacks] == [Callback, History, ProgbarLogger]
    own = CallbackList([History(), ProgbarLogger()], add_history=True, add_progbar=True, verbose=0)
    assert [type(c) for c in own.callbacks] == [History, ProgbarLogger]
