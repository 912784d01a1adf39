"""Program: a Python function traced once per input signature, compiled by the accelerator, and replayed."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from pronghorn import accelerator, config, dtypes, host, naming, plugins, tree
from pronghorn.accelerator import Executable, Instruction
from pronghorn.graph import Graph, Spec, collections_held
from pronghorn.interpreter import Locate, Tracer, using
from pronghorn.op import Op
from pronghorn.requirement import Requirement, origins
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

Array = np.ndarray[Any, Any]

_TEXT = "OUST"
"""Kinds of NumPy arrays of strings; the first is what all become."""

CACHED_PLANS = 256
"""How many input signatures a program keeps compiled; the least recently used is dropped first."""


class Rows:
    """A data set in memory, as the argument of a program: its number of rows is not part of the signature.

    In the traced function it is a symbol of shape (None, …) that only `batch_rows` reads.
    """

    __slots__ = ("array", "met", "signature")

    def __init__(self, array: Array) -> None:
        self.array = array.view()  # an object of its own: a copy on a device is good for these `Rows` alone
        self.met: set[Requirement] = set()
        self.signature = ("rows", array.shape[1:], array.dtype.str, array.strides[1:])


def _batch_rows_reference(source: Array, indices: Array, dtype: str, layout: tuple[int, ...], swapped: bool) -> Array:
    return np.asarray(source[indices], dtype=dtypes.numpy_dtype(dtype))


batch_rows_op = Op(
    "batch_rows",
    _batch_rows_reference,
    lambda source, indices, dtype, **_: Spec((*indices.shape, *source.shape[1:]), dtype),
    lambda g, out, source, indices, **_: (None, None),
)
"""attrs: dtype; layout, the byte strides of a row's dimensions; swapped, whether the byte order is foreign."""


def batch_rows(source: Any, indices: Any, dtype: str | None = None) -> Tensor:
    """The rows `indices` (int64) of an in-memory data set, cast to `dtype` (the source's own by default)."""
    if not isinstance(source, Tensor) or source.layout is None:
        raise TypeError("batch_rows: `source` must be an argument of a program, given to it as Rows(array)")
    *layout, swapped = source.layout
    return batch_rows_op(source, indices, dtype=dtype or source.dtype, layout=tuple(layout), swapped=bool(swapped))  # type: ignore[no-any-return]


class Prepared:
    """The arguments of a call, and what the host computes first of them."""

    __slots__ = ("arguments", "early", "executable")

    def __init__(self, arguments: tuple[Any, ...], executable: Any, early: list[Array]) -> None:
        self.arguments = arguments
        self.executable = executable
        self.early = early


class _Plan:
    """One signature: the executable and how to give its results back."""

    def __init__(self, graph: Graph, structure: Any, tracer: Tracer) -> None:
        self.structure = structure
        self.single = structure is True
        self.specs = [(t.shape, t.dtype) for t in graph.outputs]
        places = {t: i for i, t in enumerate(graph.inputs)}
        asked = list(origins(tracer.requirements))
        self.of_arguments = [(places[t], requirement) for t, requirement in asked if t in places]
        self.of_results = [requirement for t, requirement in asked if t not in places]
        graph.outputs += [t for t, _ in asked if t not in places]
        compiled = plugins.load("utils", "host.Staged") if host.needed(graph) else accelerator.current().compile
        self.executable: Any = compiled(graph)
        self.touched: dict[Any, int] = {owner: owner.mutations for owner in tracer.touched}
        self.mutations = naming.mutation_count()
        self.accelerator = accelerator.current()
        self.checked = config.trace_nans()
        self.unverified: Graph | None = None

    def stale(self) -> bool:
        """Whether something that the trace read was changed since."""
        if self.accelerator is not accelerator.current() or self.checked != config.trace_nans():
            return True
        if self.mutations == naming.mutation_count():
            return False
        if any(owner.mutations != seen for owner, seen in self.touched.items()):
            return True
        self.mutations = naming.mutation_count()
        return False

    def check(self, leaves: Sequence[Any]) -> None:
        """Holds the arguments against what was required of them."""
        for position, requirement in self.of_arguments:
            leaf = leaves[position]
            met = leaf.met if type(leaf) is Rows else set()
            if requirement not in met and type(array := _argument(leaf)) is np.ndarray:
                requirement(array)
                met.add(requirement)


