"""Tensor, one class for concrete and symbolic values, and Variable, a named value that training may change."""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pronghorn import dtypes, tree

if TYPE_CHECKING:
    from pronghorn.graph import Node

Shape = tuple[int | None, ...]

AUTOCAST: ContextVar[str | None] = ContextVar("autocast", default=None)
"""The dtype in which float variables are read: the compute dtype of the mixed-precision layer that is running."""

ROOM: ContextVar[list[int] | None] = ContextVar("room", default=None)
"""[bytes that variables made from initializers may still take, results that may be traced], while a file is read."""

MODEL = object()
"""The scope of tensors of a model graph (made by `Input`): their shapes may have unknown dimensions."""

_SYMBOLIC_USE = (
    "{what} needs a value, but {tensor} has none while a {kind} is being built. "
    "Use pronghorn.ops instead ({instead}), or compile with run_eagerly=True to step through with values."
)


if TYPE_CHECKING:

    class _Operators:
        """Python's operators, which `_install_operators` makes: declared for type checkers only."""

        def _unary(self) -> Tensor: ...
        def _binary(self, other: Any) -> Tensor: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _binary
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _binary
        __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _binary
        __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _binary
        __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _binary
        __eq__ = __ne__ = _binary  # type: ignore[assignment]
        __neg__ = __abs__ = __invert__ = _unary

else:
    _Operators = object


