"""What weakens a comparison, one sentence each."""

from collections.abc import Iterator, Sequence

from cnnlab.analysis.groups import METRICS, Group, Metric
from cnnlab.messages import join_names
from cnnlab.runs.record import ExperimentRecord


def caveats(groups: Sequence[Group], metric: Metric, ranking: Metric) -> list[str]:
    """Those of groups that are compared by a metric, the best of which is chosen by `ranking`."""
    found = [*_folds(groups), *_other_data(groups, metric), *_chosen_by_test(groups, metric)]
    if ranking is not metric and len({group.examples(ranking.split) for group in groups} - {None}) > 1:
        found.append(f"not all have the same {ranking.split} examples, by which the best is chosen")
    if "validation" in (metric.split, ranking.split):
        found += _best_of_epochs(groups)
    if not metric.is_accuracy and len({repr(group.experiment.loss) for group in groups}) > 1:
        found.append("not all have the same loss function, and losses of different kinds are not on one scale")
    return found


def untested(groups: Sequence[Group]) -> list[str]:
    """That not all measured the test set, so that groups are compared by validation."""
    tested = [bool(group.values(METRICS["test_accuracy"])) for group in groups]
    if not any(tested):
        return ["no run here measured the test set: compared by val_accuracy"]
    told = "not every run measured the test set: compared by val_accuracy, of which interval, verdict and p are"
    settings = {(group.experiment.train.get("test"), has) for group, has in zip(groups, tested, strict=True)}
    if settings == {("end", True), ("never", False)}:
        return [f"{told}; --where train.test=end leaves those that did, and compares them by test_accuracy"]
    return [told]


def _other_data(groups: Sequence[Group], metric: Metric) -> Iterator[str]:
    by_data: dict[str, list[Group]] = {}
    for group in groups:
        by_data.setdefault(repr(group.experiment.shared()["data"]), []).append(group)
    for same in by_data.values():
        seen = {group.record.data.identity: group for group in same}
        if len(seen) > 1:
            names = join_names((group.name for group in seen.values()), 4)
            yield (f"{names} name the same data and saw different examples: see data.fingerprint in their run.json")
    distinct = {group.examples(metric.split) for group in groups}
    if len(distinct - {None}) > 1:
        yield f"not all were measured on the same {metric.split} examples; only those that were are tested"


def _folds(groups: Sequence[Group]) -> Iterator[str]:
    """What the test examples of a cross-validation are, and which folds lack a finished run."""
    validated = [group for group in groups if group.folds]
    if validated:
        names = join_names((group.name for group in validated), 4) if len(validated) < len(groups) else "all"
        counts = join_names(dict.fromkeys(str(group.folds) for group in validated), conjunction="or")
        yield f"{names}: {counts}-fold cross-validation: test_accuracy is on the held-out folds, not on the test set"
    for group in validated:
        folds = {(fold.seed, fold.number) for one in group.members if (fold := one.experiment.fold)}
        total = len({partition for partition, _ in folds}) * (group.folds or 0)
        if len(folds) < total:
            yield f"{group.name}: {total - len(folds)} of {total} folds have no finished run, and are not in its mean"


def _chosen_by_test(groups: Sequence[Group], metric: Metric) -> Iterator[str]:
    for group in groups:
        if not group.experiment.validates_on_test:
            continue
        if reasons := _choices(group.experiment):
            yield (
                f"{group.name}: chose by the test set ({' and '.join(reasons)} with data.validation: test): "
                "its test accuracy is too good"
            )
        elif metric.split == "validation":
            yield f"{group.name}: its validation examples are the test set (data.validation: test)"


def _best_of_epochs(groups: Sequence[Group]) -> Iterator[str]:
    names = [group.name for group in groups if group.experiment.early_stopping_monitor]
    if 0 < len(names) < len(groups):  # else it is the same for all
        yield (
            f"{join_names(names, 4)}: the validation accuracy is that of the best epoch, which early_stopping chose by "
            "validation: a little too good beside that of a last epoch"
        )


def _choices(experiment: ExperimentRecord) -> list[str]:
    """The callbacks and schedules that depend on the validation examples."""
    return [
        kind
        for kind, options in experiment.choices
        if kind in ("early_stopping", "stop_at", "reduce_on_plateau") and str(options.get("monitor")).startswith("val_")
    ]
