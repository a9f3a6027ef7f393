"""A network as SVG: its layers below one another, each with its output, its parameters and its cost."""

import math
import re
from collections.abc import Iterator

from markupsafe import Markup, escape

from cnnlab.report import texts
from cnnlab.report.axes import number
from cnnlab.report.blocks import Diagram, Node
from cnnlab.report.words import counted

WIDTH = 760
ROW, BOX = 46, 36  # from layer to layer, and the height of one
BOX_LEFT, BOX_WIDTH, INDENT, MOST_INDENTED = 96, 276, 14, 5
SHAPE = BOX_LEFT + BOX_WIDTH + 14
PARAMETERS, COST = 530, 650  # where the bars begin
BAR = 96
HEADER = 30
CHARACTER = 6.9  # width of one, in units
FACE = 26  # width of the largest output
MOST_ROWS = 18  # of a piece that is not divided among two sheets of paper
HEADS = "".join(
    f'<text class="label" x="{x}" y="16">{text}</text>'
    for x, text in ((BOX_LEFT, "Layer"), (SHAPE, "Output"), (PARAMETERS, "Parameters"), (COST, "Multiplications"))
)


def diagram(diagram: Diagram) -> Markup:
    """The network, in pieces that fit on a sheet of paper, without a gap between."""
    largest = (
        max((node.parameters for node in diagram.nodes), default=0),
        max((node.multiplications for node in diagram.nodes), default=0),
    )
    widest = max((max(sizes[:2]) for node in diagram.nodes if len(sizes := _sizes(node.shape)) == 3), default=1)
    name = escape(f"{texts.name(diagram.title)}: {_described(diagram)}")
    parts = [f'<div class="network" role="img" aria-label="{name}">']
    for first in range(0, max(1, len(diagram.nodes)), MOST_ROWS):
        nodes = diagram.nodes[first : first + MOST_ROWS]
        top = HEADER if first == 0 else 0
        parts.append(f'<svg viewBox="0 0 {WIDTH} {top + ROW * len(nodes)}" aria-hidden="true">{"" if first else HEADS}')
        for index, node in enumerate(nodes):
            is_last = first + index == len(diagram.nodes) - 1
            parts += _node(node, top + ROW * index, largest, widest, is_last=is_last)
        parts.append("</svg>")
    return Markup("".join([*parts, "</div>"]))


def _described(diagram: Diagram) -> str:
    layers = "; ".join(f"{texts.name(node.name, 40)}: {texts.name(node.shape, 40)}" for node in diagram.nodes[:100])
    return f"{counted(len(diagram.nodes), 'layer')} from the input to the output. {layers}"


def _node(node: Node, top: int, largest: tuple[int, int], widest: float, *, is_last: bool) -> Iterator[str]:
    indent = INDENT * min(max(node.depth, 0), MOST_INDENTED)
    left, box_width = BOX_LEFT + indent, BOX_WIDTH - indent
    yield f"<g><title>{escape(_told(node))}</title>"
    yield from _glyph(node.shape, widest, 44, top + BOX / 2)
    kind = "weighted" if node.parameters else "plain"
    yield f'<rect class="box {kind}" x="{left}" y="{top}" width="{box_width}" height="{BOX}" rx="4"/>'
    most = int((box_width - 20) / CHARACTER)
    about = node.kind if not node.details else f"{node.kind} · {node.details}" if node.kind else node.details
    has_two = bool(about.strip())
    yield f'<text class="layer" x="{left + 10}" y="{top + (15 if has_two else 22)}">{_fit(node.name, most)}</text>'
    if has_two:
        yield f'<text class="about" x="{left + 10}" y="{top + 29}">{_fit(about, int(most * 1.12))}</text>'
    yield f'<text class="shape" x="{SHAPE}" y="{top + 22}">{_fit(node.shape, 17)}</text>'
    for value, x, most_value in ((node.parameters, PARAMETERS, largest[0]), (node.multiplications, COST, largest[1])):
        if value > 0:
            width = max(1.0, BAR * value / most_value)
            yield f'<rect class="amount" x="{x}" y="{top + 23}" width="{width:.1f}" height="6"/>'
            yield f'<text class="value" x="{x}" y="{top + 17}">{number(float(value))}</text>'
    if not is_last:
        middle = BOX_LEFT + BOX_WIDTH / 2
        yield f'<path class="arrow" d="M{middle} {top + BOX}v{ROW - BOX - 1}m-4-4l4 4l4-4"/>'
    yield "</g>"


def _sizes(shape: str) -> list[int]:
    """Height, width and channels, or what there is."""
    return [int(digits) for digits in re.findall(r"[0-9]{1,9}", shape)[:3]]


def _fit(text: str, most: int) -> Markup:
    return escape(texts.name(text, most))


def _told(node: Node) -> str:
    about = " ".join(part for part in (node.kind, node.details) if part)
    return (
        f"{texts.name(node.name)}: {texts.name(about)}; output {texts.name(node.shape, 60)}; "
        f"{node.parameters:,} parameters, {node.multiplications:,} multiplications"
    )


def _glyph(shape: str, widest: float, x: float, y: float) -> Iterator[str]:
    """The output as a solid: its face grows with height and width, its depth with the channels."""
    sizes = _sizes(shape)
    if not sizes or min(sizes) < 1:
        return
    if len(sizes) < 3:
        length = min(34.0, 4 + 3.4 * math.log2(sizes[-1] + 1))
        yield f'<rect class="solid" x="{x - 2.5:.1f}" y="{y - length / 2:.1f}" width="5" height="{length:.1f}"/>'
        return
    high, wide = (max(3.0, FACE * math.sqrt(size / widest)) for size in sizes[:2])
    deep = min(36.0, 3.4 * math.log2(sizes[2] + 1))
    slant = deep * 0.22
    left, top = x - (wide + deep) / 2, y - (high - slant) / 2
    yield (
        f'<path class="solid side" d="M{left:.1f} {top:.1f}l{deep:.1f}-{slant:.1f}h{wide:.1f}v{high:.1f}'
        f'l-{deep:.1f} {slant:.1f}v-{high:.1f}l{deep:.1f}-{slant:.1f}"/>'
        f'<rect class="solid" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}"/>'
    )
