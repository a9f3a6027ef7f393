"""From run folders to the document of a report."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cnnlab
from cnnlab.analysis.compare import Comparison
from cnnlab.errors import printable
from cnnlab.report import checklist, names, of_run, of_runs, of_search, of_sweep, sweep_source
from cnnlab.report.blocks import Block, Cell, Column, Document, Section, Table, Text
from cnnlab.report.paragraph import paragraph
from cnnlab.report.source import Source
from cnnlab.report.sweep_source import SweepSource
from cnnlab.report.words import counted, share_of, text
from cnnlab.report.words import number as number_of
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord

MOST_SECTIONS = 40  # runs that have a section of their own on a page of several
MOST_NAMED = 10  # runs that are left out


def of_one(record: RunRecord) -> Document:
    """The report of a run, in whatever state it is."""
    source = Source(record)
    experiment = printable(record.experiment.name)
    title = source.name if experiment in source.name else f"{source.name}: {experiment}"
    sections = [*of_run.sections(source), *_paragraphs([[record]]), checklist.section([source])]
    return Document(printable(title), of_run.lead(source), sections, _footer())


def of_several(records: Sequence[RunRecord], comparison: Comparison | None, damaged: Sequence[Run] = ()) -> Document:
    """The report of runs and of their comparison; None where none of them is finished.

    Of the `damaged` ones it says that they are left out.
    """
    sources = names.sources(records)
    experiments = len(comparison.rows) if comparison else len({record.experiment.name for record in records})
    title = f"{counted(experiments, 'experiment')}, {counted(len(records), 'run')}"
    lead = of_runs.lead(comparison) if comparison else [Text("None of these runs is finished.", "warning")]
    if damaged:
        lead.append(Text(_left_out(damaged), "warning"))
    sections = of_runs.sections(comparison) if comparison else []
    sections += _paragraphs([row.group.members for row in comparison.rows] if comparison else [])
    sections += [checklist.section(sources, comparison, has_sections=len(sources) <= MOST_SECTIONS), _runs(sources)]
    return Document(title, lead, sections, _footer())


def of_sweep_in(folder: Path) -> Document:
    """The report of the sweep in a folder, in whatever state it is."""
    return of_sweep_source(sweep_source.read(folder))


def of_sweep_source(sweep: SweepSource) -> Document:
    """The report of a sweep: all trials are in one section, and the runs are those of its finalists."""
    sources, comparison = [Source(record) for record in sweep.finals], sweep.comparison
    sections = [of_search.section(sweep)]
    if comparison is not None:
        sections += of_runs.sections(comparison, of_sweep=True)
    if sources:
        sections += [checklist.section(sources, comparison, search=of_sweep.search_text(sweep)), _runs(sources)]
    return Document(printable(of_sweep.title(sweep)), of_sweep.lead(sweep), sections, _footer())


def _paragraphs(experiments: Sequence[Sequence[RunRecord]]) -> list[Section]:
    """Methods and result of each experiment, given by its finished runs, in sentences."""
    finished = [members for members in experiments if all(record.status == "finished" for record in members)]
    blocks: list[Block] = [Text(paragraph(members)) for members in finished[:MOST_NAMED]]
    if len(finished) > MOST_NAMED:
        blocks.append(Text(f"Those of {len(finished) - MOST_NAMED:,} more experiments are left out.", "note"))
    return [Section("For a paper", "paragraph", blocks)] if blocks else []


def _left_out(damaged: Sequence[Run]) -> str:
    """`2 runs are left out, whose run.json cannot be read: runs/a, runs/b`."""
    named = ", ".join(printable(str(run.path)) for run in damaged[:MOST_NAMED])
    more = f" and {len(damaged) - MOST_NAMED:,} more" if len(damaged) > MOST_NAMED else ""
    is_are = "is" if len(damaged) == 1 else "are"
    return f"{counted(len(damaged), 'run')} {is_are} left out, whose run.json cannot be read: {named}{more}."


def _runs(sources: Sequence[Source]) -> Section:
    shown = sources if len(sources) <= MOST_SECTIONS else []
    inner = [
        Section(
            f"{source.name} ({source.status})",
            f"run-{number}",
            of_run.lead(source),
            [_within(section, f"run-{number}-") for section in of_run.sections(source, with_images=False)],
            is_folded=True,
        )
        for number, source in enumerate(shown)
    ]
    left_out = f"The sections of the {len(sources):,} runs are left out: there are more than {MOST_SECTIONS}. "
    how = "`cnnlab report RUN` makes the page of one."
    blocks: list[Block] = [_table(sources)]
    return Section("Runs", "runs", blocks if shown else [Text(left_out + how, "note"), *blocks], inner)


def _table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("run"),
        Column("status"),
        Column("seed", is_numeric=True),
        Column("validation accuracy", is_numeric=True),
        Column("test accuracy", is_numeric=True),
        Column("seconds", is_numeric=True),
    ]
    rows = [
        [
            Cell(source.name, link=f"run-{number}" if len(sources) <= MOST_SECTIONS else ""),
            text(source.status),
            number_of(source.record.experiment.seed, ""),
            *(share_of(source.record.results.get(key)) for key in ("val_accuracy", "test_accuracy")),
            number_of(source.record.seconds, ".1f"),
        ]
        for number, source in enumerate(sources)
    ]
    return Table("All runs", columns, rows, is_sortable=True)


def _within(section: Section, prefix: str) -> Section:
    """With keys that are unique on a page of several runs."""
    inner = [_within(one, prefix) for one in section.sections]
    return replace(section, key=prefix + section.key, sections=inner)


def _footer() -> str:
    return f"Written by cnnlab {cnnlab.__version__} on {datetime.now(UTC):%Y-%m-%d}"
