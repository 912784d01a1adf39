"""The arena: memory for the values between instructions, shared by all programs because they take turns."""

from __future__ import annotations

from functools import cache

from pronghorn_gpu.device import device
from pronghorn_gpu.heap import Piece


class Arena:
    """One piece of the heap, replaced by a larger one when a program needs that."""

    def __init__(self) -> None:
        self._piece: Piece | None = None

    def require(self, nbytes: int) -> Piece:
        """The piece, of at least so many bytes; programs written for another one must be written again.

        Raises:
            DeviceMemoryError: there is not enough.
        """
        piece = self._piece
        if piece is None or piece.nbytes < nbytes:
            self._piece = None  # what it holds is dead between programs
            del piece
            self._piece = piece = device().allocate(nbytes, "a program")
        return piece


@cache
def arena() -> Arena:
    """The arena of this process."""
    return Arena()
