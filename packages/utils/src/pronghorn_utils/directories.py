"""Files in folders that name their classes: which there are, what their labels are, how they are split."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn.config import say
from pronghorn_utils.batches import Batches, Indices

LABEL_MODES = ("int", "categorical", "binary", None)
SUBSETS = ("training", "validation", "both", None)


@dataclass(frozen=True)
class Request:
    """What the `…_dataset_from_directory` functions have in common."""

    caller: str
    directory: str | os.PathLike[str]
    suffixes: tuple[str, ...]
    labels: Any
    label_mode: str | None
    class_names: Sequence[str] | None
    batch_size: int | None
    shuffle: bool
    seed: int | None
    validation_split: float | None
    subset: str | None
    follow_links: bool
    format: str
    verbose: bool

    def check(self) -> None:
        """Raises ValueError (NotImplementedError for another library's data sets) where arguments are wrong."""
        if self.format != "tf":
            raise NotImplementedError(
                f"{self.caller}: format={self.format!r} is not supported; leave it at its default, which gives "
                f"batches of NumPy arrays"
            )
        explicit = self.labels is not None and not isinstance(self.labels, str)
        if isinstance(self.labels, str) and self.labels != "inferred":
            raise ValueError(f"{self.caller}: labels is {self.labels!r}; pass 'inferred', None or a list of integers")
        if self.class_names is not None and (explicit or self.labels is None):
            raise ValueError(f"{self.caller}: class_names only go with labels='inferred', got labels={self.labels!r}")
        if self.label_mode not in LABEL_MODES:
            raise ValueError(f"{self.caller}: label_mode is {self.label_mode!r}; pass one of {LABEL_MODES}")
        if self.subset not in SUBSETS:
            raise ValueError(f"{self.caller}: subset is {self.subset!r}; pass one of {SUBSETS}")
        split = self.validation_split
        if split is not None and not 0 < split < 1:
            raise ValueError(f"{self.caller}: validation_split is {split}; pass a share between 0 and 1")
        if (split is None) != (self.subset is None):
            raise ValueError(
                f"{self.caller}: validation_split={split} and subset={self.subset!r} go together; pass both or none"
            )
        if split is not None and self.shuffle and self.seed is None:
            raise ValueError(
                f"{self.caller}: a validation_split of shuffled files needs a seed, or the parts would overlap; "
                f"pass seed=…, the same for both parts"
            )


@dataclass(frozen=True)
class Files:
    """Paths with their labels (None where there are none)."""

    paths: list[str]
    labels: NDArray[np.int32] | None
    class_names: list[str] | None

    def part(self, indices: Any) -> Files:
        """Those at `indices`, a slice or an array."""
        paths = np.array(self.paths, object)[indices].tolist()
        return Files(paths, None if self.labels is None else self.labels[indices], self.class_names)


def dataset(request: Request, read: Callable[[Sequence[str]], NDArray[Any]]) -> Any:
    """Batches of what `read` makes of paths, with labels; two of them where `subset` is "both"."""
    request.check()
    seed = int(np.random.randint(10**6)) if request.seed is None else request.seed
    files = _find(request)
    if request.shuffle:
        order = np.arange(len(files.paths))
        np.random.RandomState(seed).shuffle(order)
        files = files.part(order)
    parts = _split(request, files)
    made = [
        _batches(request, part, read, request.shuffle and not (request.subset == "both" and i == 1), seed)
        for i, part in enumerate(parts)
    ]
    return made if request.subset == "both" else made[0]


def _find(request: Request) -> Files:
    """The files in alphabetical order, class by class."""
    directory = Path(request.directory)
    if not directory.is_dir():
        raise ValueError(f"{request.caller}: there is no folder {directory}; pass one that exists")
    if request.labels != "inferred" or request.label_mode is None:
        return _listed(request, _walk(directory, request))
    there = sorted(path.name for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    names = there if request.class_names is None else list(request.class_names)
    if missing := [name for name in names if name not in there]:
        raise ValueError(
            f"{request.caller}: class_names has {missing[0]!r}, but the folders in {directory} are {there}"
        )
    found = [_walk(directory / name, request) for name in names]
    labels = np.repeat(np.arange(len(names), dtype=np.int32), list(map(len, found)))
    if request.label_mode == "binary" and len(names) != 2:
        raise ValueError(f"{request.caller}: label_mode='binary' needs two classes, but there are {len(names)}")
    return _announced(request, Files(sum(found, []), labels, names))


def _listed(request: Request, paths: list[str]) -> Files:
    """The files with the labels that were passed, or with none."""
    if request.labels is None or request.label_mode is None:
        return _announced(request, Files(paths, None, None))
    if len(request.labels) != len(paths):
        raise ValueError(
            f"{request.caller}: labels has {len(request.labels)} items, but {request.directory} {len(paths)} files; "
            f"pass one label for each, in alphabetical order of the paths"
        )
    labels = np.asarray(request.labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{request.caller}: labels are {labels.dtype}; pass integers, the numbers of the classes")
    names = [str(label) for label in sorted(set(labels.tolist()))]
    if request.label_mode == "binary" and len(names) != 2:
        raise ValueError(f"{request.caller}: label_mode='binary' needs two classes, but there are {len(names)}")
    if request.label_mode == "categorical" and not 0 <= labels.min() <= labels.max() < len(names):
        raise ValueError(
            f"{request.caller}: labels are from {labels.min()} to {labels.max()}, but there are {len(names)} classes; "
            f"number them from 0 without gaps"
        )
    return _announced(request, Files(paths, labels.astype(np.int32), names))


def _walk(directory: Path, request: Request) -> list[str]:
    return [
        os.path.join(root, name)
        for root, _, names in sorted(os.walk(directory, followlinks=request.follow_links), key=lambda step: step[0])
        for name in sorted(names)
        if name.lower().endswith(request.suffixes)
    ]


def _announced(request: Request, files: Files) -> Files:
    if not files.paths:
        raise ValueError(
            f"{request.caller}: there are no files in {request.directory} that end in {', '.join(request.suffixes)}"
        )
    if request.verbose:
        classes = "" if files.class_names is None else f" belonging to {len(files.class_names)} classes"
        say(f"Found {len(files.paths)} files{classes}.")
    return files


def _split(request: Request, files: Files) -> list[Files]:
    """All files, or the part that is wanted, or both: the last share is for validation."""
    if request.validation_split is None:
        return [files]
    size = len(files.paths)
    count = int(request.validation_split * size)
    if not 0 < count < size:
        raise ValueError(
            f"{request.caller}: validation_split={request.validation_split} of {size} files leaves one part empty"
        )
    parts = {"training": files.part(slice(size - count)), "validation": files.part(slice(size - count, None))}
    wanted = list(parts) if request.subset == "both" else [str(request.subset)]
    if request.verbose:
        for name in wanted:
            say(f"Using {len(parts[name].paths)} files for {name}.")
    return [parts[name] for name in wanted]


def _batches(
    request: Request, files: Files, read: Callable[[Sequence[str]], NDArray[Any]], shuffle: bool, seed: int
) -> Batches:
    targets = _targets(files, request.label_mode)

    def batch(indices: Indices) -> Any:
        x = read([files.paths[i] for i in indices])
        return x if targets is None else (x, targets[indices])

    return Batches(batch, len(files.paths), request.batch_size, shuffle, seed, files.class_names, files.paths)


def _targets(files: Files, label_mode: str | None) -> NDArray[Any] | None:
    """Labels as int32 (n,), as float32 (n, 1) where binary, as one-hot float32 (n, classes) where categorical."""
    if files.labels is None:
        return None
    if label_mode == "binary":
        return files.labels.astype(np.float32)[:, None]
    if label_mode == "categorical":
        return np.eye(len(files.class_names or ()), dtype=np.float32)[files.labels]
    return files.labels
