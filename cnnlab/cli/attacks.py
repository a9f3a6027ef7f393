"""What `cnnlab fool` computes, as JSON and as text; imports TensorFlow."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.cli import tables
from cnnlab.cli.options import record_test_use
from cnnlab.errors import RequestError
from cnnlab.evaluation.load import LoadedModel, check_same_test_examples, load_test_examples
from cnnlab.evaluation.samples import decode_single
from cnnlab.messages import folder_name, pluralize
from cnnlab.plots import grid, robustness
from cnnlab.plots.figure import class_labels
from cnnlab.robustness.attacker import Attack, Attacker
from cnnlab.robustness.curve import Curve, measure, suspicions
from cnnlab.robustness.single import Fooled, Victim, fool
from cnnlab.runs.inputs import inputs_of
from cnnlab.terminal import image_progress, note, warn


def fool_one(
    loaded: LoadedModel,
    pgd: Attack,
    epsilon: float | None,
    example: int | None,
    image: Path | None,
    target: str | None,
    folder: Path,
) -> tuple[dict[str, Any], str]:
    """One image: the result for scripts, and as text."""
    if image is not None:
        name, pixels, truth = str(image), decode_single(inputs_of(loaded.record.run), image, "--image"), None
    else:
        name, pixels, truth = _example(loaded, example)
    classes = loaded.class_names
    scores = loaded.forward.scores(pixels[None])[0]
    label = int(scores.argmax()) if truth is None else truth
    if truth is None:
        note(f"{name}: its class is not known; perturbed until another class than {classes[label]} is predicted")
    predicted = int(scores.argmax())
    if target is None and predicted != label:
        note(
            f"{name}: is predicted wrong without any change, as {classes[predicted]} instead of {classes[label]}: "
            "every perturbation succeeds"
        )
    wanted = label if target is None else classes.index(target)
    if target is not None and wanted == predicted:
        raise RequestError(f"--target {target}: is predicted already for {name}; name another class")
    victim = Victim(pixels, wanted, target is not None)
    attacker = Attacker(loaded, pgd.norm, loaded.experiment.seed)
    results = [fool(attacker, attack, victim, epsilon) for attack in (Attack("fgsm", pgd.norm), pgd)]
    # Noise as large as the larger of the two.
    radius = epsilon or max(result.distance for result in results)
    results.append(fool(attacker, Attack("noise", pgd.norm), victim, radius))
    parts = [name.replace("/", "-"), *(["to", target] if target else []), *([pgd.norm] if pgd.norm != "linf" else [])]
    heading = f"{loaded.record.run.path.name}, {name}" + (f", to become {target}" if target else "")
    path = _draw_one(loaded, heading, victim, scores, results, folder / f"{folder_name('-'.join(parts))}.png")
    rows = [
        _row("unperturbed", scores, victim, classes, None),
        *(_row(r.attack.name, r.scores, victim, classes, r) for r in results),
    ]
    result = {
        "run": str(loaded.record.run.path),
        "image": name,
        "label": None if truth is None else classes[truth],
        "target": target,
        "norm": pgd.norm,
        "epsilon": epsilon,
        "steps": pgd.steps,
        "step_size": pgd.step_size,
        "restarts": pgd.restarts,
        "figure": str(path),
        "images": rows,
    }
    return result, "\n\n".join(
        [
            tables.render(rows, list(rows[0]), tables.Format.TABLE, _notes(pgd, epsilon, victim, classes)),
            f"figure: {path}",
        ]
    )


def _notes(pgd: Attack, epsilon: float | None, victim: Victim, classes: Sequence[str]) -> list[str]:
    step = f"{pgd.step_size:g}" if pgd.step_size is not None else "2.5 epsilon / steps"
    goal = f"predicts {classes[victim.label]}" if victim.targeted else f"no longer predicts {classes[victim.label]}"
    size = f"epsilon {epsilon:g}" if epsilon else "each attack with the smallest epsilon that succeeds"
    return [
        f"{size}; succeeds if the network {goal}; {pgd.norm}; PGD: {pluralize(pgd.steps, 'step')} of {step}, "
        f"{pluralize(pgd.restarts, 'random start')}; smallest_epsilon: of those tried, with images rounded to 8 bits"
    ]


def _row(name: str, scores: Any, victim: Victim, classes: Sequence[str], fooled: Fooled | None) -> dict[str, Any]:
    return {
        "image": name,
        "prediction": classes[int(scores.argmax())],
        "probability": float(scores.max()),
        "target_probability" if victim.targeted else "label_probability": float(scores[victim.label]),
        "distance": fooled.distance if fooled else 0.0,
        "succeeds": fooled.success if fooled else None,
        "smallest_epsilon": fooled.smallest if fooled else None,
    }


def _example(loaded: LoadedModel, number: int | None) -> tuple[str, Any, int]:
    """A test example's name, image and label."""
    dataset = load_test_examples(loaded.record, loaded.experiment)
    test = dataset.test
    record_test_use(loaded.record.run, "fool")
    if number is None:
        right = loaded.forward(test).predictions == test.labels
        if not right.any():
            raise RequestError(f"{loaded.record.run.path}: predicts no test example right; there is nothing to spoil")
        number = int(right.argmax())
    if number >= len(test):
        raise RequestError(f"--example {number}: {dataset.name} has {len(test):,} test examples, counted from 0")
    return f"{dataset.name}/test/{number}", test.images[number : number + 1][0], int(test.labels[number])


