"""The progress bar: Keras's text on a terminal, a line per epoch in a log, one display in a notebook."""

from __future__ import annotations

import shutil
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from pronghorn import config
from pronghorn.training.callback import Callback, Logs

REDRAW_INTERVAL = 0.1
"""Seconds between two redraws of a fit's progress bar, at least."""

NOTEBOOK_LINES = 40
"""Finished lines that a notebook's display keeps."""


class _Stream:
    """Standard output: the unfinished line is drawn over."""

    def __init__(self) -> None:
        self.drawn = 0
        self.styled = bool(sys.stdout is not None and sys.stdout.isatty())

    def line(self, text: str) -> None:
        """Writes a finished line."""
        self._write(f"{text}\n")

    def redraw(self, text: str, width: int, finished: bool) -> None:
        """Replaces the unfinished line by `text`, which takes `width` columns."""
        self._write(f"\r{text}{' ' * (self.drawn - width)}" + "\n" * finished)
        self.drawn = 0 if finished else width

    @property
    def columns(self) -> int | None:
        """The width of the terminal; None where lines do not wrap."""
        return shutil.get_terminal_size().columns if self.styled else None

    @property
    def block(self) -> str:
        """The character that bars are made of."""
        try:
            "━".encode(getattr(sys.stdout, "encoding", None) or "ascii")
        except (LookupError, UnicodeEncodeError):
            return "="
        return "━"

    @staticmethod
    def _write(text: str) -> None:
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()


class _Notebook:
    """One display of a notebook's cell, updated in place."""

    styled = False
    columns = None
    block = "━"

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=NOTEBOOK_LINES)
        self.handle: Any = None

    def line(self, text: str) -> None:
        """Adds a finished line."""
        self.lines.append(text)
        self._show(())

    def redraw(self, text: str, width: int, finished: bool) -> None:
        """Shows the finished lines and `text` below them."""
        if finished:
            self.line(text)
        else:
            self._show((text,))

    def _show(self, unfinished: Iterable[str]) -> None:
        from IPython.display import display

        content = {"text/plain": "\n".join((*self.lines, *unfinished))}
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)


class _Log:
    """The logger, where interactive logging is disabled: finished lines only."""

    styled = False
    columns = None
    block = "━"
    line = staticmethod(config.say)

    def redraw(self, text: str, width: int, finished: bool) -> None:
        """Reports `text` once it is finished."""
        if finished:
            self.line(text)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _screen() -> _Stream | _Notebook | _Log:
    if not config.is_interactive_logging_enabled():
        return _Log()
    return _Notebook() if in_notebook() else _Stream()


def resolve_verbose(verbose: Any) -> int:
    """0, 1 or 2 for what the user passed; "auto" is 1 on a terminal or in a notebook, and 2 elsewhere."""
    if verbose == "auto":
        return 1 if in_notebook() or (sys.stdout is not None and sys.stdout.isatty()) else 2
    return int(verbose)


