"""Every optimizer keeps the contract, with and without its options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Variable
from pronghorn.testing import Descent, Momentum, OptimizerContract
from pronghorn_optimizers.adafactor import Adafactor
from pronghorn_optimizers.adam import Adam, Adamax, AdamW, Nadam
from pronghorn_optimizers.adaptive import Adadelta, Adagrad, Ftrl
from pronghorn_optimizers.lamb import Lamb
from pronghorn_optimizers.lion import Lion
from pronghorn_optimizers.muon import Muon
from pronghorn_optimizers.rmsprop import RMSprop
from pronghorn_optimizers.schedule_free import ScheduleFreeAdamW
from pronghorn_optimizers.sgd import SGD


class TestOfTheTests(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Momentum(0.05, **options)


class TestDescent(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Descent(0.1, **options)


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


class TestAdafactor(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Adafactor(0.5, **options)


class TestLamb(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Lamb(0.05, **options)


class TestMuon(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return Muon(0.05, **{"weight_decay": None, "adam_weight_decay": None} | options)


class TestScheduleFreeAdamW(OptimizerContract):
    def make(self, **options: Any) -> Optimizer:
        return ScheduleFreeAdamW(0.2, **options)


def test_the_relative_step_of_adafactor_bounds_the_learning_rate() -> None:
    moved = {}
    for relative in (True, False):
        w = Variable(np.ones((2, 2), "float32"))
        optimizer = Adafactor(0.9, relative_step=relative)
        for _ in range(4):
            before = w.numpy()
            optimizer.apply([np.ones((2, 2), "float32")], [w])
        moved[relative] = float((before - w.numpy())[0, 0] / before[0, 0])
    assert moved[True] == pytest.approx(0.5, rel=1e-4) and moved[False] == pytest.approx(0.9, rel=1e-4)


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="beta_1 must be above 0"):
        ScheduleFreeAdamW(beta_1=0.0)
    with pytest.raises(ValueError, match="Lamb: only one of clipnorm, clipvalue and global_clipnorm"):
        Lamb(clipnorm=1.0, clipvalue=1.0)
