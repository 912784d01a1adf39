"""Keras's older names lead to the helpers."""

from __future__ import annotations

import pytest

import pronghorn as keras
from pronghorn import plugins


@pytest.mark.parametrize("module", ["", "image", "sequence", "text"])
def test_every_name_that_is_shown_is_registered_or_known(module):
    shown = getattr(keras.preprocessing, module) if module else keras.preprocessing
    own = plugins._own_names("utils")["pronghorn-utils"]
    assert set(dir(shown)) <= own
    for name in set(dir(shown)) & plugins.references("utils").keys():
        assert getattr(shown, name) is plugins.load("utils", name)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(AttributeError, match="Tokenizer, text_to_word_sequence"):
        keras.preprocessing.text.Tokeniser  # noqa: B018
