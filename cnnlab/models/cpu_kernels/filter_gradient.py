"""The gradient of a convolution by its kernel as matrix products, where the outputs are small."""

from collections.abc import Sequence

import keras
import tensorflow as tf

MAX_POSITIONS = 49
"""Outputs of 7×7 and smaller: there oneDNN's kernel in bfloat16 reaches a fraction of the speed of matrix products."""
MIN_CHANNELS = 64 * 128
"""Input times output channels from which on the products are faster at every such size."""
MAX_WINDOW = 9  # values of a kernel, 3 by 3


def is_faster(rows: int, columns: int, kernel: Sequence[int], dtype: str) -> bool:
    """Whether matrix products are, for outputs of so many pixels and a kernel (height, width, channels, filters)."""
    height, width, channels, filters = kernel
    is_wide = channels * filters >= MIN_CHANNELS and height * width <= MAX_WINDOW
    return is_wide and rows * columns <= MAX_POSITIONS and dtype == "bfloat16"


def use_matrix_products(layer: keras.layers.Conv2D) -> None:
    """Have a convolution compute the gradient by its kernel in matrix products, one per position of the window.

    In bfloat16 and for outputs of 7×7 pixels and smaller; others are faster as they are. Not with a bias: oneDNN adds
    up its gradient in float32 together with that by the kernel, and in bfloat16 alone. See docs/devices.md.
    """
    is_plain = {*layer.strides, *layer.dilation_rate, layer.groups} == {1} and layer.data_format == "channels_last"
    if not is_plain or layer.use_bias:
        return
    convolution_op = layer.convolution_op

    def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        rows, columns = layer.compute_output_shape(inputs.shape)[1:3]
        if None in (rows, columns) or not is_faster(rows, columns, kernel.shape, layer.compute_dtype):
            return convolution_op(inputs, kernel)
        return _convolve(inputs, tf.cast(keras.ops.convert_to_tensor(kernel), inputs.dtype), layer.padding.upper())

    layer.convolution_op = convolve


def _convolve(images: tf.Tensor, kernel: tf.Tensor, padding: str) -> tf.Tensor:
    """The convolution of images (n, height, width, channels)."""

    @tf.custom_gradient
    def convolve(images: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
        def gradients(slopes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_images = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=slopes,
                strides=[1, 1, 1, 1],
                padding=padding,
            )
            return of_images, kernel_gradient(images, slopes, kernel.shape, padding)

        return tf.nn.conv2d(images, kernel, 1, padding), gradients

    return convolve(images, kernel)


def kernel_gradient(images: tf.Tensor, slopes: tf.Tensor, shape: tf.TensorShape, padding: str) -> tf.Tensor:
    """The gradient by the kernel, whose shape is (height, width, channels, filters).

    `slopes` (n, rows, columns, filters) is that by the outputs.
    """
    height, width, channels, filters = shape
    rows, columns = slopes.shape[1:3]
    if padding == "SAME":
        above, left = (height - 1) // 2, (width - 1) // 2
        images = tf.pad(images, [(0, 0), (above, height - 1 - above), (left, width - 1 - left), (0, 0)])
    slopes = tf.reshape(slopes, [-1, filters])
    products = [
        tf.matmul(tf.reshape(images[:, y : y + rows, x : x + columns], [-1, channels]), slopes, transpose_a=True)
        for y in range(height)
        for x in range(width)
    ]
    return tf.reshape(tf.stack(products), shape)
