"""What torch's recurrent layers, attention and transformers do with channels."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from huashi.regularization.coupling.channel_facts import Fact, Opaque
from huashi.regularization.coupling.channel_labels import Channels
from huashi.regularization.coupling.layer_call import (
    Call,
    is_used,
    ndim_of,
    read_channels,
    write_channels,
)
from huashi.regularization.coupling.layer_rules import linear

_GATES = {"RNN_TANH": (1, 0), "RNN_RELU": (1, 0), "GRU": (3, 2), "LSTM": (4, 2)}
"""How many gates there are, and which alone must be zero for a unit to stay zero."""


def recurrent(call: Call, x: Fact, hx: Fact = None, input: Fact = None) -> Fact:
    """RNN, LSTM and GRU: a unit stays zero if what proposes its next value is zero."""
    network, module = call.network, call.module
    x = x if x is not None else input
    sides = 2 if module.bidirectional else 1
    output = call.result[0]
    unlike = {
        "is given a state": call.inputs > 1,
        "projects its hidden units": bool(module.proj_size),
        "is given packed sequences": not isinstance(output, Tensor),
    }
    if any(unlike.values()):
        why = f"{call.path!r} {next(reason for reason, holds in unlike.items() if holds)}"
        call.keep((x, hx), why)
        for parameter in module.parameters():
            network.freeze(parameter, why)
        return None
    x = call.followed(x, output.ndim - 1)
    gates, proposal = _GATES[module.mode]
    units, layers = module.hidden_size, []
    for layer in range(module.num_layers):
        made = []
        for side in range(sides):
            end = f"l{layer}{'_reverse' if side else ''}"
            inner, outer = getattr(module, f"weight_hh_{end}"), getattr(module, f"weight_ih_{end}")
            seen = gates, units, outer.shape[1]
            labels = network.axis(inner, 1, view=(gates, units, units), split=(0, 2), writes=True)
            network.axis(inner, 2, labels, view=(gates, units, units), split=(0, 2))
            network.axis(outer, 1, labels, view=seen, split=(0, 2), writes=True)
            gone = torch.zeros(outer.shape[1], dtype=torch.bool)
            if x is not None:
                network.axis(outer, 2, x.labels, view=seen, split=(0, 2))
                gone, _ = read_channels(call, x, is_used(outer, 1), fold=False)
            idle = ~outer.view(seen)[proposal][:, ~gone].any(1)
            for kind in ("bias_ih", "bias_hh"):
                bias = getattr(module, f"{kind}_{end}", None)
                if bias is not None:
                    network.axis(bias, 1, labels, view=(gates, units), split=(0, 2), writes=True)
                    idle &= bias.view(gates, units)[proposal] == 0
            rows = inner.view(gates, units, units)[proposal] != 0
            for _ in range(units):  # a unit may read units that stay zero
                more = idle & ~(rows & ~idle).any(1)
                if torch.equal(more, idle):
                    break
                idle = more
            state = Channels(output.ndim - 1, labels, idle, outer.new_zeros(units))
            read_channels(call, state, is_used(inner, 1), fold=False)
            made.append(state)
        layers += made
        x = Channels(
            output.ndim - 1,
            torch.cat([state.labels for state in made]),
            torch.cat([state.known for state in made]),
            torch.cat([state.value for state in made]),
        )
    network.equal.append(torch.stack([state.labels for state in layers]))
    for state, place in zip(layers, range(len(layers)), strict=True):
        key = f"{call.path}[{place}]" if len(layers) > 1 else call.path
        network.write(key, state.labels, state.known)
    states = tuple(
        Channels(state.dim - 1, state.labels, state.known, state.value) for state in layers
    )
    labels = torch.cat([state.labels for state in layers])
    last = Opaque(labels, f"the states of {call.path!r} are read as one", states)
    return x, (last, last) if module.mode == "LSTM" else last


def attention(
    call: Call,
    query: Fact,
    key: Fact = None,
    value: Fact = None,
    key_padding_mask: Fact = None,
    need_weights: Fact = None,
    attn_mask: Fact = None,
    average_attn_weights: Fact = None,
    is_causal: Fact = None,
) -> Fact:
    """``nn.MultiheadAttention``: a head that adds nothing can go; so can channels around it."""
    network, module = call.network, call.module
    count, wide = module.num_heads, module.head_dim
    dim = ndim_of(call) - 1
    inputs = [call.followed(x, dim) for x in (query, key, value)]
    if any(x is None for x in inputs):
        for x in inputs:
            call.keep(x, f"{call.path!r} reads it beside what is not followed")
        inputs = [None] * 3
    heads = network.labels.fresh(count)
    if module.in_proj_weight is not None:
        weights = list(module.in_proj_weight.chunk(3))
        view = 3, count, wide, module.embed_dim
        network.axis(module.in_proj_weight, 1, heads, view=view, split=(0, 3), writes=True)
        for x in inputs:
            if x is not None:
                network.axis(module.in_proj_weight, 3, x.labels, view=view, split=(0, 3))
    else:
        weights = [module.q_proj_weight, module.k_proj_weight, module.v_proj_weight]
        for x, weight in zip(inputs, weights, strict=True):
            view = count, wide, weight.shape[1]
            network.axis(weight, 0, heads, view=view, split=(0, 2), writes=True)
            if x is not None:
                network.axis(weight, 2, x.labels, view=view, split=(0, 2))
    gone = torch.zeros(weights[2].shape[1], dtype=torch.bool)
    for x, weight in zip(inputs, weights, strict=True):
        if x is not None:
            gone, _ = read_channels(call, x, is_used(weight, 1), fold=False)
    silent = ~weights[2][:, ~gone].reshape(count, wide, -1).flatten(1).any(1)
    if module.in_proj_bias is not None:
        network.axis(
            module.in_proj_bias, 1, heads, view=(3, count, wide), split=(0, 3), writes=True
        )
        silent &= ~module.in_proj_bias.view(3, count, wide)[2].any(1)
    for kind in ("bias_k", "bias_v"):
        extra = getattr(module, kind)
        if extra is not None:
            network.axis(extra, 2, heads, view=(1, 1, count, wide), split=(2, 2), writes=True)
            silent &= ~extra.view(count, wide).any(1) if kind == "bias_v" else True
    out = module.out_proj.weight
    view = out.shape[0], count, wide
    network.axis(out, 1, heads, view=view, split=(1, 2))
    labels = network.axis(out, 0, view=view, split=(1, 2), writes=True)
    deaf = ~out.view(view).transpose(0, 1).flatten(1).any(1)
    network.labels.block(heads[~silent & ~deaf], f"{call.path!r} needs it")
    network.heads[call.path] = heads
    network.write(f"{call.path} (heads)", heads, silent)
    if call.read is None or not call.read <= {0}:
        network.labels.pin(heads, f"the attention weights of {call.path!r} are read")
    y = call.inside("out_proj")
    used = out.view(view).flatten(2)[:, ~silent].flatten(1)
    written = write_channels(y, dim, labels, ~used.any(1), out.new_zeros(len(labels)))
    return written, None


def transformer_layer(call: Call, *facts: Fact, **named: Fact) -> Fact:
    """Encoder and decoder layers of torch: inside, what feeds forward, and the heads."""
    why = f"{call.path!r} normalizes over it"
    call.keep((*facts, *named.values()), why)
    return _inner_layers(call)


def _inner_layers(call: Call) -> None:
    for name, module in call.module.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            inner = call.inside(name)
            inner.read = {0}
            written, _ = attention(inner, None)
            call.keep(written, f"{call.path!r} normalizes over it")
        elif isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
            first = f"{name}.linear1" if name else "linear1"
            hidden = linear(call.inside(first), None)
            shape = (1,) * (ndim_of(call) - 1) + (len(hidden.labels),)
            value = module.activation(hidden.value.expand(shape)).flatten()
            hidden = Channels(hidden.dim, hidden.labels, hidden.known, value)
            written = linear(call.inside(first.replace("linear1", "linear2")), hidden)
            call.keep(written, f"{call.path!r} normalizes over it")


RULES: dict[type[nn.Module], Callable[..., Fact]] = {
    nn.RNN: recurrent,
    nn.LSTM: recurrent,
    nn.GRU: recurrent,
    nn.MultiheadAttention: attention,
    nn.TransformerEncoderLayer: transformer_layer,
    nn.TransformerDecoderLayer: transformer_layer,
    nn.TransformerEncoder: transformer_layer,
    nn.TransformerDecoder: transformer_layer,
    nn.Transformer: transformer_layer,
}
