"""What a run found, as pictures and as one HTML file that needs nothing else.

Figures are made without pyplot, so they need no display and can be made from any thread. Each is
saved as a PNG in the run's ``pictures`` and stands, embedded, in its ``report.html``.
"""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from huashi._files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

_INK, _ACCENT, _QUIET = "#22313f", "#b5462f", "#8aa0b3"
_LINES = _ACCENT, _INK, _QUIET, "#3f7d58"
LABELS = 60
"""Tokens that are written beside a picture of an attention at most, on each side."""
STEPS, ROWS = 40, 60
"""Steps of a beam search, and hypotheses of one, that a picture has at most: its first ones."""
_SMOOTHED = 9  # neighbours in a running mean, an odd number
_STYLE = f"""
body {{ font: 16px/1.5 system-ui, sans-serif; color: {_INK}; max-width: 60rem; margin: 2rem auto;
        padding: 0 1rem; }}
h1, h2 {{ line-height: 1.2; }}  h2 {{ margin-top: 2.5rem; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #dde4ea; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
img {{ max-width: 100%; }}
figure {{ margin: 1rem 0; }}  figcaption {{ color: #5b6b7a; }}
"""


def learning_curves(metrics: Sequence[Row]) -> bytes:
    """The training loss, and every number of the validation, over the steps, as PNG.

    Args:
        metrics: the lines of ``metrics.jsonl``: each with ``step`` and ``split``.
    """
    training = [row for row in metrics if row["split"] == "train"]
    validation = [row for row in metrics if row["split"] == "validation"]
    names = sorted({name for row in validation for name in row} - {"step", "split", "seconds"})
    figure = _figure(9, 2.6 * (1 + len(names)))
    panels = figure.subplots(1 + len(names), 1, sharex=True, squeeze=False)[:, 0]
    _curve(panels[0], training, "loss", _QUIET, "training loss")
    panels[0].set_yscale("log")
    for panel, name in zip(panels[1:], names, strict=True):
        _curve(panel, validation, name, _ACCENT, f"validation {name.replace('_', ' ')}")
    panels[-1].set_xlabel("step")
    return png(figure)


