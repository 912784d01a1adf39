"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl

_OPTIMIZERS = {
    "adafactor": "Adafactor",
    "adam": "Adam AdamW Adamax Nadam",
    "adaptive": "Adadelta Adagrad Ftrl",
    "lamb": "Lamb",
    "lion": "Lion",
    "loss_scale": "LossScaleOptimizer",
    "multi": "MultiOptimizer OptimizerMap",
    "muon": "Muon",
    "rmsprop": "RMSprop",
    "schedule_free": "ScheduleFreeAdamW",
    "sgd": "SGD",
}
_OPTIONS = {
    "clipping": "clip",
    "clipping_and_averages": "check_options",
    "gradient_accumulation_steps": "accumulate",
    "use_ema": "average",
}
_SCHEDULES = """
    CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay
    PolynomialDecay"""


@hookimpl
def pronghorn_optimizers() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {
        name: f"pronghorn_optimizers.{module}:{name}" for module, names in _OPTIMIZERS.items() for name in names.split()
    }


@hookimpl
def pronghorn_schedules() -> dict[str, str]:
    """Name -> "module:attribute"."""
    own = {name: f"pronghorn_optimizers.schedules:{name}" for name in _SCHEDULES.split()}
    return own | {"LearningRateSchedule": "pronghorn.optimizer:LearningRateSchedule"}


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """What core uses by name -> "module:attribute"."""
    return {
        **{f"Optimizer.{name}": f"pronghorn_optimizers.options:{function}" for name, function in _OPTIONS.items()},
        "testing.OptimizerContract": "pronghorn_optimizers.contract:OptimizerContract",
    }
