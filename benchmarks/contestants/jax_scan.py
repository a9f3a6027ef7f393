"""JAX: a whole epoch as one `lax.scan` under `jit`, with the optimizers of optax.

All images stay on the device as one uint8 array; each step gathers and scales its batch. A last, shorter batch is a
step of its own.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax, nn

from benchmarks.contestants.serving import kind_and_options, read_task, scale_of, serve

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda value: value,
    "relu": nn.relu,
    "sigmoid": nn.sigmoid,
    "tanh": jnp.tanh,
}
Parameters = list[dict[str, jax.Array]]


def main() -> None:
    """Train epochs on request."""
    experiment, pixels, numbers = read_task()
    settings = experiment["train"]
    layers = [kind_and_options(layer) for layer in experiment["model"]["layers"]]
    scale, offset = scale_of(experiment)
    images, labels = jnp.asarray(pixels), jnp.asarray(numbers)
    kind = jnp.bfloat16 if settings["precision"] == "mixed_bfloat16" else jnp.float32
    key, first = jax.random.split(jax.random.key(0))
    parameters = initial(layers, pixels.shape[1:], first)
    optimizer = optimizer_of(settings["optimizer"])
    batch_size, size = min(settings["batch_size"], len(pixels)), len(pixels)

    def loss_of(parameters: Parameters, batch: jax.Array) -> jax.Array:
        inputs = images[batch].astype(jnp.float32) / 255 * scale + offset
        outputs = network(layers, parameters, inputs, kind)
        if settings["loss"] == "mse":
            return jnp.mean((outputs - nn.one_hot(labels[batch], outputs.shape[1])) ** 2)
        return optax.softmax_cross_entropy_with_integer_labels(outputs, labels[batch]).mean()

    def step(state: tuple[Parameters, Any], batch: jax.Array) -> tuple[tuple[Parameters, Any], jax.Array]:
        parameters, moments = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, batch)
        updates, moments = optimizer.update(gradients, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments), loss * len(batch)

    @jax.jit  # type: ignore[untyped-decorator]
    def epoch(state: tuple[Parameters, Any], key: jax.Array) -> tuple[tuple[Parameters, Any], jax.Array]:
        order = jax.random.permutation(key, size)
        whole = size // batch_size * batch_size
        state, losses = lax.scan(step, state, order[:whole].reshape(-1, batch_size))
        total = losses.sum()
        if whole < size:
            state, loss = step(state, order[whole:])
            total += loss
        return state, total / size

    state = parameters, optimizer.init(parameters)

    def run_epoch() -> float:
        nonlocal state, key
        key, drawn = jax.random.split(key)
        state, loss = epoch(state, drawn)
        return float(loss)

    serve(run_epoch)


def initial(layers: list[tuple[str, dict[str, Any]]], shape: tuple[int, ...], key: jax.Array) -> Parameters:
    """Glorot-uniform kernels and zero biases; layers without weights have none."""
    parameters: Parameters = []
    for kind, options in layers:
        height, width, channels = shape if len(shape) == 3 else (1, 1, shape[0])
        fresh: dict[str, jax.Array] = {}
        key, drawn = jax.random.split(key)
        match kind:
            case "conv2d":
                side = options["kernel_size"]
                draw = nn.initializers.glorot_uniform()
                fresh["kernel"] = draw(drawn, (side, side, channels, options["filters"]))
                fresh["bias"] = jnp.zeros(options["filters"])
                shrink = 0 if options["padding"] == "same" else side - 1
                shape = height - shrink, width - shrink, options["filters"]
            case "dense":
                draw = nn.initializers.glorot_uniform()
                fresh["kernel"] = draw(drawn, (shape[-1], options["units"]))
                fresh["bias"] = jnp.zeros(options["units"])
                shape = (options["units"],)
            case "max_pool2d":
                shape = height // options["pool_size"], width // options["pool_size"], channels
            case "flatten":
                shape = (int(np.prod(shape)),)
            case _:
                raise ValueError(kind)
        parameters.append(fresh)
    return parameters


def network(
    layers: list[tuple[str, dict[str, Any]]], parameters: Parameters, value: jax.Array, kind: jnp.dtype
) -> jax.Array:
    """The outputs (n, classes) float32 for images (n, height, width, channels); all layers but the last in `kind`."""
    for number, ((name, options), weights) in enumerate(zip(layers, parameters, strict=True)):
        precision = jnp.float32 if number == len(layers) - 1 else kind
        value = value.astype(precision)
        cast = {key: weight.astype(precision) for key, weight in weights.items()}
        match name:
            case "conv2d":
                padding = options["padding"].upper()
                layout = ("NHWC", "HWIO", "NHWC")
                value = lax.conv_general_dilated(value, cast["kernel"], (1, 1), padding, dimension_numbers=layout)
                value += cast["bias"]
            case "dense":
                value = value @ cast["kernel"] + cast["bias"]
            case "max_pool2d":
                window = (1, options["pool_size"], options["pool_size"], 1)
                value = lax.reduce_window(value, -jnp.inf, lax.max, window, window, "VALID")
            case "flatten":
                value = value.reshape(len(value), -1)
        value = ACTIVATIONS[options.get("activation", "linear")](value)
    return value


def optimizer_of(optimizer: Any) -> optax.GradientTransformation:
    """The optimizer of optax for `{kind: options}`."""
    kind, options = kind_and_options(optimizer)
    if kind == "sgd":
        return optax.sgd(options["learning_rate"], momentum=options["momentum"] or None)
    return optax.adam(options["learning_rate"], options["beta_1"], options["beta_2"], options["epsilon"])


if __name__ == "__main__":
    main()
