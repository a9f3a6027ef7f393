"""Layers by the kernels of oneDNN that are fastest on a CPU, where Keras chooses others."""

import keras
from tensorflow.python.util import _pywrap_util_port

from cnnlab.models.cpu_kernels.batch_norm import use_fused_kernel
from cnnlab.models.cpu_kernels.filter_gradient import use_matrix_products


def use_fast_kernels(model: keras.Model) -> None:
    """Have the layers of `model` train by faster kernels, with the same results up to rounding.

    For CPUs where TensorFlow computes by oneDNN. On the instances: model.keras has the classes that Keras knows.
    """
    if not _pywrap_util_port.IsMklEnabled():
        return
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            use_fused_kernel(layer)
        elif isinstance(layer, keras.layers.Conv2D):
            use_matrix_products(layer)
