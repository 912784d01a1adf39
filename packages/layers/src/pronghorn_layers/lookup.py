"""StringLookup and IntegerLookup: categories as numbers by their place in a vocabulary, and back."""

from __future__ import annotations

from typing import Any

from pronghorn import dtypes
from pronghorn_layers.index_lookup import IndexLookup
from pronghorn_layers.strings import Array, as_bytes


class StringLookup(IndexLookup):
    """Strings as numbers by their place in a vocabulary, or as vectors; with `invert`, numbers as strings.

    Args:
        max_tokens: the largest size of the vocabulary, with the tokens for masked and unknown values; None for any.
        num_oov_indices: how many numbers there are for unknown strings, which are divided among them by FarmHash64;
            with 0 an unknown string is an error.
        mask_token: the string that has the number 0, or that vectors do not count; None for none.
        oov_token: the string that unknown numbers become with `invert`.
        vocabulary: strings as a list or array, or the path of a text file with one in each line. Without it,
            `adapt` finds one.
        idf_weights: for "tf_idf", where `vocabulary` is given: the inverse document frequency of each.
        invert: whether numbers become strings.
        output_mode: "int" for int64 numbers; else vectors as long as the vocabulary: "one_hot" for each string (in
            place of a last axis of size 1), "multi_hot", "count" and "tf_idf" for the last axis together.
        pad_to_max_tokens: whether vectors have `max_tokens` places, however long the vocabulary is.
        sparse: not supported.
        encoding: of inputs that are bytes, and of the file.
        name: as of every layer.
        salt: one or two integers: unknown strings are divided by SipHash64 with this key.
        dtype: of the vectors, floatx by default; an integer dtype is that of the numbers.
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ) -> None:
        b"".decode(encoding)
        self.encoding = encoding
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            pad_to_max_tokens,
            sparse,
            kwargs.pop("oov_method", "floormod"),
            salt,
            name,
            **kwargs,
        )

    def _key(self, token: str) -> bytes:
        return token.encode()

    def _from_key(self, key: bytes) -> str:
        return key.decode(errors="replace")

    def _keys(self, x: Array) -> list[Any]:
        return as_bytes(x, self.encoding)

    def _token(self, value: Any) -> str:
        if isinstance(value, bytes):
            return value.decode(self.encoding)
        if not isinstance(value, str):
            raise ValueError(
                f"{self._where('vocabulary')}: expected strings, got {value!r}; use IntegerLookup for integers"
            )
        return str(value)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"encoding": self.encoding}
        del config["vocabulary_dtype"]
        return config


class IntegerLookup(IndexLookup):
    """Integers as numbers by their place in a vocabulary, or as vectors; with `invert`, numbers as these integers.

    Args:
        max_tokens, vocabulary, idf_weights, invert, output_mode, pad_to_max_tokens, sparse, name, dtype: as of
            `StringLookup`.
        num_oov_indices: how many numbers there are for unknown integers; with 0 an unknown integer is an error.
        mask_token: the integer that has the number 0, or that vectors do not count; None for none.
        oov_token: the integer that unknown numbers become with `invert`; it never gets into a vocabulary by `adapt`.
        vocabulary_dtype: only "int64".
        oov_method: "floormod" divides unknown integers by their remainder, "farmhash" by FarmHash64 of their digits.
        salt: for "farmhash", one or two integers: SipHash64 with this key in its place.
    """

    vocabulary_dtype = "int64"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if dtypes.standardize(vocabulary_dtype) != "int64":
            raise ValueError(
                f"IntegerLookup: argument `vocabulary_dtype` can only be 'int64', got {vocabulary_dtype!r}"
            )
        if salt is not None and oov_method != "farmhash":
            raise ValueError(f"IntegerLookup: argument `salt` needs oov_method='farmhash', got {oov_method!r}")
        super().__init__(
            max_tokens,
            num_oov_indices,
            None if mask_token is None else int(mask_token),
            None if oov_token is None else int(oov_token),
            vocabulary,
            idf_weights,
            invert,
            output_mode,
            pad_to_max_tokens,
            sparse,
            oov_method,
            salt,
            name,
            **kwargs,
        )

    def _keys(self, x: Array) -> list[Any]:
        return x.ravel().astype("int64").tolist()

    def _token(self, value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = None
        if number is None or (not isinstance(value, (str, bytes)) and number != value):
            raise ValueError(
                f"{self._where('vocabulary')}: expected integers, got {value!r}; use StringLookup for strings"
            )
        return number
