"""What is wrong with what came out: classes that are not found, examples that are learned by heart, an early end."""

from pathlib import Path

import numpy as np

from cnnlab.config import yaml
from cnnlab.config.schema_lookup import strip_defaults
from cnnlab.data.check import IMBALANCE
from cnnlab.experiment.callbacks import EarlyStopping
from cnnlab.experiment.choice import plain
from cnnlab.terminal import quoted
from cnnlab.training.coach.evidence import ACCURACY_GAP, Evidence, Finding, is_at_chance

MIN_VAL_LOSS_RISE = 0.1  # of the last validation loss
PATIENCE = 5
WIDE_ACCURACY_GAP = 0.15
MIN_EPOCHS = 5  # epochs that tell whether a loss still falls
LATE_LOSS_DROP = 0.12  # of what the loss fell, in the last fifth of the epochs; in the shipped experiments at most 0.09


def imbalance(e: Evidence) -> Finding | None:
    """Of a class that has few training examples few are found."""
    if not e.is_imbalanced or e.train.class_weights is not None:
        return None
    counts, recalls = e.class_counts, e.judged.recalls
    rare = [label for label in recalls if 0 < counts[label] < counts.max() / IMBALANCE]
    common = [recalls[label] for label in recalls if label not in rare]
    if not rare or not common or np.mean([recalls[label] for label in rare]) > np.mean(common) - 2 * ACCURACY_GAP:
        return None
    worst = min(rare, key=recalls.__getitem__)
    total = int((e.judged.labels == worst).sum())
    found = (
        f"class '{e.trainer.dataset.class_names[worst]}' has {counts[worst]:,} of {counts.sum():,} training examples, "
        f"and {round(recalls[worst] * total):,} of {total:,} are predicted right (balanced accuracy "
        f"{e.judged.balanced_accuracy:.4f}, accuracy {e.judged.accuracy:.4f})"
    )
    return found, ["train.class_weights=balanced"]


def nothing_learned(e: Evidence) -> Finding | None:
    """The predictions have nothing to do with the labels, and nothing else explains it."""
    if not is_at_chance(e.judged):
        return None
    found = (
        f"balanced accuracy {e.judged.balanced_accuracy:.4f}, as if predicted without the images, and "
        f"{e.training.balanced_accuracy:.4f} on training examples; see whether images "
        f"show what their labels say: cnnlab data preview {quoted(Path(e.config))}"
    )
    return found, []


def overfitting(e: Evidence) -> Finding | None:
    """Training examples are learned by heart, after the network was at its best on others."""
    if e.held_out is None or e.training.accuracy - e.held_out.accuracy < ACCURACY_GAP:
        return None
    found = f"accuracy {e.training.accuracy:.4f} on training examples, {e.held_out.accuracy:.4f} on others"
    losses = [] if e.trainer.experiment.data.validation == "test" else e.table.get("val_loss", [])
    is_stopped = any(isinstance(callback, EarlyStopping) for callback in e.train.callbacks)
    if losses and min(losses) < (1 - MIN_VAL_LOSS_RISE) * losses[-1] and not is_stopped:
        found += f", whose loss was lowest in epoch {losses.index(min(losses)) + 1} of {len(losses)}"
        stop = EarlyStopping(patience=PATIENCE, restore_best_weights=True)
        callbacks = strip_defaults(("train", "callbacks"), plain([*e.train.callbacks, stop]))
        return found, [f"train.callbacks={yaml.dump_inline(callbacks)}"]
    # Neither augmentation nor weight decay, mixup or label smoothing helped reliably where the loss does not rise.
    is_wide = e.training.accuracy - e.held_out.accuracy >= WIDE_ACCURACY_GAP
    return (f"{found}; more training examples would help", []) if is_wide else None


def too_few_epochs(e: Evidence) -> Finding | None:
    """The loss is still on its way."""
    losses = e.losses
    if e.has_learned or not MIN_EPOCHS <= len(losses) == e.train.epochs or e.late_fall < LATE_LOSS_DROP:
        return None
    found = (
        f"of what the training loss fell, {100 * e.late_fall:.0f} % was in the last fifth of {len(losses)} epochs "
        f"({losses[0]:.4g} to {losses[-1]:.4g})"
    )
    return found, [f"train.epochs={3 * e.train.epochs}"]
