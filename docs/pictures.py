"""Make the pictures of the documentation, all or some: python docs/pictures.py entmax k_max

What shows a trained model needs its run in runs/dates; what shows measurements needs their rows in
benchmarks/results. The photographs come with scikit-learn: china.jpg and flower.jpg, CC BY 2.0.
"""

import json
import sys
from functools import cache
from pathlib import Path

import diagrams
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from huashi import pooling, report
from huashi._files import write_atomically
from huashi.regularization import (
    GroupLasso,
    Groups,
    GroupSquaredL2,
    Proximal,
    Slices,
    channels,
    lambda_max,
)
from huashi.run import Run
from huashi.seq2seq import Translator, entmax15

PICTURES = Path(__file__).parent / "pictures"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
INK, ACCENT, QUIET, THIRD = "#22313f", "#b5462f", "#8aa0b3", "#3f7d58"


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


def pooling_kinds() -> bytes:
    """One photograph in windows of 6 x 6, by each kind of pool."""
    x = photo("flower.jpg")[:, 60:252, 190:382]
    size, generator = 6, torch.Generator().manual_seed(0)
    scores = torch.tensor([2.0, 1.0, 0.0])
    draw = {"training": True, "generator": generator}
    made = {
        "192 × 192 pixels": x,
        "max": pooling.max_pool2d(x, size),
        "min": pooling.min_pool2d(x, size),
        "average": pooling.avg_pool2d(x, size),
        "median": pooling.median_pool2d(x, size),
        "quantile, q = 0.9": pooling.quantile_pool2d(x, 0.9, size),
        "lp, p = 2, mean": pooling.lp_pool2d(x, 2, size, reduction="mean"),
        "GeM, p = 8": pooling.gem_pool2d(x, 8.0, size),
        "log-sum-exp, r = 20": pooling.log_sum_exp_pool2d(x, 20.0, size),
        "soft": pooling.soft_pool2d(x, size),
        "mixed, a = 0.5": pooling.mixed_pool2d(x, 0.5, size),
        "sort, k = 3": pooling.sort_pool2d(x, scores, size),
        "stochastic, a draw": pooling.stochastic_pool2d(x, size, **draw),
        "stochastic, expected": pooling.stochastic_pool2d(x, size, training=False),
        "blur, 13 × 13": pooling.blur_pool2d(x, 13, size),
        "max-blur": pooling.max_blur_pool2d(x, size, padding="same", blur_size=7),
        "fractional": pooling.fractional_max_pool2d(x, "overlapping", 32, **draw),
        "S3, a draw": pooling.s3_pool2d(x, size, grid_size=24, **draw),
    }
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    for panel, (name, y) in zip(figure.subplots(3, 6).flat, made.items(), strict=True):
        panel.imshow(y.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
        panel.set_title(name, fontsize=9.5, color=INK, pad=4)
        panel.set_axis_off()
    return report.png(figure)


def pooling_switches() -> bytes:
    """Edges pooled, and put back with and without knowing where the maxima were."""
    grey = photo("flower.jpg").mean(0, keepdim=True)[:, 60:252, 190:382]
    grey = F.pad(pooling.avg_pool2d(grey, 2)[None], (1, 1, 1, 1), mode="reflect")
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = F.conv2d(grey, torch.stack([sobel, sobel.T])[:, None])[0].norm(dim=0, keepdim=True)
    y, places = pooling.max_pool2d(edges, 4, return_indices="compact")
    there = pooling.max_unpool2d(y, places)
    corner = torch.zeros_like(edges)
    corner[:, ::4, ::4] = y
    shown = {
        "edges, 96 × 96": edges,
        "their maxima, 24 × 24": y,
        "unpooled: each where it was": there,
        "each in its window's corner": corner,
    }
    figure = Figure(figsize=(10, 2.75), layout="constrained")
    for panel, (name, image) in zip(figure.subplots(1, 4), shown.items(), strict=True):
        panel.imshow(image[0], cmap="gray_r", vmin=0, vmax=1.8, interpolation="nearest")
        panel.set_title(name, fontsize=10, color=INK)
        panel.set_xticks([])
        panel.set_yticks([])
    return report.png(figure)


def pooling_shift() -> bytes:
    """A signal and the same one step later, pooled with and without a blur."""
    x = torch.tensor([0.0, 0, 1, 1] * 6)[None]
    pools = {
        "max": lambda x: pooling.max_pool1d(x, 2),
        "max-blur": lambda x: pooling.max_blur_pool1d(x, 2, padding="same", blur_size=3),
    }
    figure = Figure(figsize=(9, 3.9), layout="constrained")
    panels = figure.subplots(2, 3, sharey=True)
    for row, (panel_row, shift) in enumerate(zip(panels, (0, 1), strict=True)):
        signal, colour = x.roll(shift, -1), (INK, ACCENT)[row]
        shown = {"signal" if not shift else "one step later": signal}
        shown |= {f"{name}, stride 2": pool(signal) for name, pool in pools.items()}
        for panel, (name, y) in zip(panel_row, shown.items(), strict=True):
            y = y[0, 4:20] if len(y[0]) == 24 else y[0, 2:10]  # away from the ends
            panel.bar(range(len(y)), y, color=colour, width=0.7)
            panel.set_title(name, fontsize=10, color=INK)
            panel.set_ylim(0, 1.1)
            panel.set_xticks([])
            panel.spines[["top", "right"]].set_visible(False)
    return report.png(figure)


def k_max() -> bytes:
    """The elements that k-max and chunk-max pooling keep of a sequence, and what they make."""
    x = torch.tensor([[2.0, 7, 4, 1, 9, 5, 6, 3, 8, 2, 5, 1]])
    length = x.shape[-1]
    kept = pooling.k_max_pool1d(x, 4, return_indices=True).indices[0].tolist()
    outputs = {
        "k-max, k = 4:\nas they stood": pooling.k_max_pool1d(x, 4)[0],
        "topk(4):\nby size": x.topk(4).values[0],
        "chunk-max:\none of each chunk": pooling.chunk_max_pool1d(x, 3)[0],
    }
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    first, *others = figure.subplots(1, 4, sharey=True, width_ratios=[12, 5, 5, 5])
    colours = [ACCENT if i in kept else QUIET for i in range(length)]
    first.bar(range(length), x[0], color=colours, width=0.75)
    for cut in (4, 8):
        first.axvline(cut - 0.5, color=INK, linestyle=":", linewidth=1)
    first.set_title(
        "a sequence, in red its four largest;\nthree chunks of equal length", fontsize=10, color=INK
    )
    for panel, (name, y), colour in zip(
        others, outputs.items(), (ACCENT, QUIET, THIRD), strict=True
    ):
        panel.bar(range(len(y)), y, color=colour, width=0.75)
        panel.set_title(name, fontsize=9.5, color=INK)
        panel.set_xlim(-0.7, 3.7)
    for panel in (first, *others):
        panel.bar_label(panel.containers[0], fmt="%d", fontsize=8.5, padding=1)
        panel.set_ylim(0, 10.5)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.spines[["top", "right", "left"]].set_visible(False)
    return report.png(figure)


def pooling_error() -> bytes:
    """What pools make of errors, over the size of the window; bands are quartiles of 16 maps."""
    rows = [row for row in saved("pooling-error") if row["filters"] == "oriented"]
    panels = {
        "limited window: scatter": ("", "neighbourhood"),
        "noise of pixels: scatter": ("pixels", "scatter"),
        "noise of pixels: shift": ("pixels", "shift"),
        "error of weights: shift": ("weights", "shift"),
        "error of bias: shift": ("bias", "shift"),
        "level: 0 mean, 1 maximum": ("", "level"),
    }
    looks = {
        "mean": (QUIET, "o-"),
        "max": (ACCENT, "s-"),
        "stochastic": (THIRD, "^-"),
        "stochastic, expected": (THIRD, "^--"),
    }
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True)
    for panel, (title, (error, measure)) in zip(grid.flat, panels.items(), strict=True):
        for pool, (colour, line) in looks.items():
            same = [
                row
                for row in rows
                if (row["error"], row["measure"], row["pool"]) == (error, measure, pool)
                and row["size"] in (0.0, 0.05)
            ]
            windows = [row["window"] for row in same]
            low, middle, high = ([row[name] for row in same] for name in ("low", "median", "high"))
            panel.plot(windows, middle, line, color=colour, label=pool, markersize=4)
            panel.fill_between(windows, low, high, color=colour, alpha=0.12, linewidth=0)
        panel.set_xscale("log", base=2)
        panel.set_xticks(windows, [f"{window}" for window in windows])
        panel.set_ylim(0)
        panel.set_title(title, fontsize=10.5, color=INK)
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in grid[:, 0]:
        panel.set_ylabel("relative to the signal")
    for panel in grid[1]:
        panel.set_xlabel("side of the window, pixels")
    grid[1, 2].set_ylabel("share of the way")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return report.png(figure)


