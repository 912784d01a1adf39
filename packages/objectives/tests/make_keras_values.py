"""Writes keras_values.json: what real Keras computes.

Run with Keras 3.15.1: `KERAS_BACKEND=jax python make_keras_values.py`.
"""

import json
from pathlib import Path

import keras
import numpy as np

rng = np.random.default_rng(7)


def table(*shape, low=0.02, high=0.98):
    return rng.uniform(low, high, shape).round(3).astype("float32")


def one_hot(rows, classes):
    return np.eye(classes, dtype="float32")[rng.integers(0, classes, rows)]


SCORES = table(4, 3)
LABELS = one_hot(4, 3)
NUMBERS = [table(4, 3, low=-2, high=3), table(4, 3, low=-2, high=3)]
COUNTS = [table(4, 3, low=0, high=5), table(4, 3, low=0.1, high=4)]
BINARY = [rng.integers(0, 2, (4, 3)).astype("float32"), SCORES]
INDICES = rng.integers(0, 3, 4)
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.5], "float32")
UNIT = SCORES / np.linalg.norm(SCORES, axis=1, keepdims=True)

LOSSES = [
    ("MeanSquaredError", {}, NUMBERS),
    ("MeanAbsoluteError", {}, NUMBERS),
    ("MeanAbsolutePercentageError", {}, NUMBERS),
    ("MeanSquaredLogarithmicError", {}, COUNTS),
    ("Huber", {}, NUMBERS),
    ("Huber", {"delta": 0.5}, NUMBERS),
    ("LogCosh", {}, NUMBERS),
    ("CosineSimilarity", {}, NUMBERS),
    ("CosineSimilarity", {"axis": 0}, NUMBERS),
    ("CategoricalCrossentropy", {}, [LABELS, SCORES]),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, [LABELS, NUMBERS[0]]),
    ("SparseCategoricalCrossentropy", {}, [INDICES, SCORES]),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, [INDICES, NUMBERS[0]]),
    ("SparseCategoricalCrossentropy", {"ignore_class": int(INDICES[0])}, [INDICES, SCORES]),
    ("BinaryCrossentropy", {}, BINARY),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, [BINARY[0], NUMBERS[0]]),
    ("CategoricalFocalCrossentropy", {}, [LABELS, SCORES]),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "gamma": 3.0}, [LABELS, NUMBERS[0]]),
    ("BinaryFocalCrossentropy", {}, BINARY),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.0}, BINARY),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, [INDICES, SCORES]),
    ("KLDivergence", {}, [COUNTS[0] / 5, SCORES]),
    ("Poisson", {}, COUNTS),
    ("Hinge", {}, BINARY),
    ("Hinge", {}, [2 * BINARY[0] - 1, NUMBERS[0]]),
    ("SquaredHinge", {}, BINARY),
    ("CategoricalHinge", {}, [LABELS, NUMBERS[0]]),
    ("Dice", {}, BINARY),
    ("Dice", {"axis": [1]}, BINARY),
    ("Tversky", {"alpha": 0.3, "beta": 0.6, "axis": [1]}, BINARY),
    ("Circle", {"gamma": 4.0}, [np.array([0, 1, 0, 1]), UNIT]),
]

