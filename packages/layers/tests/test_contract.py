"""Every layer keeps the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pronghorn.layer import Layer
from pronghorn.testing import Affine, LayerContract
from pronghorn_layers import merging
from pronghorn_layers.activation_layers import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from pronghorn_layers.core_layers import ActivityRegularization, Identity, Lambda
from pronghorn_layers.dense import Dense
from pronghorn_layers.dropout import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from pronghorn_layers.masking import Masking
from pronghorn_layers.reshaping import Flatten, Permute, RepeatVector, Reshape


class TestAffine(LayerContract):
    def make(self, **options: Any) -> Layer:
        return Affine(4, **options)


class TestDense(LayerContract):
    def make(self, **options: Any) -> Layer:
        return Dense(4, activation="tanh", kernel_regularizer="l2", **options)


class TestDenseOnSequences(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Dense(4, use_bias=False, **options)


class TestActivation(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1, 2)

    def make(self, **options: Any) -> Layer:
        return Activation("gelu", **options)


class TestReLU(LayerContract):
    def make(self, **options: Any) -> Layer:
        return ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2, **options)


class TestLeakyReLU(LayerContract):
    def make(self, **options: Any) -> Layer:
        return LeakyReLU(0.2, **options)


class TestELU(LayerContract):
    def make(self, **options: Any) -> Layer:
        return ELU(0.7, **options)


class TestPReLU(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return PReLU(alpha_initializer="ones", shared_axes=[1], **options)


class TestSoftmax(LayerContract):
    def make(self, **options: Any) -> Layer:
        return Softmax(**options)


class TestSoftmaxOverSeveralAxes(LayerContract):
    input_shape = (2, 3, 5)

    def make(self, **options: Any) -> Layer:
        return Softmax(axis=(1, 2), **options)


class TestIdentity(LayerContract):
    input_shape = (2, 3, 5)

    def make(self, **options: Any) -> Layer:
        return Identity(**options)


class TestActivityRegularization(LayerContract):
    def make(self, **options: Any) -> Layer:
        return ActivityRegularization(l1=0.1, l2=0.2, **options)


def double(x: Any, by: float) -> Any:
    return x * by


class TestLambda(LayerContract):
    def make(self, **options: Any) -> Layer:
        return Lambda(double, arguments={"by": 2.0}, **options)

    def test_config_round_trip(self) -> None:
        from pronghorn.saving.registry import custom_object_scope

        with custom_object_scope({"double": double}):
            super().test_config_round_trip()

    def test_in_a_model_that_is_made_again(self, tmp_path: Path) -> None:
        from pronghorn.saving.registry import custom_object_scope

        with custom_object_scope({"double": double}):
            super().test_in_a_model_that_is_made_again(tmp_path)


class TestDropout(LayerContract):
    def make(self, **options: Any) -> Layer:
        return Dropout(0.5, seed=1, **options)


class TestAlphaDropout(LayerContract):
    def make(self, **options: Any) -> Layer:
        return AlphaDropout(0.3, noise_shape=(None, 1), seed=1, **options)


class TestGaussianDropout(LayerContract):
    def make(self, **options: Any) -> Layer:
        return GaussianDropout(0.5, **options)


class TestGaussianNoise(LayerContract):
    def make(self, **options: Any) -> Layer:
        return GaussianNoise(0.5, **options)


class TestSpatialDropout1D(LayerContract):
    input_shape = (2, 3, 5)

    def make(self, **options: Any) -> Layer:
        return SpatialDropout1D(0.5, **options)


class TestSpatialDropout2D(LayerContract):
    input_shape = (2, 3, 2, 5)

    def make(self, **options: Any) -> Layer:
        return SpatialDropout2D(0.5, data_format="channels_first", **options)


class TestSpatialDropout3D(LayerContract):
    input_shape = (2, 3, 2, 2, 5)

    def make(self, **options: Any) -> Layer:
        return SpatialDropout3D(0.5, **options)


class TestMasking(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Masking(**options)


class TestFlatten(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Flatten(data_format="channels_first", **options)


class TestReshape(LayerContract):
    input_shape = (2, 4, 3)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Reshape((2, -1), **options)


class TestPermute(LayerContract):
    input_shape = (2, 4, 3)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Permute((2, 1), **options)


class TestRepeatVector(LayerContract):
    def make(self, **options: Any) -> Layer:
        return RepeatVector(3, **options)


class TestAdd(LayerContract):
    input_shape = [(2, 3, 4), (2, 1, 4), (2, 4)]

    def make(self, **options: Any) -> Layer:
        return merging.Add(**options)


class TestSubtract(LayerContract):
    input_shape = [(2, 3), (2, 3)]

    def make(self, **options: Any) -> Layer:
        return merging.Subtract(**options)


class TestMultiply(LayerContract):
    input_shape = [(2, 3, 4), (2, 3, 4)]
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return merging.Multiply(**options)


class TestAverage(LayerContract):
    input_shape = [(2, 3), (2, 3), (2, 3)]

    def make(self, **options: Any) -> Layer:
        return merging.Average(**options)


class TestMaximum(LayerContract):
    input_shape = [(2, 3, 4), (2, 3, 4)]

    def make(self, **options: Any) -> Layer:
        return merging.Maximum(**options)


class TestMinimum(LayerContract):
    input_shape = [(2, 3, 4), (2, 3, 4)]

    def make(self, **options: Any) -> Layer:
        return merging.Minimum(**options)


class TestConcatenate(LayerContract):
    input_shape = [(2, 3, 4), (2, 2, 4)]

    def make(self, **options: Any) -> Layer:
        return merging.Concatenate(axis=1, **options)


class TestDot(LayerContract):
    input_shape = [(2, 3, 4), (2, 5, 4)]

    def make(self, **options: Any) -> Layer:
        return merging.Dot(axes=2, normalize=True, **options)


class TestDotOfVectors(LayerContract):
    input_shape = [(2, 4), (2, 4)]

    def make(self, **options: Any) -> Layer:
        return merging.Dot(axes=-1, **options)
