"""Documents made by hand, with every kind of block."""

import io
import math
import random

from PIL import Image

from cnnlab.report.blocks import (
    Cell,
    Chart,
    Checklist,
    Code,
    Column,
    Confusion,
    Diagram,
    Document,
    Facts,
    Item,
    Node,
    Parallel,
    Picture,
    Pictures,
    Scale,
    Section,
    Series,
    Table,
    Text,
)

YAML = """# LeNet-5 on MNIST (LeCun 1998)
name: lenet
seed: 1
data: {name: mnist, validation: 0.1}
train:
  epochs: 12
  optimizer: {sgd: {learning_rate: 1.0e-2, momentum: 0.9}}  # as in the paper
  callbacks: ["early_stopping"]
"""


def picture(size=(28, 28), *, alt="A digit", caption="", is_pixels=True, format="PNG", shade=120):
    image = Image.new("L", size, shade)
    for x in range(size[0]):
        image.putpixel((x, (x * size[1]) // size[0]), 255)
    stream = io.BytesIO()
    image.save(stream, format)
    return Picture(stream.getvalue(), size, alt, caption, is_pixels)


def learning_curves(epochs=12, count=2):
    x = list(range(1, epochs + 1))
    names = ["training", "validation", "test", *(f"seed {index}" for index in range(count))]
    return Chart(
        "Accuracy by epoch",
        "Epoch",
        "Accuracy",
        [
            Series(
                names[group], x, [1 - (0.5 + group / 9) * math.exp(-(e + group) / (epochs / 4)) for e in x], group=group
            )
            for group in range(count)
        ],
    )


CHARTS = [
    learning_curves(),
    Chart(
        "Learning rate",
        "Epoch",
        "Learning rate",
        [Series("Learning rate", range(1, 13), [0.1 * 0.5**e for e in range(12)])],
        log_y=True,
    ),
    Chart(
        "Accuracy per seed",
        "Experiment",
        "Test accuracy",
        [
            Series(
                "lenet, seeds",
                [0, 0, 0, 0, 0],
                [0.981, 0.984, 0.986, 0.985, 0.983],
                kind="points",
                labels=[f"seed {s}" for s in range(5)],
            ),
            Series("lenet, mean", [0.2], [0.9838], [0.981], [0.986], kind="points", group=1),
            Series("conv, seeds", [1, 1, 1, 1, 1], [0.989, 0.991, 0.987, 0.99, 0.9895], kind="points", group=2),
        ],
        x_names=["lenet", "conv with a rather long name that does not fit"],
    ),
    Chart(
        "Accuracy against parameters",
        "Parameters",
        "Test accuracy",
        [
            Series("Pareto front", [61_706, 272_474, 1_200_000], [0.984, 0.9905, 0.993], kind="dotted", group=3),
            Series(
                "experiments",
                [61_706, 272_474, 1_200_000, 900_000],
                [0.984, 0.9905, 0.993, 0.97],
                kind="points",
                labels=["lenet", "resnet20", "vgg", "mlp-mse"],
                emphasized=[0, 1, 2],
            ),
        ],
        log_x=True,
    ),
    Chart(
        "Reliability",
        "Confidence",
        "Accuracy",
        [
            Series(
                "test",
                [0.1, 0.3, 0.5, 0.7, 0.9],
                [0.2, 0.25, float("nan"), 0.75, 0.88],
                [0.1, 0.2, float("nan"), 0.7, 0.86],
                [0.3, 0.3, float("nan"), 0.8, 0.9],
            )
        ],
        y_range=(0, 1),
        diagonal=True,
    ),
]


def nodes(count=6):
    sizes = [(28, 28, 1), (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (400,)]
    kinds = ["input", "conv2d", "max_pooling", "conv2d", "max_pooling", "flatten"]
    found = [
        Node(
            f"{kinds[i % 6]}_{i}",
            kinds[i % 6],
            " × ".join(map(str, sizes[i % 6])),
            "6 kernels of 5 × 5, relu" if i % 2 else "",
            156 * i * (i % 2),
            117_600 * i * (i % 2),
            depth=(i // 3) % 2,
        )
        for i in range(count)
    ]
    return [*found, Node("dense", "dense", "10", "softmax", 4010, 4000)]


def confusion(classes=10, names=None):
    chance = random.Random(1)
    labels = names or [str(index) for index in range(classes)]
    counts = [
        [(900 if r == c else chance.choice([0, 0, 0, 0, 1, 2, 9, 40])) for c in range(classes)] for r in range(classes)
    ]
    counts[0][1] = 7
    return Confusion(
        labels,
        counts,
        {(0, 1): picture(alt="Zeros taken for ones", caption="7 images of `0`"), (1, 1): picture(alt="Ones")},
    )


def table(rows=10, *, is_sortable=True):
    columns = [
        Column("Class", "The class's name"),
        Column("Images", is_numeric=True),
        Column("Recall", "The share of the class's images that are right", is_numeric=True),
        Column("Mistaken for"),
    ]
    chance = random.Random(2)
    found = [
        [
            Cell(f"class {index}", link="result"),
            Cell(f"{900 + index}", 900 + index),
            *([Cell("")] if index == 3 else [Cell(f"{100 * recall:.2f} %", recall)]),
            Cell(f"class {(index * 7) % rows}"),
        ]
        for index in range(rows)
        for recall in [chance.random()]
    ]
    return Table("Recall of each class", columns, found, is_sortable)


def parallel(count=40, keys=4):
    """Lines with gaps, over axes of every kind."""
    chance = random.Random(4)
    kinds = [
        Scale("learning_rate", is_log=True, ends=(1e-4, 1e-1)),
        Scale("optimizer", ["sgd(0.1)", "adam", "a name that is too long to be shown"]),
        Scale("momentum", ends=(0.0, 0.99)),
        Scale("filters", ends=(4, 32)),
    ]

    def value(scale):
        if scale.names:
            return chance.randrange(len(scale.names))
        low, high = scale.ends
        if scale.name == "momentum" and chance.random() < 0.3:
            return float("nan")
        return low * (high / low) ** chance.random() if scale.is_log else chance.uniform(low, high)

    scales = [kinds[index % len(kinds)] for index in range(keys)]
    lines = [[*map(value, scales), 0.9 + index / 10 / count] for index in range(count)]
    return Parallel(
        "Trials by the values of their keys",
        [*scales, Scale("val_accuracy")],
        lines,
        [f"trial {n}" for n in range(count)],
    )


BLOCKS = [
    Text("A plain paragraph with `code --here` and more words."),
    Text("98.8 % of 10,000 test images right; 95 % interval 98.6 to 99.0.", "lead"),
    Text("Measured on the test set, which was used twice.", "note"),
    Text("The loss became infinite in epoch 3.", "warning"),
    Facts(
        [
            ("Seed", "1"),
            ("TensorFlow", "2.20.0"),
            ("Hash", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            ("Command", "`cnnlab train lenet`"),
        ]
    ),
    table(),
    *CHARTS,
    parallel(),
    Pictures(
        [picture(caption=f"{n} for 3, 0.99", alt=f"A {n}", shade=40 * n) for n in range(6)],
        "Mistakes that were made with the most confidence",
        are_small=True,
    ),
    Pictures([picture((600, 300), is_pixels=False, caption="Filters", format="WEBP")]),
    confusion(),
    Diagram("lenet", nodes()),
    Code(YAML, "yaml", "lenet.yaml"),
    Code("cnnlab train lenet --seed 1  # again\ncnnlab verify runs/lenet-1", "shell"),
    Code("Traceback: none", "text", "Output"),
    Checklist(
        [
            Item("Seeds", True, "5 runs, seeds 1 to 5"),
            Item("Intervals", False, "one run has none"),
            Item("Licence", None, "not recorded: look at the data set's page"),
        ]
    ),
]


def document(blocks=BLOCKS):
    return Document(
        "lenet on MNIST",
        [
            Text(
                "98.8 % of 10,000 test images right; 95 % interval 98.6 to 99.0; as expected of this experiment.",
                "lead",
            )
        ],
        [
            Section("Result", "result", blocks),
            Section(
                "Runs",
                "runs",
                [Text("Each in turn.")],
                [
                    Section("Seed 1", "epochs", [table(), learning_curves()], is_folded=True),
                    Section("Seed 2", "two", [Text("Nothing")]),
                ],
            ),
        ],
        "Made by cnnlab 0.2.0 on 2026-11-27",
    )


LONG = "supercalifragilistic" * 500


def rich():
    """Much of everything."""
    chance = random.Random(3)
    words = ["apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle"]
    names = [LONG if index == 3 else f"{chance.choice(words)} {index}" for index in range(100)]
    many = learning_curves(1000, 20)
    wide = Table(
        "Experiments",
        [
            Column("Experiment"),
            *(Column(f"Measure {n}", "What it is" * n, is_numeric=True) for n in range(12)),
            Column("Verdict"),
        ],
        [
            [
                Cell(LONG if r == 2 else f"experiment-{r}", link="result"),
                *(Cell(f"{chance.random() * 10**n:,.4g} ± {chance.random():.3f}", chance.random()) for n in range(12)),
                Cell("better than the first, p = 0.003, after Holm's correction"),
            ]
            for r in range(8)
        ],
        is_sortable=True,
    )
    return Document(
        "Five seeds of three experiments",
        [
            Text(
                "resnet20 is right in 91.7 % of 10,000 test images (95 % interval 91.4 to 92.0 over 5 seeds), which is better than lenet and conv.",
                "lead",
            ),
            BLOCKS[4],
        ],
        [
            Section("Result", "result", BLOCKS),
            Section("Many classes", "many", [confusion(100, names), table(100)]),
            Section(
                "Comparison",
                "comparison",
                [wide, many, Text(LONG, "warning"), Facts([(LONG, LONG)]), Diagram("resnet", nodes(40))],
            ),
            Section(
                "Widest",
                "widest",
                [
                    Table(
                        "Thirty columns",
                        [Column(f"Column {n}", is_numeric=True) for n in range(30)],
                        [[Cell(f"{n * 1000.5:.2f}") for n in range(30)]],
                    )
                ],
            ),
            Section(
                "Hebrew",
                "hebrew",
                [
                    Text("שלום עולם, 98.8 % of שלום"),
                    Pictures([picture(caption=LONG)] * 3),
                    Pictures([picture((600, 4000), is_pixels=False)]),
                ],
            ),
            Section(
                "Runs",
                "all",
                [],
                [Section(f"Seed {n}", f"seed-{n}", [table(5), learning_curves()], is_folded=True) for n in range(3)],
            ),
        ],
        "Made by cnnlab 0.2.0",
    )
