"""Weights in HDF5, laid out as Keras 3 does: a group for each object, found by walking attributes; no names of variables."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from pronghorn import dtypes
from pronghorn.functional import Functional
from pronghorn.layer import Layer
from pronghorn.naming import to_snake_case
from pronghorn.sequential import Sequential


def save_weights(model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
    """Writes the weights of a layer or model, and its optimizer's state, to a file ending in `.weights.h5`.

    Raises:
        FileExistsError: the file is there and `overwrite` is False.
    """
    if max_shard_size is not None:
        raise NotImplementedError("save_weights: max_shard_size is not supported; the weights go to one file")
    path = Path(filepath)
    if not path.name.endswith(".weights.h5"):
        raise ValueError(f"save_weights: the file's name must end in `.weights.h5`, got {str(filepath)!r}")
    write_atomically(path, overwrite, lambda file: write_weights(model, file))


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False) -> None:
    """Sets the weights of a layer or model from a file that `save_weights` or `save_model` wrote.

    Args:
        model: built, of the same structure as the one saved.
        filepath: ends in `.weights.h5`, or in `.keras` for a whole model.
        skip_mismatch: whether layers that do not fit keep their weights, with a warning.

    Raises:
        ValueError: the file has no weights for a layer, or others than it needs.
    """
    path = Path(filepath)
    if path.suffix == ".keras":
        from pronghorn.saving.archive import opened_weights

        with opened_weights(path) as file:
            read_weights(model, file, path.stat().st_size, skip_mismatch)
    elif path.name.endswith(".weights.h5"):
        with path.open("rb") as file:
            read_weights(model, file, path.stat().st_size, skip_mismatch)
    else:
        raise ValueError(f"load_weights: the file's name must end in `.weights.h5` or `.keras`, got {str(filepath)!r}")


def write_atomically(path: Path, overwrite: bool, write: Callable[[IO[bytes]], None]) -> None:
    """Writes a file beside `path` and moves it there: whatever happens, what is at `path` is whole."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{str(path)!r} exists already; pass overwrite=True, or another name")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ------------------------------------------------------------------------------------------------ the layout


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """Each object that saves variables, with its path in the file; one that has several paths, with each of them."""
    visited: set[int] = set()

    def visit(path: str, item: Any) -> Iterator[tuple[str, Any]]:
        if hasattr(item, "save_own_variables"):
            yield path, item
            if id(item) not in visited:
                visited.add(id(item))
                for name, child in _children(item):
                    yield from visit(f"{path}/{name}" if path else name, child)
        elif isinstance(item, (list, tuple, dict)) and id(item) not in visited:
            visited.add(id(item))
            taken: dict[str, int] = {}
            for child in item.values() if isinstance(item, dict) else item:
                if hasattr(child, "save_own_variables") or isinstance(child, (list, tuple, dict)):
                    kind = to_snake_case(type(child).__name__) if hasattr(child, "name") else "container"
                    number = taken.get(kind, 0)
                    taken[kind] = number + 1
                    yield from visit(f"{path}/{kind}_{number}" if number else f"{path}/{kind}", child)

    return visit("", root)


def _children(item: Any) -> Iterator[tuple[str, Any]]:
    """What may hold variables: of models the layers, then the attributes by name, private ones last."""
    if isinstance(item, (Functional, Sequential)):
        yield "layers", item.layers
    for name in sorted(dir(item), key=lambda name: (name.startswith("_"), name)):
        if name not in _inherited():
            try:
                yield name, getattr(item, name)
            except Exception:  # a property that has no value yet
                continue


def _inherited() -> set[str]:
    """The attributes that are no part of an object's state: those that every layer and model has."""
    if not _INHERITED:
        _INHERITED.update(dir(Layer(name="layer")), dir(Functional), dir(Sequential), _STRUCTURE.split())
        _INHERITED.difference_update(("layers", "optimizer"))
    return _INHERITED


_INHERITED: set[str] = set()
_STRUCTURE = "_operations _stack _functional _graph _inputs _inputs_struct _outputs _outputs_struct output_names loss"


def write_weights(root: Any, file: IO[bytes]) -> None:
    """Writes the tree of an object's weights."""
    import h5py

    done: set[int] = set()
    with h5py.File(file, "w") as tree:
        for path, item in walk(root):
            if id(item) in done:
                continue
            done.add(id(item))
            group = tree.create_group(f"{path}/vars")
            group.attrs["name"] = item.name
            store: dict[str, Any] = {}
            item.save_own_variables(store)
            for key, value in store.items():
                array = np.asarray(value)
                bfloat16 = array.dtype.name == "bfloat16"
                dataset = group.create_dataset(key, data=array.view("V2") if bfloat16 else array)
                if bfloat16:
                    dataset.attrs["dtype"] = "bfloat16"


def read_weights(root: Any, file: IO[bytes], size: int, skip_mismatch: bool = False) -> None:
    """Sets an object's weights from a tree; `size` is that of the file, which bounds what is read."""
    import h5py

    places: dict[int, tuple[Any, list[str]]] = {}
    for path, item in walk(root):
        places.setdefault(id(item), (item, []))[1].append(path)
    try:
        tree = h5py.File(file, "r")
    except OSError as error:
        raise ValueError(f"load_weights: this is no HDF5 file: {error}") from None
    with tree:
        for item, paths in places.values():
            try:
                item.load_own_variables(_find(tree, item, paths, size))
            except ValueError as error:
                if not skip_mismatch:
                    raise ValueError(f"load_weights: {error}") from None
                warnings.warn(f"load_weights: {item.name!r} keeps its weights: {error}", stacklevel=3)


def _find(tree: Any, item: Any, paths: list[str], size: int) -> Mapping[str, Any]:
    for path in paths:
        group = tree
        for part in [*path.split("/"), "vars"] if path else ["vars"]:
            group = _Group(group, size).member(part)
            if group is None:
                break
        if group is not None:
            return _Group(group, size)
    if getattr(item, "weights", None) == [] or not hasattr(item, "weights"):
        return {}
    raise ValueError(f"the file has no weights for {item.name!r}, it was looked for at {' and '.join(map(repr, paths))}")


class _Group(Mapping[str, Any]):
    """A group's arrays, read when asked for. What leads out of the file, or claims more than it holds, is refused."""

    def __init__(self, group: Any, size: int) -> None:
        self.group = group
        self.size = size

    def member(self, name: str) -> Any:
        """The group or dataset of a name, None if there is none."""
        import h5py

        link = self.group.get(name, getlink=True) if isinstance(self.group, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name!r} is a link to another place, which is not followed")
        return self.group[name]

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        import h5py

        dataset = self.member(name)
        if not isinstance(dataset, h5py.Dataset):
            raise KeyError(name)
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"{name!r} holds data of another file, which is not read")
        if dataset.nbytes > 16 * self.size:
            raise ValueError(f"{name!r} claims {dataset.nbytes} bytes in a file of {self.size}")
        array: np.ndarray[Any, Any] = dataset[()]
        if dataset.attrs.get("dtype") == "bfloat16":
            return np.asarray(array).view(dtypes.numpy_dtype("bfloat16"))
        return np.asarray(array)

    def __iter__(self) -> Iterator[str]:
        return iter(self.group)

    def __len__(self) -> int:
        return len(self.group)
