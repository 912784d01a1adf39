"""TextVectorization: texts as the numbers of their words."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from pronghorn.arguments import as_integer
from pronghorn.graph import Spec
from pronghorn.host import HostOp
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_layers.index_lookup import MODES
from pronghorn_layers.lookup import StringLookup
from pronghorn_layers.preprocessing import encode
from pronghorn_layers.strings import Array, AssetLayer, as_bytes, as_strings, batches
from pronghorn_layers.vocabulary import refuse_paths

_LOWER = bytes.maketrans(string.ascii_uppercase.encode(), string.ascii_lowercase.encode())
_PUNCTUATION = string.punctuation.encode()
_STANDARDS: dict[Any, tuple[bytes | None, bytes]] = {
    None: (None, b""),
    "lower": (_LOWER, b""),
    "strip_punctuation": (None, _PUNCTUATION),
    "lower_and_strip_punctuation": (_LOWER, _PUNCTUATION),
}
"""What `standardize` may be: a table of bytes that become others, and bytes that are left out. Like TensorFlow's, they
are about ASCII letters only."""

_vectorize = HostOp("text_vectorization", lambda x, layer: layer.vectorized(x), lambda x, layer: layer.vector_spec(x))


class TextVectorization(AssetLayer):
    """Texts as the numbers of their words in a vocabulary, or as vectors of counts.

    Each text is standardized, split into words, and these are joined to n-grams and looked up: 0 is padding, 1 an
    unknown word. Inputs have the shape (batch,) or (batch, 1); where `split` is None their last axis has the words.

    Args:
        max_tokens: the largest size of the vocabulary, with padding and the unknown word; None for any.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation" (of ASCII letters and signs), None, or
            a function of a NumPy array of str that returns a string for each.
        split: "whitespace", "character", None for texts that are words, or a function of an array of str that returns
            the words of each.
        ngrams: n for all n-grams of up to n words, a list for those of these lengths, None for words.
        output_mode: "int" for int64 numbers; else vectors as long as the vocabulary: "multi_hot", "count" or "tf_idf"
            for each text, "one_hot" for each word.
        output_sequence_length: how many numbers a text becomes, for "int": it is cut, or padded with zeros. Without
            it, as many as the longest in the batch has; a model then makes a new plan for each length.
        pad_to_max_tokens: whether vectors have `max_tokens` places, however long the vocabulary is.
        vocabulary: words as a list or array, or the path of a text file with one in each line. Without it, `adapt`
            finds one.
        idf_weights: for "tf_idf", where `vocabulary` is given: the inverse document frequency of each.
        sparse, ragged: not supported.
        encoding: of texts that are bytes, and of the file.
        name: as of every layer.
        dtype: of the vectors, floatx by default; an integer dtype is that of the numbers.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.output_mode = self._mode(output_mode, MODES)
        if not callable(standardize) and standardize not in _STANDARDS:
            names = ", ".join(map(repr, _STANDARDS))
            raise ValueError(f"{self._where('standardize')}: must be a function or one of {names}, got {standardize!r}")
        if not callable(split) and split not in (None, "whitespace", "character"):
            allowed = "a function, 'whitespace', 'character' or None"
            raise ValueError(f"{self._where('split')}: must be {allowed}, got {split!r}")
        if ragged:
            raise NotImplementedError(f"{self._where('ragged')}: ragged tensors are not supported; use ragged=False")
        if output_sequence_length is not None:
            if self.output_mode != "int":
                where = self._where("output_sequence_length")
                raise ValueError(f"{where}: is for output_mode='int', got {self.output_mode!r}; leave it out")
            output_sequence_length = as_integer(output_sequence_length, self._where("output_sequence_length"))
        self.standardize = standardize
        self.split = split
        self.ngrams = ngrams
        self._widths = _widths(ngrams, self._where("ngrams"))
        self.output_sequence_length = output_sequence_length
        self.encoding = encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=self.output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            encoding=encoding,
            vocabulary_size=vocabulary_size,
            has_input_vocabulary=has_input_vocabulary,
            dtype=self.dtype_policy,
        )
        # Its vectors are in the models that this layer is in, and keep their length there.
        object.__setattr__(self._lookup_layer, "inbound_nodes", self.inbound_nodes)

    def build(self, input_shape: Any = None) -> None:
        """Does nothing: the vocabulary is all there is."""

    # -------------------------------------------------------------------------------------------- the vocabulary

    @property
    def has_input_vocabulary(self) -> bool:
        """Whether the vocabulary was given to the constructor, so that there is nothing to find in data."""
        return self._lookup_layer.has_input_vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their numbers.

        Args:
            include_special_tokens: whether "" for padding and "[UNK]" are there, so that each word is at the index
                that is its number.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of words, with padding and the unknown word."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replaces the vocabulary; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes a vocabulary of the words in data: the most frequent first, of equally frequent ones the last in
        alphabetical order first; as many as `max_tokens` allows.

        Args:
            data: texts as an array or list, or an iterable of batches such as a data set; of batches that are tuples,
                the first part.
            batch_size: how many texts of an array are read at a time, by default all.
            steps: how many batches are read, by default all.

        Raises:
            ValueError: the vocabulary was given to the constructor, or there are no data.
        """
        self.reset_state()
        for batch in batches(data, "string", f"{self._where()}: adapt", steps, batch_size):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets what `update_state` counted."""
        self._lookup_layer.reset_state()

    def update_state(self, data: Any) -> None:
        """Counts the words of a batch."""
        self._lookup_layer.count(self.words(convert_to_tensor(data).numpy()))

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    # -------------------------------------------------------------------------------------------- calling

    @property
    def input_dtype(self) -> str:
        """The dtype of the inputs."""
        return "string"

    def words(self, texts: Array) -> list[list[bytes]]:
        """The words, or n-grams, of each text, as UTF-8."""
        if callable(self.standardize):
            given = as_strings(as_bytes(texts, self.encoding)).reshape(texts.shape)
            texts = as_strings(self._applied(self.standardize, given, "standardize"))
            if texts.size != given.size:
                raise ValueError(
                    f"{self._where('standardize')}: the function made {texts.size} strings of {given.size} texts; it "
                    f"must return a string for each"
                )
            texts = texts.reshape(given.shape)
        flat = as_bytes(texts, self.encoding)
        if not callable(self.standardize) and self.standardize is not None:
            table, left_out = _STANDARDS[self.standardize]
            flat = [text.translate(table, left_out) for text in flat]
        if self.split == "whitespace":
            rows = [text.split() for text in flat]
        elif self.split == "character":
            rows = [[character.encode() for character in text.decode(errors="replace")] for text in flat]
        elif self.split is None:
            width = texts.shape[-1] if texts.ndim else 1
            rows = [flat[i : i + width] for i in range(0, len(flat), max(width, 1))]
        else:
            found = self._applied(self.split, as_strings(flat), "split")
            rows = [[as_bytes(np.asarray(word, object), "utf-8")[0] for word in row] for row in found]
            if len(rows) != len(flat):
                raise ValueError(
                    f"{self._where('split')}: the function returned {len(rows)} lists of words for {len(flat)} texts"
                )
        return rows if self._widths is None else [_ngrams(row, self._widths) for row in rows]

    def _applied(self, function: Any, texts: Array, argument: str) -> Any:
        """What a function makes of texts, as the fixed-width strings on which np.char works."""
        result = function(texts.astype(str))
        return result.numpy() if isinstance(result, Tensor) else result

    def _leading(self, shape: Sequence[Any]) -> tuple[Any, ...]:
        """The shape of the texts in inputs of a shape."""
        shape = tuple(shape)
        if self.split is None:
            return shape[:-1]
        if len(shape) > 1:
            if shape[-1] != 1:
                raise ValueError(
                    f"{self._where()}: texts that are split must have the shape (batch,) or (batch, 1), got {shape}; "
                    f"give it one column of the array, or use split=None for words"
                )
            return shape[:-1]
        return shape

    def vector_spec(self, x: Any) -> Spec:
        """Shape and dtype of the numbers or counts of inputs."""
        if x.dtype != "string":
            raise ValueError(
                f"{self._where()} takes strings, got {x.dtype}; give it texts, or use Input(dtype='string')"
            )
        if self.output_mode in ("int", "one_hot"):
            length = self.output_sequence_length
            if length is None and self.split is None and self._widths is None:
                length = x.shape[-1] if x.shape else 1
            return Spec((*self._leading(x.shape), length), self._lookup_layer.found_dtype("string"))
        return Spec((*self._leading(x.shape), self._lookup_layer.depth), self._lookup_layer.output_dtype)

    def vectorized(self, x: Array) -> Array:
        """The numbers of the words of texts, padded with what stands for no word; or how often each word occurs."""
        spec = self.vector_spec(convert_to_tensor(x))
        length = self.output_sequence_length
        rows = [self._lookup_layer.numbers(row[:length]) for row in self.words(x)]
        if self.output_mode in ("int", "one_hot"):
            length = max(map(len, rows), default=0) if length is None else length
            found = np.full((len(rows), length), 0 if self.output_mode == "int" else -1, spec.dtype)
            for i, row in enumerate(rows):
                found[i, : len(row)] = row
            return found.reshape(*spec.shape[:-1], length)  # type: ignore[arg-type]
        depth = self._lookup_layer.depth
        counts = np.zeros((len(rows), depth), spec.dtype)
        for count, row in zip(counts, rows, strict=True):
            count += np.bincount(np.array([n for n in row if n >= 0], "int64"), minlength=depth).astype(spec.dtype)
        found = np.minimum(counts, 1) if self.output_mode == "multi_hot" else counts
        return found.reshape(spec.shape)

    def call(self, inputs: Any) -> Tensor:
        found: Any = _vectorize(inputs, layer=self)
        if self.output_mode == "int":
            return found  # type: ignore[no-any-return]
        lookup = self._lookup_layer
        if self.output_mode == "one_hot":
            return encode(found, "one_hot", lookup.depth, lookup.output_dtype)
        return lookup.weighted(found)

    # -------------------------------------------------------------------------------------------- saving

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values; a vocabulary that was no list is saved beside them."""
        inner = self._lookup_layer.get_config()
        arguments = self._argument_config(*self._base_config(), "vocabulary", "vocabulary_size", "has_input_vocabulary")
        arguments |= {
            key: inner[key] for key in ("max_tokens", "pad_to_max_tokens", "sparse", "vocabulary", "idf_weights")
        }
        return {**self._base_config(), **arguments, "vocabulary_size": inner["vocabulary_size"]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer of a config, which may hold a vocabulary but name no file."""
        refuse_paths(cls.__name__, config)
        return super().from_config(config)

    def save_own_variables(self, store: Any) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)

    def save_own_assets(self) -> dict[str, bytes]:
        """The vocabulary as a file, where it is not in the config."""
        return self._lookup_layer.save_own_assets()

    def load_own_assets(self, files: Mapping[str, bytes]) -> None:
        """Sets the vocabulary from a file that `save_own_assets` made."""
        self._lookup_layer.load_own_assets(files)


def _widths(ngrams: Any, where: str) -> tuple[int, ...] | None:
    if ngrams is None:
        return None
    if isinstance(ngrams, (list, tuple)):
        return tuple(as_integer(n, where) for n in ngrams)
    return tuple(range(1, as_integer(ngrams, where) + 1))


def _ngrams(words: list[bytes], widths: tuple[int, ...]) -> list[bytes]:
    """Neighbouring words joined by spaces: all of the first width, then of the second …"""
    return [b" ".join(words[i : i + n]) for n in widths for i in range(len(words) - n + 1)]
