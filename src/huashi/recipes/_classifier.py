"""Short trainings of a classifier of images: the order of the batches, the rate, and the steps."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi._seeds import torch_seed
from huashi.training import rise_and_fall

WARM_UP = 20  # steps of the learning rate


def batches(count: int, batch_size: int, steps: int, seed: int) -> list[Tensor]:
    """Indices of the images of each step: all of them in a new order, again and again.

    Args:
        count: of the images.
        batch_size: images of a step; all of them where there are fewer.
        steps: how many batches.
        seed: of the orders.
    """
    generator = torch.Generator().manual_seed(torch_seed(seed))
    batch_size = min(batch_size, count)
    parts: list[Tensor] = []
    while len(parts) < steps:
        order = torch.randperm(count, generator=generator)
        parts += order[: count // batch_size * batch_size].split(batch_size)
    return parts[:steps]


def rate(lr: float, step: int, steps: int) -> float:
    """The learning rate of a step, the first being 1: it rises for 20 steps, and falls to 0."""
    return lr * rise_and_fall(step, warmup=WARM_UP, steps=steps)


def train_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    order: Iterable[Tensor],
    *,
    lr: float,
    steps: int,
) -> Tensor:
    """Train a model, or train it on, with nothing saved on the way.

    Args:
        model: from images to scores of the classes, (batch, classes).
        optimizer: of its parameters.
        images: (images, channels, height, width).
        labels: the class of each, (images,).
        order: the indices of the images of each step.
        lr: highest learning rate.
        steps: how many there are.

    Returns:
        The loss of the last step, a scalar.
    """
    loss = images.new_zeros(())
    model.train()
    for step, batch in enumerate(order, 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(lr, step, steps)
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.detach()
