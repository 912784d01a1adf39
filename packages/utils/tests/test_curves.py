"""The curves of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import pronghorn
from pronghorn.training.callback import History

CURVES = {"accuracy": [0.1, 0.2], "loss": [2.0, 1.0], "val_loss": [2.1, 1.1], "learning_rate": [0.1, 0.1]}


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'pronghorn\[plot\]'"):
        pronghorn.plot(CURVES, "curves.png")


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no curve 'mae'; it has accuracy, loss, learning_rate"):
        pronghorn.plot(CURVES, metrics=["mae"])
    with pytest.raises(ValueError, match="the history is empty"):
        History().plot()


def test_a_panel_for_the_loss_and_each_metric_with_training_and_validation(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history: Any = History()
    history.history, history.epoch = CURVES, [4, 5]
    figure = history.plot(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").stat().st_size > 0
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "learning_rate"]
    assert [list(line.get_xdata()) for line in figure.axes[0].lines] == [[5, 6], [5, 6]]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["training", "validation"]
    assert len(pronghorn.plot(CURVES, tmp_path / "one.png", metrics=["accuracy"]).axes) == 1
