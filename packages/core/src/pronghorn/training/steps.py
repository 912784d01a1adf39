"""Steps: how a model is compiled, and what one step of training, evaluation and prediction does."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pronghorn import graph, identifiers, interpreter, ops, plugins, tree
from pronghorn.arguments import as_integer
from pronghorn.autodiff import GradientTape
from pronghorn.interpreter import Eager
from pronghorn.layer import Layer
from pronghorn.loss import LossFunctionWrapper
from pronghorn.metric import Mean, Metric
from pronghorn.op import infer_by_tracing
from pronghorn.program import Program
from pronghorn.random import SeedGenerator
from pronghorn.tensor import MODEL, Tensor, convert_to_tensor
from pronghorn.training.compiled import LOSSES, METRICS, compiled
from pronghorn.training.data import Source, gather, pack_x_y_sample_weight, unpack_x_y_sample_weight

Step = Callable[[Any, Any], Any]

STATE = frozenset(
    "optimizer loss compiled run_eagerly steps_per_execution jit_compile history stop_training "
    "stop_evaluating stop_predicting _compile_loss _compile_metrics _loss_tracker _compile_arguments "
    "_programs _ready fit_in_progress train_function test_function predict_function".split()
)
"""Attributes of training: the layer does not own what they hold, and setting them re-traces nothing."""

_OVERRIDABLE = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")
_OWN_MODULES = {"pronghorn", *(name.replace("-", "_") for name in plugins.OWN_DISTRIBUTIONS)}


class Steps(Layer):
    """The part of a model that knows its loss, metrics and optimizer.

    `train_step`, `test_step`, `predict_step`, `compute_loss` and `compute_metrics` may be overridden as in
    Keras; each step is traced into one program.
    """

    optimizer: Any = None
    loss: Any = None
    compiled = False
    run_eagerly = False
    jit_compile = True
    steps_per_execution = 1
    stop_training = False
    _compile_loss: Any = None
    _compile_metrics: Any = None
    _loss_tracker: Mean | None = None
    _compile_arguments: dict[str, Any] | None = None
    _programs: dict[str, Program] | None = None
    _ready = False
    train_function: Step | None = None
    test_function: Step | None = None
    predict_function: Step | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in STATE:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # ------------------------------------------------------------------------------------ compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how the model is trained.

        Args:
            optimizer: a name, config or Optimizer.
            loss: a name, a function `(y_true, y_pred) -> values` or a Loss; for several outputs one for all,
                a list in their order, or a dict by their names, where None leaves an output out.
                "crossentropy" chooses by shape.
            loss_weights: numbers, nested like `loss`, by which the losses enter the total.
            metrics: a list of names, functions or Metrics; for several outputs a list with an entry for each,
                or a dict by name. "accuracy" and "crossentropy" choose by shape.
            weighted_metrics: likewise, for metrics that `sample_weight` and `class_weight` enter.
            run_eagerly: runs the steps operation by operation, so that a debugger can step through them.
            steps_per_execution: batches between two calls of the callbacks' batch hooks.
            jit_compile: True and "auto" compile each step to one program; False runs it operation by
                operation, as Keras does on JAX.
            auto_scale_loss: with the dtype policy "mixed_float16", wraps the optimizer in a
                LossScaleOptimizer.

        Raises:
            ValueError: an unknown name, or arguments that do not fit together.
        """
        from pronghorn import optimizers

        if jit_compile not in ("auto", True, False):
            raise ValueError(f"compile: jit_compile must be True, False or 'auto', got {jit_compile!r}")
        if jit_compile is True and run_eagerly:
            message = "compile: jit_compile=True has no effect, since run_eagerly=True compiles nothing"
            warnings.warn(message, stacklevel=2)
        _check_names("losses", ("crossentropy",), loss)
        _check_names("metrics", ("accuracy", "crossentropy"), (metrics, weighted_metrics))
        self.optimizer = optimizers.get(optimizer)
        if auto_scale_loss and self.optimizer is not None and self.dtype_policy.name == "mixed_float16":
            self.optimizer = _scaling(self.optimizer)
        names = getattr(self, "output_names", None)
        measured = metrics or weighted_metrics
        self.loss = loss
        given = (metrics, weighted_metrics, names)
        self._compile_loss = None if loss is None else compiled(LOSSES)(loss, loss_weights, names)
        self._compile_metrics = compiled(METRICS)(*given) if measured else None
        self._loss_tracker = Mean(name="loss")
        self.run_eagerly = bool(run_eagerly)
        self.jit_compile = bool(jit_compile) and not run_eagerly
        self.steps_per_execution = as_integer(steps_per_execution, "steps_per_execution")
        self._compile_arguments = {
            "optimizer": self.optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
            "jit_compile": self.jit_compile,
        }
        self.stop_training = False
        self.compiled = True
        self._programs = {}
        self._ready = False

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain values; None for a model that is not compiled.

        Warns, and gives None, where they hold something that cannot be written down, such as a lambda.
        """
        if self._compile_arguments is None:
            return None
        from pronghorn.saving.registry import serialize_keras_object

        try:
            config: dict[str, Any] = serialize_keras_object(self._compile_arguments)
        except (TypeError, NotImplementedError) as error:
            message = f"model {self.name!r}: the arguments of compile() are not saved, since {error}"
            warnings.warn(message, stacklevel=2)
            return None
        return config

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles with what `get_compile_config` gave; the optimizer of a built model gets its variables."""
        if type(self).compile is not Steps.compile:
            warnings.warn(
                f"{type(self).__name__} has its own compile(), so it was loaded uncompiled: call compile(), "
                f"or write get_compile_config() and compile_from_config()",
                stacklevel=2,
            )
            return
        from pronghorn.saving.registry import deserialize_keras_object

        self.compile(**{key: deserialize_keras_object(value) for key, value in config.items()})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    # ------------------------------------------------------------------------------------ metrics

    @property
    def metrics(self) -> list[Any]:
        """The loss's mean, the compiled metrics, the losses per output, and the metrics of the layers."""
        found: list[Any] = [m for m in (self._loss_tracker, self._compile_metrics) if m is not None]
        if self._compile_loss is not None:
            found += self._compile_loss.metrics
        for layer in self._flatten_layers():
            if layer is self or not isinstance(layer, Steps):  # a model in this one is trained by us
                found += layer._tracker.kind(Metric)
        return found

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Starts all metrics again."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """The present values of all metrics, as tensors."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            value = metric.result()
            results.update(value if isinstance(value, Mapping) else {metric.name: value})
        return results

    # ------------------------------------------------------------------------------------ one step

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The scalar to be minimised: the compiled loss (the mean of one that is not reduced), and what layers and
        regularizers add.

        Raises:
            ValueError: there is neither.
        """
        given = None if self._compile_loss is None else self._compile_loss(y, y_pred, sample_weight)
        total: Any = None
        for part in (given, *self.losses):
            if part is not None:
                scalar = (ops.mean if part is given else ops.sum)(part) if convert_to_tensor(part).shape else part
                total = scalar if total is None else total + scalar
        if total is None:
            raise ValueError(
                f"model {self.name!r} has no loss: pass one to compile(loss=…), or call add_loss in a layer"
            )
        return total

    def stateless_compute_loss(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        metrics_variables: Sequence[Any],
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple[Any, Any, Any]]:
        """`compute_loss` with these values of the variables.

        Returns:
            The loss, and the values afterwards: (trainable, non-trainable, metrics).
        """
        loss, after = plugins.load("utils", "keras.stateless_calls")(
            self,
            lambda: self._loss(x, y, y_pred, sample_weight, training),
            ("trainable_variables", self.trainable_variables, trainable_variables),
            ("non_trainable_variables", self.non_trainable_variables, non_trainable_variables),
            ("metrics_variables", self.metrics_variables, metrics_variables),
        )
        return loss, (after[0], after[1], after[2])

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into account and returns the present values of all metrics by name."""
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training: forward, loss, gradients, update, metrics.

        Args:
            data: a batch: x, (x, y) or (x, y, sample_weight).

        Returns:
            The logs: names to scalars.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._loss(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        if variables:
            gradients = tape.gradient(scaled, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        else:
            message = f"model {self.name!r} has no trainable variables: a step changes nothing"
            warnings.warn(message, stacklevel=2)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation. Takes and returns what `train_step` does."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        self._track_loss(self._loss(x, y, y_pred, sample_weight, training=False), x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def _loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        if "training" in inspect.signature(self.compute_loss).parameters:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def _track_loss(self, loss: Any, x: Any) -> None:
        """The logged loss is the mean over samples, so that a small last batch counts less."""
        if self._loss_tracker is not None:
            self._loss_tracker.update_state(loss, sample_weight=tree.flatten(x)[0].shape[0])

    # ------------------------------------------------------------------------------------ programs

    @property
    def train_program(self) -> Program:
        """The compiled training step; printing it lists its instructions.

        Raises:
            RuntimeError: no step was compiled yet.
        """
        return self._existing_program("train", "fit")

    @property
    def test_program(self) -> Program:
        """The compiled step of `evaluate`."""
        return self._existing_program("test", "evaluate")

    @property
    def predict_program(self) -> Program:
        """The compiled step of `predict`."""
        return self._existing_program("predict", "predict")

    def make_train_function(self, force: bool = False) -> None:
        """Makes `train_function`, the step of `fit`, which otherwise happens when it is needed.

        Args:
            force: whether it is traced anew, for Python state that a trace cannot see.
        """
        self.train_function = self._made("train", force)

    def make_test_function(self, force: bool = False) -> None:
        """Makes `test_function`, the step of `evaluate`, likewise."""
        self.test_function = self._made("test", force)

    def make_predict_function(self, force: bool = False) -> None:
        """Makes `predict_function`, the step of `predict`, likewise."""
        self.predict_function = self._made("predict", force)

    def _made(self, mode: str, force: bool) -> Step:
        if force and self._programs is not None:
            self._programs.pop(mode, None)
        return self._step(mode)

    def _existing_program(self, mode: str, method: str) -> Program:
        if self._programs is None or mode not in self._programs:
            raise RuntimeError(
                f"model {self.name!r} has no compiled {mode} step: call {method} first, without run_eagerly"
            )
        return self._programs[mode]

    def _step(self, mode: str) -> Step:
        """The step "train", "test" or "predict" as a function of what a source yields: compiled, or eager."""
        if self.run_eagerly or not self.jit_compile:
            return self._eager_step(mode)
        if self._programs is None:
            self._programs = {}
        program = self._programs.get(mode)
        if program is None:
            program = Program(self._eager_step(mode), advance=mode == "train", verify=self._has_user_code())
            program = self._programs.setdefault(mode, program)  # another thread may have been quicker
        return program

    def _eager_step(self, mode: str) -> Step:
        def train_step(data: Any, indices: Any) -> Any:
            return self.train_step(pack_x_y_sample_weight(*gather(data, indices)))

        def test_step(data: Any, indices: Any) -> Any:
            return self.test_step(pack_x_y_sample_weight(*gather(data, indices)))

        def predict_step(x: Any, indices: Any) -> Any:
            return self.predict_step(pack_x_y_sample_weight(gather(x, indices)))

        return {"train": train_step, "test": test_step, "predict": predict_step}[mode]

    def _overrides(self, *methods: str) -> bool:
        return any(getattr(type(self), name) is not getattr(Steps, name) for name in methods)

    def _has_user_code(self) -> bool:
        """Whether a trace runs Python that is not ours, whose state might change without our noticing."""
        used: list[Any] = [type(layer) for layer in self._flatten_layers()]
        used += [getattr(metric, "fn", type(metric)) for metric in self.metrics]
        used += self._loss_functions()
        return self._overrides(*_OVERRIDABLE) or not all(map(_is_ours, used))

    def _loss_functions(self) -> list[Any]:
        losses = [] if self._compile_loss is None else self._compile_loss.losses
        return [loss.fn if isinstance(loss, LossFunctionWrapper) else type(loss) for loss in losses]

    # ------------------------------------------------------------------------------------ state

    def _prepare(self, source: Source) -> None:
        """Makes all variables before the first step, and refuses targets that make every weight NaN."""
        if not self._ready:
            x, y, _ = source.example()
            self._build_state(x, y)
        if self._has_own_loss():
            source.check_labels()

    def _has_own_loss(self) -> bool:
        """Whether the loss is one of ours, made of y as it was given."""
        return not self._overrides("train_step", "compute_loss") and all(map(_is_ours, self._loss_functions()))

    def _build_state(self, x: Any, y: Any = None) -> None:
        """Makes the variables of layers, losses, metrics and optimizer, given symbols for a batch."""
        try:
            self._make_variables(x, y)
        finally:
            found = (g for layer in self._flatten_layers() for g in layer._tracker.kind(SeedGenerator))
            for stream, generator in enumerate(dict.fromkeys(found)):
                generator.number(stream)

    def _make_variables(self, x: Any, y: Any) -> None:
        unbuilt = not all(layer.built for layer in self._flatten_layers())
        parts = [p for p in (self._compile_loss, self._compile_metrics) if p is not None and not p.built]
        custom = self._overrides("train_step")
        if unbuilt or (parts and y is not None):
            try:
                y_pred = self._output_symbols(x, any_batch=unbuilt)
                with interpreter.using(Eager()):
                    for part in parts if y is not None else ():
                        part.build(y, y_pred)
            except Exception:
                if not custom:
                    raise
                return  # a custom step may call the model in its own way, and builds what it needs
        variables = self.trainable_variables
        if self.optimizer is not None and not self.optimizer.built and variables:
            self.optimizer.build(variables)
        self._ready = y is not None or custom

    def _output_symbols(self, x: Any, any_batch: bool) -> Any:
        """Symbols for the model's outputs; with `any_batch` layers are built for batches of any size."""

        def unsized(t: Tensor) -> Tensor:
            return Tensor((None, *t.shape[1:]), t.dtype, scope=MODEL)

        if any_batch:
            x = tree.map_structure(unsized, x, none_is_leaf=False)
            if not self.built and isinstance(x, Tensor) and type(self).build is not Layer.build:
                self.build(x.shape)
        found = infer_by_tracing(self, (x,), {"training": False})
        symbols = [Tensor(spec.shape, spec.dtype, scope=MODEL) for spec in graph.flatten_specs(found)]
        return graph.pack_specs(found, symbols)

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"{method}: model {self.name!r} is not compiled; call compile(optimizer, loss) before it")
        trains = method in ("fit", "train_on_batch") and not self._overrides("train_step")
        if trains and self.optimizer is None:
            raise ValueError(f"{method}: model {self.name!r} was compiled with optimizer=None; pass 'adam', say")


def _check_names(kind: str, by_shape: tuple[str, ...], given: Any) -> None:
    """Refuses unknown names at once, not at the first batch."""
    for identifier in tree.flatten(given):
        if isinstance(identifier, str) and identifier.lower() not in (*by_shape, "acc", "ce"):
            identifiers.named(kind, identifier)


def _scaling(optimizer: Any) -> Any:
    if "LossScaleOptimizer" not in plugins.references("optimizers"):
        raise NotImplementedError(
            "compile: no loss scaling for the policy 'mixed_float16' is installed; use 'mixed_bfloat16', or "
            "pass auto_scale_loss=False"
        )
    scaled = plugins.load("optimizers", "LossScaleOptimizer")
    return optimizer if isinstance(optimizer, scaled) else scaled(optimizer)


def _is_ours(code: Any) -> bool:
    """Whether a function or class is Pronghorn's own."""
    module = getattr(code, "__module__", None) or type(code).__module__
    return str(module).partition(".")[0] in _OWN_MODULES
