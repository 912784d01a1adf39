"""Swish for Pronghorn: x · sigmoid(beta · x)."""
