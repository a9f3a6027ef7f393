"""Fooling a network with one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.robustness.attacker import Attack, Attacked, Attacker, Bytes, distances

LEVELS = 16  # radii that are tried at once


@dataclass(frozen=True)
class Fooled:
    """An image perturbed by one attack: what the network predicts now, and whether that is what was wanted.

    `scores` are (classes,), `distance` in the norm of the attack. `smallest` is the smallest epsilon of those tried
    with which the attack succeeds, None where none does.
    """

    attack: Attack
    image: Bytes
    scores: NDArray[np.float32]
    prediction: int
    distance: float
    success: bool
    smallest: float | None


@dataclass(frozen=True)
class Victim:
    """The image (height, width, channels) that is perturbed, and the class to leave or, with `targeted`, to reach."""

    image: Bytes
    label: int
    targeted: bool

    def is_fooled(self, predictions: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each prediction, (n,), is what the attack is for."""
        hit: NDArray[np.bool_] = predictions == self.label
        return hit if self.targeted else ~hit


def fool(attacker: Attacker, attack: Attack, victim: Victim, epsilon: float | None) -> Fooled:
    """Perturb one image by `epsilon`, by default by the smallest that succeeds, or else by the largest tried.

    For linf those tried are the steps of a pixel, 1/255 to 1; for l2, lengths that grow by about 3 %, up to the longest
    change there is. They are tried in two rounds, the second between two of the first.
    """
    pixels = victim.image.size
    radii = np.arange(1, 256) / 255 if attack.norm == "linf" else np.geomspace(1 / 255, np.sqrt(pixels), LEVELS**2)
    found = _search(attacker, attack, victim, radii.astype(np.float32))
    if epsilon is not None or found is None:
        result = _attacked(attacker, attack, victim, np.array([radii[-1] if epsilon is None else epsilon]))
    else:
        result = found[1]
    return Fooled(
        attack,
        result.images[0],
        result.scores[0],
        int(result.predictions[0]),
        float(distances(victim.image[None], result.images, attack.norm)[0]),
        bool(victim.is_fooled(result.predictions)[0]),
        None if found is None else found[0],
    )


def _search(
    attacker: Attacker, attack: Attack, victim: Victim, radii: NDArray[np.float32]
) -> tuple[float, Attacked] | None:
    """The smallest of the radii, which ascend, with which the attack succeeds, and its image."""
    coarse = np.unique([*radii[LEVELS - 1 :: LEVELS], radii[-1]])
    found = _first_success(attacker, attack, victim, coarse)
    if found is None:
        return None
    below = coarse[coarse < found[0]]
    between = radii[(radii < found[0]) & (radii > (below[-1] if len(below) else 0))]
    return _first_success(attacker, attack, victim, between) or found


def _first_success(
    attacker: Attacker, attack: Attack, victim: Victim, radii: NDArray[np.float32]
) -> tuple[float, Attacked] | None:
    if not len(radii):
        return None
    attacked = _attacked(attacker, attack, victim, radii)
    fooled = victim.is_fooled(attacked.predictions)
    if not fooled.any():
        return None
    first = slice(int(fooled.argmax()), int(fooled.argmax()) + 1)
    return float(radii[first][0]), Attacked(attacked.images[first], attacked.scores[first], attacked.losses[first])


def _attacked(attacker: Attacker, attack: Attack, victim: Victim, radii: NDArray[np.floating]) -> Attacked:
    """The image once for each of the radii."""
    images = np.repeat(victim.image[None], len(radii), axis=0)
    labels = np.full(len(radii), victim.label, np.int32)
    return attacker(attack, images, labels, radii.astype(np.float32), targeted=victim.targeted)
