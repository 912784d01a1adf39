"""Sequences: `from pronghorn.preprocessing.sequence import pad_sequences`."""

from __future__ import annotations

from pronghorn.preprocessing.selection import selection

__getattr__, __dir__ = selection(__name__, "pad_sequences")
