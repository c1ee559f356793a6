"""Groups of the weights of a model, by the kinds of its modules.

Each function gives a list of :class:`Groups`, one for each module that it is about. A parameter
that modules share comes once. What vanishes together through a whole network (residual sums,
concatenations, normalization) is found by :func:`huashi.regularization.channels`.

>>> [one] = filters(nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU()))
>>> one.name, len(one), one.gather().shape
('0', 8, torch.Size([8, 75]))
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from huashi._checks import check_positive
from huashi.regularization.groups.slices import Groups, Slices

_CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d
_TRANSPOSED = nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d
_WEIGHTED = nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED
_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm
_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


def filters(
    model: nn.Module, names: str | Sequence[str] = "*", *, bias: bool = False
) -> list[Groups]:
    """What writes one channel: the rows of linear layers, the filters of convolutions.

    Args:
        model: any module.
        names: of modules, with wildcards: ``"*"``, ``"encoder.*"``, ``["head", "stem.?"]``.
        bias: whether the channel's bias is in its group, without which it is not zero.

    Returns:
        One :class:`Groups` for each module: its output channels, as (channels, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = filters(nn.Linear(3, 2), bias=True)
    >>> one.gather().shape
    torch.Size([2, 4])
    """
    found = []
    for name, module in _modules(model, names, _WEIGHTED):
        parts = [_slices(name, "weight", module, *_rows(module))]
        if bias and module.bias is not None:
            parts.append(_slices(name, "bias", module, module.bias.shape, (0,)))
        found.append(Groups(name, tuple(parts)))
    return found


def columns(model: nn.Module, names: str | Sequence[str] = "*") -> list[Groups]:
    """What reads one input channel, of linear layers and convolutions.

    Args:
        model: any module.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: its input channels, as (channels, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = columns(nn.Conv1d(3, 2, 5))
    >>> one.gather().shape
    torch.Size([3, 10])
    """
    return [
        Groups(name, (_slices(name, "weight", module, *_columns(module)),))
        for name, module in _modules(model, names, _WEIGHTED)
    ]


def kernel_shapes(model: nn.Module, names: str | Sequence[str] = "*") -> list[Groups]:
    """The same place of the kernel in all filters: convolutions with fewer taps.

    Args:
        model: any module.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: the taps of its kernel, as (taps, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = kernel_shapes(nn.Conv2d(3, 8, 5))
    >>> one.gather().shape
    torch.Size([25, 24])
    """
    found = []
    for name, module in _modules(model, names, (*_CONVOLUTIONS, *_TRANSPOSED)):
        shape = module.weight.shape
        found.append(
            Groups(name, (_slices(name, "weight", module, shape, tuple(range(2, len(shape)))),))
        )
    return found


def blocks(model: nn.Module, size: int, names: str | Sequence[str] = "*") -> list[Groups]:
    """Blocks of ``size`` output by ``size`` input channels, with all taps of a kernel.

    Args:
        model: any module.
        size: of a side; it must divide both sides of every weight.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: its blocks, as (blocks, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module, or ``size`` does not divide the sides of one.

    >>> [one] = blocks(nn.Linear(6, 4), 2)
    >>> one.gather().shape
    torch.Size([6, 4])
    """
    check_positive("size", size)
    found = []
    for name, module in _modules(model, names, _WEIGHTED):
        high, wide, *kernel = module.weight.shape
        if high % size or wide % size:
            raise ValueError(
                f"size must divide both sides of {_join(name, 'weight')}, ({high}, {wide}), "
                f"got {size}"
            )
        shape = high // size, size, wide // size, size, *kernel
        found.append(Groups(name, (_slices(name, "weight", module, shape, (0, 2)),)))
    return found


def layers(
    model: nn.Module, names: str | Sequence[str] = "*", *, bias: bool = True
) -> list[Groups]:
    """Whole linear layers and convolutions: one group each, for networks of less depth.

    Args:
        model: any module.
        names: of modules, with wildcards.
        bias: whether the bias is in the group.

    Returns:
        One :class:`Groups` for each module: a single group, as (1, weights).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = layers(nn.Linear(3, 2))
    >>> one.gather().shape
    torch.Size([1, 8])
    """
    found = []
    for name, module in _modules(model, names, _WEIGHTED):
        kinds = ["weight", "bias"] if bias and module.bias is not None else ["weight"]
        parts = [
            _slices(name, kind, module, (1, *getattr(module, kind).shape), (0,)) for kind in kinds
        ]
        found.append(Groups(name, tuple(parts)))
    return found


def heads(model: nn.Module, names: str | Sequence[str] = "*") -> list[Groups]:
    """The heads of ``nn.MultiheadAttention``: their query, key, value and output projections.

    Args:
        model: any module.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: its heads, as (heads, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = heads(nn.MultiheadAttention(8, 2))
    >>> one.gather().shape
    torch.Size([2, 140])
    """
    found = []
    for name, module in _modules(model, names, (nn.MultiheadAttention,)):
        count = module.num_heads
        parts = []
        for kind in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(module, kind)
            if weight is not None:
                times = weight.shape[0] // module.embed_dim
                shape = times, count, module.head_dim, weight.shape[1]
                parts.append(_slices(name, kind, module, shape, (1,)))
        if module.in_proj_bias is not None:
            parts.append(_slices(name, "in_proj_bias", module, (3, count, module.head_dim), (1,)))
        extra = [kind for kind in ("bias_k", "bias_v") if getattr(module, kind) is not None]
        parts += [_slices(name, kind, module, (count, module.head_dim), (0,)) for kind in extra]
        shape = module.embed_dim, count, module.head_dim
        parts.append(_slices(_join(name, "out_proj"), "weight", module.out_proj, shape, (1,)))
        found.append(Groups(name, tuple(parts)))
    return found


def projected_heads(
    model: nn.Module, rows: Sequence[str], columns: Sequence[str], count: int
) -> Groups:
    """The heads of an attention of your own.

    Args:
        model: any module.
        rows: names of the linear layers that project to the heads: query, key, value.
        columns: names of those that read the heads side by side.
        count: how many heads there are.

    Returns:
        The heads, as (heads, weights of each).

    Raises:
        ValueError: a name is not of a linear layer, or ``count`` does not divide its features.

    >>> layers = nn.ModuleDict({name: nn.Linear(8, 8, bias=False) for name in ("q", "k", "v", "o")})
    >>> projected_heads(layers, ["q", "k", "v"], ["o"], 2).gather().shape
    torch.Size([2, 128])
    """
    check_positive("count", count)
    modules = dict(model.named_modules())
    parts: list[Slices] = []
    for name in (*rows, *columns):
        module = modules.get(name)
        if not isinstance(module, nn.Linear):
            raise ValueError(f"rows and columns must name linear layers, got {name!r}")
        size = module.out_features if name in rows else module.in_features
        if size % count:
            raise ValueError(f"count must divide the {size} features of {name!r}, got {count}")
        if name in rows:
            shape = count, size // count, module.in_features
            parts.append(_slices(name, "weight", module, shape, (0,)))
            if module.bias is not None:
                parts.append(_slices(name, "bias", module, shape[:2], (0,)))
        else:
            shape = module.out_features, count, size // count
            parts.append(_slices(name, "weight", module, shape, (1,)))
    return Groups(" ".join((*rows, *columns)), tuple(parts))


def embedding_rows(model: nn.Module, names: str | Sequence[str] = "*") -> list[Groups]:
    """The rows of embeddings: a symbol each.

    Args:
        model: any module.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: its symbols, as (symbols, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = embedding_rows(nn.Embedding(10, 4))
    >>> one.gather().shape
    torch.Size([10, 4])
    """
    return [
        Groups(name, (_slices(name, "weight", module, module.weight.shape, (0,)),))
        for name, module in _modules(model, names, (nn.Embedding, nn.EmbeddingBag))
    ]


def hidden_units(model: nn.Module, names: str | Sequence[str] = "*") -> list[Groups]:
    """The units of ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU``: what writes a unit, in all its gates.

    Unit j of every layer and direction is one group, since all of them have equally many.

    Args:
        model: any module.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: its units, as (units, weights of each).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = hidden_units(nn.LSTM(3, 5))
    >>> one.gather().shape
    torch.Size([5, 40])
    """
    found = []
    for name, module in _modules(model, names, (nn.RNN, nn.LSTM, nn.GRU)):
        parts = []
        for kind, weight in module.named_parameters(recurse=False):
            if not kind.startswith("weight_hr"):  # a projection reads the units
                shape = _GATES[module.mode], module.hidden_size, *weight.shape[1:]
                parts.append(_slices(name, kind, module, shape, (1,)))
        found.append(Groups(name, tuple(parts)))
    return found


def norm_scales(model: nn.Module, names: str | Sequence[str] = "*") -> list[Groups]:
    """The scales of batch normalization, a group each (Liu et al.: Network Slimming, 2017).

    Args:
        model: any module.
        names: of modules, with wildcards.

    Returns:
        One :class:`Groups` for each module: its channels, as (channels, 1).

    Raises:
        TypeError: ``model`` is not a module.
        ValueError: ``names`` name no such module.

    >>> [one] = norm_scales(nn.BatchNorm2d(8))
    >>> one.gather().shape
    torch.Size([8, 1])
    """
    found = []
    for name, module in _modules(model, names, _BATCH_NORMS):
        if module.weight is not None:
            found.append(
                Groups(name, (_slices(name, "weight", module, module.weight.shape, (0,)),))
            )
    if not found:
        raise ValueError(f"names must name a batch normalization with scales, got {names!r}")
    return found


def _modules(
    model: nn.Module, names: str | Sequence[str], types: tuple[type[nn.Module], ...]
) -> list[tuple[str, Any]]:
    """The modules of these types and names; what shares its first parameter comes once."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    patterns = [names] if isinstance(names, str) else list(names)
    of_type = [
        (name, module) for name, module in model.named_modules() if isinstance(module, types)
    ]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name, _ in of_type):
            kinds = ", ".join(kind.__name__ for kind in types)
            raise ValueError(f"names must name parameters of {kinds}, got {pattern!r}")
    found, seen = [], set()
    for name, module in of_type:
        first = next(module.parameters(), None)
        if any(fnmatchcase(name, pattern) for pattern in patterns) and first not in seen:
            seen.add(first)
            found.append((name, module))
    return found


def _rows(module: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How the weight is to be seen with its output channels as rows."""
    shape = tuple(module.weight.shape)
    if not isinstance(module, _TRANSPOSED):
        return shape, (0,)
    return (module.groups, shape[0] // module.groups, *shape[1:]), (0, 2)


def _columns(module: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How the weight is to be seen with its input channels as rows."""
    shape = tuple(module.weight.shape)
    if isinstance(module, _TRANSPOSED):
        return shape, (0,)
    groups = getattr(module, "groups", 1)
    return (groups, shape[0] // groups, *shape[1:]), (0, 2)


def _slices(
    name: str, kind: str, module: nn.Module, shape: Sequence[int], dims: tuple[int, ...]
) -> Slices:
    return Slices(_join(name, kind), getattr(module, kind), tuple(shape), dims)


def _join(name: str, kind: str) -> str:
    return f"{name}.{kind}" if name else kind
