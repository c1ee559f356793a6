"""What torch's layers with weights do with channels: which they write, read, and hand on."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from huashi.convolution.plain import CONV
from huashi.regularization.coupling.channel_facts import Fact, Fold, Network
from huashi.regularization.coupling.channel_labels import Channels, GroupedAxes
from huashi.regularization.coupling.layer_call import (
    Call,
    by_itself,
    is_used,
    ndim_of,
    read_channels,
    write_channels,
)


def linear(call: Call, x: Fact, input: Fact = None) -> Fact:
    """Rows write, columns read."""
    x = x if x is not None else input
    return _affine(call, call.followed(x, ndim_of(call) - 1), dim=ndim_of(call) - 1, fold=True)


def convolution(call: Call, x: Fact) -> Fact:
    """In one, two or three dimensions; of one group, depthwise, or of several groups."""
    module = call.module
    dim = ndim_of(call) - module.weight.ndim + 1
    x = call.followed(x, dim)
    flat = not _pads_zeros(module)
    if module.groups == 1:
        return _affine(call, x, dim=dim, fold=flat)
    if x is None:
        return _whole(call, dim, f"{call.path!r} groups the channels of an input of the model")
    if module.weight.shape[1] == 1:
        return _depthwise(call, x, fold=flat)
    return _grouped(call, x, fold=flat)


def _pads_zeros(module: Any) -> bool:
    """Whether a channel that is constant is not so as a window at the edge sees it."""
    if module.padding_mode != "zeros":
        return False
    sides = getattr(module, "sides", None)  # of Huashi's, where torch's cannot say it
    if sides is not None:
        return any(isinstance(side, str) or any(side) for side in sides)
    return any(module._reversed_padding_repeated_twice)


def transposed_convolution(call: Call, x: Fact) -> Fact:
    """In one, two or three dimensions; of one group, or depthwise."""
    module = call.module
    dim = ndim_of(call) - module.weight.ndim + 1
    x = call.followed(x, dim)
    if module.groups == 1:
        return _affine(call, x, dim=dim, fold=False, rows=1)
    if x is not None and module.groups == module.in_channels == module.out_channels:
        return _depthwise(call, x, fold=False)
    call.keep(x, f"{call.path!r} is transposed and grouped")
    return _whole(call, dim, f"{call.path!r} is transposed and grouped")


def _affine(call: Call, x: Channels | None, *, dim: int, fold: bool, rows: int = 0) -> Channels:
    """Linear layers, and convolutions of one group."""
    network, weight = call.network, call.module.weight
    labels = network.axis(weight, rows, writes=True)
    matrix = weight if rows == 0 else weight.transpose(0, 1)
    matrix = matrix.reshape(*matrix.shape[:2], -1)  # rows, columns, taps
    gone = torch.zeros(matrix.shape[1], dtype=torch.bool)
    values = weight.new_zeros(matrix.shape[1])
    if x is not None:
        network.axis(weight, 1 - rows, x.labels)
        gone, values = read_channels(call, x, is_used(matrix, 1), fold=fold)
        if values.any():
            network.fold(call.bias, Fold(network.name(weight), x.labels, values, 1), call.path)
    return write_channels(call, dim, labels, ~is_used(matrix[:, ~gone], 0), matrix.sum(2) @ values)


def _depthwise(call: Call, x: Channels, *, fold: bool) -> Channels:
    """One input channel makes each output channel: both go together."""
    weight = call.module.weight
    index = torch.arange(len(x.labels)).repeat_interleave(len(weight) // len(x.labels))
    labels = call.network.axis(weight, 0, x.labels[index], writes=True)
    call.network.groups[call.path] = x.labels
    constant = x.known & ((x.value == 0) | fold)
    known = constant[index] | ~is_used(weight, 0)
    value = torch.where(constant, x.value, 0)[index] * weight.flatten(1).sum(1)
    return write_channels(call, x.dim, labels, known, value)


def _grouped(call: Call, x: Channels, *, fold: bool) -> Channels:
    network, weight = call.network, call.module.weight
    groups = call.module.groups
    columns = x.labels.reshape(groups, -1)
    name = network.name(weight)
    axes = network.axes.get(name)
    if axes is None:
        axes = GroupedAxes(network.labels.fresh(len(weight)).reshape(groups, -1), columns)
        network.axes[name] = axes
        network.grouped.append((axes.rows, axes.columns))
    elif isinstance(axes, GroupedAxes) and axes.columns.shape == columns.shape:
        network.labels.unite(axes.columns, columns)
    else:
        call.keep(x, "layers of different kinds share its weights")
        return _whole(call, x.dim, "layers of different kinds share its weights")
    network.groups[call.path] = columns
    taps = weight.reshape(groups, -1, *weight.shape[1:]).flatten(3)  # groups, rows, columns, taps
    gone, values = read_channels(call, x, (taps != 0).any(3).any(1).flatten(), fold=fold)
    if values.any():
        network.fold(call.bias, Fold(name, x.labels, values, groups), call.path)
    rest = (taps != 0).any(3) & ~gone.reshape(groups, 1, -1)
    value = taps.sum(3) @ values.reshape(groups, -1, 1)
    return write_channels(call, x.dim, axes.rows.flatten(), ~rest.any(2).flatten(), value.flatten())


def _whole(call: Call, dim: int, why: str) -> Channels:
    """A convolution that is left as it is."""
    for parameter in call.module.parameters():
        call.network.freeze(parameter, why)
    labels = call.network.labels.fresh(call.result.shape[dim])
    call.network.labels.pin(labels, why)
    nothing = torch.zeros(len(labels), dtype=torch.bool)
    return Channels(dim, labels, nothing, call.result.new_zeros(len(labels)))


def batch_norm(call: Call, x: Fact) -> Fact:
    """Batch and instance normalization."""
    x = call.followed(x, 1)
    if x is None:
        return None
    _attach(call, x)
    return _scaled(call, x, by_itself(call, x))


def group_norm(call: Call, x: Fact) -> Fact:
    """Channels that are normalized together go together."""
    x = call.followed(x, 1)
    if x is None:
        return None
    groups = call.module.num_groups
    pieces = x.labels.reshape(groups, -1)
    call.network.labels.unite(pieces[:, 1:], pieces[:, :1].expand(-1, pieces.shape[1] - 1))
    call.network.groups[call.path] = pieces[:, 0]
    _attach(call, x)
    whole = x.known.reshape(groups, -1).all(1).repeat_interleave(pieces.shape[1])
    return _scaled(call, x, by_itself(call, Channels(x.dim, x.labels, whole, x.value)))


def layer_norm(call: Call, x: Fact) -> Fact:
    """Channels that it normalizes over are kept."""
    if not isinstance(x, Channels):
        return None
    if x.dim >= ndim_of(call) - len(call.module.normalized_shape):
        call.keep(x, f"{call.path!r} ({type(call.module).__name__}) normalizes over it")
        return None
    return by_itself(call, x)


def prelu(call: Call, x: Fact) -> Fact:
    """One slope, or one for each channel."""
    if not isinstance(x, Channels):
        return None
    if call.module.weight.numel() > 1:
        x = call.followed(x, 1)
        if x is None:
            return None
        call.network.axis(call.module.weight, 0, x.labels)
    return by_itself(call, x)


def _attach(call: Call, x: Channels) -> None:
    """A normalization's weights and statistics, cut along with its channels."""
    for kind in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(call.module, kind, None)
        if tensor is not None:
            call.network.axis(tensor, 0, x.labels, writes=kind in ("weight", "bias"))
    call.network.writers.setdefault(call.path, x.labels)


