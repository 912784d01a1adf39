"""FeatureSpace: the columns of a table as numbers that a model can be trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from pronghorn import naming, ops
from pronghorn.arguments import as_integer
from pronghorn.configurable import Configurable
from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.tensor import Tensor, Variable, convert_to_tensor
from pronghorn_layers.hashing import HashedCrossing, Hashing
from pronghorn_layers.index_lookup import IndexLookup
from pronghorn_layers.lookup import IntegerLookup, StringLookup
from pronghorn_layers.merging import Concatenate
from pronghorn_layers.preprocessing import CategoryEncoding, Discretization, Normalization, Rescaling
from pronghorn_layers.text_vectorization import TextVectorization

_BATCH = 32
"""Rows of a table that a layer is adapted to at a time, as Keras does it: bins depend on it a little."""


class Unchanged(Layer):
    """Its inputs."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs


class Feature(Configurable):
    """A column: its dtype, the layer that prepares it, and whether the result is used as it is or one-hot.

    Args:
        dtype: of the column, "float32", "int32" or "string" for example.
        preprocessor: a layer.
        output_mode: "int" or "float" for what the layer returns, "one_hot" for vectors of its integers.
    """

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str) -> None:
        if output_mode not in ("int", "one_hot", "float"):
            raise ValueError(f"Feature: output_mode must be 'int', 'one_hot' or 'float', got {output_mode!r}")
        self.dtype = dtype
        self.preprocessor = preprocessor
        self.output_mode = output_mode


