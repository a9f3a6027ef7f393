"""Images that are perturbed so that a network errs: fast gradient sign method and projected gradient descent.

FGSM (Goodfellow et al. 2014) is one step of PGD (Madry et al. 2017) as long as epsilon. Images are (n, height, width,
channels) float32 in [0, 1], and stay within that range.
"""

from collections.abc import Callable

import tensorflow as tf

from cnnlab.experiment.adversarial import Norm

TINY = 1e-12
BISECTIONS = 12  # of the factor by which a perturbation shrinks when it is rounded


def perturb(
    losses: Callable[[tf.Tensor], tf.Tensor],
    images: tf.Tensor,
    start: tf.Tensor,
    *,
    epsilon: tf.Tensor,
    step_size: tf.Tensor,
    steps: tf.Tensor | int,
    norm: Norm,
) -> tf.Tensor:
    """Images within `epsilon` of `images` on which `losses`, (n,), are as large as gradient ascent makes them.

    `epsilon` and `step_size` are (n,) float32 in the `norm`. The search begins at `images` + `epsilon` * `start`.
    """
    radius, step = _per_image(epsilon), _per_image(step_size)

    def one(number: tf.Tensor, current: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(current)
            total = tf.reduce_sum(losses(current))
        gradient = tape.gradient(total, current, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return number + 1, _project(current + step * _direction(gradient, norm), images, radius, norm)

    first = _project(images + radius * start, images, radius, norm)
    _, current = tf.while_loop(lambda number, _: number < steps, one, (0, first))
    return tf.stop_gradient(current)


def random_start(shape: tf.Tensor, seed: tf.Tensor, norm: Norm) -> tf.Tensor:
    """Random perturbations within the unit ball of `norm`; `shape` is that of the images, `seed` (2,)."""
    if norm == "linf":
        return tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
    direction_seed, radius_seed = tf.unstack(tf.random.split(seed, 2))
    pixels = tf.cast(tf.reduce_prod(shape[1:]), tf.float32)
    radius = tf.random.stateless_uniform(shape[:1], radius_seed) ** (1 / pixels)
    return _per_image(radius) * _direction(tf.random.stateless_normal(shape, direction_seed), norm)


def random_noise(shape: tf.Tensor, seed: tf.Tensor, norm: Norm) -> tf.Tensor:
    """Random perturbations on the boundary of the unit ball: what an attack is compared with."""
    return _direction(tf.random.stateless_normal(shape, seed), norm)


def rounded(perturbed: tf.Tensor, images: tf.Tensor, epsilon: tf.Tensor, norm: Norm) -> tf.Tensor:
    """The perturbed images as a file holds them, uint8, within `epsilon` (n,) of `images`, multiples of 1/255.

    A Euclidean perturbation that rounding makes too long shrinks as a whole.
    """
    originals, change = tf.round(255 * images), 255 * (perturbed - images)
    limit = _per_image(255 * epsilon)
    if norm == "linf":
        largest = tf.floor(limit + 1e-3)  # 255 * (8 / 255) may be a little less than 8
        whole = tf.clip_by_value(tf.round(change), -largest, largest)
    else:
        low, high = tf.zeros_like(limit), tf.ones_like(limit)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            fits = _length(tf.round(middle * change)) <= limit
            low, high = tf.where(fits, middle, low), tf.where(fits, high, middle)
        high = tf.where(_length(tf.round(change)) <= limit, tf.ones_like(limit), low)
        whole = tf.round(high * change)
    return tf.cast(tf.clip_by_value(originals + whole, 0, 255), tf.uint8)


def _per_image(values: tf.Tensor) -> tf.Tensor:
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _length(values: tf.Tensor) -> tf.Tensor:
    """The Euclidean norm of each image, (n, 1, 1, 1)."""
    return tf.sqrt(tf.reduce_sum(values**2, axis=[1, 2, 3], keepdims=True))


def _direction(values: tf.Tensor, norm: Norm) -> tf.Tensor:
    """The longest step along `values` with a norm of 1; zero where all are."""
    if norm == "linf":
        return tf.sign(values)
    largest = tf.reduce_max(tf.abs(values), axis=[1, 2, 3], keepdims=True)
    scaled = tf.math.divide_no_nan(values, largest)  # squares of small gradients would underflow
    return scaled / tf.maximum(_length(scaled), TINY)


def _project(values: tf.Tensor, images: tf.Tensor, radius: tf.Tensor, norm: Norm) -> tf.Tensor:
    """The nearest values within `radius` of `images`, then within [0, 1]."""
    change = values - images
    if norm == "linf":
        change = tf.clip_by_value(change, -radius, radius)
    else:
        change *= tf.minimum(1.0, radius / tf.maximum(_length(change), TINY))
    return tf.clip_by_value(images + change, 0.0, 1.0)
