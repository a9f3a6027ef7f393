"""CIFAR-100: 50,000 training and 10,000 test images of a hundred classes of objects, (32, 32, 3) uint8 in [0, 255].

Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images", https://www.cs.toronto.edu/~kriz/cifar.html;
no licence is stated. The binary version: a byte for the group, 0 to 19, a byte for the class, 0 to 99, then the planes.
"""

from cnnlab.data.sources import cifar

PUBLISHED = cifar.Published(
    title="CIFAR-100",
    folder="cifar-100-binary",
    archive="cifar-100-binary.tar.gz",
    archive_sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",  # tensorflow-datasets
    archive_bytes=168_513_733,
    train_files={"train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"},  # torchvision-ruby
    test_files={"test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"},
    label_bytes=2,
)
LOADER = cifar.loader(PUBLISHED, label_byte=lambda data: 1 if data.labels == "fine" else 0)
