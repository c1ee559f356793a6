"""Diagrams of the architectures: what stands on what, read from below."""

from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

INK, ACCENT, QUIET, THIRD = "#22313f", "#b5462f", "#8aa0b3", "#3f7d58"
FILLS = {"": "#eef2f5", "attention": "#f6e3dd", "convolution": "#e1efe7", "text": "#ffffff"}
WIDTH, HEIGHT, STEP = 2.6, 0.52, 0.86


@dataclass(frozen=True, kw_only=True)
class Column:
    """One side of a model: its blocks from below, and what encloses or skips some of them."""

    title: str
    blocks: tuple[tuple[str, str], ...]
    """Label and kind of each."""
    repeated: tuple[int, int, str] | None = None
    """First and last block of what is repeated, and how often."""
    skips: tuple[tuple[int, int], ...] = ()
    """Residuals: the input of a block is added to the output of another."""


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """A model."""

    encoder: Column
    decoder: Column
    links: tuple[tuple[int, int], ...]
    """From a block of the encoder to one of the decoder."""
    loops: tuple[tuple[int, int, str], ...] = ()
    """In the decoder: what a block gives to another at the next step."""


def draw(diagram: Diagram) -> Figure:
    """The diagram as a figure."""
    sides = diagram.encoder, diagram.decoder
    height = max(len(side.blocks) for side in sides)
    figure = Figure(figsize=(8.2, 0.62 * height + 0.7), layout="constrained")
    panel = figure.subplots()
    for x, side in zip((0.0, 4.4), sides, strict=True):
        _column(panel, x, side)
    for source, target in diagram.links:
        start, end = (WIDTH, _middle(source)), (4.4, _middle(target))
        _arrow(panel, start, end, ACCENT, "arc3,rad=0")
    for source, target, label in diagram.loops:
        start, end = (4.4 + WIDTH, _middle(source)), (4.4 + WIDTH, _middle(target))
        _arrow(panel, start, end, THIRD, "arc3,rad=-0.55")
        y = (_middle(source) + _middle(target)) / 2
        panel.text(4.4 + WIDTH + 0.75, y, label, color=THIRD, fontsize=8, va="center")
    panel.set_xlim(-1.3, 8.4)
    panel.set_ylim(-0.2, height * STEP + 0.5)
    panel.axis("off")
    return figure


def _column(panel: Any, x: float, column: Column) -> None:
    for i, (label, kind) in enumerate(column.blocks):
        box = FancyBboxPatch(
            (x, i * STEP),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor=FILLS[kind],
            edgecolor=INK if kind != "text" else "none",
            lw=0.8,
        )
        panel.add_patch(box)
        panel.text(x + WIDTH / 2, _middle(i), label, ha="center", va="center", fontsize=8.5)
        if i:
            low, high = (i - 1) * STEP + HEIGHT + 0.02, i * STEP - 0.02
            _arrow(panel, (x + WIDTH / 2, low), (x + WIDTH / 2, high), INK, "arc3,rad=0")
    top = (len(column.blocks) - 1) * STEP + HEIGHT
    panel.text(x + WIDTH / 2, top + 0.3, column.title, ha="center", weight="bold", fontsize=9.5)
    for first, last in column.skips:
        start = (x, first * STEP - 0.14)
        _arrow(panel, start, (x, last * STEP + HEIGHT - 0.1), QUIET, "arc3,rad=-0.35")
    if column.repeated is not None:
        first, last, times = column.repeated
        low, high = first * STEP - 0.24, last * STEP + HEIGHT + 0.12
        edge = FancyBboxPatch(
            (x - 0.12, low), WIDTH + 0.24, high - low, boxstyle="round,pad=0.0,rounding_size=0.1",
            facecolor="none", edgecolor=QUIET, ls=(0, (4, 3)), lw=1,
        )  # fmt: skip
        panel.add_patch(edge)
        panel.text(x - 0.2, low, times, ha="right", va="bottom", fontsize=8.5, color=INK)


def _middle(i: int) -> float:
    return i * STEP + HEIGHT / 2


def _arrow(panel: Any, start: tuple, end: tuple, colour: str, style: str) -> None:
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=9, color=colour, lw=1.1, connectionstyle=style,
        shrinkA=0, shrinkB=0,
    )  # fmt: skip
    panel.add_patch(arrow)


SOURCE, TARGET = ("source tokens", "text"), ("target tokens", "text")
EMBED = ("embeddings", "")
POSITIONS = ("embeddings + positions", "")
OUT = ("output layer → mapping", "")

