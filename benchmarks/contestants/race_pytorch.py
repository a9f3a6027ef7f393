"""Time to accuracy in PyTorch: the same experiment, all images in memory, `channels_last`; `--compiled`."""

import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contestants.racing import Attempt, Part, read_race, serve
from benchmarks.contestants.serving import kind_and_options

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


def main(*, compiled: bool = False) -> None:
    """Train from each seed on request."""
    race = read_race()
    layers, settings = race.experiment["model"]["layers"], race.experiment["train"]
    images, labels = tensors(race.train)
    views = [tensors(Part(view, race.validation.labels)) for view in race.validation.images]
    validation_labels = views[0][1]
    kind, options = kind_and_options(settings["optimizer"])
    if kind != "sgd":
        raise ValueError(kind)
    batch_size, decay = settings["batch_size"], options["weight_decay"]
    bfloat16 = settings["precision"] == "mixed_bfloat16"
    loss_of = nn.CrossEntropyLoss(label_smoothing=kind_and_options(settings["loss"])[1].get("label_smoothing", 0.0))
    model = network(layers, images.shape[1:]).to(memory_format=torch.channels_last)
    forward = torch.compile(model) if compiled else model

    def run(seed: int) -> Attempt:
        torch.manual_seed(seed)
        model.load_state_dict(network(layers, images.shape[1:]).state_dict())
        optimizer = torch.optim.SGD(
            model.parameters(), options["learning_rate"], momentum=options["momentum"], nesterov=options["nesterov"]
        )
        seconds, epochs, accuracy = 0.0, 0, 0.0
        rates = iter(race.rates.tolist())
        while epochs < settings["epochs"] and accuracy < race.target:
            started = time.perf_counter()
            model.train()
            for batch in torch.randperm(len(images)).split(batch_size):
                rate = optimizer.param_groups[0]["lr"] = next(rates)
                with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                    loss = loss_of(forward(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                if decay:  # apart from the gradient, as in Keras
                    with torch.no_grad():
                        torch._foreach_mul_(list(model.parameters()), 1 - rate * decay)
                optimizer.step()
            seconds += time.perf_counter() - started
            model.eval()
            with torch.no_grad():
                outputs = [torch.cat([model(part) for part in view.split(1000)]) for view, _ in views]
            found = sum(weight * output for weight, output in zip(race.views.tolist(), outputs, strict=True))
            accuracy = float((found.argmax(1) == validation_labels).float().mean())
            epochs += 1
        return Attempt(seconds, epochs, accuracy)

    serve(run)


def tensors(part: Part) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, channels, height, width) with channels last in memory, and labels."""
    images = torch.from_numpy(np.moveaxis(part.images, -1, 1).copy())
    return images.contiguous(memory_format=torch.channels_last), torch.from_numpy(part.labels)


def network(layers: list[Any], shape: torch.Size) -> nn.Sequential:
    """The layers of an experiment in PyTorch, with Keras's initial weights, for images of `shape`."""
    modules: list[nn.Module] = []
    probe = torch.zeros(1, *shape)
    for kind, options in map(kind_and_options, layers):
        match kind:
            case "conv2d":
                size = options["kernel_size"]
                padding = size // 2 if options["padding"] == "same" else 0
                module: nn.Module = nn.Conv2d(
                    probe.shape[1], options["filters"], size, padding=padding, bias=options["use_bias"]
                )
            case "dense":
                module = nn.Linear(probe.shape[1], options["units"], bias=options["use_bias"])
            case "batch_norm":
                module = nn.BatchNorm2d(probe.shape[1], options["epsilon"], 1 - options["momentum"])
            case "max_pool2d":
                module = nn.MaxPool2d(options["pool_size"])
            case "flatten":
                module = nn.Flatten()
            case "activation":
                module = ACTIVATIONS[options["activation"]]()
            case _:
                raise ValueError(kind)
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        modules.append(module)
        probe = module(probe)
    return nn.Sequential(*modules)


if __name__ == "__main__":
    main(compiled="--compiled" in sys.argv)
