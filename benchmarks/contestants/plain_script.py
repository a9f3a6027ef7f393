"""A minimal Keras script for MNIST: load the data, train LeNet-5 or one dense layer for one epoch, evaluate, save.

`python plain_script.py lenet|fc MNIST_NPZ MODEL_FILE`; MNIST_NPZ is the file of `keras.datasets.mnist`. Does the
same as `cnnlab train lenet --epochs 1`, without a run folder, tables, checks and a seed.
"""

import sys

import keras
import numpy as np

with np.load(sys.argv[2]) as data:
    x_train, y_train = data["x_train"][..., np.newaxis] / np.float32(255), data["y_train"]
    x_test, y_test = data["x_test"][..., np.newaxis] / np.float32(255), data["y_test"]
if sys.argv[1] == "lenet":
    layers = [
        keras.layers.Conv2D(6, 5, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(16, 5, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(120, activation="relu"),
        keras.layers.Dense(84, activation="relu"),
        keras.layers.Dense(10),
    ]
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    held_out = (x_train[55_000:], y_train[55_000:])
    x_train, y_train = x_train[:55_000], y_train[:55_000]
else:
    layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
    optimizer, loss = keras.optimizers.SGD(0.01), "mse"
    y_train, y_test = keras.utils.to_categorical(y_train), keras.utils.to_categorical(y_test)
    held_out = (x_test, y_test)
model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
model.compile(optimizer, loss, metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=128, epochs=1, validation_data=held_out, verbose=0)
print(model.evaluate(x_test, y_test, verbose=0))
model.save(sys.argv[3])
