"""keras.random: draws from distributions, and the seed generators that number them."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from pronghorn import dtypes, interpreter, ops
from pronghorn.naming import auto_name, name_scope
from pronghorn.op import composed
from pronghorn.ops.random import random_bits, random_normal, random_uniform
from pronghorn.ops.shape import as_sizes
from pronghorn.tensor import Tensor, Variable, constant, convert_to_tensor

_root_seed = int.from_bytes(os.urandom(4), "little")
_seeds = 0
_streams = 0
_default: SeedGenerator | None = None

_UNNUMBERED = 1 << 31
"""Streams from here on are those of generators that have no place in a model."""


def set_global_seed(seed: int) -> None:
    """Fixes the seeds chosen from here on: of generators without one, and of draws without any."""
    global _root_seed, _seeds, _streams, _default
    _root_seed, _seeds, _streams, _default = _checked_seed(seed, "set_global_seed"), 0, 0, None


def make_default_seed() -> int:
    """The next automatic seed, reproducible after `set_global_seed`."""
    global _seeds
    _seeds += 1
    return _derived_seed(_seeds)


def _derived_seed(number: int) -> int:
    return int(np.random.SeedSequence((_root_seed, number)).generate_state(1)[0])


def _checked_seed(seed: Any, where: str) -> int:
    try:
        return int(seed.__index__()) % 2**63
    except (AttributeError, TypeError):
        raise ValueError(f"{where}: argument `seed` must be an integer, got {seed!r}") from None


class SeedGenerator:
    """A sequence of seeds: each draw that is given it takes the next one.

    Its state is a variable, so that traced code draws anew in every run. A model that is trained numbers its
    generators, so that what one draws does not depend on the models made before.

    Args:
        seed: an integer; by default one that follows from the global seed.
        name: of the generator, and the scope of its variable.
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        unknown = kwargs.keys() - {"backend"}
        if unknown or kwargs.get("backend") is not None:
            raise NotImplementedError(
                f"SeedGenerator: unknown arguments {sorted(kwargs)}; it takes `seed` and `name`"
            )
        self.name = name or auto_name("SeedGenerator")
        stream = 0
        if seed is None:
            global _streams
            _streams += 1
            seed, stream = _derived_seed(0), _UNNUMBERED + _streams
        self.seed = _checked_seed(seed, "SeedGenerator")
        with name_scope(self.name):
            value = np.array([self.seed, stream, 0], np.int64)
            self.state = Variable(value, dtype="int64", trainable=False, name="seed_generator_state")

    def number(self, stream: int) -> None:
        """Draws from this stream of its seed from now on."""
        with interpreter.eagerly():
            seed, before, offset = self.state.numpy().tolist()
            if before != stream:
                self.state.assign([seed, stream, offset])

    def next(self, ordered: bool = True) -> Tensor:
        """The state of the next draw, int64 [seed, stream, offset], which can be given as a seed."""
        state, call = self.take(1)
        return ops.add(state, constant([0, 0, call], "int64")) if call else state

    def take(self, count: int) -> tuple[Tensor, int]:
        """Reserves `count` draws: the state to use, and the number of the first draw after its offset.

        In a trace the state is the one on entry, and it is advanced once, when the trace ends.
        """
        tracer = interpreter.current().tracer
        if tracer is None:
            state = self.state.value
            self.advance(count)
            return state, 0
        _settle(self, tracer.parent)
        call = tracer.draws.get(self, 0)
        tracer.draws[self] = call + count
        return self.state.value, call

    def advance(self, count: int) -> None:
        """Counts `count` more draws."""
        self.state.assign(ops.add(self.state, constant([0, 0, count], "int64")))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """The inverse of `get_config`."""
        return cls(**config)


def _settle(generator: SeedGenerator, outer: Any) -> None:
    """Before a body of control flow draws: counts what the enclosing traces drew, so that none repeats."""
    tracer = outer.tracer if outer is not None else None
    if tracer is not None:
        _settle(generator, tracer.parent)
        count = tracer.draws.pop(generator, 0)
        if count:
            with interpreter.using(tracer):
                generator.advance(count)


def global_generator() -> SeedGenerator:
    """The generator of draws that name no seed."""
    global _default
    if _default is None:
        _default = SeedGenerator(_derived_seed(0), name="global_seed_generator")
        _default.number(_UNNUMBERED)
    return _default


def draw_state(seed: Any, count: int = 1) -> tuple[Tensor, int]:
    """The state and the first number of `count` draws, for a seed that is an integer, a generator or None."""
    if seed is None:
        return global_generator().take(count)
    if isinstance(seed, SeedGenerator):
        return seed.take(count)
    if isinstance(seed, (Tensor, Variable)) and seed.shape == (3,):
        return convert_to_tensor(seed, "int64"), 0
    return constant([_checked_seed(seed, "random"), 0, 0], "int64"), 0