RNN = Diagram(
    encoder=Column(
        title="RNNEncoder",
        blocks=(SOURCE, EMBED, ("LSTM or GRU, both directions", "")),
        repeated=(2, 2, "× layers"),
    ),
    decoder=Column(
        title="RNNDecoder",
        blocks=(
            TARGET,
            EMBED,
            ("LSTM or GRU", ""),
            ("attention: scores → weights", "attention"),
            ("tanh(W [context; state])", ""),
            OUT,
        ),
        repeated=(2, 2, "× layers"),
    ),
    links=((2, 2), (2, 3)),
    loops=((4, 2, "input feeding"),),
)
TRANSFORMER = Diagram(
    encoder=Column(
        title="TransformerEncoder",
        blocks=(
            SOURCE,
            POSITIONS,
            ("multi-head self-attention", "attention"),
            ("feed-forward", ""),
        ),
        repeated=(2, 3, "× layers"),
        skips=((2, 2), (3, 3)),
    ),
    decoder=Column(
        title="TransformerDecoder",
        blocks=(
            TARGET,
            POSITIONS,
            ("causal multi-head self-attention", "attention"),
            ("multi-head source attention", "attention"),
            ("feed-forward", ""),
            OUT,
        ),
        repeated=(2, 4, "× layers"),
        skips=((2, 2), (3, 3), (4, 4)),
    ),
    links=((3, 3),),
)
CONVS2S = Diagram(
    encoder=Column(
        title="ConvEncoder",
        blocks=(
            SOURCE,
            POSITIONS,
            ("convolution, width k", "convolution"),
            ("gated linear unit", ""),
            ("keys z, values (z + embedding) √½", ""),
        ),
        repeated=(2, 3, "× layers"),
        skips=((2, 3),),
    ),
    decoder=Column(
        title="ConvDecoder",
        blocks=(
            TARGET,
            POSITIONS,
            ("causal convolution, width k", "convolution"),
            ("gated linear unit", ""),
            ("attention (one step of many)", "attention"),
            ("projection", ""),
            OUT,
        ),
        repeated=(2, 4, "× layers"),
        skips=((2, 4),),
    ),
    links=((4, 4),),
)
LIGHT = Diagram(
    encoder=Column(
        title="LightConvEncoder",
        blocks=(
            SOURCE,
            POSITIONS,
            ("gated linear unit", ""),
            ("lightweight or dynamic convolution", "convolution"),
            ("feed-forward", ""),
        ),
        repeated=(2, 4, "× layers"),
        skips=((2, 3), (4, 4)),
    ),
    decoder=Column(
        title="LightConvDecoder",
        blocks=(
            TARGET,
            POSITIONS,
            ("gated linear unit", ""),
            ("causal light convolution", "convolution"),
            ("multi-head source attention", "attention"),
            ("feed-forward", ""),
            OUT,
        ),
        repeated=(2, 5, "× layers"),
        skips=((2, 3), (4, 4), (5, 5)),
    ),
    links=((4, 4),),
)
SLICENET = Diagram(
    encoder=Column(
        title="SliceNetEncoder",
        blocks=(
            SOURCE,
            EMBED,
            ("2 separable convolution steps", "convolution"),
            ("2 wider or dilated steps", "convolution"),
        ),
        repeated=(2, 3, "× 1.5 layers"),
        skips=((2, 3),),
    ),
    decoder=Column(
        title="SliceNetDecoder",
        blocks=(
            TARGET,
            ("embeddings", ""),
            ("attention of 2 convolution steps", "attention"),
            ("step over [attention; target]", "convolution"),
            ("2 causal separable steps", "convolution"),
            ("2 wider steps → attention", "convolution"),
            OUT,
        ),
        repeated=(4, 5, "× layers"),
        skips=((4, 5),),
    ),
    links=((3, 2), (3, 5)),
)
STORIES = Diagram(
    encoder=Column(
        title="ConvEncoder",
        blocks=(
            SOURCE,
            POSITIONS,
            ("convolutions with gates", "convolution"),
            ("keys, values", ""),
        ),
        repeated=(2, 2, "× layers"),
        skips=((2, 2),),
    ),
    decoder=Column(
        title="ConvSelfAttentionDecoder",
        blocks=(
            TARGET,
            POSITIONS,
            ("causal convolution with gates", "convolution"),
            ("source attention", "attention"),
            ("gated self-attention, many scales", "attention"),
            ("fusion with a frozen first model", ""),
            OUT,
        ),
        repeated=(2, 4, "× layers"),
        skips=((2, 4),),
    ),
    links=((3, 3),),
)
