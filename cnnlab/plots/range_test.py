"""The losses of learning-rate range tests against the rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.plots.figure import drawing, write

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#999999"  # Okabe and Ito 2008
HEADROOM = 1.3  # of the loss axis, times the first loss


@dataclass(frozen=True)
class Test:
    """One test: rates and losses of its steps, raw and smoothed, (steps,), and the rate where the loss rises."""

    rates: NDArray[np.floating]
    losses: NDArray[np.floating]
    smoothed: NDArray[np.floating]
    rise: float | None


def draw(tests: Sequence[Test], proposal: float | None, current: float, heading: str, path: Path) -> Path:
    """Write the figure: each test's losses, where they rise, the proposed rate and the experiment's own one."""
    with drawing([heading]) as plain:
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
        several = len(tests) > 1
        for number, test in enumerate(tests):
            is_first = number == 0
            axes.plot(test.rates, test.losses, color=GREY, alpha=0.4, lw=0.7, label="batch loss" if is_first else None)
            label = f"smoothed{', one line per seed' if several else ''}" if is_first else None
            axes.plot(test.rates, test.smoothed, color=BLUE, lw=1.6, label=label)
        for number, rise in enumerate(test.rise for test in tests if test.rise is not None):
            axes.axvline(rise, color=ORANGE, lw=1, ls=":", label="rises" if number == 0 else None)
        axes.axvline(current, color="black", lw=1, ls="--", label=f"the experiment's {current:g}")
        if proposal is not None:
            axes.axvline(proposal, color=GREEN, lw=2, label=f"proposed {proposal:g}")
        axes.set_xscale("log")
        first = max(float(test.smoothed[0]) for test in tests)
        lowest = min(float(test.smoothed.min()) for test in tests)
        axes.set_ylim(max(0.0, lowest - 0.1 * (first - lowest)), HEADROOM * first)
        axes.set(xlabel="learning rate", ylabel="training loss")
        axes.set_title(plain(heading), fontsize=11)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(figure, path)
