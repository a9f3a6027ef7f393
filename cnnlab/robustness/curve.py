"""Accuracy on perturbed test images, against the size of the perturbation."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.robustness.attacker import Attack, Attacker

TOLERANCE = 0.01  # of accuracy, by which attacks may differ in the unexpected direction


@dataclass(frozen=True)
class Point:
    """Accuracies of a network at one epsilon.

    `robust` counts an example as right if it is so after every attack. `pgd_loss` is the mean loss after PGD.
    `transfer` is the accuracy on the images that PGD made for another network, None without one.
    """

    epsilon: float
    noise: float
    fgsm: float
    pgd: float
    robust: float
    pgd_loss: float
    transfer: float | None


@dataclass(frozen=True)
class Curve:
    """Accuracies of one network, the unperturbed one first, on n examples."""

    run: str
    accuracy: float
    points: Sequence[Point]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {"run": self.run, "accuracy": self.accuracy, "points": [asdict(point) for point in self.points]}


def measure(
    attackers: Sequence[Attacker],
    examples: Examples,
    epsilons: Sequence[float],
    pgd: Attack,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Curve]:
    """A curve for each network. With several, images made for one are also given to the next."""
    images, labels = examples.images[:], examples.labels
    plain = [attacker.loaded.forward.scores(images).argmax(axis=1) == labels for attacker in attackers]
    points: list[list[Point]] = [[] for _ in attackers]
    for epsilon in epsilons:
        made = [_attacked(attacker, images, labels, epsilon, pgd, advance) for attacker in attackers]
        for number, (attacker, right) in enumerate(zip(attackers, plain, strict=True)):
            transferred = None
            if len(attackers) > 1:
                scores = attacker.loaded.forward.scores(made[number - 1].images)
                transferred = scores.argmax(axis=1) == labels
            points[number].append(_point(epsilon, made[number], right, transferred))
    return [
        Curve(str(attacker.loaded.record.run.path), float(right.mean()), found)
        for attacker, right, found in zip(attackers, plain, points, strict=True)
    ]


def suspicions(curve: Curve, norm: str) -> list[str]:
    """Signs that gradients mislead the attacks, so that a network only looks robust. Athalye et al. 2018."""
    found = []
    for point in curve.points:
        at = f"at epsilon {point.epsilon:g} ({norm})"
        if point.pgd > point.fgsm + TOLERANCE:
            found.append(f"{at} PGD is weaker than FGSM: accuracy {point.pgd:.4f} against {point.fgsm:.4f}")
        if point.pgd > point.noise + TOLERANCE:
            found.append(f"{at} PGD is weaker than random noise: {point.pgd:.4f} against {point.noise:.4f}")
        if point.transfer is not None and point.transfer < point.pgd - TOLERANCE:
            found.append(
                f"{at} images made for another network are stronger: {point.transfer:.4f} against {point.pgd:.4f}"
            )
    losses = [point.pgd_loss for point in curve.points]
    if any(later < earlier * (1 - TOLERANCE) for earlier, later in itertools.pairwise(losses)):
        found.append(f"the loss does not grow with epsilon: {', '.join(f'{loss:.3g}' for loss in losses)}")
    return found


@dataclass(frozen=True)
class _Made:
    """Images of PGD, and whether each example is right after each attack."""

    images: NDArray[np.uint8]
    right: dict[str, NDArray[np.bool_]]
    loss: float


def _attacked(
    attacker: Attacker,
    images: NDArray[np.uint8],
    labels: NDArray[np.int32],
    epsilon: float,
    pgd: Attack,
    advance: Callable[[int], None],
) -> _Made:
    attacks = {"noise": Attack("noise", pgd.norm), "fgsm": Attack("fgsm", pgd.norm), "pgd": pgd}
    found = {name: attacker(attack, images, labels, epsilon, advance=advance) for name, attack in attacks.items()}
    right = {name: attacked.predictions == labels for name, attacked in found.items()}
    return _Made(found["pgd"].images, right, float(found["pgd"].losses.mean()))


def _point(epsilon: float, made: _Made, plain: NDArray[np.bool_], transferred: NDArray[np.bool_] | None) -> Point:
    every = [plain, *made.right.values(), *([] if transferred is None else [transferred])]
    accuracies = {name: float(right.mean()) for name, right in made.right.items()}
    return Point(
        epsilon=epsilon,
        **accuracies,
        robust=float(np.logical_and.reduce(every).mean()),
        pgd_loss=made.loss,
        transfer=None if transferred is None else float(transferred.mean()),
    )
