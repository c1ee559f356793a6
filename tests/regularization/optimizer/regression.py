"""Problems with a known end, and optimisers that get there."""

import torch
from torch import nn, optim

from huashi.regularization import (
    Groups,
    Slices,
    kkt_gap,
)

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.02, momentum=0.8),
    "dampened": lambda p: optim.SGD(p, 0.1, momentum=0.8, dampening=0.8),
    "nesterov": lambda p: optim.SGD(p, 0.02, momentum=0.8, nesterov=True),
    "Adam": lambda p: optim.Adam(p, 0.05),
    "AdamW": lambda p: optim.AdamW(p, 0.05, weight_decay=0),
    "amsgrad": lambda p: optim.Adam(p, 0.05, amsgrad=True),
    "NAdam": lambda p: optim.NAdam(p, 0.05),
    "RAdam": lambda p: optim.RAdam(p, 0.05),
    "Adamax": lambda p: optim.Adamax(p, 0.05),
    "Adagrad": lambda p: optim.Adagrad(p, 0.3, lr_decay=1e-3),
    "RMSprop": lambda p: optim.RMSprop(p, 0.02),
    "centered": lambda p: optim.RMSprop(p, 0.02, momentum=0.5, centered=True, eps=1e-2),
    "Adadelta": lambda p: optim.Adadelta(p, 5.0),
}
ADAPTIVE = ("Adam", "NAdam", "Adamax", "RMSprop")


def rows(parameter, count=4, name="w"):
    return Groups(name, (Slices(name, parameter, (count, parameter.numel() // count), (0,)),))


class Regression:
    """Least squares on twelve weights in four groups, of which the columns differ in scale."""

    def __init__(self, seed=0):
        torch.manual_seed(seed)
        scale = torch.logspace(-0.5, 0.5, 12, dtype=torch.float64)[torch.randperm(12)]
        self.x = torch.randn(80, 12, dtype=torch.float64) * scale
        truth = torch.zeros(4, 3, dtype=torch.float64)
        truth[1], truth[3] = torch.tensor([1.0, -2.0, 1.5]), torch.tensor([0.3, 0.5, -0.2])
        self.y = self.x @ truth.flatten() + 0.1 * torch.randn(80, dtype=torch.float64)
        self.w = nn.Parameter(torch.randn(12, dtype=torch.float64))
        self.groups = rows(self.w)
        self.gram, self.moment = self.x.mT @ self.x / 80, self.x.mT @ self.y / 80

    def loss(self):
        return (self.x @ self.w - self.y).square().mean() / 2

    def backward(self):
        """As that of the loss, at a tenth of the time."""
        self.w.grad = (self.gram @ self.w - self.moment).detach()

    def train(self, optimizer, steps=800, decay=1.0):
        for step in range(steps):
            for group in optimizer.param_groups:
                group.setdefault("start", group["lr"])
                group["lr"] = group["start"] * decay ** max(step - steps // 2, 0)
            self.backward()
            optimizer.step()

    def gap(self, penalty):
        return kkt_gap(self.groups, penalty, self.loss)


def golden():
    w = nn.Parameter(torch.tensor([0.3, -0.1, 0.2, 0.5], dtype=torch.float64))
    y = torch.tensor([3.0, 4.0, 0.5, 0.2], dtype=torch.float64)
    return w, lambda: (2 * w - y).square().mean() / 2
