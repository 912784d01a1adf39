"""What lookups of strings and of integers have in common: a vocabulary, given or found in data, and what it makes of
inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from pronghorn import config, dtypes
from pronghorn.arguments import as_integer
from pronghorn.graph import Spec
from pronghorn.host import HostOp
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_layers import vocabulary as words
from pronghorn_layers.fingerprints import farmhash64, siphash64
from pronghorn_layers.preprocessing import encode
from pronghorn_layers.strings import Array, AssetLayer, batches
from pronghorn_layers.vocabulary import Counts, Given, Vocabulary

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_DROPPED = -1
"""The number of what no vector counts."""
_UNKNOWN = -2

_lookup = HostOp("lookup", lambda x, layer: layer.found(x), lambda x, layer: Spec(x.shape, layer.found_dtype(x.dtype)))


class IndexLookup(AssetLayer):
    """The base of `StringLookup`, which see, and `IntegerLookup`."""

    vocabulary_dtype = "string"

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        oov_method: str,
        salt: Any,
        name: str | None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.output_mode = self._mode(output_mode, MODES)
        self._no_sparse(sparse)
        if max_tokens is not None:
            max_tokens = as_integer(max_tokens, self._where("max_tokens"), least=2)
        elif pad_to_max_tokens:
            raise ValueError(f"{self._where('pad_to_max_tokens')}: needs `max_tokens`; give it")
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(f"{self._where('oov_method')}: must be 'floormod' or 'farmhash', got {oov_method!r}")
        if invert and self.output_mode != "int":
            raise ValueError(f"{self._where('invert')}: works with output_mode='int' only, got {output_mode!r}")
        if invert and oov_token is None:
            raise ValueError(f"{self._where('oov_token')}: must say what unknown numbers become, got None")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"{self._where('idf_weights')}: is for output_mode='tf_idf', got {output_mode!r}")
        self.max_tokens = max_tokens
        self.num_oov_indices = as_integer(num_oov_indices, self._where("num_oov_indices"), least=0)
        self.mask_token = mask_token
        self.oov_token = oov_token
        self.invert = bool(invert)
        self.pad_to_max_tokens = bool(pad_to_max_tokens)
        self.oov_method = oov_method
        self.salt = key_of(salt, self._where("salt"))
        self._given = Given(None if words.is_path(vocabulary) else vocabulary, idf_weights, self._token)
        self.idf_weights: Array | None = None
        self.vocabulary: Vocabulary | None = None
        self._declared_size = None if vocabulary_size is None else int(vocabulary_size)
        self._fixed = vocabulary is not None if has_input_vocabulary is None else bool(has_input_vocabulary)
        self.built = True
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # -------------------------------------------------------------------------------------------- the vocabulary

    def _key(self, token: Any) -> Any:
        """What stands for a token in the table."""
        return token

    def _from_key(self, key: Any) -> Any:
        return key

    def _keys(self, x: Array) -> list[Any]:
        """What stands for the elements of an array in the table."""
        raise NotImplementedError

    def _token(self, value: Any) -> Any:
        """A token as a Python value; raises ValueError where it can be none."""
        raise NotImplementedError

    @property
    def has_input_vocabulary(self) -> bool:
        """Whether the vocabulary was given to the constructor, so that there is nothing to find in data."""
        return self._fixed

    @property
    def input_vocabulary(self) -> list[Any] | None:
        """The vocabulary given to the constructor, unless it was a file."""
        return self._given.vocabulary

    @property
    def input_idf_weights(self) -> list[float] | None:
        """The weights given to the constructor."""
        return self._given.idf_weights

    @property
    def _specials(self) -> list[Any]:
        """What comes before the tokens."""
        masks = [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        return masks + [self.oov_token] * self.num_oov_indices

    @property
    def _reserved(self) -> dict[str, Any]:
        return {"mask_token": self.mask_token, **({"oov_token": self.oov_token} if self.invert else {})}

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their numbers.

        Args:
            include_special_tokens: whether the tokens for masked and unknown values are there, so that each
                is at the index that is its number.
        """
        tokens = [] if self.vocabulary is None else self.vocabulary.tokens
        return [*(self._specials if include_special_tokens else ()), *tokens]

    def vocabulary_size(self) -> int:
        """The number of tokens, with those for masked and unknown values."""
        return len(self._specials) + (0 if self.vocabulary is None else len(self.vocabulary.tokens))

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replaces the vocabulary.

        Args:
            vocabulary: tokens as a list, array or tensor, with or without the tokens for masked and unknown
                values at the start; or the path of a text file with a token in each line, without those.
            idf_weights: for output_mode="tf_idf", as many numbers as `vocabulary` has.

        Raises:
            ValueError: a token is there twice or at a place of its own, there are none or too many, or the weights do
                not fit.
        """
        where = self._where("vocabulary")
        if (idf_weights is not None) != (self.output_mode == "tf_idf"):
            need = "must be given with `vocabulary`" if idf_weights is None else "can only be given"
            raise ValueError(f"{self._where('idf_weights')}: {need} for output_mode='tf_idf'")
        if words.is_path(vocabulary):
            lines = words.read_lines(vocabulary, getattr(self, "encoding", "utf-8"), where)
            given = tokens = [self._token(line) for line in lines]
        else:
            given = [self._token(value) for value in words.listed(vocabulary)]
            tokens = words.tokens_of(given, self._specials, self._reserved, where)
        if not given:
            raise ValueError(f"{where}: is empty; give tokens, or call adapt(data)")
        words.refuse_repetitions(tokens, where)
        size = len(self._specials) + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{where}: has {size} tokens with those for masked and unknown values, and max_tokens is "
                f"{self.max_tokens}; shorten it, or raise `max_tokens`"
            )
        weights = None if idf_weights is None else np.asarray(idf_weights, "float64")
        if weights is not None and weights.shape != (len(given),):
            raise ValueError(
                f"{self._where('idf_weights')}: expected {len(given)} numbers, one for each token of the vocabulary, "
                f"got an array of shape {weights.shape}"
            )
        self._replace(tokens, None if weights is None else self._padded(weights, len(given) > len(tokens)))

    def _padded(self, weights: Array, complete: bool = False) -> Array:
        """Weights for all places: unless they are `complete`, unknown values weigh the mean; places without a token
        weigh nothing.
        """
        front = 0 if complete else len(self._specials)
        weights = np.concatenate([np.full(front, weights.mean() if len(weights) else 0.0), weights])
        back = (self.max_tokens or 0) - len(weights) if self.pad_to_max_tokens else 0
        return np.concatenate([weights, np.zeros(back)]).astype(config.floatx())

    def _replace(self, tokens: list[Any], weights: Array | None) -> None:
        start = len(self._specials)
        size = start + len(tokens)
        expected = self._declared_size if self.vocabulary is None else self.vocabulary_size()
        in_use = self.inbound_nodes or (self.vocabulary is None and self._declared_size is not None)
        if in_use and size != expected and self.output_mode != "int" and not self.pad_to_max_tokens:
            raise ValueError(
                f"{self._where('vocabulary')}: has {size} tokens in place of {expected}, but the layer is in a model "
                f"that was made for vectors of {expected}; use pad_to_max_tokens=True, or make a new model"
            )
        numbers = {self._key(token): start + i for i, token in enumerate(tokens)}
        if self.mask_token is not None:
            numbers[self._key(self.mask_token)] = 0 if self.output_mode == "int" else _DROPPED
        if weights is not None:
            self.idf_weights = weights
        self.vocabulary = Vocabulary(tokens, numbers)

    # -------------------------------------------------------------------------------------------- adapt

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Makes a vocabulary of the tokens in data: the most frequent first, of equally frequent ones the last in
        alphabetical order first; as many as `max_tokens` allows.

        Args:
            data: an array, a list, or an iterable of batches such as a data set; of batches that are tuples, the first
                part. Each row is a document, which counts for tf_idf.
            steps: how many batches are read, by default all.

        Raises:
            ValueError: the vocabulary was given to the constructor, or there are no data.
        """
        self.reset_state()
        for batch in batches(data, self.vocabulary_dtype, f"{self._where()}: adapt", steps):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets what `update_state` counted."""
        self._counts = Counts(by_document=self.output_mode == "tf_idf")

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch; one dimension is one document."""
        array = convert_to_tensor(data).numpy()
        keys = self._keys(array)
        width = max(array.shape[-1] if array.ndim else 1, 1)
        self.count(keys[i : i + width] for i in range(0, len(keys), width))

    def count(self, rows: Iterable[list[Any]]) -> None:
        """Counts tokens, given as keys of the table, by document."""
        if self._fixed:
            raise ValueError(
                f"{self._where()}: adapt has nothing to do where `vocabulary` was given; leave that out to find one"
            )
        self._counts.add(rows)

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted."""
        if self._fixed:
            return
        specials = [self._key(token) for token in (self.mask_token, self.oov_token) if token is not None]
        limit = None if self.max_tokens is None else self.max_tokens - len(self._specials)
        keys = self._counts.ranked(specials, limit)
        weights = None
        if self.output_mode == "tf_idf":
            weights = self._padded(self._counts.inverse_frequencies(keys).astype(config.floatx()))
        self._replace([self._from_key(key) for key in keys], weights)
        self.reset_state()

    # -------------------------------------------------------------------------------------------- calling

    @property
    def input_dtype(self) -> str:
        """The dtype of the inputs."""
        return "int64" if self.invert else self.vocabulary_dtype

    @property
    def output_dtype(self) -> str:
        """The dtype of numbers and vectors: the layer's own where it can hold them."""
        wanted = self.dtype_policy.compute_dtype
        if self.output_mode == "int":
            return wanted if dtypes.is_integer(wanted) else "int64"
        return wanted if wanted not in ("string", "bool") else config.floatx()

    @property
    def depth(self) -> int:
        """The length of the vectors."""
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        if self.vocabulary is None and self._declared_size is not None:
            return self._declared_size
        self._table()
        return self.vocabulary_size()

    def _table(self) -> Vocabulary:
        if self.vocabulary is None:
            raise ValueError(f"{self._where()} has no vocabulary yet; call adapt(data), or give `vocabulary`")
        return self.vocabulary

    def found_dtype(self, dtype: str) -> str:
        """The dtype of what is found for inputs of a dtype."""
        if self.input_dtype == "string" and dtype != "string":
            raise ValueError(f"{self._where()} takes strings, got {dtype}; use IntegerLookup, or Input(dtype='string')")
        if self.input_dtype != "string" and not (dtypes.is_integer(dtype) or dtype == "bool"):
            raise ValueError(f"{self._where()} takes integers, got {dtype}; cast them")
        if self.invert:
            return self.vocabulary_dtype
        return self.output_dtype if self.output_mode == "int" else "int64"

    def found(self, x: Array) -> Array:
        """The numbers of the elements of an array, or with `invert` the tokens of numbers."""
        dtype = self.found_dtype(dtypes.standardize(x.dtype))
        self._table()
        if self.invert:
            vocabulary = self.get_vocabulary()
            found = [vocabulary[i] if 0 <= i < len(vocabulary) else self.oov_token for i in x.ravel().tolist()]
        else:
            found = self.numbers(self._keys(x))
        array = np.empty(len(found), dtypes.numpy_dtype(dtype))
        array[:] = found
        return array.reshape(x.shape)

    def numbers(self, keys: list[Any]) -> list[int]:
        """The numbers of tokens that are given as keys of the table."""
        get = self._table().numbers.get
        start = 1 if self.mask_token is not None and self.output_mode == "int" else 0
        default = start if self.num_oov_indices == 1 else _UNKNOWN
        found = [get(key, default) for key in keys]
        if self.num_oov_indices == 1 or _UNKNOWN not in found:
            return found
        pairs = list(zip(keys, found, strict=True))
        if not self.num_oov_indices:
            unknown = list(dict.fromkeys(self._from_key(key) for key, number in pairs if number == _UNKNOWN))
            raise ValueError(
                f"{self._where()} met {unknown[:10]!r}, which the vocabulary does not have; add what is missing, or "
                f"use num_oov_indices=1"
            )
        return [start + self._bin(key) if number == _UNKNOWN else number for key, number in pairs]

    def _bin(self, key: Any) -> int:
        """Which of the numbers of unknown values a key has."""
        if not isinstance(key, bytes) and self.oov_method == "floormod":
            return int(key % self.num_oov_indices)
        text = key if isinstance(key, bytes) else str(key).encode()
        return (farmhash64(text) if self.salt is None else siphash64(text, self.salt)) % self.num_oov_indices

    def call(self, inputs: Any) -> Tensor:
        found: Any = _lookup(inputs, layer=self)
        if self.output_mode == "int":
            return found  # type: ignore[no-any-return]
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return self.weighted(encode(found, mode, self.depth, self.output_dtype))

    def weighted(self, counts: Any) -> Tensor:
        """Counts of tokens, times the weights of tf_idf where that is the mode."""
        if self.output_mode != "tf_idf":
            return counts  # type: ignore[no-any-return]
        weights = np.zeros(self.depth) if self.idf_weights is None else self.idf_weights
        return counts * convert_to_tensor(weights, self.output_dtype)  # type: ignore[no-any-return]

    # -------------------------------------------------------------------------------------------- saving

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values; a vocabulary that was no list is saved beside them."""
        return {
            **self._base_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": False,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": self.vocabulary_dtype,
            "idf_weights": self.input_idf_weights,
            "vocabulary": self.input_vocabulary,
            "vocabulary_size": self._declared_size if self.vocabulary is None else self.vocabulary_size(),
            "oov_method": self.oov_method,
            "salt": None if self.salt is None else list(self.salt),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer of a config, which may hold a vocabulary but name no file."""
        words.refuse_paths(cls.__name__, config)
        return super().from_config(config)

    def get_build_config(self) -> dict[str, Any]:
        """Nothing: the layer is built from the start."""
        return {}

    def save_own_variables(self, store: Any) -> None:
        if self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf" and "idf_weights" in store:
            weights = np.asarray(store["idf_weights"], config.floatx())
            if self.vocabulary is not None and weights.shape != (self.depth,):
                raise ValueError(
                    f"{self._where()}: the file's tf_idf weights have shape {weights.shape}, expected {(self.depth,)}"
                )
            self.idf_weights = weights

    def save_own_assets(self) -> dict[str, bytes]:
        """The vocabulary as a file, where it is not in the config."""
        if self.input_vocabulary is not None or self.vocabulary is None:
            return {}
        return {words.FILE: words.to_file(self.get_vocabulary(), self._where("vocabulary"))}

    def load_own_assets(self, files: Mapping[str, bytes]) -> None:
        """Sets the vocabulary from a file that `save_own_assets` made.

        Raises:
            ValueError: it is no vocabulary, or does not fit the config or the weights of tf_idf.
        """
        if self.input_vocabulary is not None or words.FILE not in files:
            return
        given = [self._token(line) for line in words.from_file(files[words.FILE], self._declared_size)]
        tokens = words.tokens_of(given, self._specials, self._reserved, self._where("vocabulary"))
        words.refuse_repetitions(tokens, self._where("vocabulary"))
        self._replace(tokens, None)
        if self.output_mode == "tf_idf" and (self.idf_weights is None or self.idf_weights.shape != (self.depth,)):
            raise ValueError(
                f"{self._where()}: the weights of tf_idf do not fit the {self.depth} tokens of its vocabulary"
            )


def key_of(salt: Any, where: str) -> tuple[int, int] | None:
    """The key of SipHash that one or two integers stand for."""
    if salt is None:
        return None
    parts = (salt, salt) if isinstance(salt, (int, np.integer)) else salt
    integers = isinstance(parts, (list, tuple)) and all(isinstance(n, (int, np.integer)) for n in parts)
    if not integers or len(parts) != 2:
        raise ValueError(f"{where}: expected an integer or two, got {salt!r}")
    return int(parts[0]), int(parts[1])
