"""Every optimizer keeps the contract, with and without its options."""

from __future__ import annotations

from typing import Any

from pronghorn.optimizer import Optimizer
from pronghorn.testing import OptimizerContract
from pronghorn_optimizers.adam import Adam, Adamax, AdamW, Nadam
from pronghorn_optimizers.adaptive import Adadelta, Adagrad, Ftrl
from pronghorn_optimizers.lion import Lion
from pronghorn_optimizers.rmsprop import RMSprop
from pronghorn_optimizers.sgd import SGD


class TestSGD(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return SGD(0.1, **options)


class TestMomentum(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return SGD(0.05, momentum=0.9, **options)


class TestNesterov(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return SGD(0.05, momentum=0.9, nesterov=True, **options)


class TestRMSprop(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return RMSprop(0.02, **options)


class TestRMSpropCentered(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return RMSprop(0.005, momentum=0.5, centered=True, **options)


class TestAdam(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Adam(0.05, **options)


class TestAmsgrad(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Adam(0.05, amsgrad=True, **options)


class TestAdamW(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return AdamW(0.05, **{"weight_decay": 0.004} | options)


class TestAdamax(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Adamax(0.05, **options)


class TestNadam(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Nadam(0.05, **options)


class TestAdagrad(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Adagrad(0.3, **options)


class TestAdadelta(OptimizerContract):
    steps = 600

    def make(self, **options: Any) -> Optimizer:
        return Adadelta(3.0, **options)


class TestFtrl(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Ftrl(0.5, l1_regularization_strength=1e-4, **options)


class TestLion(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Lion(0.02, **options)