class Tensor(_Operators):
    """An immutable array on a device, or a symbol for one.

    Concrete: `buffer` holds the value. Symbolic: `scope` is the trace (or the model graph) it belongs to and `node`
    what computes it, None for an input. `layout` has the byte strides of a row where the symbol stands for a data set
    in memory.
    """

    __slots__ = (
        "__weakref__",
        "_keras_mask",
        "_shared",
        "buffer",
        "dtype",
        "index",
        "layout",
        "name",
        "node",
        "scope",
        "shape",
    )
    __array_priority__ = 100

    def __init__(
        self,
        shape: Sequence[int | None],
        dtype: str,
        buffer: Any = None,
        *,
        node: Node | None = None,
        index: int = 0,
        scope: Any = None,
        name: str | None = None,
    ) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = dtype
        self.buffer = buffer
        self.node = node
        self.index = index
        self.scope = scope
        self.name = name
        self.layout: tuple[int, ...] | None = None
        self._keras_mask: Tensor | None = None
        self._shared = False

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    rank = ndim

    @property
    def size(self) -> int | None:
        """The number of elements, None where a dimension is unknown."""
        total = 1
        for n in self.shape:
            if n is None:
                return None
            total *= n
        return total

    @property
    def symbolic(self) -> bool:
        """Whether this is a symbol without a value."""
        return self.scope is not None

    @property
    def T(self) -> Tensor:
        """The transpose."""
        transposed: Tensor = _ops().transpose(self)
        return transposed

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value as a NumPy array that the caller owns."""
        return self._value("numpy()", "ops.convert_to_numpy outside of the traced code")

    def _value(self, what: str, instead: str) -> np.ndarray[Any, Any]:
        """The value; of a symbol too, where it follows from constants (sizes, for example) alone."""
        if self.scope is not None:
            from pronghorn.graph import constant_value

            value = constant_value(self)
            if value is not None:
                return value
            kind = "model graph" if self.scope is MODEL else "program"
            raise TypeError(_SYMBOLIC_USE.format(what=what, tensor=self, kind=kind, instead=instead))
        from pronghorn import accelerator

        array = accelerator.to_numpy(self.buffer)
        return np.array(array) if self._shared or not array.flags.writeable else array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self._value("a NumPy function", "ops has the function of the same name, for example ops.sum for np.sum")
        return array if dtype is None else array.astype(dtype, copy=False)

    def item(self) -> Any:
        """The only element, as a Python number."""
        return self._value("item()", "keep the tensor").item()

    def __bool__(self) -> bool:
        return bool(self._value("Python control flow", "ops.cond, ops.where, ops.while_loop or ops.scan"))

    def __float__(self) -> float:
        return float(self._value("float()", "ops.cast(x, 'float32')"))

    def __int__(self) -> int:
        return int(self._value("int()", "ops.cast(x, 'int32')"))

    def __index__(self) -> int:
        value = self._value("an index or a size", "ops.take or ops.slice, and static shapes")
        if not dtypes.is_integer(self.dtype):
            raise TypeError(f"only integer tensors can be used as an index, got dtype {self.dtype}")
        return int(value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        if self.shape[0] is None:
            raise TypeError("len() of a tensor whose first dimension is unknown")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"cannot iterate over {self}: its first dimension is not known")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        shape = "(" + ", ".join(str(n) for n in self.shape) + ("," if len(self.shape) == 1 else "") + ")"
        name = f", name={self.name}" if self.name else ""
        if self.scope is not None:
            return f"<Tensor shape={shape}, dtype={self.dtype}, symbolic{name}>"
        return f"<Tensor shape={shape}, dtype={self.dtype}{name}>\n{self.numpy()!r}"

    __hash__ = object.__hash__


@cache
def _interpreter() -> Any:
    from pronghorn import interpreter

    return interpreter


@cache
def _ops() -> Any:
    from pronghorn import ops

    return ops


_BINARY = dict(
    pair.split(":")
    for pair in "add:add sub:subtract mul:multiply truediv:true_divide floordiv:floor_divide mod:mod pow:power "
    "matmul:matmul and:logical_and or:logical_or xor:logical_xor lshift:left_shift rshift:right_shift".split()
)
_COMPARE = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "logical_not"}


def _operate(name: str, *operands: Any) -> Any:
    if operands[-1] is None and name != "get_item":
        return NotImplemented
    if name.startswith("logical") and all(dtypes.is_integer(convert_to_tensor(operand).dtype) for operand in operands):
        name = name.replace("logical", "bitwise")
    return getattr(_ops(), name)(*operands)


def _install_operators(cls: type) -> None:
    """Gives `cls` Python's operators, each calling the public op of its name."""
    for slot, name in {**_BINARY, **_COMPARE, "getitem": "get_item"}.items():
        setattr(cls, f"__{slot}__", lambda self, other, name=name: _operate(name, self, other))
    for slot, name in _BINARY.items():
        setattr(cls, f"__r{slot}__", lambda self, other, name=name: _operate(name, other, self))
    for slot, name in _UNARY.items():
        setattr(cls, f"__{slot}__", lambda self, name=name: _operate(name, self))
    setattr(cls, "__format__", lambda self, spec: format(self.numpy().item() if spec else str(self), spec))  # noqa: B010
    cls.__hash__ = object.__hash__  # type: ignore[assignment]


_install_operators(Tensor)


