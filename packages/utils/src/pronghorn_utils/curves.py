"""The curves of a training run. Needs matplotlib, which is imported on first use."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any


def plot(history: Any, path: str | os.PathLike[str] | None = None, metrics: Iterable[str] | None = None) -> Any:
    """Draws the loss and each metric over the epochs, training and validation in one panel.

    Args:
        history: what `fit` returned, its `.history`, or any mapping of names to lists of floats.
        path: where to save the figure (the suffix decides the format: .png, .pdf, .svg …). None shows it.
        metrics: the names to draw, without "val_"; all by default.

    Returns:
        The matplotlib Figure.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: there is nothing to draw, or a name that `history` does not have.
    """
    curves: Mapping[str, Any] = getattr(history, "history", history)
    known = [name for name in curves if not name.startswith("val_") or name.removeprefix("val_") not in curves]
    names = known if metrics is None else list(metrics)
    missing = [name for name in names if name not in curves]
    if missing:
        raise ValueError(f"plot: the history has no curve {missing[0]!r}; it has {', '.join(known) or 'none'}")
    if not names:
        raise ValueError("plot: the history is empty; plot what `fit` returned after at least one epoch")
    names.sort(key=lambda name: name != "loss")
    epochs = [e + 1 for e in getattr(history, "epoch", ())]
    figure = _figure(len(names), shown=path is None)
    for axes, name in zip(figure.axes, names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in curves:
                values = list(curves[key])
                last = epochs[-1] if epochs else len(values)
                axes.plot(range(last - len(values) + 1, last + 1), values, marker=".", label=label)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.axes[-1].set_xlabel("epoch")
    if path is None:
        from matplotlib import pyplot

        pyplot.show()
    else:
        figure.savefig(path)
    return figure


def _figure(panels: int, shown: bool) -> Any:
    """A figure with panels one above the other; one that is only saved needs no window system."""
    size = (6.4, 1.2 + 2.4 * panels)
    try:
        if shown:
            from matplotlib import pyplot

            figure = pyplot.figure(figsize=size, layout="constrained")
        else:
            from matplotlib.figure import Figure

            figure = Figure(figsize=size, layout="constrained")
    except ImportError:
        raise ImportError("plot needs matplotlib, which is not installed: pip install 'pronghorn[plot]'") from None
    figure.subplots(panels, 1, sharex=True)
    return figure
