"""Training on adversarial examples."""

from typing import Annotated, Literal

from pydantic import Field

from cnnlab.experiment.choice import Positive, Strict

Norm = Literal["linf", "l2"]
RELATIVE_STEP = 2.5
"""Step size times steps, relative to epsilon: enough to cross the ball. Madry et al. 2017."""


class Adversarial(Strict):
    """Replaces the images of each batch by ones with a larger loss, at most `epsilon` away (Madry et al. 2017).

    They are found by projected gradient descent on the current weights in inference mode, after augmentation, in every
    step anew, which makes a step `steps` + 1 times as costly. Training loss and accuracy are those on these images;
    validation and test images are not changed. `cnnlab fool` measures the robustness.
    """

    epsilon: Annotated[float, Field(gt=0, le=1000)]
    """Largest perturbation in the `norm`, for pixels in [0, 1]."""
    norm: Norm = "linf"
    """`linf`, the largest change of a pixel, or `l2`, the Euclidean norm over all pixels and channels."""
    steps: Annotated[int, Field(gt=0, le=1000)] = 7
    """Number of gradient steps."""
    step_size: Positive | None = None
    """Length of a step in the `norm`; by default 2.5 * epsilon / steps."""
    random_start: bool = True
    """Whether each search starts at a random image within `epsilon`, or at the image itself."""

    warmup: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Number of epochs in which epsilon and the step size grow linearly to their full size. Small networks may learn
    nothing if the first perturbations are too strong.
    """

    def strength(self, epoch: int) -> float:
        """The factor of epsilon and of the step size in an epoch, counted from 0."""
        return min(1.0, (epoch + 1) / (self.warmup + 1))

    @property
    def step(self) -> float:
        """The length of a step."""
        return RELATIVE_STEP * self.epsilon / self.steps if self.step_size is None else self.step_size
