"""Every installed loss, by name: `from pronghorn.losses import MeanSquaredError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.loss import Loss as Loss
    from pronghorn_objectives.margin import CategoricalHinge as CategoricalHinge
    from pronghorn_objectives.margin import Circle as Circle
    from pronghorn_objectives.margin import Hinge as Hinge
    from pronghorn_objectives.margin import SquaredHinge as SquaredHinge
    from pronghorn_objectives.margin import categorical_hinge as categorical_hinge
    from pronghorn_objectives.margin import circle as circle
    from pronghorn_objectives.margin import hinge as hinge
    from pronghorn_objectives.margin import squared_hinge as squared_hinge
    from pronghorn_objectives.overlap import Dice as Dice
    from pronghorn_objectives.overlap import Tversky as Tversky
    from pronghorn_objectives.overlap import dice as dice
    from pronghorn_objectives.overlap import tversky as tversky
    from pronghorn_objectives.probability import BinaryCrossentropy as BinaryCrossentropy
    from pronghorn_objectives.probability import BinaryFocalCrossentropy as BinaryFocalCrossentropy
    from pronghorn_objectives.probability import CategoricalCrossentropy as CategoricalCrossentropy
    from pronghorn_objectives.probability import CategoricalFocalCrossentropy as CategoricalFocalCrossentropy
    from pronghorn_objectives.probability import (
        CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy,
    )
    from pronghorn_objectives.probability import KLDivergence as KLDivergence
    from pronghorn_objectives.probability import Poisson as Poisson
    from pronghorn_objectives.probability import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
    from pronghorn_objectives.probability import binary_crossentropy as binary_crossentropy
    from pronghorn_objectives.probability import binary_focal_crossentropy as binary_focal_crossentropy
    from pronghorn_objectives.probability import categorical_crossentropy as categorical_crossentropy
    from pronghorn_objectives.probability import categorical_focal_crossentropy as categorical_focal_crossentropy
    from pronghorn_objectives.probability import (
        categorical_generalized_cross_entropy as categorical_generalized_cross_entropy,
    )
    from pronghorn_objectives.probability import kl_divergence as kl_divergence
    from pronghorn_objectives.probability import poisson as poisson
    from pronghorn_objectives.probability import sparse_categorical_crossentropy as sparse_categorical_crossentropy
    from pronghorn_objectives.regression import CosineSimilarity as CosineSimilarity
    from pronghorn_objectives.regression import Huber as Huber
    from pronghorn_objectives.regression import LogCosh as LogCosh
    from pronghorn_objectives.regression import MeanAbsoluteError as MeanAbsoluteError
    from pronghorn_objectives.regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
    from pronghorn_objectives.regression import MeanSquaredError as MeanSquaredError
    from pronghorn_objectives.regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
    from pronghorn_objectives.regression import cosine_similarity as cosine_similarity
    from pronghorn_objectives.regression import huber as huber
    from pronghorn_objectives.regression import log_cosh as log_cosh
    from pronghorn_objectives.regression import mean_absolute_error as mean_absolute_error
    from pronghorn_objectives.regression import mean_absolute_percentage_error as mean_absolute_percentage_error
    from pronghorn_objectives.regression import mean_squared_error as mean_squared_error
    from pronghorn_objectives.regression import mean_squared_logarithmic_error as mean_squared_logarithmic_error

__getattr__, __dir__ = facade(__name__, "losses", {"pronghorn.loss": "Loss"})
get, serialize, deserialize = lookup("losses")
