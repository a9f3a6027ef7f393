"""Published data sets: options, sizes, classes and licences."""

from typing import ClassVar, Literal

from cnnlab.experiment.data.base import DataSpec

DIGITS = tuple("0123456789")
MNIST_SIZES = (60_000, 10_000)
CIFAR_SIZES = (50_000, 10_000)


class Digits(DataSpec):
    """1,797 real handwritten digits that come inside scikit-learn, enlarged to MNIST's 28×28. No download.

    Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits: 8×8 grey images of 17 levels.
    """

    licence: ClassVar[str] = "CC BY 4.0"
    origin: ClassVar[str] = "https://archive.ics.uci.edu/dataset/80"
    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...] | None] = DIGITS
    split_sizes: ClassVar[tuple[int, int] | None] = (1437, 360)  # one fifth is the test set
    usage: ClassVar[tuple[str, ...]] = ("data: digits",)
    name: Literal["digits"]


class Mnist(DataSpec):
    """70,000 handwritten digits, 28×28 grey. LeCun, Cortes and Burges 1998."""

    licence: ClassVar[str] = "CC BY-SA 3.0"
    origin: ClassVar[str] = "http://yann.lecun.com/exdb/mnist/"
    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...] | None] = DIGITS
    split_sizes: ClassVar[tuple[int, int] | None] = MNIST_SIZES
    usage: ClassVar[tuple[str, ...]] = ("data: {name: mnist, validation: 5000}",)
    name: Literal["mnist"]


class FashionMnist(DataSpec):
    """70,000 images of ten classes of clothes, 28×28 grey, in MNIST's format. Xiao, Rasul and Vollgraf 2017."""

    licence: ClassVar[str] = "MIT"
    origin: ClassVar[str] = "https://github.com/zalandoresearch/fashion-mnist"
    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...] | None] = (
        "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle_boot",
    )  # fmt: skip
    split_sizes: ClassVar[tuple[int, int] | None] = MNIST_SIZES
    usage: ClassVar[tuple[str, ...]] = ("data: {name: fashion_mnist, validation: 5000}",)
    name: Literal["fashion_mnist"]


class Cifar10(DataSpec):
    """60,000 colour images of ten classes of objects, 32×32. Krizhevsky 2009."""

    licence: ClassVar[str] = "none stated; cite the technical report"
    origin: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar.html"
    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    num_classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...] | None] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    split_sizes: ClassVar[tuple[int, int] | None] = CIFAR_SIZES
    usage: ClassVar[tuple[str, ...]] = ("data: cifar10",)
    name: Literal["cifar10"]


FINE = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip
COARSE = (
    "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables", "household_electrical_devices",
    "household_furniture", "insects", "large_carnivores", "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes", "large_omnivores_and_herbivores", "medium_mammals", "non-insect_invertebrates",
    "people", "reptiles", "small_mammals", "trees", "vehicles_1", "vehicles_2",
)  # fmt: skip


class Cifar100(DataSpec):
    """60,000 colour images of a hundred classes of objects, 32×32. Krizhevsky 2009."""

    licence: ClassVar[str] = "none stated; cite the technical report"
    origin: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar.html"
    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    split_sizes: ClassVar[tuple[int, int] | None] = CIFAR_SIZES
    usage: ClassVar[tuple[str, ...]] = ("data: {name: cifar100, labels: coarse}",)
    name: Literal["cifar100"]
    labels: Literal["fine", "coarse"] = "fine"
    """`fine` for the hundred classes, `coarse` for the twenty superclasses."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of its classes."""
        return FINE if self.labels == "fine" else COARSE

    @property
    def num_classes(self) -> int:
        """100 or 20."""
        return len(self.class_names)


PUBLISHED: tuple[type[DataSpec], ...] = (Digits, Mnist, FashionMnist, Cifar10, Cifar100)
"""In the order in which `cnnlab data list` and the reference show them."""
