"""What the recipes that slim a network share: the network, its training and its scores.

A configuration here is the ``Config`` of either recipe, which have these fields in common.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from huashi import report
from huashi._checks import LARGEST, check_below, check_not_negative, check_positive, check_threads
from huashi._seeds import torch_seed
from huashi.recipes import _classifier
from huashi.recipes._classifier import WARM_UP as WARM_UP
from huashi.recipes._classifier import batches, rate
from huashi.recipes._fabric import fabric_on
from huashi.regularization import (
    GroupLasso,
    Groups,
    LinearWarmUp,
    Proximal,
    certify,
    channels,
    exact_zeros,
    load_compact,
)
from huashi.run import Run
from huashi.run.task import NETWORK
from huashi.training import StepResult, TrainingSettings, fit

RAMP = 20  # steps in which the penalty rises
AT_ONCE = 256  # images of a call that measures


class Part(NamedTuple):
    """Some of the images, (batch, 1, height, width), and the class of each, (batch,)."""

    images: Tensor
    labels: Tensor

    def to(self, device: str | torch.device) -> "Part":
        return Part(self.images.to(device), self.labels.to(device))


class Data(NamedTuple):
    """Images in three parts, none of which is in another."""

    training: Part
    validation: Part
    test: Part

    @property
    def classes(self) -> int:
        return 1 + max(int(part.labels.max()) for part in self)

    @property
    def example(self) -> Tensor:
        """An image, as the network is called with."""
        return self.training.images[:1]

    def to(self, device: str | torch.device) -> "Data":
        return Data(*(part.to(device) for part in self))


class Block(nn.Module):
    """Two convolutions beside a shortcut, (batch, before, h, w) -> (batch, after, ...)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.past = nn.Sequential()
        if before != after or stride > 1:
            narrow = nn.Conv2d(before, after, 1, stride, bias=False)
            self.past = nn.Sequential(narrow, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.past(x))


def network(sizes: Sequence[int], classes: int, stride: int, seed: int) -> nn.Sequential:
    """A small ResNet of two blocks, (batch, 1, height, width) -> (batch, classes).

    Args:
        sizes: channels of the first and of the second block.
        classes: scores.
        stride: of the first convolution.
        seed: of the first weights.
    """
    torch.manual_seed(torch_seed(seed))
    one, two = sizes
    return nn.Sequential(
        *(nn.Conv2d(1, one, 3, stride, 1, bias=False), nn.BatchNorm2d(one), nn.ReLU()),
        Block(one, one, 1),
        Block(one, two, 2),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(two, classes)),
    )


def check(config: Any) -> None:
    """Raise where a field that the recipes share is wrong."""
    for name in ("steps", "batch_size", "lr", "threads"):
        check_positive(name, getattr(config, name))
        check_below(name, getattr(config, name), LARGEST)
    check_threads(config.threads)
    for name in ("seed", "strength", "weight_decay", "dense_steps", "fine_tune_steps"):
        check_not_negative(name, getattr(config, name))
        if name != "seed":
            check_below(name, getattr(config, name), LARGEST)
    for name, size in zip(("first", "second"), config.channels, strict=True):
        check_positive(f"{name} of channels", size)
    if config.dense_steps >= config.steps:
        raise ValueError(
            f"dense_steps must be fewer than steps {config.steps}, got {config.dense_steps}"
        )


def model_of(config: Any, classes: int) -> nn.Sequential:
    """The network of a configuration at full size, with its first weights."""
    return network(config.channels, classes, config.stride, config.seed)


def open_model(run: Run, config: Any, classes: int) -> nn.Module:
    """The network of a finished run; of one that was slimmed, the small one."""
    model = model_of(config, classes)
    if "compact" in run.model:
        return load_compact(run.path("model.safetensors"), model)
    run.load_model(model)
    return model


def penalised(
    model: nn.Module, example: Tensor, config: Any, strength: float, dense_steps: int
) -> Proximal:
    """AdamW with a group lasso on the channels, which begins after so many steps."""
    own = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    penalty = GroupLasso(strength=strength)
    ramp = LinearWarmUp(steps=RAMP, start=dense_steps)
    return Proximal(own, [(channels(model, example), penalty)], schedule=ramp)


