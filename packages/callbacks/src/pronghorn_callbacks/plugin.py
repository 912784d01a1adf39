"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl

_CALLBACKS = {
    "backup_and_restore": "BackupAndRestore",
    "csv_logger": "CSVLogger",
    "early_stopping": "EarlyStopping",
    "learning_rate": "LearningRateScheduler ReduceLROnPlateau",
    "model_checkpoint": "ModelCheckpoint",
    "progress": "ProgbarLogger",
    "remote_monitor": "RemoteMonitor",
    "small": "LambdaCallback TerminateOnNaN",
    "swap_ema_weights": "SwapEMAWeights",
    "tensorboard": "TensorBoard",
}


@hookimpl
def pronghorn_callbacks() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {
        name: f"pronghorn_callbacks.{module}:{name}" for module, names in _CALLBACKS.items() for name in names.split()
    }


@hookimpl
def pronghorn_utils() -> dict[str, str]:
    """Name -> "module:attribute"."""
    return {"Progbar": "pronghorn_callbacks.progress:Progbar"}
