"""Networks of which some channels are zero, and what is compared of them."""

import torch
from torch import nn
from torch.utils import _pytree as pytree

from huashi.regularization import channels
from tests.regularization.topologies import TOPOLOGIES


def call(model, example):
    return model(*(example if isinstance(example, tuple) else (example,)))


def settle(model):
    """Statistics and scales as after some training."""
    with torch.no_grad():
        for module in model.modules():
            if getattr(module, "running_mean", None) is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
            if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm):
                module.weight.normal_()
                module.bias.normal_()
            if isinstance(module, nn.MultiheadAttention) and module.in_proj_bias is not None:
                module.in_proj_bias.normal_()
                module.out_proj.bias.normal_()


def sparse(name, share=0.5, seed=0):
    """A network of which some random groups are zero."""
    torch.manual_seed(seed)
    model, example = TOPOLOGIES[name]()
    settle(model)
    for groups in channels(model, example):
        matrix = groups.gather().detach().clone()
        matrix[torch.randperm(len(groups))[: max(1, int(share * len(groups)))]] = 0
        with torch.no_grad():
            groups.scatter_(matrix)
    return model, example


def difference(a, b):
    pairs = zip(pytree.tree_leaves(a), pytree.tree_leaves(b), strict=True)
    return max(float((x - y).detach().abs().max()) for x, y in pairs)


def size(model):
    return sum(p.numel() for p in model.parameters())


def silence(layer, *rows):
    """Make rows of a layer zero, and their biases."""
    with torch.no_grad():
        for parameter in layer.parameters(recurse=False):
            parameter[list(rows)] = 0
