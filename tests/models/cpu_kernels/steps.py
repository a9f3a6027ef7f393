"""A step of training, of which kernels are compared."""

import tensorflow as tf


@tf.function
def step(model, images, weights):
    """The outputs, and the gradients of their weighted sum by the images and by the weights of `model`."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = tf.cast(model(images, training=True), tf.float32)
        loss = tf.reduce_sum(outputs * weights)
    return outputs, tape.gradient(loss, [images, *model.trainable_variables])
