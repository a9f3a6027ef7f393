"""Fashion-MNIST: 60,000 training and 10,000 test images of clothes, (28, 28, 1) uint8 in [0, 255].

Xiao, Rasul and Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist, MIT licence. 0 is the background;
labels 0 to 9 are ten kinds of clothes.
"""

from cnnlab.data.sources import mnist_format

PUBLISHED = mnist_format.Published(
    title="Fashion-MNIST",
    layouts=("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
    archive="fashion_mnist.npz",
    urls=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    # Nobody publishes SHA-256 of the decompressed files. These MD5 are those of torchvision's and OneFlow's unpacked
    # copies; downloads are checked by the SHA-256 of the .gz, which tensorflow-datasets publishes.
    algorithm="md5",
    digests={
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
    gz_digests={
        "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
)
LOADER = mnist_format.loader(PUBLISHED)
