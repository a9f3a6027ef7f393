"""Convolution, pooling and their gradients on small arrays and images, in NumPy, and the worked examples of lectures.

Nothing here imports TensorFlow; tests compare the numbers with it.
"""
