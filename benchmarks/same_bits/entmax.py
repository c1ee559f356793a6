"""The mappings of the entmax family and their losses."""

import itertools
from collections.abc import Iterator
from functools import partial

import torch

from benchmarks.same_bits.cases import FLOATS, Case, imported, seeded, values

entmax = imported("huashi.entmax", "huashi.seq2seq.entmax")


def entmax_cases() -> Iterator[Case]:
    shapes = {(7, 13): (1,), (3, 5, 33): (1,), (300, 41): (1, 2), (3, 9001): (1, 2)}
    for dtype, kind, (shape, threads) in itertools.product(
        (*FLOATS, torch.float16), ("plain", "ties", "odd", "masked"), shapes.items()
    ):
        label = f"{'x'.join(map(str, shape))}, {kind}, {str(dtype)[6:]}"
        x = values(kind, shape, dtype, label)
        if kind == "masked":
            x = x.masked_fill(torch.rand(shape, generator=seeded(label)) > 0.5, -torch.inf)
        rows = values("plain", (*shape[:-1], 1), dtype, label)
        second = dtype == torch.float64 and kind == "plain" and x.numel() < 1000
        for name, mapping in {
            "sparsemax": entmax.sparsemax,
            "1.5": entmax.entmax15,
            "1.3": partial(entmax.entmax, alpha=1.3),
            "1.7": partial(entmax.entmax, alpha=1.7),
            "1.5, first dimension": partial(entmax.entmax15, dim=0),
        }.items():
            yield Case(f"entmax/{name}/{label}", mapping, [x], threads, second)
        by_row = lambda x, a: entmax.entmax(x, 1 + a.sigmoid())  # noqa: E731
        yield Case(f"entmax/by row/{label}", by_row, [x, rows], threads)
        target = torch.randint(shape[-1], shape[:-1], generator=seeded(label))
        target.view(-1)[::5] = -100
        for alpha, (smoothing, reduction) in itertools.product(
            (1.3, 1.5, 2.0), ((0.0, "mean"), (0.1, "sum"), (0.0, "none"))
        ):
            loss = partial(
                entmax.entmax_loss,
                target=target,
                alpha=alpha,
                label_smoothing=smoothing,
                reduction=reduction,
            )
            name = f"entmax/loss {alpha}, {smoothing}, {reduction}/{label}"
            yield Case(name, loss, [x], threads, second)
