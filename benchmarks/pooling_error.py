"""What a pool makes of the errors of its input, on natural images: spread and shift, by window.

    python -m benchmarks.pooling_error

Textbooks say, after Boureau, Ponce, LeCun: A Theoretical Analysis of Feature Pooling in Visual
Recognition (2010), that a pooled feature errs in two ways. Its estimate varies, because the
neighbourhood is limited: the mean is said to lower this. And it is shifted, because the parameters
of the convolution err: the maximum is said to lower that. A stochastic pool is said to be like the
mean on average and like the maximum locally.

Features are the rectified responses, of mean 0 and norm 1, of 7 x 7 filters to the two images that
come with scikit-learn: eight oriented ones (Gabor: four directions, two phases) and eight random
ones. A response map of a filter to an image is pooled in windows that do not overlap. With e the
map of differences from the pooled clean map, divided by the signal, which is the standard deviation
of the pooled clean map over its places:

- ``shift``: the mean of e over the places; ``scatter``: the standard deviation of e over them; each
  as the root of the mean square over the draws. The error is noise of the pixels (of that standard
  deviation, where an image goes from 0 to 1), an error of the weights (in a random direction, of
  that norm), or of the bias (a normal number times the standard deviation of the response).
- ``absolute shift``: the same not divided by the signal.
- ``neighbourhood``: no error but the limited window. The standard deviation of the windows of a
  patch of 64 x 64 pixels, over that of the patches' means.
- ``level``: where the pooled value lies between the mean (0) and the maximum (1) of its window.

A value is the median of the 16 maps, beside their quartiles; ``below max`` is in how many of them
it is less than that of the maximum.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harness import machine, save
from huashi.pooling import avg_pool2d, max_pool2d, stochastic_pool2d

WINDOWS = 2, 4, 8, 16, 32
PATCH = 64
LEVELS = 0.05, 0.1
POOLS = {
    "mean": avg_pool2d,
    "max": max_pool2d,
    "stochastic": stochastic_pool2d,
    "stochastic, expected": lambda x, k: stochastic_pool2d(x, k, training=False),
}


def images() -> Tensor:
    """(2, 1, 390, 646), grey, from 0 to 1: responses to 7 x 7 filters are 384 x 640 then."""
    grey = [torch.tensor(np.asarray(image)).float().mean(-1) / 255 for image in photos()]
    return torch.stack(grey)[:, None]


def photos() -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images

    height, width = 390, 640
    return [
        np.pad(image[:height, :width], ((0, 0), (3, 3), (0, 0)), mode="reflect")
        for image in load_sample_images().images
    ]


def oriented() -> Tensor:
    """Edges and lines in four directions, (8, 1, 7, 7)."""
    rows, columns = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="ij")
    waves = []
    for turn in range(4):
        along = columns * math.cos(math.pi * turn / 4) + rows * math.sin(math.pi * turn / 4)
        envelope = torch.exp(-(rows**2 + columns**2) / (2 * 1.8**2))
        waves += [envelope * torch.sin(along * 1.2), envelope * torch.cos(along * 1.2)]
    return normalised(torch.stack(waves)[:, None])


def normalised(filters: Tensor) -> Tensor:
    filters = filters - filters.mean((-2, -1), keepdim=True)
    return filters / filters.square().sum((-2, -1), keepdim=True).sqrt()


def pooled(name: str, x: Tensor, window: int) -> Tensor:
    """(16, places), float64."""
    return POOLS[name](x, window).flatten(0, 1).flatten(1).double()


def relative_errors(
    disturbed: list[Tensor], clean: Tensor, name: str, window: int
) -> Iterator[tuple[str, Tensor]]:
    """Shift and scatter of each map; and its shift in units of the features, not of the signal."""
    expected = "stochastic, expected" if name == "stochastic" else name
    truth = pooled(expected, clean, window)
    signal = truth.std(-1)
    errors = torch.stack([pooled(name, x, window) - truth for x in disturbed])
    shift = errors.mean(-1).square().mean(0).sqrt()
    yield "shift", shift / signal
    yield "absolute shift", shift
    yield "scatter", errors.var(-1).mean(0).sqrt() / signal


def neighbourhood(clean: Tensor, name: str, window: int) -> Tensor:
    y = POOLS[name](clean, window).flatten(0, 1).double()
    side = PATCH // window
    patches = y.unfold(1, side, side).unfold(2, side, side).flatten(-2).flatten(1, 2)
    return patches.var(-1).mean(-1).sqrt() / patches.mean(-1).std(-1)


def level(clean: Tensor, name: str, window: int) -> Tensor:
    low, high, y = (pooled(pool, clean, window) for pool in ("mean", "max", name))
    return (y - low).sum(-1) / (high - low).sum(-1)


def disturb(error: str, size: float, x: Tensor, filters: Tensor) -> Tensor:
    """Features with one draw of an error."""
    if error == "pixels":
        return F.conv2d(x + size * torch.randn_like(x), filters).relu()
    if error == "weights":
        off = torch.randn_like(filters)
        off = off / off.square().sum((-2, -1), keepdim=True).sqrt()
        return F.conv2d(x, filters + size * off).relu()
    responses = F.conv2d(x, filters)
    deviation = responses.std((-2, -1), keepdim=True)
    return (responses + size * deviation * torch.randn(1, len(filters), 1, 1)).relu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4)
    draws = parser.parse_args().draws
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, rows, here = images(), [], machine("cpu")

    def report(case: dict, values: dict[str, Tensor]) -> None:
        """Rows of one measure with one window, by pool."""
        for name, maps in values.items():
            low, median, high = (round(maps.quantile(q).item(), 4) for q in (0.25, 0.5, 0.75))
            found = {"median": median, "low": low, "high": high, "maps": len(maps)}
            below = int((maps < values["max"]).sum())
            rows.append(case | {"pool": name} | found | {"below max": below} | here)
            print("  ".join(map(str, [*case.values(), name, *found.values(), below])), flush=True)

    for kind, filters in {
        "oriented": oriented(),
        "random": normalised(torch.randn(8, 1, 7, 7)),
    }.items():
        clean = F.conv2d(x, filters).relu()
        for window in WINDOWS:
            for name, measure in {"neighbourhood": neighbourhood, "level": level}.items():
                case = {"filters": kind, "error": "", "size": 0.0, "measure": name}
                values = {pool: measure(clean, pool, window) for pool in POOLS}
                report(case | {"window": window}, values)
        for error in ("pixels", "weights", "bias"):
            for size in LEVELS:
                disturbed = [disturb(error, size, x, filters) for _ in range(draws)]
                case = {"filters": kind, "error": error, "size": size}
                for window in WINDOWS:
                    found = {p: dict(relative_errors(disturbed, clean, p, window)) for p in POOLS}
                    for measure in ("shift", "absolute shift", "scatter"):
                        values = {pool: found[pool][measure] for pool in POOLS}
                        report(case | {"measure": measure, "window": window}, values)
    save("pooling-error", rows)


def table(rows: list[dict]) -> list[list[str]]:
    """What pools make of errors of one size, in three windows."""
    windows = 2, 8, 32
    sides = " / ".join(map(str, windows))
    head = f"windows of {sides} pixels", "filters", "mean", "max", "stochastic, expected"
    lines = [[*head, "maps of 16 with mean below max"]]
    found = {
        (row["error"], row["measure"], row["filters"], row["pool"], row["window"]): row
        for row in rows
        if row["size"] in (0.0, 0.05)
    }
    for error, measure in (
        ("", "neighbourhood"),
        *(("pixels", measure) for measure in ("scatter", "shift")),
        *(
            (error, measure)
            for error in ("weights", "bias")
            for measure in ("shift", "absolute shift")
        ),
        ("", "level"),
    ):
        for filters in ("oriented", "random"):
            cells = {
                pool: [found[error, measure, filters, pool, window] for window in windows]
                for pool in head[2:]
            }
            lines.append(
                [
                    f"error of {error}: {measure}" if error else f"no error: {measure}",
                    filters,
                    *(" / ".join(f"{row['median']:.3f}" for row in c) for c in cells.values()),
                    " / ".join(str(row["below max"]) for row in cells["mean"]),
                ]
            )
    return lines


def note(rows: list[dict]) -> str:
    return "Medians of 16 maps, errors of size 0.05. One thread of "


if __name__ == "__main__":
    main()