class Cross(Configurable):
    """Columns that are taken together, as one of `crossing_dim` bins.

    Args:
        feature_names: of at least two columns.
        crossing_dim: the number of bins.
        output_mode: "int" for the bin's number, "one_hot" for a vector.
    """

    def __init__(self, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot") -> None:
        if output_mode not in ("int", "one_hot"):
            raise ValueError(f"Cross: output_mode must be 'int' or 'one_hot', got {output_mode!r}")
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = output_mode

    @property
    def name(self) -> str:
        """The names of the columns, joined by "_X_"."""
        return "_X_".join(self.feature_names)


class FeatureSpace(Layer):
    """Prepares the columns of a table, each in its way, and puts them together.

    ```python
    space = FeatureSpace({"age": "float_normalized", "city": "string_categorical"}, crosses=[("age", "city")])
    space.adapt(table)  # a dict of arrays, or an iterable of such dicts
    model = Model(space.get_inputs(), Dense(1)(space.get_encoded_features()))
    ```

    Args:
        features: column name -> "float", "float_rescaled", "float_normalized", "float_discretized",
            "integer_categorical", "string_categorical", "integer_hashed", "string_hashed", or what the class methods
            of these names return.
        output_mode: "concat" for one vector, of the columns in alphabetical order and then the crosses; "dict" for the
            columns and crosses by name.
        crosses: tuples of names of columns to be hashed together, or what `cross` returns.
        crossing_dim: bins of a cross, by default.
        hashing_dim: bins of a hashed column, by default.
        num_discretization_bins: bins of a discretized column, by default.
        name: as of every layer.
    """

    def __init__(
        self,
        features: Mapping[str, Any],
        output_mode: str = "concat",
        crosses: Sequence[Any] | None = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not features:
            raise ValueError("FeatureSpace: argument `features` must name at least one column, got none")
        if output_mode not in ("concat", "dict"):
            raise ValueError(f"FeatureSpace: argument `output_mode` must be 'concat' or 'dict', got {output_mode!r}")
        self.output_mode = output_mode
        self.crossing_dim = as_integer(crossing_dim, "FeatureSpace: crossing_dim")
        self.hashing_dim = as_integer(hashing_dim, "FeatureSpace: hashing_dim")
        self.num_discretization_bins = as_integer(num_discretization_bins, "FeatureSpace: num_discretization_bins")
        self.features = {name: self._feature(name, kind) for name, kind in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.inputs = {name: Input((1,), dtype=f.dtype, name=name) for name, f in self.features.items()}
        self.preprocessors = {name: feature.preprocessor for name, feature in self.features.items()}
        self.crossers = {cross.name: HashedCrossing(cross.crossing_dim, name=cross.name) for cross in self.crosses}
        self.one_hot_encoders: dict[str, CategoryEncoding] = {}
        self.concat: Concatenate | None = None
        self.encoded_features: Any = None
        self._adapted = not any(map(_learns, self.preprocessors.values()))

    def _feature(self, name: str, kind: Any) -> Feature:
        if isinstance(kind, Feature):
            return kind
        sizes = {
            "float_discretized": {"num_bins": self.num_discretization_bins},
            "integer_hashed": {"num_bins": self.hashing_dim},
            "string_hashed": {"num_bins": self.hashing_dim},
        }
        if kind not in _KINDS:
            kinds = ", ".join(map(repr, _KINDS))
            raise ValueError(f"FeatureSpace: column {name!r} must be one of {kinds}, or a Feature, got {kind!r}")
        return getattr(self, kind)(name=name, **sizes.get(kind, {}))  # type: ignore[no-any-return]

    def _cross(self, cross: Any) -> Cross:
        found: Cross = cross if isinstance(cross, Cross) else Cross(cross, self.crossing_dim)
        if unknown := [name for name in found.feature_names if name not in self.features]:
            raise ValueError(
                f"FeatureSpace: argument `crosses` names {unknown}, but the columns are {list(self.features)}; add "
                f"them, or leave the cross out"
            )
        return found

    # -------------------------------------------------------------------------------------------- kinds of columns

    @classmethod
    def cross(cls, feature_names: Sequence[str], crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Columns that are taken together; see `Cross`."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """A column that a layer of your own prepares; see `Feature`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        return Feature("float32", Unchanged(dtype="float32", name=_named(name, "float")), "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """Numbers times `scale`, plus `offset`."""
        return Feature("float32", Rescaling(scale, offset, name=_named(name, "float_rescaled")), "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers less their mean, divided by their standard deviation."""
        return Feature("float32", Normalization(axis=-1, name=_named(name, "float_normalized")), "float")

    @classmethod
    def float_discretized(
        cls, num_bins: int | None, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Numbers as one of `num_bins` bins with about equally many each, or of those between boundaries."""
        layer = Discretization(bin_boundaries, num_bins, name=_named(name, "float_discretized"))
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Integers by their place in a vocabulary; see `IntegerLookup`."""
        named = _named(name, "integer_categorical")
        return Feature("int32", IntegerLookup(max_tokens, num_oov_indices, name=named), output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Strings by their place in a vocabulary; see `StringLookup`."""
        named = _named(name, "string_categorical")
        return Feature("string", StringLookup(max_tokens, num_oov_indices, name=named), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Integers as one of `num_bins` bins by their hash; see `Hashing`."""
        return Feature("int32", Hashing(num_bins, name=_named(name, "integer_hashed")), output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Strings as one of `num_bins` bins by their hash; see `Hashing`."""
        return Feature("string", Hashing(num_bins, name=_named(name, "string_hashed")), output_mode)

    # -------------------------------------------------------------------------------------------- use

    def adapt(self, dataset: Any) -> None:
        """Has the layers of the columns learn from data.

        Args:
            dataset: a dict of arrays or lists by column, or an iterable of such dicts, one for a row or a batch (of
                tuples, the first part counts).

        Raises:
            ValueError: it is neither, or lacks a column.
        """
        if isinstance(dataset, Mapping):
            dataset = _rows(dataset)
        elif hasattr(dataset, "__next__"):
            dataset = list(dataset)  # each column reads it once
        elif not isinstance(dataset, Iterable):
            raise ValueError(
                f"FeatureSpace: adapt takes a dict of arrays or an iterable of such dicts, got {dataset!r}"
            )
        for name, layer in self.preprocessors.items():
            if _learns(layer):
                layer.adapt(_column(dataset, name))
        self._adapted = True
        self.get_encoded_features()

    def get_inputs(self) -> dict[str, Tensor]:
        """The inputs of a model, by column."""
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """What is made of the inputs, in a model: a tensor, or for output_mode="dict" tensors by name.

        Raises:
            ValueError: `adapt` was not called, and a column needs it.
        """
        if not self._adapted:
            names = [name for name, layer in self.preprocessors.items() if _learns(layer)]
            raise ValueError(f"FeatureSpace {self.name!r}: call adapt(data) first, the columns {names} learn from it")
        if self.encoded_features is None:
            self.encoded_features = self._encoded(self.inputs)
            self.built = True
        return self.encoded_features

    def __call__(self, data: Any) -> Any:
        """What is made of a dict of values by column: single ones, arrays of one dimension, or (rows, 1)."""
        if not isinstance(data, Mapping):
            raise ValueError(f"FeatureSpace {self.name!r}: takes a dict of values by column, got {data!r}")
        if missing := [name for name in self.features if name not in data]:
            raise ValueError(f"FeatureSpace {self.name!r}: no values for the columns {missing}, got {list(data)}")
        self.get_encoded_features()
        columns: dict[str, Any] = {name: _tensor(data[name]) for name in self.features}
        single = [len(x.shape) == 0 for x in columns.values()]
        for name, x in columns.items():
            columns[name] = ops.reshape(x, (1, 1)) if not x.shape else ops.expand_dims(x, -1) if x.ndim == 1 else x
        outputs = self._encoded(columns)
        if not any(single):
            return outputs
        if isinstance(outputs, dict):
            return {name: ops.squeeze(x, 0) for name, x in outputs.items()}
        return ops.squeeze(outputs, 0)

    def _encoded(self, columns: Mapping[str, Any]) -> Any:
        ready = {name: self.preprocessors[name](columns[name]) for name in sorted(self.features)}
        crossed = {c.name: self.crossers[c.name]([ready[name] for name in c.feature_names]) for c in self.crosses}
        specs: dict[str, Any] = {**self.features, **{cross.name: cross for cross in self.crosses}}
        outputs = {}
        for name, x in (*ready.items(), *sorted(crossed.items())):
            outputs[name] = self._one_hot(name, x) if specs[name].output_mode == "one_hot" else x
            if self.output_mode == "concat" and not outputs[name].dtype.startswith(("float", "bfloat")):
                raise ValueError(
                    f"FeatureSpace {self.name!r}: column {name!r} of dtype {outputs[name].dtype} cannot be joined to a "
                    f"vector; give it output_mode='one_hot', or use output_mode='dict' for the whole"
                )
        if self.output_mode == "dict":
            return outputs
        if self.concat is None:
            self.concat = Concatenate(axis=-1)
        parts = list(outputs.values())
        return self.concat(parts) if len(parts) > 1 else parts[0]

    def _one_hot(self, name: str, x: Any) -> Any:
        if name not in self.one_hot_encoders:
            count = _categories({**self.preprocessors, **self.crossers}[name])
            if count is None or not x.dtype.startswith("int"):
                raise ValueError(
                    f"FeatureSpace {self.name!r}: column {name!r} has output_mode='one_hot', but its layer does not "
                    f"return integers of a known number; use output_mode='int' or 'float'"
                )
            self.one_hot_encoders[name] = CategoryEncoding(count, output_mode="multi_hot")
        return self.one_hot_encoders[name](x)

    # -------------------------------------------------------------------------------------------- saving

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return self._argument_config("name")

    def get_build_config(self) -> dict[str, Any]:
        """The shapes that the layers of the columns were built for."""
        return {name: layer.get_build_config() for name, layer in self.preprocessors.items()}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Builds the layers of the columns; a file has what they learned."""
        for name, shapes in config.items():
            if shapes and not self.preprocessors[name].built:
                self.preprocessors[name].build_from_config(shapes)
        self._adapted = self.built = True

    def save(self, filepath: Any) -> None:
        """Writes a `.keras` file, which `load_model` reads."""
        from pronghorn.saving import save_model

        save_model(self, filepath)


_KINDS = (
    "float",
    "float_rescaled",
    "float_normalized",
    "float_discretized",
    "integer_categorical",
    "string_categorical",
    "integer_hashed",
    "string_hashed",
)


def _named(name: str | None, kind: str) -> str:
    return f"{name or naming.auto_name(kind)}_preprocessor"


def _learns(layer: Any) -> bool:
    """Whether a layer needs `adapt`."""
    if isinstance(layer, Normalization):
        return layer.input_mean is None
    if isinstance(layer, Discretization):
        return layer.num_bins is not None
    if isinstance(layer, (IndexLookup, TextVectorization)):
        return not layer.has_input_vocabulary
    return hasattr(layer, "adapt")


def _categories(layer: Any) -> int | None:
    """How many integers a layer may return."""
    if isinstance(layer, IndexLookup):
        return layer.vocabulary_size()
    if isinstance(layer, Discretization) and layer.num_bins is None:
        return len(layer.bin_boundaries or ()) + 1
    return getattr(layer, "num_bins", getattr(layer, "num_tokens", None))


def _tensor(x: Any) -> Any:
    return x if isinstance(x, (Tensor, Variable)) else convert_to_tensor(x)


def _rows(table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table in batches."""
    arrays = {name: np.asarray(values) for name, values in table.items()}
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"FeatureSpace: adapt takes columns of one length, got {sizes}")
    rows = range(0, next(iter(sizes.values())), _BATCH)
    return [{name: array[i : i + _BATCH] for name, array in arrays.items()} for i in rows]


def _column(dataset: Iterable[Any], name: str) -> Iterator[Any]:
    """A column in batches of shape (rows, 1), or as many dimensions as it has."""
    batches = (batch[0] if isinstance(batch, tuple) else batch for batch in dataset)
    values = iter(np.asarray(_tensor(_value(batch, name)).numpy()) for batch in batches)
    for value in values:
        if value.ndim:
            yield value[:, None] if value.ndim == 1 else value
        else:
            yield np.stack([value, *islice(values, _BATCH - 1)])[:, None]


def _value(batch: Any, name: str) -> Any:
    if not isinstance(batch, Mapping) or name not in batch:
        found = list(batch) if isinstance(batch, Mapping) else type(batch).__name__
        raise ValueError(f"FeatureSpace: adapt needs dicts with the column {name!r}, got {found}")
    return batch[name]