class Variable(_Operators):
    """A named array that training may change.

    The value lives in one buffer whose address never changes; programs update it in place. Reading gives a `Tensor` of
    the present version, which keeps its value whatever is assigned later.

    Args:
        initializer: an array-like, or a callable `(shape, dtype) -> tensor`, which needs `shape`.
        shape: the shape, where `initializer` is a callable.
        dtype: the dtype; floatx by default.
        trainable: whether gradients are taken for it.
        autocast: whether layers of a mixed dtype policy read it in their compute dtype.
        aggregation: kept for Keras's signature; only "none", "mean", "sum" and "only_first_replica" are accepted.
        name: a name without "/".
        layout: not supported.
    """

    __array_priority__ = 100
    _counter = itertools.count()

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
    ) -> None:
        from pronghorn import accelerator
        from pronghorn.interpreter import eagerly
        from pronghorn.naming import scoped

        self.name = name or f"variable_{next(self._counter)}"
        if not isinstance(self.name, str) or "/" in self.name:
            raise ValueError(f"Variable: argument `name` must be a string without '/', got {name!r}")
        if aggregation not in (None, "none", "mean", "sum", "only_first_replica"):
            raise ValueError(
                f"Variable: unknown aggregation {aggregation!r}; expected none, mean, sum or only_first_replica"
            )
        if layout is not None:
            raise NotImplementedError("Variable: argument `layout` is for several devices, which are not supported")
        if synchronization not in ("auto", "on_read", "on_write", "none"):
            raise ValueError(
                f"Variable: unknown synchronization {synchronization!r}; expected auto, on_read, on_write or none"
            )
        self.path = scoped(self.name)
        self.aggregation = aggregation or "none"
        self.synchronization = synchronization
        self.autocast = autocast
        self._trainable = bool(trainable)
        self.regularizer: Any = None
        self.constraint: Any = None
        self.overwrite_with_gradient = False
        self.mutations = 0
        if callable(initializer):
            if shape is None:
                raise ValueError(f"Variable {self.name!r}: an initializer function needs `shape`")
            if any(n is None for n in shape):
                raise ValueError(f"Variable {self.name!r}: shape {tuple(shape)} has unknown dimensions; give the sizes")
            self.dtype = dtypes.standardize(dtype)
            if (room := ROOM.get()) is not None:
                room[0] -= math.prod(int(n) for n in shape) * dtypes.itemsize(self.dtype)
                if room[0] < 0:
                    raise ValueError(
                        f"Variable {self.name!r} of shape {tuple(shape)} is larger than the file accounts for, or than "
                        "max_bytes in model_from_json"
                    )
            with eagerly():
                value = initializer(tuple(int(n) for n in shape), dtype=self.dtype)
        else:
            value = initializer
            self.dtype = dtypes.standardize(dtype) if dtype is not None else convert_to_tensor(value).dtype
        array = np.asarray(value.numpy() if isinstance(value, (Tensor, Variable)) else value)
        array = np.asarray(array, dtype=dtypes.numpy_dtype(self.dtype), order="C")
        if shape is not None and array.shape != tuple(shape):
            raise ValueError(
                f"Variable {self.name!r}: the initial value has shape {array.shape}, expected {tuple(shape)}"
            )
        self.shape: tuple[int, ...] = array.shape
        self.buffer = accelerator.from_numpy(array)
        self._reader: weakref.ref[Tensor] | None = None

    @property
    def trainable(self) -> bool:
        """Whether gradients are taken for it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if bool(value) != self._trainable:
            from pronghorn import naming

            self._trainable = bool(value)
            naming.mutated(self, "trainable")

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def value(self) -> Tensor:
        """The present version, a Tensor that later assignments do not change."""
        tensor: Tensor = _interpreter().current().read(self)
        wanted = AUTOCAST.get()
        if wanted is None or wanted == self.dtype or not self.autocast or self.dtype not in dtypes.FLOATS:
            return tensor
        return _ops().cast(tensor, wanted)  # type: ignore[no-any-return]

    def version(self) -> Tensor:
        """The stored value as a concrete Tensor; it gets a copy of its own before the buffer is written."""
        reader = self._reader  # once: another thread may take it away
        tensor = reader() if reader is not None else None
        if tensor is None:
            tensor = Tensor(self.shape, self.dtype, self.buffer, name=self.name)
            tensor._shared = True
            self._reader = weakref.ref(tensor)
        return tensor

    def detach_reader(self) -> None:
        """Gives a Tensor read earlier a copy of the buffer, which is about to be written."""
        reader = self._reader
        if reader is not None:
            tensor = reader()
            if tensor is not None:
                from pronghorn import accelerator

                tensor.buffer = accelerator.from_numpy(accelerator.to_numpy(self.buffer))
                tensor._shared = False
            self._reader = None

    def store(self, array: Any) -> None:
        """Writes an array of the variable's shape into the buffer."""
        from pronghorn import accelerator

        with accelerator.current().between_programs():
            self.detach_reader()
            accelerator.write(self.buffer, array)

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy of the present value, not of half a step while another thread trains."""
        from pronghorn import accelerator

        with accelerator.current().between_programs():
            return self.value.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def assign(self, value: Any) -> Variable:
        """Sets the value; traced code sees it in later reads and the program writes it back at its end.

        Raises:
            ValueError: `value` has another shape.
        """
        tensor = convert_to_tensor(value, dtype=self.dtype)
        if tensor.shape != self.shape:
            raise ValueError(
                f"Variable {self.path!r}: cannot assign a value of shape {tensor.shape} to a variable of shape "
                f"{self.shape}; reshape the value or broadcast it with ops.broadcast_to"
            )
        _interpreter().current().assign(self, tensor)
        return self

    def assign_add(self, value: Any) -> Variable:
        """Adds `value`."""
        return self.assign(_ops().add(self, value))

    def assign_sub(self, value: Any) -> Variable:
        """Subtracts `value`."""
        return self.assign(_ops().subtract(self, value))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.version().numpy()}>"

    def __reduce__(self) -> Any:
        state = {"path": self.path, "regularizer": self.regularizer, "constraint": self.constraint}
        return partial(Variable, self.numpy(), dtype=self.dtype, trainable=self.trainable, name=self.name), (), state


_install_operators(Variable)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a Tensor."""
    return isinstance(x, Tensor)