class Program:
    """A function of tensors, compiled.

    Called like the function. Tensors and arrays are traced arguments: a new shape or dtype makes a new plan. Python
    scalars, strings and None are part of the signature. Results are concrete tensors.

    Args:
        function: what to trace. Effects on variables are kept; effects on Python objects happen only while tracing.
        advance: False leaves seed states as they are, so that the next call draws the same numbers.
        verify: traces a second time at the second call with one signature, and raises where the two differ (Python
            state that would freeze), where pronghorn-utils is installed.
    """

    def __init__(self, function: Callable[..., Any], *, advance: bool = True, verify: bool = False) -> None:
        self.function = function
        self.advance = advance
        self.verify = verify and "Program.refuse_frozen_state" in plugins.references("utils")
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.__doc__ = getattr(function, "__doc__", None)
        self._plans: OrderedDict[Any, _Plan] = OrderedDict()
        self._lock = threading.RLock()
        self._latest: _Plan | None = None
        _programs.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(args, kwargs)

    def repeat(self, calls: Iterator[tuple[Any, ...]]) -> Any:
        """The result of the last of several calls; they differ in the values of the last argument alone, an array."""
        return [self._run(args, {}, (later[-1] for later in calls)) for args in calls][-1]

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any], more: Iterable[Array] = ()) -> Any:
        prepared = args[0] if args and type(args[0]) is Prepared else None
        args = args if prepared is None else prepared.arguments
        leaves: list[Any] = []
        key = (_signature(args, leaves), _signature(kwargs, leaves) if kwargs else None)
        arguments = [_argument(leaf) for leaf in leaves]
        early = None
        first = self._plans.get(key)
        if first is not None and first.executable.staged and not first.stale():
            ready = prepared is not None and prepared.executable is first.executable
            early = prepared.early if prepared is not None and ready else first.executable.start(arguments)
            if (shapes := [a.shape for a in early]) != [t.shape for t in first.executable.early]:
                key = (key, *shapes)
        plan = self._plan(key, args, kwargs)
        self._latest = plan
        if plan.of_arguments:
            plan.check(leaves)
        if early is None or not plan.executable.staged:
            # what is to be looked at after a run is looked at before the next one
            results = plan.executable.repeat(arguments, () if plan.unverified is not None or plan.of_results else more)
        else:
            results = plan.executable.finish(arguments, early)
        for requirement in reversed(plan.of_results):
            if type(array := results.pop()) is np.ndarray:
                requirement(array)
        tensors = [Tensor(shape, dtype, r) for (shape, dtype), r in zip(plan.specs, results, strict=True)]
        if plan.single:
            return tensors[0]
        items = iter(tensors)
        return tree.map_structure(lambda _: next(items), plan.structure, none_is_leaf=False)

    def check(self, *args: Any) -> None:
        """Raises what a call would raise for the values of these arguments, and compiles it."""
        leaves: list[Any] = []
        self._plan((_signature(args, leaves), None), args, {}).check(leaves)

    def prepare(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of a call, with what the host computes first of them where a plan is there; for other threads.

        What fails now fails again in the call.
        """
        leaves: list[Any] = []
        plan = self._plans.get((_signature(args, leaves), None))
        if plan is None or not plan.executable.staged:
            return args
        with suppress(Exception):
            return (Prepared(args, plan.executable, plan.executable.start([_argument(leaf) for leaf in leaves])),)
        return args

    def _plan(self, key: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Plan:
        plan = self._plans.get(key)
        if plan is not None and plan.unverified is None and not plan.stale():
            with suppress(KeyError):  # another thread may just have dropped it
                self._plans.move_to_end(key)
            return plan
        with self._lock:
            plan = self._plans.get(key)
            if plan is None or plan.stale():
                with collections_held():
                    graph, structure, tracer = self.trace(args, kwargs)
                    plan = self._plans[key] = _Plan(graph, structure, tracer)
                    plan.unverified = graph if self.verify else None
                    del graph, tracer  # before a collection looks at them
                if len(self._plans) > CACHED_PLANS:
                    self._plans.popitem(last=False)
            elif plan.unverified is not None:
                first, plan.unverified = plan.unverified, None
                self._verify(first, args, kwargs)
                self.verify = False
            self._plans.move_to_end(key)
            return plan

    def trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], locate: Locate = None) -> tuple[Graph, Any, Tracer]:
        """The graph of the function on these arguments, its result with True for each tensor, and the tracer."""
        tracer = Tracer(advance=self.advance, locate=locate)

        def symbol(leaf: Any) -> Any:
            if isinstance(leaf, Rows):
                rows = tracer.argument((None, *leaf.array.shape[1:]), dtypes.standardize(leaf.array.dtype))
                rows.layout = (*leaf.array.strides[1:], int(not leaf.array.dtype.isnative))
                return rows
            if isinstance(leaf, (Tensor, np.ndarray)):
                dtype = leaf.dtype if isinstance(leaf, Tensor) else dtypes.standardize(leaf.dtype)
                argument = tracer.argument(leaf.shape, dtype)
                if dtype == "string":
                    tracer.given[argument] = _argument(leaf)
                return argument
            return leaf

        with using(tracer):
            result = self.function(*tree.map_structure(symbol, args), **tree.map_structure(symbol, kwargs))
            result = tree.map_structure(convert_to_tensor, result, none_is_leaf=False)
        outputs = [t for t in tree.flatten(result) if t is not None]
        return tracer.finish(outputs), tree.map_structure(lambda _: True, result, none_is_leaf=False), tracer

    def _verify(self, first: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        naming.recent_changes.clear()
        again, _, _ = self.trace(args, kwargs, plugins.load("utils", "Program.user_location"))
        plugins.load("utils", "Program.refuse_frozen_state")(self.__name__, first, again)

    @property
    def executable(self) -> Executable:
        """The executable of the latest call."""
        if self._latest is None:
            raise RuntimeError(f"program {self.__name__!r} has not run yet: call it once (fit one batch) to compile it")
        executable: Executable = self._latest.executable
        return executable

    def __str__(self) -> str:
        return plugins.load("utils", "Program.listing")(self.__name__, self.executable)  # type: ignore[no-any-return]

    def instructions(self) -> list[Instruction]:
        """The instructions of the latest plan."""
        return self.executable.instructions()

    def profile(self, repeats: int = 20) -> Any:
        """Time per instruction and per layer of the latest call's plan, and its share of the machine's measured peak.

        The program runs `repeats` times on zeros; variables keep the values they had before.
        """
        return plugins.load("utils", "Program.profile")(self.__name__, self.executable, repeats)


_programs: weakref.WeakSet[Program] = weakref.WeakSet()


def _renew_after_fork() -> None:
    """A lock that another thread of the parent held would never be released here."""
    for program in _programs:
        program._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compiles a function of tensors: `fast = pronghorn.jit(f)`, or as a decorator. Options are those of `Program`."""
    if function is None:
        return lambda f: Program(f, **options)
    return Program(function, **options)


def _signature(structure: Any, leaves: list[Any]) -> Any:
    kind = type(structure)
    if kind is Rows:
        leaves.append(structure)
        return structure.signature
    if kind is np.ndarray:
        leaves.append(structure)
        return (structure.shape, "string" if structure.dtype.kind in _TEXT else structure.dtype.str)
    if kind is tuple or kind is list:
        return (kind, *[_signature(item, leaves) for item in structure])
    if kind is Tensor:
        leaves.append(structure)
        return (structure.shape, structure.dtype)
    if isinstance(structure, dict):
        return ("dict", *[(key, _signature(structure[key], leaves)) for key in tree._keys(structure)])
    if isinstance(structure, (list, tuple)):
        return (kind, *[_signature(item, leaves) for item in structure])
    if isinstance(structure, Variable):
        raise TypeError(
            "a Variable cannot be an argument of a compiled function; let the function read it from its closure, or "
            "pass variable.value"
        )
    try:
        hash(structure)
    except TypeError:
        return (kind, id(structure))
    return (kind, structure)


def _argument(leaf: Any) -> Any:
    if type(leaf) is np.ndarray:
        return leaf.astype(object) if leaf.dtype.kind in _TEXT[1:] else leaf
    return leaf.array if type(leaf) is Rows else leaf.buffer
