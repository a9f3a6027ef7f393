"""One trained network, or several whose probabilities are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.errors import RequestError
from cnnlab.evaluation.load import LoadedModel, load_model
from cnnlab.models.inference import Outcome
from cnnlab.runs import Run


@dataclass(frozen=True)
class Ensemble:
    """Networks for the same classes and the same decoded images, of which each preprocesses these as it was trained."""

    members: Sequence[LoadedModel]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the scores."""
        return self.members[0].class_names

    @property
    def batch_size(self) -> int:
        """Images that go through a network at once."""
        sizes: list[int] = [member.forward.batch_size for member in self.members]
        return min(sizes)

    @cached_property
    def gives_probabilities(self) -> bool:
        """Whether the scores of an image sum to 1; otherwise they may be any numbers."""
        return all(member.gives_probabilities for member in self.members)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The score of every class, (n, classes), of images (n, height, width, channels) uint8."""
        if len(self.members) == 1:
            return self.members[0].forward.scores(images)
        mean: NDArray[np.float32] = np.mean([member.forward.scores(images) for member in self.members], axis=0)
        return mean

    def outcome(self, examples: Examples) -> Outcome:
        """The scores of labelled examples; losses are the cross-entropy of these, which are probabilities."""
        parts = examples.chunks(multiple=max(member.forward.batch_size for member in self.members))
        scores = np.concatenate([self.scores(examples.images[part]) for part in parts])
        of_truth = scores[np.arange(len(scores)), examples.labels]
        return Outcome(examples.labels, scores, -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)))


def load_ensemble(runs: Sequence[Run]) -> Ensemble:
    """The networks of finished runs, which `common_inputs` has accepted.

    Raises RunError where a run cannot be loaded, and RequestError where one of several gives no probabilities.
    """
    members = [load_model(run) for run in runs]
    for member in members if len(members) > 1 else ():
        if not member.gives_probabilities:
            raise RequestError(
                f"{member.record.run.path}: gives scores; an ensemble averages probabilities, as of networks that are "
                "trained with cross_entropy"
            )
    return Ensemble(members)
