"""Every argument of losses, metrics, optimizers, schedules, initializers, regularizers and constraints changes what
they do, or says that it is not supported; packages/layers has the same of layers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import ops

rng = np.random.default_rng(0)
SHARES = rng.uniform(0.05, 1, (6, 4)).astype("float32")
SHARES /= SHARES.sum(1, keepdims=True)
LABELS = np.array([3, 1, 2, 1, 0, 2])
ONE_HOT = np.eye(4, dtype="float32")[LABELS]
IMAGES = rng.uniform(0.1, 0.9, (2, 3, 3, 4)).astype("float32")
HITS = (IMAGES > 0.4).astype("float32")
LINE, YES = SHARES[:, 0] * 2, (LABELS > 1).astype("float32")


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return np.asarray(value, "float64").tolist()


PAIRS: dict[str, tuple[Any, Any]] = {
    "CTC": (np.array([[1, 2, 0], [2, 1, 1]]), rng.normal(size=(2, 6, 4)).astype("float32")),
    "SparseCategoricalCrossentropy": (LABELS, SHARES),
    "SparseCategoricalAccuracy": (LABELS, SHARES),
    "SparseTopKCategoricalAccuracy": (LABELS, SHARES),
    "CategoricalGeneralizedCrossEntropy": (LABELS, SHARES),
    "Dice": (HITS, IMAGES),
    "Tversky": (HITS, IMAGES),
    "MeanRelativeError": (LABELS.astype("float32"), LINE * 3),
    "Circle": (LABELS % 2, SHARES),
    "BinaryIoU": (LABELS % 2, np.array([0.2, 0.6, 0.3, 0.9, 0.45, 0.7])),
    **dict.fromkeys(("IoU", "MeanIoU"), (LABELS % 2, np.array([0, 1, 0, 1, 1, 0]))),
}
AREAS = ("AUC", "SensitivityAtSpecificity", "SpecificityAtSensitivity", "PrecisionAtRecall", "RecallAtPrecision")
COUNTS = ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives", "BinaryAccuracy")


def pair(name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and predictions that a loss or metric takes with these options."""
    if {"multi_label", "class_id"} & options.keys() and name in AREAS:
        return ONE_HOT, SHARES
    if not options.get("sparse_y_true", True) or not options.get("sparse_y_pred", True):
        told = [options.get(f"sparse_y_{which}", "OneHot" not in name) for which in ("true", "pred")]
        return tuple(
            LABELS % 2 if sparse else np.eye(2)[LABELS % 2 if k else 0 * LABELS] for k, sparse in enumerate(told)
        )  # type: ignore[return-value]
    if options.get("axis") == 0 and name == "SparseCategoricalCrossentropy":
        return np.array([3, 1, 2, 1]), SHARES
    if options.get("sparse_y_pred") and name.startswith("OneHot"):
        return ONE_HOT, SHARES.argmax(1)
    if name in PAIRS:
        return PAIRS[name]
    if name in (*AREAS, *COUNTS):
        return YES, np.array([0.3, 0.55, 0.4, 0.7, 0.45, 0.8], "float32")
    return ONE_HOT, SHARES


def of_loss(name: str, loss: Any, options: dict[str, Any]) -> Any:
    y, p = pair(name, options)
    found = loss(y, p)
    return [loss.name, str(found.dtype), plain(found)]


def of_metric(name: str, metric: Any, options: dict[str, Any]) -> Any:
    for rows in (slice(0, 4), slice(4, 6)):
        if name == "SparseCategoricalCrossentropy" and options.get("axis") == 0:
            metric.update_state(*pair(name, options))
            continue
        parts = (SHARES,) if name in ("Mean", "Sum") else pair(name, options)
        given = tuple(part[rows] for part in parts)
        metric.update_state(*given)
    return [metric.name, str(metric.dtype), [v.shape for v in metric.variables], plain(metric.result())]


