"""Compaction of networks drawn at random: the same outputs, whatever is zero."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from huashi.regularization import compact
from tests.regularization.compaction.sparse_networks import difference, settle
from tests.regularization.topologies import Net, images

WIDTH = 4


def grow(draw, x):
    """A step of a random network: what it does, its modules, and its width."""
    kinds = ["conv", "point", "depthwise", "grouped", "norm", "group norm", "relu", "sigmoid"]
    kinds += ["add", "product", "cat", "halves", "pool"]
    kind = draw(st.sampled_from(kinds))
    width, other = x[draw(st.integers(0, len(x) - 1))], draw(st.integers(0, len(x) - 1))
    layer = {
        "conv": lambda: nn.Conv2d(width, WIDTH, 3, padding=1, bias=draw(st.booleans())),
        "point": lambda: nn.Conv2d(width, draw(st.sampled_from([WIDTH, 6])), 1, bias=False),
        "depthwise": lambda: nn.Conv2d(width, width, 3, padding=1, groups=width),
        "grouped": lambda: nn.Conv2d(width, WIDTH, 1, groups=2),
        "norm": lambda: nn.BatchNorm2d(width),
        "group norm": lambda: nn.GroupNorm(2, width),
        "relu": nn.ReLU,
        "sigmoid": nn.Sigmoid,
        "pool": lambda: nn.MaxPool2d(3, 1, 1),
    }.get(kind)
    return kind, width, other, layer() if layer else None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_networks(data):
    """Any weights may be zero, not only those of a whole group."""
    torch.manual_seed(data.draw(st.integers(0, 99)))
    widths, steps, modules = [WIDTH], [], {"stem": nn.Conv2d(3, WIDTH, 1)}
    for place in range(data.draw(st.integers(3, 9))):
        kind, width, other, module = grow(data.draw, widths)
        at = widths.index(width)
        if kind in ("add", "product") and widths[other] != width:
            kind, module = "relu", nn.ReLU()
        if module is not None:
            modules[f"at{place}"] = module
        steps.append((kind, at, other, place))
        made = getattr(module, "out_channels", width)
        made = {"cat": width + widths[other], "halves": width // 2}.get(kind, made)
        widths.append(made if made % 2 == 0 else width)
        if made % 2:  # grouped layers need pairs
            steps[-1] = "keep", at, other, place
    modules["head"] = nn.Conv2d(widths[-1], 3, 1)

    def body(self, x):
        values = [self.stem(x)]
        for kind, at, other, place in steps:
            x, y = values[at], values[other]
            if kind in ("add", "product"):
                x = x + y if kind == "add" else x * y
            elif kind == "cat":
                x = torch.cat([x, y], 1)
            elif kind == "halves":
                x, y = x.chunk(2, 1)
                x = torch.maximum(x, y) if place % 2 else x - 0.5 * y
            elif kind != "keep":
                x = getattr(self, f"at{place}")(x)
            values.append(x)
        return self.head(values[-1])

    model = Net(body, **modules)
    settle(model)
    with torch.no_grad():
        for parameter in model.parameters():
            rows = torch.rand(len(parameter)) < data.draw(st.sampled_from([0.0, 0.5, 1.0]))
            parameter[rows] = 0
            if parameter.ndim > 1 and data.draw(st.booleans()):
                parameter[:, torch.rand(parameter.shape[1]) < 0.3] = 0
    small = compact(model, images()).model
    other = images(3)
    assert difference(model.eval()(other), small.eval()(other)) <= 1e-4
