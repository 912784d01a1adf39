"""What layers of strings and categories share: inputs as tensors, texts as bytes, the batches that `adapt` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.layer import Layer
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

Array = np.ndarray[Any, Any]


class HostLayer(Layer):
    """A layer that the host computes; it is also called on strings and numbers, and lists of them."""

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(as_tensor(inputs), *args, **kwargs)

    def _where(self, argument: str = "") -> str:
        what = f": argument `{argument}`" if argument else ""
        return f"layer {self.name!r} ({type(self).__name__}){what}"

    def _mode(self, mode: Any, allowed: tuple[str, ...]) -> str:
        """The output mode that a name, old names included, stands for."""
        known = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode) if isinstance(mode, str) else mode
        if known not in allowed:
            names = ", ".join(map(repr, allowed))
            raise ValueError(f"{self._where('output_mode')}: must be one of {names}, got {mode!r}")
        return str(known)

    def _no_sparse(self, sparse: bool) -> None:
        if sparse:
            raise NotImplementedError(f"{self._where('sparse')}: sparse tensors are not supported; use sparse=False")


class AssetLayer(HostLayer):
    """A layer that keeps files beside its weights."""

    def save_own_assets(self) -> dict[str, bytes]:
        """The files, by name."""
        raise NotImplementedError

    def load_own_assets(self, files: Mapping[str, bytes]) -> None:
        """Takes files that `save_own_assets` gave."""
        raise NotImplementedError

    def save_assets(self, dir_path: Any) -> None:
        """Writes the files into a folder."""
        for name, data in self.save_own_assets().items():
            Path(dir_path, name).write_bytes(data)

    def load_assets(self, dir_path: Any) -> None:
        """Reads the files in a folder."""
        self.load_own_assets({path.name: path.read_bytes() for path in Path(dir_path).iterdir() if path.is_file()})


def as_tensor(x: Any) -> Any:
    """Strings, numbers and lists of them as a tensor; anything else as it is."""
    if isinstance(x, (str, bytes, int, float)):
        return convert_to_tensor(x)
    if isinstance(x, (list, tuple)) and not any(isinstance(item, (Tensor, Variable)) for item in x):
        return convert_to_tensor(x)
    return x


def as_bytes(texts: Array, encoding: str) -> list[bytes]:
    """The strings of an array as UTF-8; `encoding` is that of its bytes.

    Raises:
        ValueError: there is something else among them, such as None.
    """
    strings = texts.ravel().tolist()
    if strange := [s for s in strings if not isinstance(s, (str, bytes))]:
        raise ValueError(
            f"expected strings, got {strange[0]!r} among them; fill in what is missing, with '' for example"
        )
    if encoding.lower() in ("utf-8", "utf8"):
        return [s.encode() if isinstance(s, str) else s for s in strings]
    return [(s if isinstance(s, str) else s.decode(encoding)).encode() for s in strings]


def as_strings(texts: Any) -> Array:
    """Strings or bytes in UTF-8 as an array of str, of the same shape."""
    array = np.asarray(texts)
    found = np.empty(array.size, object)
    found[:] = [s.decode(errors="replace") if isinstance(s, bytes) else str(s) for s in array.ravel().tolist()]
    return found.reshape(array.shape)


def batches(
    data: Any, dtype: str, where: str, steps: int | None = None, batch_size: int | None = None
) -> Iterator[Any]:
    """What `adapt` was given, as arrays: all of an array or list, or `batch_size` rows at a time; or the batches of a
    data set, of which the first part counts where they are tuples.

    Raises:
        ValueError: there are none, or they hold something else than `dtype`.
    """
    found = False
    for batch in islice(_parts(data, batch_size), steps):
        found = True
        array = convert_to_tensor(batch[0] if isinstance(batch, tuple) else batch).numpy()
        if dtypes.standardize(array.dtype) != dtype and not (dtype != "string" and array.dtype.kind in "iu"):
            raise ValueError(f"{where} takes {dtype}, got a batch of {array.dtype} and shape {array.shape}; convert it")
        yield array
    if not found:
        raise ValueError(f"{where} got no data; pass an array, a list, or an iterable of batches")


def _parts(data: Any, batch_size: int | None) -> Iterator[Any]:
    if isinstance(data, (str, bytes, int)):
        data = [data]
    if isinstance(data, (list, tuple, Tensor, Variable)) or hasattr(data, "__array__"):
        array = convert_to_tensor(list(data) if isinstance(data, tuple) else data).numpy()
        array = array.reshape(-1, 1) if array.ndim < 2 else array  # one document in each row
        size = batch_size or max(len(array), 1)
        return (array[i : i + size] for i in range(0, len(array), size))
    if hasattr(data, "num_batches") and not hasattr(data, "__iter__"):
        return (data[i] for i in range(data.num_batches))
    return iter(data)