def pooling_digits() -> bytes:
    return by_kind("test", "accuracy on 1,497 digits not trained on, %", ["max"])


def pooling_digits_shifts() -> bytes:
    return by_kind("consistency", "same class after two shifts, %", ["blur", "max-blur"])


def group_penalties() -> bytes:
    """The same small network under the two penalties that texts confuse: its filters, its norms."""
    shown = {
        "GroupSquaredL2, which is weight decay": GroupSquaredL2(strength=1.2e-2),
        "GroupLasso": GroupLasso(strength=1.2e-2),
    }
    figure = Figure(figsize=(10, 5), layout="constrained")
    grid = figure.subplots(2, 2, height_ratios=[1, 1.5], sharey="row")
    for (above, below), (name, penalty) in zip(grid.T, shown.items(), strict=True):
        model, groups, accuracy = _trained_on_digits(penalty)
        with torch.no_grad():
            filters = model[0].weight.detach()[:, 0]
            order = filters.flatten(1).norm(dim=1).argsort(descending=True)
            norms = torch.cat([one.gather().norm(dim=1) for one in groups])
        sheet = F.pad(filters[order], (1, 1, 1, 1), value=torch.nan)
        sheet = sheet.unflatten(0, (4, -1)).transpose(1, 2).flatten(2).flatten(0, 1)
        above.imshow(sheet, cmap="RdBu", vmin=-0.8, vmax=0.8, interpolation="nearest")
        above.set_title(name, fontsize=11, color=INK)
        above.set_axis_off()
        norms = norms.sort(descending=True).values
        left = int((norms > 0).sum())
        below.bar(range(left), norms[:left], color=QUIET, width=0.8)
        gone = len(norms) - left
        below.plot(range(left, len(norms)), [0.02] * gone, "x", color=ACCENT, markersize=5)
        below.set_title(
            f"{gone} of {len(norms)} channels exactly zero; {accuracy:.1%} of new digits right",
            fontsize=10,
            color=ACCENT if gone else INK,
        )
        below.set_xlabel("channels of both convolutions, largest first")
        below.spines[["top", "right"]].set_visible(False)
    grid[0, 0].text(
        -0.02, 0.5, "filters of the\nfirst convolution", ha="right", transform=grid[0, 0].transAxes
    )
    grid[1, 0].set_ylabel("norm of the group")
    return report.png(figure)


