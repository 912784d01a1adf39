"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl

_LOSSES = {
    "ctc": "CTC ctc",
    "regression": """
        CosineSimilarity Huber LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
        MeanSquaredLogarithmicError cosine_similarity huber log_cosh mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error""",
    "probability": """
        BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy
        CategoricalGeneralizedCrossEntropy KLDivergence Poisson SparseCategoricalCrossentropy
        binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
        categorical_generalized_cross_entropy kl_divergence poisson sparse_categorical_crossentropy""",
    "margin": "CategoricalHinge Circle Hinge SquaredHinge categorical_hinge circle hinge squared_hinge",
    "overlap": "Dice Tversky dice tversky",
}
_METRICS = {
    "accuracy": """
        Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy SparseTopKCategoricalAccuracy
        TopKCategoricalAccuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy
        sparse_top_k_categorical_accuracy top_k_categorical_accuracy""",
    "averages": """
        BinaryCrossentropy CategoricalCrossentropy CategoricalHinge CosineSimilarity Hinge KLDivergence
        LogCoshError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
        MeanSquaredLogarithmicError Poisson RootMeanSquaredError SparseCategoricalCrossentropy SquaredHinge
        Sum""",
    "confusion": """
        AUC FalseNegatives FalsePositives Precision PrecisionAtRecall Recall RecallAtPrecision
        SensitivityAtSpecificity SpecificityAtSensitivity TrueNegatives TruePositives""",
    "correlation": """
        ConcordanceCorrelation PearsonCorrelation R2Score concordance_correlation pearson_correlation""",
    "fscore": "F1Score FBetaScore",
    "iou": "BinaryIoU IoU MeanIoU OneHotIoU OneHotMeanIoU",
    "regression": """
        huber log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error
        mean_squared_logarithmic_error""",
    "probability": """
        binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy
        kl_divergence poisson sparse_categorical_crossentropy""",
    "margin": "categorical_hinge hinge squared_hinge",
}


def _references(modules: dict[str, str]) -> dict[str, str]:
    return {
        name: f"pronghorn_objectives.{module}:{name}" for module, names in modules.items() for name in names.split()
    }


@hookimpl
def pronghorn_losses() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return _references(_LOSSES)


@hookimpl
def pronghorn_metrics() -> dict[str, str]:
    """Name -> "module:attribute"; the engine has two that training needs."""
    own = {name: f"pronghorn.metric:{name}" for name in ("Mean", "MeanMetricWrapper")}
    return own | _references(_METRICS)


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """What `compile` makes of several losses and metrics -> "module:attribute"."""
    return {
        "compile.losses_of_several_outputs": "pronghorn_objectives.compiled:CompileLoss",
        "compile.metrics_by_name_or_output": "pronghorn_objectives.compiled:CompileMetrics",
    }
