"""The tile kernel with tiles such as a card has, several and parts of them; the other suites have small ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn.ops.attributes import Windows
from pronghorn.ops.linear import product
from pronghorn.program import Program
from pronghorn_ops.primitives import convolution as c

pytestmark = pytest.mark.gpu


@pytest.fixture(params=((64, 8, 8), (16, 4, 8)), ids=lambda t: f"{t[0]}x{t[1]}x{t[2]}")
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two groups of rows for a thread, or one; as in the largest and the next of a card's tiles."""
    from pronghorn_gpu import library, tiles

    monkeypatch.setattr(library, "blas", lambda: None)
    monkeypatch.setattr(library, "dnn", lambda: None)
    monkeypatch.setattr(tiles, "TILES", (tiles.Tile(*request.param),))
    monkeypatch.setattr(tiles, "PART", 8)
    return tiles.TILES[0]


@pytest.mark.parametrize("transposed", (False, True))
def test_products(tile: Any, transposed: bool) -> None:
    side = tile.side
    rng = np.random.default_rng(0)
    attrs = {"transpose_a": transposed, "transpose_b": transposed}
    for rows, inner, columns in ((side + 3, 11, side + 1), (side, 8, side), (2, 21, 3)):
        a, b = (rng.normal(size=s).astype("float32") for s in ((rows, inner), (inner, columns)))
        a, b = (a.T.copy(), b.T.copy()) if transposed else (a, b)
        got = Program(lambda a, b: product(a, b, **attrs))(a, b).numpy()
        np.testing.assert_allclose(got, product.reference(a, b, **attrs), rtol=1e-5, atol=1e-5)


def test_convolutions(tile: Any) -> None:
    rng = np.random.default_rng(1)
    windows = Windows((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2))
    attrs: dict[str, Any] = {"windows": windows, "groups": 2}
    x, kernel = rng.normal(size=(2, 6, 5, 4)).astype("float32"), rng.normal(size=(3, 2, 2, 6)).astype("float32")
    dy = rng.normal(size=(2, *windows.count((6, 5)), 6)).astype("float32")
    for op, operands, more in (
        (c.convolution, (x, kernel), {}),
        (c.convolution_input_gradient, (dy, kernel), {"sizes": (6, 5)}),
        (c.convolution_kernel_gradient, (x, dy), {}),
    ):
        got = Program(lambda a, b, op=op, more=more: op(a, b, **attrs, **more))(*operands).numpy()
        np.testing.assert_allclose(got, op.reference(*operands, **attrs, **more), rtol=1e-5, atol=1e-5)


def test_tiles_of_wide_numbers_are_smaller() -> None:
    from pronghorn_gpu import tiles

    real = (tiles.Tile(128, 8, 8), tiles.Tile(64, 4, 16), tiles.Tile(32, 2, 16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILES", real)
        patch.setattr(tiles, "ENOUGH_TILES", 264)
        patch.setattr(tiles, "PART", 512)
        assert tiles.choose("float32", 4096, 4096, 4096, 1) == (real[0], 1, 4096)
        assert tiles.choose("float64", 4096, 4096, 4096, 1)[0] == real[1]
        assert tiles.choose("float32", 1024, 1024, 64, 1) == (real[2], 1, 64)
        assert tiles.choose("float32", 128, 256, 60000, 1) == (real[2], 8, 7504)