def _scaled(call: Call, x: Channels, y: Channels) -> Channels:
    """Where a normalization's scale is zero, its shift is all that is left."""
    scale, shift = call.module.weight, call.module.bias
    if scale is None:
        return y
    flat = scale == 0
    value = torch.where(flat, 0 if shift is None else shift, y.value)
    known = y.known | flat
    call.network.write(call.path, x.labels, known)
    return Channels(x.dim, x.labels, known, value)


def embedding(call: Call, x: Fact, input: Fact = None) -> Fact:
    """Columns write; rows stay."""
    weight = call.module.weight
    labels = call.network.axis(weight, 1, writes=True)
    known = (weight == weight[:1]).all(0)
    if call.module.max_norm is not None:
        known &= weight[0] == 0
    call.network.write(call.path, labels, known)
    return Channels(call.result.ndim - 1, labels, known, torch.where(known, weight[0], 0))


def gated(call: Call, x: Fact) -> Fact:
    """``nn.GLU``."""
    if not isinstance(x, Channels):
        return None
    if call.module.dim % ndim_of(call) != x.dim:
        return by_itself(call, x)
    return gate(call.network, x)


def gate(network: Network, x: Channels) -> Channels:
    """The first half of the channels times a sigmoid of the second half."""
    places = torch.arange(len(x.labels)).reshape(2, -1)
    a, b = x.take(places[0], x.dim), x.take(places[1], x.dim)
    network.labels.unite(a.labels, b.labels)
    value = a.value * b.value.sigmoid()
    return Channels(x.dim, a.labels, a.zero() | (a.known & b.known), value)


def shuffled(call: Call, x: Fact) -> Fact:
    """``nn.ChannelShuffle``."""
    x = call.followed(x, 1)
    return None if x is None else shuffle(call.network, x, call.module.groups)


def shuffle(network: Network, x: Channels, groups: int) -> Channels:
    """The first channel of each group, then the second of each, and so on.

    Those that come to stand side by side go together: then what is left is shuffled the same way.
    """
    places = torch.arange(len(x.labels)).reshape(groups, -1)
    side_by_side = x.labels[places]
    network.labels.unite(side_by_side[1:], side_by_side[:1].expand(groups - 1, -1))
    return x.take(places.t().flatten(), x.dim)


RULES: dict[type[nn.Module], Callable[..., Fact]] = {
    nn.Linear: linear,
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.Conv3d: convolution,
    **dict.fromkeys(CONV.values(), convolution),
    nn.ConvTranspose1d: transposed_convolution,
    nn.ConvTranspose2d: transposed_convolution,
    nn.ConvTranspose3d: transposed_convolution,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.BatchNorm3d: batch_norm,
    nn.SyncBatchNorm: batch_norm,
    nn.InstanceNorm1d: batch_norm,
    nn.InstanceNorm2d: batch_norm,
    nn.InstanceNorm3d: batch_norm,
    nn.GroupNorm: group_norm,
    nn.LayerNorm: layer_norm,
    nn.RMSNorm: layer_norm,
    nn.PReLU: prelu,
    nn.GLU: gated,
    nn.ChannelShuffle: shuffled,
    nn.Embedding: embedding,
}