class Progbar:
    """Displays a progress bar.

    Args:
        target: number of steps expected; None if unknown.
        width: length of the bar.
        verbose: 0 silent, 1 a bar, 2 one line at the end.
        interval: seconds between two redraws, at least.
        stateful_metrics: names whose values are shown as they are; those of others are averaged over the
            steps.
        stateless_metrics: or, instead, the names whose values are averaged.
        unit_name: what is counted, for "12ms/step".
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
        screen: Any = None,
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar: pass `stateful_metrics` or `stateless_metrics`, not both")
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.unit_name = unit_name
        self._stateful = None if stateless_metrics is not None else set(stateful_metrics or ())
        self._stateless = set(stateless_metrics or ())
        self._screen = screen or _screen()
        self._sums: dict[str, tuple[float, int]] = {}
        self._seen = 0
        self._start = perf_counter()
        self._after_first: float | None = None
        self._drawn_at = 0.0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Shows that `current` steps are done.

        Args:
            current: how many.
            values: (name, value of the last step) pairs.
            finalize: whether this is the last update; by default when `current` reaches the target.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        for name, value in values or ():
            self._add(name, float(value), max(current - self._seen, 1), finalize)
        self._seen = current
        now = perf_counter()
        seconds = self._seconds_per_unit(current, now)
        if self.verbose == 1 and (finalize or now - self._drawn_at >= self.interval):
            self._drawn_at = now
            self._draw(current, seconds, now - self._start, finalize)
        elif self.verbose == 2 and finalize and self.target:
            elapsed, rate = f"{now - self._start:.0f}s", _rate(seconds, self.unit_name)
            self._screen.line(f"{_count(current, self.target)} - {elapsed} - {rate}{self._metrics()}")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Shows that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _add(self, name: str, value: float, steps: int, finalize: bool) -> None:
        averaged = name in self._stateless if self._stateful is None else name not in self._stateful
        total, count = self._sums.get(name, (0.0, 0)) if averaged and not finalize else (0.0, 0)
        self._sums[name] = (total + value * steps, count + steps)

    def _seconds_per_unit(self, current: int, now: float) -> float:
        """The mean duration of a step, without the first (which compiles) where there are others."""
        if current == 0:
            return 0.0
        if self._after_first is not None and current > 1:
            return (now - self._after_first) / (current - 1)
        if current == 1:
            self._after_first = now
        return (now - self._start) / current

    def _metrics(self) -> str:
        return "".join(f" - {name}: {_number(total / count)}" for name, (total, count) in self._sums.items())

    def _draw(self, current: int, seconds: float, elapsed: float, finished: bool) -> None:
        style = _style if self._screen.styled else _plain
        bold, block = "1", self._screen.block
        if self.target:
            done = min(int(self.width * current / self.target), self.width)
            bar = style("32", block * done) + style("37", (block if self._screen.styled else " ") * (self.width - done))
            count = _count(current, self.target)
            head, width = f"{style(bold, count)} {bar}", len(count) + 1 + self.width
        else:
            head = f"{current:7d}/Unknown"
            width = len(head)
        clock = f"{elapsed:.0f}s" if finished or not self.target else _eta(seconds * (self.target - current))
        rest = f" {_rate(seconds, self.unit_name)}{self._metrics()}"
        width += 1 + len(clock)
        if self._screen.columns is not None and not finished:
            rest = rest[: max(self._screen.columns - 1 - width, 0)]  # a line that wraps could not be drawn over
        self._screen.redraw(f"{head} {style(bold, clock)}{rest}", width + len(rest), finished)


def _style(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if text else ""


def _plain(code: str, text: str) -> str:
    return text


def _count(current: int, target: int) -> str:
    return f"{current:{len(str(target))}d}/{target}"


def _rate(seconds: float, unit: str) -> str:
    """ "12ms/step"."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    return f"{seconds * 1e3:.0f}ms/{unit}" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/{unit}"


def _eta(seconds: float) -> str:
    """ "5s", "1:05" or "1:01:05"."""
    minutes, rest = divmod(int(seconds), 60)
    if seconds > 3600:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if seconds > 60 else f"{int(seconds)}s"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


class ProgbarLogger(Callback):
    """Shows the progress of fit, evaluate and predict; a validation inside of `fit` is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.progbar: Progbar | None = None
        self.verbose = 1
        self.epochs = 1
        self.target: int | None = None
        self.seen = 0
        self._screen: Any = None
        self._fitting = False
        self._due = 0.0

    def get_state(self) -> Any:
        return {}

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self.verbose = resolve_verbose(params.get("verbose", 1))
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps")
        self._screen = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self._fitting = True

    def on_train_end(self, logs: Logs = None) -> None:
        self._fitting = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._begin()
        if self.verbose and self.epochs > 1:
            self._screen.line(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._fitting:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._fitting:
            self._update(batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._fitting:
            self._end(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, None)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._end(None)

    def _begin(self) -> None:
        if self._screen is None:
            self._screen = _screen()
        self.seen = 0
        self._due = 0.0
        self.progbar = Progbar(self.target, verbose=self.verbose, interval=0, stateless_metrics=(), screen=self._screen)

    def _update(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        self.seen = batch + 1
        if self.verbose != 1:
            return
        now = perf_counter()
        if now >= self._due and self.progbar is not None:
            self._due = now + REDRAW_INTERVAL
            self.progbar.update(self.seen, _shown(logs), finalize=False)

    def _end(self, logs: Mapping[str, Any] | None) -> None:
        if self.progbar is not None:
            self.target = self.progbar.target = self.target or self.seen
            self.progbar.update(self.target, _shown(logs), finalize=True)


def _shown(logs: Mapping[str, Any] | None) -> list[tuple[str, float]]:
    """The logs that are numbers."""
    return [(name, value) for name, value in (logs or {}).items() if isinstance(value, (int, float))]