def constant(value: Any, dtype: str) -> Tensor:
    """A concrete Tensor of a Python scalar or NumPy array in `dtype`."""
    array = np.asarray(value, dtype=dtypes.numpy_dtype(dtype))
    return Tensor(array.shape, dtype, array)


def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Tensor:
    """`x` as a Tensor, cast to `dtype` where one is given.

    Python floats become floatx, Python ints int32; NumPy arrays keep their dtype. Lists may hold tensors, which are
    stacked.

    Raises:
        ValueError: `x` cannot be an array, for example a ragged list.
    """
    if sparse or ragged:
        raise NotImplementedError("convert_to_tensor: sparse and ragged tensors are not supported; use dense ones")
    if dtype is None and type(x) is Tensor:
        return x
    name = None if dtype is None else dtypes.standardize(dtype)
    if isinstance(x, Variable):
        x = x.value
    if isinstance(x, Tensor):
        return x if name is None or name == x.dtype else _ops().cast(x, name)
    if isinstance(x, (list, tuple)) and any(isinstance(item, (Tensor, Variable)) for item in tree.flatten(x)):
        stacked: Tensor = _ops().concatenate([_ops().expand_dims(convert_to_tensor(item), 0) for item in x])
        return stacked if name is None else convert_to_tensor(stacked, name)
    if name is None:
        weak = dtypes.weak(x)
        if weak is not None:
            name = "bool" if weak == "bool" else dtypes.result_type(weak)
            if weak == "int" and not -(2**31) <= x < 2**31:
                name = "int64"
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"cannot make a tensor of {type(x).__name__}: {error}") from None
    if name is None:
        if isinstance(x, (list, tuple)) and array.dtype.kind in "fi":
            name = dtypes.result_type("float") if array.dtype.kind == "f" else "int32"
            if array.dtype.kind == "i" and array.size and (array.max() >= 2**31 or array.min() < -(2**31)):
                name = "int64"
        else:
            if array.dtype == object and (
                strange := [item for item in array.flat if not isinstance(item, (str, bytes))]
            ):
                raise ValueError(
                    f"cannot make a tensor of {type(x).__name__} holding {type(strange[0]).__name__} objects"
                )
            name = dtypes.standardize(array.dtype)
    return Tensor(array.shape, name, np.ascontiguousarray(array, dtypes.numpy_dtype(name)).reshape(array.shape))
