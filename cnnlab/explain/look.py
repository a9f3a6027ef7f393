"""Everything that can be looked at in the network of a run, as numbers and as images in a folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.data import Dataset, Examples
from cnnlab.evaluation.load import LoadedModel
from cnnlab.explain.aspects import OF_TEST_SET
from cnnlab.explain.layers import LayerView, inspect
from cnnlab.explain.structure import Structure
from cnnlab.explain.subject import Subject
from cnnlab.explain.what import What
from cnnlab.models.inference import Outcome
from cnnlab.plots import page

MOST_PATCH_EXAMPLES, MOST_POINTS = 10_000, 2_000  # test examples
CONFUSIONS, CONFUSED = 6, 12  # pairs of classes, and examples of each
MAP_SEED = 0  # of the principal components and of t-SNE
Rows = list[dict[str, Any]]


@dataclass
class Look:
    """A look into a network; `dataset` is only called where test examples are needed.

    `layer` is the name of the one layer that is looked at. `pictures` are the files that were written; the names of
    those about the subject end in `suffix`, so that other examples do not replace them.
    """

    loaded: LoadedModel
    structure: Structure
    subject: Subject
    dataset: Callable[[], Dataset]
    out: Path
    layer: str | None = None
    classes: int = 3
    method: str = "pca"
    suffix: str = ""
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    pictures: list[Path] = field(default_factory=list)

    def rows(self, what: What) -> Rows:
        """Draw something, and its numbers."""
        return {
            What.LAYERS: self._layers,
            What.HIDDEN: self._hidden,
            What.FILTERS: self._filters,
            What.PATCHES: self._patches,
            What.SALIENCY: self._saliency,
            What.WEIGHTS: self._weights,
            What.CONFUSIONS: self._confusions,
            What.MAP: self._map,
        }[what]()

    @property
    def heading(self) -> str:
        """The run and the example with its true class and what it is taken for."""
        names, subject = self.loaded.class_names, self.subject
        truth = "" if subject.truth is None else f"true {names[subject.truth]}, "
        predicted = f"predicted {names[subject.predicted]} ({subject.scores.max():.3f})"
        return f"{self.loaded.record.run.path.name}, {subject.name}: {truth}{predicted}"

    @cached_property
    def views(self) -> list[LayerView]:
        """Every layer for the example."""
        return inspect(self.loaded, self.structure, self.subject.pixels, self.subject.label)

    def _chosen(self) -> list[LayerView]:
        return [view for view in self.views if self.layer in (None, view.name)]

    def _layers(self) -> Rows:
        from cnnlab.explain.panels import layer_sections

        pixel_layer = self.structure.pixel_layer
        named = (pixel_layer[0].place.name, pixel_layer[1]) if pixel_layer else None
        label = self.loaded.class_names[self.subject.label]
        sections = layer_sections(self._chosen(), named)
        self._draw(What.LAYERS, sections, f"{self.heading}; gradients of the loss of {label}")
        return [view.row() for view in self._chosen()]

    def _hidden(self) -> Rows:
        from cnnlab.explain.panels import hidden_sections

        self._draw(What.HIDDEN, hidden_sections(self._chosen()), self.heading)
        return []

    @cached_property
    def _activity(self) -> dict[str, Any]:
        """Of the convolutions, after what follows each at once."""
        from cnnlab.explain.filters import activity

        lines = [line for line in self.structure.convolutions if self.layer in (None, line.place.name)]
        lines = lines or self.structure.convolutions
        measured = [self.structure.activated(line).place.name for line in lines]
        examples = self._examples(MOST_PATCH_EXAMPLES)
        found = activity(
            self.loaded.model,
            measured,
            examples,
            self.loaded.forward.batch_size,
            lambda done: self.progress("filters", done, len(examples)),
        )
        return {line.place.name: found[name] for line, name in zip(lines, measured, strict=True)}

    @cached_property
    def _rectified(self) -> dict[str, bool]:
        return {line.place.name: self.structure.is_rectified(line) for line in self.structure.convolutions}

    def _filters(self) -> Rows:
        from cnnlab.explain.filter_panels import filter_sections
        from cnnlab.explain.filters import counts

        sections = filter_sections(self.views, self._activity, self._rectified)
        self._draw(What.FILTERS, sections, self._over_test(f"filters over {self._count(MOST_PATCH_EXAMPLES)}"))
        return counts(self._activity, self._rectified)

    def _patches(self) -> Rows:
        from cnnlab.explain.filter_panels import patch_section
        from cnnlab.explain.filters import patches
        from cnnlab.explain.receptive import receptive_fields

        fields, examples = receptive_fields(self.loaded.experiment), self._examples(MOST_PATCH_EXAMPLES)
        views = {view.name: view for view in self.views}
        sections = []
        rows: Rows = []
        for name, activity in self._activity.items():
            cut = patches(activity, fields[name], examples)
            size = cut.shape[2], cut.shape[3]
            sections.append(patch_section(views[name], activity, cut, is_rectified=self._rectified[name], field=size))
            rows += [
                {"layer": name, "filter": number, "activation": float(value), "example": int(example)}
                for number, (value, example) in enumerate(zip(activity.values[0], activity.examples[0], strict=True))
            ]
        heading = self._over_test(f"strongest patches of {self._count(MOST_PATCH_EXAMPLES)}")
        self._draw(What.PATCHES, sections, heading)
        return rows

    def _saliency(self) -> Rows:
        from cnnlab.explain.saliency import explain
        from cnnlab.explain.saliency_panels import saliency_sections

        cam = self.structure.cam_layer
        layer = None if cam is None else self.layer or cam.place.name
        labels, names = self.subject.top(self.classes), self.loaded.class_names
        found = explain(
            self.loaded.model,
            self.subject.pixels,
            labels,
            layer,
            self.loaded.experiment.seed,
            lambda done: self.progress("saliency", done, 2 * len(labels)),
        )
        self._draw(What.SALIENCY, saliency_sections(self.subject, found, names, layer), self.heading)
        return [
            {
                "class": names[maps.label],
                "score": float(self.subject.scores[maps.label]),
                "method": one.method,
                "rank_correlation": one.correlation,
            }
            for maps in found
            for one in maps.maps
        ]

    def _weights(self) -> Rows:
        from cnnlab.explain.panels import pixel_tiles
        from cnnlab.plots.tiles import Tiles

        line, shape = self.structure.pixel_layer  # type: ignore[misc]
        kernel = next(view for view in self.views if view.name == line.place.name).weights["kernel"].values
        tiles = pixel_tiles("weights on the pixels", kernel, shape)
        names = self.loaded.class_names
        captions = names if line is self.structure.lines[-1] and len(names) == kernel.shape[-1] else ()
        shown = Tiles(tiles.title, tiles.images, None, captions, largest=300)
        section = page.Section(f"{line.place.name}: one image per {'class' if captions else 'unit'}", [[shown]])
        self._draw(What.WEIGHTS, [section], self.loaded.record.run.path.name)
        return []

    @cached_property
    def _outcome(self) -> Outcome:
        return self.loaded.forward(self.dataset().test)

    def _confusions(self) -> Rows:
        from cnnlab.explain.confusions import most_frequent

        names, test = self.loaded.class_names, self.dataset().test
        found, sections, rows = most_frequent(self._outcome, CONFUSIONS), [], []
        for one in found:
            of_class = int((test.labels == one.truth).sum())
            row = {"true": names[one.truth], "predicted": names[one.predicted], "examples": len(one.examples)}
            rows.append({**row, "of": of_class, "surest": int(one.examples[0])})
            text = f"{names[one.truth]} as {names[one.predicted]}: {len(one.examples):,} of {of_class:,}"
            sections.append(page.Section(text, [[self._confused(one.examples[:CONFUSED])]]))
        wrong = int((self._outcome.predictions != self._outcome.labels).sum())
        heading = f"the most frequent confusions; {wrong:,} of {len(test):,} test images are predicted wrong"
        if sections:
            self._draw(What.CONFUSIONS, sections, self._over_test(heading))
        return rows

    def _confused(self, which: Any) -> Any:
        """Test examples, in the order of `which`, each with its number and its score."""
        from cnnlab.plots.tiles import Tiles, as_colours

        order = np.argsort(which)  # images on disk are read in their order
        images = np.empty((len(which), *self.loaded.experiment.data.image_shape), np.uint8)
        images[order] = self.dataset().test.take(which[order]).images[:]
        captions = [f"{index}: {self._outcome.scores[index].max():.2f}" for index in which]
        title = "the surest first: number of the test example, and score"
        return Tiles(title, as_colours(images), captions=captions)

    def _map(self) -> Rows:
        from cnnlab.explain.embedding import embed, hidden
        from cnnlab.plots import scatter

        line, examples = self.structure.last_dense, self._examples(MOST_POINTS)
        features = hidden(self.loaded.model, line.place.name, examples, self.loaded.forward.batch_size)  # type: ignore[union-attr]
        found = embed(features, "tsne" if self.method == "tsne" else "pca", MAP_SEED)
        wrong = self.loaded.forward.scores(examples.images[:]).argmax(axis=1) != examples.labels
        heading = self._over_test(
            f"input of {line.place.name}, {features.shape[1]:,} values, for {self._count(MOST_POINTS)}"  # type: ignore[union-attr]
        )
        path = self.out / f"{What.MAP}.png"
        scatter.draw(found.points, examples.labels, wrong, self.loaded.class_names, found.axes, heading, path)
        self.pictures.append(path)
        return [{"axis": axis} for axis in found.axes]

    def _examples(self, most: int) -> Examples:
        return self.dataset().test.take(slice(0, most))

    def _count(self, most: int) -> str:
        total = len(self.dataset().test)
        return f"{total:,} test images" if total <= most else f"the first {most:,} of {total:,} test images"

    def _over_test(self, text: str) -> str:
        return f"{self.loaded.record.run.path.name}: {text}"

    def _draw(self, what: What, sections: Sequence[page.Section], heading: str) -> None:
        suffix = "" if what in OF_TEST_SET or what is What.WEIGHTS else self.suffix
        self.pictures += page.draw(sections, heading, self.out / f"{what}{suffix}.png")
