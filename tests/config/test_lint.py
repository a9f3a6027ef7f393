import pytest

from cnnlab.config import rules, shipped
from cnnlab.config.batch_norm import batch_of_one
from cnnlab.config.lint import check, lint
from cnnlab.config.load import load, read
from cnnlab.config.overrides import parse_set
from cnnlab.errors import ConfigError
from cnnlab.experiment.summary import summarize

SOUND = """\
data: mnist
model:
  layers:
    - conv2d: {filters: 2, kernel_size: 3, activation: relu}
    - flatten
    - dense: 10
train:
  epochs: 12
  optimizer: {sgd: {learning_rate: 0.1}}
"""
CNN = "    - conv2d: {filters: 2, kernel_size: 3, activation: relu}\n    - flatten\n    - dense: 10\n"
ZERO = ", which batch_norm_1 normalizes to 0 whatever the image"
NORMALIZED = "    - flatten\n    - batch_norm\n    - dense: 10\n"
POOLED = "    - conv2d: {filters: 2, kernel_size: 3, activation: relu}\n    - global_avg_pool2d\n    - dense: 10\n"
RESIZING = "  progressive_resizing: {}\n"


@pytest.fixture
def findings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def findings(text, *changes, replicas=None):
        (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
        return lint(read("x.yaml", [parse_set(change) for change in changes]), replicas)

    return findings


def layers(text):
    return SOUND.replace(CNN, text)


def train(line):
    return SOUND + f"  {line}\n"


def test_a_sound_experiment_has_no_findings(findings):
    assert findings(SOUND) == []


@pytest.mark.parametrize("name", shipped.paths())
def test_shipped_experiments_have_only_findings_that_they_allow(name):
    assert lint(read(name)) == []


BREACHES = [
    (train("schedule: {exponential: 1.0}"), "decay-never-fires", "x.yaml:10:14: train.schedule.exponential.decay: a decay of 1 does not change the learning rate"),
    (SOUND.replace("12", "1") + "  schedule: {exponential: 0.5}\n", "decay-never-fires", "x.yaml:10:14: train.schedule.exponential: the learning rate falls after 1 epoch, and the run has 1 epoch"),
    (train("schedule: {step: {every: 12}}"), "decay-never-fires", "x.yaml:10:21: train.schedule.step.every: the learning rate falls after 12 epochs, and the run has 12 epochs"),
    (train("schedule: {piecewise: {boundaries: [6, 12, 20], factors: [1, 1, 1, 1]}}"), "decay-never-fires", "x.yaml:10:26: train.schedule.piecewise.boundaries: 12, 20 of the boundaries lie beyond the run's 12 epochs"),
    (train("schedule: {cosine: {warmup: 12}}"), "warmup", "x.yaml:10:23: train.schedule.cosine.warmup: the learning rate rises for 12 epochs, and the run has 12 epochs: it never reaches the optimizer's"),
    (train("schedule: {reduce_on_plateau: {patience: 11}}"), "patience", "x.yaml:10:34: train.schedule.reduce_on_plateau.patience: 11 epochs of waiting never end in 12"),
    (train("callbacks: [early_stopping: 20]"), "patience", "x.yaml:10:15: train.callbacks[0].early_stopping.patience: 20 epochs of waiting never end in 12"),
    (layers("    - flatten\n    - dense: {units: 10, activation: softmax}\n"), "softmax", "x.yaml:5:26: model.layers[1].dense.activation: softmax, which the loss cross_entropy applies too: applied twice, it slows down learning; remove it, or set loss: {cross_entropy: {from_logits: false}}"),
    (layers("    - flatten\n    - dense: 10\n    - activation: softmax\n"), "softmax", "x.yaml:6:7: model.layers[2].activation.activation: softmax, which the loss cross_entropy applies too: applied twice, it slows down learning; remove it, or set loss: {cross_entropy: {from_logits: false}}"),
    (layers("    - flatten\n    - dense: {units: 30, activation: softmax}\n    - dense: 10\n"), "softmax", "x.yaml:5:26: model.layers[1].dense.activation: softmax in a hidden layer makes its outputs compete; relu is the usual choice"),
    (train("loss: {cross_entropy: {from_logits: false}}"), "softmax", "x.yaml:10:26: train.loss.cross_entropy.from_logits: the loss expects probabilities, and the network does not end in softmax; add it, or remove this option"),
    (layers("    - flatten\n    - dense: {units: 10, activation: relu}\n"), "output-activation", "x.yaml:5:26: model.layers[1].dense.activation: relu on the output layer removes negative values; remove it"),
    (layers("    - flatten\n    - dense: {units: 10, activation: sigmoid}\n"), "output-activation", "x.yaml:5:26: model.layers[1].dense.activation: sigmoid on the output layer bounds the logits, no class can reach a high probability; remove it"),
    (SOUND.replace("data: mnist", "data: mnist\npreprocessing: {augmentation: [horizontal_flip]}"), "augmentation", "x.yaml:2:32: preprocessing.augmentation[0].horizontal_flip: a mirrored digit is not a digit; remove it"),
    (SOUND.replace("data: mnist", "data: mnist\npreprocessing: {augmentation: [rotation: 120]}"), "augmentation", "x.yaml:2:32: preprocessing.augmentation[0].rotation.degrees: upside down, a 6 is a 9; for digits about 15 degrees are usual"),
    (SOUND.replace("data: mnist", "data: mnist\npreprocessing: {augmentation: [random_crop: 14]}"), "augmentation", "x.yaml:2:32: preprocessing.augmentation[0].random_crop.padding: may shift half of an image of 28×28 out of view"),
    (SOUND.replace("data: mnist", "data: mnist\npreprocessing: {augmentation: [cutout: 28]}"), "augmentation", "x.yaml:2:32: preprocessing.augmentation[0].cutout.size: may hide all of an image of 28×28"),
    (SOUND.replace("data: mnist", "data: mnist\npreprocessing: {augmentation: [vertical_flip]}"), "augmentation", "x.yaml:2:32: preprocessing.augmentation[0].vertical_flip: upside down, a 6 is a 9, and most digits are none; remove it"),
    (SOUND.replace("data: mnist", "data: mnist\npreprocessing: {augmentation: [random_erasing: {max_area: 0.6}]}"), "augmentation", "x.yaml:2:49: preprocessing.augmentation[0].random_erasing.max_area: may hide 60% of an image; the paper's largest is 40 %"),
    (SOUND.replace("data: mnist", "data: {name: mnist, validation: test}"), "test-as-validation", "x.yaml:1:21: data.validation: the test set is evaluated during training; choose nothing by it"),
    (SOUND.replace("data: mnist", "data: {name: mnist, limit: 100}"), "batch-size", "x.yaml:7:1: train.batch_size: a batch of 128, but only 100 training examples: each epoch is a single step"),
    (layers(NORMALIZED).replace("epochs: 12", "batch_size: 1"), "batch-norm", "x.yaml:8:3: train.batch_size: a batch of 1, which batch_norm_1 normalizes to 0 whatever the image; set batch_size: 32"),
    (layers("    - rescale: 255\n" + CNN), "input-scale", "x.yaml:4:7: model.layers[0].rescale: rescales pixels to [0, 255]; initializers expect about 1"),
    (layers("    - rescale: 0.00392\n" + CNN), "input-scale", "x.yaml:4:7: model.layers[0].rescale: rescales pixels to [0, 0.00392]; initializers expect about 1"),
    (SOUND.replace("0.1", "30"), "learning-rate", "x.yaml:9:21: train.optimizer.sgd.learning_rate: 30 is far from the usual range of sgd, 0.0001 to 1"),
    (SOUND.replace("{sgd: {learning_rate: 0.1}}", "{adam: {learning_rate: 0.5}}"), "learning-rate", "x.yaml:9:22: train.optimizer.adam.learning_rate: 0.5 is far from the usual range of adam, 1e-05 to 0.02"),
    (train("loss: sum_of_squares"), "learning-rate", "x.yaml:9:21: train.optimizer.sgd.learning_rate: 0.1 is far from the usual range of sgd, 7.81e-07 to 0.00781"),
    (layers("    - flatten\n    - dense: 2000000000\n    - dense: 10\n"), "memory", "x.yaml:2:1: model: training takes about "),
    (layers(POOLED).replace("epochs: 12", "epochs: 1") + RESIZING, "full-size", "x.yaml:10:3: train.progressive_resizing: the run of 1 epoch ends with images of 16×16, and those of validation are 28×28; train for more epochs, or enlarge finetune_fraction"),
    (layers(POOLED) + RESIZING.replace("{}", "{initial_scale: 0.99}"), "full-size", "x.yaml:10:3: train.progressive_resizing: images of 28×28 keep their size in all of the run's 12 epochs; lower initial_scale"),
    (layers("    - backbone: {name: resnet50, freeze: true}\n    - flatten\n    - dense: 10\n").replace("mnist", "cifar10"), "frozen-at-random", "x.yaml:4:34: model.layers[0].backbone.freeze: its weights are random, and stay so; set weights: imagenet"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "line"), BREACHES)
def test_every_rule_names_the_place_and_a_fix(findings, text, rule, line):
    (found,) = findings(text)
    assert not found.is_error
    assert found.rule == rule
    assert str(found).startswith(line)
    assert str(found).endswith(f" [{rule}]")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CNN, "dense_2 has other weights for images of 16×16, since its input is (392,) instead of (1352,); put global_avg_pool2d or global_max_pool2d in place of flatten"),
        ("    - conv2d: {filters: 2, kernel_size: 17}\n" + POOLED, "images of (16, 16, 1) are too small: model.layers[0].conv2d: "),
        ("    - conv2d: {filters: 4, kernel_size: 3}\n    - channel_max_pool: 2\n" + POOLED, "channel_max_pool_1 takes images of one size only; remove it, or progressive_resizing"),
        ("    - conv2d: {filters: 10, kernel_size: 28}\n    - flatten\n", "images of (16, 16, 1) are too small: model.layers[0].conv2d: "),
        ("    - conv2d: {filters: 10, kernel_size: 16, strides: 16}\n    - flatten\n", None),
        (POOLED, None),
    ],
)  # fmt: skip
def test_progressive_resizing_needs_the_same_weights_for_every_size(findings, text, line):
    found = findings(layers(text) + RESIZING)
    assert [finding.is_error for finding in found] == ([True] if line else [])
    assert all(str(finding).partition(": ")[2].startswith(f"train.progressive_resizing: {line}") for finding in found)


