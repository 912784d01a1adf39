"""Files that tf.keras 2.15 wrote (fixtures/make_tf_keras.py) are read with equal outputs and states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import tree
from pronghorn.saving import ModelFileError, load_model, model_from_json

FOLDER = Path(__file__).parent / "fixtures"
ARRAYS = np.load(FOLDER / "tf_keras.npz")
FILES = sorted(
    path.name
    for path in FOLDER.glob("*.*")
    if path.suffix in (".h5", ".keras") and not set(path.stem.split("_")) & {"3", "weights"}
)


def error(model: Any, name: str, arrays: Any = ARRAYS) -> float:
    """The largest difference from the outputs of tf.keras."""
    inputs, outputs = ([arrays[key] for key in arrays.files if key.startswith(f"{name}/{kind}")] for kind in "xy")
    found = tree.flatten(model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0))
    return max(float(np.abs(a - b).max()) for a, b in zip(found, outputs, strict=True))


@pytest.mark.filterwarnings("ignore:Layer 'flatten':UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_outputs_are_those_of_tf_keras(name: str) -> None:
    assert error(load_model(FOLDER / name), name.partition(".")[0]) < 1e-6


def test_json_and_weights_in_two_files() -> None:
    model = model_from_json((FOLDER / "mlp.json").read_text())
    model.load_weights(FOLDER / "mlp_weights.h5")
    assert error(model, "mlp") < 1e-6
    with pytest.raises(ModelFileError, match="it holds weights and no model"):
        load_model(FOLDER / "mlp_weights.h5")


@pytest.mark.parametrize("name", ["mlp.h5", "mlp.keras"])
def test_training_goes_on_as_it_was_compiled(name: str) -> None:
    model = load_model(FOLDER / name)
    assert model.loss.label_smoothing == 0.1
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    assert int(model.optimizer.iterations) == 2
    slots = np.concatenate([v.numpy().ravel() for v in model.optimizer.variables[2:]])
    np.testing.assert_array_equal(slots, ARRAYS["mlp/slots"][-slots.size :])
    model.evaluate(np.ones((4, 3), "float32"), np.eye(3, dtype="float32")[[0, 1, 2, 0]], verbose=0)
    assert [metric.name for metric in model.metrics] == ["loss", "compile_metrics"]


def test_slots_of_the_older_optimizers_are_sorted_by_slot_and_decay_is_a_schedule() -> None:
    model = load_model(FOLDER / "legacy_adam.h5")
    assert int(model.optimizer.iterations) == 3
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01 / (1 + 0.1 * 3))
    momentums, velocities = model.optimizer._momentums, model.optimizer._velocities
    slots = np.concatenate([v.numpy().ravel() for v in (*momentums, *velocities)])
    np.testing.assert_array_equal(slots, ARRAYS["legacy_adam/slots"])


def test_the_archive_of_2_13_counts_layers_with_weights_twice() -> None:
    arrays, model = np.load(FOLDER / "tf_2_13" / "tf_keras.npz"), load_model(FOLDER / "tf_2_13" / "mlp.keras")
    assert error(model, "mlp", arrays) < 1e-6
    assert int(model.optimizer.iterations) == 2
    other = model_from_json((FOLDER / "mlp.json").read_text())
    other.load_weights(FOLDER / "tf_2_13" / "mlp.keras")
    assert error(other, "mlp", arrays) < 1e-6


def test_without_compile_nothing_is_compiled() -> None:
    assert load_model(FOLDER / "mlp.h5", compile=False).optimizer is None
    assert load_model(FOLDER / "mlp.keras", compile=False).optimizer is None


def test_the_name_of_a_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes((FOLDER / "graph.h5").read_bytes())
    (tmp_path / "model.h5").write_bytes((FOLDER / "graph.keras").read_bytes())
    for name in ("model", "model.h5"):
        assert error(load_model(tmp_path / name), "graph") < 1e-6


@pytest.mark.filterwarnings("ignore:Layer 'flatten':UserWarning")
def test_hard_sigmoid_is_that_of_keras_2() -> None:
    model = load_model(FOLDER / "recurrent.h5")
    assert model.get_layer("bidirectional").forward_layer.get_config()["recurrent_activation"] == "keras2_hard_sigmoid"


def test_weights_by_name_and_those_that_do_not_fit() -> None:
    model = model_from_json((FOLDER / "mlp.json").read_text().replace('"dense_1"', '"other"'))
    before = [w.copy() for w in model.get_layer("other").get_weights()]
    model.load_weights(FOLDER / "mlp_weights.h5", by_name=True)
    np.testing.assert_array_equal(
        model.get_layer("dense").kernel.numpy(), load_model(FOLDER / "mlp.h5").layers[0].kernel
    )
    for a, b in zip(before, model.get_layer("other").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

    wider = model_from_json((FOLDER / "mlp.json").read_text().replace('"units": 3', '"units": 5'))
    with pytest.raises(ModelFileError, match=r"dense_1 +\(4, 3\) \(3,\) +\(4, 5\) \(5,\)"):
        wider.load_weights(FOLDER / "mlp_weights.h5")
    with pytest.warns(UserWarning, match="do not fit"):
        wider.load_weights(FOLDER / "mlp_weights.h5", skip_mismatch=True)
    np.testing.assert_array_equal(wider.layers[0].kernel.numpy(), model.layers[0].kernel.numpy())
