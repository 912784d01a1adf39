"""Losses and metrics for Pronghorn."""
