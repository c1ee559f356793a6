"""Make the pictures of the documentation, all or some: python docs/pictures.py entmax k_max

What shows a trained model needs its run in runs/dates; what shows measurements needs their rows in
benchmarks/results.
"""

import sys
from pathlib import Path

import diagrams
import group_pictures
import pooling_pictures
import torch
from drawing import ACCENT, INK, QUIET, THIRD, saved
from matplotlib.figure import Figure

from huashi import report
from huashi._files import write_atomically
from huashi.run import Run
from huashi.seq2seq import Translator, entmax15

PICTURES = Path(__file__).parent / "pictures"


def entmax() -> bytes:
    """The larger probability of two, over the difference of their scores."""
    x = torch.linspace(-4, 4, 401)
    pairs = torch.stack([x, torch.zeros_like(x)], -1)
    figure = Figure(figsize=(6, 3), layout="constrained")
    panel = figure.subplots()
    panel.plot(x, pairs.softmax(-1)[:, 0], label="softmax", color=QUIET)
    panel.plot(x, entmax15(pairs)[:, 0], label="1.5-entmax", color=ACCENT)
    panel.set_xlabel("difference of two scores")
    panel.set_ylabel("weight of the first")
    panel.grid(alpha=0.25)
    panel.legend(frameon=False)
    panel.spines[["top", "right"]].set_visible(False)
    return report.png(figure)


def learning_curves() -> bytes:
    return report.learning_curves(Run("runs/dates").metrics())


def attention() -> bytes:
    [[best]] = Translator.load("runs/dates").search(["<fi> lauantai 8. lokakuuta 1927"])
    return report.attention_picture(best.source_tokens, best.tokens, best.alignment)


def beam() -> bytes:
    """The search for one date, by a beam of 3, of a source that leaves the model in doubt."""
    considered, found = Translator.load("runs/dates").explain("3.5.79", beam=3)
    return report.beam_picture(considered, found[0].tokens)


def locales() -> bytes:
    run = Run("runs/dates")
    return report.dots(run.results["locales"], "exact match, %", run.config["held_out"])


def rnn() -> bytes:
    return report.png(diagrams.draw(diagrams.RNN))


def transformer() -> bytes:
    return report.png(diagrams.draw(diagrams.TRANSFORMER))


def convs2s() -> bytes:
    return report.png(diagrams.draw(diagrams.CONVS2S))


def light_convolution() -> bytes:
    return report.png(diagrams.draw(diagrams.LIGHT))


def slicenet() -> bytes:
    return report.png(diagrams.draw(diagrams.SLICENET))


def stories() -> bytes:
    return report.png(diagrams.draw(diagrams.STORIES))


def translate() -> bytes:
    """BLEU of the validation by greedy search, over the minutes of the training."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    panel = figure.subplots()
    rows = sorted(saved("translate"), key=lambda row: -row["BLEU"])
    for row, color in zip(rows, (ACCENT, INK, THIRD, QUIET), strict=False):
        seconds, _, _, scores = zip(*row["curve"], strict=True)
        minutes = [second / 60 for second in seconds]
        panel.plot(minutes, scores, label=f"{row['model']}, test {row['BLEU']:.1f}", color=color)
    panel.set_xlabel("minutes of training")
    panel.set_ylabel("BLEU of the validation")
    panel.grid(alpha=0.25)
    panel.legend(frameon=False, loc="lower right")
    panel.spines[["top", "right"]].set_visible(False)
    return report.png(figure)


def state_vector() -> bytes:
    """What models of a state of fixed width make of sources of growing length."""
    tasks = {
        "copy": ("copies of random symbols", "symbols in their place, %", "right, %"),
        "multi30k": ("English to German, Multi30k", "BLEU", "BLEU"),
    }
    rows = saved("state-vector")
    measured = [task for task in tasks if any(row["task"] == task for row in rows)]
    figure = Figure(figsize=(5.6 * len(measured), 3.6), layout="constrained")
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for panel, task in zip(panels, measured, strict=True):
        title, label, measure = tasks[task]
        models = dict.fromkeys(row["model"] for row in rows)
        for model, color in zip(models, (QUIET, INK, ACCENT), strict=True):
            same = [row for row in rows if (row["task"], row["model"]) == (task, model)]
            points = [(row["words"], row[measure]) for row in same]
            panel.plot(*zip(*points, strict=True), "o-", label=f"state of {model}", color=color)
        panel.set_title(title, fontsize="medium")
        panel.set_xlabel("length of the source")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=3, frameon=False)
    return report.png(figure)


MADE = (
    entmax,
    learning_curves,
    attention,
    beam,
    locales,
    rnn,
    transformer,
    convs2s,
    light_convolution,
    slicenet,
    stories,
    pooling_pictures.pooling_kinds,
    pooling_pictures.pooling_switches,
    pooling_pictures.pooling_shift,
    pooling_pictures.k_max,
    pooling_pictures.pooling_error,
    pooling_pictures.pooling_digits,
    pooling_pictures.pooling_digits_shifts,
    group_pictures.group_penalties,
    group_pictures.group_path,
    group_pictures.slim_path,
    translate,
    state_vector,
)


def main() -> None:
    wanted = sys.argv[1:] or [make.__name__ for make in MADE]
    for make in MADE:
        if make.__name__ in wanted:
            write_atomically(PICTURES / f"{make.__name__}.png", make())


if __name__ == "__main__":
    main()
