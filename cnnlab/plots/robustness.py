"""Accuracy against the size of a perturbation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnlab.plots.figure import drawing, write

STYLES = {
    "noise": ("#009E73", ":", "o", 1.5),
    "fgsm": ("#E69F00", "--", "s", 1.5),
    "pgd": ("#0072B2", "-", "^", 4),  # wide, since the strongest attack is often PGD, and lies on it
    "robust": ("black", "-", "D", 1),
}
"""Colors that are distinguishable without colour vision (Okabe and Ito 2008), lines, markers and widths."""


def draw(
    epsilons: Sequence[float],
    curves: Mapping[str, Sequence[tuple[float, float]]],
    names: Mapping[str, str],
    title: str,
    norm: str,
    path: Path,
) -> Path:
    """Write a figure of mean accuracies with their standard deviations, by attack, at `epsilons`."""
    with drawing([title, *names.values()]) as plain:
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
        for key, values in curves.items():
            color, line, marker, width = STYLES[key]
            means, stds = [mean for mean, _ in values], [std for _, std in values]
            axes.errorbar(
                epsilons,
                means,
                stds,
                color=color,
                linestyle=line,
                linewidth=width,
                marker=marker,
                markersize=4,
                capsize=2,
                label=plain(names[key]),
            )
        axes.set_xlabel(
            f"epsilon, largest perturbation in the {'L∞' if norm == 'linf' else 'L2'} norm, pixels in [0, 1]"
        )
        axes.set_ylabel("test accuracy")
        axes.set_ylim(-0.02, 1.02)
        axes.set_title(plain(title), fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(figure, path)
