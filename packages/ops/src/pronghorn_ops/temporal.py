"""Connectionist temporal classification (Graves et al., 2006): its loss, and decoding."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.tensor import constant, convert_to_tensor

Array = np.ndarray[Any, Any]

_IMPOSSIBLE = -1e5
"""The logarithm that stands for probability 0: finite, so that gradients are."""


@composed
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """-log of the probability of the labels, over all their alignments with the outputs.

    Args:
        target: (batch, labels) class numbers, filled up at the end.
        output: (batch, steps, classes) logits.
        target_length, output_length: (batch,) how many of the labels and of the steps count.
        mask_index: the blank's class.

    Returns:
        (batch,) losses.
    """
    labels, logits = convert_to_tensor(target, "int32"), convert_to_tensor(output)
    if len(labels.shape) != 2 or len(logits.shape) != 3 or labels.shape[0] != logits.shape[0]:
        raise ValueError(
            f"ctc_loss: expected `target` (batch, labels) and `output` (batch, steps, classes), got the shapes "
            f"{labels.shape} and {logits.shape}"
        )
    batch, steps, _ = logits.shape
    count: Any = labels.shape[1]
    log_p = ops.log_softmax(logits)
    lengths, used = (ops.reshape(convert_to_tensor(v, "int32"), (-1, 1)) for v in (target_length, output_length))
    # blank, label, blank, …, label, blank
    blanks = ops.full((batch, count, 1), mask_index, "int32")
    path = ops.reshape(ops.concatenate([blanks, ops.expand_dims(labels, -1)], -1), (batch, 2 * count))
    path = ops.concatenate([path, ops.full((batch, 1), mask_index, "int32")], -1)
    emitted: Any = ops.take_along_axis(log_p, ops.expand_dims(path, 1), -1)
    before = ops.pad(path, [(0, 0), (2, 0)], constant_values=mask_index)[:, :-2]
    may_skip = ops.logical_and(ops.not_equal(path, mask_index), ops.not_equal(path, before))

    def moved(alpha: Any, by: int) -> Any:
        return ops.pad(alpha, [(0, 0), (by, 0)], constant_values=_IMPOSSIBLE)[:, : 2 * count + 1]

    def step(alpha: Any, item: Any) -> Any:
        time, at_time = item
        skipped = ops.where(may_skip, moved(alpha, 2), _IMPOSSIBLE)
        total = ops.logaddexp(ops.logaddexp(alpha, moved(alpha, 1)), skipped) + at_time
        return ops.where(time < used, total, alpha), None

    start = constant(np.arange(2 * count + 1) < 2, "bool")
    alpha = ops.where(start, emitted[:, 0], ops.cast(_IMPOSSIBLE, log_p.dtype))
    times = constant(np.arange(1, steps), "int32")
    alpha, _ = ops.scan(step, alpha, (times, ops.moveaxis(emitted[:, 1:], 1, 0)))
    last = ops.take_along_axis(alpha, 2 * lengths, -1)
    label = ops.take_along_axis(alpha, ops.maximum(2 * lengths - 1, 0), -1)
    label = ops.where(lengths > 0, label, _IMPOSSIBLE)
    return ops.negative(ops.squeeze(ops.logaddexp(last, label), -1))


def _greedy(x: Any, lengths: Any, merge_repeated: bool, mask_index: int) -> tuple[Any, Any]:
    steps = x.shape[1]
    counted = constant(np.arange(steps)[None], "int32") < ops.expand_dims(lengths, 1)
    best = ops.where(counted, ops.argmax(x, -1), mask_index)
    scores = ops.where(counted, ops.max(x, -1), 0)
    kept = ops.not_equal(best, mask_index)
    if merge_repeated:
        before = ops.pad(best, [(0, 0), (1, 0)], constant_values=-1)[:, :steps]
        kept = ops.logical_and(kept, ops.not_equal(best, before))
    order = ops.argsort(ops.cast(ops.logical_not(kept), "int32"), -1)
    decoded = ops.take_along_axis(ops.where(kept, best, -1), order, -1)
    return ops.expand_dims(decoded, 0), ops.negative(ops.expand_dims(ops.sum(scores, 1), 1))


def _beam_spec(x: Spec, lengths: Spec, beam_width: int, top_paths: int, mask_index: int) -> tuple[Spec, Spec]:
    batch, steps, _ = x.shape
    return Spec((top_paths, batch, steps), "int32"), Spec((batch, top_paths), x.dtype)


@primitive(_beam_spec, name="ctc_beam_search")
def beam_search(x: Array, lengths: Array, beam_width: int, top_paths: int, mask_index: int) -> tuple[Array, Array]:
    """The most probable label sequences of log-probabilities `x`, by search over their prefixes."""
    batch, steps, classes = x.shape
    paths = np.full((top_paths, batch, steps), -1, np.int32)
    scores = np.full((batch, top_paths), -np.inf, x.dtype)
    labels = [c for c in range(classes) if c != mask_index]
    for b in range(batch):
        beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}  # ending in the blank, in a label
        for t in range(int(lengths[b])):
            p = x[b, t].astype(np.float64)
            found: dict[tuple[int, ...], list[float]] = {}
            for path, (blank, label) in beams.items():
                both = np.logaddexp(blank, label)
                here = found.setdefault(path, [-np.inf, -np.inf])
                here[0] = np.logaddexp(here[0], both + p[mask_index])
                if path:
                    here[1] = np.logaddexp(here[1], label + p[path[-1]])
                for c in labels:
                    longer = found.setdefault((*path, c), [-np.inf, -np.inf])
                    longer[1] = np.logaddexp(longer[1], (blank if path and path[-1] == c else both) + p[c])
            ranked = sorted(found.items(), key=lambda item: -float(np.logaddexp(item[1][0], item[1][1])))
            beams = {path: (pair[0], pair[1]) for path, pair in ranked[:beam_width]}
        for k, (path, pair) in enumerate(list(beams.items())[:top_paths]):
            paths[k, b, : len(path)] = path
            scores[b, k] = np.logaddexp(*pair)
    return paths, scores


@composed
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Any:
    """The labels that logits most probably stand for.

    Args:
        inputs: (batch, steps, classes) logits.
        sequence_lengths: (batch,) how many steps count.
        strategy: "greedy" takes the best class of each step, "beam_search" sums over alignments.
        beam_width, top_paths: of the search: prefixes kept, and sequences returned.
        merge_repeated: whether "greedy" merges equal neighbours.
        mask_index: the blank's class.

    Returns:
        Labels (top_paths, batch, steps), -1 after the end; and their scores (batch, top_paths).
    """
    x, lengths = convert_to_tensor(inputs), convert_to_tensor(sequence_lengths, "int32")
    if len(x.shape) != 3 or lengths.shape != x.shape[:1]:
        raise ValueError(
            f"ctc_decode: expected `inputs` (batch, steps, classes) and a length for each, got the shapes "
            f"{x.shape} and {lengths.shape}"
        )
    if mask_index is None:
        mask_index = x.shape[-1] - 1
    if strategy == "greedy":
        return _greedy(x, lengths, merge_repeated, mask_index)
    if strategy != "beam_search":
        raise ValueError(f"ctc_decode: argument `strategy` must be 'greedy' or 'beam_search', got {strategy!r}")
    if top_paths > beam_width:
        raise ValueError(f"ctc_decode: `top_paths` {top_paths} must not be more than `beam_width` {beam_width}")
    return beam_search(
        ops.log_softmax(x),
        lengths,
        beam_width=beam_width,
        top_paths=top_paths,
        mask_index=mask_index % x.shape[-1],  # type: ignore[operator]
    )