def of_optimizer(name: str, optimizer: Any, options: dict[str, Any]) -> Any:
    matrix = keras.Variable(np.array([[1.0, -2.0], [0.5, 3.0]], "float32"), name="m")
    vector = keras.Variable(np.array([1.0, -2.0], "float32"), name="v")
    seen = [optimizer.name]
    for k in range(4):
        gradients = [[[0.5, -1.0], [2.0, 0.1]], [0.3, -1.0]]
        optimizer.apply([ops.convert_to_tensor(np.array(g, "float32") * (k + 1)) for g in gradients], [matrix, vector])
        scaled = optimizer.scale_loss(ops.convert_to_tensor(2.0))
        seen += [plain(matrix.numpy()), plain(vector.numpy()), plain(scaled)]
    optimizer.finalize_variable_values([matrix, vector])
    return [*seen, plain(matrix.numpy())]


def of_schedule(name: str, schedule: Any, options: dict[str, Any]) -> Any:
    return [plain(schedule(step)) for step in (0, 1, 3, 4, 7, 10, 11, 25)] + [getattr(schedule, "name", None)]


def of_initializer(name: str, initializer: Any, options: dict[str, Any]) -> Any:
    shape = (4, 1, 6) if name == "STFT" else (2, 4, 6) if "axes" in str(options) else (4, 6)
    return plain(initializer(shape))


def of_function(name: str, function: Any, options: dict[str, Any]) -> Any:
    x = ops.convert_to_tensor(rng_of_weights)
    return plain(function(x))


rng_of_weights = np.random.default_rng(4).normal(size=(4, 4)).astype("float32")

KINDS: dict[str, Callable[[str, Any, dict[str, Any]], Any]] = {
    "losses": of_loss, "metrics": of_metric, "optimizers": of_optimizer, "optimizers.schedules": of_schedule,
    "initializers": of_initializer, "regularizers": of_function, "constraints": of_function,
}  # fmt: skip
"""Module -> what can be seen of a thing in it."""

NORMAL = ("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform")
BASES: dict[str, dict[str, Any]] = {
    "AUC": {"num_thresholds": 7},
    "Constant": {"value": 0.5},
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.1},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 4},
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5},
    "PiecewiseConstantDecay": {"boundaries": [3, 7], "values": [1.0, 0.5, 0.1]},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 8, "power": 2.0},
    "L1L2": {"l1": 0.1, "l2": 0.1},
    "IoU": {"num_classes": 2, "target_class_ids": [1]},
    "MeanIoU": {"num_classes": 2},
    "OneHotIoU": {"num_classes": 4, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": 4},
    "MeanRelativeError": {"normalizer": np.array([2.0])},
    "Muon": {"learning_rate": 0.1},
    "SGD": {"momentum": 0.5},
    **{name: {"specificity": 0.5} for name in ("SensitivityAtSpecificity",)},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    **{
        name: {"seed": 1}
        for name in (
            *NORMAL,
            *("Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling"),
        )
    },
}
"""What is needed, or what makes the other arguments count."""

VALUES: dict[str, Any] = {
    "name": "other", "dtype": "float64", "reduction": "sum", "axis": 0, "average": "macro", "threshold": 0.2,
    "clipnorm": 0.1, "clipvalue": 0.1, "global_clipnorm": 0.1, "weight_decay": 0.2, "loss_scale_factor": 4.0,
    "gradient_accumulation_steps": 2, "distribution": "uniform", "mode": "fan_out", "curve": "PR", "seed": 7,
    "summation_method": "minoring", "thresholds": [0.1, 0.5], "class_id": 1, "top_k": 1, "ignore_class": 1, "k": 1,
    "class_aggregation": "variance_weighted_average", "warmup_target": 0.3, "label_smoothing": 0.3, "l1": 0.5,
    "l2": 0.5, "boundaries": [2, 7], "values": [1.0, 0.4, 0.1], "target_class_ids": [0], "num_classes": 5,
    "clip_threshold": 0.01, "caching_device": None, "q": 0.9, "rate": 0.1, "delta": 0.1, "num_regressors": 1,
    "min_value": 0.9, "max_value": 0.1, "gain": 2.0, "beta_1": 0.3, "beta_2": 0.3, "ema_overwrite_frequency": 2,
    "multi_label": True, "num_labels": 4, "label_weights": [1.0, 2.0, 3.0, 4.0], "factor": 0.5, "mean": 1.0,
    "input_axes": [1], "output_axes": [1], "side": "imag", "window": "hamming", "scaling": "spectrum",
}  # fmt: skip
"""Argument -> another value than the default, where that cannot be guessed from it."""

