"""The weights that an experiment starts from: found, and matched with its layers, without TensorFlow."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.errors import ConfigError
from cnnlab.experiment.layers import Shape
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.pretrained import Pretrained
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import Line, summarize
from cnnlab.messages import did_you_mean, pluralize

PATH = ("model", "pretrained")
WEIGHTS = "weights.safetensors"  # of a run folder


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights: its SHA-256, and the shape of each float32 array by its name."""

    path: Path
    sha256: str
    shapes: dict[str, Shape]


def weights_file(source: str) -> WeightsFile:
    """What `from` names: a run folder, or a file. Raises ConfigError where it has no weights."""
    path = Path(source).expanduser()
    if path.is_dir():
        if not (path / WEIGHTS).exists():
            raise ConfigError(f"{source}: has no {WEIGHTS}; expected a run that finished, or a file of weights")
        path = path / WEIGHTS
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except FileNotFoundError:
        raise ConfigError(f"{source}: no such run folder or file; expected such as runs/lenet-1") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


@lru_cache(maxsize=16)  # of a search space every corner is checked
def _read(path: Path, modified: int, size: int) -> WeightsFile:
    import safetensors

    if not path.is_file():
        raise ConfigError(f"{path}: expected a file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            shapes = {name: tuple(one.get_shape()) for name, one in slices.items() if one.get_dtype() == "F32"}
    except safetensors.SafetensorError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a safetensors file, as {WEIGHTS} of a run is: {reason}") from None
    with path.open("rb") as content:
        return WeightsFile(path, hashlib.file_digest(content, "sha256").hexdigest(), shapes)


def mismatch(line: Line, shapes: dict[str, Shape]) -> str | None:
    """Why a layer cannot start from weights of these shapes; None where it can."""
    expected, prefix = line.weights, f"{line.place.name}/"
    found = {name: shape for name, shape in shapes.items() if name.startswith(prefix)}
    if found == expected:
        return None
    if not found:
        return "no layer of that name there"
    name = min(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    there, here = (str(one[name]) if name in one else "missing" for one in (found, expected))
    return f"{name.removeprefix(prefix)} is {there} there, {here} here"


def completed(experiment: Experiment, folders: Sequence[Path]) -> Experiment:
    """With the absolute path of `pretrained.from`, its SHA-256 and the layers that match, as far as it is found.

    A relative path is looked up in `folders`. What is not found or does not fit is reported by the rule `pretrained`.
    """
    pretrained = experiment.model.pretrained
    if pretrained is None:
        return experiment
    candidates = [os.path.abspath(folder / os.path.expanduser(pretrained.from_)) for folder in folders]
    found = next(filter(os.path.exists, candidates), None)
    if found is None:
        return experiment
    changes: dict[str, object] = {"from_": found}
    if pretrained.sha256 is None or pretrained.layers is None:  # else it is of a run, which may outlive the source
        try:
            weights, lines = weights_file(found), summarize(experiment.model.layers, experiment.input_shape).lines
        except (ConfigError, LayerError):
            pass
        else:
            matching = [line.place.name for line in lines if line.weights and mismatch(line, weights.shapes) is None]
            changes |= {"sha256": pretrained.sha256 or weights.sha256, "layers": pretrained.layers or matching or None}
    model = experiment.model.model_copy(update={"pretrained": pretrained.model_copy(update=changes)})
    return experiment.model_copy(update={"model": model})


def pretrained(context: LintContext) -> Iterator[Violation]:
    """The weights to start from must exist, be those of `sha256`, and match; only what matches can be frozen."""
    spec = context.experiment.model.pretrained
    if spec is None or context.summary is None:
        return
    try:
        weights = weights_file(spec.from_)
    except ConfigError as error:
        yield (*PATH, "from"), str(error)
        return
    if spec.sha256 != weights.sha256:
        yield (
            (*PATH, "from"),
            f"{weights.path}: its SHA-256 is {weights.sha256}, expected {spec.sha256}; it is not the file that this "
            "experiment started from; put that back, or remove `sha256` to start from this one",
        )
        return
    lines = {line.place.name: line for line in context.lines if line.weights}
    for name in spec.layers or ():
        reason = mismatch(lines[name], weights.shapes) if name in lines else _unknown(name, list(lines))
        if reason:
            yield (*PATH, "layers"), f"{name}: {reason}"
    if not spec.layers:
        reasons = ", ".join(f"{name}: {mismatch(line, weights.shapes)}" for name, line in list(lines.items())[:3])
        yield (
            (*PATH, "from"),
            f"no layer of the network matches those of {weights.path}; {reasons or 'none has weights'}",
        )
        return
    yield from _freeze(spec, spec.layers, context.lines)


def _freeze(spec: Pretrained, started: Sequence[str], lines: Sequence[Line]) -> Iterator[Violation]:
    path, names = (*PATH, "freeze"), [line.place.name for line in lines]
    if isinstance(spec.freeze, dict) and (last := spec.freeze["until"]) not in names:
        yield path, _unknown(last, names)
    elif isinstance(spec.freeze, list):
        for name in spec.freeze:
            if name not in names:
                yield path, _unknown(name, names)
            elif name not in started:
                yield path, f"{name} does not start from pretrained weights; those that do: {', '.join(started)}"
    elif spec.freeze and all(line.is_frozen for line in lines if line.cost.trainable):
        yield path, "all layers with weights match and are frozen: nothing is left to train; freeze {until: NAME}"
    if spec.learning_rate_factor != 1 and not spec.slowed(names):
        yield (*PATH, "learning_rate_factor"), "no effect: every layer that matches is frozen"


def _unknown(name: str, names: Sequence[str]) -> str:
    return f"the network has no layer '{name}'; {did_you_mean(name, names)}; `cnnlab describe` prints all"


def describe_start(experiment: Experiment, shapes: dict[str, Shape]) -> Iterator[str]:
    """What an experiment starts from, and which layers it does not; `shapes` are those of the weights there."""
    first = experiment.model.layers[0]
    if isinstance(first, Backbone) and first.weights:
        yield f"backbone_0: {first.name} starts from {first.weights}" + ("; frozen" if first.freeze else "")
    spec = experiment.model.pretrained
    if spec is None:
        return
    lines = [line for line in summarize(experiment.model.layers, experiment.input_shape).lines if line.weights]
    started = [line for line in lines if line.place.name in (spec.layers or ())]
    names = [line.place.name for line in lines]
    parameters = [sum(line.cost.parameters for line in some) for some in (started, lines)]
    frozen, slowed = spec.frozen(names), spec.slowed(names)
    yield (
        f"pretrained: {len(started)} of {pluralize(len(lines), 'layer')} with weights ({parameters[0]:,} of "
        f"{parameters[1]:,} parameters) start from {spec.from_}"
        + (f"; {len(frozen)} of them frozen" if frozen else "")
        + (f"; learning rate × {spec.learning_rate_factor:g} for {len(slowed)}" if slowed else "")
    )
    for line in lines:
        if line not in started:
            reason = mismatch(line, shapes) or "pretrained.layers does not name it"
            yield f"pretrained: {line.place.name} starts from random weights: {reason}"
    if lines and lines[-1] in started and len(started) > 1:
        yield (
            f"pretrained: {lines[-1].place.name}, the output layer, has the same shape there and starts from the "
            "classes of the other network; model.pretrained.layers can leave it out"
        )
    unused = {name.partition("/")[0] for name in shapes} - set(names)
    if unused:
        yield f"pretrained: not used, since the network has no layers of these names: {', '.join(sorted(unused))}"
