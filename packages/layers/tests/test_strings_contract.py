"""Every layer of strings and categories does what every layer must."""

from __future__ import annotations

from typing import Any

from pronghorn import layers
from pronghorn.layer import Layer
from pronghorn.testing import LayerContract

WORDS = ["a", "b", "c"]


class TestStringLookup(LayerContract):
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        return layers.StringLookup(vocabulary=WORDS, num_oov_indices=2, **options)


class TestStringLookupAsVectors(LayerContract):
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        weights = {"idf_weights": [0.5, 0.25, 1.0], "output_mode": "tf_idf"}
        return layers.StringLookup(vocabulary=WORDS, mask_token="d", **weights, **options)


class TestIntegerLookupBack(LayerContract):
    input_dtype = "int64"
    ids = 6

    def make(self, **options: Any) -> Layer:
        return layers.IntegerLookup(vocabulary=[1, 3, 5], mask_token=0, invert=True, **options)


class TestIntegerLookup(LayerContract):
    input_dtype = "int64"
    ids = 9

    def make(self, **options: Any) -> Layer:
        return layers.IntegerLookup(vocabulary=[1, 3, 5], output_mode="multi_hot", **options)


class TestTextVectorization(LayerContract):
    input_shape = (4, 1)
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        return layers.TextVectorization(vocabulary=WORDS, output_sequence_length=3, **options)


class TestTextVectorizationOfAnyLength(LayerContract):
    input_shape = (4,)
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        return layers.TextVectorization(vocabulary=WORDS, ngrams=2, **options)


class TestTextVectorizationAsVectors(LayerContract):
    input_shape = (4, 1)
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        return layers.TextVectorization(vocabulary=WORDS, output_mode="count", split="character", **options)


class TestHashing(LayerContract):
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        return layers.Hashing(7, **{**options, "dtype": None})


class TestHashingAsVectors(LayerContract):
    input_dtype = "int64"

    def make(self, **options: Any) -> Layer:
        return layers.Hashing(7, salt=3, output_mode="multi_hot", **options)


class TestHashedCrossing(LayerContract):
    input_shape = [(4, 1), (4, 1)]
    input_dtype = "string"

    def make(self, **options: Any) -> Layer:
        return layers.HashedCrossing(11, output_mode="one_hot", **options)
