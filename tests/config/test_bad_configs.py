"""Every kind of mistake in an experiment file, with the exact lines that are printed for it."""

import pytest

from cnnlab.config.lint import check
from cnnlab.config.load import read
from cnnlab.errors import ConfigError

LAYERS = "data: digits\nmodel:\n  layers:\n    "
SOUND = LAYERS + "- flatten\n    - dense: 10\n"

IN_LAYERS = [
    (LAYERS + "- conv2d: {filtres: 6, filters: 6, kernel_size: 5}\n", ["x.yaml:4:16: model.layers[0].conv2d.filtres: unknown key; did you mean 'filters'?"]),
    (LAYERS + "- conv2d: {kernel_size: 5}\n", ["x.yaml:4:7: model.layers[0].conv2d.filters: missing; this key is required"]),
    (LAYERS + "- conv2d: {filters: 6, kernel_size: [5]}\n", ["x.yaml:4:41: model.layers[0].conv2d.kernel_size: expected an integer from 1 to 1024 or a pair [height, width] of them, got [5]"]),
    (LAYERS + "- conv2d: {filters: 6, kernel_size: 5, activation: rleu}\n", ["x.yaml:4:56: model.layers[0].conv2d.activation: expected 'linear', 'relu', 'relu6', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'sigmoid', 'hard_sigmoid', 'tanh', 'softplus' or 'softmax', got 'rleu'; did you mean 'relu'?"]),
    (LAYERS + "- MaxPooling2D: 2\n", ["x.yaml:4:7: model.layers[0]: unknown kind 'MaxPooling2D'; did you mean 'max_pool2d'?"]),
    (LAYERS + "- BatchNormalization\n", ["x.yaml:4:7: model.layers[0]: unknown kind 'BatchNormalization'; did you mean 'batch_norm'?"]),
    (LAYERS + "- relu\n", ["x.yaml:4:7: model.layers[0]: unknown kind 'relu'; did you mean 'activation: relu'?"]),
    (LAYERS + "- conv3d: {a: 1}\n", ["x.yaml:4:7: model.layers[0]: unknown kind 'conv3d'; did you mean 'conv2d'?"]),
    (LAYERS + "- conv2d:\n      filters: 3\n", ["x.yaml:4:7: model.layers[0]: expected one kind, got 'conv2d' and 'filters'; indent 'filters' under 'conv2d'"]),
    (LAYERS + "- dense: ten\n", ["x.yaml:4:14: model.layers[0].dense.units: expected an integer, got 'ten'"]),
    (LAYERS + "- dense: -1\n", ["x.yaml:4:14: model.layers[0].dense.units: expected a value greater than 0, got -1"]),
    (LAYERS + "- dense: true\n", ["x.yaml:4:14: model.layers[0].dense.units: expected an integer, got true"]),
    (LAYERS + "- dense:\n", ["x.yaml:4:7: model.layers[0].dense.units: missing; this key is required"]),
    (LAYERS + "- flatten: 3\n", ["x.yaml:4:16: model.layers[0].flatten: expected no options, got 3"]),
    (LAYERS + "- dropout: 1\n", ["x.yaml:4:16: model.layers[0].dropout.rate: expected a value less than 1, got 1"]),
    (LAYERS + "- dropout: -0.1\n", ["x.yaml:4:16: model.layers[0].dropout.rate: expected a value greater than or equal to 0, got -0.1"]),
    (LAYERS + "- 3\n", ["x.yaml:4:7: model.layers[0]: expected a kind such as 'kind' or 'kind: {option: value}', got 3"]),
    (LAYERS + "- [dense: 10]\n", ["x.yaml:4:7: model.layers[0]: expected a kind such as 'kind' or 'kind: {option: value}', got [{'dense': 10}]"]),
    (LAYERS + "- dense: {units: 1, kernel_initializer: {truncated_normal: {sttdev: 1}}}\n", ["x.yaml:4:65: model.layers[0].dense.kernel_initializer.truncated_normal.sttdev: unknown key; did you mean 'stddev'?"]),
    (LAYERS + "- dense: {units: 1, kernel_initializer: xavir}\n", ["x.yaml:4:45: model.layers[0].dense.kernel_initializer: unknown kind 'xavir'; did you mean 'xavier'?"]),
    (LAYERS + "- dense: {units: 1, kernel_regularizer: l3}\n", ["x.yaml:4:45: model.layers[0].dense.kernel_regularizer: unknown kind 'l3'; expected one of l1, l1_l2, l2"]),
    (LAYERS + "- dense: {units: 1, kernel_regularizer: {l2: -1}}\n", ["x.yaml:4:50: model.layers[0].dense.kernel_regularizer.l2.l2: expected a value greater than 0, got -1"]),
    (LAYERS + "- conv2d: {filters: 6, kernel_size: 5, padding: full}\n", ["x.yaml:4:53: model.layers[0].conv2d.padding: expected 'valid' or 'same', got 'full'"]),
    (LAYERS + "- conv2d: {filters: 6, kernel_size: 5000}\n", ["x.yaml:4:41: model.layers[0].conv2d.kernel_size: expected an integer from 1 to 1024 or a pair [height, width] of them, got 5000"]),
    (LAYERS + "- max_pool2d: 0\n", ["x.yaml:4:19: model.layers[0].max_pool2d.pool_size: expected an integer from 1 to 1024 or a pair [height, width] of them, got 0"]),
    (LAYERS + "- max_pool2d: [2, 2, 2]\n", ["x.yaml:4:19: model.layers[0].max_pool2d.pool_size: expected an integer from 1 to 1024 or a pair [height, width] of them, got [2, 2, 2]"]),
    (LAYERS + "- channel_max_pool: 0\n", ["x.yaml:4:25: model.layers[0].channel_max_pool.pool_size: expected a value greater than 0, got 0"]),
    (LAYERS + "- batch_norm: {momentum: 1.5}\n", ["x.yaml:4:30: model.layers[0].batch_norm.momentum: expected a value less than 1, got 1.5"]),
    (LAYERS + "- activation\n", ["x.yaml:4:7: model.layers[0].activation.activation: missing; this key is required"]),
    (LAYERS + "- rescale: {offset: 1}\n", ["x.yaml:4:7: model.layers[0].rescale.scale: missing; this key is required"]),
    (LAYERS + "- zero_padding2d: -1\n", ["x.yaml:4:23: model.layers[0].zero_padding2d.padding: expected an integer from 1 to 1024 or a pair [height, width] of them, got -1"]),
    (LAYERS + "- residual: []\n", ["x.yaml:4:17: model.layers[0].residual.layers: no entries; expected at least 1"]),
    (LAYERS + "- residual: [flatten, dens: 10]\n", ["x.yaml:4:27: model.layers[0].residual.layers[1]: unknown kind 'dens'; did you mean 'dense'?"]),
    (LAYERS + "- residual: {layers: [dense: 10], shortcut: identity}\n", ["x.yaml:4:49: model.layers[0].residual.shortcut: expected 'projection' or 'pad', got 'identity'"]),
    (LAYERS + "- parallel: [dense: 10]\n", ["x.yaml:4:18: model.layers[0].parallel.branches[0]: expected a list, got {'dense': 10}"]),
    (LAYERS + "- parallel: []\n", ["x.yaml:4:17: model.layers[0].parallel.branches: no entries; expected at least 1"]),
    (LAYERS + "- repeat: {times: 0, layers: [flatten]}\n", ["x.yaml:4:23: model.layers[0].repeat.times: expected a value greater than 0, got 0"]),
    (LAYERS + "- repeat: {layers: [flatten]}\n", ["x.yaml:4:7: model.layers[0].repeat.times: missing; this key is required"]),
    (LAYERS + "- repeat: [flatten]\n", ["x.yaml:4:15: model.layers[0].repeat: expected a map of options (times, layers), got ['flatten']"]),
    (LAYERS + "- repeat: {times: 600, layers: [flatten, flatten]}\n", ["x.yaml:3:3: model: 1,200 layers with all repeats; expected at most 1,000"]),
]  # fmt: skip
IN_SETTINGS = [
    (SOUND + "train: {epochs: 1.5}\n", ["x.yaml:6:17: train.epochs: expected an integer, got 1.5"]),
    (SOUND + "train: {epochs: 0}\n", ["x.yaml:6:17: train.epochs: expected a value greater than 0, got 0"]),
    (SOUND + "train: {batch_size: 0}\n", ["x.yaml:6:21: train.batch_size: expected a value greater than 0, got 0"]),
    (SOUND + "train: {batchsize: 32}\n", ["x.yaml:6:9: train.batchsize: unknown key; did you mean 'batch_size'?"]),
    (SOUND + "train: {optimizer: {sgd: {learning_rate: fast}}}\n", ["x.yaml:6:42: train.optimizer.sgd.learning_rate: expected a number, got 'fast'"]),
    (SOUND + "train: {optimizer: {sgd: {learning_rate: .inf}}}\n", ["x.yaml:6:42: train.optimizer.sgd.learning_rate: expected a finite number, got inf"]),
    (SOUND + "train: {optimizer: {sgd: {lr: 0.1}}}\n", ["x.yaml:6:27: train.optimizer.sgd.lr: unknown key; did you mean 'learning_rate'?"]),
    (SOUND + "train: {optimizer: sdg}\n", ["x.yaml:6:20: train.optimizer: unknown kind 'sdg'; did you mean 'sgd'?"]),
    (SOUND + "train: {optimizer: {sgd: 0.1, adam: 0.1}}\n", ["x.yaml:6:20: train.optimizer: expected one kind, got 'sgd' and 'adam'; keep one"]),
    (SOUND + "train: {loss: sparse_categorical_crossentropy}\n", ["x.yaml:6:15: train.loss: unknown kind 'sparse_categorical_crossentropy'; did you mean 'cross_entropy'?"]),
    (SOUND + "train: {loss: mae}\n", ["x.yaml:6:15: train.loss: unknown kind 'mae'; did you mean 'mse'?"]),
    (SOUND + "train: {loss: {cross_entropy: {label_smoothing: 1}}}\n", ["x.yaml:6:49: train.loss.cross_entropy.label_smoothing: expected a value less than 1, got 1"]),
    (SOUND + "train: {loss: {mse: {a: 1}}}\n", ["x.yaml:6:22: train.loss.mse.a: unknown key; it takes no options"]),
    (SOUND + "train: {schedule: {exponential: 1.5}}\n", ["x.yaml:6:33: train.schedule.exponential.decay: expected a value less than or equal to 1, got 1.5"]),
    (SOUND + "train: {schedule: {step: {decay: 0.5}}}\n", ["x.yaml:6:20: train.schedule.step.every: missing; this key is required"]),
    (SOUND + "train: {schedule: {piecewise: {boundaries: [5], factors: [1]}}}\n", ["x.yaml:6:58: train.schedule.piecewise.factors: 1 entry; expected at least 2"]),
    (SOUND + "train: {schedule: {piecewise: {boundaries: [5, 3], factors: [1, 1, 1]}}}\n", ["x.yaml:6:31: train.schedule.piecewise: the boundaries [5, 3] do not rise"]),
    (SOUND + "train: {schedule: {reduce_on_plateau: {monitor: validation_loss}}}\n", ["x.yaml:6:49: train.schedule.reduce_on_plateau.monitor: expected 'val_loss', 'val_accuracy', 'loss' or 'accuracy', got 'validation_loss'; did you mean 'val_loss'?"]),
    (SOUND + "train: {schedule: {cosine: {warmup: -1}}}\n", ["x.yaml:6:37: train.schedule.cosine.warmup: expected a value greater than or equal to 0, got -1"]),
    (SOUND + "train: {callbacks: early_stopping}\n", ["x.yaml:6:20: train.callbacks: expected a list, got 'early_stopping'"]),
    (SOUND + "train: {callbacks: [early_stoping: 3]}\n", ["x.yaml:6:21: train.callbacks[0]: unknown kind 'early_stoping'; did you mean 'early_stopping'?"]),
    (SOUND + "train: {callbacks: [early_stopping]}\n", ["x.yaml:6:21: train.callbacks[0].early_stopping.patience: missing; this key is required"]),
    (SOUND + "train: {precision: float16}\n", ["x.yaml:6:20: train.precision: expected 'float32', got 'float16'; did you mean 'float32'?"]),
    (SOUND + "train: 3\n", ["x.yaml:6:8: train: expected a map of keys, got 3"]),
    (SOUND + "train:\n", ["x.yaml:6:7: train: expected a map of keys, got nothing"]),
    (SOUND + "name: a/b\n", ["x.yaml:6:7: name: expected at most 100 letters, digits, '.', '_' and '-', got 'a/b'"]),
    (SOUND + "seed: -1\n", ["x.yaml:6:7: seed: expected a value greater than or equal to 0, got -1"]),
    (SOUND + "seed: 0.5\n", ["x.yaml:6:7: seed: expected an integer, got 0.5"]),
    (SOUND + "trian: {}\n", ["x.yaml:6:1: trian: unknown key; did you mean 'train'?"]),
    (SOUND + "published: {accuracy: 98}\n", ["x.yaml:6:1: published.source: missing; this key is required", "x.yaml:6:23: published.accuracy: expected a value less than or equal to 1, got 98"]),
    (SOUND + "published: {source: x, table: [[1, 0.9]]}\n", ["x.yaml:6:32: published.table[0]: 2 entries; expected at least 3"]),
]  # fmt: skip
IN_DATA_AND_FILES = [
    ("data: mnits\nmodel: {layers: [flatten]}\n", ["x.yaml:1:7: data: unknown data set 'mnits'; did you mean 'mnist'?"]),
    ("data: {validation: 0}\nmodel: {layers: [flatten]}\n", ["x.yaml:1:1: data.name: expected one of digits, mnist, cifar10, raw, synthetic, got nothing"]),
    ("data: 3\nmodel: {layers: [flatten]}\n", ["x.yaml:1:7: data: expected one of digits, mnist, cifar10, raw, synthetic, got 3"]),
    ("data: {name: mnist, validation: 2.5}\nmodel: {layers: [flatten]}\n", ["x.yaml:1:33: data.validation: expected a count such as 5000, a fraction such as 0.1, or 'test', got 2.5"]),
    ("data: {name: mnist, split: 3}\nmodel: {layers: [flatten]}\n", ["x.yaml:1:21: data.split: unknown key; expected one of limit, name, validation"]),
    ("data: {name: raw}\nmodel: {layers: [flatten]}\n", ["x.yaml:1:1: data.image_shape: missing; this key is required", "x.yaml:1:1: data.num_classes: missing; this key is required", "x.yaml:1:1: data.train_images: missing; this key is required", "x.yaml:1:1: data.train_labels: missing; this key is required", "x.yaml:1:1: data.test_images: missing; this key is required", "x.yaml:1:1: data.test_labels: missing; this key is required"]),
    ("data: {name: synthetic, image_shape: [28, 28]}\nmodel: {layers: [flatten]}\n", ["x.yaml:1:38: data.image_shape: expected [height, width, channels], integers from 1 to 4096, got [28, 28]"]),
    ("model: {layers: [flatten]}\n", ["x.yaml:1:1: data: missing; this key is required"]),
    ("data: digits\n", ["x.yaml:1:1: model: missing; this key is required"]),
    ("data: digits\nmodel: []\n", ["x.yaml:2:8: model: expected a map of keys, got []"]),
    ("data: digits\nmodel: {layers: []}\n", ["x.yaml:2:17: model.layers: no entries; expected at least 1"]),
    ("data: digits\nmodel: {layers: flatten}\n", ["x.yaml:2:17: model.layers: expected a list, got 'flatten'"]),
    ("just words", ["x.yaml:1:1: the experiment: expected a map of keys, got 'just words'"]),
    ("- a\n- b\n", ["x.yaml:1:1: the experiment: expected a map of keys, got ['a', 'b']"]),
    ("", ["x.yaml: empty; an experiment needs at least data and model (see `cnnlab configs`)"]),
    ("data: digits\ndata: mnist\n", ["x.yaml:2:1: duplicate key 'data' (first in line 1); keep one"]),
    ("data: [digits\n", ["x.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>'"]),
    ("data:\n\tname: digits\n", ["x.yaml:2:1: not YAML: found character '\\t' that cannot start any token (YAML indents with spaces, never with tabs)"]),
    ("data: !!python/name:os.system\n", ["x.yaml:1:7: YAML tags (tag:yaml.org,2002:python/name:os.system) are not used here; leave the tag out"]),
    ("data: &a [*a]\n", ["x.yaml:1:7: too many values, or aliases (*name) that repeat too much; write them out"]),
    ("? [a]\n: 1\n", ["x.yaml:1:3: a key must be a word"]),
    ("data: on\nmodel: {layers: [flatten]}\n", ["x.yaml:1:7: data: unknown data set 'on'; expected one of cifar10, digits, mnist, raw, synthetic"]),
    ("extends: lenett\n", ["x.yaml:1:10: extends: no file lenett, and no shipped experiment; did you mean 'lenet'?"]),
    ("extends: 3\n", ["x.yaml:1:10: extends: expected a file or the name of a shipped experiment, got 3"]),
    ("extends: x.yaml\n", ["x.yaml:1:10: extends: goes in a circle: x.yaml extends x.yaml"]),
    ("extends: lenet\ndata: {nam: digits}\n", ["x.yaml:2:8: data.nam: unknown key; did you mean 'name'?"]),
    ("extends: lenet\nmodel: {layers: [flatten, dense: ten]}\n", ["x.yaml:2:34: model.layers[1].dense.units: expected an integer, got 'ten'"]),
]  # fmt: skip
IN_NETWORKS = [
    (LAYERS + "- dense: 10\n", ["x.yaml:4:7: model.layers[0].dense: expected (features,), got a picture (28, 28, 1); put flatten before it"]),
    (LAYERS + "- max_pool2d: 500\n", ["x.yaml:4:7: model.layers[0].max_pool2d: nothing is left: its window of 500×500 is larger than its input (28, 28, 1); use padding: same, a smaller window, or less pooling before it"]),
    (LAYERS + "- flatten\n    - conv2d: {filters: 2, kernel_size: 3}\n", ["x.yaml:5:7: model.layers[1].conv2d: expected a picture (height, width, channels), got (784,); move it before flatten"]),
    (LAYERS + "- flatten\n    - dense: 9\n", ["x.yaml:5:7: model.layers[1].dense: the network ends in (9,), and digits has 10 classes; expected a last layer such as dense: 10"]),
    (LAYERS + "- conv2d: {filters: 3, kernel_size: 3}\n    - channel_max_pool: 2\n    - flatten\n    - dense: 10\n", ["x.yaml:5:7: model.layers[1].channel_max_pool: its input (26, 26, 3) has 3 channels, no multiple of 2"]),
    (LAYERS + "- residual: [conv2d: {filters: 1, kernel_size: 3}]\n    - flatten\n    - dense: 10\n", ["x.yaml:4:7: model.layers[0].residual: its layers turn (28, 28, 1) into (26, 26, 1), which no stride of the shortcut gives; use padding: same inside it"]),
    (LAYERS + "- parallel: [[], [max_pool2d: 2]]\n    - flatten\n    - dense: 10\n", ["x.yaml:4:7: model.layers[0].parallel: its branches give (28, 28, 1), (14, 14, 1), which differ in more than channels"]),
    (LAYERS + "- repeat: {times: 6, layers: [max_pool2d: 2]}\n    - flatten\n    - dense: 10\n", ["x.yaml:4:35: model.layers[0].repeat.layers[0].max_pool2d: nothing is left: its window of 2×2 is larger than its input (1, 1, 1); use padding: same, a smaller window, or less pooling before it"]),
    (LAYERS + "- depthwise_conv2d: {kernel_size: 3, strides: [1, 2]}\n    - flatten\n    - dense: 10\n", ["x.yaml:4:7: model.layers[0].depthwise_conv2d: expected equal strides, got [1, 2]: TensorFlow has no other for this layer; use conv2d"]),
    ("data: {name: digits, validation: 0}\nmodel:\n  layers:\n    - flatten\n    - dense: 10\ntrain: {callbacks: [early_stopping: 3]}\n", ["x.yaml:6:21: train.callbacks[0].early_stopping.monitor: val_loss, but no examples are held out for validation; set data.validation, or monitor: loss"]),
    ("data: {name: digits, validation: 0}\nmodel:\n  layers:\n    - flatten\n    - dense: 10\ntrain: {schedule: reduce_on_plateau}\n", ["x.yaml:6:9: train.schedule.reduce_on_plateau.monitor: val_loss, but no examples are held out for validation; set data.validation, or monitor: loss"]),
    ("data: {name: digits, validation: 5000}\nmodel:\n  layers:\n    - flatten\n    - dense: 10\n", ["x.yaml:1:22: data.validation: 5,000 examples to hold out, but digits has 1,437 training examples; try validation: 0.1"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "lines"), IN_LAYERS + IN_SETTINGS + IN_DATA_AND_FILES + IN_NETWORKS)
def test_a_bad_config_is_told_in_these_lines(tmp_path, monkeypatch, text, lines):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check(read("x.yaml"))
    assert list(caught.value.problems) == lines
