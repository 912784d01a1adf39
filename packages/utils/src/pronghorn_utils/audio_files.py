"""Sounds in folders that name their classes, as a data set."""

from __future__ import annotations

import os
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn.arguments import as_integer
from pronghorn_utils.directories import Request, dataset

_SAMPLES = {1: ("u1", 128.0, 128.0), 2: ("<i2", 0.0, 32768.0), 4: ("<i4", 0.0, 2147483648.0)}
"""Bytes of a sample -> its dtype, what stands for silence, and what stands for 1."""


def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Batches of the .wav files below `directory`, read as they are wanted: sounds, or (sounds, labels).

    Sounds are float32 in [-1, 1), of shape (batch, samples, channels). Labels are as in `text_dataset_from_directory`,
    and so is the attribute `class_names`.

    Args:
        directory, labels, label_mode, class_names, batch_size: see `text_dataset_from_directory`.
        sampling_rate: which files must have, in samples per second; sounds are not resampled.
        output_sequence_length: sounds are cut, or filled up with silence, to this many samples; by default to as many
            as the longest of the batch has.
        ragged: only False.
        shuffle, seed, validation_split, subset, follow_links, verbose: see `text_dataset_from_directory`.

    Raises:
        ValueError: an argument is wrong, there are no files, or one holds no samples of 8, 16 or 32 bits.
        NotImplementedError: `ragged`, or a file of another sampling rate.
    """
    caller = "audio_dataset_from_directory"
    if ragged:
        raise NotImplementedError(f"{caller}: ragged=True is not supported; sounds are filled up with silence")
    length = (
        None
        if output_sequence_length is None
        else as_integer(output_sequence_length, f"{caller}: output_sequence_length")
    )

    def read(paths: Sequence[str]) -> NDArray[Any]:
        sounds = [_read(path, sampling_rate) for path in paths]
        samples = length or max(len(sound) for sound in sounds)
        channels = {sound.shape[1] for sound in sounds}
        if len(channels) > 1:
            raise ValueError(f"{caller}: files of one batch have {sorted(channels)} channels; make them the same")
        batch = np.zeros((len(sounds), samples, *channels), np.float32)
        for row, sound in zip(batch, sounds, strict=True):
            row[: len(sound)] = sound[:samples]
        return batch

    request = Request(
        caller,
        directory,
        (".wav",),
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        "tf",
        verbose,
    )
    return dataset(request, read)


def _read(path: str, sampling_rate: int | None) -> NDArray[np.float32]:
    """The sound in a file, (samples, channels)."""
    try:
        with wave.open(path, "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: no sound that can be read ({error}); expected a .wav file of PCM samples") from None
    if width not in _SAMPLES:
        raise ValueError(f"{path}: samples have {8 * width} bits; write them with 8, 16 or 32")
    if sampling_rate not in (None, rate):
        raise NotImplementedError(
            f"{path} has {rate} samples per second, not sampling_rate={sampling_rate}; sounds are not resampled here, "
            f"so convert the files first"
        )
    dtype, silence, one = _SAMPLES[width]
    whole = len(data) // (width * channels) * width * channels
    return ((np.frombuffer(data[:whole], dtype) - silence) / one).astype(np.float32).reshape(-1, channels)
