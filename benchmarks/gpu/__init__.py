"""What only a machine with a GPU can show: `python -m benchmarks.gpu OUT` there, within ten minutes.

The parts, in the order in which they run: every word of the experiment language, every kind of layer and every shipped
experiment trained on the GPU, twice and on the CPU (`words.py`); the tests of the engine, of precision, augmentation
and exact resume; CIFAR-10 with a network of nine layers (`cifar-94.yaml`), where CNNLAB_DATA_DIR holds it; speed beside
Keras's `fit`, PyTorch and JAX (`speed.py`). Each part has a time limit and writes to OUT what it has found until then.
"""