def test_every_rule_has_a_case():
    assert {rule for _, rule, _ in BREACHES} == {rules.name_of(rule) for rule in rules.WARNINGS}


@pytest.mark.parametrize(
    "text",
    [
        layers("    - flatten\n    - dense: {units: 10, activation: softmax}\n") + "  loss: {cross_entropy: {from_logits: false}}\n",
        layers("    - flatten\n    - dense: {units: 10, activation: sigmoid}\n") + "  loss: mse\n",
        layers("    - rescale: 255\n    - batch_norm\n" + CNN),
        layers("    - batch_norm\n" + CNN).replace("epochs: 12", "batch_size: 1"),
        layers("    - rescale: {scale: 2, offset: -1}\n" + CNN),
        train("schedule: {step: {every: 11}}"),
        train("schedule: {reduce_on_plateau: {patience: 10}}"),
        train("callbacks: [early_stopping: 10]"),
        SOUND.replace("0.1", "1e-5") + "  loss: sum_of_squares\n",
    ],
)  # fmt: skip
def test_intended_settings_are_not_reported(findings, text):
    assert findings(text) == []


@pytest.mark.parametrize(("text", "rule", "line"), BREACHES)
def test_a_comment_on_the_line_silences_one_rule_there(findings, text, rule, line):
    (found,) = findings(text)
    number = int(found.place.split(":")[1])
    lines = text.splitlines()
    lines[number - 1] += f"  # cnnlab: allow[{rule}] because"
    assert findings("\n".join(lines)) == []


