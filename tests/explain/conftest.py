"""Networks that are looked at."""

from pathlib import Path

import pytest

from tests.conftest import TINY, invoke

BLOCKS = """\
name: blocks
data: {name: digits, limit: 120}
preprocessing: {zero_padding: 1, scale: minus_one_one}
model:
  layers:
    - conv2d: {filters: 4, kernel_size: 3, strides: 2, padding: same, use_bias: false}
    - batch_norm
    - activation: relu
    - residual: {activation: relu, layers: [{conv2d: {filters: 6, kernel_size: 3, strides: 2, padding: same}}, batch_norm]}
    - parallel: [[{conv2d: {filters: 2, kernel_size: 1, activation: relu}}], [{separable_conv2d: {filters: 3, kernel_size: 3, padding: same}}]]
    - channel_max_pool: 5
    - flatten
    - dropout: 0.5
    - dense: 10
train: {epochs: 1, batch_size: 32, precision: mixed_bfloat16}
"""
FLAT = """\
name: flat
data: {name: digits, limit: 200}
model: {layers: [flatten, {dense: 10}]}
train: {epochs: 1, batch_size: 32, loss: mse}
"""


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of three networks: tiny-1, blocks-1 in bfloat16, and flat-1 without a convolution."""
    folder = tmp_path_factory.mktemp("looked-at")
    for name, text in (("tiny", TINY), ("blocks", BLOCKS), ("flat", FLAT)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        done = invoke("train", f"{name}.yaml", "--quiet", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def loaded(looked_at):
    """Loads the network of a run, by its name."""
    from cnnlab.evaluation.load import load_model
    from cnnlab.runs import Run

    return lambda name: load_model(Run(looked_at / "runs" / name))