def _trained_on_digits(
    penalty: GroupLasso | GroupSquaredL2,
) -> tuple[nn.Sequential, list[Groups], float]:
    """A network of 80 channels, its groups, and how many of 797 new digits it reads."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(found.target)
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 48, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(192, 10),
        )
    groups = channels(model, images[:1])
    optimizer = Proximal(torch.optim.SGD(model.parameters(), 0.03, 0.9), [(groups, penalty)])
    for _ in range(800):
        batch = torch.randint(1000, (64,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        right = model(images[1000:]).argmax(1) == labels[1000:]
    return model, groups, float(right.float().mean())


def group_path() -> bytes:
    """Norms of eight groups of a regression as the strength of a group lasso falls."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 32, generator=generator, dtype=torch.float64)
    sizes = torch.tensor([2.0, 1.2, 0.6] + [0.0] * 5, dtype=torch.float64)
    truth = sizes[:, None] * F.normalize(torch.randn(8, 4, generator=generator).double())
    y = x @ truth.flatten() + torch.randn(120, generator=generator, dtype=torch.float64)
    w = nn.Parameter(torch.zeros(32, dtype=torch.float64))
    groups = Groups("w", (Slices("w", w, (8, 4), (0,)),))

    def loss() -> torch.Tensor:
        return (x @ w - y).square().mean() / 2

    most = lambda_max(groups, GroupLasso(), loss)
    strengths = torch.logspace(0, -2.5, 50).tolist()
    step = float(len(x) / torch.linalg.matrix_norm(x, 2) ** 2)
    norms = []
    for part in strengths:  # each starts where the last one ended
        penalty = GroupLasso(strength=part * most)
        optimizer = Proximal(torch.optim.SGD([w], step), [(groups, penalty)])
        for _ in range(150):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        norms.append(groups.gather().detach().norm(dim=1))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    panel = figure.subplots()
    for line, size in zip(torch.stack(norms, 1), sizes.tolist(), strict=True):
        colour = ACCENT if size else QUIET
        panel.plot(strengths, line, color=colour, linewidth=1.8 if size else 1.2)
        if size:
            panel.annotate(f" {size:g}", (strengths[-1], line[-1]), va="center", color=colour)
    panel.annotate(" 0", (strengths[-1], 0.12), va="center", color=QUIET)
    panel.set_xscale("log")
    panel.invert_xaxis()
    panel.set_xlabel("strength, as a part of lambda_max")
    panel.set_ylabel("norm of the group")
    panel.set_ylim(0)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    return report.png(figure)


def by_kind(score: str, label: str, highlighted: list[str]) -> bytes:
    values: dict[str, list[float]] = {}
    for row in saved("pooling-digits"):
        values.setdefault(row["pooling"], []).append(row[score])
    return report.spread(values, label, highlighted)


def slim_path() -> bytes:
    """Accuracy over what is left of the latency, by strength of the penalty."""
    lines = {
        f"batch of {batch}": [
            (100 / row[f"times as fast, batch {batch}"], row["test, %"])
            for row in saved("slim-path")
        ]
        for batch in (1, 64)
    }
    return report.trade_off(lines, "latency, % of the dense network's", "test accuracy, %")


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


def saved(name: str) -> list[dict]:
    return [json.loads(line) for line in (RESULTS / f"{name}.jsonl").read_text().splitlines()]


@cache
def photo(name: str) -> torch.Tensor:
    """(3, height, width), from 0 to 1."""
    from sklearn.datasets import load_sample_image

    return torch.tensor(np.array(load_sample_image(name))).permute(2, 0, 1) / 255


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
    pooling_kinds,
    pooling_switches,
    pooling_shift,
    k_max,
    pooling_error,
    pooling_digits,
    pooling_digits_shifts,
    group_penalties,
    group_path,
    slim_path,
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
