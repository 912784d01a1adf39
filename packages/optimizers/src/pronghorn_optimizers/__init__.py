"""Optimizers and learning-rate schedules for Pronghorn."""
