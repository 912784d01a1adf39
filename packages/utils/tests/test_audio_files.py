"""Data sets from folders of sounds."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from pronghorn.utils import audio_dataset_from_directory


def write(path: Path, samples: list, width: int = 2, channels: int = 1, rate: int = 8000) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.array(samples, {1: "u1", 2: "<i2", 3: "u1", 4: "<i4"}[width]).tobytes())


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    write(tmp_path / "a" / "0.wav", [0, 16384, -32768])
    write(tmp_path / "b" / "0.wav", [32767])
    write(tmp_path / "b" / "1.wav", [1, 2, 3, 4, 5])
    return tmp_path


def test_batches_are_as_long_as_their_longest_sound(sounds: Path) -> None:
    dataset = audio_dataset_from_directory(sounds, shuffle=False, batch_size=2, verbose=False)
    (first, labels), (second, last) = dataset
    assert dataset.class_names == ["a", "b"]
    assert first.dtype == np.float32 and first[..., 0].tolist() == [[0, 0.5, -1], [32767 / 32768, 0, 0]]
    assert labels.tolist() == [0, 1] and last.tolist() == [1]
    assert second.shape == (1, 5, 1)


def test_a_given_length_cuts_and_fills(sounds: Path) -> None:
    dataset = audio_dataset_from_directory(
        sounds, label_mode=None, shuffle=False, output_sequence_length=4, sampling_rate=8000, verbose=False
    )
    (batch,) = dataset
    assert (batch[..., 0] * 32768).tolist() == [[0, 16384, -32768, 0], [32767, 0, 0, 0], [1, 2, 3, 4]]


def test_single_sounds(sounds: Path) -> None:
    dataset = audio_dataset_from_directory(sounds, batch_size=None, shuffle=False, verbose=False)
    assert [(x.shape, int(y)) for x, y in dataset] == [((3, 1), 0), ((1, 1), 1), ((5, 1), 1)]


@pytest.mark.parametrize(
    ("width", "samples", "expected"),
    [(1, [0, 128, 255], [-1, 0, 127 / 128]), (4, [-(2**31), 2**30, 0], [-1, 0.5, 0])],
)
def test_other_widths(tmp_path: Path, width: int, samples: list, expected: list) -> None:
    write(tmp_path / "a" / "0.wav", samples, width)
    ((batch, _),) = audio_dataset_from_directory(tmp_path, verbose=False)
    assert batch[0, :, 0].tolist() == expected


def test_channels_come_last(tmp_path: Path) -> None:
    write(tmp_path / "a" / "0.wav", [1, -1, 2, -2], channels=2)
    ((batch, _),) = audio_dataset_from_directory(tmp_path, verbose=False)
    assert (batch * 32768).tolist() == [[[1, -1], [2, -2]]]
    write(tmp_path / "a" / "1.wav", [1, 2])
    with pytest.raises(ValueError, match=r"files of one batch have \[1, 2\] channels"):
        list(audio_dataset_from_directory(tmp_path, verbose=False))


def test_what_is_refused(sounds: Path) -> None:
    with pytest.raises(NotImplementedError, match="has 8000 samples per second, not sampling_rate=16000"):
        list(audio_dataset_from_directory(sounds, sampling_rate=16000, verbose=False))
    with pytest.raises(NotImplementedError, match="ragged=True is not supported"):
        audio_dataset_from_directory(sounds, ragged=True)
    with pytest.raises(ValueError, match="output_sequence_length"):
        audio_dataset_from_directory(sounds, output_sequence_length=0)
    (sounds / "a" / "0.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"0\.wav: no sound that can be read"):
        list(audio_dataset_from_directory(sounds, verbose=False))
    write(sounds / "a" / "0.wav", [1, 2, 3], width=3)
    with pytest.raises(ValueError, match="samples have 24 bits"):
        list(audio_dataset_from_directory(sounds, verbose=False))
