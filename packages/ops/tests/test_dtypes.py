"""Result dtypes are Keras's (fixtures/dtypes.json, by make_dtypes.py), for one operand, pairs and Python numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.dtypes import numpy_dtype, result_type
from pronghorn.tensor import Tensor

TABLE = json.loads((Path(__file__).with_name("fixtures") / "dtypes.json").read_text())
DTYPES: list[str] = TABLE["dtypes"]
SCALARS: dict[str, Any] = {"True": True, "2": 2, "2.0": 2.0}
try:
    numpy_dtype("bfloat16")
    HAVE = set(DTYPES)
except ImportError:
    HAVE = set(DTYPES) - {"bfloat16"}


def named(letter: str) -> str | None:
    return None if letter == "-" else DTYPES[ord(letter) - ord("a")]


def ones(dtype: str) -> Tensor:
    return Tensor((3, 3), dtype, np.ones((3, 3), numpy_dtype(dtype)))


def called(name: str, *operands: Any) -> str:
    op = getattr(ops, name)
    if name == "where":
        return op(np.ones((3, 3), bool), *operands).dtype  # type: ignore[no-any-return]
    if name == "tensordot":
        return op(*operands, axes=1).dtype  # type: ignore[no-any-return]
    return (op("ij,jk->ik", *operands) if name == "einsum" else op(*operands)).dtype  # type: ignore[no-any-return]


def _needs_64_bits(d: str, e: str) -> bool:
    """Whether the common dtype is one that Keras does not have on JAX."""
    return e in HAVE and result_type(d, e).endswith("64")


@pytest.mark.parametrize("name", TABLE["unary"])
def test_one_operand(name: str) -> None:
    wanted = {d: named(letter) for d, letter in zip(DTYPES, TABLE["unary"][name], strict=True)}
    found = {d: called(name, ones(d)) for d in DTYPES if d in HAVE and wanted[d]}
    assert found == {d: wanted[d] for d in found}


@pytest.mark.parametrize("name", TABLE["binary"])
def test_pairs(name: str) -> None:
    wrong = {}
    weak = name in ("arctan2", "logaddexp")  # there Keras takes a Python number for a float32
    known = {("float16", "2.0"), ("bfloat16", "2.0")} if weak else set()
    for d, row in zip(DTYPES, TABLE["binary"][name], strict=True):
        for e, letter in zip([*DTYPES, *SCALARS], row, strict=True):
            wanted = named(letter)
            if (
                d in HAVE
                and (e in HAVE or e in SCALARS)
                and wanted
                and not _needs_64_bits(d, e)
                and (d, e) not in known
            ):
                found = called(name, ones(d), SCALARS[e] if e in SCALARS else ones(e))
                if found != wanted:
                    wrong[d, e] = (found, wanted)
    assert wrong == {}
