"""CSVLogger."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any, Literal, TextIO

import numpy as np

from pronghorn.training.callback import Callback, Logs


class CSVLogger(Callback):
    """Writes a row of a CSV file for each epoch: the epoch, counted from 0, and the logs by sorted name.

    Args:
        filename: the file.
        separator: between columns.
        append: whether an existing file is continued, not replaced.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.csv_file: TextIO | None = None
        self._begin = 0
        self._keys: list[str] = []
        self._writer: csv.DictWriter[str] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()
        self._open("a" if self.append else "w")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        if self.csv_file is None:
            raise RuntimeError("CSVLogger: on_epoch_end was called before on_train_begin opened the file")
        if self._writer is None:
            self._keys = sorted(logs)
            if not any(key.startswith("val_") for key in self._keys):
                self._keys += [f"val_{key}" for key in self._keys]  # later epochs may be validated (validation_freq)
            self._writer = csv.DictWriter(self.csv_file, ["epoch", *self._keys], delimiter=self.sep)
            if not self._begin:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{key: _cell(logs.get(key, "NA")) for key in self._keys}})
        self.csv_file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def get_state(self) -> Any:
        """The rows that this training has written, and where in the file they begin."""
        if self.csv_file is None:
            return {}
        self.csv_file.flush()
        with open(self.filename, "rb") as file:
            file.seek(self._begin)
            return {"begin": self._begin, "rows": file.read().decode("utf-8"), "keys": self._keys}

    def set_state(self, state: Any) -> None:
        """Puts the rows into the file as they were; those that a training wrote after its last backup come anew."""
        self._close()
        with open(self.filename, "ab") as rows:
            rows.truncate(state["begin"])
            rows.write(state["rows"].encode("utf-8"))
        file = self._open("a")
        self._begin, self._keys = state["begin"], state["keys"]
        if self._keys:
            self._writer = csv.DictWriter(file, ["epoch", *self._keys], delimiter=self.sep)

    def _open(self, mode: Literal["a", "w"]) -> TextIO:
        self.csv_file = file = open(self.filename, mode, newline="", encoding="utf-8")
        self._begin = os.path.getsize(self.filename)
        return file

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
        self.csv_file = None
        self._keys = []
        self._writer = None


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and np.ndim(value):  # type: ignore[arg-type]
        return f'"[{", ".join(map(str, value))}]"'
    return value
