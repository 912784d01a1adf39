"""Rows of the elementwise table that work on the bits of integers."""

from __future__ import annotations

from functools import partial

from pronghorn.op import elementwise

_binary = partial(elementwise, names=("x", "y"))

bitwise_and = _binary("bitwise_and", "bit_and(x, y)")
bitwise_or = _binary("bitwise_or", "bit_or(x, y)")
bitwise_xor = _binary("bitwise_xor", "bit_xor(x, y)")
bitwise_not = bitwise_invert = elementwise("bitwise_not", "bit_not(x)")
bitwise_left_shift = left_shift = _binary("bitwise_left_shift", "shift_left(x, y)", operands="number")
bitwise_right_shift = right_shift = _binary("bitwise_right_shift", "shift_right(x, y)", operands="number")
