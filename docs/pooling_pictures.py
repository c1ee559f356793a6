"""Pictures of pooling.

The photographs come with scikit-learn: china.jpg and flower.jpg, CC BY 2.0.
"""

from functools import cache

import numpy as np
import torch
from drawing import ACCENT, INK, QUIET, THIRD, saved
from matplotlib.figure import Figure
from torch.nn import functional as F

from huashi import pooling, report


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
        "quantile, q = 0.9": pooling.quantile_pool2d(x, size, q=0.9),
        "lp, p = 2, mean": pooling.lp_pool2d(x, 2, size, reduction="mean"),
        "GeM, p = 8": pooling.gem_pool2d(x, size, p=8.0),
        "log-sum-exp, r = 20": pooling.log_sum_exp_pool2d(x, size, r=20.0),
        "soft": pooling.soft_pool2d(x, size),
        "mixed, a = 0.5": pooling.mixed_pool2d(x, size, a=0.5),
        "sort, k = 3": pooling.sort_pool2d(x, size, scores=scores),
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


def by_kind(score: str, label: str, highlighted: list[str]) -> bytes:
    values: dict[str, list[float]] = {}
    for row in saved("pooling-digits"):
        values.setdefault(row["pooling"], []).append(row[score])
    return report.spread(values, label, highlighted)


@cache
def photo(name: str) -> torch.Tensor:
    """(3, height, width), from 0 to 1."""
    from sklearn.datasets import load_sample_image

    return torch.tensor(np.array(load_sample_image(name))).permute(2, 0, 1) / 255