ALSO: dict[Any, dict[str, Any]] = {
    "ema_momentum": {"use_ema": True}, "ema_overwrite_frequency": {"use_ema": True},
    "warmup_target": {"warmup_steps": 3},
    "warmup_steps": {"warmup_target": 0.3}, "num_labels": {"multi_label": True},
    "label_weights": {"multi_label": True, "num_labels": 4}, ("ScheduleFreeAdamW", "warmup_steps"): {},
    ("BinaryFocalCrossentropy", "alpha"): {"apply_class_balancing": True},
    **{(name, "axis"): {"reduction": None} for name in ("BinaryCrossentropy", "BinaryFocalCrossentropy")},
    **{(name, "output_axes"): {"input_axes": [0], "seed": 1} for name in (*NORMAL, "VarianceScaling")},
    **{(name, "input_axes"): {"output_axes": [2], "seed": 1} for name in (*NORMAL, "VarianceScaling")},
}  # fmt: skip
"""Arguments of both, where one has an effect beside another only."""


def other(name: str, argument: str, default: Any) -> Any:
    if argument in VALUES:
        return VALUES[argument]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 2
    if isinstance(default, float):
        return default * 0.5 + 0.1
    raise KeyError(f"{name}.{argument} = {default!r} needs a value")


def walk() -> list[Any]:
    found = []
    for module in KINDS:
        where = keras
        for part in module.split("."):
            where = getattr(where, part)
        for name in sorted(name for name in dir(where) if name[0].isupper()):
            kind = getattr(where, name)
            if inspect.isclass(kind) and kind.__name__ == name and (module, name) not in LEFT_OUT:
                for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
                    if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                        found.append((module, name, parameter.name))
    return found


LEFT_OUT: set[tuple[str, str]] = {
    ("losses", "Loss"), ("metrics", "Metric"), ("metrics", "MeanMetricWrapper"), ("optimizers", "Optimizer"),
    ("optimizers", "LossScaleOptimizer"), ("optimizers", "MultiOptimizer"), ("optimizers", "OptimizerMap"),
    ("initializers", "Initializer"), ("regularizers", "Regularizer"), ("constraints", "Constraint"),
    ("optimizers.schedules", "LearningRateSchedule"), ("initializers", "RandomInitializer"),
}  # fmt: skip
"""Base classes, and what is made of others."""
EXPLAINED: dict[tuple[str, str], str] = {
    **{(name, "reduction"): "all is one number already" for name in ("Dice", "Tversky")},
    ("Muon", "exclude_layers"): "it looks at paths; tested in packages/optimizers",
}
"""What cannot be seen here, and why."""


@pytest.mark.parametrize(("module", "name", "argument"), walk())
def test_no_argument_is_ignored(module: str, name: str, argument: str) -> None:
    where = keras
    for part in module.split("."):
        where = getattr(where, part)
    kind: Any = getattr(where, name)
    if (name, argument) in EXPLAINED:
        return
    default = inspect.signature(kind.__init__).parameters[argument].default
    base = {**BASES.get(name, {}), **ALSO.get((name, argument), ALSO.get(argument, {}))}
    special = SPECIAL.get((name, argument))
    changed = {**base, argument: other(name, argument, base.get(argument, default)) if special is None else special}
    before = KINDS[module](name, kind(**base), base)
    try:
        after = KINDS[module](name, kind(**changed), changed)
    except NotImplementedError as error:
        assert argument in str(error)
        return
    assert before != after, f"{changed} changed nothing"


SPECIAL: dict[tuple[str, str], Any] = {
    ("OrthogonalRegularizer", "mode"): "columns",
    **{(name, "axis"): 1 for name in ("MaxNorm", "MinMaxNorm", "UnitNorm")},
}