def attention_picture(source: Sequence[str], target: Sequence[str], weights: Tensor) -> bytes:
    """Which source tokens each target token looked at, as PNG.

    Of more than 60 tokens on a side only every second, third and so on is written beside it.

    Args:
        source: source tokens.
        target: target tokens.
        weights: (target, source), each row a distribution.
    """
    shown = [min(len(side), LABELS) for side in (source, target)]
    steps = [-(-len(side) // LABELS) or 1 for side in (source, target)]
    figure = _figure(1.2 + 0.3 * shown[0], 1.0 + 0.3 * shown[1])
    panel = figure.subplots()
    aspect = "equal" if steps == [1, 1] else "auto"
    panel.imshow(weights.float().numpy(), cmap="Blues", vmin=0, vmax=1, aspect=aspect)
    across, down = (
        range(0, len(side), step) for side, step in zip((source, target), steps, strict=True)
    )
    panel.set_xticks(across, [_drawable(source[i]) for i in across])
    panel.set_yticks(down, [_drawable(target[i]) for i in down])
    panel.xaxis.tick_top()
    panel.tick_params(length=0)
    for label in panel.get_xticklabels():
        if len(label.get_text()) > 2:
            label.set_rotation(90)
    return png(figure)


def attention_pictures(sources: Sequence[str], found: Sequence[Any]) -> dict[str, bytes]:
    """:func:`attention_picture` of each translation that has an attention, by what it is of.

    Args:
        sources: texts.
        found: a :class:`huashi.seq2seq.Translation` of each.
    """
    return {
        f"{source} → {one.text}": attention_picture(one.source_tokens, one.tokens, one.alignment)
        for source, one in zip(sources, found, strict=True)
        if one.alignment is not None
    }


def beam_picture(considered: Sequence[Any], found: Sequence[str]) -> bytes:
    """The hypotheses that a beam search kept, dropped and finished at each step, as PNG.

    Of a long search the first 40 steps are drawn, and 60 hypotheses of a step; it says so.

    Args:
        considered: what :meth:`huashi.seq2seq.Translator.explain` says of them.
        found: the tokens of the best one, which is drawn thick.
    """
    by_number = {one.number: one for one in considered}
    rows: dict[int, int] = {}  # the place of each hypothesis at its step
    at: Counter[int] = Counter()
    for one in considered:
        rows[one.number] = at[one.length]
        at[one.length] += 1
    best = _way(considered, found)
    every = considered[-1].length
    considered = [one for one in considered if one.length <= STEPS and rows[one.number] < ROWS]
    steps, height = min(every, STEPS), min(max(at.values()), ROWS)
    cut = f"; the first {steps} of {every} steps" if every > STEPS else ""
    cut += f"; {ROWS} hypotheses of a step at most" if max(at.values()) > ROWS else ""
    figure = _figure(1.5 + 1.45 * steps, 1.2 + 0.42 * height)
    panel = figure.subplots()
    for one in considered:
        x, y = one.length, -rows[one.number]
        colour = _LINES[3] if one.finished else _INK if one.kept else _QUIET
        parent = by_number.get(one.parent)
        start = (0, 0) if parent is None else (parent.length, -rows[parent.number])
        chosen = one.number in best
        panel.plot(
            [start[0] + 0.62 * (start[0] > 0), x - 0.06],
            [start[1], y],
            color=_ACCENT if chosen else colour,
            lw=2.2 if chosen else 1.0 if one.kept or one.finished else 0.5,
            zorder=2 if chosen else 1,
        )
        label = f"{_drawable(one.token)}  {one.total:.2f}"
        if one.finished:
            label += f"\n= {one.score:.2f}"
        panel.text(
            x, y, label, color=colour, va="center", fontsize=8, weight="bold" if chosen else None
        )
    panel.set_xlim(-0.1, steps + 0.9)
    panel.set_ylim(0.7 - height, 0.7)
    panel.set_xticks(range(1, steps + 1))
    panel.set_xlabel(
        "step; sums of log-probabilities: kept dark, dropped pale, finished green with the score"
        + cut
    )
    panel.set_yticks([])
    panel.spines[["top", "right", "left"]].set_visible(False)
    return png(figure)


def _way(considered: Sequence[Any], found: Sequence[str]) -> set[int]:
    """The numbers of the hypotheses that led to the tokens in ``found``."""
    children: dict[int, list[Any]] = {}
    for one in considered:
        children.setdefault(one.parent, []).append(one)

    def follow(parent: int, rest: Sequence[str]) -> set[int] | None:
        if not rest:
            return set()
        for one in children.get(parent, []):
            if one.token == rest[0] and (one.kept or one.finished or len(rest) == 1):
                way = follow(one.number, rest[1:])
                if way is not None:
                    return {one.number, *way}
        return None

    return follow(-1, found) or set()


def dots(values: Mapping[str, float], label: str, highlighted: Sequence[str] = ()) -> bytes:
    """One dot for each of ``values`` on a common scale, the highest on top, as PNG."""
    ordered = sorted(values.items(), key=lambda item: item[1])
    figure = _figure(8, 0.8 + 0.17 * len(ordered))
    panel = figure.subplots()
    names, heights = [name for name, _ in ordered], [value for _, value in ordered]
    colours = [_ACCENT if name in highlighted else _QUIET for name in names]
    panel.hlines(names, min(heights, default=0), heights, color=colours, alpha=0.3)
    panel.scatter(heights, names, color=colours, s=18, zorder=2)
    panel.set_xlabel(label)
    panel.tick_params(axis="y", labelsize=7, length=0)
    panel.grid(axis="x", alpha=0.25)
    panel.margins(y=0.01)
    panel.spines[["top", "right", "left"]].set_visible(False)
    return png(figure)


def spread(
    values: Mapping[str, Sequence[float]], label: str, highlighted: Sequence[str] = ()
) -> bytes:
    """A dot for each of several ``values`` and a bar at their mean, the highest on top, as PNG."""
    ordered = sorted(values.items(), key=lambda item: np.mean(item[1]))
    figure = _figure(8, 0.9 + 0.24 * len(ordered))
    panel = figure.subplots()
    for row, (name, points) in enumerate(ordered):
        colour = _ACCENT if name in highlighted else _QUIET
        panel.scatter(points, [row] * len(points), color=colour, s=18, alpha=0.6, linewidths=0)
        panel.vlines(np.mean(points), row - 0.32, row + 0.32, color=colour, linewidth=2)
    panel.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    panel.set_xlabel(label)
    panel.tick_params(axis="y", length=0)
    panel.grid(alpha=0.25)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    return png(figure)


def parts_of(part: Mapping[str, float], whole: Mapping[str, float], label: str) -> bytes:
    """A bar for each of ``whole``, in the order given, with ``part`` of it in red, as PNG."""
    names = list(whole)[::-1]  # the first on top
    figure = _figure(8, 0.9 + 0.28 * len(names))
    panel = figure.subplots()
    panel.barh(names, [whole[name] for name in names], color=_QUIET, alpha=0.45)
    bars = panel.barh(names, [part[name] for name in names], color=_ACCENT)
    panel.bar_label(bars, [f"{part[name]:,} of {whole[name]:,}" for name in names], padding=3)
    panel.set_xlabel(label)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", alpha=0.25)
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    return png(figure)


def trade_off(
    lines: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str
) -> bytes:
    """Points of one number against another, a line for each name, the first in red, as PNG."""
    figure = _figure(7, 4)
    panel = figure.subplots()
    for (name, points), colour in zip(lines.items(), _LINES, strict=False):
        panel.plot(*zip(*points, strict=True), "o-", color=colour, label=name, markersize=5)
    panel.set_xlabel(x_label)
    panel.set_ylabel(y_label)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    return png(figure)


def table_html(rows: Sequence[Row]) -> str:
    """Rows with the same fields as an HTML table; numbers stand to the right."""
    if not rows:
        return "<p>nothing</p>"
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(map(_cell, row.values()))}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def write_report(
    folder: Path, title: str, sections: Mapping[str, str | Mapping[str, bytes]]
) -> Path:
    """Write ``report.html`` and its pictures into ``folder``.

    Args:
        folder: the run folder.
        title: what the page is called.
        sections: under each heading either HTML, or pictures (PNG) by caption.

    Returns:
        The path of the page.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    count = 0
    for heading, content in sections.items():
        parts.append(f"<h2>{escape(heading)}</h2>")
        if isinstance(content, str):
            parts.append(content)
            continue
        for caption, picture in content.items():
            count += 1
            write_atomically(folder / "pictures" / f"{count:02d}.png", picture)
            embedded = base64.b64encode(picture).decode()
            parts.append(
                f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{embedded}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"{''.join(parts)}</html>"
    )
    write_atomically(folder / "report.html", page.encode())
    return folder / "report.html"


def _curve(panel: Any, rows: Sequence[Row], name: str, colour: str, label: str) -> None:
    steps, values = [row["step"] for row in rows], [row[name] for row in rows]
    if len(values) > 4 * _SMOOTHED:  # one batch tells little: its mean with its neighbours more
        panel.plot(steps, values, color=colour, alpha=0.35)
        edge = _SMOOTHED // 2
        values = np.convolve(values, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")
        steps = steps[edge:-edge]
    panel.plot(steps, values, color=colour, marker="o" if len(values) < 30 else None)
    panel.set_ylabel(label)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)):
        shown = f"{value:g}" if isinstance(value, float) else value
        return f'<td class="number">{shown}</td>'
    return f"<td>{escape(str(value))}</td>"


def _drawable(token: str) -> str:
    """``token``, with the characters that the font lacks as their code points."""
    known = _characters()
    shown = "".join(c if ord(c) in known else f"{ord(c):04X}" for c in token)
    return shown.replace(" ", "␣").replace("$", r"\$")


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def _figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure  # takes a second, which not every command should wait for

    return Figure(figsize=(width, height), layout="constrained")


def png(figure: "Figure") -> bytes:
    """The figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
