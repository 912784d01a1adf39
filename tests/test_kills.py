"""SIGKILL at any moment, also while a backup is written: each training that is started again has the same bits."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).parent / "interrupted" / "train.py"
KINDS = ("arrays", "dataset", "iterator")

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


def start(folder: Path, kind: str, epochs: int) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "error", str(PROGRAM), str(folder), kind, str(epochs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def journal(folder: Path) -> Iterator[tuple[str, str]]:
    """Epoch and step, and the digest, of each step that was made."""
    path = folder / "journal"
    for line in path.read_text().splitlines() if path.exists() else ():
        step, _, digest = line.rpartition(" ")
        yield step, digest


def run_through(folder: Path, kind: str, epochs: int) -> tuple[float, dict[str, str], str]:
    """A training that is not killed: the seconds from its first step on, its steps, its outcome."""
    process = start(folder, kind, epochs)
    assert process.stdout is not None and process.stdout.readline() == b"begun\n"
    began = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - began, dict(journal(folder)), (folder / "end.json").read_text()


def kill_and_start_again(folder: Path, kinds: tuple[str, ...], epochs: int, kills: int, seed: int) -> dict[str, int]:
    """Kills trainings until there were so many kills, and compares each step and each end. Returns counts."""
    counts = dict.fromkeys(("kills", "kills_while_saving", "kills_while_starting", "trainings", "steps"), 0)
    rng = np.random.default_rng(seed)
    whole = {kind: run_through(folder / f"whole-{kind}", kind, epochs) for kind in kinds}
    while counts["kills"] < kills:
        kind = kinds[counts["trainings"] % len(kinds)]
        seconds, steps, end = whole[kind]
        place = folder / f"killed-{counts['trainings']}"
        while not (place / "end.json").exists():
            process = start(place, kind, epochs)
            assert process.stdout is not None
            early = rng.random() < 0.05  # while it starts, or restores
            if not early and process.stdout.readline() != b"begun\n":
                assert process.wait() == 0, "it failed, see above"
            try:
                process.wait(timeout=rng.random() * (0.3 if early else seconds / 3))
                assert process.returncode == 0, "it failed, see above"
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                assert process.wait() in (-signal.SIGKILL, 0)
                counts["kills"] += process.returncode != 0
                counts["kills_while_starting"] += early
                counts["kills_while_saving"] += any(place.rglob("*.part"))
            process.stdout.close()
        made = list(journal(place))
        for step, digest in made:
            assert steps[step] == digest, f"{place}: step {step} differs"
        assert {step for step, _ in made} == steps.keys()
        assert (place / "end.json").read_text() == end
        counts["steps"] += len(made)
        counts["trainings"] += 1
    return counts


def test_a_few_kills(tmp_path: Path) -> None:
    assert kill_and_start_again(tmp_path, ("arrays",), 2, kills=3, seed=1)["kills"] >= 3


@pytest.mark.deep
def test_200_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = kill_and_start_again(tmp_path, KINDS, 12, kills=200, seed=2)
    with capsys.disabled():
        print("\n", counts)
    assert counts["kills"] >= 200 and counts["kills_while_saving"] >= 10