def train(name: str, config: Any, read: Callable[[Any], Data]) -> Run:
    """Train without a penalty, then with it, and write the report; goes on after an interrupt."""
    data = read(config)
    fabric = fabric_on(config.accelerator, "32-true")
    shape = {"kind": "residual network of two blocks", "classes": data.classes}
    run = Run.start(config.folder, name, config, shape, task=NETWORK, steps="steps")
    if run.results is not None:
        return run

    torch.set_num_threads(config.threads)
    data = data.to(fabric.device)
    model = fabric.to_device(model_of(config, data.classes))
    optimizer = penalised(model, data.example, config, config.strength, config.dense_steps)
    network = fabric.setup_module(model)
    images, labels = data.training
    order = batches(len(labels), config.batch_size, config.steps, config.seed)

    def batches_after(done: int) -> Iterator[Tensor]:
        optimizer.progress["steps"] = done
        return iter(order[done:])

    def take(batch: Tensor, step: int) -> StepResult:
        loss = F.cross_entropy(network(images[batch]), labels[batch])
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return StepResult(loss, len(batch))

    def validate(model: nn.Module, step: int) -> dict[str, Any]:
        zeros = exact_zeros([groups for groups, _ in optimizer.penalties])
        return {
            "accuracy": accuracy(model, data.validation),
            "zero_groups": sum(zeros.values()),
        }

    seconds = fit(
        run,
        model,
        optimizer,
        settings=TrainingSettings(
            steps=config.steps,
            validate_every=config.validate_every,
            save_every=config.validate_every,
        ),
        fabric=fabric,
        batches_after=batches_after,
        take=take,
        validate=validate,
        rate=lambda step: rate(config.lr, step, config.steps),
        seeded=False,
        checkpoint=model,
        log_every=10,
        digits=5,
        unit="images",
    )
    run.save_model(model)
    results = {"training_seconds": seconds, **measure(model, data, config)}
    write_report(run, results)
    run.complete(results)
    return run


def train_steps(
    model: nn.Module, optimizer: torch.optim.Optimizer, data: Data, config: Any, steps: int
) -> None:
    """Continue the training; the learning rate falls from the optimiser's to 0."""
    images, labels = data.training
    order = batches(len(labels), config.batch_size, steps, config.seed + 1)
    highest = optimizer.param_groups[0]["lr"]
    _classifier.train_steps(model, optimizer, images, labels, order, lr=highest, steps=steps)


def fine_tune(model: nn.Module, data: Data, config: Any, steps: int) -> None:
    """Train a model on without a penalty, from half the learning rate."""
    lr, weight_decay = config.lr / 2, config.weight_decay
    own = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
    train_steps(model, own, data, config, steps)


@torch.no_grad()
def accuracy(model: nn.Module, part: Part) -> float:
    """In percent."""
    training = model.training
    model.eval()
    right = [
        model(images).argmax(-1) == labels
        for images, labels in zip(*(t.split(AT_ONCE) for t in part), strict=True)
    ]
    model.train(training)
    return round(100 * torch.cat(right).float().mean().item(), 2)


def evaluate(
    run: Run, config: Any, read: Callable[[Any], Data], device: str | torch.device
) -> dict[str, Any]:
    """Score a finished run once more; see :func:`measure`."""
    data = read(config).to(device)
    return measure(open_model(run, config, data.classes).to(device), data, config)


def measure(model: nn.Module, data: Data, config: Any) -> dict[str, Any]:
    """Accuracy and zeros: ``scores``, one row; ``layers``, how many channels of each are zero."""
    twin = copy.deepcopy(model).train()  # its running statistics move
    groups = channels(twin, data.example)
    penalty = GroupLasso(strength=config.strength)
    images, labels = data.training
    proof = certify([(groups, penalty)], lambda: F.cross_entropy(twin(images), labels))
    row = {
        "test, %": accuracy(model, data.test),
        "validation, %": accuracy(model, data.validation),
        "parameters": sum(p.numel() for p in model.parameters()),
        "zero groups": sum(proof.zeros),
        "groups": sum(map(len, groups)),
        "KKT gap": round(proof.gap, 6),
    }
    return {"scores": [row], "layers": layers(groups)}


def layers(groups: Sequence[Groups]) -> list[dict[str, Any]]:
    """Channels by the first layer that makes them, and those of them that are zero."""
    zeros = exact_zeros(groups)
    return [{"channels of": one.name, "all": len(one), "zero": zeros[one.name]} for one in groups]


def write_report(run: Run, results: dict[str, Any]) -> Path:
    """Make the run's ``report.html`` from its results."""
    whole = {row["channels of"]: row["all"] for row in results["layers"]}
    left = {row["channels of"]: row["all"] - row["zero"] for row in results["layers"]}
    return report.write_report(
        run.folder,
        f"Training to a smaller network: {run.recipe}",
        {
            "Scores": report.table_html(results["scores"]),
            "Training": {
                "The loss, and on images that were not trained on the accuracy in percent; groups "
                "that are exactly zero": report.learning_curves(run.metrics())
            },
            "Channels": {
                "Channels of each layer that are not zero, in red, of all": report.parts_of(
                    left, whole, "channels"
                )
            },
            "Configuration": report.table_html(
                [{"field": name, "value": value} for name, value in run.config.items()]
            ),
        },
    )


def tables(results: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What of the results is worth printing."""
    try:
        return [results["scores"], results["layers"]]
    except (KeyError, TypeError):
        raise ValueError("results.json must hold scores and layers") from None
