"""A command-line laboratory for convolutional networks on TensorFlow and Keras 3."""

__version__ = "0.2.0"
