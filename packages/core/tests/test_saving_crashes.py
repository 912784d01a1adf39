"""Saving on a full disk, by several processes at once, and killed: there is always a whole file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn.functional import Input
from pronghorn.saving import CustomObjectScope, ModelFileError, load_model, load_weights, save_model, save_weights
from pronghorn.saving.files import replacing
from pronghorn.sequential import Sequential
from pronghorn.testing import Affine

resource = pytest.importorskip("resource", reason="limits of the size of files exist on POSIX only")


def model(value: float) -> Any:
    made = Sequential([Input((40,)), Affine(40), Affine(40)], name="wide")
    made.set_weights([np.full(v.shape, value, "float32") for v in made.weights])
    return made


def value_in(path: Path) -> float:
    """The one value that all weights have."""
    again = model(-1)
    load_weights(again, path)
    (value,) = {float(v) for weights in again.get_weights() for v in np.unique(weights)}
    return value


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("name", "save"), [("m.keras", save_model), ("m.weights.h5", save_weights)])
def test_a_full_disk_leaves_the_last_file(name: str, save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / name
    save(model(1), path)
    size = path.stat().st_size
    for room in (0, 1, 500, size // 2, size - 1):
        with disk_of(room), pytest.raises(OSError):
            save(model(2), path)
        assert os.listdir(tmp_path) == [name]
        assert value_in(path) == 1
    save(model(2), path)
    assert value_in(path) == 2


WRITER = """
import sys, time
import numpy as np
from pronghorn.saving.files import replacing

path, value, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = bytes([value]) * 300_000
print("ready", flush=True)
for _ in range(times):
    with replacing(path) as file:
        for at in range(0, len(data), 30_000):
            file.write(data[at : at + 30_000])
            file.flush()
"""


def writer(path: Path, value: int, times: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(value), str(times)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_several_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    writers = [writer(path, value, 40) for value in (1, 2)]
    seen = set()
    while any(process.poll() is None for process in writers):
        data = path.read_bytes()
        assert len(data) == 300_000 and len(set(data)) == 1
        seen.add(data[0])
    assert [process.wait() for process in writers] == [0, 0]
    assert seen <= {0, 1, 2} and os.listdir(tmp_path) == ["file"]
    for process in writers:
        process.stdout.close()  # type: ignore[union-attr]


def test_killed_writers_leave_a_whole_file_and_what_they_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(300_000))
    rng = np.random.default_rng(0)
    for value in range(1, 5):
        process = writer(path, value, 10**6)
        try:
            process.wait(timeout=0.001 + 0.02 * rng.random())
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()  # type: ignore[union-attr]
        data = path.read_bytes()
        assert len(data) == 300_000 and len(set(data)) == 1
        assert len(os.listdir(tmp_path)) <= 2
    with replacing(path) as file:
        file.write(b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_what_somebody_is_writing_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_weights_that_changed_on_the_disk_are_noticed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    (save_model if name == "m.keras" else save_weights)(model(1), path)
    data = bytearray(path.read_bytes())
    at = data.index(np.full(20, 1, "float32").tobytes()) + 8
    data[at] ^= 1
    path.write_bytes(data)
    with CustomObjectScope({"Affine": Affine}), pytest.raises(ModelFileError, match="damaged|Bad CRC-32"):
        load_weights(model(3), path) if name == "m.weights.h5" else load_model(path)
