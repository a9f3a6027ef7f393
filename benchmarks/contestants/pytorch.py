"""PyTorch: the usual training loop, on data in memory as tensors, on a GPU where there is one.

All images are one uint8 tensor; each batch is indexed by a random permutation and scaled. This is several times faster
than a DataLoader, which spends Python time on every batch. Eager, or `--compiled`: `torch.compile` of the network with
`channels_last` images.
"""

import sys
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contestants.serving import kind_and_options, read_task, scale_of, serve

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def main(*, compiled: bool = False) -> None:
    """Train epochs on request."""
    experiment, pixels, numbers = read_task()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True  # as TensorFlow and JAX do
    layout = torch.channels_last if compiled else torch.contiguous_format
    images = torch.from_numpy(np.moveaxis(pixels, -1, 1).copy()).to(device, memory_format=layout)
    labels = torch.from_numpy(numbers.astype(np.int64)).to(device)
    torch.manual_seed(0)
    settings = experiment["train"]
    model = network(experiment["model"]["layers"], images.shape[1:]).to(device, memory_format=layout)
    forward = torch.compile(model) if compiled else model
    optimizer = optimizer_of(settings["optimizer"], model)
    loss_of = squared_error if settings["loss"] == "mse" else nn.functional.cross_entropy
    scale, offset = scale_of(experiment)
    batch_size = settings["batch_size"]
    bfloat16 = settings["precision"] == "mixed_bfloat16"

    def run_epoch() -> float:
        order, total = torch.randperm(len(images), device=device), torch.zeros((), device=device)
        for batch in order.split(batch_size):
            inputs = images[batch].float() / 255
            if (scale, offset) != (1.0, 0.0):
                inputs = inputs * scale + offset
            with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
                loss = loss_of(forward(inputs), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        return float(total) / len(images)

    serve(run_epoch)


def network(layers: list[Any], shape: torch.Size) -> nn.Sequential:
    """The layers of an experiment in PyTorch, for images of `shape` (channels, height, width)."""
    modules: list[nn.Module] = []
    probe = torch.zeros(1, *shape)
    for kind, options in map(kind_and_options, layers):
        match kind:
            case "conv2d":
                size = options["kernel_size"]
                padding = size // 2 if options["padding"] == "same" else 0
                module: nn.Module = nn.Conv2d(probe.shape[1], options["filters"], size, padding=padding)
            case "dense":
                module = nn.Linear(probe.shape[1], options["units"])
            case "max_pool2d":
                module = nn.MaxPool2d(options["pool_size"])
            case "flatten":
                module = nn.Flatten()
            case _:
                raise ValueError(kind)
        modules.append(module)
        if options.get("activation", "linear") != "linear":
            modules.append(ACTIVATIONS[options["activation"]]())
        probe = module(probe)
    return nn.Sequential(*modules)


def optimizer_of(optimizer: Any, model: nn.Module) -> torch.optim.Optimizer:
    """The PyTorch optimizer of `{kind: options}`."""
    kind, options = kind_and_options(optimizer)
    if kind == "sgd":
        return torch.optim.SGD(model.parameters(), options["learning_rate"], momentum=options["momentum"])
    betas = (options["beta_1"], options["beta_2"])
    return torch.optim.Adam(model.parameters(), options["learning_rate"], betas=betas, eps=options["epsilon"])


def squared_error(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean squared error to one-hot labels."""
    return nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, outputs.shape[1]).float())


if __name__ == "__main__":
    main(compiled="--compiled" in sys.argv)
