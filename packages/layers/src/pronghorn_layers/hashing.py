"""Hashing and HashedCrossing: categories, and combinations of them, as numbers of bins that a hash decides on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pronghorn import config, dtypes, ops
from pronghorn.arguments import as_integer
from pronghorn.graph import Spec
from pronghorn.host import HostOp
from pronghorn.layer import Layer
from pronghorn.tensor import Tensor
from pronghorn_layers.fingerprints import crossed, farmhash64, siphash64
from pronghorn_layers.index_lookup import key_of
from pronghorn_layers.preprocessing import encode
from pronghorn_layers.strings import Array, HostLayer, as_bytes, as_tensor

_hash = HostOp("hash_bins", lambda x, layer: layer.bins(x), lambda x, layer: Spec(x.shape, "int64"))
_cross = HostOp(
    "cross_bins",
    lambda *xs, bins: np.array([crossed(row) % bins for row in zip(*map(_parts, xs), strict=True)], "int64").reshape(
        xs[0].shape
    ),
    lambda *xs, bins: Spec(xs[0].shape, "int64"),
)


class _Hashed(HostLayer):
    """A layer that takes anything that can be hashed."""

    @property
    def input_dtype(self) -> str:
        """Integers, where nothing else is said."""
        return "int64"


class Hashing(_Hashed):
    """Strings or integers as the number of one of `num_bins` bins, by their FarmHash64 (of an integer's digits).

    Args:
        num_bins: the number of bins, with that for `mask_value`.
        mask_value: the value that has bin 0 to itself; None for none.
        salt: one or two integers: SipHash64 with this key in FarmHash's place.
        output_mode: "int" for numbers; else vectors of `num_bins` numbers: "one_hot" for each input (in place of a
            last axis of size 1), "multi_hot" or "count" for the last axis together.
        sparse: not supported.
        dtype: of the output, int64 for "int" and floatx for vectors by default.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else config.floatx()
        super().__init__(**kwargs)
        self.output_mode = self._mode(output_mode, ("int", "one_hot", "multi_hot", "count"))
        self._no_sparse(sparse)
        if self.output_mode == "int" and self.dtype not in ("int32", "int64"):
            raise ValueError(
                f"{self._where('dtype')}: must be 'int32' or 'int64' for output_mode='int', got {self.dtype!r}"
            )
        self.num_bins = as_integer(num_bins, self._where("num_bins"))
        self.mask_value = mask_value
        self.salt = key_of(salt, self._where("salt"))
        self.sparse = False
        self.built = True

    def bins(self, x: Array) -> Array:
        """The bins of the elements of an array."""
        masked = self.mask_value is not None and self.num_bins > 1
        count = self.num_bins - masked
        texts = _texts(x)
        known: dict[bytes, int] = {}
        for text in texts:
            if text not in known:
                number = farmhash64(text) if self.salt is None else siphash64(text, self.salt)
                known[text] = number % count + masked
        found = np.array([known[text] for text in texts], "int64").reshape(x.shape)
        if not masked:
            return found
        if x.dtype == object:
            mask = _texts(np.array([self.mask_value], object))[0]
            return np.where(np.array([text == mask for text in texts]).reshape(x.shape), 0, found)
        return np.where(x == self.mask_value, 0, found)

    def call(self, inputs: Any) -> Tensor:
        found: Any = _hash(inputs, layer=self)
        if self.output_mode == "int":
            return ops.cast(found, self.dtype)
        return encode(found, self.output_mode, self.num_bins, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"salt": None if self.salt is None else list(self.salt), "sparse": False}


class HashedCrossing(_Hashed):
    """Combinations of several features as the number of one of `num_bins` bins, by a hash of them together.

    Called on a list of at least two arrays of strings or integers, all of shape (), (batch,) or (batch, 1).

    Args:
        num_bins: the number of bins.
        output_mode: "int" for numbers, "one_hot" for vectors of `num_bins` numbers.
        sparse: not supported.
        name: as of every layer.
        dtype: of the output, int64 for "int" and floatx for vectors by default.
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype="int64" if output_mode == "int" and dtype is None else dtype, **kwargs)
        self.output_mode = self._mode(output_mode, ("int", "one_hot"))
        self._no_sparse(sparse)
        self.num_bins = as_integer(num_bins, self._where("num_bins"))
        self.sparse = False
        self.built = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inputs, (list, tuple)):
            inputs = [as_tensor(x) for x in inputs]
        return Layer.__call__(self, inputs, *args, **kwargs)

    def call(self, inputs: Sequence[Any]) -> Tensor:
        where = self._where()
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"{where} takes a list of at least two inputs, got {inputs!r}")
        shapes = [x.shape for x in inputs]
        if any(shape != shapes[0] for shape in shapes) or len(shapes[0]) > 2 or shapes[0][1:] not in ((), (1,)):
            raise ValueError(
                f"{where}: all inputs must have one shape (), (batch,) or (batch, 1), got {shapes}; reshape them"
            )
        if wrong := [x.dtype for x in inputs if not (x.dtype == "string" or dtypes.is_integer(x.dtype))]:
            raise ValueError(f"{where} takes strings and integers, got {wrong[0]}; use Discretization for floats")
        found: Any = _cross(*inputs, bins=self.num_bins)
        if self.output_mode == "int":
            return ops.cast(found, self.dtype)
        return encode(found, "one_hot", self.num_bins, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": False,
            "name": self.name,
            "dtype": self.dtype,
        }


def _texts(x: Array) -> list[bytes]:
    """Strings as UTF-8, numbers as their digits; floats without what follows the point."""
    if x.dtype == object:
        return as_bytes(x, "utf-8")
    if x.dtype == bool:
        return [b"true" if value else b"false" for value in x.ravel().tolist()]
    return [b"%d" % int(value) for value in x.ravel().tolist()]


def _parts(x: Array) -> list[Any]:
    return as_bytes(x, "utf-8") if x.dtype == object else x.ravel().astype("int64").tolist()
