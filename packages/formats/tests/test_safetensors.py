"""`.safetensors`: weights out and in, also by the package itself; hostile files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pronghorn import layers
from pronghorn.functional import Input
from pronghorn.model import Model
from pronghorn.saving import ModelFileError, load_model
from pronghorn.sequential import Sequential

safetensors = pytest.importorskip("safetensors.numpy")


def stack(units: int = 2, prefix: str = "") -> Model:
    names = [prefix + name for name in ("first", "norm", "last")]
    first, norm, last = (
        layers.Dense(4, name=names[0]),
        layers.BatchNormalization(name=names[1]),
        layers.Dense(units, name=names[2]),
    )
    return Sequential([Input((3,)), first, norm, last], name="stack")


def test_round_trip_and_the_file_of_the_package_itself(tmp_path: Path) -> None:
    model, other = stack(), stack()
    model.save_weights(tmp_path / "w.safetensors")
    arrays = safetensors.load_file(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(arrays["stack/first/kernel"], model.layers[0].kernel.numpy())
    other.load_weights(tmp_path / "w.safetensors")
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_layers_of_other_names_take_them_in_their_order(tmp_path: Path) -> None:
    model, other = stack(), stack(prefix="other_")
    model.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(model.layers[2].kernel.numpy(), other.layers[2].kernel.numpy())


def test_what_does_not_fit_is_told_in_a_table(tmp_path: Path) -> None:
    stack(5).save_weights(tmp_path / "w.safetensors")
    model = stack()
    before = model.get_weights()
    with pytest.raises(ModelFileError, match=r"last/kernel +the file has \(4, 5\), the model wants \(4, 2\)"):
        model.load_weights(tmp_path / "w.safetensors")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.warns(UserWarning, match="do not fit"):
        model.load_weights(tmp_path / "w.safetensors", skip_mismatch=True)
    with pytest.raises(ModelFileError, match="has no load_model, only load_weights, save_weights"):
        load_model(tmp_path / "w.safetensors")


@pytest.mark.parametrize("change", ["cut", "header", "shape", "offsets"])
def test_damaged_files_are_refused(change: str, tmp_path: Path) -> None:
    stack().save_weights(tmp_path / "w.safetensors")
    data = (tmp_path / "w.safetensors").read_bytes()
    changed = {
        "cut": data[:-8],
        "header": data[:9] + b"\xff" * 20 + data[29:],
        "shape": data.replace(b'"shape":[3,4]', b'"shape":[3,9]'),
        "offsets": data.replace(b'"data_offsets":[0,', b'"data_offsets":[9,'),
    }[change]
    assert changed != data
    (tmp_path / "w.safetensors").write_bytes(changed)
    with pytest.raises(ModelFileError, match="cannot be read"):
        stack().load_weights(tmp_path / "w.safetensors")


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        stack().save_weights(tmp_path / "w.safetensors")
