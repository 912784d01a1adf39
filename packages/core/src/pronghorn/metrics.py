"""Every installed metric, by name: `from pronghorn.metrics import MeanSquaredError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.metric import Mean as Mean
    from pronghorn.metric import MeanMetricWrapper as MeanMetricWrapper
    from pronghorn.metric import Metric as Metric
    from pronghorn_objectives.accuracy import Accuracy as Accuracy
    from pronghorn_objectives.accuracy import BinaryAccuracy as BinaryAccuracy
    from pronghorn_objectives.accuracy import CategoricalAccuracy as CategoricalAccuracy
    from pronghorn_objectives.accuracy import SparseCategoricalAccuracy as SparseCategoricalAccuracy
    from pronghorn_objectives.accuracy import SparseTopKCategoricalAccuracy as SparseTopKCategoricalAccuracy
    from pronghorn_objectives.accuracy import TopKCategoricalAccuracy as TopKCategoricalAccuracy
    from pronghorn_objectives.accuracy import binary_accuracy as binary_accuracy
    from pronghorn_objectives.accuracy import categorical_accuracy as categorical_accuracy
    from pronghorn_objectives.accuracy import sparse_categorical_accuracy as sparse_categorical_accuracy
    from pronghorn_objectives.accuracy import sparse_top_k_categorical_accuracy as sparse_top_k_categorical_accuracy
    from pronghorn_objectives.accuracy import top_k_categorical_accuracy as top_k_categorical_accuracy
    from pronghorn_objectives.averages import BinaryCrossentropy as BinaryCrossentropy
    from pronghorn_objectives.averages import CategoricalCrossentropy as CategoricalCrossentropy
    from pronghorn_objectives.averages import CategoricalHinge as CategoricalHinge
    from pronghorn_objectives.averages import CosineSimilarity as CosineSimilarity
    from pronghorn_objectives.averages import Hinge as Hinge
    from pronghorn_objectives.averages import KLDivergence as KLDivergence
    from pronghorn_objectives.averages import LogCoshError as LogCoshError
    from pronghorn_objectives.averages import MeanAbsoluteError as MeanAbsoluteError
    from pronghorn_objectives.averages import MeanAbsolutePercentageError as MeanAbsolutePercentageError
    from pronghorn_objectives.averages import MeanSquaredError as MeanSquaredError
    from pronghorn_objectives.averages import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
    from pronghorn_objectives.averages import Poisson as Poisson
    from pronghorn_objectives.averages import RootMeanSquaredError as RootMeanSquaredError
    from pronghorn_objectives.averages import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
    from pronghorn_objectives.averages import SquaredHinge as SquaredHinge
    from pronghorn_objectives.averages import Sum as Sum
    from pronghorn_objectives.confusion import AUC as AUC
    from pronghorn_objectives.confusion import FalseNegatives as FalseNegatives
    from pronghorn_objectives.confusion import FalsePositives as FalsePositives
    from pronghorn_objectives.confusion import Precision as Precision
    from pronghorn_objectives.confusion import PrecisionAtRecall as PrecisionAtRecall
    from pronghorn_objectives.confusion import Recall as Recall
    from pronghorn_objectives.confusion import RecallAtPrecision as RecallAtPrecision
    from pronghorn_objectives.confusion import SensitivityAtSpecificity as SensitivityAtSpecificity
    from pronghorn_objectives.confusion import SpecificityAtSensitivity as SpecificityAtSensitivity
    from pronghorn_objectives.confusion import TrueNegatives as TrueNegatives
    from pronghorn_objectives.confusion import TruePositives as TruePositives
    from pronghorn_objectives.correlation import ConcordanceCorrelation as ConcordanceCorrelation
    from pronghorn_objectives.correlation import PearsonCorrelation as PearsonCorrelation
    from pronghorn_objectives.correlation import R2Score as R2Score
    from pronghorn_objectives.correlation import concordance_correlation as concordance_correlation
    from pronghorn_objectives.correlation import pearson_correlation as pearson_correlation
    from pronghorn_objectives.fscore import F1Score as F1Score
    from pronghorn_objectives.fscore import FBetaScore as FBetaScore
    from pronghorn_objectives.iou import BinaryIoU as BinaryIoU
    from pronghorn_objectives.iou import IoU as IoU
    from pronghorn_objectives.iou import MeanIoU as MeanIoU
    from pronghorn_objectives.iou import OneHotIoU as OneHotIoU
    from pronghorn_objectives.iou import OneHotMeanIoU as OneHotMeanIoU
    from pronghorn_objectives.margin import categorical_hinge as categorical_hinge
    from pronghorn_objectives.margin import hinge as hinge
    from pronghorn_objectives.margin import squared_hinge as squared_hinge
    from pronghorn_objectives.probability import binary_crossentropy as binary_crossentropy
    from pronghorn_objectives.probability import binary_focal_crossentropy as binary_focal_crossentropy
    from pronghorn_objectives.probability import categorical_crossentropy as categorical_crossentropy
    from pronghorn_objectives.probability import categorical_focal_crossentropy as categorical_focal_crossentropy
    from pronghorn_objectives.probability import kl_divergence as kl_divergence
    from pronghorn_objectives.probability import poisson as poisson
    from pronghorn_objectives.probability import sparse_categorical_crossentropy as sparse_categorical_crossentropy
    from pronghorn_objectives.regression import huber as huber
    from pronghorn_objectives.regression import log_cosh as log_cosh
    from pronghorn_objectives.regression import mean_absolute_error as mean_absolute_error
    from pronghorn_objectives.regression import mean_absolute_percentage_error as mean_absolute_percentage_error
    from pronghorn_objectives.regression import mean_squared_error as mean_squared_error
    from pronghorn_objectives.regression import mean_squared_logarithmic_error as mean_squared_logarithmic_error

__getattr__, __dir__ = facade(__name__, "metrics", {"pronghorn.metric": "Metric"})
get, serialize, deserialize = lookup("metrics")