def float_dtype(dtype: Any, name: str) -> tuple[str, str]:
    """The dtype asked for, and the one that is drawn."""
    kind = dtypes.standardize(dtype)
    if kind not in dtypes.FLOATS:
        raise ValueError(f"random.{name}: argument `dtype` must be a float dtype, got {kind!r}")
    return kind, "float64" if kind == "float64" else "float32"


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Uniform draws from [minval, maxval)."""
    kind, drawn = float_dtype(dtype, "uniform")
    state, call = draw_state(seed)
    x: Any = random_uniform(state, shape=as_sizes(shape, "uniform"), call=call, dtype=drawn)
    if not (_is(minval, 0) and _is(maxval, 1)):
        x = ops.add(ops.multiply(x, ops.subtract(maxval, minval)), minval)
    return ops.cast(x, kind)


def _is(value: Any, number: float) -> bool:
    return dtypes.weak(value) is not None and value == number


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normal draws."""
    kind, drawn = float_dtype(dtype, "normal")
    state, call = draw_state(seed)
    return _scaled(
        random_normal(state, shape=as_sizes(shape, "normal"), call=call, dtype=drawn), mean, stddev, kind
    )


def _scaled(x: Any, mean: Any, stddev: Any, dtype: str) -> Tensor:
    if not _is(stddev, 1):
        x = ops.multiply(x, stddev)
    return ops.cast(x if _is(mean, 0) else ops.add(x, mean), dtype)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
) -> Tensor:
    """Normal draws within two standard deviations of the mean, by inversion."""
    kind, drawn = float_dtype(dtype, "truncated_normal")
    edge = math.erf(math.sqrt(2))
    x = ops.multiply(ops.erfinv(uniform(shape, -edge, edge, drawn, seed)), math.sqrt(2))
    return _scaled(ops.clip(x, -2.0, 2.0), mean, stddev, kind)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Uniform integers from minval to maxval - 1, at most 2^32 different ones."""
    kind = dtypes.standardize(dtype)
    if not dtypes.is_integer(kind):
        raise ValueError(f"random.randint: argument `dtype` must be an integer dtype, got {kind!r}")
    state, call = draw_state(seed)
    bits = ops.cast(random_bits(state, shape=as_sizes(shape, "randint"), call=call), "uint64")
    low, high = (ops.cast(ops.convert_to_tensor(v), "int64") for v in (minval, maxval))
    if not (low.symbolic or high.symbolic) and not (0 < (high.numpy() - low.numpy()).min() <= 2**32):
        raise ValueError(f"random.randint: need minval < maxval <= minval + 2^32, got {minval} and {maxval}")
    scaled = ops.right_shift(
        ops.multiply(bits, ops.cast(ops.subtract(high, low), "uint64")), constant(32, "uint64")
    )
    return ops.cast(ops.add(ops.cast(scaled, "int64"), low), kind)


@composed
def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """`num_samples` class numbers for each row of `logits` (rows, classes), by the Gumbel-max trick."""
    logits = convert_to_tensor(logits)
    if len(logits.shape) != 2:
        raise ValueError(
            f"random.categorical: `logits` must have the shape (rows, classes), got {logits.shape}"
        )
    rows, classes = logits.shape
    u = uniform(
        (rows, num_samples, classes), seed=seed, dtype="float64" if logits.dtype == "float64" else "float32"
    )
    gumbel = ops.negative(ops.log(ops.negative(ops.log1p(ops.negative(u)))))
    return ops.cast(ops.argmax(ops.add(ops.expand_dims(logits, 1), gumbel), axis=-1), dtype)


@composed
def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Zero with probability `rate`, else divided by 1 - rate (Srivastava et al., 2014).

    `noise_shape` broadcasts against the inputs; None in it takes the inputs' size.
    """
    x = convert_to_tensor(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: argument `rate` must be in [0, 1], got {rate}")
    if rate == 0:
        return x
    shape = x.shape
    if noise_shape is not None:
        if len(noise_shape) != len(shape):
            raise ValueError(
                f"dropout: `noise_shape` {tuple(noise_shape)} does not fit inputs of shape {shape}"
            )
        shape = tuple(n if m is None else m for n, m in zip(shape, noise_shape, strict=True))
    keep = ops.greater_equal(uniform(shape, seed=seed, dtype="float32"), rate)
    return ops.where(keep, ops.multiply(x, 1 / (1 - rate) if rate < 1 else 0.0), 0)  # type: ignore[no-any-return]


@composed
def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Tensor:
    """The slices along `axis` in random order."""
    x = convert_to_tensor(x)
    order = ops.argsort(uniform((x.shape[axis],), seed=seed, dtype="float64"))
    return ops.take(x, order, axis)


def __getattr__(name: str) -> Any:
    """Distributions that a package of ops offers, as "random.gamma"."""
    from pronghorn import plugins

    if name not in ("beta", "binomial", "gamma"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return plugins.load("ops", f"random.{name}")