def test_a_comment_on_a_separate_line_applies_to_the_next_line(findings):
    text = SOUND.replace("0.1}}", "30}}")
    assert findings(text.replace("  optimizer", "  # cnnlab: allow [learning-rate, softmax]\n  optimizer")) == []
    assert findings(text.replace("  epochs", "  # cnnlab: allow[learning-rate]\n  epochs")) != []


def test_findings_independent_of_shapes_are_reported_with_a_shape_error(findings):
    text = SOUND.replace("kernel_size: 3", "kernel_size: 30").replace(
        "data: mnist", "data: {name: mnist, validation: 0}"
    )
    found = findings(text.replace("0.1}}", "30}}") + "  callbacks: [early_stopping: 3]\n")
    assert [finding.rule for finding in found] == ["shape", "learning-rate", "monitor"]  # in the order of the file


def test_a_comment_allows_no_other_rules_or_lines(findings):
    text = SOUND.replace("0.1}}", "30}} # cnnlab: allow[softmax]")
    assert [found.rule for found in findings(text)] == ["learning-rate"]
    text = SOUND.replace("0.1}}", "30}}").replace("epochs: 12", "epochs: 12 # cnnlab: allow[learning-rate]")
    assert [found.rule for found in findings(text)] == ["learning-rate"]


