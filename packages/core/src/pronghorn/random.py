"""keras.random: seed generators, which number the draws, and the distributions that most layers need.

The other distributions come from the packages that offer ops, as "random.gamma" …
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pronghorn import dtypes, interpreter, ops
from pronghorn.naming import auto_name, name_scope
from pronghorn.op import Op
from pronghorn.ops.random import random_normal, random_uniform
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
        if kwargs not in ({}, {"backend": None}):
            raise NotImplementedError(f"SeedGenerator: unknown arguments {sorted(kwargs)}; it takes `seed` and `name`")
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


def global_state() -> dict[str, Any]:
    """The states of the generators that nobody owns: NumPy's, Python's, and of what is drawn or made without a seed."""
    import random

    drawn = None if _default is None else int(_default.state.numpy()[2])
    return {
        "numpy": np.random.get_state(legacy=False),
        "python": random.getstate(),
        "own": (_root_seed, _seeds, _streams, drawn),
    }


def set_global_state(state: dict[str, Any]) -> None:
    """Sets what `global_state` gave."""
    import random

    global _root_seed, _seeds, _streams
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
    _root_seed, _seeds, _streams, drawn = state["own"]
    if drawn is not None or _default is not None:
        global_generator().state.assign([_derived_seed(0), _UNNUMBERED, drawn or 0])


def draw_state(seed: Any, count: int = 1) -> tuple[Tensor, int]:
    """The state and the first number of `count` draws, for a seed that is an integer, a generator or None."""
    if seed is None or isinstance(seed, SeedGenerator):
        return (seed or global_generator()).take(count)
    if isinstance(seed, (Tensor, Variable)) and seed.shape == (3,):
        return convert_to_tensor(seed, "int64"), 0
    return constant([_checked_seed(seed, "random"), 0, 0], "int64"), 0


def float_dtype(dtype: Any, name: str) -> tuple[str, str]:
    """The dtype asked for, and the one that is drawn."""
    kind = dtypes.standardize(dtype)
    if kind not in dtypes.FLOATS:
        raise ValueError(f"random.{name}: argument `dtype` must be a float dtype, got {kind!r}")
    return kind, "float64" if kind == "float64" else "float32"


def _draw(op: Op, name: str, shape: Any, dtype: Any, seed: Any, scale: Any, offset: Any) -> Tensor:
    kind, drawn = float_dtype(dtype, name)
    state, call = draw_state(seed)
    return scaled(op(state, shape=as_sizes(shape, name), call=call, dtype=drawn), scale, offset, kind)


def scaled(x: Any, scale: Any, offset: Any, dtype: str) -> Tensor:
    """x * scale + offset in `dtype`, without the steps that change nothing."""
    if dtypes.weak(scale) is None or scale != 1:
        x = ops.multiply(x, scale)
    return ops.cast(x if dtypes.weak(offset) and offset == 0 else ops.add(x, offset), dtype)


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Uniform draws from [minval, maxval)."""
    numbers = dtypes.weak(minval) and dtypes.weak(maxval)
    width = maxval - minval if numbers else ops.subtract(maxval, minval)
    return _draw(random_uniform, "uniform", shape, dtype, seed, width, minval)


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normal draws."""
    return _draw(random_normal, "normal", shape, dtype, seed, stddev, mean)


def __getattr__(name: str) -> Any:
    from pronghorn import plugins

    return plugins.attribute("ops", "random", name)
