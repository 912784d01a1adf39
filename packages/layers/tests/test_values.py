"""The numbers are Keras's (fixtures/keras.npz, which fixtures/make.py wrote with real Keras)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import activations, constraints, initializers, layers, ops, regularizers
from pronghorn.layer import get_mask, set_mask
from pronghorn.tensor import convert_to_tensor

KERAS = dict(np.load(Path(__file__).with_name("fixtures") / "keras.npz"))
X, WEIGHT, A, B = (KERAS[name] for name in ("x", "weight", "a", "b"))
MASKS = ([[True, False, True], [True, True, False]], [[True, True, False], [False, True, False]])
OPTIONS: dict[str, dict[str, Any]] = {
    "celu:2": {"alpha": 2.0},
    "elu:2": {"alpha": 2.0},
    "gelu:2": {"approximate": True},
    "leaky_relu:2": {"negative_slope": 0.4},
    "relu:2": {"negative_slope": 0.1, "max_value": 3.0, "threshold": 0.5},
    "relu:3": {"negative_slope": 0.1},
    "threshold:2": {"threshold": 0.5, "default_value": -2.0},
    "L1": {"l1": 0.1},
    "L2": {"l2": 0.1},
    "L1L2": {"l1": 0.1, "l2": 0.2},
    "OrthogonalRegularizer": {"factor": 0.5},
    "OrthogonalRegularizer:columns": {"factor": 0.5, "mode": "columns"},
    "MaxNorm": {"max_value": 1.0},
    "MaxNorm:axis": {"max_value": 1.0, "axis": 1},
    "MinMaxNorm": {"min_value": 0.5, "max_value": 1.0, "rate": 0.7},
    "Concatenate": {"axis": 1},
    "Dot": {"axes": 2},
    "Dot:axes": {"axes": (1, 1), "normalize": True},
}


def cases(prefix: str) -> Any:
    return pytest.mark.parametrize("case", [key.split("/")[1] for key in KERAS if key.startswith(prefix + "/")])


def made(module: Any, case: str) -> Any:
    return getattr(module, case.split(":")[0])(**OPTIONS.get(case, {}))


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, rtol=2e-5, atol=2e-6)


@cases("activation")
def test_activation(case: str) -> None:
    x = X[1:-2] if case == "glu" else X[1:-1]
    close(getattr(activations, case.split(":")[0])(x, **OPTIONS.get(case, {})), KERAS[f"activation/{case}"])


@cases("regularizer")
def test_regularizer(case: str) -> None:
    close(made(regularizers, case)(WEIGHT), KERAS[f"regularizer/{case}"])


@cases("constraint")
def test_constraint(case: str) -> None:
    close(made(constraints, case)(WEIGHT), KERAS[f"constraint/{case}"])


@cases("merge")
def test_merge(case: str) -> None:
    close(made(layers, case)([A, B]), KERAS[f"merge/{case}"])


@cases("masked")
def test_merge_of_masked_inputs(case: str) -> None:
    inputs = [convert_to_tensor(x * np.array(mask)[..., None]) for x, mask in zip((A, B), MASKS, strict=True)]
    for x, mask in zip(inputs, MASKS, strict=True):
        set_mask(x, convert_to_tensor(mask))
    outputs = made(layers, case)(inputs)
    close(outputs, KERAS[f"masked/{case}"])
    mask = get_mask(outputs)
    assert (mask is None) == (KERAS[f"mask/{case}"].size == 0)
    if mask is not None:
        np.testing.assert_array_equal(mask.numpy(), KERAS[f"mask/{case}"])


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(2, activation="softmax"),
        layers.EinsumDense("abc,cd->abd", (None, 2), activation="relu"),
        layers.Conv1D(2, 1, activation="relu"),
    ],
)
def test_an_activation_taken_away_is_none(layer: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    layer(x)
    layer.activation = None
    without = layer(x).numpy()
    layer.activation = activations.linear
    np.testing.assert_array_equal(without, layer(x).numpy())


def test_dense_and_its_losses() -> None:
    dense = layers.Dense(3, activation="tanh", activity_regularizer="l2", kernel_regularizer="l1")
    dense.build(A.shape)
    dense.kernel.assign(KERAS["dense/kernel"])
    close(dense(A), KERAS["dense/outputs"])
    close([float(loss) for loss in dense.losses], KERAS["dense/losses"])


def test_softmax_with_a_mask() -> None:
    close(layers.Softmax()(X[1:-1], mask=X[1:-1] < 2), KERAS["softmax/masked"])


def test_softmax_of_a_row_that_is_masked_everywhere_is_no_nan() -> None:
    close(layers.Softmax()([[1.0, 2.0]], mask=np.array([[False, False]])), [[0.0, 0.0]])


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("prelu", lambda: layers.PReLU(initializers.Constant(0.3), shared_axes=[1])),
        ("flatten", lambda: layers.Flatten(data_format="channels_first")),
        ("permute", lambda: layers.Permute((2, 1))),
        ("reshape", lambda: layers.Reshape((-1, 2))),
    ],
)
def test_layer(name: str, layer: Any) -> None:
    close(layer()(A), KERAS[name])


def test_dropout_keeps_the_mean_and_drops_the_rate() -> None:
    x = np.ones((100, 200), "float32")
    y = layers.Dropout(0.3, seed=7)(x, training=True).numpy()
    assert abs((y == 0).mean() - 0.3) < 0.02
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert layers.Dropout(0.3)(x).numpy() is not None


def test_dropout_draws_anew_at_each_call_and_the_same_from_a_seed() -> None:
    x = np.ones((8, 8), "float32")
    first, second = layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=1)
    one, two = first(x, training=True).numpy(), first(x, training=True).numpy()
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, second(x, training=True).numpy())


def test_spatial_dropout_drops_whole_channels() -> None:
    y = layers.SpatialDropout1D(0.5, seed=3)(np.ones((4, 6, 8), "float32"), training=True).numpy()
    assert np.all((y == 0).all(axis=1) | (y == 2).all(axis=1))
    assert 0 < (y == 0).mean() < 1


def test_noise() -> None:
    x = np.ones((200, 50), "float32")
    added = layers.GaussianNoise(0.5, seed=1)(x, training=True).numpy()
    assert abs(added.mean() - 1) < 0.03 and abs(added.std() - 0.5) < 0.03
    multiplied = layers.GaussianDropout(0.2, seed=1)(3 * x, training=True).numpy()
    assert abs(multiplied.mean() - 3) < 0.1 and abs(multiplied.std() - 1.5) < 0.1


SHAPE = (300, 200)


@pytest.mark.parametrize(
    ("name", "stddev", "limit"),
    [
        ("glorot_uniform", (2 / 500) ** 0.5, (6 / 500) ** 0.5),
        ("glorot_normal", (2 / 500) ** 0.5, 2.28 * (2 / 500) ** 0.5),
        ("he_uniform", (2 / 300) ** 0.5, (6 / 300) ** 0.5),
        ("he_normal", (2 / 300) ** 0.5, 2.28 * (2 / 300) ** 0.5),
        ("lecun_uniform", (1 / 300) ** 0.5, (3 / 300) ** 0.5),
        ("lecun_normal", (1 / 300) ** 0.5, 2.28 * (1 / 300) ** 0.5),
        ("random_normal", 0.05, 1.0),
        ("truncated_normal", 0.05 * 0.8796, 0.1),
        ("random_uniform", 0.05 / 3**0.5, 0.05),
    ],
)
def test_initializer(name: str, stddev: float, limit: float) -> None:
    initializer = initializers.get(name)
    value = initializer(SHAPE).numpy()
    assert value.dtype == "float32"
    assert abs(value.mean()) < 0.05 * stddev * 3
    assert abs(value.std() / stddev - 1) < 0.03
    assert np.abs(value).max() <= limit * (1 + 1e-6)
    np.testing.assert_array_equal(initializer(SHAPE).numpy(), value)  # a seed is fixed at construction
    again = type(initializer)(seed=5)
    assert again.get_config()["seed"] == 5
    np.testing.assert_array_equal(again.clone()((3, 3)).numpy(), again((3, 3)).numpy())


def test_a_seed_generator_advances() -> None:
    from pronghorn.random import SeedGenerator

    initializer = initializers.RandomNormal(seed=SeedGenerator(1))
    assert not np.array_equal(initializer((3,)).numpy(), initializer((3,)).numpy())


def test_orthogonal_identity_and_constant() -> None:
    q = initializers.Orthogonal(gain=2.0, seed=1)((2, 3, 4)).numpy().reshape(6, 4)
    np.testing.assert_allclose(q.T @ q, 4 * np.eye(4), atol=1e-5)
    np.testing.assert_array_equal(initializers.Identity(3.0)((2, 3)).numpy(), 3 * np.eye(2, 3))
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2)).numpy(), [[1, 2]] * 3)
    with pytest.raises(ValueError, match=r"Identity: makes matrices only, got the shape \(3,\)"):
        initializers.Identity()((3,))


def test_masking_marks_steps_and_zeroes_them() -> None:
    y = layers.Masking(mask_value=9.0)(np.array([[[9, 9], [9, 1], [0, 0]]], "float32"))
    np.testing.assert_array_equal(y.numpy(), [[[0, 0], [9, 1], [0, 0]]])
    mask = get_mask(y)
    assert mask is not None
    np.testing.assert_array_equal(mask.numpy(), [[False, True, True]])


def test_merging_functions() -> None:
    close(layers.add([A, B]), A + B)
    close(layers.concatenate([A, B], axis=-1), np.concatenate([A, B], -1))
    close(ops.sum(layers.dot([A, B], axes=2)), KERAS["merge/Dot"].sum())
