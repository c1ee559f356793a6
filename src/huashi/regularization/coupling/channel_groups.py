"""Coupled channels: the weights that must be zero together for a channel to vanish.

Wen, Wu, Wang, Chen, Li: Learning Structured Sparsity in Deep Neural Networks (2016), for whole
networks: through sums, concatenations, normalization, depthwise convolutions and shared weights.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from huashi._wrappers import unwrapped
from huashi.regularization.coupling.channel_facts import Network
from huashi.regularization.coupling.channel_labels import Axes, GroupedAxes
from huashi.regularization.coupling.propagation import IS_OUTPUT, follow
from huashi.regularization.coupling.tracing import Example
from huashi.regularization.groups.slices import Groups, Slices

Side = tuple[tuple[int, ...], tuple[int, ...], Tensor]
"""The shape and dimensions of :class:`Slices`, and a label for each row."""


def channels(
    model: nn.Module,
    example: Example,
    names: str | Sequence[str] = "*",
    *,
    consumers: bool = False,
) -> list[Groups]:
    """What writes each channel of a model, everywhere: zero there, and the channel is zero.

    A channel is what a layer makes and others read: of a convolution or linear layer, an embedding,
    a hidden unit, an attention head. Its group holds all rows, biases, scales and shifts that write
    it, and each weight is in one group at most. Channels that cannot go are in none: outputs of the
    model, what is normalized over, what is read by code that is not understood.

    Args:
        model: any module that torch.fx can trace; what wraps it, as ``torch.compile`` and data
            parallelism do, is left off, also in the names.
        example: what it is called with: a tensor, a sequence of arguments, or named ones.
        names: of modules, with wildcards; groups that none of them writes are left out.
        consumers: whether the weights that read the channel are in its group too. Groups then
            overlap: a weight reads one channel and writes another.

    Returns:
        groups of equal size each, named after the first layer that writes them.

    Raises:
        ValueError: the model cannot be traced, or ``names`` name nothing that can go.

    >>> block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> [one] = channels(block, torch.ones(1, 3, 8, 8))
    >>> [part.name for part in one.parts], one.gather().shape
    (['0.weight', '0.bias', '1.weight', '1.bias'], torch.Size([8, 30]))
    """
    model = unwrapped(model)
    network = follow(model, example)
    roots = network.labels.roots()
    pinned = set(network.labels.pinned())
    parameters = dict(model.named_parameters())
    sides = {
        (name, place): side
        for name, axes in network.axes.items()
        if name in parameters
        for place, side in enumerate(_sides(axes, parameters[name], consumers=consumers))
    }
    rows: dict[int, dict[tuple[str, int], list[int]]] = {}  # by root, where its weights are
    for key, (_, _, labels) in sides.items():
        for row, root in enumerate(roots[labels].tolist()):
            if root not in pinned:
                rows.setdefault(root, {}).setdefault(key, []).append(row)
    alike: dict[tuple[tuple[tuple[str, int], int], ...], list[int]] = {}
    for root, places in rows.items():
        alike.setdefault(tuple((key, len(at)) for key, at in places.items()), []).append(root)
    writers = _writers(network, roots)
    found = []
    for signature, members in alike.items():
        made = [name for name in writers.get(members[0], []) if _matches(name, names)]
        if not made:
            continue
        parts = []
        for key, _ in signature:
            shape, dims, labels = sides[key]
            index = torch.tensor([rows[root][key] for root in members])
            whole = torch.equal(index.flatten(), torch.arange(len(labels)))
            alone = whole and index.shape[1] == 1
            parts.append(Slices(key[0], parameters[key[0]], shape, dims, None if alone else index))
        found.append(Groups(writers[members[0]][0], tuple(parts)))
    if not found:
        raise ValueError(
            f"names must name modules of which channels can go, got {names!r}; "
            f"what is kept: {'; '.join(_reasons(network)[:3])}"
        )
    return found


def _reasons(network: Network) -> list[str]:
    """Why channels are kept; that they are outputs, which some always are, comes last."""
    found = dict.fromkeys([*network.frozen.values(), *network.labels.pinned().values()])
    return sorted(found, key=lambda why: why == IS_OUTPUT)


def _sides(axes: Axes | GroupedAxes, parameter: Tensor, *, consumers: bool) -> list[Side]:
    """How a parameter is seen by those of its axes that are wanted."""
    if isinstance(axes, Axes):
        return [
            (axes.shape, (dim,), labels)
            for dim, labels in axes.labels.items()
            if consumers or dim in axes.written
        ]
    shape = tuple(parameter.shape)
    sides: list[Side] = [(shape, (0,), axes.rows.flatten())]
    if consumers:
        sides.append(((*axes.rows.shape, *shape[1:]), (0, 2), axes.columns.flatten()))
    return sides


def _writers(network: Network, roots: Tensor) -> dict[int, list[str]]:
    """By root: the modules that make it."""
    found: dict[int, list[str]] = {}
    for name, labels in network.writers.items():
        for root in set(roots[labels].tolist()):
            found.setdefault(root, []).append(name)
    return found


def _matches(name: str, patterns: str | Sequence[str]) -> bool:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(name, pattern) for pattern in patterns)
