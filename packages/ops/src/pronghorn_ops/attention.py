"""Attention by scaled dot products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, promote
from pronghorn.tensor import constant, convert_to_tensor


@composed
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Any:
    """softmax(query · key * scale + bias) · value for each head (Vaswani et al., 2017).

    Args:
        query: (batch, targets, heads, size).
        key, value: (batch, sources, heads, size); fewer heads are each used by several of the query's.
        bias: added to the logits; broadcasts against (batch, heads, targets, sources).
        mask: bool, False hides a source; broadcasts likewise.
        scale: of the logits, 1 / sqrt(size) by default.
        is_causal: hides the sources after each target.
        flash_attention: None or False; there is no such kernel here.
        attn_logits_soft_cap: keeps logits in (-cap, cap), by cap * tanh(logits / cap).

    Returns:
        (batch, targets, heads, size), of the dtype of `query`.
    """
    if flash_attention:
        raise NotImplementedError("dot_product_attention: flash_attention=True is not supported; leave it at None")
    q, k, v = promote([convert_to_tensor(x) for x in (query, key, value)], "float")
    if any(len(x.shape) != 4 for x in (q, k, v)) or k.shape[:3] != v.shape[:3] or q.shape[3] != k.shape[3]:
        raise ValueError(
            "dot_product_attention: expected (batch, positions, heads, size) each, with the positions and heads of "
            f"`key` and `value` equal, got the shapes {q.shape}, {k.shape} and {v.shape}"
        )
    heads, groups = q.shape[2], k.shape[2]
    if heads % groups:  # type: ignore[operator]
        raise ValueError(f"dot_product_attention: {heads} heads of `query` cannot share {groups} of `key` and `value`")
    k, v = (ops.repeat(x, heads // groups, axis=2) if heads != groups else x for x in (k, v))  # type: ignore[operator]
    dtype = q.dtype
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale  # type: ignore[arg-type]
    logits = ops.einsum("btnh,bsnh->bnts", q, k)
    logits = ops.multiply(ops.cast(logits, dtypes.result_type(dtype, "float32")), factor)
    if attn_logits_soft_cap is not None:
        logits = ops.tanh(logits / attn_logits_soft_cap) * attn_logits_soft_cap
    if bias is not None:
        logits = ops.add(logits, ops.cast(convert_to_tensor(bias), logits.dtype))
    hidden = -0.7 * float(np.finfo(logits.dtype).max)
    if mask is not None:
        logits = ops.where(ops.cast(convert_to_tensor(mask), "bool"), logits, hidden)
    if is_causal:
        targets, sources = logits.shape[-2:]
        logits = ops.where(constant(np.tri(targets, sources), "bool"), logits, hidden)
    shares = ops.cast(ops.softmax(logits, axis=-1), dtype)
    return ops.einsum("bnts,bsnh->btnh", shares, v)
