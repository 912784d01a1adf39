"""Every op of the table at once, in a program and in a model graph with an unknown batch size: one result."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import Input, accelerator, ops, plugins, random, tree
from pronghorn.program import jit
from pronghorn.tensor import Tensor

sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("pronghorn_ops")

from op_calls import CALLS, INPUTS, call, names_in  # noqa: E402

NAMES = sorted(name for name, arguments in CALLS.items() if arguments is not None)
EAGER = {"convert_to_numpy", "nonzero", "unique"}
"""Their result's size, or type, depends on values."""
ANSWERS = {"dtype", "is_tensor", "ndim", "shape", "size"}
"""Their result is no tensor."""
KNOWN_SIZES = set(
    "ctc_decode ctc_loss image.scale_and_translate segment_max segment_min segment_prod segment_sum".split()
)
"""Their calls have constants of the batch's size."""
CLOSURES = {"cond", "jvp", "unstack"}
"""Functions that read symbols from outside, derivatives, and a number of results that the batch size would say."""
OF_THE_ENGINE = {"gather", "rint", "scatter_rows"}


@pytest.fixture(autouse=True)
def on_numpy() -> Iterator[None]:
    before = accelerator._current
    accelerator._current = accelerator._reference
    yield
    accelerator._current = before


def arrays(result: Any) -> list[Any]:
    return [x.numpy() if isinstance(x, Tensor) else np.asarray(x) for x in tree.flatten(result)]


def test_the_table_has_every_op() -> None:
    ours = {name for name, reference in plugins.references("ops").items() if reference.dist == "pronghorn-ops"} - {
        "linalg",
        "nn",
        "numpy",
        "image",
    }
    ours |= {f"image.{name}" for name, value in vars(ops.image).items() if callable(value) and name[0] != "_"}
    own = {name for name in dir(ops) if callable(getattr(ops, name)) and name[0] != "_"}
    known = {name.removeprefix("random.") for name in CALLS} | {*CALLS}
    assert {*ours, *own} - known == OF_THE_ENGINE
    assert all(hasattr(random, name.removeprefix("random.")) for name in CALLS if name.startswith("random."))


@pytest.mark.parametrize("name", NAMES)
def test_a_program_gives_what_is_computed_at_once(name: str) -> None:
    if name in EAGER | ANSWERS:
        return
    given = {key: ops.convert_to_tensor(INPUTS[key]) for key in names_in(name)}
    once = call(name, **given)
    traced = jit(lambda **symbols: call(name, **symbols))(**given)
    for a, b in zip(arrays(once), arrays(traced), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_in_a_model_graph(name: str) -> None:
    """All inputs get an unknown first size; what is known of the result must be so in the values."""
    used = names_in(name)
    if name in EAGER | ANSWERS | CLOSURES or not used:
        return
    expected = arrays(call(name, **{key: ops.convert_to_tensor(INPUTS[key]) for key in used}))
    first = [None if key not in "vw" and name not in KNOWN_SIZES else INPUTS[key].shape[0] for key in used]
    symbols = {
        key: Input(batch_shape=(n, *INPUTS[key].shape[1:]), dtype=INPUTS[key].dtype.name)
        for key, n in zip(used, first, strict=True)
    }
    found = [t for t in tree.flatten(call(name, **symbols)) if isinstance(t, Tensor)]
    assert len(found) == len(expected)
    for t, value in zip(found, expected, strict=True):
        assert t.dtype == ("bool" if value.dtype == bool else value.dtype.name)
        assert len(t.shape) == value.ndim
        assert all(n is None or n == m for n, m in zip(t.shape, value.shape, strict=True)), (t.shape, value.shape)


def test_what_a_model_graph_cannot_know() -> None:
    x = Input((3, 4))
    with pytest.raises(ValueError, match=r"inputs of a model have no derivatives yet; call jvp in the call\(\)"):
        ops.jvp(ops.sin, (x,), (x,))
    assert ops.diagonal(x, axis1=0, axis2=1).shape == (4, None)
    assert ops.diagonal(x, axis1=1, axis2=2).shape == (None, 3)
    assert [t.shape for t in ops.unstack(x, 5)] == [(3, 4)] * 5
    with pytest.raises(ValueError, match="say with `num`"):
        ops.unstack(x)


AXES = ("axis", "axis1", "axis2", "axisa", "axes")


@pytest.mark.parametrize("name", [name for name in NAMES if "." not in name])
def test_axes_that_do_not_exist_are_named(name: str) -> None:
    """Each op with such an argument, with all its other arguments as in the table."""
    from inspect import signature

    op = getattr(ops, name)
    parameters = [p for p in AXES if p in signature(op).parameters]
    given = {key: ops.convert_to_tensor(INPUTS[key]) for key in names_in(name)}
    for parameter in parameters:
        for wrong in (9, -9):

            def spoilt(*args: Any, p: str = parameter, w: int = wrong, **kwargs: Any) -> Any:
                bound = signature(op).bind_partial(*args, **kwargs)
                bound.arguments[p] = w
                return op(**bound.arguments) if p not in ("axes",) else op(*args[: 1 + (name == "tensordot")], axes=w)

            with pytest.raises(ValueError, match=f"{name}|out of range|axes"):
                call(name, op=spoilt, **given)
