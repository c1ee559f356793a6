"""A model cut down to the channels that stay, with its optimiser's state."""

from typing import Any

import torch
from torch import Tensor, nn

from huashi.regularization.compaction.head_attention import HeadAttention
from huashi.regularization.coupling.channel_facts import Fold, Network
from huashi.regularization.coupling.channel_labels import Axes, GroupedAxes
from huashi.regularization.coupling.composed_layers import resize_composed

_CONVOLUTIONS = nn.Conv1d, nn.Conv2d, nn.Conv3d
_BATCH_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm
_TRANSPOSED = nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d


_NORMS = (*_BATCH_NORMS, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def cut(model: nn.Module, network: Network, keep: Tensor, optimizer: Any = None) -> nn.Module:
    """Cut ``model`` and ``optimizer`` in place.

    Args:
        model: a copy of the one that was followed.
        network: what is known of that one.
        keep: (labels,), which stay.
        optimizer: of the copy's parameters.

    Returns:
        the model, or what replaces it.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    added = {
        bias: delta
        for bias, fold in network.folds.items()
        if (delta := _delta(fold, tensors[fold.weight].detach(), keep)).any()
    }
    new: dict[int, Tensor] = {}
    for name, axes in network.axes.items():
        if name not in tensors or (_is_whole(axes, keep) and name not in added):
            continue
        old = tensors[name]
        value = old.detach()
        if name in added:
            value = value + added.pop(name).to(value.dtype)
        value = _like(axes.cut(value, keep), old)
        if isinstance(old, nn.Parameter):
            value = nn.Parameter(value, requires_grad=old.requires_grad)
        new[id(old)] = value
        if optimizer is not None and isinstance(old, nn.Parameter):
            _replace(optimizer, old, value, axes, keep)
    for path, module in list(model.named_modules()):
        for kind, old in (*module._parameters.items(), *module._buffers.items()):
            if old is not None and id(old) in new:
                setattr(module, kind, new[id(old)])
        own = f"{path}.bias" if path else "bias"
        if own in added:
            bias = nn.Parameter(network.axes[own].cut(added[own], keep))
            module.register_parameter("bias", bias)
            if optimizer is not None:
                _join(optimizer, getattr(module, "weight"), bias)  # noqa: B009
        resize(module, path, network, keep)
    resize_composed(model)
    return _swap_attention(model, network, keep, optimizer)


def resize(module: Any, path: str, network: Network, keep: Tensor) -> None:
    """Set the numbers by which a module describes itself."""
    groups = network.groups.get(path)
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, (*_CONVOLUTIONS, *_TRANSPOSED)):
        if groups is not None:
            kept = keep[groups]
            module.groups = int(kept.sum() if kept.ndim == 1 else kept.any(1).sum())
        sides = list(module.weight.shape[:2])
        sides[1] *= module.groups
        if isinstance(module, _CONVOLUTIONS):
            sides.reverse()
        module.in_channels, module.out_channels = sides
    elif isinstance(module, nn.GroupNorm) and groups is not None:
        each = module.num_channels // module.num_groups
        module.num_groups = int(keep[groups].sum())
        module.num_channels = each * module.num_groups
    elif isinstance(module, _NORMS) and path in network.writers:
        module.num_features = int(keep[network.writers[path]].sum())
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, nn.Embedding):
        module.embedding_dim = module.weight.shape[1]
    elif isinstance(module, nn.RNNBase) and not module.proj_size:
        weights: Any = module.weight_ih_l0, module.weight_hh_l0
        module.input_size, module.hidden_size = (weight.shape[1] for weight in weights)


def _delta(fold: Fold, weight: Tensor, keep: Tensor) -> Tensor:
    """What the channels that go add to each output."""
    values = torch.where(keep[fold.labels], 0, fold.values.to(weight.dtype)).to(weight.device)
    taps = weight.reshape(fold.groups, -1, *weight.shape[1:])
    taps = taps.reshape(*taps.shape[:3], -1).sum(3)  # groups, rows, columns
    return (taps @ values.reshape(fold.groups, -1, 1)).flatten()


def _is_whole(axes: Axes | GroupedAxes, keep: Tensor) -> bool:
    if isinstance(axes, GroupedAxes):
        return bool(keep[axes.rows].all() and keep[axes.columns].all())
    return all(bool(keep[labels].all()) for labels in axes.labels.values())


def _like(value: Tensor, old: Tensor) -> Tensor:
    """In the memory format that it had."""
    last = old.ndim == 4 and not old.is_contiguous()
    return value.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def _replace(optimizer: Any, old: nn.Parameter, new: Tensor, axes: Any, keep: Tensor) -> None:
    for group in optimizer.param_groups:
        group["params"] = [new if p is old else p for p in group["params"]]
    if old in optimizer.state:
        optimizer.state[new] = {
            kind: axes.cut(value, keep).contiguous()
            if isinstance(value, Tensor) and value.shape == old.shape and value.ndim
            else value
            for kind, value in optimizer.state.pop(old).items()
        }


def _join(optimizer: Any, beside: Tensor, new: nn.Parameter) -> None:
    """Let an optimiser train a new parameter as it does another."""
    for group in optimizer.param_groups:
        if any(p is beside for p in group["params"]):
            group["params"].append(new)
            return


def _swap_attention(model: nn.Module, network: Network, keep: Tensor, optimizer: Any) -> nn.Module:
    """Torch's attention where heads or channels went."""
    for path, heads in network.heads.items():
        old: Any = model.get_submodule(path)
        sizes = _sizes(old)
        count = int(keep[heads].sum())
        if count == old.num_heads and sizes == (old.embed_dim, old.kdim, old.vdim, old.embed_dim):
            continue
        kept = keep[heads].nonzero()[:, 0].tolist()
        with torch.random.fork_rng():  # its first weights are drawn, and not used
            new = HeadAttention(
                (*sizes[:3], old.head_dim, sizes[3]),
                kept,
                old.num_heads,
                bias=old.out_proj.bias is not None,
                extra=(old.bias_k is not None, old.add_zero_attn),
                dropout=old.dropout,
                batch_first=old.batch_first,
            ).train(old.training)
        new.out_proj.weight, new.out_proj.bias = old.out_proj.weight, old.out_proj.bias
        new.bias_k, new.bias_v = old.bias_k, old.bias_v
        layers = new.query, new.key, new.value
        if old.in_proj_weight is not None:
            weights = _split(old.in_proj_weight, 3, optimizer)
        else:
            weights = [old.q_proj_weight, old.k_proj_weight, old.v_proj_weight]
        for layer, weight in zip(layers, weights, strict=True):
            layer.weight = weight
        if old.in_proj_bias is not None:
            for layer, bias in zip(layers, _split(old.in_proj_bias, 3, optimizer), strict=True):
                layer.bias = bias
        if not path:
            return new
        parent, _, name = path.rpartition(".")
        model.get_submodule(parent).register_module(name, new)
    return model


def _sizes(module: Any) -> tuple[int, int, int, int]:
    """Of queries, keys, values and outputs, as the weights are."""
    out = module.out_proj.weight.shape[0]
    if module.in_proj_weight is not None:
        return (module.in_proj_weight.shape[1],) * 3 + (out,)
    q, k, v = module.q_proj_weight, module.k_proj_weight, module.v_proj_weight
    return q.shape[1], k.shape[1], v.shape[1], out


def _split(old: nn.Parameter, count: int, optimizer: Any) -> list[nn.Parameter]:
    """A parameter as several, each with its part of the optimiser's state."""
    new = [
        nn.Parameter(p.clone(), requires_grad=old.requires_grad) for p in old.detach().chunk(count)
    ]
    if optimizer is not None:
        for group in optimizer.param_groups:
            group["params"] = [q for p in group["params"] for q in (new if p is old else [p])]
        if old in optimizer.state:
            state = optimizer.state.pop(old)
            for place, p in enumerate(new):
                optimizer.state[p] = {
                    kind: value.chunk(count)[place].clone()
                    if isinstance(value, Tensor) and value.shape == old.shape
                    else (value.clone() if isinstance(value, Tensor) else value)
                    for kind, value in state.items()
                }
    return new
