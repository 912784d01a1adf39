"""What a re-implementation of Keras's losses, metrics, training and optimizers gets wrong, statement by statement."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np
from training_scenarios import CLASSES, ONE_HOT, SUM, WEIGHTS, WORDS, YES, X, dense, error_of, fixed, scenario

QUIET: dict[str, Any] = {"verbose": 0, "shuffle": False}


def value_of(function: Any) -> Any:
    """What a call returns, "error" where it raises."""
    try:
        return function()
    except Exception:
        return "error"


@scenario
def losses_reduced(keras: Any) -> Any:
    L, found = keras.losses, {}
    y, p, w = np.zeros((2, 3)), np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([1.0, 3.0])
    for how in ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None):
        loss = L.MeanSquaredError(reduction=how)
        found[f"reduction {how}"] = [loss(y, p), loss(y, p, sample_weight=w)]
    steps = np.arange(12.0).reshape(2, 3, 2)
    found["values are means over the last axis"] = L.mean_squared_error(np.zeros_like(steps), steps)
    loss = L.MeanAbsoluteError()
    for weight in (w, w[:, None], np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3, 1)):
        found[f"weights of shape {weight.shape}"] = value_of(
            lambda weight=weight: loss(np.zeros_like(steps), steps, sample_weight=weight)
        )
    found["a last axis of one is squeezed"] = [
        loss(np.zeros((4, 1)), np.arange(4.0)),
        loss(np.zeros(4), np.arange(4.0)[:, None]),
    ]
    found["an unknown reduction"] = error_of(lambda: L.MeanSquaredError(reduction="median"))
    model = keras.Sequential([keras.Input((6,)), keras.layers.Embedding(7, 2, mask_zero=True), keras.layers.Dense(1)])
    fixed(model).compile("sgd", "mse", metrics=["mse"], weighted_metrics=["mae"])
    targets = np.ones((10, 6, 1))
    found["a mask: the mean is over what is not masked"] = [
        model.evaluate(WORDS, targets, verbose=0),
        model.evaluate(WORDS, targets, sample_weight=np.outer(WEIGHTS[:10], np.ones(6)), verbose=0),
    ]
    found["with a weight for each row"] = value_of(
        lambda: model.evaluate(WORDS, targets, sample_weight=WEIGHTS[:10], verbose=0)
    )
    return found


@scenario
def losses_one_by_one(keras: Any) -> Any:
    L, found = keras.losses, {}
    y = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    p = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.3]])
    for name in (
        "BinaryCrossentropy CategoricalCrossentropy MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError "
        "MeanSquaredLogarithmicError Huber LogCosh Hinge SquaredHinge CategoricalHinge KLDivergence Poisson "
        "CosineSimilarity CategoricalFocalCrossentropy BinaryFocalCrossentropy Dice Tversky "
        "CategoricalGeneralizedCrossEntropy"
    ).split():
        loss = getattr(L, name)()
        target = CLASSES[:2] if name == "CategoricalGeneralizedCrossEntropy" else y
        found[name] = [loss(target, p), loss.name]
    cce, bce = L.CategoricalCrossentropy, L.BinaryCrossentropy
    one = np.ones((1, 1))
    far = np.array([[-100.0, 100.0, 3.0]])
    found["probabilities are made to add up to one"] = cce()(np.array([[0.0, 1.0]]), np.array([[2.0, 2.0]]))
    found["and are clipped"] = [bce()(one, 0 * one), cce()(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))]
    found["logits are not"] = [bce(from_logits=True)(y[:1], far), cce(from_logits=True)(y[:1], far)]
    found["label smoothing"] = [kind(label_smoothing=0.1)(y, p) for kind in (cce, bce)]
    found["hinge takes 0 and 1 for -1 and 1"] = [L.hinge(y, p), L.hinge(2 * y - 1, p), L.hinge(y + 0.5, p)]
    found["percentages and logarithms guard against 0"] = [
        L.mean_absolute_percentage_error(0 * one, one),
        L.mean_squared_logarithmic_error(-one, one),
    ]
    found["divergences clip"] = [
        L.kl_divergence(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])),
        L.poisson(one, 0 * one),
    ]
    sparse = L.SparseCategoricalCrossentropy(ignore_class=1)
    found["sparse, with a class left out"] = [
        sparse(np.array([1, 0]), p),
        L.sparse_categorical_crossentropy(np.array([2, 0]), p),
    ]
    found["other axes"] = [cce(axis=0)(y, p), L.CosineSimilarity(axis=0)(y, p)]
    found["by name"] = [
        [type(L.get(n)).__name__ == "function" or callable(L.get(n)), getattr(L.get(n), "__name__", "")]
        for n in ("mse", "mae", "mape", "msle", "bce", "kld", "huber", "log_cosh", "cosine_similarity")
    ]
    for loss in ("crossentropy", "ce"):
        for units, target in ((1, YES), (3, CLASSES), (3, ONE_HOT)):
            model = dense(keras, units, "sigmoid" if units == 1 else "softmax")
            model.compile("sgd", loss)
            found[f"{loss} by shape, {units} units, rank {target.ndim}"] = model.evaluate(X, target, verbose=0)
    return found


@scenario
def losses_together(keras: Any) -> Any:
    found: dict[str, Any] = {}
    i = keras.Input((4,))
    penal = keras.layers.Dense(1, name="p", kernel_regularizer="l2")(i)
    model = fixed(keras.Model(i, [penal, keras.layers.Dense(3, name="q", activation="softmax")(i)]))
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], loss_weights=[0.5, 2.0], metrics=["mae", "acc"])
    found["the total is of weighted losses and penalties, the parts are not"] = model.evaluate(
        X, [SUM, CLASSES], verbose=0, return_dict=True
    )
    found["order of evaluate"] = [model.evaluate(X, [SUM, CLASSES], verbose=0), model.metrics_names]
    model.compile("sgd", {"q": "sparse_categorical_crossentropy"}, metrics={"q": "accuracy"})
    found["an output without a loss"] = value_of(lambda: model.evaluate(X, {"q": CLASSES}, verbose=0, return_dict=True))
    found["though there is a target"] = value_of(
        lambda: model.evaluate(X, {"p": SUM, "q": CLASSES}, verbose=0, return_dict=True)
    )
    line = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)])
    line.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mse"], weighted_metrics=["mae"])
    x, y = np.arange(6, dtype="float32").reshape(3, 2), np.array([[0.0], [1.0], [1.0]])
    for weights in (None, {0: 1.0, 1: 10.0}, {1: 10.0}):
        run = line.fit(x, y, batch_size=2, class_weight=weights, **QUIET)
        found[f"class_weight {weights}: loss and weighted metrics only"] = run.history
    found["class_weight and sample_weight together"] = error_of(
        lambda: line.fit(x, y, class_weight={0: 1.0}, sample_weight=np.ones(3), **QUIET)
    )
    found["class_weight with several outputs"] = error_of(
        lambda: model.fit(X, [SUM, CLASSES], class_weight={0: 1.0}, **QUIET)
    )
    return found


@scenario
def metrics_by_name(keras: Any) -> Any:
    M, found = keras.metrics, {}
    for units, loss, y in (
        (1, "mse", YES),
        (3, "sparse_categorical_crossentropy", CLASSES[:, None]),
        (3, "mse", ONE_HOT),
        (3, "sparse_categorical_crossentropy", CLASSES),
    ):
        model = dense(keras, units)
        model.compile("sgd", loss, metrics=["accuracy", "acc", "mse"] if y.shape[-1:] == (units,) else ["acc"])
        run = model.fit(X, y, **QUIET)
        found[f"accuracy of {units} units, {y.shape}"] = [
            list(run.history),
            [type(metric).__name__ for metric in model.metrics[1].metrics],
        ]
    strict = M.BinaryAccuracy()
    strict.update_state([[1.0], [0.0]], [[0.5], [0.5]])
    found["a half is not yet one"] = strict.result()
    auc = M.AUC(num_thresholds=3)
    auc.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    found["AUC"] = [auc.result(), len(M.AUC().thresholds), auc.thresholds, M.AUC().get_config()["summation_method"]]
    found["thresholds begin below 0 and end above 1"] = [auc.thresholds[0] < 0, auc.thresholds[-1] > 1]
    top = M.TopKCategoricalAccuracy()
    found["k is five"] = [top.get_config(), M.SparseTopKCategoricalAccuracy().k]
    y, p, w = np.zeros((2, 3)), np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([1.0, 3.0])
    found["weighted metrics divide by the weights"] = [M.MeanSquaredError()(y, p, sample_weight=w), M.Mean()(p, w)]
    found["a name makes a class"] = [
        [type(M.get(n)).__name__, M.get(n).name] if not isinstance(M.get(n), type(dense)) else M.get(n).__name__
        for n in ("mse", "mae", "MeanSquaredError", "accuracy", "binary_accuracy")
    ]
    model = dense(keras)
    model.compile("sgd", "mse", metrics=["mse", lambda t, q: keras.ops.mean(t - q, -1), M.MeanSquaredError()])
    found["names in logs"] = list(model.fit(X, SUM, **QUIET).history)
    seen: list[Any] = []
    recorder = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(dict(logs)))
    model = dense(keras)
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=["mae"])
    model.fit(X, SUM, batch_size=8, epochs=2, callbacks=[recorder], **QUIET)
    found["batch logs are running means, from each epoch's start"] = seen
    found["weighted by the sizes of batches"] = model.evaluate(X, SUM, batch_size=8, verbose=0)
    found["metrics_names"] = model.metrics_names
    for name, arguments in {"Precision": (), "Recall": (), "F1Score": (), "FBetaScore": (), 
                            "CosineSimilarity": (), "MeanIoU": (2,), "OneHotIoU": (2, [0]), "LogCoshError": (),
                            "SensitivityAtSpecificity": (0.5,), "PrecisionAtRecall": (0.5,),
                            "MeanRelativeError": (np.array([1.0, 2.0]),), "RootMeanSquaredError": (),
                            "MatthewsCorrelationCoefficient": () , "ConcordanceCorrelation": (),
                            "PearsonCorrelation": ()}.items():  # fmt: skip
        if not hasattr(M, name):
            continue
        metric = getattr(M, name)(*arguments)
        given = np.array([[0.2, 0.8], [0.6, 0.4], [0.45, 0.55]], "float32")
        truth = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], "float32")
        if name == "MeanIoU":
            truth, given = truth[:, 0].astype("int32"), (given[:, 0] > 0.5).astype("int32")
        metric.update_state(truth, given)
        metric.update_state(truth[:1], given[:1])
        found[name] = [metric.name, metric.result()]
        metric.reset_state()
        found[f"{name}, reset"] = metric.result()
    return found


@scenario
def fitting(keras: Any) -> Any:
    found: dict[str, Any] = {}

    def model_of(**options: Any) -> Any:
        model = dense(keras)
        model.compile(keras.optimizers.SGD(0.01), "mse", **options)
        return model

    rows: list[int] = []

    class Seen(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return keras.ops.sum(x, -1, keepdims=True)

        def test_step(self, *arguments: Any) -> Any:
            return {}

    x = np.arange(70, dtype="float32").reshape(70, 1)
    probe = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    probe.compile("sgd", "mse")
    counted: list[int] = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: counted.append(batch))
    probe.fit(x, x, callbacks=[count], **QUIET)
    found["batches of 32, the last is kept"] = counted
    still = dense(keras)
    still.compile(keras.optimizers.SGD(0.0), "mse")
    run = still.fit(X, SUM, validation_split=0.3, batch_size=4, **QUIET)
    rows += [int(np.floor(22 * 0.7))]
    found["validation_split takes the last rows"] = [
        run.history["val_loss"],
        still.evaluate(X[15:], SUM[15:], verbose=0),
        run.params,
        rows,
    ]
    again = still.fit(X, SUM, validation_split=0.3, batch_size=4, verbose=0)
    found["before they are shuffled"] = again.history["val_loss"]
    other = still.fit(X, SUM, validation_split=0.3, validation_data=(X[:2], SUM[:2]), **QUIET)
    found["validation_data goes before it"] = other.history["val_loss"]
    found["epochs is the last epoch's number"] = model_of().fit(X, SUM, initial_epoch=2, epochs=4, **QUIET).epoch
    run = model_of(metrics=["mae"]).fit(X, SUM, epochs=4, validation_data=(X, SUM), validation_freq=2, **QUIET)
    found["History"] = [
        list(run.history),
        {k: len(v) for k, v in run.history.items()},
        run.epoch,
        run.params,
        type(run.history["loss"][0]).__name__,
        run.model.history is run,
    ]
    run = model_of().fit(X, SUM, epochs=2, callbacks=[keras.callbacks.LearningRateScheduler(lambda e, r: r)],
                         validation_data=(X, SUM), **QUIET)  # fmt: skip
    found["order of keys"] = list(run.history)
    model = model_of(metrics=["mae"])
    found["train_on_batch gives running values"] = [model.train_on_batch(X[:5], SUM[:5]) for _ in range(3)]
    model.reset_metrics()
    found["until they are reset"] = model.train_on_batch(X[:5], SUM[:5])
    found["predict joins batches"] = [model.predict(X, batch_size=5, verbose=0), model.predict_on_batch(X[:3])]
    i, j = keras.Input((4,), name="i"), keras.Input((4,), name="j")
    two = fixed(keras.Model([i, j], keras.layers.Dense(1)(keras.layers.concatenate([i, j]))))
    two.compile("sgd", "mse")
    found["inputs by position and by name"] = [
        two.evaluate([X, 2 * X], SUM, verbose=0),
        two.evaluate({"j": 2 * X, "i": X}, SUM, verbose=0),
        two.evaluate({"j": 2 * X, "i": X, "k": X}, SUM, verbose=0),
        error_of(lambda: two.predict({"i": X}, verbose=0)),
    ]
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    model = dense(keras)
    model.compile(sgd, "mse")
    model.fit(X, SUM, **QUIET)
    model.compile(sgd, "mae")
    found["compile keeps an optimizer's state"] = int(sgd.iterations)
    model.layers[0].trainable = False
    before = model.layers[0].get_weights()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, SUM, **QUIET)
    found["what is frozen stays"] = bool((before[0] == model.layers[0].get_weights()[0]).all())
    late = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
    late.compile("sgd", "mse")
    late.fit(X, SUM, **QUIET)
    found["built from the first batch"] = [list(late.layers[0].kernel.shape), late.built]
    averaged = dense(keras)
    averaged.compile(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=2), "mse")
    averaged.fit(X, SUM, batch_size=5, **QUIET)
    found["EMA overwrites every n steps"] = averaged.get_weights()
    for steps in (2, 3):
        gathered = dense(keras)
        gathered.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps), "mse")
        gathered.fit(X, SUM, batch_size=4, **QUIET)
        found[f"gradients of {steps} batches gathered"] = gathered.get_weights()
    return found


@scenario
def monitors(keras: Any) -> Any:
    """Callbacks that look at a value, run on made-up logs."""
    C, found = keras.callbacks, {}

    def run(callback: Any, series: list[float], name: str = "val_loss", epochs: Any = None) -> Any:
        model = dense(keras)
        model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["accuracy", "AUC"])
        model.fit(X, YES, verbose=0, epochs=1)
        model.stop_training = False
        callback.set_model(model)
        callback.set_params({"epochs": len(series)})
        printed, rates, stopped = io.StringIO(), [], None
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            callback.on_train_begin()
            for epoch, value in enumerate(series):
                model.layers[0].kernel.assign(np.full((4, 5), float(epoch)))
                callback.on_epoch_begin(epoch)
                callback.on_epoch_end(epoch, {name: value, "loss": 1.0})
                rates.append(float(model.optimizer.learning_rate))
                if model.stop_training:
                    stopped = epoch
                    break
            callback.on_train_end()
        weight = float(np.asarray(model.layers[0].kernel)[0, 0])
        return [stopped, weight, rates, printed.getvalue()]

    series = [1.0, 0.9, 0.95, 0.85, 0.86, 0.87, 0.88, 0.89]
    stop = C.EarlyStopping
    for label, options in {
        "plain": {}, "patience": {"patience": 2}, "min_delta": {"patience": 2, "min_delta": 0.11},
        "baseline": {"patience": 3, "baseline": 0.5}, "met baseline": {"patience": 3, "baseline": 0.95},
        "start": {"patience": 1, "start_from_epoch": 4}, "max": {"mode": "max", "patience": 1},
        "restore": {"patience": 2, "restore_best_weights": True},
        "never": {"patience": 9, "restore_best_weights": True},
        "patience 0 at epoch 0": {"baseline": 0.1},
    }.items():  # fmt: skip
        found[f"EarlyStopping, {label}"] = run(stop(verbose=1, **options), series)
    found["restores at the end even if not stopped"] = run(stop(patience=99, restore_best_weights=True), series)[1]
    found["a value that is missing"] = run(stop("nothing", patience=1, mode="min"), series)[0]
    for metric in ("loss", "accuracy"):
        found[f"auto mode of {metric}"] = run(stop(f"val_{metric}", patience=1), series, f"val_{metric}")[0]
    found["auto mode of an unknown metric"] = error_of(lambda: run(stop("val_strange"), series, "val_strange"))
    reduce = C.ReduceLROnPlateau
    for label, options in {
        "plain": {"patience": 1}, "cooldown": {"patience": 1, "cooldown": 2}, "least": {"patience": 1, "min_lr": 0.03},
        "factor": {"factor": 0.5, "patience": 2, "min_delta": 0.2}, "max": {"mode": "max", "patience": 2},
    }.items():  # fmt: skip
        found[f"ReduceLROnPlateau, {label}"] = run(reduce(verbose=1, **options), series)[2:]
    found["factor of one"] = error_of(lambda: reduce(factor=1.0))
    found["LearningRateScheduler, two arguments"] = run(C.LearningRateScheduler(lambda e, r: r * 0.5), series)[2]
    found["one argument"] = run(C.LearningRateScheduler(lambda e: 0.1 / (e + 1)), series)[2]
    found["it must return a float"] = error_of(lambda: run(C.LearningRateScheduler(lambda e, r: "much"), series))
    return found


@scenario
def optimizers_step_by_step(keras: Any) -> Any:
    optimizers, found = keras.optimizers, {}
    made = {
        "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"weight_decay": 0.1}, {"clipnorm": 0.5},
                {"global_clipnorm": 0.5}, {"clipvalue": 0.6}, {"use_ema": True, "ema_momentum": 0.9},
                {"use_ema": True, "ema_overwrite_frequency": 2}, {"gradient_accumulation_steps": 2},
                {"loss_scale_factor": 8.0}],
        "RMSprop": [{}, {"momentum": 0.5, "centered": True}, {"rho": 0.5, "epsilon": 0.1}],
        "Adagrad": [{}, {"initial_accumulator_value": 0.5, "epsilon": 0.1}],
        "Adadelta": [{}, {"rho": 0.5, "epsilon": 0.1}],
        "Adam": [{}, {"amsgrad": True}, {"epsilon": 0.1, "weight_decay": 0.1}],
        "AdamW": [{}], "Adamax": [{}], "Nadam": [{}], "Ftrl": [{}, {"beta": 0.1, "l1_regularization_strength": 0.01}],
        "Lion": [{}], "Adafactor": [{}, {"relative_step": False}], "Lamb": [{}], "Muon": [{}],
    }  # fmt: skip
    for name, several in made.items():
        for options in several:
            optimizer = getattr(optimizers, name)(0.1, **options, name="o")
            v = keras.Variable(np.array([[1.0, -2.0], [0.5, 3.0]], "float32"), name="v")
            w = keras.Variable(np.array([1.0, -2.0], "float32"), name="w")
            for k in range(4):
                gradients = [np.array([[0.5, -1.0], [2.0, 0.1]], "float32") * (k + 1), np.array([0.3, -1.0], "float32")]
                optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], [v, w])
            found[f"{name} {options}"] = [v.numpy() if hasattr(v, "numpy") else v, w.numpy()]
            found[f"{name} {options}, config"] = optimizer.get_config()
    sgd = optimizers.SGD(0.1)
    a, b = keras.Variable(np.ones(2, "float32")), keras.Variable(np.ones(2, "float32"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sgd.apply([keras.ops.ones((2,)), None], [a, b])
    found["a variable without a gradient is left out, with a warning"] = [len(caught) == 1, a.numpy(), b.numpy()]
    found["all gradients None"] = error_of(lambda: sgd.apply([None, None], [a, b]))
    found["one kind of clipping"] = error_of(lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0))
    limited = keras.Variable(np.ones(2, "float32"))
    limited.constraint = keras.constraints.MaxNorm(0.5)
    optimizers.SGD(0.1).apply([keras.ops.ones((2,))], [limited])
    found["constraints come after the update"] = limited.numpy()
    excluded = optimizers.AdamW(0.1, weight_decay=0.5)
    excluded.exclude_from_weight_decay(var_names=["bias"])
    pair = [keras.Variable(np.ones(2, "float32"), name=name) for name in ("kernel", "bias")]
    excluded.apply([keras.ops.zeros((2,))] * 2, pair)
    found["what is excluded does not decay"] = [v.numpy() for v in pair]
    found["names of slots"] = {
        name: [v.path.split("/")[-1] for v in built(optimizers, keras, name).variables]
        for name in ("SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam", "Ftrl", "Lion", "Adafactor")
    }
    scheduled = optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))
    w = keras.Variable(np.zeros(1, "float32"))
    for _ in range(3):
        scheduled.apply([keras.ops.ones((1,))], [w])
    found["schedules count from 0"] = [w.numpy(), float(scheduled.learning_rate)]
    found["their rate cannot be set"] = error_of(lambda: setattr(scheduled, "learning_rate", 0.1))
    found["loss scale"] = optimizers.LossScaleOptimizer(optimizers.SGD()).initial_scale
    mixed = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, dtype="mixed_float16")])
    mixed.compile("sgd", "mse")
    found["compile scales losses under mixed_float16 of the model"] = type(mixed.optimizer).__name__
    return found


def built(optimizers: Any, keras: Any, name: str) -> Any:
    optimizer = getattr(optimizers, name)(0.1)
    optimizer.build([keras.Variable(np.ones((2, 2), "float32"), name="v")])
    return optimizer


@scenario
def schedules(keras: Any) -> Any:
    S = keras.optimizers.schedules
    steps = (0, 1, 4, 5, 6, 10, 11, 15, 37)
    return {
        f"{type(s).__name__} {sorted((k, str(v)) for k, v in s.get_config().items())}": [s(t) for t in steps]
        for s in (
            S.ExponentialDecay(0.1, 10, 0.5), S.ExponentialDecay(0.1, 10, 0.5, staircase=True),
            S.InverseTimeDecay(0.1, 10, 0.5), S.InverseTimeDecay(0.1, 10, 0.5, staircase=True),
            S.PolynomialDecay(0.1, 10, 0.01, power=2.0), S.PolynomialDecay(0.1, 10, 0.01, cycle=True),
            S.CosineDecay(0.1, 10, alpha=0.1), S.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=5),
            S.CosineDecayRestarts(0.1, 5), S.CosineDecayRestarts(0.1, 3, t_mul=1.5, m_mul=0.5, alpha=0.1),
            S.PiecewiseConstantDecay([5, 10], [1.0, 0.5, 0.1]),
        )
    }  # fmt: skip
