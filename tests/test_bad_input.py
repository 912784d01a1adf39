"""Bad input is refused in one sentence: what and which argument, what came and what was expected, what to change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import config, ops
from pronghorn.naming import reset_names

QUIET: dict[str, Any] = {"verbose": 0}
layers: Any = keras.layers  # what is passed here is wrong on purpose
optimizers: Any = keras.optimizers
CLASSES = np.arange(10) % 3
X = np.random.default_rng(0).normal(size=(10, 8)).astype(np.float32)
Y = np.eye(3, dtype=np.float32)[CLASSES]
Case = Callable[[], object]


@pytest.fixture(autouse=True)
def fresh_names(settings_are_put_back: None) -> Iterator[None]:
    reset_names()
    yield


def model(**options: Any) -> keras.Sequential:
    """A compiled classifier of 8 features and 3 classes."""
    made = keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, activation="relu"), layers.Dense(3, activation="softmax")]
    )
    made.compile(**{"loss": "categorical_crossentropy", "optimizer": "sgd", "metrics": ["accuracy"]} | options)
    return made


def uncompiled() -> keras.Sequential:
    return keras.Sequential([keras.Input((8,)), layers.Dense(3)])


def fit(x: Any = X, y: Any = Y, loss: Any = "categorical_crossentropy", **options: Any) -> object:
    return model(loss=loss).fit(x, y, **QUIET, **options)


def expect(case: Case, message: str, kind: type[Exception] = ValueError) -> None:
    """`case` raises `kind` with exactly this message."""
    with pytest.raises(kind) as caught:
        case()
    assert re.sub(r"\s+", " ", str(caught.value)) == message


WRONG_FEATURES = (
    'Input 0 of layer "dense" (Dense) is incompatible with the layer: expected axis -1 of input shape to have '
    "value 8, but received input with shape (10, 5); give it inputs of size 8 there, or make a new layer for inputs of "
    "size 5"
)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_wrong_features(method: str) -> None:
    expect(lambda: getattr(model(), method)(X[:, :5], Y), WRONG_FEATURES)


def test_the_message_goes_with_the_layers_it_came_through() -> None:
    with pytest.raises(ValueError) as caught:
        model().predict(X[:, :5], **QUIET)
    assert caught.value.__notes__ == [
        "in layer 'dense' (Dense), called on (10, 5) float32",
        "in layer 'sequential' (Sequential), called on (10, 5) float32",
    ]


SHAPE = "Model 'sequential': the input 'input_layer' has the shape (None, 8), got an array of shape {}; "
RESHAPE = "reshape the data, or change the shape of Input"


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[:, None], SHAPE.format("(10, 1, 8)") + RESHAPE),
        (X[0], SHAPE.format("(8,)") + RESHAPE),
        (
            X.astype(str),
            "Model 'sequential': the input 'input_layer' takes float32, got string of shape (10, 8); "
            "convert the data, or give Input(…, dtype='string')",
        ),
        (
            X + 1j,
            "Model 'sequential': the input 'input_layer' takes float32, got complex64 of shape (10, 8); "
            "convert the data, or give Input(…, dtype='complex64')",
        ),
        (np.full((10, 8), None), "x: expected numbers, got an array of NoneType objects"),
        (X.astype("datetime64[s]"), "x: expected numbers, got datetime64[s]; convert it with x.astype('int64')"),
        (X[:0], "x has no rows (shape (0, 8)); pass at least one sample"),
        (None, "x: expected an array, a generator or a data set, got None"),
        (7, "x: expected an array with one row per sample, got the scalar 7"),
        (
            [X, X],
            "Model 'sequential' has the 1 inputs ['input_layer'], it was given 2; "
            "pass a list in this order, or a dict with these keys",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_predict_cannot_take(x: Any, message: str) -> None:
    expect(lambda: model().predict(x, **QUIET), message)


NAN = "y holds NaN, first in row 4, which makes the loss NaN; drop or fill in these rows"
SPARSE = "for class indices use the sparse loss, or make them one-hot with utils.to_categorical"


def with_nan() -> Any:
    y = Y.copy()
    y[4, 1] = np.nan
    return y


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (lambda: fit(y=with_nan()), NAN),
        (lambda: fit(x=iter([(X, with_nan())]), y=None), NAN),
        (lambda: model().evaluate(X, with_nan(), **QUIET), NAN),
        (lambda: model().train_on_batch(X, with_nan()), NAN),
        (lambda: fit(validation_data=(X, with_nan())), f"validation_data: {NAN}"),
        (
            lambda: fit(y=Y[:9]),
            "x has 10 rows and y has 9 (shapes (10, 8) and (9, 3)); they need one row per sample each: "
            "pass arrays of equal length",
        ),
        (
            lambda: fit(sample_weight=np.ones(4)),
            "x has 10 rows and sample_weight has 4 (shapes (10, 8) and (4,)); they need one row per sample each: "
            "pass arrays of equal length",
        ),
        (
            lambda: fit(validation_data=(X, Y[:3])),
            "validation_data: x has 10 rows and y has 3 (shapes (10, 8) and (3, 3)); they need one row per sample "
            "each: pass arrays of equal length",
        ),
        (
            lambda: fit(y=None),
            "the model was compiled with a loss, but there are no targets: pass y, or (x, y) batches",
        ),
        (
            lambda: fit(y=CLASSES),
            "categorical_crossentropy: the targets have shape (10,) and the predictions (10, 3), which must be equal; "
            + SPARSE,
        ),
        (
            lambda: fit(y=np.eye(5)[CLASSES]),
            "categorical_crossentropy: the targets have shape (10, 5) and the predictions (10, 3), which must be "
            "equal; give the output layer 5 unit(s), or the targets 3 column(s)",
        ),
        (
            lambda: fit(loss="sparse_categorical_crossentropy"),
            "sparse_categorical_crossentropy: `target` of shape (10, 3) must have the shape of `output` without "
            "classes, (10,); for one-hot labels use categorical_crossentropy",
        ),
        (
            lambda: fit(y=np.ones((10, 1)), loss="mse"),
            "mean_squared_error: the targets have shape (10, 1) and the predictions (10, 3), which must be equal; "
            "give the output layer 1 unit(s), or the targets 3 column(s)",
        ),
        (
            lambda: fit(y=np.ones(10), loss="mae"),
            "mean_absolute_error: the targets have shape (10,) and the predictions (10, 3), which must be equal; "
            "reshape the targets to the predictions' shape (10, 3)",
        ),
    ],
)
def test_targets_that_do_not_fit(case: Case, message: str) -> None:
    expect(case, message)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (lambda: fit(batch_size=0), "batch_size: expected a whole number of at least 1, got 0"),
        (lambda: fit(batch_size=2.5), "batch_size: expected a whole number of at least 1, got 2.5"),
        (lambda: fit(epochs="3"), "epochs: expected a whole number of at least 0, got '3'"),
        (lambda: fit(validation_split=1.5), "validation_split: expected a fraction between 0 and 1, got 1.5"),
        (
            lambda: fit(class_weight={5: 1.0}),
            "class_weight: expected class number -> weight, got 5: 1.0; classes are 0 to 2",
        ),
        (
            lambda: fit(class_weight=[1, 2, 3]),
            "class_weight: expected a dict of class number -> weight such as {0: 1.0, 1: 5.0}, got [1, 2, 3]",
        ),
        (lambda: fit(shuffle="rows"), "shuffle: expected True, False or 'batch', got 'rows'"),
        (
            lambda: fit(x=iter([(X, Y, Y, Y)]), y=None),
            "a batch must be (x,), (x, y) or (x, y, sample_weight), got a tuple of 4 items; "
            "put several inputs in a list: ([x1, x2], y)",
        ),
        (lambda: fit(x=iter([]), y=None), "x: the generator gave no batch; it is empty or used up"),
        (
            lambda: fit(x=iter([(X, Y)])),
            "y: must not be passed where x is a list_iterator; let that yield (x, y, sample_weight)",
        ),
    ],
)
def test_arguments_of_fit(case: Case, message: str) -> None:
    expect(case, message)


@pytest.mark.parametrize(
    ("case", "name", "kind", "guess"),
    [
        (
            lambda: model(loss="categorical_crosentropy"),
            "categorical_crosentropy",
            "losses",
            "'categorical_crossentropy'",
        ),
        (lambda: model(optimizer="admm"), "admm", "optimizers", "'Adam'"),
        (lambda: model(metrics=["acuracy"]), "acuracy", "metrics", "'Accuracy'"),
        (lambda: layers.Dense(3, activation="rellu"), "rellu", "activations", "'relu'"),
        (lambda: layers.Dense(3, kernel_initializer="he_norml"), "he_norml", "initializers", "'he_normal'"),
        (lambda: layers.Dense(3, bias_regularizer="l11"), "l11", "regularizers", "'l1'"),
        (lambda: layers.Dense(3, kernel_constraint="max_nrom"), "max_nrom", "constraints", "'max_norm'"),
    ],
)
def test_unknown_names_come_with_close_ones(case: Case, name: str, kind: str, guess: str) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"no installed distribution has {name!r} among its {kind}; did you")
    ) as e:
        case()
    assert guess in str(e.value)


def test_unknown_members_come_with_close_ones() -> None:
    expect(
        lambda: layers.Dence,
        "no installed distribution has 'Dence' among its layers; did you mean 'Dense'?",
        AttributeError,
    )


@pytest.mark.parametrize(
    ("case", "message", "kind"),
    [
        (
            lambda: layers.Dense(2.5),
            "layer 'dense' (Dense): argument `units`: expected a whole number of at least 1, got 2.5",
            ValueError,
        ),
        (
            lambda: layers.Dense(None),
            "layer 'dense' (Dense): argument `units`: expected a whole number of at least 1, got None",
            ValueError,
        ),
        (lambda: layers.Dropout(1.5), "layer 'dropout' (Dropout): `rate` must be in [0, 1], got 1.5", ValueError),
        (
            lambda: layers.Dense(3, activaton="relu"),
            "layer 'dense': unknown arguments ['activaton']; see its signature",
            TypeError,
        ),
        (
            lambda: keras.Input((-1,)),
            "Input: shape (-1,): expected a whole number of at least 0, got -1",
            ValueError,
        ),
        (
            lambda: keras.Input("8"),
            "Input: shape: expected whole numbers such as (28, 28), or None for unknown sizes, got '8'",
            ValueError,
        ),
        (
            lambda: keras.Sequential(["dense"]),
            "Sequential 'sequential': add() takes layers, got 'dense' of type str",
            ValueError,
        ),
        (
            lambda: optimizers.SGD(lr=0.1),
            "SGD: unknown arguments ['lr']; instead of lr use learning_rate",
            ValueError,
        ),
        (
            lambda: optimizers.SGD("fast"),
            "SGD: argument `learning_rate` must be a number, a LearningRateSchedule or a function without arguments, "
            "got 'fast'",
            ValueError,
        ),
    ],
)
def test_arguments_of_constructors(case: Case, message: str, kind: type[Exception]) -> None:
    expect(case, message, kind)


@pytest.mark.parametrize("given", [{"loss": {"nose": "mse"}}, {"loss": "mse", "metrics": {"nose": "mae"}}])
def test_names_that_the_only_output_has_not(given: dict[str, Any]) -> None:
    one = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, name="mouth")])
    one.compile("sgd", **given)
    what = "metrics" if "metrics" in given else "loss"
    expect(lambda: one.fit(X, Y, **QUIET), f"{what} has the key 'nose', but the model has 1 output (mouth)")


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_compile_is_missing(method: str) -> None:
    message = f"{method}: model 'sequential' is not compiled; call compile(optimizer, loss) before it"
    expect(lambda: getattr(uncompiled(), method)(X, Y), message)


def test_the_loss_or_the_optimizer_is_missing() -> None:
    without_loss, without_optimizer = uncompiled(), uncompiled()
    without_loss.compile("sgd")
    without_optimizer.compile(None, "mse")
    expect(
        lambda: without_loss.fit(X, Y, **QUIET),
        "model 'sequential' has no loss: pass one to compile(loss=…), or call add_loss in a layer",
    )
    expect(
        lambda: without_optimizer.fit(X, Y, **QUIET),
        "fit: model 'sequential_1' was compiled with optimizer=None; pass 'adam', say",
    )
    assert without_optimizer.evaluate(X, Y, **QUIET) > 0


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            lambda: layers.Dense(3)(X[0]),
            'Input 0 of layer "dense" (Dense) is incompatible with the layer: expected min_ndim=2, found ndim=1, '
            "but received input with shape (8,); add the missing dimension, for example by ops.expand_dims(x, -1)",
        ),
        (
            lambda: layers.Dense(3)(keras.Input(())),
            'Input 0 of layer "dense" (Dense) is incompatible with the layer: expected min_ndim=2, found ndim=1, '
            "but received input with shape (None,) (from input_layer (None,)); "
            "add the missing dimension, for example by ops.expand_dims(x, -1)",
        ),
        (
            lambda: layers.Dense(3)("text"),
            "layer 'dense': inputs must be tensors, got 'text' of type str; "
            "call the layer on the output of another one or on an array",
        ),
        (
            lambda: layers.Reshape((3, 5))(keras.Input((8,))),
            "layer 'reshape' (Reshape): samples of shape (8,) have 8 elements, which do not fit into the target_shape "
            "(3, 5); make the products of the two equal",
        ),
        (
            lambda: layers.Add()([keras.Input((8,)), keras.Input((7,))]),
            "add: the operands' shapes (None, 8) and (None, 7) do not broadcast; reshape one of them",
        ),
        (
            lambda: layers.Concatenate()([keras.Input((8, 2)), keras.Input((7, 3))]),
            "layer 'concatenate' (Concatenate): the inputs' shapes must be equal except along axis -1, "
            "got [(None, 8, 2), (None, 7, 3)]",
        ),
        (
            lambda: keras.Model(keras.Input((3,)), layers.Dense(2)(keras.Input((3,)))),
            "Graph disconnected: the outputs depend on the Input 'input_layer_1', which is not among the model's "
            "inputs ['input_layer']; add it to `inputs`",
        ),
    ],
)
def test_layers_called_on_the_wrong_thing(case: Case, message: str) -> None:
    expect(case, message)


# ------------------------------------------------------------------------------------------------ generators and files


def batches(rows: tuple[int, ...]) -> Iterator[Any]:
    """Batches of so many rows; an error where there would be a negative number."""
    for n in rows:
        if n < 0:
            raise OSError("cannot read picture 17")
        yield X[:n], Y[:n]


@pytest.mark.parametrize(
    ("rows", "kind", "message", "note"),
    [
        (
            (2, 2, 0),
            ValueError,
            "x has no rows (shape (0, 8)); pass at least one sample",
            "in batch 2 of this pass",
        ),
        ((2, 2, -1), OSError, "cannot read picture 17", "while reading item 2 of the data set"),
        ((-1,), OSError, "cannot read picture 17", "while reading item 0 of the data set"),
        ((), ValueError, "gave no batch; it is empty or used up", ""),
    ],
)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_generators_that_fail_say_where(
    method: str, rows: tuple[int, ...], kind: type[Exception], message: str, note: str
) -> None:
    with pytest.raises(kind) as caught:
        getattr(model(), method)(batches(rows), **QUIET)
    assert message in str(caught.value)
    assert note in "".join(getattr(caught.value, "__notes__", ()))


@pytest.mark.parametrize(("method", "steps"), [("fit", "steps_per_epoch"), ("evaluate", "steps"), ("predict", "steps")])
def test_a_generator_that_ends_early_is_named(method: str, steps: str) -> None:
    with pytest.warns(UserWarning, match=f"{method}: the iterator ended within the 5 batches that {steps} asks for"):
        getattr(model(), method)(batches((2, 2)), **{steps: 5}, **QUIET)


def test_files_cut_short_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", x=X, y=CLASSES)
    model().save(tmp_path / "whole.keras")
    model().save_weights(tmp_path / "whole.weights.h5")
    for ending in ("npz", "keras", "weights.h5"):
        content = (tmp_path / f"whole.{ending}").read_bytes()
        (tmp_path / f"cut.{ending}").write_bytes(content[: len(content) // 2])
    readers: dict[str, Callable[[str], object]] = {
        "keras": keras.saving.load_model,
        "weights.h5": model().load_weights,
        "npz": keras.datasets.boston_housing.load_data,
    }
    for ending, read in readers.items():
        for name in ("cut", "missing"):
            with pytest.raises((OSError, ValueError), match=rf"{name}\.{ending}"):
                read(str(tmp_path / f"{name}.{ending}"))


# ------------------------------------------------------------------------------------------------ NaN


@pytest.mark.parametrize("accelerator", ["cpu", "numpy"])
def test_a_nan_is_traced_to_layer_and_operation_by_one_switch(accelerator: str) -> None:
    config.set_accelerator(accelerator)
    made = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(4, name="features"),
            layers.Activation(lambda x: ops.log(x - 100.0), name="logarithm"),
            layers.Dense(3, name="scores"),
        ]
    )
    made.compile("sgd", "mse")
    with pytest.warns(
        UserWarning, match=r"the loss is nan in epoch 1; pronghorn.config.set_trace_nans\(True\) before fit names"
    ):
        made.fit(X, Y, **QUIET)
    config.set_trace_nans(True)
    made.set_weights([np.ones(w.shape) for w in made.get_weights()])
    message = (
        "operation 'log' in layer 'sequential/logarithm' made a NaN or infinity of finite inputs of shapes (10, 4); "
        "look at the values that reach it, lower the learning rate, or clip the gradients"
    )
    expect(lambda: made.fit(X, Y, **QUIET), message, FloatingPointError)


def test_a_nan_that_begins_in_a_gradient_names_the_layer_too() -> None:
    config.set_trace_nans(True)
    made = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8, kernel_initializer="zeros"),
            layers.Activation(ops.sqrt, name="root"),
            layers.Dense(3),
        ]
    )
    made.compile("sgd", "mse")
    with pytest.raises(FloatingPointError, match="in layer 'sequential/root' made a NaN or infinity"):
        made.fit(X, Y, **QUIET)
