"""`cnnlab report`."""

import stat
import sys
import webbrowser
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.errors import RequestError, RunError, printable

if TYPE_CHECKING:
    from cnnlab.report.blocks import Document
    from cnnlab.runs import Run
    from cnnlab.runs.record import RunRecord

PAGE, FOLDER = "report.html", "report"
SPACE = "sweep.yaml"  # as in sweep/folder.py, whose import takes long
MARK = b'<meta name="generator" content="cnnlab'
MARK_WITHIN = 4096  # bytes, from the beginning of a page


class Format(StrEnum):
    """What a report is written in."""

    HTML = "html"
    MD = "md"
    TEXT = "text"


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="A run folder, folders of runs, or the folder of a sweep.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file, or with --format md the folder; by default report.html, or report/, in the folder of the "
            "runs.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        Format,
        typer.Option(
            help="html: one page without other files; md: Markdown with PNG files, for a thesis; text: only the "
            "paragraph on methods and result, printed."
        ),
    ] = Format.HTML,
    open: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    metric: Annotated[str | None, typer.Option(help="As of `cnnlab compare`.", show_default=False)] = None,
    baseline: Annotated[
        str | None, typer.Option(help="As of `cnnlab compare`.", metavar="NAME", show_default=False)
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="As of `cnnlab compare`: only runs with this setting.", metavar="KEY=VALUE"),
    ] = None,
    sort: Annotated[str | None, typer.Option(help="As of `cnnlab compare`.", show_default=False)] = None,
    top: Annotated[
        int | None,
        typer.Option(
            help="As of `cnnlab compare`: only the first N experiments.", metavar="N", min=1, show_default=False
        ),
    ] = None,
) -> None:
    """Write one page about a run, or about several that are compared.

    It says what was done, what came out, how sure that is, and how to repeat it: learning curves, measurements by
    class, confusions with their images, the network, the data, the experiment file, the environment, and a checklist
    of reproducibility. Of several runs also the comparison of `cnnlab compare`. Of a sweep the outcome, all trials and
    the importance of each key, and the comparison of the finalists. The page is one file that needs no network and no
    other file. Images of filters and of saliency are those of `cnnlab look`. With --format text it prints a paragraph
    on methods and result for a paper, whose numbers are those recorded in the run.
    """
    from cnnlab.runs.record import RECORD

    options = {"--metric": metric, "--baseline": baseline, "--where": where, "--sort": sort, "--top": top}
    is_one = len(runs) == 1 and (runs[0] / RECORD).is_file()
    is_sweep = len(runs) == 1 and not is_one and (runs[0] / SPACE).is_file()
    if (is_one or is_sweep) and (given := [name for name, value in options.items() if value is not None]):
        what = "one" if is_one else "a sweep, whose finalists are compared with the winner"
        raise RequestError(f"{given[0]}: is for several runs, and {runs[0]} is {what}")
    if not is_sweep:
        from cnnlab.analysis.matching import runs_at

        runs_at(runs)  # refused before more is imported, and before a name is made of them
    if format is Format.TEXT:
        if out is not None or open:
            raise RequestError(f"{'--out' if out is not None else '--open'}: not with --format text, which is printed")
        _print_paragraphs(runs, is_sweep, where or [])
        return
    target = out or _default(runs, format)
    _check_target(target, format, is_named=out is not None)
    document: Document
    if is_one:
        document = _of_one(runs[0])
    elif is_sweep:
        document = _of_sweep(runs[0])
    else:
        document = _of_several(runs, metric, baseline, where, sort, top)
    written = write(document, target, format)
    print(f"report: {written}")
    if open and not webbrowser.open(written.resolve().as_uri()):
        raise RunError(f"--open: no browser was found; open {written} in one")


def _print_paragraphs(runs: list[Path], is_sweep: bool, where: list[str]) -> None:
    """A paragraph per experiment, with its name where there are several. Raises RunError where none is finished."""
    from cnnlab.analysis.groups import group
    from cnnlab.analysis.matching import matching_records
    from cnnlab.analysis.where import parse_where
    from cnnlab.report.paragraph import paragraph

    if is_sweep:
        raise RequestError(f"--format text: {runs[0]} is a sweep; name one of its runs")
    groups = group(matching_records(runs, [parse_where(text) for text in where], [])).groups
    if not groups:
        raise RunError(f"{runs[0]}: no finished run; the paragraph states a result")
    for index, found in enumerate(groups):
        if len(groups) > 1:
            print(f"{'' if index == 0 else chr(10)}{printable(found.name)}:")
        print(paragraph(found.members))


