"""Damaged model files are read or refused with ModelFileError: no other exception, crash, hang or flood of memory."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pronghorn as keras

HERE = Path(__file__).parent
SECONDS, MEGABYTES = 120, 400
"""What one file may take, on a machine that is busy."""


def write_models(folder: Path) -> None:
    """Files of real Keras, and of models of ours that have something of everything."""
    for sample in sorted((HERE / "fixtures" / "keras_3_15").iterdir()):
        for path in sample.iterdir():
            if path.suffix in (".keras", ".h5", ".json"):
                (folder / f"{sample.name}-{path.name}").write_bytes(path.read_bytes())
    old = HERE.parent / "packages" / "formats" / "tests" / "fixtures"
    for path in sorted(old.iterdir()):
        if path.suffix in (".keras", ".h5", ".json") and not path.stem.endswith("_weights"):
            (folder / f"old-{path.name}").write_bytes(path.read_bytes())
    layers = keras.layers
    stack = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu"), layers.Dropout(0.5)])
    stack.compile("adam", "mse")
    stack.save(folder / "stack.keras")
    stack.save(folder / "stack.h5")
    pack(folder / "stack.h5", folder / "packed.h5")
    keras.Sequential([keras.Input((4,)), layers.Dense(3)]).save_weights(folder / "dense.weights.h5")
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(20, 8, mask_zero=True)(ids)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.MultiHeadAttention(2, 4)(x, x) + 1.0
    text = keras.Model(ids, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)), name="text")
    text.save(folder / "text.keras")
    (folder / "text.json").write_text(text.to_json())
    image = keras.Input((12, 12, 3))
    inner = keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization(), layers.MaxPooling2D()], name="inner")
    y = layers.Flatten()(inner(image))
    keras.Model(image, [layers.Dense(2)(y), layers.Dense(1)(y)], name="image").save(folder / "image.keras")


def pack(source: Path, target: Path) -> None:
    """Copies an HDF5 file, its arrays compressed."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                made = new.create_dataset(name, data=item[()], **({"compression": "gzip"} if item.shape else {}))
            else:
                made = new.require_group(name)
            made.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)


def fuzz(folder: Path, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Counts of outcomes, and what is wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    first = 0
    while first < count:
        command = [sys.executable, str(HERE / "fuzz" / "mutate.py"), *map(str, (folder, first, count, seed))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            while line := _line(process):
                first = int(line) + 1
                result = _line(process)
                if result is None:
                    process.kill()
                    process.wait()
                    counts["crashed or hung"] += 1
                    wrong.append(f"copy {first - 1} ended the process with {process.returncode}")
                    break
                outcome, seconds, megabytes = json.loads(result)
                counts[outcome if outcome in ("loaded", "refused") else "other exception"] += 1
                if outcome not in ("loaded", "refused"):
                    wrong.append(f"copy {first - 1}: {outcome}")
                if seconds > SECONDS or megabytes > MEGABYTES:
                    wrong.append(f"copy {first - 1} took {seconds:.1f} s and {megabytes:.0f} MB")
    return counts, wrong


def _line(process: subprocess.Popen[str]) -> str | None:
    """The next line; None where there is none in time, or the process has ended."""
    stream: Any = process.stdout
    ready, _, _ = select.select([stream], [], [], SECONDS)
    return (stream.readline() or None) if ready else None


@pytest.mark.skipif(sys.platform == "win32", reason="pipes cannot be waited for there")
@pytest.mark.parametrize("count", [60, pytest.param(20_000, marks=pytest.mark.deep)])
def test_damaged_files(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_models(tmp_path)
    counts, wrong = fuzz(tmp_path, count, seed=1)
    if count > 100:
        with capsys.disabled():
            print(f"\n{count} damaged files: {dict(counts)}; {len(wrong)} wrong")
    assert not wrong
    assert counts["refused"] > count / 3 and counts["loaded"] > count / 50 and np.sum([*counts.values()]) == count