METRICS = [
    ("Accuracy", {}, [INDICES.astype("float32"), np.array([0, 1, 2, 0], "float32")]),
    ("BinaryAccuracy", {}, BINARY),
    ("BinaryAccuracy", {"threshold": 0.3}, BINARY),
    ("CategoricalAccuracy", {}, [LABELS, SCORES]),
    ("SparseCategoricalAccuracy", {}, [INDICES, SCORES]),
    ("TopKCategoricalAccuracy", {"k": 2}, [LABELS, SCORES]),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, [INDICES, SCORES]),
    ("MeanSquaredError", {}, NUMBERS),
    ("RootMeanSquaredError", {}, NUMBERS),
    ("MeanAbsoluteError", {}, NUMBERS),
    ("MeanAbsolutePercentageError", {}, NUMBERS),
    ("MeanSquaredLogarithmicError", {}, COUNTS),
    ("LogCoshError", {}, NUMBERS),
    ("CosineSimilarity", {}, NUMBERS),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, BINARY),
    ("CategoricalCrossentropy", {}, [LABELS, SCORES]),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, [INDICES, NUMBERS[0]]),
    ("KLDivergence", {}, [COUNTS[0] / 5, SCORES]),
    ("Poisson", {}, COUNTS),
    ("Hinge", {}, BINARY),
    ("SquaredHinge", {}, BINARY),
    ("CategoricalHinge", {}, [LABELS, NUMBERS[0]]),
    ("TruePositives", {}, BINARY),
    ("FalsePositives", {"thresholds": [0.2, 0.6]}, BINARY),
    ("TrueNegatives", {}, BINARY),
    ("FalseNegatives", {"thresholds": 0.7}, BINARY),
    ("Precision", {}, BINARY),
    ("Precision", {"top_k": 2}, BINARY),
    ("Precision", {"thresholds": [0.2, 0.6], "class_id": 1}, BINARY),
    ("Recall", {}, BINARY),
    ("Recall", {"top_k": 1, "class_id": 0}, BINARY),
    ("AUC", {}, BINARY),
    ("AUC", {"curve": "PR"}, BINARY),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "num_thresholds": 11}, BINARY),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring", "num_thresholds": 21}, BINARY),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5]}, BINARY),
    ("AUC", {"from_logits": True, "thresholds": [0.25, 0.5, 0.75]}, [BINARY[0], NUMBERS[0]]),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 2]}, [INDICES, INDICES[[1, 0, 2, 3]]]),
    ("MeanIoU", {"num_classes": 3, "ignore_class": 1, "dtype": "float32"}, [INDICES, INDICES[[1, 0, 2, 3]]]),
    ("BinaryIoU", {"threshold": 0.4, "dtype": "float32"}, [BINARY[0][:, 0], SCORES[:, 0]]),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [1, 2], "dtype": "float32"}, [LABELS, SCORES]),
    ("OneHotMeanIoU", {"num_classes": 3, "dtype": "float32"}, [LABELS, SCORES]),
    ("F1Score", {}, [LABELS, SCORES]),
    ("FBetaScore", {"average": "weighted", "beta": 2.0, "threshold": 0.4}, BINARY),
    ("FBetaScore", {"average": "micro", "beta": 0.5}, [LABELS, SCORES]),
    ("F1Score", {"average": "macro"}, [LABELS, SCORES]),
    ("PearsonCorrelation", {}, NUMBERS),
    ("ConcordanceCorrelation", {}, NUMBERS),
    ("R2Score", {}, NUMBERS),
    ("R2Score", {"class_aggregation": None, "num_regressors": 2}, NUMBERS),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, NUMBERS),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, BINARY),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6}, BINARY),
    ("PrecisionAtRecall", {"recall": 0.5}, BINARY),
    ("RecallAtPrecision", {"precision": 0.5}, BINARY),
]


def plain(x):
    """Lists of the shortest numbers that give the same float32."""
    x = np.asarray(x)
    if x.dtype != np.float32:
        return x.tolist()
    return np.array([float(str(v)) for v in x.ravel()]).reshape(x.shape).tolist()


def write(value):
    """JSON with a line for each case."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"


def loss_case(name, options, data):
    make = getattr(keras.losses, name)
    axis_tuple = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    y_true, y_pred = data
    return {
        "name": name,
        "options": options,
        "y_true": plain(y_true),
        "y_pred": plain(y_pred),
        "values": plain(make(reduction="none", **axis_tuple)(y_true, y_pred)),
        "loss": plain(make(**axis_tuple)(y_true, y_pred)),
        "weighted": plain(make(**axis_tuple)(y_true, y_pred, WEIGHTS[: _rows(make, axis_tuple, data)])),
        "mean_with_sample_weight": plain(
            make(reduction="mean_with_sample_weight", **axis_tuple)(
                y_true, y_pred, WEIGHTS[: _rows(make, axis_tuple, data)]
            )
        ),
        "config": make(**axis_tuple).get_config(),
    }


def _rows(make, options, data):
    shape = make(reduction="none", **options)(*data).shape
    return shape[0] if shape else 1


def metric_case(name, options, data):
    metric = getattr(keras.metrics, name)(**options)
    y_true, y_pred = data
    results = []
    metric.update_state(y_true, y_pred)
    results.append(plain(metric.result()))
    metric.update_state(y_true[::-1], y_pred, WEIGHTS.astype(metric.dtype))
    results.append(plain(metric.result()))
    metric.reset_state()
    metric.update_state(y_true[:2], y_pred[:2])
    results.append(plain(metric.result()))
    config = metric.get_config()
    if config.get("label_weights") is not None:
        config["label_weights"] = plain(config["label_weights"])
    return {
        "name": name,
        "options": options,
        "y_true": plain(y_true),
        "y_pred": plain(y_pred),
        "results": results,
        "config": config,
    }


values = {
    "weights": plain(WEIGHTS),
    "losses": [loss_case(*case) for case in LOSSES],
    "metrics": [metric_case(*case) for case in METRICS],
}
lines = [f"{json.dumps(key)}: {write(value)}" for key, value in values.items()]
Path(__file__).with_name("keras_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
