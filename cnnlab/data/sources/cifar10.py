"""CIFAR-10: 50,000 training and 10,000 test images of ten classes of objects, (32, 32, 3) uint8 in [0, 255].

Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images", https://www.cs.toronto.edu/~kriz/cifar.html;
no licence is stated. The binary version: a byte of label, 0 to 9, then the planes. The Python version is a pickle,
which is never loaded.
"""

from cnnlab.data.sources import cifar

PUBLISHED = cifar.Published(
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    archive="cifar-10-binary.tar.gz",
    archive_sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",  # tensorflow-datasets
    archive_bytes=170_052_171,
    train_files={  # SHA-256 of torchvision-ruby
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    },
    test_files={"test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
    label_bytes=1,
)
LOADER = cifar.loader(PUBLISHED, label_byte=lambda _: 0)
