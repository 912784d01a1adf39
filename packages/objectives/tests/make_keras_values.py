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
    ("CTC", {}, [np.array([[1, 2, 2], [1, 0, 0], [2, 1, 0], [2, 2, 0]]), table(4, 6, 3, low=-2, high=3)]),
    ("CategoricalCrossentropy", {"axis": 0}, [LABELS, SCORES]),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": 0}, [LABELS, NUMBERS[0]]),
    ("CategoricalCrossentropy", {"label_smoothing": 0.3}, [LABELS, SCORES]),
    ("CategoricalFocalCrossentropy", {"axis": 0, "alpha": 0.5, "label_smoothing": 0.2}, [LABELS, SCORES]),
    ("BinaryCrossentropy", {"axis": 0, "label_smoothing": 0.1}, BINARY),
    (
        "BinaryFocalCrossentropy",
        {"from_logits": True, "alpha": 0.6, "apply_class_balancing": True},
        [BINARY[0], NUMBERS[0]],
    ),
    ("SquaredHinge", {}, [2 * BINARY[0] - 1, NUMBERS[0]]),
    ("Dice", {"axis": [1]}, BINARY),
    ("Tversky", {"alpha": 0.3, "beta": 0.6, "axis": [1]}, BINARY),
    ("Circle", {"gamma": 4.0}, [np.array([0, 1, 0, 1]), UNIT]),
]

SQUARE = [table(4, 4, low=-2, high=3), table(4, 4, low=-2, high=3)]
SEQUENCES = [table(4, 2, 3, low=-2, high=3), table(4, 2, 3, low=-2, high=3)]
SEQUENCE_SCORES = table(4, 2, 3)
SEQUENCE_INDICES = rng.integers(0, 3, (4, 2))
SEQUENCE_LABELS = np.eye(3, dtype="float32")[SEQUENCE_INDICES]
MASK = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], "bool")
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]
SITUATIONS = [
    ("plain", None, None, "float32"),
    ("masked", MASK, None, "float32"),
    ("weights per sample", None, WEIGHTS[:, None], "float32"),
    ("weights per step", None, table(4, 2), "float32"),
    ("masked and weighted", MASK, WEIGHTS[:, None], "float32"),
    ("half", None, None, "float16"),
    ("brain", None, WEIGHTS[:, None], "bfloat16"),
]
"""Name, mask of the predictions, sample weights, dtype."""

