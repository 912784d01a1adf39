"""A fused scalar program: what elementwise fusion makes of several nodes, and what device code is generated from.

It is plain data, so that it can be hashed, printed and turned into NumPy, vector IR or CUDA source.
"""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """One scalar operation: `expression` over `parameters`, applied to the values with the ids `arguments`."""

    name: str
    expression: str
    parameters: tuple[str, ...]
    arguments: tuple[int, ...]
    dtype: str


class Body(NamedTuple):
    """Scalar values: ids 0..n-1 are the inputs (their dtypes in `inputs`), n, n+1, … the results of `steps`.

    `outputs` are the ids of the values that are written.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def dtype(self, value: int) -> str:
        """The dtype of the value with the id `value`."""
        count = len(self.inputs)
        return self.inputs[value] if value < count else self.steps[value - count].dtype

    def __str__(self) -> str:
        return " ".join(step.name for step in self.steps)
