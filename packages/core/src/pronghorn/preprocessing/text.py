"""Keras 2's numbering of words: `from pronghorn.preprocessing.text import Tokenizer`."""

from __future__ import annotations

from pronghorn.preprocessing.selection import selection

__getattr__, __dir__ = selection(__name__, "Tokenizer text_to_word_sequence")
