"""What a call of a primitive does: compute at once (Eager), become a node (Tracer), and be remembered by tapes around
either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pronghorn import dtypes
from pronghorn.graph import Graph, Node, Spec
from pronghorn.tensor import MODEL, ROOM, Tensor, Variable

if TYPE_CHECKING:
    from pronghorn.op import Op

LAYER: ContextVar[str] = ContextVar("layer", default="")
"""The path of the layer whose `call` is running; traced nodes carry it."""


Locate = Callable[[], str] | None
"""Says which line of a user's code runs, for the nodes of a trace."""


class Interpreter:
    """Decides what applying a primitive, reading and assigning a variable mean."""

    def apply(self, op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        """The outputs of `op` on tensors."""
        raise NotImplementedError

    def read(self, variable: Variable) -> Tensor:
        """The present version of a variable."""
        raise NotImplementedError

    def assign(self, variable: Variable, value: Tensor) -> None:
        """Makes `value` the variable's present version."""
        raise NotImplementedError

    @property
    def tracer(self) -> Tracer | None:
        """The trace in progress, None where values are computed at once."""
        return None

    @property
    def tape(self) -> Tape | None:
        """The innermost open tape."""
        return None


class Eager(Interpreter):
    """Computes each primitive at once, with the accelerator's kernel."""

    def apply(self, op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        from pronghorn import accelerator

        for t in inputs:
            if t.scope is not None:
                raise TypeError(leak_message(t, op.name))
        try:
            results = accelerator.current().run(op, [t.buffer for t in inputs], attrs)
        except (TypeError, ValueError):
            op.specs(inputs, attrs)  # says what is wrong with the shapes, in our own words
            raise
        if len(results) == 1:
            dtype = op.specs(inputs, attrs)[0].dtype if results[0].dtype.kind == "V" else results[0].dtype.name
            return (Tensor(results[0].shape, "string" if dtype == "object" else dtype, _dense(results[0])),)
        return tuple(Tensor(r.shape, "string" if r.dtype == object else r.dtype.name, _dense(r)) for r in results)

    def read(self, variable: Variable) -> Tensor:
        return variable.version()

    def assign(self, variable: Variable, value: Tensor) -> None:
        if value.scope is not None:
            raise TypeError(leak_message(value, f"assign to {variable.path!r}"))
        variable.store(value.buffer)


def _dense(array: Any) -> Any:
    """Buffers are C-contiguous: programs read them as constants."""
    return array if array.flags.c_contiguous else array.copy()


def leak_message(t: Tensor, where: str) -> str:
    """Says that a symbol is used outside of the trace that made it."""
    if t.scope is MODEL:
        return (
            f"{where}: got {t}, a symbol of a model graph, where a value is needed; build a Model of it and call that"
        )
    return (
        f"{where}: got {t}, a symbol of a trace that has ended or of another one. Return it from the traced function "
        f"instead of keeping it in an attribute or a global, or compile with run_eagerly=True"
    )


class Tracer(Interpreter):
    """Records primitives as nodes of a Graph.

    A tracer for the body of a control-flow op has a `parent`; tensors of the parent that the body uses become captures,
    and so does the value of each variable it reads.
    """

    def __init__(
        self, parent: Interpreter | None = None, *, effects: bool = True, advance: bool = True, locate: Locate = None
    ) -> None:
        self.parent = parent
        self.effects = effects
        self.advance = advance
        self.locate = locate
        self.nodes: list[Node] = []
        self.inputs: list[Tensor] = []
        self.reads: dict[Variable, Tensor] = {}
        self.outer: dict[Variable, Tensor] = {}
        self.versions: dict[Variable, Tensor] = {}
        self.writes: dict[Variable, Tensor] = {}
        self.captures: dict[Tensor, Tensor] = {}
        self.draws: dict[Any, int] = {}
        self.touched: dict[Any, int] = {}
        self.given: dict[Tensor, Any] = {}
        """The values of arguments that are strings."""
        self.requirements: list[tuple[Tensor, Any]] = []
        """What `requirement.require` asked."""
        self.stand_in: int | None = None
        """What sizes that depend on values are taken for while shapes are inferred."""
        self.stood_in = False

    @property
    def tracer(self) -> Tracer | None:
        return self

    def placeholder(self, shape: Sequence[int | None], dtype: str, name: str | None = None) -> Tensor:
        """A new symbol without a node."""
        return Tensor(shape, dtype, scope=self, name=name)

    def argument(self, shape: Sequence[int | None], dtype: str, name: str | None = None) -> Tensor:
        """A placeholder that becomes an input of the graph."""
        symbol = self.placeholder(shape, dtype, name)
        self.inputs.append(symbol)
        return symbol

    def apply(self, op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        for t in inputs:
            if t.scope is not self and t.scope is not None:
                inputs = [t if t.scope is self or t.scope is None else self.capture(t, op.name) for t in inputs]
                break
        specs = op.specs(inputs, attrs)
        for s in specs:
            if None in s.shape:
                specs = self._sized(op, inputs, attrs, specs)
                break
        if (room := ROOM.get()) is not None:
            room[1] -= len(specs)
            if room[1] < 0:
                raise ValueError("the file describes more operations than any model has")
        outputs = tuple([Tensor(s.shape, s.dtype, scope=self, index=i) for i, s in enumerate(specs)])
        node = Node(op, inputs, attrs, outputs, layer=LAYER.get())
        for out in outputs:
            out.node = node
        if self.locate:
            node.location = self.locate()
        self.nodes.append(node)
        return outputs

    def _sized(
        self, op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any], specs: Sequence[Spec]
    ) -> tuple[Spec, ...]:
        """Specs with numbers for the sizes that depend on values."""
        if self.stand_in is not None:
            self.stood_in = True
            return tuple(Spec(tuple(self.stand_in if n is None else n for n in s.shape), s.dtype) for s in specs)
        from pronghorn import plugins

        values = plugins.load("utils", "host.known")(inputs, self.given)
        if values is None:
            raise TypeError(
                f"{op.name}: the size of its output depends on values that are not known before the program runs; "
                f"give it a fixed size (output_sequence_length, say), or compile with run_eagerly=True"
            )
        arrays = plugins.load("utils", "host.results")(Node(op, inputs, attrs, ()), values)
        return tuple(Spec(a.shape, s.dtype) for a, s in zip(arrays, specs, strict=True))

    def capture(self, t: Tensor, where: str) -> Tensor:
        """The placeholder of this graph that stands for a tensor of an enclosing trace."""
        if t in self.captures:
            return self.captures[t]
        scopes = set()
        outer = self.parent.tracer if self.parent is not None else None
        while outer is not None:
            scopes.add(outer)
            outer = outer.parent.tracer if outer.parent is not None else None
        if t.scope not in scopes:
            raise TypeError(leak_message(t, where))
        self.captures[t] = self.placeholder(t.shape, t.dtype, t.name)
        return self.captures[t]

    def read(self, variable: Variable) -> Tensor:
        if variable not in self.versions:
            self.touched[variable] = variable.mutations
            if self.parent is not None:
                self.outer[variable] = self.parent.read(variable)
            symbol = self.placeholder(variable.shape, variable.dtype, variable.path)
            self.reads[variable] = self.versions[variable] = symbol
        return self.versions[variable]

    def assign(self, variable: Variable, value: Tensor) -> None:
        if value.scope not in (None, self):
            value = self.capture(value, variable.path)
        from pronghorn.ops.reduction import identity_without_gradient

        self.read(variable)
        (version,) = self.apply(identity_without_gradient, [value], {})  # past all tapes: no path for gradients
        self.versions[variable] = self.writes[variable] = version

    def finish(self, outputs: Sequence[Tensor]) -> Graph:
        """The graph of what was recorded; seed states are advanced by the number of draws."""
        if self.effects and self.advance:
            with using(self):
                for generator, count in self.draws.items():
                    generator.advance(count)
        owned = [self.own(t) for t in outputs]
        return Graph(list(self.inputs), owned, self.nodes, dict(self.reads), dict(self.writes) if self.effects else {})

    def own(self, t: Tensor) -> Tensor:
        """`t` as a tensor of this trace."""
        return t if t.scope is self or t.scope is None else self.capture(t, "output")


class Tape(Interpreter):
    """Passes everything on to the interpreter it wraps, and remembers what depends on watched tensors."""

    def __init__(self, inner: Interpreter, watch_variables: bool = True) -> None:
        self.inner = inner
        self.watch_variables = watch_variables
        self.nodes: list[Node] = []
        self.watched: set[Tensor] = set()
        self.versions: dict[Variable, list[Tensor]] = {}

    @property
    def tracer(self) -> Tracer | None:
        return self.inner.tracer

    @property
    def tape(self) -> Tape | None:
        return self

    def watch(self, t: Tensor) -> None:
        """Remembers what is computed from `t`."""
        self.watched.add(t)

    def apply(self, op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        outputs = self.inner.apply(op, inputs, attrs)
        if not self.watched.isdisjoint(inputs):
            self.watched.update([t for t in outputs if dtypes.is_float(t.dtype)])
            self.nodes.append(outputs[0].node or Node(op, inputs, attrs, outputs))
        return outputs

    def read(self, variable: Variable) -> Tensor:
        t = self.inner.read(variable)
        versions = self.versions.setdefault(variable, [])
        if not [v for v in versions if v is t]:
            versions.append(t)
            if self.watch_variables and variable.trainable and dtypes.is_float(t.dtype):
                self.watched.add(t)
        return t

    def assign(self, variable: Variable, value: Tensor) -> None:
        self.inner.assign(variable, value)


_EAGER = Eager()
_current: ContextVar[Interpreter] = ContextVar("interpreter", default=_EAGER)


current: Callable[[], Interpreter] = _current.get
"""The interpreter in force."""


@contextmanager
def using(interpreter: Interpreter) -> Iterator[Interpreter]:
    """Puts an interpreter in force."""
    token = _current.set(interpreter)
    try:
        yield interpreter
    finally:
        _current.reset(token)


def eagerly() -> AbstractContextManager[Interpreter]:
    """Computes at once inside, also in the middle of a trace: initial values are not part of a program."""
    return using(_EAGER)