def write(document: "Document", target: Path, format: Format) -> Path:
    """Write a page or, in Markdown, a folder; the file to read."""
    if format is Format.MD:
        from cnnlab.report import markdown

        return markdown.write(document, target)
    from cnnlab.report import html
    from cnnlab.runs import files

    text = html.render(document)
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(target, text)
    return target


def after_training(records: Sequence["RunRecord"], runs: Path) -> None:
    """Write the page of a run into its folder; of several into `runs`, by the names of the first and the last."""
    from cnnlab.report.build import of_one

    if len(records) == 1:
        document, target = of_one(records[0]), records[0].run.path / PAGE
    else:
        document = _document(records, [runs])
        target = runs / _page_of_several([record.run for record in records])
    _check_target(target, Format.HTML)
    print(f"report: {write(document, target, Format.HTML)}", file=sys.stderr)


def _page_of_several(runs: Sequence["Run"]) -> str:
    """`lenet-1-to-lenet-5-report.html`."""
    from cnnlab.runs.find import in_natural_order

    first, *_, last = in_natural_order(run.path for run in runs)
    return f"{first.name}-to-{last.name}-{PAGE}"


def after_sweep(folder: Path) -> None:
    """Write the page of a sweep into its folder."""
    document, target = _of_sweep(folder), folder / PAGE
    _check_target(target, Format.HTML)
    print(f"report: {write(document, target, Format.HTML)}", file=sys.stderr)


def _default(runs: list[Path], format: Format) -> Path:
    folder = runs[0] if len(runs) == 1 else Path()
    return folder / (PAGE if format is Format.HTML else FOLDER)


def _check_target(target: Path, format: Format, *, is_named: bool = False) -> None:
    """Refuse what is no name of a file, and what would overwrite something that is not a report."""
    kind, example = ("folder", FOLDER) if format is Format.MD else ("file", PAGE)
    place = f"--out {target}" if is_named else f"{target}"
    advice = f"name another {kind}" if is_named else f"name another {kind}, such as --out my-{example}"
    if str(target) == "-":
        raise RequestError(f"{place}: a report is not printed; expected the name of a {kind}, such as {example}")
    try:
        if format is Format.MD:
            if target.exists() and not _is_markdown(target):
                raise RequestError(f"{place}: exists, and is not a report in Markdown; {advice}")
        elif target.is_dir():
            expected = f"expected a file, such as {target / PAGE}" if is_named else advice
            raise RequestError(f"{place}: is a folder; {expected}")
        elif not stat.S_ISREG(target.stat().st_mode):  # a pipe would be waited for
            expected = f"expected the name of one, such as {PAGE}" if is_named else advice
            raise RequestError(f"{place}: is not a regular file; {expected}")
        else:
            with target.open("rb") as file:
                if MARK not in file.read(MARK_WITHIN):
                    raise RequestError(f"{place}: exists, and is no report of cnnlab; {advice}")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RequestError(f"{place}: cannot be written: {error.strerror}") from None


def _is_markdown(folder: Path) -> bool:
    return folder.is_dir() and ((folder / "report.md").is_file() or not any(folder.iterdir()))


def _of_one(path: Path) -> "Document":
    from cnnlab.report.build import of_one
    from cnnlab.runs.find import find_one

    return of_one(find_one(path).record())


def _of_sweep(path: Path) -> "Document":
    from cnnlab.report.build import of_sweep_in

    return of_sweep_in(path)


def _of_several(
    runs: list[Path],
    metric: str | None,
    baseline: str | None,
    where: list[str] | None,
    sort: str | None,
    top: int | None,
) -> "Document":
    from cnnlab.analysis.matching import matching_records
    from cnnlab.analysis.where import parse_where

    damaged: list[Run] = []
    records = matching_records(runs, [parse_where(text) for text in where or []], damaged)
    return _document(records, runs, damaged, metric=metric, baseline=baseline, sort=sort, top=top)


def _document(
    records: Sequence["RunRecord"], paths: Sequence[Path], damaged: Sequence["Run"] = (), **options: Any
) -> "Document":
    """The page of several runs, with the options of `compare_records`; it says that the `damaged` ones are left out."""
    from cnnlab.analysis.compare import compare_records
    from cnnlab.report.build import of_several
    from cnnlab.report.names import group_name

    if not any(record.status == "finished" for record in records):
        return of_several(records, None, damaged)
    found = compare_records(records, paths, name_of=group_name(records), **options)
    if options.get("top") is not None:
        kept = {name for row in found.rows for name in row.group.runs}
        records = [record for record in records if str(record.run.path) in kept]
    return of_several(records, found, damaged)
