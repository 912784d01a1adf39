"""Trainer: the half of Model that trains: compile, fit, evaluate, predict, and the steps that a subclass may override."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pronghorn import config, graph, identifiers, interpreter, ops, plugins, tree
from pronghorn.autodiff import GradientTape
from pronghorn.interpreter import Eager
from pronghorn.loss import LossFunctionWrapper
from pronghorn.metric import Mean, Metric
from pronghorn.op import infer_by_tracing
from pronghorn.program import Program
from pronghorn.tensor import MODEL, Tensor, convert_to_tensor
from pronghorn.training import data as data_module
from pronghorn.training.callback import CallbackList, History
from pronghorn.training.compiled import BY_SHAPE, CompileLoss, CompileMetrics
from pronghorn.training.data import Epochs, as_integer, make_source, unpack_x_y_sample_weight
from pronghorn.training.logs import Logs, read

Step = Callable[[Any, Any], Any]

_OWN = frozenset(
    "optimizer loss compiled run_eagerly steps_per_execution jit_compile history stop_training stop_evaluating "
    "stop_predicting _compile_loss _compile_metrics _loss_tracker _compile_arguments _programs _ready".split()
)
"""Attributes that belong to training: no part of the layer, and read by no trace except through `compile`."""


class Trainer:
    """Mixed into `Model` before `Layer`.

    `train_step`, `test_step`, `predict_step`, `compute_loss` and `compute_metrics` may be overridden as in Keras; what they
    do is traced into one program each, which `train_program` prints.
    """

    optimizer: Any = None
    loss: Any = None
    compiled = False
    run_eagerly = False
    jit_compile = True
    steps_per_execution = 1
    history: History | None = None
    stop_training = False
    stop_evaluating = False
    stop_predicting = False
    _compile_loss: CompileLoss | None = None
    _compile_metrics: CompileMetrics | None = None
    _loss_tracker: Mean | None = None
    _compile_arguments: dict[str, Any] | None = None
    _initial_epoch: int | None = None
    _programs: dict[str, Program] | None = None
    _ready = False

    if TYPE_CHECKING:  # what Layer has
        name: str
        built: bool
        dtype_policy: Any
        losses: list[Tensor]
        trainable_variables: list[Any]
        trainable_weights: list[Any]

        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
        def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]: ...

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # ---------------------------------------------------------------------------------------- compile

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
            loss: a name, a function `(y_true, y_pred) -> values` or a Loss; for several outputs one for all, a list in their
                order, or a dict by their names, where None leaves an output out. "crossentropy" chooses by shape.
            loss_weights: numbers, nested like `loss`, by which the losses enter the total.
            metrics: a list of names, functions or Metrics; for several outputs a list with an entry for each, or a dict by
                name. "accuracy" and "crossentropy" choose by shape.
            weighted_metrics: likewise, for metrics that `sample_weight` and `class_weight` enter.
            run_eagerly: runs the steps operation by operation, so that you can step through them with a debugger.
            steps_per_execution: batches between two calls of the callbacks' batch hooks.
            jit_compile: True and "auto" compile each step to one program; False runs it operation by operation, as Keras does
                on JAX.
            auto_scale_loss: with the dtype policy "mixed_float16", wraps the optimizer in a LossScaleOptimizer.

        Raises:
            ValueError: an unknown name, or arguments that do not fit together.
        """
        from pronghorn import optimizers

        if jit_compile not in ("auto", True, False):
            raise ValueError(f"compile: jit_compile must be True, False or 'auto', got {jit_compile!r}")
        if jit_compile is True and run_eagerly:
            warnings.warn("compile: run_eagerly=True runs operation by operation, so that jit_compile=True has no effect", stacklevel=2)
        _check_names("losses", ("crossentropy",), loss)
        _check_names("metrics", tuple(BY_SHAPE), (metrics, weighted_metrics))
        self.optimizer = optimizers.get(optimizer)
        if auto_scale_loss and self.optimizer is not None and self.dtype_policy.name == "mixed_float16":
            self.optimizer = _scaling(self.optimizer)
        names = getattr(self, "output_names", None)
        self.loss = loss
        self._compile_loss = None if loss is None else CompileLoss(loss, loss_weights, names)
        self._compile_metrics = CompileMetrics(metrics, weighted_metrics, names) if metrics or weighted_metrics else None
        self._loss_tracker = Mean(name="loss")
        self.run_eagerly = bool(run_eagerly)
        self.jit_compile = bool(jit_compile) and not run_eagerly
        self.steps_per_execution = as_integer(steps_per_execution, "steps_per_execution")
        self._compile_arguments = {
            "optimizer": optimizer,
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
        """The arguments of `compile` as plain values; None for a model that is not compiled."""
        if self._compile_arguments is None:
            return None
        from pronghorn.saving.registry import serialize_keras_object

        config: dict[str, Any] = serialize_keras_object({**self._compile_arguments, "optimizer": self.optimizer})
        return config

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles with what `get_compile_config` returned, and makes the optimizer's variables where the model is built."""
        if type(self).compile is not Trainer.compile:
            warnings.warn(
                f"{type(self).__name__} has its own compile(), so it was loaded uncompiled: call compile(), or write "
                f"get_compile_config() and compile_from_config()",
                stacklevel=2,
            )
            return
        from pronghorn.saving.registry import deserialize_keras_object

        self.compile(**{key: deserialize_keras_object(value) for key, value in config.items()})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[Metric]:
        """The loss's mean, the compiled metrics, the losses per output, and the metrics of the layers."""
        found: list[Any] = [m for m in (self._loss_tracker, self._compile_metrics) if m is not None]
        if self._compile_loss is not None:
            found += self._compile_loss.metrics
        for layer in self._flatten_layers():
            if layer is self or not isinstance(layer, Trainer):  # a model inside this one is trained by us, not by itself
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

    # ---------------------------------------------------------------------------------------- one step

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The scalar to be minimised: the compiled loss, and what layers and regularizers add.

        Raises:
            ValueError: there is neither.
        """
        parts = [] if self._compile_loss is None else [self._compile_loss(y, y_pred, sample_weight)]
        parts += [ops.sum(loss) if convert_to_tensor(loss).shape else loss for loss in self.losses]
        parts = [part for part in parts if part is not None]
        if not parts:
            raise ValueError(f"model {self.name!r} has no loss: pass one to compile(loss=…), or call add_loss in a layer")
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

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
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.trainable_variables
        if variables:
            self.optimizer.apply_gradients(zip(tape.gradient(scaled, variables), variables, strict=True))
        else:
            warnings.warn(f"model {self.name!r} has no trainable variables: a step changes nothing", stacklevel=2)
        self._track_loss(loss, x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation. Takes and returns what `train_step` does."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        self._track_loss(self._compute_loss(x, y, y_pred, sample_weight, training=False), x)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def _compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        if "training" in inspect.signature(self.compute_loss).parameters:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def _track_loss(self, loss: Any, x: Any) -> None:
        """The logged loss is the mean over samples, so that a small last batch counts less."""
        if self._loss_tracker is not None:
            self._loss_tracker.update_state(loss, sample_weight=tree.flatten(x)[0].shape[0])

    # ---------------------------------------------------------------------------------------- programs

    @property
    def train_program(self) -> Program:
        """The compiled training step; printing it lists its instructions.

        Raises:
            RuntimeError: no step was compiled yet.
        """
        return self._program("train")

    @property
    def test_program(self) -> Program:
        """The compiled step of `evaluate`."""
        return self._program("test")

    @property
    def predict_program(self) -> Program:
        """The compiled step of `predict`."""
        return self._program("predict")

    def _program(self, mode: str) -> Program:
        if mode not in (self._programs or {}):
            call = {"train": "fit", "test": "evaluate"}.get(mode, mode)
            raise RuntimeError(
                f"model {self.name!r} has no compiled {mode} step yet: call {call} first, and compile without run_eagerly"
            )
        return (self._programs or {})[mode]

    def _compiled_step(self, mode: str) -> Step:
        """The step as a function of what a source yields: a program, or eager."""
        if self._programs is None:
            self._programs = {}
        if self.run_eagerly or not self.jit_compile:
            return self._step_function(mode)
        program = self._programs.get(mode)
        if program is None:
            program = Program(self._step_function(mode), advance=mode == "train", verify=self._has_user_code(mode))
            program = self._programs.setdefault(mode, program)
        return program

    def _step_function(self, mode: str) -> Step:
        if mode == "predict":

            def predict_step(x: Any, indices: Any) -> Any:
                return self.predict_step(data_module.pack_x_y_sample_weight(data_module.gather(x, indices)))

            return predict_step
        run = self.train_step if mode == "train" else self.test_step

        def step(data: Any, indices: Any) -> Any:
            return run(data_module.pack_x_y_sample_weight(*data_module.gather(data, indices)))

        step.__name__ = f"{mode}_step"
        return step

    def _has_user_code(self, mode: str) -> bool:
        """Whether a trace runs Python that is not ours, whose state might change without our noticing."""
        steps = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")
        loss = self._compile_loss.terms if self._compile_loss is not None else ()
        used = [term.loss.fn if isinstance(term.loss, LossFunctionWrapper) else type(term.loss) for term in loss]
        used += [getattr(metric, "fn", type(metric)) for metric in self.metrics]
        used += [type(layer) for layer in self._flatten_layers()]
        return any(not _is_ours(x) for x in used) or any(
            getattr(type(self), name) is not getattr(Trainer, name) for name in steps
        )

    def _build_state(self, x: Any, y: Any = None) -> None:
        """Makes all variables before the first step, from symbols for a batch: of layers, losses, metrics, optimizer."""
        if self._ready:
            return
        unbuilt = not all(layer.built for layer in self._flatten_layers())
        parts = [part for part in (self._compile_loss, self._compile_metrics) if part is not None and not part.built]
        custom = type(self).train_step is not Trainer.train_step
        if unbuilt or (parts and y is not None):
            try:
                y_pred = self._output_symbols(x, any_batch=unbuilt)
                with interpreter.using(Eager()):
                    for part in parts if y is not None else ():
                        part.build(y, y_pred)
            except Exception:
                if not custom:
                    raise
                return  # a custom step may use the model in its own way, and builds what it needs itself
        if self.optimizer is not None and not self.optimizer.built and (variables := self.trainable_variables):
            self.optimizer.build(variables)
        self._ready = y is not None or custom

    def _output_symbols(self, x: Any, any_batch: bool) -> Any:
        """Symbols for the model's outputs."""
        if any_batch:
            x = tree.map_structure(lambda t: Tensor((None, *t.shape[1:]), t.dtype, scope=MODEL), x, none_is_leaf=False)
        found = infer_by_tracing(self, (x,), {"training": False})
        symbols = [Tensor(spec.shape, spec.dtype, scope=MODEL) for spec in graph.flatten_specs(found)]
        return graph.pack_specs(found, symbols)

    def _prepare_for(self, source: data_module.Source) -> None:
        if not self._ready:
            x, y, _ = source.example()
            self._build_state(x, y)
        if self._compile_loss is not None and all(_is_ours(_code(term.loss)) for term in self._compile_loss.terms):
            if type(self).train_step is Trainer.train_step and type(self).compute_loss is Trainer.compute_loss:
                source.check_labels()

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"{method}: model {self.name!r} is not compiled; call model.compile(optimizer, loss) before {method}"
            )

    # ---------------------------------------------------------------------------------------- loops

    def _run_epoch(self, function: Step, epochs: Epochs, begin: Any, end: Any, flag: str, logs: Any = Logs) -> Any:
        """Runs the steps of one epoch; returns what the last one returned."""
        result, number, per_execution = None, 0, self.steps_per_execution
        batches = iter(epochs)
        for data, indices in batches:
            begin(number)
            result = function(data, indices)
            for _ in range(per_execution - 1):
                if (batch := next(batches, None)) is None:
                    break
                result = function(*batch)
                number += 1
            end(number, logs(result))
            number += 1
            if getattr(self, flag):
                break
        batches.close()
        return result

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History | None:
        """Trains the model.

        Args:
            x: arrays with one row per sample (NumPy, lists, tensors, h5py, memory-mapped; lists or dicts of them for several
                inputs), or a generator, iterator, iterable or PyDataset of batches (x, y) or (x, y, sample_weight).
            y: targets, where x is arrays.
            batch_size: rows per step, 32 by default.
            epochs: the number of the last epoch.
            verbose: 0 silent, 1 a progress bar, 2 a line per epoch; "auto" is 1 on a terminal or in a notebook, else 2.
            callbacks: Callbacks.
            validation_split: this fraction of the rows, the last ones, is for validation.
            validation_data: (x, y), (x, y, sample_weight), or anything that x may be; replaces `validation_split`.
            shuffle: whether arrays are read in a new order of `np.random.permutation` in each epoch, and the batches of a
                PyDataset likewise; "batch" shuffles within batches only. Generators are read as they come.
            class_weight: class number -> weight, 1 where a class is missing.
            sample_weight: one weight per sample (or per sample and step, …).
            initial_epoch: the epoch to begin with, counted from 0.
            steps_per_epoch: steps that make an epoch; by default a pass over the data. Arrays begin again where they end
                within an epoch; an iterator goes on in the next epoch.
            validation_steps, validation_batch_size: likewise for the validation.
            validation_freq: validates every so many epochs, or after the epochs listed, counted from 1.

        Returns:
            The History of this run.

        Raises:
            ValueError: the model is not compiled, or the data do not fit the model or each other.
        """
        self._require_compiled("fit")
        epochs, initial_epoch = as_integer(epochs, "epochs", 0), as_integer(initial_epoch, "initial_epoch", 0)
        batch_size = _optional(batch_size, "batch_size")
        steps = _optional(steps_per_epoch, "steps_per_epoch")
        due = _validation_epochs(validation_freq)
        split = validation_split and validation_data is None
        weights = None if split else class_weight
        source = make_source(
            x, y, sample_weight, batch_size=batch_size, steps=steps, shuffle=shuffle, class_weight=weights
        )
        validation = None
        held_size = _optional(validation_batch_size, "validation_batch_size")
        if split:
            source, held_out = data_module.split_arrays(source, validation_split, held_size, class_weight)
        elif validation_data is not None:
            val_x, val_y, val_weight = unpack_x_y_sample_weight(validation_data)
            size = held_size or (batch_size if data_module.is_arrays((val_x, val_y)) else None)
            held_out = make_source(val_x, val_y, val_weight, batch_size=size)
        if split or validation_data is not None:
            validation = Epochs(held_out, _optional(validation_steps, "validation_steps"), "validation_steps")
        training = Epochs(source, steps, "steps_per_epoch")
        self._prepare_for(source)
        if validation is not None:
            self._prepare_for(validation.source)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                model=self,
                verbose=verbose,
                epochs=epochs,
                steps=training.length,
            )
        try:
            self._fit(training, validation, due, callbacks, initial_epoch, epochs)
        finally:
            training.close()
            if validation is not None:
                validation.close()
            if self.optimizer is not None and self.optimizer.built:
                self.optimizer.finalize_variable_values(self.trainable_weights)
        return self.history

    def _fit(
        self,
        training: Epochs,
        validation: Epochs | None,
        due: Callable[[int], bool],
        callbacks: CallbackList,
        initial_epoch: int,
        epochs: int,
    ) -> None:
        self.stop_training = False
        logs: dict[str, Any] = {}
        warned = False
        callbacks.on_train_begin()
        function = self._compiled_step("train")
        for epoch in range(self._initial_epoch or initial_epoch, epochs):
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            begin, end = callbacks.on_train_batch_begin, callbacks.on_train_batch_end
            result = self._run_epoch(function, training, begin, end, "stop_training")
            if training.dry:
                self.stop_training = True
                _warn_dry("fit", "epochs * steps_per_epoch" if training.steps else "epochs")
                if result is None:
                    break
            logs = read(result)
            if not warned and math.isnan(_number(logs.get("loss"))):
                warned = True
                _warn_nan(epoch)
            if validation is not None and due(epoch + 1):
                logs |= {f"val_{name}": value for name, value in self._evaluate(validation, callbacks).items()}
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end(logs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data. Seeds are not advanced.

        Args:
            x, y, sample_weight, batch_size, verbose, callbacks: as for `fit`.
            steps: batches to take; by default all.
            return_dict: whether to return a dict by name.

        Returns:
            The loss, or a list of it and the metrics in the order of `metrics`, or a dict; Python floats.
        """
        self._require_compiled("evaluate")
        steps = _optional(steps, "steps")
        epochs = Epochs(make_source(x, y, sample_weight, batch_size=batch_size, steps=steps), steps)
        self._prepare_for(epochs.source)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=epochs.length
            )
        logs = self._evaluate(epochs, callbacks)
        return logs if return_dict else self._in_order(logs)

    def _evaluate(self, epochs: Epochs, callbacks: CallbackList) -> dict[str, Any]:
        self.stop_evaluating = False
        callbacks.on_test_begin()
        self.reset_metrics()
        epochs.restart()
        begin, end = callbacks.on_test_batch_begin, callbacks.on_test_batch_end
        logs = read(self._run_epoch(self._compiled_step("test"), epochs, begin, end, "stop_evaluating"))
        if epochs.dry:
            _warn_dry("evaluate", "steps" if epochs.steps else "one pass")
        callbacks.on_test_end(logs)
        return logs

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: int | None = None, callbacks: Any = None
    ) -> Any:
        """The model's outputs as NumPy arrays, batch by batch. Seeds are not advanced.

        Args:
            x: as for `fit`.
            batch_size: rows per step, 32 by default.
            verbose, callbacks: as for `fit`.
            steps: batches to take; by default all.
        """
        one_batch = type(x) is np.ndarray and 0 < len(x) <= (batch_size or 32) and x.dtype.kind in "fiub"
        if one_batch and verbose == 0 and callbacks is None and steps is None and self.built:
            outputs = self._compiled_step("predict")(x, None)
            return outputs.numpy() if type(outputs) is Tensor else _to_numpy(outputs)
        steps = _optional(steps, "steps")
        epochs = Epochs(make_source(x, batch_size=batch_size, steps=steps), steps)
        if not all(layer.built for layer in self._flatten_layers()):
            self._build_state(epochs.source.example()[0])
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks, add_progbar=verbose != 0, model=self, verbose=verbose, epochs=1, steps=epochs.length
            )
        function = self._compiled_step("predict")
        collected = _Outputs(epochs.source.rows if steps is None else None)

        def predict_batch(data: Any, indices: Any) -> Any:
            outputs = _to_numpy(function(data[0], indices))
            collected.add(outputs)
            return outputs

        self.stop_predicting = False
        callbacks.on_predict_begin()
        begin, end = callbacks.on_predict_batch_begin, callbacks.on_predict_batch_end
        self._run_epoch(predict_batch, epochs, begin, end, "stop_predicting", lambda outputs: {"outputs": outputs})
        callbacks.on_predict_end()
        return collected.result()

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on a batch; metrics go on from where they were (see `reset_metrics`).

        Returns:
            What `evaluate` returns.
        """
        self._require_compiled("train_on_batch")
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics on a batch; metrics go on from where they were (see `reset_metrics`)."""
        self._require_compiled("test_on_batch")
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for a batch, as NumPy arrays."""
        x, _, _ = data_module.batch_arrays(x)
        if not self.built:
            self._build_state(*data_module.symbols((x, None, None))[:1])
        return _to_numpy(self._compiled_step("predict")(x, None))

    def _on_batch(
        self, mode: str, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[Any, float] | None, return_dict: bool
    ) -> Any:
        batch = data_module.batch_arrays(x, y, sample_weight, class_weight)
        if not self._ready:
            self._build_state(*data_module.symbols(batch)[:2])
        logs = read(self._compiled_step(mode)(batch, None))
        return logs if return_dict else self._in_order(logs)

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """Logs as a list in the order of `metrics`, the others behind; a single value alone."""
        names: list[str] = []
        for metric in self.metrics:
            names += [m.name for m in metric.metrics] if isinstance(metric, CompileMetrics) else [metric.name]
        first = [name for name in dict.fromkeys(names) if name in logs]
        values = [logs[name] for name in first] + [logs[name] for name in sorted(logs) if name not in first]
        return values[0] if len(values) == 1 else values


class _Outputs:
    """Collects the outputs of batches, nested as they are, in one array for each.

    Args:
        rows: how many there will be in all, if that is known: then each array is allocated once.
    """

    def __init__(self, rows: int | None) -> None:
        self.rows = rows
        self.used = 0
        self.structure: Any = None
        self.arrays: list[Any] = []

    def add(self, outputs: Any) -> None:
        """Appends the outputs of a batch."""
        parts = tree.flatten(outputs)
        if not self.arrays:
            self.structure = outputs
            self.arrays = [np.empty((self.rows or len(part), *part.shape[1:]), part.dtype) for part in parts]
        stop = self.used + len(parts[0])
        for array, part in zip(self.arrays, parts, strict=True):
            if part.shape[1:] != array.shape[1:]:
                raise ValueError(
                    f"predict: a batch's output has shape {part.shape}, those before (…, {str(array.shape[1:])[1:]}, so that they "
                    f"do not fit into one array; pad the inputs to one length or use predict_on_batch"
                )
            if stop > len(array):
                array.resize((max(stop, 2 * len(array)), *array.shape[1:]), refcheck=False)
            array[self.used : stop] = part
        self.used = stop

    def result(self) -> Any:
        """The arrays, nested as the outputs."""
        if not self.arrays:
            raise ValueError("predict: the data gave no batch; they are empty or used up")
        for array in self.arrays:
            if len(array) != self.used:
                array.resize((self.used, *array.shape[1:]), refcheck=False)
        return tree.pack_sequence_as(self.structure, self.arrays) if tree.is_nested(self.structure) else self.arrays[0]


def _to_numpy(outputs: Any) -> Any:
    return tree.map_structure(lambda t: convert_to_tensor(t).numpy(), outputs)


def _optional(value: Any, name: str) -> int | None:
    return None if value is None else as_integer(value, name)


def _number(value: Any) -> float:
    return value if isinstance(value, float) else 0.0


def _check_names(kind: str, by_shape: tuple[str, ...], identifiers_: Any) -> None:
    """Refuses unknown names at once, not at the first batch."""
    for identifier in tree.flatten(identifiers_):
        if isinstance(identifier, str) and identifier.lower() not in (*by_shape, "acc", "ce"):
            identifiers.named(kind, identifier)


def _scaling(optimizer: Any) -> Any:
    if "LossScaleOptimizer" not in plugins.references("optimizers"):
        raise NotImplementedError(
            "compile: loss scaling for the policy 'mixed_float16' is not installed; use 'mixed_bfloat16', or pass "
            "auto_scale_loss=False"
        )
    scaled = plugins.load("optimizers", "LossScaleOptimizer")
    return optimizer if isinstance(optimizer, scaled) else scaled(optimizer)


def _code(loss: Any) -> Any:
    return loss.fn if isinstance(loss, LossFunctionWrapper) else type(loss)


def _is_ours(code: Any) -> bool:
    """Whether a function or class is Pronghorn's own."""
    module = getattr(code, "__module__", None) or getattr(type(code), "__module__", "")
    return module.partition(".")[0].partition("_")[0] == "pronghorn"


def _validation_epochs(frequency: Any) -> Callable[[int], bool]:
    if isinstance(frequency, (list, tuple, set, frozenset, range)):
        chosen = {as_integer(epoch, "validation_freq") for epoch in frequency}
        return lambda epoch: epoch in chosen
    every = as_integer(frequency, "validation_freq")
    return lambda epoch: epoch % every == 0


def _warn_dry(method: str, needed: str) -> None:
    warnings.warn(f"{method}: the data ran out; the iterator must give enough batches for {needed}", stacklevel=4)


def _warn_nan(epoch: int) -> None:
    hint = "" if config.trace_nans() else "; pronghorn.config.set_trace_nans(True) before fit names the layer and operation"
    warnings.warn(f"the loss became NaN in epoch {epoch + 1}{hint}", stacklevel=4)
