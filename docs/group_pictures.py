"""Pictures of penalties on groups, and of the smaller networks that they end in."""

import torch
from drawing import ACCENT, INK, QUIET, saved
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from huashi import report
from huashi.regularization import (
    GroupLasso,
    Groups,
    GroupSquaredL2,
    Proximal,
    Slices,
    channels,
    lambda_max,
)


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