def test_a_comment_cannot_allow_a_value_set_by_an_option(findings):
    text = SOUND.replace("0.1}}", "0.1}} # cnnlab: allow[learning-rate]")
    (found,) = findings(text, "train.optimizer.sgd.learning_rate=50")
    assert found.place == "--set train.optimizer.sgd.learning_rate=50"


def test_an_unknown_rule_is_reported(findings):
    (found,) = findings(SOUND.replace("epochs: 12", "epochs: 12 # cnnlab: allow[learning_rate]"))
    assert str(found) == (
        "x.yaml:8:1: allow[learning_rate]: no such rule; did you mean 'learning-rate'? [unknown-rule]"
    )


def test_replicas_must_divide_the_batch(findings):
    assert findings(SOUND, replicas=4) == []
    (found,) = findings(SOUND, replicas=3)
    assert (
        str(found)
        == "x.yaml:7:1: train.batch_size: a batch of 128 cannot be divided evenly among 3 replicas [batch-size]"
    )


def test_a_repeated_layer_is_reported_once(findings):
    text = layers(
        "    - flatten\n    - repeat: {times: 3, layers: [dense: {units: 9, activation: softmax}]}\n    - dense: 10\n"
    )
    assert len(findings(text)) == 1


def test_all_errors_are_raised_together_and_warnings_returned(findings, tmp_path):
    text = train("callbacks: [early_stopping: 3]").replace("data: mnist", "data: {name: mnist, validation: 0}")
    (tmp_path / "x.yaml").write_text(text.replace("dense: 10", "dense: 9").replace("0.1", "30"))
    with pytest.raises(ConfigError) as caught:
        check(read("x.yaml"))
    assert len(caught.value.problems) == 2
    (tmp_path / "x.yaml").write_text(SOUND.replace("0.1", "30"))
    assert [finding.rule for finding in check(read("x.yaml"))] == ["learning-rate"]


def test_a_batch_smaller_than_the_number_of_devices_is_reported(findings):
    assert [str(found) for found in findings(train("devices: 999"))] == [
        "x.yaml:7:1: train.batch_size: a batch of 128 cannot be divided evenly among 999 replicas [batch-size]",
        "x.yaml:10:3: train.devices: 999 devices cannot divide a batch of 128",
    ]
    assert findings(train("devices: 128")) == []


def test_requesting_xla_for_nondeterministic_operations_is_an_error(findings):
    pooled = layers("    - max_pool2d: 2\n    - flatten\n    - dense: 10\n")
    (found,) = findings(pooled + "  jit: on\n")
    assert "train.jit: XLA has no deterministic gradient of max pooling" in str(found)
    assert found.is_error
    assert findings(pooled + "  jit: auto\n") == []
    assert findings(train("jit: on")) == []


@pytest.mark.parametrize(
    ("examples", "batch_size", "replicas", "expected"),
    [
        (33, 32, 1, (f"the last batch of 33 examples is 1{ZERO}", 33)),
        (65, 16, 1, (f"the last batch of 65 examples is 1{ZERO}", 17)),
        (33, 1, 1, (f"a batch of 1{ZERO}", 33)),
        (100, 3, 2, (f"a batch of 1 per replica{ZERO}", 64)),
        (33, 30, 2, (f"the last batch of 33 examples is 1 per replica{ZERO}", 33)),
        (None, 1, 1, (f"a batch of 1{ZERO}", 32)),
        (None, 32, 1, None),
        (34, 32, 1, None),
        (64, 32, 2, None),
    ],
)  # fmt: skip
def test_batch_norm_requires_two_examples_per_batch_and_replica(examples, batch_size, replicas, expected):
    experiment = load("fc", [parse_set("model.layers=[flatten, batch_norm, {dense: 10}]")])
    lines = summarize(experiment.model.layers, experiment.input_shape).lines
    found = batch_of_one(lines, batch_size, replicas, examples)
    assert found == expected
    if found:
        assert batch_of_one(lines, found[1], replicas, examples) is None


def test_batch_norm_of_images_works_with_one_example():
    experiment = load("fc", [parse_set("model.layers=[batch_norm, flatten, {dense: 10}]")])
    lines = summarize(experiment.model.layers, experiment.input_shape).lines
    assert batch_of_one(lines, 1, 1, 33) is None
