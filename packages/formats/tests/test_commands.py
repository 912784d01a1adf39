"""`python -m pronghorn summary`, `convert` and `verify`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from pronghorn.__main__ import main
from pronghorn.saving import load_model

FOLDER = Path(__file__).parent / "fixtures"


def test_summary_of_a_model_of_its_json_and_of_weights(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("mlp.h5", "mlp.keras", "mlp.json"):
        main(["summary", str(FOLDER / name)])
        assert "Trainable params: 39" in capsys.readouterr().out
    main(["summary", str(FOLDER / "mlp_weights.h5")])
    assert "dense: dense/kernel:0  (3, 4)  float32" in capsys.readouterr().out


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_convert(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / f"m{ending}"
    main(["convert", str(FOLDER / "mlp.h5"), str(target)])
    assert "read back: the same weights and outputs" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="add --force"):
        main(["convert", str(FOLDER / "mlp.h5"), str(target)])
    if ending != ".weights.h5":
        assert int(load_model(target).optimizer.iterations) == 2
    main(["verify", str(target), *(["--model", str(FOLDER / "mlp.json")] if ending == ".weights.h5" else [])])
    assert "nothing is wrong" in capsys.readouterr().out


def test_convert_weights_with_their_model(tmp_path: Path) -> None:
    source, target = str(FOLDER / "mlp_weights.h5"), str(tmp_path / "m.keras")
    with pytest.raises(SystemExit, match="has weights and no model; add --model FILE"):
        main(["convert", source, target])
    main(["convert", source, target, "--model", str(FOLDER / "mlp.json")])
    kernel = load_model(target).layers[0].kernel.numpy()
    np.testing.assert_array_equal(kernel, load_model(FOLDER / "mlp.h5").layers[0].kernel.numpy())


def test_verify_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def copy(name: str) -> Path:
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
        return tmp_path / name

    with h5py.File(copy("mlp.h5"), "a") as file:
        file["model_weights/dense/dense/kernel:0"][0, 0] = np.nan
    with pytest.raises(SystemExit, match=r"NaN or infinite: dense/kernel \(1\)|NaN or infinite: .*kernel \(1\)"):
        main(["verify", str(tmp_path / "mlp.h5")])
    with h5py.File(copy("mlp.h5"), "a") as file:
        del file["model_weights/dense/dense/kernel:0"]
    with pytest.raises(SystemExit, match="lists an array 'dense/kernel:0' that it does not have"):
        main(["verify", str(tmp_path / "mlp.h5")])
    load_model(FOLDER / "mlp.h5").save(tmp_path / "ours.h5")
    with h5py.File(tmp_path / "ours.h5", "a") as file:
        file["model_weights/dense/sequential/dense/kernel"][0, 0] += 1
    with pytest.raises(SystemExit, match="it is damaged: its arrays are not those that were saved"):
        main(["verify", str(tmp_path / "ours.h5")])
    (tmp_path / "cut.keras").write_bytes((FOLDER / "mlp.keras").read_bytes()[:5000])
    with pytest.raises(SystemExit, match=r"cut\.keras' cannot be read"):
        main(["verify", str(tmp_path / "cut.keras")])
    main(["verify", str(FOLDER / "mlp_weights.h5")])
    assert "add --model FILE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("summary none.h5", "argument file: there is no file 'none.h5'"),
        ("verify .", "argument file: '.' is a folder"),
        ("verify MODEL --model none.json", "argument --model: there is no file 'none.json'"),
        ("convert none.h5 o.keras", "argument source: there is no file 'none.h5'"),
        ("convert MODEL none/o.keras", "argument target: 'none/o.keras' cannot be written: there is no folder 'none'"),
    ],
)
def test_files_and_folders_that_are_not_there(
    arguments: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([str(FOLDER / "mlp.h5") if word == "MODEL" else word for word in arguments.split()])
    assert capsys.readouterr().err.endswith(f"{sentence}\n")


def test_an_unknown_command_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["transmogrify"])
    printed = capsys.readouterr().err
    assert all(name in printed for name in ("convert", "summary", "verify"))