SEQUENCE_LOSSES = [
    ("MeanSquaredError", {}, SEQUENCES),
    ("Huber", {"delta": 0.5}, SEQUENCES),
    ("CosineSimilarity", {"axis": -2}, SEQUENCES),
    ("BinaryCrossentropy", {"axis": 1}, [SEQUENCE_LABELS, SEQUENCE_SCORES]),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": -1}, [SEQUENCE_LABELS, SEQUENCES[0]]),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, [SEQUENCE_INDICES, SEQUENCES[0]]),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, [SEQUENCE_INDICES, SEQUENCE_SCORES]),
    (
        "CategoricalFocalCrossentropy",
        {"alpha": [0.2, 0.3, 0.5], "label_smoothing": 0.1},
        [SEQUENCE_LABELS, SEQUENCE_SCORES],
    ),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, [SEQUENCE_LABELS, SEQUENCES[0]]),
    ("KLDivergence", {}, [SEQUENCE_LABELS, SEQUENCE_SCORES]),
    ("Poisson", {}, [SEQUENCE_LABELS, SEQUENCE_SCORES]),
]
"""Of targets per step: each in every situation and reduction."""

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
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, [INDICES, np.argsort(-SCORES, axis=-1)]),
    ("CosineSimilarity", {"axis": 0}, SQUARE),
    ("BinaryCrossentropy", {"from_logits": True}, [BINARY[0], NUMBERS[0]]),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, [LABELS, NUMBERS[0]]),
    ("SparseCategoricalCrossentropy", {"ignore_class": int(INDICES[0])}, [INDICES, SCORES]),
    ("MeanSquaredError", {"dtype": "float16"}, NUMBERS),
    ("Recall", {"thresholds": [0.2, 0.6], "class_id": 2}, BINARY),
    ("Precision", {"top_k": 1, "thresholds": 0.4}, BINARY),
    ("AUC", {"multi_label": True, "num_labels": 3, "curve": "PR", "num_thresholds": 7}, BINARY),
    ("AUC", {"summation_method": "minoring", "label_weights": [1.0, 2.0, 0.5]}, BINARY),
    ("AUC", {"summation_method": "majoring", "curve": "PR"}, BINARY),
    ("AUC", {"curve": "PRGAIN"}, BINARY),
    (
        "IoU",
        {"num_classes": 3, "target_class_ids": [1], "sparse_y_true": False, "sparse_y_pred": False},
        [LABELS, SCORES],
    ),
    ("MeanIoU", {"num_classes": 3, "sparse_y_pred": False, "dtype": "float32"}, [INDICES, SCORES]),
    (
        "OneHotIoU",
        {"num_classes": 3, "target_class_ids": [0], "sparse_y_pred": True, "ignore_class": 2},
        [LABELS, INDICES],
    ),
    ("OneHotMeanIoU", {"num_classes": 3, "sparse_y_pred": True}, [LABELS, INDICES]),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.6}, [BINARY[0][:, 0], SCORES[:, 0]]),
    ("F1Score", {"threshold": 0.5, "average": "weighted"}, BINARY),
    ("PearsonCorrelation", {"axis": 0}, SQUARE),
    ("ConcordanceCorrelation", {"axis": 0}, SQUARE),
    ("SensitivityAtSpecificity", {"specificity": 0.3, "class_id": 1, "num_thresholds": 9}, BINARY),
    ("SpecificityAtSensitivity", {"sensitivity": 0.3, "class_id": 1, "num_thresholds": 1}, BINARY),
    ("PrecisionAtRecall", {"recall": 0.9, "num_thresholds": 9}, BINARY),
    ("RecallAtPrecision", {"precision": 0.9, "class_id": 0}, BINARY),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, BINARY),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6}, BINARY),
    ("PrecisionAtRecall", {"recall": 0.5}, BINARY),
    ("RecallAtPrecision", {"precision": 0.5}, BINARY),
]


def plain(x):
    """Lists of the shortest numbers that give the same float32."""
    x = np.asarray(x)
    if x.dtype.name in ("bfloat16", "float16"):
        x = x.astype("float32")
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


def sequence_case(name, options, data):
    y_true, y_pred = data
    results = {}
    for situation, mask, weights, dtype in SITUATIONS:
        predictions = keras.ops.convert_to_tensor(y_pred)
        if mask is not None:
            if options.get("axis", -1) != -1:
                continue  # the values have other axes than the mask
            predictions._keras_mask = keras.ops.convert_to_tensor(mask)
        if weights is not None and weights.ndim > 1 and options.get("axis", -1) != -1:
            continue
        results[situation] = [
            plain(
                getattr(keras.losses, name)(reduction=reduction, dtype=dtype, **options)(y_true, predictions, weights)
            )
            for reduction in REDUCTIONS
        ]
    return {"name": name, "options": options, "y_true": plain(y_true), "y_pred": plain(y_pred), "results": results}


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
    "reductions": REDUCTIONS,
    "situations": [
        [name, None if mask is None else plain(mask), None if weights is None else plain(weights), dtype]
        for name, mask, weights, dtype in SITUATIONS
    ],
    "sequences": [sequence_case(*case) for case in SEQUENCE_LOSSES],
    "metrics": [metric_case(*case) for case in METRICS],
}
lines = [f"{json.dumps(key)}: {write(value)}" for key, value in values.items()]
Path(__file__).with_name("keras_values.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
