"""Proximal steps, and training with penalties."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.same_bits.cases import FLOATS, Case, imported, values, with_grad

prox = imported("huashi.regularization.prox")
regularization = imported("huashi.regularization")


def prox_cases() -> Iterator[Case]:
    knots = [(0.0, 1.0, -0.5), (2.0, 0.0, 0.0)]
    for shape, dtype, kind in itertools.product(
        ((5, 8), (300, 64)), FLOATS, ("plain", "ties", "odd")
    ):
        label = f"{'x'.join(map(str, shape))}, {kind}, {str(dtype)[6:]}"
        v = values(kind, shape, dtype, label)
        h = values("plain", shape, dtype, "h").exp()
        t = values("plain", shape[:1], dtype, "t").exp()
        threads = (1, 2) if shape[0] == 300 else (1,)
        steps: dict[str, Callable] = {
            "soft": lambda v: prox.soft_threshold(v, 0.3),
            "block": lambda v: prox.block_soft_threshold(v, 2.5),
            "blocks": lambda v, t=t: prox.block_soft_threshold(v, t),
            "metric": lambda v, h=h: prox.metric_block_soft_threshold(v, 2.5, h),
            "metric and l1": lambda v, h=h, t=t: prox.metric_block_soft_threshold(v, t, h, l1=0.2),
            "exclusive": lambda v, h=h: prox.exclusive_threshold(v, 0.1, h),
            "half": lambda v: prox.half_threshold(v, 0.4),
            "concave": lambda v: prox.concave_threshold(v.abs(), 0.7, knots),
            "max": lambda v, h=h: prox.max_threshold(v, 1.5, h),
            "l1 ball": lambda v: prox.onto_l1_ball(v, 1.5),
            "simplex": lambda v: prox.onto_simplex(v, 1.0),
            "largest groups": lambda v: prox.largest_groups(v, 3),
            "n of m": lambda v: prox.n_of_m(v, 1, 4),
        }
        if kind != "odd":
            steps["singular values"] = lambda v: prox.singular_value_threshold(v, 1.0)
        for name, step in steps.items():
            yield Case(f"prox/{name}/{label}", step, [v], threads)


def penalty_cases() -> Iterator[Case]:
    penalties = {
        "l1": regularization.L1(strength=0.02),
        "elastic net": regularization.ElasticNet(l1=0.02, l2=0.1),
        "group lasso": regularization.GroupLasso(strength=0.05, weights="sqrt"),
        "sparse group lasso": regularization.SparseGroupLasso(l1=0.01, strength=0.05),
        "squared": regularization.GroupSquaredL2(strength=0.1),
        "exclusive": regularization.Exclusive(strength=0.05),
        "half": regularization.GroupHalf(strength=0.05),
        "scad": regularization.GroupSCAD(strength=0.05),
        "mcp": regularization.GroupMCP(strength=0.05),
        "max": regularization.GroupMax(strength=0.05),
        "nuclear": regularization.Nuclear(strength=0.05),
        "at most": regularization.AtMost(groups=5),
        "n of m": regularization.NOfM(n=1, m=4),
    }

    def train(x: Tensor, penalty: Any, find: Callable, step: str) -> list[Tensor]:
        torch.manual_seed(0)
        layers = nn.Conv1d(3, 16, 4), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 13, 8)
        model = nn.Sequential(*layers)
        optimizer = torch.optim.AdamW(model.parameters(), 0.01)
        proximal = regularization.Proximal(optimizer, [(find(model), penalty)], step=step)
        for _ in range(4):
            proximal.zero_grad()
            model(x).square().mean().backward()
            proximal.step()
        return [p.detach() for p in model.parameters()]

    x = values("plain", (5, 3, 16), torch.float32, "images")
    for name, penalty in penalties.items():
        for find, step in itertools.product(("filters", "columns"), ("metric", "decoupled")):
            groups = getattr(regularization, find)
            run = with_grad(partial(train, penalty=penalty, find=groups, step=step))
            yield Case(f"penalties/{name}/{find}, {step}", run, [x])
