"""MNIST: 60,000 training and 10,000 test images of handwritten digits, (28, 28, 1) uint8 in [0, 255].

LeCun, Cortes and Burges 1998, http://yann.lecun.com/exdb/mnist/, CC BY-SA 3.0. 0 is the background, 255 the ink;
labels are the digits, 0 to 9.
"""

from cnnlab.data.sources import mnist_format

PUBLISHED = mnist_format.Published(
    title="MNIST",
    layouts=("mnist", "MNIST/raw"),  # the second is torchvision's
    archive="mnist.npz",  # Keras's
    urls=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    algorithm="sha256",  # of the decompressed files; the .gz wrappers differ from mirror to mirror
    digests={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)
LOADER = mnist_format.loader(PUBLISHED)
