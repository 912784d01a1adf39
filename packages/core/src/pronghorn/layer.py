"""Layer: an operation with state. It is built for the shapes of its inputs, and called on tensors."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pronghorn import constraints, dtypes, graph, initializers, interpreter, naming, plugins, policy, regularizers, tree
from pronghorn.arguments import Arguments, as_shape, common_shapes, get_mask, map_shapes, set_mask
from pronghorn.configurable import Configurable
from pronghorn.graph import Node, Spec
from pronghorn.initializer import GlorotUniform, Zeros
from pronghorn.input_spec import InputSpec, assert_input_compatibility
from pronghorn.op import Operation, infer_by_tracing
from pronghorn.tensor import AUTOCAST, MODEL, Tensor, Variable, convert_to_tensor
from pronghorn.tracking import Owner

__all__ = ["InputSpec", "Layer", "get_mask", "set_mask"]

_EAGER = interpreter.Eager()
_TRAINING: ContextVar[tuple[bool | None] | None] = ContextVar("training", default=None)
"""Of the layer call that is running, None outside of any."""


def _recorded(build: Callable[..., None]) -> Callable[..., None]:
    """`build`, in the layer's name scope, on shapes as tuples, and noted."""
    names = list(inspect.signature(build).parameters)[1:]

    @functools.wraps(build)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        if self._building:  # a subclass's build calls super().build()
            return build(self, *args, **kwargs)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        shapes = {name: map_shapes(lambda sizes: sizes, shape) for name, shape in given.items()}
        self._building = True
        try:
            with self._scope(), interpreter.using(_EAGER):
                build(self, **shapes)
        finally:
            self._building = False
        self._note_built(shapes)

    return recorded