def _draw_one(
    loaded: LoadedModel, about: str, victim: Victim, scores: Any, results: Sequence[Fooled], path: Path
) -> Path:
    """The original, then each perturbation, amplified, and the perturbed image."""
    names = class_labels(loaded.class_names)
    images, titles, colors = [], [], []
    size = "at most" if results[0].attack.norm == "linf" else "length"
    for result in results:
        change = result.image.astype(float) - victim.image
        factor = max(1, int(127 // max(1.0, np.abs(change).max())))
        images += [victim.image, np.clip(np.rint(127.5 + factor * change), 0, 255).astype(np.uint8), result.image]
        titles += [
            f"original: predicted {names[int(scores.argmax())]} ({scores.max():.2f})",
            f"{result.attack.name}: change ×{factor}, {size} {result.distance:.3g}",
            f"predicted {names[result.prediction]} ({result.scores.max():.2f})",
        ]
        colors += [grid.INK, grid.INK, grid.WRONG if result.success else grid.RIGHT]
    norm = {"linf": "L∞", "l2": "L2"}[results[0].attack.norm]
    heading = f"{about}: perturbations by their {norm} norm, grey is no change; orange: fooled"
    return grid.draw(np.stack(images), titles, heading, path, 3, colors=colors)


def fool_test_set(
    loaded: Sequence[LoadedModel], epsilons: Sequence[float], pgd: Attack, limit: int | None, folder: Path
) -> tuple[dict[str, Any], str]:
    """The test set: the result for scripts, and as text."""
    dataset = load_test_examples(loaded[0].record, loaded[0].experiment)
    for other in loaded[1:]:
        check_same_test_examples(other.record, dataset)
    for one in loaded:
        record_test_use(one.record.run, "fool")
    examples = dataset.test.take(slice(0, limit))
    attackers = [Attacker(one, pgd.norm, one.experiment.seed) for one in loaded]
    with image_progress() as progress:
        total = len(epsilons) * len(attackers) * len(examples) * (2 + pgd.restarts)
        task = progress.add_task("attacking", total=total)
        curves = measure(attackers, examples, epsilons, pgd, lambda count: progress.advance(task, count))
    names = {"noise": "random noise", "fgsm": "FGSM", "pgd": pgd.name, "robust": "robust: right after every attack"}
    values = {
        key: [_mean_std([getattr(curve.points[i], key) for curve in curves]) for i in range(len(epsilons))]
        for key in names
    }
    named = [Path(curve.run).name for curve in curves]
    runs = ", ".join(named[:3]) + (", …" if len(named) > 3 else "")
    bars = "\nbars: ± standard deviation over the runs" if len(named) > 1 else ""
    title = f"{runs}: {len(examples):,} test examples{bars}"
    parts = ["robustness", pgd.norm, *(["first", str(limit)] if limit else []), *(["with", *named[1:]] if bars else [])]
    plain = _mean_std([curve.accuracy for curve in curves])
    path = robustness.draw(
        [0.0, *epsilons],
        {key: [plain, *points] for key, points in values.items()},
        names,
        title,
        pgd.norm,
        folder / f"{folder_name('-'.join(parts))}.png",
    )
    found = {curve.run: suspicions(curve, pgd.norm) for curve in curves}
    for run, signs in found.items():
        for sign in signs:
            warn(f"{run}: may only look robust: {sign}")
    if len(curves) == 1:
        note("images made for another network were not tried; name a second run, of another seed")
    result = {
        "norm": pgd.norm,
        "steps": pgd.steps,
        "step_size": pgd.step_size,
        "restarts": pgd.restarts,
        "examples": len(examples),
        "runs": [{**curve.as_dict(), "suspicions": found[curve.run]} for curve in curves],
        "figure": str(path),
    }
    return result, _table(curves, values, epsilons, pgd, len(examples), path)


def _mean_std(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _table(
    curves: Sequence[Curve], values: Any, epsilons: Sequence[float], pgd: Attack, examples: int, path: Path
) -> str:
    def show(pair: tuple[float, float]) -> str:
        return f"{pair[0]:.4f} ± {pair[1]:.4f}" if len(curves) > 1 else f"{pair[0]:.4f}"

    plain = show(_mean_std([curve.accuracy for curve in curves]))
    rows = [{"epsilon": "0", "noise": plain, "fgsm": plain, pgd.name.lower(): plain, "robust": plain}]
    rows += [
        {
            "epsilon": f"{epsilon:g}",
            **{(pgd.name.lower() if key == "pgd" else key): show(values[key][i]) for key in values},
        }
        for i, epsilon in enumerate(epsilons)
    ]
    step = f"{pgd.step_size:g}" if pgd.step_size is not None else "2.5 epsilon / steps"
    notes = [
        f"accuracy on {examples:,} test examples"
        + (f", mean ± standard deviation of {len(curves)} runs" if len(curves) > 1 else "")
        + f"; {pgd.norm}; PGD: {pluralize(pgd.steps, 'step')} of {step}, {pluralize(pgd.restarts, 'random start')}; "
        "robust: right after every attack; images rounded to 8 bits"
    ]
    return "\n\n".join([tables.render(rows, list(rows[0]), tables.Format.TABLE, notes), f"figure: {path}"])
