"""What a re-implementation of Keras gets wrong in names, texts and utilities, statement by statement."""

from __future__ import annotations

from typing import Any

import numpy as np
from training_scenarios import X, scenario


@scenario
def automatic_names(keras: Any) -> Any:
    L, optimizers = keras.layers, keras.optimizers
    keras.utils.clear_session()
    made = (
        L.Dense(1), L.Dense(1), L.Conv2D(1, 1), L.LSTM(1), L.BatchNormalization(), L.GlobalAveragePooling2D(),
        L.MultiHeadAttention(1, 1), L.ReLU(), L.PReLU(), L.UpSampling2D(), L.Conv2DTranspose(1, 1), L.SimpleRNN(1),
        L.TimeDistributed(L.Dense(1)), L.Bidirectional(L.GRU(1)), keras.Sequential(), keras.Sequential(), L.ELU(),
        L.GroupQueryAttention(2, 2, 1), L.RMSNormalization(), L.Conv3D(1, 1), L.Dense(1, name="x"), L.Conv1D(1, 1),
        L.LeakyReLU(), L.SeparableConv2D(1, 1), L.ConvLSTM2D(1, 1), L.StackedRNNCells([L.LSTMCell(1)]), L.Flatten(),
        L.GaussianNoise(1.0), L.SpectralNormalization(L.Dense(1)), L.EinsumDense("ab,bc->ac", 1), L.ZeroPadding2D(),
    )  # fmt: skip
    found: dict[str, Any] = {"layers": [layer.name for layer in made]}
    found["optimizers"] = [
        getattr(optimizers, name)().name
        for name in ("SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Ftrl", "Lion")
    ]
    losses = ("MeanSquaredError", "BinaryCrossentropy", "Huber", "KLDivergence", "CTC", "Dice", "LogCosh")
    found["losses"] = [getattr(keras.losses, name)().name for name in losses]
    metrics = ("AUC", "TopKCategoricalAccuracy", "MeanSquaredError", "Precision", "Recall", "Mean", "R2Score")
    found["metrics"] = [getattr(keras.metrics, name)().name for name in metrics]
    keras.utils.clear_session()
    i = keras.Input((2,))
    first, second = keras.Model(i, L.Dense(1)(i)), keras.Model(i, L.Dense(1)(i))
    found["models"] = [first.name, second.name, [layer.name for layer in first.layers]]
    found["paths of weights"] = [w.path for w in second.weights]
    found["inputs and outputs"] = [first.output_names]
    j = keras.Input((2,), name="given")
    shared = L.Dense(1, name="shared")
    model = keras.Model([i, j], {"a": shared(i), "b": shared(j)})
    found["names of a dict"] = [model.output_names, sorted(model.output_shape)]
    return found


@scenario
def utilities(keras: Any) -> Any:
    U, found = keras.utils, {}
    rows = [[1], [1, 2, 3, 4], []]
    padded = U.pad_sequences(rows, maxlen=3)
    found["pad_sequences pads and cuts at the front"] = [padded, str(padded.dtype)]
    found["or at the end"] = U.pad_sequences(rows, padding="post", truncating="post", maxlen=2, value=-1)
    found["to the longest"] = U.pad_sequences(rows)
    categories = U.to_categorical([0, 2])
    found["to_categorical"] = [categories, str(categories.dtype), U.to_categorical([[1], [0]], num_classes=3)]
    found["normalize"] = [U.normalize(X[:2]), U.normalize(X[:2], order=1)]
    U.set_random_seed(7)
    import random

    found["set_random_seed seeds Python and NumPy"] = [random.random(), np.random.rand(2)]
    found["defaults"] = [
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
    ]
    image = np.arange(24, dtype="float32").reshape(2, 4, 3)
    found["array_to_img scales"] = np.asarray(U.array_to_img(image))
    found["img_to_array"] = [U.img_to_array(U.array_to_img(image)).shape, str(U.img_to_array(image).dtype)]
    return found