class Layer(Owner, Configurable, Operation):
    """Maps tensors to tensors, with variables that training may change.

    A subclass writes `call`, and where it has variables `build`, which makes them with `add_weight` once the shapes of
    the inputs are known:

    ```python
    class Scale(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

        def call(self, inputs):
            return inputs * self.scale
    ```

    `call` may take `training`, and `mask` (or `x_mask` for an argument `x`): they are filled in where the caller leaves
    them out. Variables, layers, metrics and seed generators in attributes, also in lists and dicts, belong to
    the layer.

    Args:
        activity_regularizer: a function of the outputs; its value, divided by the batch size, is added to the losses.
        trainable: whether training changes the variables.
        dtype: a dtype or dtype policy, by default the global one.
        autocast: whether float inputs and variables are cast to the policy's compute dtype.
        name: by default the class name in snake case, numbered.
        input_shape, input_dim: shape of one sample, for the first layer of a Sequential model; `Input` says it better.
    """

    supports_masking = False
    quantization_mode = None
    """None: the layer is not quantized."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _recorded(cls.build)  # type: ignore[method-assign]
        if "compute_mask" in vars(cls):
            cls.supports_masking = vars(cls).get("supports_masking", True)

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: argument `name` must be a string without '/', got {name!r}")
        super().__init__(name or naming.auto_name(type(self).__name__))
        if unknown := kwargs.keys() - set(_SAMPLE_SHAPE):
            raise TypeError(f"layer {self.name!r}: unknown arguments {sorted(unknown)}; see its signature")
        self._sample_shape = plugins.load("utils", "Layer.sample_shape")(self.name, kwargs) if kwargs else None
        self.inbound_nodes: list[Node] = []
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = autocast
        self.built = False
        self.input_spec: Any = None
        self._trainable = bool(trainable)
        self._dtype_policy = policy.get(dtype)
        self._building = False
        self._built_in_trace = False
        self._build_shapes: dict[str, Any] | None = None
        self._path: str | None = None
        self._losses: list[Tensor] = []

    # -------------------------------------------------------------------------------------------- building

    @property
    def path(self) -> str:
        """The names of the layers around it and its own, joined by "/"."""
        return self._path or self.name

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """Inside, variables and layers have this layer's name in their path."""
        if self._path is not None and self._path == "/".join(naming.scope_names()):
            yield
            return
        with naming.name_scope(self.name) as path:
            if self._path is None:
                self._path = path
            yield

    @_recorded
    def build(self, input_shape: Any) -> None:
        """Makes the variables for inputs of a shape whose unknown sizes, like the batch's, are None.

        Where a subclass has no `build`, its sublayers are built, by tracing `call`.
        """
        if not _overrides(self, "build") and any(not layer.built for layer in self._layers):
            infer_by_tracing(self.call, (map_shapes(self._symbol, input_shape),), {})

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """A new variable of this layer.

        Args:
            shape: its sizes, () by default.
            initializer: a name, an `Initializer` or a function of (shape, dtype); glorot_uniform by default, zeros for
                integers and booleans.
            dtype: the policy's variable dtype by default.
            trainable: whether the optimizer changes it.
            autocast: whether it is read in the compute dtype.
            regularizer: a function of it whose value is added to the losses.
            constraint: a function that the optimizer applies after an update.
            aggregation: see `Variable`.
            overwrite_with_gradient: whether the optimizer takes the gradient for the new value.
            name: a name without "/".
        """
        kind = self.variable_dtype if dtype is None else dtypes.standardize(dtype)
        if initializer is None:
            initializer = GlorotUniform() if kind in dtypes.FLOATS else Zeros()
        with self._scope(), interpreter.using(_EAGER):
            variable = Variable(
                initializers.get(initializer),
                shape=as_shape(() if shape is None else shape),  # type: ignore[arg-type]
                dtype=kind,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._tracker.track(variable)
        if not self._trainable:
            variable.trainable = False
        return variable

    def _build_for(self, call: Arguments) -> None:
        if _overrides(self, "build"):
            self.build(**call.shapes_for(self.build))
            self._check_input(call.first)
        else:
            if call.symbolic and _overrides(self, "compute_output_shape", "compute_output_spec"):
                with self._scope():
                    infer_by_tracing(self.call, call.args, call.kwargs)
            self._note_built({"input_shape": next(iter(call.shapes().values()), None)})

    def _note_built(self, shapes: dict[str, Any]) -> None:
        tracer = interpreter.current().tracer
        self._build_shapes = shapes
        self._built_in_trace = tracer is not None and not tracer.effects
        self.built = True

    def _settle_shapes(self, call: Arguments) -> None:
        """Built in a shape-inference trace: the sizes that differ in another pass are the unknown ones."""
        tracer = interpreter.current().tracer
        self._built_in_trace = tracer is not None and not tracer.effects
        if self._built_in_trace and self._build_shapes is not None:
            second = call.shapes_for(self.build)
            self._build_shapes = {
                name: common_shapes(shape, second[name]) for name, shape in self._build_shapes.items()
            }

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes it was built for, None if it is not built."""
        if self._build_shapes is None:
            return None
        if len(self._build_shapes) == 1:
            return {"input_shape": next(iter(self._build_shapes.values()))}
        return {"shapes_dict": self._build_shapes}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Builds for the shapes of a config that `get_build_config` returned."""
        if "shapes_dict" in config:
            self.build(**config["shapes_dict"])
        elif config.get("input_shape") is not None:
            self.build(config["input_shape"])

    # -------------------------------------------------------------------------------------------- calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs from tensors."""
        raise NotImplementedError(f"{type(self).__name__} {self.name!r} has no `call`; write call(self, inputs)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "_losses" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}: super().__init__() was not called; make it the first statement of __init__()"
            )
        call = Arguments(self.name, type(self).call, self._convert, args, kwargs)
        outer = _TRAINING.get()
        try:
            self._check_input(call.first)
            if outer is None:
                self._clear_losses()
            if not self.built:
                self._build_for(call)
            elif self._built_in_trace:
                self._settle_shapes(call)
            training = call.fill_training(None if outer is None else outer[0])
            mask = call.fill_masks()
            outputs = self._run(call, training)
            self._pass_mask(call.first, outputs, mask)
            return outputs
        except (ValueError, TypeError) as error:
            error.add_note(f"in layer {self.name!r} ({type(self).__name__}), called on {_describe(call.first)}")
            raise

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Calls the layer with these values of its variables, which stay as they are.

        Returns:
            The outputs, the new values of the non-trainable variables and, with `return_losses`, the losses.
        """

        def call() -> tuple[Any, list[Tensor]]:
            outputs = self(*args, **kwargs)
            return outputs, self.losses if return_losses else []

        (outputs, losses), (_, after) = plugins.load("utils", "keras.stateless_calls")(
            self,
            call,
            ("trainable_variables", self.trainable_variables, trainable_variables),
            ("non_trainable_variables", self.non_trainable_variables, non_trainable_variables),
        )
        return (outputs, after, losses) if return_losses else (outputs, after)

    def _run(self, call: Arguments, training: bool | None) -> Any:
        tracer = interpreter.current().tracer
        if tracer is not None:
            tracer.touched[self] = self.mutations
        mixed = self.autocast and self.compute_dtype in dtypes.FLOATS and self.compute_dtype != self.variable_dtype
        with (
            _set(_TRAINING, (training,)),
            _set(AUTOCAST, self.compute_dtype if mixed else None),
            _set(interpreter.LAYER, self.path),
            self._scope(),
        ):
            outputs = super().__call__(*call.args, **call.kwargs)
            if call.symbolic:
                self.inbound_nodes.extend(t.node for t in tree.flatten(outputs)[:1])
            elif self.activity_regularizer is not None:
                self._regularize_activity(outputs)
        return outputs

    def _convert(self, x: Any) -> Any:
        """Arrays and variables as tensors; floats in the compute dtype."""
        return self._policy.convert_input(x, self.autocast, self.input_dtype)

    def _check_input(self, first: Any) -> None:
        if self.input_spec is not None:
            assert_input_compatibility(self.input_spec, first, self)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the outputs: by `compute_output_shape` where a subclass has it, else by
        tracing `call`.
        """
        if not _overrides(self, "compute_output_shape"):
            with self._scope():
                return infer_by_tracing(self.call, args, kwargs)
        call = Arguments(self.name, type(self).call, lambda x: x, args, kwargs)
        shapes = self.compute_output_shape(**call.shapes_for(self.compute_output_shape))
        return map_shapes(lambda shape: Spec(shape, self.compute_dtype), shapes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shapes of the outputs for the shapes of the inputs, whose unknown sizes are None."""
        found = self.compute_output_spec(map_shapes(self._symbol, input_shape))
        return graph.pack_specs(found, [spec.shape for spec in graph.flatten_specs(found)])

    def _symbol(self, shape: tuple[int | None, ...]) -> Tensor:
        return Tensor(shape, self.input_dtype, scope=MODEL)

    # -------------------------------------------------------------------------------------------- masks and losses

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs: that of the inputs, unless a subclass computes another."""
        return previous_mask

    def _pass_mask(self, inputs: Any, outputs: Any, mask: Any) -> None:
        flat = [t for t in tree.flatten(outputs) if isinstance(t, Tensor)]
        if self.supports_masking:
            if not all(get_mask(t) is not None for t in flat):
                masks = self.compute_mask(inputs, mask)
                for t, m in zip(flat, tree.flatten(masks), strict=False):
                    if m is not None and get_mask(t) is None:
                        set_mask(t, m)
        elif any(m is not None for m in tree.flatten(mask)):
            warnings.warn(
                f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to it. "
                f"However, this layer does not support masking and will therefore destroy the mask information. "
                f"Downstream layers will not see the mask.",
                stacklevel=3,
            )

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar, or several, to the losses of the call that is running."""
        for part in tree.flatten(loss):
            value = convert_to_tensor(part)
            if value.shape not in ((), (1,)):
                raise ValueError(
                    f"layer {self.name!r}: add_loss takes scalars, got shape {value.shape}; reduce it with ops.sum"
                )
            self._losses.append(value)

    @property
    def losses(self) -> list[Tensor]:
        """What the last call added, here and in sublayers, and the regularizers of the trainable weights."""
        tracer = interpreter.current().tracer
        added = [x for layer in self._flatten_layers() for x in layer._losses if x.scope is None or x.scope is tracer]
        return added + [v.regularizer(v) for v in self.trainable_weights if v.regularizer is not None]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._losses.clear()

    def _regularize_activity(self, outputs: Any) -> None:
        from pronghorn import ops

        for t in tree.flatten(outputs):
            loss = self.activity_regularizer(t)
            self.add_loss(ops.divide(loss, max(t.shape[0], 1)) if t.shape else loss)

    # -------------------------------------------------------------------------------------------- dtype, graph, config

    @property
    def dtype_policy(self) -> policy.DTypePolicy:
        """The dtype policy."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = policy.get(value)
        naming.mutated(self)

    @property
    def _policy(self) -> policy.DTypePolicy:
        return self._dtype_policy.at(self._path or naming.scoped(self.name))

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self._policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the variables."""
        return self._policy.variable_dtype

    @property
    def dtype(self) -> str:
        """The dtype of the variables."""
        return self._policy.variable_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self.compute_dtype

    @property
    def input(self) -> Any:
        """The first argument of the first call in a model graph."""
        node = self._first_node("input")
        return next(iter((*node.args, *node.kwargs.values())))

    @property
    def output(self) -> Any:
        """The outputs of the first call in a model graph."""
        return self._first_node("output").structure

    def _first_node(self, attribute: str) -> Node:
        if not self.inbound_nodes:
            raise AttributeError(f"layer {self.name!r} has no `{attribute}` before it is called in a model graph")
        return self.inbound_nodes[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        base = self._base_config()
        return base | self._argument_config(*base, "activity_regularizer", "autocast", *_SAMPLE_SHAPE)

    def _base_config(self) -> dict[str, Any]:
        """What every layer has in its config."""
        from pronghorn.saving.registry import serialize_keras_object

        base = {"name": self.name, "trainable": self.trainable, "dtype": self._dtype_policy}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = self.activity_regularizer
        return serialize_keras_object(base)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _overrides(layer: Layer, *methods: str) -> bool:
    """Whether the layer's class has one of the methods from elsewhere than `Layer`."""
    return any(getattr(type(layer), method) is not getattr(Layer, method) for method in methods)


@contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


_SAMPLE_SHAPE = ("input_shape", "input_dim", "batch_input_shape", "batch_shape")


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{value.shape} {value.dtype}"
    if tree.is_nested(value):
        return ", ".join(_describe(item) for item in tree.flatten(value)) or "nothing"
    return type(value).__name__
